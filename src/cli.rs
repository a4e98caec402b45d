//! The command line: one file a subcommand, the exit codes, and the one place that prints an error's chain.

use std::io::stdout;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};

pub mod check;
pub mod client;
pub mod completions;
pub mod demo;
pub mod events;
pub mod exit;
pub mod explain;
pub mod gc;
pub mod heap;
pub mod history;
pub mod init;
pub mod logging;
pub mod man;
pub mod probe;
pub mod replay;
pub mod run;
pub mod silence;
pub mod snapshots;
pub mod sources;
pub mod status;
pub mod test_alert;
pub mod token;
pub mod top;
mod trail;

mod output;

use exit::Failure;
use sources::ConfigArgs;

use crate::clock::Timestamp;
use crate::config::{self, Config};
use crate::daemon::clock::Clock;
use crate::leak;
use crate::store::Store;

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
    Init(init::InitArgs),
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Probe(probe::ProbeArgs),
    Replay(replay::ReplayArgs),
    Status(status::StatusArgs),
    Top(top::TopArgs),
    Explain(status::ExplainArgs),
    Snapshot(status::SnapshotArgs),
    Rearm(status::RearmArgs),
    /// Hold back what is told of some targets for a while.
    #[command(subcommand)]
    Silence(silence::SilenceCommand),
    Events {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: events::EventsArgs,
    },
    TestAlert(test_alert::TestAlertArgs),
    Token(token::TokenArgs),
    /// Analyse heap snapshots: compare two of one process, or look into one.
    #[command(subcommand)]
    Heap(heap::HeapCommand),
    Snapshots {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: snapshots::SnapshotsArgs,
    },
    History {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: history::HistoryArgs,
    },
    Gc {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        args: gc::GcArgs,
    },
    Demo(demo::DemoArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Man(man::ManArgs),
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
        Command::Init(args) => runtime()?.block_on(init::run(args)),
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Probe(args) => Ok(runtime()?.block_on(probe::run(args))?),
        Command::Replay(args) => replay_with_options(&args),
        Command::Status(args) => Ok(runtime()?.block_on(status::status(args))?),
        Command::Top(args) => Ok(runtime()?.block_on(top::run(args))?),
        Command::Explain(args) => Ok(runtime()?.block_on(status::explain(args))?),
        Command::Snapshot(args) => Ok(runtime()?.block_on(status::snapshot(args))?),
        Command::Rearm(args) => Ok(runtime()?.block_on(status::rearm(args))?),
        Command::Token(args) => Ok(token::run(&args)?),
        Command::Silence(command) => Ok(runtime()?.block_on(silence::run(command))?),
        Command::Events { config, args } => runtime()?.block_on(events::run(args, &config)),
        Command::TestAlert(args) => runtime()?.block_on(test_alert::run(args)),
        Command::Heap(command) => Ok(heap::run(command)?),
        Command::Snapshots { config, args } => {
            let config = config.load()?;
            Ok(snapshots::run(&args, directories(&config), daemon_time(&config.state_directory), &mut stdout().lock())?)
        }
        Command::History { config, args } => {
            Ok(history::run(&args, &config.load()?.state_directory, &mut stdout().lock())?)
        }
        Command::Gc { config, args } => collect_garbage(&args, &config.load()?),
        Command::Demo(args) => demo::run(&args),
        Command::Completions(args) => Ok(completions::run(&args, Cli::command(), &mut stdout().lock())?),
        Command::Man(args) => Ok(man::run(&args, Cli::command())?),
        Command::DemoService => Ok(runtime()?.block_on(demo::service::main(|name| std::env::var(name).ok()))?),
    }
}

/// A recording is judged by the options of a target, of `[defaults]`, or without a file by the built-in ones.
fn replay_with_options(args: &replay::ReplayArgs) -> Result<(), Failure> {
    let Some(file) = args.config.clone() else { return Ok(replay::run(args, leak::Options::default())?) };
    let file = ConfigArgs { config: Some(file) };
    let Some(name) = &args.target else {
        return Ok(replay::run(args, config::load_detection(&file.sources()).map_err(Failure::Config)?)?);
    };
    let config = file.load()?;
    let target = config.targets.into_iter().find(|target| target.name == *name);
    let target = target.ok_or(replay::ReplayError::UnknownTarget)?;
    Ok(replay::run(args, Arc::unwrap_or_clone(target.leak))?)
}

fn collect_garbage(args: &gc::GcArgs, config: &Config) -> Result<(), Failure> {
    let now = daemon_time(&config.state_directory);
    Ok(gc::run(args, directories(config), &config.retention, now, &mut stdout().lock())?)
}

fn directories(config: &Config) -> gc::Directories<'_> {
    gc::Directories { snapshots: &config.snapshot_directory, state: &config.state_directory }
}

/// The time as the daemon of this state directory counts it, which the wall clock may be hours away from.
fn daemon_time(state: &Path) -> Timestamp {
    let clock = Store::attach(state).map(|store| Clock::of(&store));
    // Without a database no daemon has begun to count.
    clock.unwrap_or_else(|_| Clock::start()).now()
}

/// The runtime of commands that ask somebody something; they wait more than they work, so one thread does.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
