//! The `heapwatch` executable: everything is in the library.

use std::process::ExitCode;

use clap::Parser;
use heapwatch::cli::heap::{HeapCommand, run};

#[derive(Parser)]
#[command(version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Read, compare and explain heap snapshots
    #[command(subcommand)]
    Heap(HeapCommand),
}

#[expect(clippy::print_stderr, reason = "the one place where a command's error is told")]
fn main() -> ExitCode {
    let Command::Heap(command) = CommandLine::parse().command;
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
            let chain: Vec<String> = causes.map(ToString::to_string).collect();
            eprintln!("{}", [vec![format!("heapwatch: {error}")], chain].concat().join(": "));
            ExitCode::FAILURE
        }
    }
}
