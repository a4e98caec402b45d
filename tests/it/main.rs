//! Integration tests: one binary.

mod heap;
