//! Integration tests: one binary.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking and explains itself on stderr")]

mod alert;
mod capture;
mod child;
mod collections;
mod config;
mod daemon;
mod demo_service;
mod detector;
mod detector_properties;
mod detector_rough;
mod discovery;
mod faults;
mod heap;
mod idle;
mod init;
mod kills;
mod layering;
mod metrics;
mod probe;
mod probe_command;
mod recordings;
mod remote_write;
mod replay;
mod services;
mod soak;
mod store;
mod story;
mod support;
mod top;
mod web;
