//! Integration tests: one binary.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking and explains itself on stderr")]

mod demo_service;
mod probe;
mod config;
mod layering;
mod services;
mod support;
