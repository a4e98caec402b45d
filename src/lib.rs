//! heapwatch: a memory watchdog for long-running services.
//!
//! Imports only go down this list; adapters never import one another.

// -- words: plain values --
pub mod clock;
pub mod errors;
pub mod sample;
pub mod target;
pub mod units;
// -- cores: no tokio, no sockets, no files, no logging, no clock --
pub mod growth;
pub mod heap;
pub mod leak;
pub mod retention;
pub mod status;
// -- the HTTP client that the adapters share --
pub mod http;
// -- adapters: one outside thing each --
pub mod alert;
pub mod capture;
pub mod probe;
pub mod store;
pub mod web;
// -- assembly --
pub mod cli;
pub mod config;
pub mod daemon;
