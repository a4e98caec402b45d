//! `heapwatch run`: the daemon in the foreground, until a signal ends it.

use clap::Args;
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
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

/// Serves signals until one asks to stop.
async fn obey(signals: &mut Listener, daemon: &Running) {
    while signals.next().await == Request::Reload {
        // The supervisor has logged why a configuration is refused; the old one stays in force.
        daemon.reload().await.ok();
    }
}
