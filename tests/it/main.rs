//! Integration tests: one binary.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking and explains itself on stderr")]

mod alert;
mod capture;
mod child;
mod config;
mod demo_service;
mod faults;
mod heap;
mod layering;
mod probe;
mod probe_command;
mod services;
mod store;
mod story;
mod support;
