//! The `heapwatch` executable: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    heapwatch::cli::run()
}
