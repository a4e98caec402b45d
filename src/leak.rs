//! The detector of one target: samples in, verdict and events out. It reads no clock and does no I/O.

pub mod event;
pub mod verdict;
