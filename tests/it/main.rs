//! Integration tests: one binary.

mod capture;
mod child;
mod store;
