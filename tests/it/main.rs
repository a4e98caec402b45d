//! Integration tests: one binary.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking and explains itself on stderr")]

mod alert;
mod demo_service;
mod probe;
mod services;
mod support;
