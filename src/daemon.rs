//! The running daemon: a watcher per target, one dispatcher, and around them captures, deliveries, pages and signals.
//!
//! [`start`] opens everything that may fail and then returns; from there on nothing but a stop ends the daemon.

pub mod analysis;
pub mod capturing;
pub mod clock;
pub mod event;
pub mod metrics;
pub mod notify;
pub mod schedule;
pub mod signals;
pub mod watcher;

mod archive;
mod caught;
mod dispatcher;
mod fleet;
mod ledger;
mod listening;
mod pending;
mod pings;
mod remote;
mod sources;
mod supervisor;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::{Config, Sources};
use crate::daemon::archive::Archive;
use crate::daemon::clock::Clock;
use crate::daemon::dispatcher::{Dispatcher, Tools};
use crate::daemon::fleet::Fleet;
use crate::daemon::listening::Listeners;
use crate::daemon::metrics::Metrics;
use crate::daemon::supervisor::{Parts, Supervisor, rules_of};
use crate::errors;
use crate::status::board::Board;
use crate::store::snapshots::{SnapshotDir, Swept};
use crate::store::{OpenNote, Store, StoreError};
use crate::web;

/// What the daemon needs besides its configuration.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Where a reload reads the configuration from; `None`: it cannot be reloaded.
    pub sources: Option<Sources>,
    /// The heapwatch executable, which compares snapshots in a process of its own.
    pub executable: PathBuf,
}

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory or the snapshot directory cannot be used.
    #[error("cannot open what is kept on disk")]
    Store(#[from] StoreError),
    /// Another program has the address, or it is not ours to take.
    #[error("cannot listen on {address}")]
    Listen {
        /// What was asked for.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The system gives no more threads or files.
    #[error("cannot start the polling of targets")]
    Fleet(#[source] io::Error),
    /// The runtime is going down.
    #[error("stopped while starting")]
    Stopped,
}

/// A daemon that runs.
#[derive(Debug)]
pub struct Running {
    /// Every target as it stands.
    pub board: Board,
    /// Where the pages are, if on TCP.
    pub address: Option<SocketAddr>,
    stop: CancellationToken,
    reloads: mpsc::Sender<ReloadReply>,
    ended: JoinHandle<()>,
}

/// What is wrong with a configuration that is refused, one line each.
type ReloadReply = oneshot::Sender<Result<(), Vec<String>>>;

/// Full when the dispatcher is busy for longer than it takes a thousand targets to poll; watchers then wait, and
/// the ticks they miss are counted as late.
const EVENT_QUEUE: usize = 1024;
/// Requests of people; they wait for their answers anyway.
const REQUEST_QUEUE: usize = 16;

/// Opens the store, binds the pages, starts every part, and returns once all of them run.
pub async fn start(config: Config, launch: Launch) -> Result<Running, StartError> {
    let (store, notes) = open_store(&config).await?;
    let store = Arc::new(store);
    let directory = open_snapshots(&config).await?;
    let clock = Clock::of(&store);
    remember_clock(&store, clock).await;
    let listeners = Listeners::bind(&config.web).await?;
    let address = listeners.address;

    let (events, event_queue) = mpsc::channel(EVENT_QUEUE);
    let (requests, request_queue) = mpsc::channel(REQUEST_QUEUE);
    let (reloads, reload_queue) = mpsc::channel(REQUEST_QUEUE);
    let (orders, order_queue) = mpsc::channel(REQUEST_QUEUE);
    let (fleet, fleet_orders) = Fleet::new();
    let (ready, is_ready) = watch::channel(false);
    let board = Board::default();
    let metrics = Arc::new(Metrics::new(clock.now().unix_seconds(), board.clone()));
    let (stop, dispatcher_stop) = (CancellationToken::new(), CancellationToken::new());
    metrics.reloaded(Some(clock.now().unix_seconds()));

    let tools = Tools {
        clock,
        board: board.clone(),
        metrics: Arc::clone(&metrics),
        store: Arc::clone(&store),
        directory: directory.clone(),
        events: events.clone(),
        fleet: fleet.clone(),
        reloads: reloads.clone(),
    };
    let dispatcher = Dispatcher::new(tools, rules_of(&config, &launch), notes);
    let dispatching = tokio::spawn(dispatcher.run(event_queue, order_queue, dispatcher_stop.clone()));
    let mut helpers = JoinSet::new();
    helpers.spawn(forward_requests(request_queue, events.clone()));
    let (access, who_may_ask) = watch::channel(Arc::new(config.web.access.clone()));
    let archive = Archive { store: Arc::clone(&store), directory: directory.clone() };
    let site = site(&board, &metrics, requests, is_ready, archive, clock);
    listeners.serve(&site, &who_may_ask, &mut helpers, &stop);
    let parts = Parts {
        launch,
        clock,
        board: board.clone(),
        metrics,
        store,
        events,
        orders,
        fleet,
        access,
        bound: config.web.clone(),
        stop: stop.clone(),
    };
    let supervisor = Supervisor::new(parts, fleet_orders, &config).map_err(StartError::Fleet)?;
    let ended = tokio::spawn(run(
        supervisor,
        config,
        reload_queue,
        ready.clone(),
        Ending { dispatching, dispatcher_stop, helpers },
    ));
    let mut started = ready.subscribe();
    started.wait_for(|ready| *ready).await.map_err(|_| StartError::Stopped)?;
    Ok(Running { board, address, stop, reloads, ended })
}

impl Running {
    /// Asks for an orderly stop and waits for it: watchers end, what is owed is delivered as far as the configured
    /// few seconds reach, the rest stays on disk.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(problem) = self.ended.await {
            error!(error = %problem, "the daemon did not end in order");
        }
    }

    /// Reads the configuration anew; an error changes nothing and says why.
    pub async fn reload(&self) -> Result<(), Vec<String>> {
        let (reply, answer) = oneshot::channel();
        let stopping = || vec!["heapwatch is stopping".to_owned()];
        self.reloads.send(reply).await.map_err(|_| stopping())?;
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }
}

