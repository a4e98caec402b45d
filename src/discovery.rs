//! Targets that nobody lists by hand: where they are, and how they are called.

pub mod naming;
