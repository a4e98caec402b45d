//! `heapwatch run`: the daemon in the foreground, until a signal ends it.

use std::{io, thread};

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tracing::{info, warn};

use super::exit::Failure;
use super::logging;
use super::sources::ConfigArgs;
use crate::daemon::signals::{Listener, Request};
use crate::daemon::{self, Launch, Running, notify};

/// Watch the configured targets until SIGTERM or SIGINT; SIGHUP reads the configuration anew.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the daemon.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let sources = args.config.sources();
    let config = args.config.load()?;
    logging::start(config.log)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let executable = std::env::current_exe()?;
    lift_file_limit();
    let runtime = runtime()?;
    runtime.block_on(async {
        // Listening comes first: a signal during the start must not kill half a daemon.
        let mut signals = Listener::start()?;
        let (targets, channels) = (config.targets.len(), config.channels.len());
        let daemon = daemon::start(config, Launch { sources: Some(sources), executable }).await?;
        info!(targets, channels, "heapwatch watches {targets} targets");
        notify::ready(&format!("watching {targets} targets"));
        obey(&mut signals, &daemon).await;
        notify::stopping();
        info!("stopping");
        daemon.stop().await;
        Ok(())
    })
}

/// A few threads: polling 10,000 targets keeps none of them busy, and on a large machine a thread for each core, each with a
/// heap of its own, would be most of what an idle daemon takes.
fn runtime() -> io::Result<Runtime> {
    const MOST_WORKERS: usize = 4;
    let workers = thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    Builder::new_multi_thread().worker_threads(workers).enable_all().build()
}

/// Lets this process open as many files as it may: every target can hold a connection, and the usual limit of 1024, which
/// is there for programs that use `select`, is no wish of anybody's. Children inherit it, and they need no more.
fn lift_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let lifted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(problem) = setrlimit(Resource::Nofile, lifted) {
        warn!(error = %problem, "cannot raise the limit on open files; it stays at {:?}", limit.current);
    }
}

/// Serves signals until one asks to stop.
async fn obey(signals: &mut Listener, daemon: &Running) {
    while signals.next().await == Request::Reload {
        // The supervisor has logged why a configuration is refused; the old one stays in force.
        daemon.reload().await.ok();
    }
}
