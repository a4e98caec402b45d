//! The supervisor: starts and ends watchers as the configuration says, and swaps in a new one whole.

mod listed;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::dispatcher::{Known, Order, Rules};
use super::event::Event;
use super::fleet::{self, Fleet};
use super::metrics::Metrics;
use super::pings;
use super::remote::{self, Polled, Remote};
use super::sources::Sources;
use super::watcher::{Command, Surroundings, Watcher};
use super::{Launch, ReloadReply, analysis, notify};
use crate::config::{self, Config, Discovery, Target, WebOptions};
use crate::daemon::clock::Clock;
use crate::errors;
use crate::http::ShownUrl;
use crate::remote_write;
use crate::status::board::Board;
use crate::status::house::RefusedReload;
use crate::status::trail::Topic;
use crate::status::{CareStatus, TargetStatus, WatchStatus};
use crate::store::Store;
use crate::store::record::AuditEvent;
use crate::target::TargetName;
use crate::web::Access;

/// The dispatcher looks at what is due this often, and four times an interval where targets are polled faster.
const TICK: Duration = Duration::from_secs(1);
/// Retention and pruning.
const HOUSEKEEPING: Duration = Duration::from_mins(10);

/// The loop that follows the configuration.
#[derive(Debug)]
pub(super) struct Supervisor {
    parts: Parts,
    watched: BTreeMap<TargetName, Watched>,
    /// The thread of [`fleet::start`].
    watchers: JoinHandle<()>,
    surroundings: Arc<Surroundings>,
    pings: JoinSet<()>,
    /// Who is sent what polls show.
    remotes: Vec<Remote>,
    /// From the watchers to them.
    polled: broadcast::Sender<Polled>,
    sources: Sources,
    discovery: Discovery,
    configured: Vec<Arc<Target>>,
    /// What is in force, but for the targets, which `configured` has.
    current: Option<Config>,
}

/// What the assembly hands over.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) launch: Launch,
    pub(super) clock: Clock,
    pub(super) board: Board,
    pub(super) metrics: Arc<Metrics>,
    pub(super) store: Arc<Store>,
    /// To the dispatcher, from the watchers.
    pub(super) events: mpsc::Sender<Event>,
    /// To the dispatcher.
    pub(super) orders: mpsc::Sender<Order>,
    /// To the watchers.
    pub(super) fleet: Fleet,
    /// To the listeners: who is answered.
    pub(super) access: watch::Sender<Arc<Access>>,
    /// What the listeners were bound by.
    pub(super) bound: WebOptions,
    pub(super) stop: CancellationToken,
}

/// A target that is being watched.
#[derive(Debug)]
struct Watched {
    target: Arc<Target>,
    /// The source that lists it, where the configuration does not.
    source: Option<String>,
}

impl Supervisor {
    pub(super) fn new(parts: Parts, fleet_orders: mpsc::Receiver<fleet::Order>, config: &Config) -> io::Result<Self> {
        let sources = Sources::new(parts.clock, Arc::clone(&parts.metrics), &config.state_directory);
        let polled = remote::channel();
        let surroundings = Arc::new(Surroundings {
            clock: parts.clock,
            board: parts.board.clone(),
            events: parts.events.clone(),
            metrics: Arc::clone(&parts.metrics),
            polled: polled.clone(),
            stop: parts.stop.clone(),
        });
        Ok(Self {
            parts,
            watched: BTreeMap::new(),
            watchers: fleet::start(fleet_orders, Arc::clone(&surroundings))?,
            surroundings,
            pings: JoinSet::new(),
            remotes: Vec::new(),
            polled,
            sources,
            discovery: config.discovery,
            configured: Vec::new(),
            current: None,
        })
    }