/// What is left to end after the supervisor has ended the watchers.
struct Ending {
    dispatching: JoinHandle<()>,
    dispatcher_stop: CancellationToken,
    helpers: JoinSet<()>,
}

async fn run(
    mut supervisor: Supervisor,
    config: Config,
    reloads: mpsc::Receiver<ReloadReply>,
    ready: watch::Sender<bool>,
    mut ending: Ending,
) {
    // Boxed, since what a start and a reload take would stay with the task for good.
    Box::pin(supervisor.apply(config)).await;
    ready.send_replace(true);
    Box::pin(supervisor.run(reloads)).await;
    // Watchers have reported for the last time; only now the dispatcher may stop listening to them.
    ending.dispatcher_stop.cancel();
    if let Err(problem) = ending.dispatching.await {
        error!(error = %problem, "the dispatcher did not end in order");
    }
    ending.helpers.shutdown().await;
}

async fn open_store(config: &Config) -> Result<(Store, Vec<OpenNote>), StartError> {
    let (dir, now) = (config.state_directory.clone(), Clock::start().now());
    let opened =
        tokio::task::spawn_blocking(move || Store::open_or_read(&dir, now)).await.map_err(|_| StartError::Stopped)?;
    let (store, notes) = opened?;
    for note in &notes {
        warn!("{note}");
    }
    if let (false, Some(last)) = (store.stopped_cleanly(), store.last_alive()) {
        warn!("heapwatch did not stop in order: of each target up to ten samples before {last} are missing");
    }
    Ok((store, notes))
}

/// So that the next start knows how much time has passed even where the wall clock was set meanwhile.
async fn remember_clock(store: &Arc<Store>, clock: Clock) {
    let Some(anchor) = clock.anchor() else { return };
    let store = Arc::clone(store);
    let kept = tokio::task::spawn_blocking(move || store.put_anchor(&anchor)).await;
    if let Ok(Err(problem)) = kept {
        // An older one from the same boot is as good, and the wall clock is the next best.
        warn!(error = errors::one_line(&problem), "cannot write where the clock stands");
    }
}

async fn open_snapshots(config: &Config) -> Result<SnapshotDir, StartError> {
    let root = config.snapshot_directory.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let opened = SnapshotDir::open(&root).and_then(|directory| Ok((directory.sweep()?, directory)));
        match opened {
            // The gate refuses captures as long as no attempt can be written either, and the next start sweeps.
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                warn!(path = %root.display(), "the snapshot directory is on a read-only file system");
                Ok((Vec::new(), SnapshotDir::unopened(&root)))
            }
            opened => opened,
        }
    });
    let (swept, directory) = opened.await.map_err(|_| StartError::Stopped)??;
    for found in swept {
        match found {
            Swept::Removed(path) => info!(path = %path.display(), "removed what a crash left behind"),
            Swept::LeftAlone { path, why } => {
                warn!(path = %path.display(), "left alone in the snapshot directory: {why}");
            }
        }
    }
    Ok(directory)
}

fn site(
    board: &Board,
    metrics: &Arc<Metrics>,
    requests: mpsc::Sender<web::Request>,
    ready: watch::Receiver<bool>,
    archive: Archive,
    clock: Clock,
) -> web::Site {
    let metrics = Arc::clone(metrics);
    let (of_series, of_snapshots, of_flames) = (archive.clone(), archive.clone(), archive.clone());
    web::Site {
        board: board.clone(),
        metrics: Arc::new(move || metrics.render()),
        requests,
        ready,
        now: Arc::new(move || clock.now()),
        archive: web::Archive {
            series: Arc::new(move |query| of_series.series(query)),
            snapshots: Arc::new(move |target| of_snapshots.snapshots(target.as_ref())),
            flame_graph: Arc::new(move |target| of_flames.flame_graph(&target)),
        },
        dossier: Arc::new(move |query| archive.dossier(query, clock.now())),
    }
}

async fn forward_requests(mut requests: mpsc::Receiver<web::Request>, events: mpsc::Sender<event::Event>) {
    while let Some(request) = requests.recv().await {
        if events.send(event::Event::Asked(request)).await.is_err() {
            return;
        }
    }
}
