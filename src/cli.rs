//! The command line: one file a subcommand.

pub mod explain;
pub mod replay;

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "heapwatch", version)]
enum Command {
    /// Run the detector over recorded samples.
    Replay(replay::ReplayArgs),
}

/// Runs the command line.
#[expect(clippy::print_stderr, reason = "the edge of the program")]
pub fn run() -> ExitCode {
    let Command::Replay(args) = Command::parse();
    match replay::run(&args, crate::leak::Options::default()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heapwatch: {error}");
            ExitCode::FAILURE
        }
    }
}
