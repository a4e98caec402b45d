//! The command line: one file a subcommand, the exit codes, and the one place that prints an error's chain.

use std::process::ExitCode;

pub mod exit;
pub mod replay;

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    exit::Exit::Done.into()
}
