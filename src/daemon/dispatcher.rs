//! The dispatcher: one loop that takes every decision, in order.
//!
//! Watchers, captures, analyses, deliveries and people send it events. It decides what is said and what is captured,
//! writes what must not be lost in one transaction, and only then acts on it.

mod captures;
mod care;
mod evidence;
mod lanes;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::alert::Channel;
use crate::alert::message::Alert;
use crate::alert::policy::Fact;
use crate::capture::download::Capturer;
use crate::clock::Timestamp;
use crate::config::{AlertOptions, Limits, Target};
use crate::daemon::analysis;
use crate::daemon::clock::Clock;
use crate::daemon::event::{Event, WatchNews};
use crate::daemon::ledger::{Ledger, Write};
use crate::daemon::metrics::Metrics;
use crate::daemon::notify;
use crate::daemon::watcher::Command;
use crate::leak::DetectorState;
use crate::leak::event::{Change, LeakEvent};
use crate::leak::verdict::State;
use crate::retention::Policy;
use crate::sample::Sample;
use crate::status::board::Board;
use crate::store::record::{AuditEvent, Episode, Restart};
use crate::store::snapshots::SnapshotDir;
use crate::store::{Keep, Store};
use crate::target::TargetName;

use care::{Care, Memory};
use lanes::Lane;

/// Keys under which a target's documents are kept.
pub(super) const DETECTOR_KEY: &str = "detector";
const CARE_KEY: &str = "care";

/// What the dispatcher works with.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) clock: Clock,
    pub(super) board: Board,
    pub(super) metrics: Arc<Metrics>,
    pub(super) store: Arc<Store>,
    pub(super) directory: SnapshotDir,
    /// Where tasks report to: the dispatcher's own queue.
    pub(super) events: mpsc::Sender<Event>,
    /// Where requests to reload go, with the place for the answer.
    pub(super) reloads: mpsc::Sender<oneshot::Sender<Result<(), String>>>,
}

/// The configuration that the dispatcher goes by, apart from the targets.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) limits: Limits,
    pub(super) alerts: AlertOptions,
    pub(super) retention: Policy,
    pub(super) analysis: analysis::Options,
    /// Time between two looks at what is due.
    pub(super) tick: Duration,
    /// Time between two rounds of housekeeping on disk.
    pub(super) housekeeping: Duration,
    /// How long a stop may spend on deliveries.
    pub(super) stop_timeout: Duration,
}

/// Orders from the assembly, outside the stream of events: they come with a new configuration.
#[derive(Debug)]
pub(super) enum Order {
    /// Look after this target, or go on with a changed one.
    Adopt { target: Arc<Target>, commands: mpsc::Sender<Command> },
    /// This target is no longer configured.
    Release(TargetName),
    /// Go by these rules and channels from now on.
    Govern { rules: Box<Rules>, channels: Vec<Channel> },
}

/// The loop and its state.
#[derive(Debug)]
pub(super) struct Dispatcher {
    tools: Tools,
    rules: Rules,
    ledger: Ledger,
    cares: BTreeMap<TargetName, Care>,
    lanes: BTreeMap<String, Lane>,
    captures: JoinSet<()>,
    analyses: JoinSet<()>,
    deliveries: JoinSet<()>,
    housekeeping: JoinSet<()>,
    housekept: Timestamp,
    status_line: String,
}

/// What one event gives rise to: written first, in one transaction.
#[derive(Debug, Default)]
struct Batch {
    writes: Vec<Write>,
    touched: BTreeSet<TargetName>,
}

impl Dispatcher {
    pub(super) fn new(tools: Tools, rules: Rules) -> Self {
        let ledger = Ledger::new(Arc::clone(&tools.store), Arc::clone(&tools.metrics));
        let housekept = tools.clock.now();
        Self {
            tools,
            rules,
            ledger,
            cares: BTreeMap::new(),
            lanes: BTreeMap::new(),
            captures: JoinSet::new(),
            analyses: JoinSet::new(),
            deliveries: JoinSet::new(),
            housekeeping: JoinSet::new(),
            housekept,
            status_line: String::new(),
        }
    }

