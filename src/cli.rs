//! The command line: one file a subcommand, the exit codes, and the one place that prints an error's chain.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod check;
pub mod demo;
pub mod exit;
pub mod logging;
pub mod probe;
pub mod replay;
pub mod sources;

use exit::Failure;

/// A memory watchdog for long-running services: finds the leak, takes the heap snapshots, names the guilty line.
#[derive(Debug, Parser)]
#[command(name = "heapwatch", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 64 wrong usage, 78 bad configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::CheckArgs),
    Probe(probe::ProbeArgs),
    Replay(replay::ReplayArgs),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => exit::finish(dispatch(cli.command)),
        Err(refusal) => exit::refuse(&refusal),
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Check(args) => check::run(&args),
        Command::Probe(args) => Ok(runtime()?.block_on(probe::run(args))?),
        Command::Replay(args) => Ok(replay::run(&args)?),
    }
}

/// The runtime of commands that ask somebody something; they wait more than they work, so one thread does.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