    /// Serves reloads until the stop signal, then waits for the watchers' last reports.
    pub(super) async fn run(mut self, mut reloads: mpsc::Receiver<ReloadReply>) {
        let stop = self.parts.stop.clone();
        loop {
            let departure = self.sources.next_departure(&self.discovery);
            // Each branch is cancel-safe: a token, two channels' receives and a sleep.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(reply) = reloads.recv() => {
                    let outcome = self.reload().await;
                    // Whoever asked may have gone away; the log has said it all the same.
                    reply.send(outcome).ok();
                }
                Some(news) = self.sources.next() => self.on_source_news(news).await,
                () = sleep_until(departure) => self.on_departures().await,
            }
        }
        self.pings.shutdown().await;
        if let Err(problem) = self.watchers.await {
            error!(error = %problem, "the watchers did not end in order");
        }
        join_all(self.remotes.into_iter().map(Remote::stop)).await;
    }

    /// Reads and checks the new configuration whole, then swaps. A bad one changes nothing.
    async fn reload(&mut self) -> Result<(), Vec<String>> {
        let Some(sources) = self.parts.launch.sources.clone() else {
            return Err(vec!["this heapwatch was started without a configuration file".to_owned()]);
        };
        notify::reloading();
        let loaded = tokio::task::spawn_blocking(move || config::load(&sources)).await;
        let outcome = match loaded {
            Ok(Ok(config)) => {
                for warning in &config.warnings {
                    warn!("{warning}");
                }
                self.warn_of_what_needs_a_restart(&config);
                self.apply(config).await;
                self.parts.metrics.reloaded(Some(self.parts.clock.now().unix_seconds()));
                self.parts.board.keep_house(|house| house.refused_reload = None);
                let says = format!("the new configuration is in force: {} targets", self.watched.len());
                info!(targets = self.watched.len(), "{says}");
                self.record("reloaded", says).await;
                Ok(())
            }
            Ok(Err(problems)) => {
                self.parts.metrics.reloaded(None);
                let refused = RefusedReload { at: self.parts.clock.now(), why: problems.to_string() };
                self.parts.board.keep_house(|house| house.refused_reload = Some(refused));
                let says = format!("the new configuration is refused and the old one stays in force: {problems}");
                error!("{says}");
                self.record("reload_refused", says).await;
                Err(problems.0.iter().map(ToString::to_string).collect())
            }
            Err(_) => Err(vec!["heapwatch is stopping".to_owned()]),
        };
        notify::ready("configuration reloaded");
        outcome
    }

    /// Writes a line into the audit trail, through the dispatcher, which alone writes.
    async fn record(&self, kind: &'static str, says: String) {
        let event = AuditEvent::new(self.parts.clock.now(), Topic::Daemon, kind, says);
        // Without a dispatcher the daemon is going down.
        self.parts.events.send(Event::Recorded(Box::new(event))).await.ok();
    }

    fn warn_of_what_needs_a_restart(&self, config: &Config) {
        let Some(current) = &self.current else { return };
        let same = current.state_directory == config.state_directory
            && current.snapshot_directory == config.snapshot_directory
            && same_listeners(&self.parts.bound, &config.web)
            && current.log == config.log;
        if !same {
            warn!("directories, the listening address and the log stay as they were until heapwatch is restarted");
        }
    }

    /// Puts a configuration in force: targets that stay the same are not touched. Returns when the dispatcher has taken
    /// all of it in, so that whoever asks then sees open episodes and finds new targets.
    pub(super) async fn apply(&mut self, mut config: Config) {
        let order =
            Order::Govern { rules: Box::new(rules_of(&config, &self.parts.launch)), channels: config.channels.clone() };
        self.order(order).await;
        let is_first = self.current.is_none();
        self.discovery = config.discovery;
        let longest_interval = longest_interval(&config);
        self.configured = std::mem::take(&mut config.targets).into_iter().map(Arc::new).collect();
        // Collected in place, it would keep the room of the targets themselves.
        self.configured.shrink_to_fit();
        let (told, orphans) = self.sources.follow(&config, &self.parts.stop).await;
        for told in told {
            self.tell(told).await;
        }
        for name in orphans {
            self.release(name).await;
        }
        self.send_to(&config.remote_write).await;
        if is_first {
            self.adopt_leaving().await;
        }
        self.follow_targets().await;
        self.pings.shutdown().await;
        for ping in &config.alerts.pings {
            self.pings.spawn(pings::run(ping.clone(), self.parts.board.clone(), longest_interval));
        }
        self.let_in(&config);
        if let Some(hash) = config.hash {
            self.parts.metrics.configured(hash);
        }
        self.current = Some(config);
        let (done, is_done) = oneshot::channel();
        self.order(Order::Settled(done)).await;
        // Without a dispatcher the daemon is going down.
        is_done.await.ok();
    }

    /// Tokens and names come into force with the file, but for this: a file that goes back to this machine alone and
    /// drops its tokens must not open the listener that others reach until the restart.
    fn let_in(&self, config: &Config) {
        if self.parts.bound.is_local() || !config.web.access.tokens.is_empty() {
            self.parts.access.send_replace(Arc::new(config.web.access.clone()));
        }
    }

    /// Receivers that stay as they are keep what waits for them.
    async fn send_to(&mut self, receivers: &[remote_write::Options]) {
        let (kept, ended): (Vec<_>, Vec<_>) = std::mem::take(&mut self.remotes)
            .into_iter()
            .partition(|remote| receivers.iter().any(|options| remote.options.same_as(options)));
        self.remotes = kept;
        join_all(ended.into_iter().map(Remote::stop)).await;
        for options in receivers {
            if self.remotes.iter().any(|remote| remote.options.name == options.name) {
                continue;
            }
            let (clock, metrics) = (self.parts.clock, Arc::clone(&self.parts.metrics));
            match Remote::start(options.clone(), &self.polled, clock, metrics) {
                Ok(remote) => self.remotes.push(remote),
                Err(problem) => {
                    error!(
                        receiver = options.name,
                        error = errors::one_line(&problem),
                        "{} is sent nothing",
                        options.name
                    );
                }
            }
        }
    }

    async fn release(&mut self, name: TargetName) {
        if let Some(watched) = self.watched.remove(&name) {
            // Here, where it is added too, so that a target that soon comes back is not taken off late; and first, so that
            // the watcher, when it ends, knows that nobody watches any more.
            self.parts.board.remove(&name);
            self.parts.fleet.release(&watched.target.name).await;
            info!(target.name = %name, "{name} is no longer watched; its samples and snapshots are kept");
        }
        self.order(Order::Release(name)).await;
    }

    async fn watch(&mut self, target: Arc<Target>, source: Option<String>, known: Known) {
        let name = target.name.clone();
        match self.watched.get_mut(&name) {
            Some(watched) if Arc::ptr_eq(&watched.target, &target) || watched.target.same_as(&target) => {
                watched.source = source;
            }
            Some(watched) => {
                watched.source = source;
                watched.target = Arc::clone(&target);
                self.parts.board.describe(&name, target.labels.clone(), ShownUrl::of(&target.probe.url).to_string());
                self.parts.fleet.tell(&name, Command::Reconfigure(Arc::clone(&target))).await;
                self.order(Order::Adopt { target, known: Box::default() }).await;
            }
            None => self.begin(target, source, known).await,
        }
    }

    async fn begin(&mut self, target: Arc<Target>, source: Option<String>, mut known: Known) {
        let name = target.name.clone();
        if self.sources.came_back(&name) {
            info!(target.name = %name, "{name} is listed again");
        }
        self.parts.board.put(TargetStatus {
            name: name.clone(),
            labels: target.labels.clone(),
            url: ShownUrl::of(&target.probe.url).to_string(),
            watch: WatchStatus::default(),
            care: CareStatus::default(),
        });
        let stored = known.detector.take();
        self.order(Order::Adopt { target: Arc::clone(&target), known: Box::new(known) }).await;
        match Watcher::new(Arc::clone(&target), stored, Arc::clone(&self.surroundings)) {
            Ok(watcher) => {
                self.parts.fleet.watch(watcher).await;
                self.watched.insert(name, Watched { target, source });
            }
            Err(problem) => {
                error!(target.name = %name, error = errors::one_line(&problem), "{name} cannot be watched");
            }
        }
    }

    async fn order(&self, order: Order) {
        // Without a dispatcher the daemon is going down.
        self.parts.orders.send(order).await.ok();
    }
}

