//! The dispatcher: one loop that takes every decision, in order.
//!
//! Watchers, captures, analyses, deliveries and people send it events. It decides what is said and what is captured,
//! writes what must not be lost in one transaction, and only then acts on it.

mod adoption;
mod aftermath;
mod captures;
mod care;
mod channels;
mod evidence;
mod housekeeping;
mod lanes;
mod news;
mod outgoing;
mod profiles;
mod profiling;
mod recall;
mod requests;
mod silences;
mod trail;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::alert::Channel;
use crate::clock::Timestamp;
use crate::config::{AlertOptions, Limits, Target};
use crate::daemon::analysis;
use crate::daemon::clock::Clock;
use crate::daemon::event::Event;
use crate::daemon::fleet::Fleet;
use crate::daemon::ledger::{Ledger, Write};
use crate::daemon::metrics::Metrics;
use crate::daemon::notify;
use crate::evidence::CaptureKind;
use crate::leak::verdict::State;
use crate::retention::Policy;
use crate::silence::Silence;
use crate::status::board::Board;
use crate::store::record::BrokenChannel;
use crate::store::snapshots::SnapshotDir;
use crate::store::{Keep, OpenNote, Store};
use crate::target::TargetName;

use care::Care;
use lanes::Lane;

pub(super) use recall::{Known, recall};

/// Keys under which a target's documents are kept.
const DETECTOR_KEY: &str = "detector";
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
    /// To the watchers.
    pub(super) fleet: Fleet,
    /// Where requests to reload go, with the place for the answer.
    pub(super) reloads: mpsc::Sender<oneshot::Sender<Result<(), Vec<String>>>>,
}

/// The configuration that the dispatcher goes by, apart from the targets.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) limits: Limits,
    pub(super) alerts: AlertOptions,
    pub(super) retention: Policy,
    /// How long the database remembers.
    pub(super) keep: Keep,
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
    Adopt { target: Arc<Target>, known: Box<Known> },
    /// This target is no longer configured.
    Release(TargetName),
    /// Go by these rules and channels from now on.
    Govern { rules: Box<Rules>, channels: Vec<Channel> },
    /// The configuration is in force as a whole: every open episode is known, so retention may choose. Says so when
    /// every order before this one is carried out.
    Settled(oneshot::Sender<()>),
}

/// The loop and its state.
#[derive(Debug)]
pub(super) struct Dispatcher {
    tools: Tools,
    rules: Rules,
    ledger: Ledger,
    cares: BTreeMap<TargetName, Box<Care>>,
    lanes: BTreeMap<String, Lane>,
    captures: JoinSet<()>,
    analyses: JoinSet<()>,
    deliveries: JoinSet<()>,
    housekeeping: JoinSet<()>,
    housekept: Timestamp,
    /// Ticks since the last look at every target.
    unlooked: usize,
    status_line: String,
    /// Channels that take nothing any more, by name.
    broken: BTreeMap<String, BrokenChannel>,
    /// Silences in force, the first to end first.
    silences: Vec<Silence>,
    /// What a person should know about how the database came up, told once the channels are there.
    notes: Vec<OpenNote>,
    store_in_trouble: bool,
    /// How much in the database could not be understood when that was told; 0: it was not told.
    unreadable_told: u64,
    /// Every configured target has been adopted.
    settled: bool,
    /// The stop signal has come: no capture is begun that could not end.
    stopping: bool,
}

/// What one event gives rise to: written first, in one transaction.
#[derive(Debug, Default)]
struct Batch {
    writes: Vec<Write>,
    touched: BTreeSet<TargetName>,
}

