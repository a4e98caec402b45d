//! The `heapwatch` executable: everything is in the library.

fn main() {}