fn same_listeners(one: &WebOptions, other: &WebOptions) -> bool {
    let WebOptions { listen, metrics_listen, socket_mode, access: _, limits } = one;
    *listen == other.listen
        && *metrics_listen == other.metrics_listen
        && *socket_mode == other.socket_mode
        && *limits == other.limits
}

fn longest_interval(config: &Config) -> Duration {
    intervals(config).max().unwrap_or(TICK)
}

/// Of all targets, those among them that are not listed yet.
fn intervals(config: &Config) -> impl Iterator<Item = Duration> {
    let listed = config.sources.iter().map(|source| source.template.prototype().interval);
    config.targets.iter().map(|target| target.interval).chain(listed)
}

/// Sleeps until then; for ever, where there is no such time.
async fn sleep_until(then: Option<tokio::time::Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}

/// The dispatcher's part of a configuration.
pub(super) fn rules_of(config: &Config, launch: &Launch) -> Rules {
    let shortest = intervals(config).min().unwrap_or(TICK);
    Rules {
        limits: config.limits.clone(),
        alerts: config.alerts.clone(),
        retention: config.retention.clone(),
        keep: config.keep.clone(),
        analysis: analysis::Options {
            executable: launch.executable.clone(),
            timeout: config.limits.analysis_timeout,
            memory: config.limits.analysis_memory,
        },
        tick: (shortest / 4).clamp(Duration::from_millis(20), TICK),
        housekeeping: HOUSEKEEPING,
        stop_timeout: config.stop_timeout,
    }
}
