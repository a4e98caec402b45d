//! `heapwatch demo`: the whole story on one machine in about a minute.
//!
//! Everything is real but the pace: a leaking service, the daemon with a configuration file, two heap snapshots on
//! disk, and a signed webhook to a receiver that checks it. Only the time constants are shrunk.

mod receiver;
mod script;
pub mod service;
mod view;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tempfile::TempDir;
use tokio::time::Instant;

use self::receiver::{Received, Receiver};
use self::script::Leaker;
use self::view::View;
use super::exit::Failure;
use super::logging;
use crate::config::{self, Sources};
use crate::daemon::signals::{Listener, Request};
use crate::daemon::{self, Launch, Running};

/// Watch a service leak, catch it, and name the guilty line: the main job in about a minute.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Keep configuration, log, state and snapshots in this directory, which must be empty or new.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Use the built-in service even where Node.js is installed.
    #[arg(long)]
    built_in: bool,
    /// Give up after this time.
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Why the demo did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The directory of `--keep` holds something already.
    #[error("`{}` is not empty: the demo keeps its files in an empty or new directory", .0.display())]
    NotEmpty(PathBuf),
    /// A file or directory of the demo could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The leaking service did not start.
    #[error("the leaking service did not start: {0}")]
    Service(String),
    /// The receiver could not listen on 127.0.0.1.
    #[error("cannot receive webhooks on 127.0.0.1")]
    Receiver(#[source] std::io::Error),
    /// No randomness for tokens.
    #[error("the system gives no random bytes")]
    Random(#[from] getrandom::Error),
    /// The story did not come to its end in time.
    #[error("no analysed leak within {}: {stage}", humantime::format_duration(*timeout))]
    Timeout {
        /// What was allowed.
        timeout: Duration,
        /// How far it came.
        stage: String,
    },
    /// A webhook arrived that the receiver did not believe.
    #[error("a webhook arrived whose signature does not hold: {0}")]
    BadSignature(String),
}

/// Runs the demo.
pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    let room = Room::prepare(args.keep.as_deref())?;
    logging::to_file(&room.path().join("heapwatch.log"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(play(args, room.path()));
    if args.keep.is_some() {
        view::say(&format!("kept in {}", room.path().display()));
    }
    outcome
}

/// The directory of the demo: gone at the end unless it is to be kept.
enum Room {
    Passing(TempDir),
    Kept(PathBuf),
}

impl Room {
    fn prepare(keep: Option<&Path>) -> Result<Self, DemoError> {
        let Some(keep) = keep else {
            let made = TempDir::with_prefix("heapwatch-demo-");
            return made.map(Self::Passing).map_err(|source| DemoError::Write { path: std::env::temp_dir(), source });
        };
        let refused = |source| DemoError::Write { path: keep.to_owned(), source };
        std::fs::create_dir_all(keep).map_err(refused)?;
        let empty = std::fs::read_dir(keep).map_err(refused)?.next().is_none();
        let keep = keep.canonicalize().map_err(refused)?;
        if empty { Ok(Self::Kept(keep)) } else { Err(DemoError::NotEmpty(keep)) }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Passing(directory) => directory.path(),
            Self::Kept(path) => path,
        }
    }
}

async fn play(args: &DemoArgs, room: &Path) -> Result<(), Failure> {
    let mut signals = Listener::start()?;
    let secrets = script::Secrets::make(room)?;
    let mut leaker = Leaker::start(args.built_in, &secrets.token).await?;
    view::say(&leaker.introduction());
    let mut receiver = Receiver::start(&secrets.webhook).await?;
    let file = script::write_config(room, leaker.port, receiver.address)?;
    let config = config::load(&Sources { file: Some(file), ..Sources::default() }).map_err(Failure::Config)?;
    let launch = Launch { sources: None, executable: std::env::current_exe()? };
    let daemon = daemon::start(config, launch).await?;
    // Both branches are cancel-safe: nothing of them is used after the other has won.
    let outcome = tokio::select! {
        outcome = follow(args.timeout, &daemon, &mut receiver) => outcome.map_err(Failure::from),
        () = stop_requested(&mut signals) => {
            view::say("stopped");
            Ok(())
        }
    };
    daemon.stop().await;
    leaker.stop().await;
    outcome
}

async fn stop_requested(signals: &mut Listener) {
    while signals.next().await != Request::Stop {}
}

/// Shows polls and verdicts until the analysed leak has arrived over the webhook.
async fn follow(timeout: Duration, daemon: &Running, receiver: &mut Receiver) -> Result<(), DemoError> {
    /// As often as a person can follow; the service is polled four times a second.
    const LOOK: Duration = Duration::from_millis(250);
    let deadline = Instant::now() + timeout;
    let mut view = View::new();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        // Both branches are cancel-safe: an interval and a channel's receive.
        tokio::select! {
            _ = looks.tick() => {
                view.show(&daemon.board);
                if view.is_unread() {
                    return Ok(());
                }
            }
            Some(webhook) = receiver.next() => {
                view.received(&webhook);
                if finished(&webhook)? {
                    view.finish();
                    return Ok(());
                }
            }
            () = tokio::time::sleep_until(deadline) => {
                view.finish();
                return Err(DemoError::Timeout { timeout, stage: view.stage().to_owned() });
            }
        }
    }
}

/// The story ends with the comparison of the pair; a signature that does not hold ends it badly.
fn finished(webhook: &Received) -> Result<bool, DemoError> {
    if let Err(problem) = &webhook.signature {
        return Err(DemoError::BadSignature(problem.clone()));
    }
    Ok(matches!(webhook.event(), Some("analysis_ready" | "analysis_failed")))
}