impl Dispatcher {
    pub(super) fn new(tools: Tools, rules: Rules, notes: Vec<OpenNote>) -> Self {
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
            unlooked: 0,
            status_line: String::new(),
            broken: BTreeMap::new(),
            silences: Vec::new(),
            notes,
            store_in_trouble: false,
            unreadable_told: 0,
            settled: false,
            stopping: false,
        }
    }

    /// Runs until `stop`, then drains: what watchers still report is taken in, and deliveries get a few seconds.
    pub(super) async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        mut orders: mpsc::Receiver<Order>,
        stop: CancellationToken,
    ) {
        self.begin().await;
        let mut ticks = ticks(self.rules.tick);
        loop {
            // Each branch is cancel-safe: a token, two channels' receives and an interval. Ticks come before events, so
            // that a flood of events starves neither systemd's watchdog nor what is due; the interval's own delay
            // leaves the events their turn.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(order) = orders.recv() => {
                    self.on_order(order).await;
                    if ticks.period() != self.rules.tick {
                        ticks = self::ticks(self.rules.tick);
                    }
                }
                // Before the events: where each of them takes long (a slow disk, many targets), captures that are due,
                // retries and the watchdog would wait for a pause that never comes. A tick comes once a period.
                _ = ticks.tick() => self.on_tick().await,
                Some(event) = events.recv() => self.on_events(event, &mut events).await,
            }
            self.pump().await;
        }
        self.drain(events).await;
    }

    async fn on_order(&mut self, order: Order) {
        match order {
            Order::Adopt { target, known } => self.adopt(target, *known),
            Order::Release(name) => self.release(&name).await,
            Order::Govern { rules, channels } => {
                self.rules = *rules;
                self.open_lanes(channels).await;
            }
            Order::Settled(done) => {
                self.settled = true;
                // What became too old while nobody was there is the next tick's: nobody waits for it, and a daemon that
                // is restarted every few minutes forgets nothing less than another.
                self.housekept = self.tools.clock.now().minus(self.rules.housekeeping);
                // What an earlier run has left held back may be told now, or labels have changed.
                let mut batch = Batch::default();
                self.apply_silences(self.tools.clock.now(), &mut batch);
                self.commit(batch).await;
                self.show_house();
                // The supervisor waits for it, unless the daemon is going down.
                done.send(()).ok();
            }
        }
    }

    /// Takes in an event and those that wait behind it, and writes what they give rise to in one transaction: where
    /// thousands of targets report at the same time, one for each would keep the disk busy for longer than they take.
    async fn on_events(&mut self, first: Event, queue: &mut mpsc::Receiver<Event>) {
        /// What comes after them waits a little longer, ticks and orders too.
        const MOST_AT_ONCE: usize = 64;
        let mut batch = Batch::default();
        self.on_event(first, &mut batch).await;
        for _ in 1..MOST_AT_ONCE {
            let Ok(event) = queue.try_recv() else { break };
            self.on_event(event, &mut batch).await;
        }
        self.commit(batch).await;
        self.ledger.settle_many(self.tools.clock.now()).await;
    }

    async fn on_event(&mut self, event: Event, batch: &mut Batch) {
        match event {
            Event::Watch { target, news } => self.on_news(&target, news, batch).await,
            Event::Captured(finished) => match finished.kind {
                CaptureKind::HeapSnapshot => self.on_captured(*finished, batch).await,
                CaptureKind::HeapProfile => self.on_profiled(*finished, batch).await,
            },
            Event::Analysed(analysis) => self.on_analysed(*analysis, batch).await,
            Event::Delivered { channel, entry, tried } => self.on_delivered(&channel, &entry, tried, batch),
            Event::Asked(request) => self.on_request(request, batch).await,
            Event::Recorded(event) => batch.record(*event),
            Event::Trouble { subject, why, is_over } => self.on_trouble(&subject, &why, is_over, batch),
        }
    }

    async fn on_tick(&mut self) {
        let now = self.tools.clock.now();
        let mut batch = Batch::default();
        self.expire_silences(now, &mut batch);
        let looks_at_all = self.looks_at_all();
        if looks_at_all {
            self.remind(now, &mut batch);
            self.observe_verdicts(now, &mut batch);
            self.free_budgets(now, &mut batch);
        }
        self.tell_of_the_store(&mut batch);
        let busy = self.cares.iter().filter(|(_, care)| care.is_busy()).map(|(name, _)| name.clone());
        for name in busy.collect::<Vec<_>>() {
            self.observe_cost(&name, now, &mut batch);
            self.settle_doubt(&name, now, &mut batch);
            self.try_profile(&name, now, &mut batch).await;
            self.try_capture(&name, now, &mut batch).await;
        }
        for lane in self.lanes.values_mut() {
            batch.settle(lane.expire(now));
        }
        self.start_owed_analyses();
        if now.since(self.housekept) >= self.rules.housekeeping {
            self.housekept = now;
            batch.writes.push(Write::Prune(self.rules.keep.clone()));
            self.keep_house();
        }
        self.commit(batch).await;
        self.ledger.settle(now).await;
        self.reap();
        self.show_house();
        notify::watchdog();
        if looks_at_all {
            self.tell_systemd();
        }
    }

    /// A look at every target costs a millisecond a thousand of them, and nothing that it finds is lost by waiting: so many
    /// thousands there are, so many ticks lie between two looks.
    fn looks_at_all(&mut self) -> bool {
        const A_TICK: usize = 1_000;
        self.unlooked += 1;
        let is_time = self.unlooked > self.cares.len() / A_TICK;
        if is_time {
            self.unlooked = 0;
        }
        is_time
    }

    /// Forgets tasks that have ended.
    fn reap(&mut self) {
        for tasks in [&mut self.captures, &mut self.analyses, &mut self.deliveries, &mut self.housekeeping] {
            while let Some(ended) = tasks.try_join_next() {
                if ended.as_ref().is_err_and(JoinError::is_panic) {
                    error!("a task of the dispatcher ended in a panic; please report it with the log");
                }
            }
        }
    }

    fn tell_systemd(&mut self) {
        let (mut targets, mut leaking, mut recovering, mut silent) = (0, 0, 0, 0);
        self.tools.board.visit(|status| {
            let state = status.watch.verdict.as_ref().map(|verdict| verdict.state);
            targets += 1;
            leaking += u32::from(state == Some(State::Leaking));
            recovering += u32::from(state == Some(State::Recovering));
            silent += u32::from(status.watch.failed_polls > 0);
        });
        let disk = if self.ledger.is_failing() { "; STATE DATABASE CANNOT BE WRITTEN" } else { "" };
        let line = format!(
            "watching {targets} targets: {leaking} leaking, {recovering} recovering, {silent} not answering{disk}"
        );
        if line != self.status_line {
            notify::status(&line);
            self.status_line = line;
        }
    }

    /// After the stop signal: captures and analyses end here (their files go with them), reports of the watchers
    /// are taken in, and what is owed is delivered as far as a few seconds reach.
    async fn drain(mut self, mut events: mpsc::Receiver<Event>) {
        self.stopping = true;
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
                Ok(Some(event)) => self.on_events(event, &mut events).await,
                Ok(None) | Err(_) => break,
            }
            self.reap();
        }
        let owed: usize = self.lanes.values().map(Lane::owed).sum();
        self.end(owed).await;
        info!(owed, "stopped; {owed} alerts stay in the outbox for the next start");
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    // A late tick has looked at everything; catching up would look at the same again.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
