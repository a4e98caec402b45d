//! The command line: one file a subcommand, the exit codes, and the one place that prints an error's chain.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod check;
pub mod client;
pub mod demo;
pub mod exit;
pub mod logging;
pub mod probe;
pub mod replay;
pub mod run;
pub mod sources;
pub mod status;
pub mod test_alert;

mod output;

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
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Probe(probe::ProbeArgs),
    Replay(replay::ReplayArgs),
    Status(status::StatusArgs),
    Snapshot(status::SnapshotArgs),
    Rearm(status::RearmArgs),
    TestAlert(test_alert::TestAlertArgs),
    Demo(demo::DemoArgs),
    /// The demo's own leaking service.
    #[command(hide = true)]
    DemoService,
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
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Probe(args) => Ok(runtime()?.block_on(probe::run(args))?),
        Command::Replay(args) => Ok(replay::run(&args)?),
        Command::Status(args) => Ok(runtime()?.block_on(status::status(args))?),
        Command::Snapshot(args) => Ok(runtime()?.block_on(status::snapshot(args))?),
        Command::Rearm(args) => Ok(runtime()?.block_on(status::rearm(args))?),
        Command::TestAlert(args) => runtime()?.block_on(test_alert::run(args)),
        Command::Demo(args) => demo::run(&args),
        Command::DemoService => Ok(runtime()?.block_on(demo::service::main(|name| std::env::var(name).ok()))?),
    }
}

/// The runtime of commands that ask somebody something; they wait more than they work, so one thread does.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