    /// Runs until `stop`, then drains: what watchers still report is taken in, and deliveries get a few seconds.
    pub(super) async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        mut orders: mpsc::Receiver<Order>,
        stop: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(self.rules.tick);
        // A late tick has looked at everything; catching up would look at the same again.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Each branch is cancel-safe: a token, two channels' receives and an interval.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(order) = orders.recv() => self.on_order(order).await,
                Some(event) = events.recv() => self.on_event(event).await,
                _ = ticks.tick() => self.on_tick().await,
            }
            self.pump().await;
        }
        self.drain(events).await;
    }

    async fn on_order(&mut self, order: Order) {
        match order {
            Order::Adopt { target, commands } => self.adopt(target, commands).await,
            Order::Release(name) => {
                self.cares.remove(&name);
                self.tools.board.remove(&name);
            }
            Order::Govern { rules, channels } => {
                self.rules = *rules;
                self.open_lanes(channels).await;
            }
        }
    }

    async fn on_event(&mut self, event: Event) {
        let mut batch = Batch::default();
        match event {
            Event::Watch { target, news } => self.on_news(&target, news, &mut batch).await,
            Event::Captured(finished) => self.on_captured(*finished, &mut batch).await,
            Event::Analysed(analysis) => self.on_analysed(*analysis, &mut batch).await,
            Event::Delivered { channel, entry, tried } => {
                let now = self.tools.clock.now();
                if let Some(lane) = self.lanes.get_mut(&channel) {
                    let (letters, news) = lane.settle(&entry, tried, now, &self.tools.metrics);
                    batch.writes.extend(letters.into_iter().map(Write::Letter));
                    if let Some(news) = news {
                        self.post(&news, &mut batch);
                    }
                }
            }
            Event::Asked(request) => self.on_request(request, &mut batch).await,
        }
        self.commit(batch).await;
    }

    async fn on_tick(&mut self) {
        let now = self.tools.clock.now();
        let mut batch = Batch::default();
        self.remind(now, &mut batch);
        for name in self.cares.keys().cloned().collect::<Vec<_>>() {
            self.observe_cost(&name, now, &mut batch);
            self.settle_doubt(&name);
            self.try_capture(&name, now, &mut batch).await;
        }
        for lane in self.lanes.values_mut() {
            batch.writes.extend(lane.expire(now).into_iter().map(Write::Letter));
            self.tools.metrics.outbox_depth(lane.name(), lane.owed());
        }
        self.start_owed_analyses();
        if now.since(self.housekept) >= self.rules.housekeeping {
            self.housekept = now;
            batch.writes.push(Write::Prune(Keep::default()));
            self.keep_house();
        }
        self.commit(batch).await;
        self.reap();
        self.tell_systemd();
    }

    async fn on_news(&mut self, name: &TargetName, news: WatchNews, batch: &mut Batch) {
        match news {
            WatchNews::Changes { changes, state, samples } => {
                Self::keep_watch_state(name, &state, samples, batch);
                self.on_changes(name, changes, batch).await;
            }
            WatchNews::Checkpoint { state, samples } => Self::keep_watch_state(name, &state, samples, batch),
            WatchNews::Down { at, why, failed_polls } => {
                self.disarm_if_in_doubt(name, at, batch);
                self.say(name, Fact::Down { at, why, failed_polls }, batch);
            }
            WatchNews::Up { at, since } => self.say(name, Fact::Up { at, down: at.since(since) }, batch),
        }
    }

    fn keep_watch_state(name: &TargetName, state: &DetectorState, samples: Vec<Sample>, batch: &mut Batch) {
        match serde_json::to_vec(state) {
            Ok(body) => batch.writes.push(Write::State { target: name.clone(), key: DETECTOR_KEY, body }),
            Err(problem) => warn!(target.name = %name, error = %problem, "the detector's state cannot be written"),
        }
        if !samples.is_empty() {
            batch.writes.push(Write::Samples { target: name.clone(), samples });
        }
    }

    /// Detector news, in their order. The gate is asked before anything is said, so that a confirmed leak says at
    /// once why no snapshot is coming.
    async fn on_changes(&mut self, name: &TargetName, changes: Vec<LeakEvent>, batch: &mut Batch) {
        for event in &changes {
            self.take_in(name, event, batch);
        }
        let now = self.tools.clock.now();
        let refusals = self.ask_gate_early(name, now).await;
        for event in changes {
            let confirmed = matches!(event.change, Change::LeakConfirmed { .. });
            let resolved = matches!(event.change, Change::LeakResolved { .. });
            let at = event.at;
            let before = self.episode_of(name);
            let told = if confirmed { refusals.clone() } else { Vec::new() };
            self.say(name, Fact::Detector { event, refusals: told }, batch);
            if confirmed {
                self.open_episode(name, at, batch);
            }
            if let (true, Some(id)) = (resolved, before) {
                self.close_episode(name, id, at, batch);
            }
        }
        self.try_capture(name, now, batch).await;
    }

    fn take_in(&mut self, name: &TargetName, event: &LeakEvent, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        batch.touched.insert(name.clone());
        match &event.change {
            Change::Restarted { cause, kills_this_week, .. } => {
                care.memory.begin_life();
                care.memory.kills_this_week = *kills_this_week;
                if let Some(running) = &mut care.running {
                    running.died = true;
                }
                batch.writes.push(Write::Restart(Restart { target: name.clone(), at: event.at, cause: *cause }));
                self.disarm_if_in_doubt(name, event.at, batch);
            }
            Change::SnapshotDue { part } if care.target.capture.is_some() => care.memory.want(*part, event.at),
            _ => {}
        }
    }

    fn open_episode(&mut self, name: &TargetName, at: Timestamp, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        care.memory.begin_episode(at);
        if let Some(id) = care.memory.alerts.episode() {
            let row = Episode { id: id.to_owned(), target: name.clone(), opened: at, closed: None, json: "{}".into() };
            batch.writes.push(Write::Episode(row));
        }
    }

    fn close_episode(&mut self, name: &TargetName, id: String, at: Timestamp, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        let opened = care.memory.confirmed.unwrap_or(at);
        care.memory.end_episode();
        let row = Episode { id, target: name.clone(), opened, closed: Some(at), json: "{}".into() };
        batch.writes.push(Write::Episode(row));
    }

    fn episode_of(&self, name: &TargetName) -> Option<String> {
        self.cares.get(name).and_then(|care| care.memory.alerts.episode()).map(str::to_owned)
    }

    fn remind(&mut self, now: Timestamp, batch: &mut Batch) {
        let open: Vec<TargetName> = self
            .cares
            .iter()
            .filter(|(_, care)| care.memory.alerts.episode().is_some())
            .map(|(name, _)| name.clone())
            .collect();
        for name in open {
            let verdict = self.tools.board.get(&name).and_then(|status| status.watch.verdict);
            if let Some(verdict) = verdict {
                self.say(&name, Fact::Tick { at: now, verdict }, batch);
            }
        }
    }

    /// Turns a fact into alerts, and alerts into letters of every channel that wants them.
    fn say(&mut self, name: &TargetName, fact: Fact, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        let before = care.memory.alerts.clone();
        let alerts = care.memory.alerts.observe(fact, &self.rules.alerts.policy);
        if care.memory.alerts != before {
            batch.touched.insert(name.clone());
        }
        for alert in alerts {
            self.post(&alert, batch);
        }
    }

    fn post(&mut self, alert: &Alert, batch: &mut Batch) {
        let now = self.tools.clock.now();
        batch.writes.push(Write::Audit(AuditEvent {
            at: alert.at,
            target: Some(alert.target.clone()),
            kind: alert.news.kind().to_owned(),
            // An alert is plain data with text keys, which JSON can always hold.
            json: serde_json::to_string(alert).unwrap_or_default(),
        }));
        let notify = self.rules.alerts.notify.contains(alert.news.kind());
        for lane in self.lanes.values_mut().filter(|lane| lane.wants(alert, notify)) {
            let letters = lane.push(alert.clone(), now);
            batch.writes.extend(letters.into_iter().map(Write::Letter));
        }
    }

    /// Writes what an event gave rise to, and shows it on the board.
    async fn commit(&mut self, mut batch: Batch) {
        for name in &batch.touched {
            let Some(care) = self.cares.get(name) else { continue };
            if let Ok(body) = serde_json::to_vec(&care.memory) {
                batch.writes.push(Write::State { target: name.clone(), key: CARE_KEY, body });
            }
            let status = care.status();
            self.tools.board.care(name, |shown| *shown = status);
        }
        self.ledger.commit(batch.writes, self.tools.clock.now()).await;
    }

    /// Starts every delivery that is due. That it has begun is written first: after a crash in between, the receiver
    /// may have the alert, and its resolve must not take it back in silence.
    async fn pump(&mut self) {
        let now = self.tools.clock.now();
        let due = self.lanes.values_mut().filter_map(|lane| lane.pump(now));
        let (attempts, letters): (Vec<_>, Vec<_>) = due.unzip();
        if attempts.is_empty() {
            return;
        }
        self.ledger.commit(letters.into_iter().map(Write::Letter).collect(), now).await;
        for attempt in attempts {
            let events = self.tools.events.clone();
            self.deliveries.spawn(async move {
                // Without a dispatcher the entry stays in the database and is sent after the next start.
                events.send(attempt.run().await).await.ok();
            });
        }
    }

    async fn adopt(&mut self, target: Arc<Target>, commands: mpsc::Sender<Command>) {
        let name = target.name.clone();
        let capturer = Self::make_capturer(&target);
        let care = match self.cares.remove(&name) {
            Some(care) => Care { target: Arc::clone(&target), capturer, commands, ..care },
            None => self.recall(Arc::clone(&target), capturer, commands).await,
        };
        let mut care = care;
        care.memory.alerts.relabel(target.labels.clone());
        let status = care.status();
        self.cares.insert(name.clone(), care);
        self.tools.board.care(&name, |shown| *shown = status);
    }

    /// What the database knows of a target. What cannot be read is said and begun anew: a target without history
    /// is better than none.
    async fn recall(
        &self,
        target: Arc<Target>,
        capturer: Option<Arc<Capturer>>,
        commands: mpsc::Sender<Command>,
    ) -> Care {
        let now = self.tools.clock.now();
        let (store, name) = (Arc::clone(&self.tools.store), target.name.clone());
        let read = tokio::task::spawn_blocking(move || {
            store.read(|reader| {
                let memory = reader.state(&name, CARE_KEY)?;
                let attempts = reader.attempts(&name, now.minus(care::BUDGET_WINDOW))?;
                Ok((memory, attempts, reader.disarmed(&name)?))
            })
        })
        .await;
        let (memory, attempts, disarmed) = match read {
            Ok(Ok(rows)) => rows,
            Ok(Err(problem)) => {
                warn!(target.name = %target.name, error = %problem, "cannot read what is known of {}", target.name);
                (None, Vec::new(), None)
            }
            Err(_) => (None, Vec::new(), None),
        };
        let memory = memory.and_then(|body| match serde_json::from_slice::<Memory>(&body) {
            Ok(memory) => Some(memory),
            Err(problem) => {
                warn!(target.name = %target.name, error = %problem, "what is known of {} cannot be understood", target.name);
                None
            }
        });
        // A capture that had begun and has no end was cut off with the daemon; whether the target survived it is
        // for the next polls to say.
        let doubt =
            attempts.iter().rev().find(|attempt| attempt.outcome == captures::STARTED).map(|attempt| attempt.at);
        Care {
            memory: memory.unwrap_or_else(|| Memory::new(&target)),
            target,
            capturer,
            commands,
            attempts: attempts.into_iter().map(|attempt| attempt.at).collect(),
            disarmed,
            running: None,
            doubt,
            analysing: false,
            settling: None,
        }
    }

    /// Lanes for the configured channels; a channel that stays keeps its outbox in the database.
    async fn open_lanes(&mut self, channels: Vec<Channel>) {
        // An attempt under way belongs to the old lane; its outcome would be taken for the new one's.
        self.deliveries.abort_all();
        while self.deliveries.join_next().await.is_some() {}
        let mut lanes = BTreeMap::new();
        for channel in channels {
            let (store, name) = (Arc::clone(&self.tools.store), channel.name.clone());
            let left = tokio::task::spawn_blocking({
                let name = name.clone();
                move || store.read(|reader| reader.pending_letters(&name))
            })
            .await;
            let left = match left {
                Ok(Ok(letters)) => letters,
                Ok(Err(problem)) => {
                    warn!(channel = %name, error = %problem, "cannot read what channel {name} is owed");
                    Vec::new()
                }
                Err(_) => Vec::new(),
            };
            match Lane::open(channel, self.rules.alerts.outbox.clone(), &left) {
                Ok(lane) => drop(lanes.insert(name, lane)),
                Err(problem) => warn!(channel = %name, error = %problem, "channel {name} cannot be used"),
            }
        }
        self.lanes = lanes;
    }

    /// Forgets tasks that have ended.
    fn reap(&mut self) {
        for tasks in [&mut self.captures, &mut self.analyses, &mut self.deliveries, &mut self.housekeeping] {
            while tasks.try_join_next().is_some() {}
        }
    }

    fn tell_systemd(&mut self) {
        notify::watchdog();
        let targets = self.tools.board.all();
        let count = |state: State| {
            targets
                .iter()
                .filter(|target| target.watch.verdict.as_ref().is_some_and(|verdict| verdict.state == state))
                .count()
        };
        let (leaking, recovering) = (count(State::Leaking), count(State::Recovering));
        let silent = targets.iter().filter(|target| target.watch.failed_polls > 0).count();
        let disk = if self.ledger.is_failing() { "; STATE DATABASE CANNOT BE WRITTEN" } else { "" };
        let line = format!(
            "watching {} targets: {leaking} leaking, {recovering} recovering, {silent} not answering{disk}",
            targets.len()
        );
        if line != self.status_line {
            notify::status(&line);
            self.status_line = line;
        }
    }

    /// After the stop signal: captures and analyses end here (their files go with them), reports of the watchers
    /// are taken in, and what is owed is delivered as far as a few seconds reach.
    async fn drain(mut self, mut events: mpsc::Receiver<Event>) {
        self.captures.abort_all();
        self.analyses.abort_all();
        let deadline = tokio::time::Instant::now() + self.rules.stop_timeout;
        while self.lanes.values().any(|lane| lane.owed() > 0) || !events.is_empty() {
            self.pump().await;
            let idle = self.deliveries.is_empty() && events.is_empty();
            if idle {
                break;
            }
            match tokio::time::timeout_at(deadline, events.recv()).await {
                Ok(Some(event)) => self.on_event(event).await,
                Ok(None) | Err(_) => break,
            }
            self.reap();
        }
        let owed: usize = self.lanes.values().map(Lane::owed).sum();
        info!(owed, "stopped; {owed} alerts stay in the outbox for the next start");
    }
}
