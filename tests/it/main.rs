//! Integration tests: one binary.

mod detector;
mod detector_properties;
mod replay;
