//! `Detector`: feed it what the watcher of a target sees, ask it what to make of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::episode::{Episode, bytes};
use crate::leak::event::{Change, LeakEvent, PairPart};
use crate::leak::gauges::Gauges;
use crate::leak::judge::Trial;
use crate::leak::lessons::Lessons;
use crate::leak::lives::{Lives, Restart};
use crate::leak::memory::Memory;
use crate::leak::options::Options;
use crate::leak::packed::Packed;
use crate::leak::pair::Pair;
use crate::leak::processes::Processes;
use crate::leak::verdict::{Growth, State};
use crate::leak::watch::on_lines_of;
use crate::sample::{Sample, Signal};
use crate::target::Life;
use crate::units::ByteRate;

/// One thing that the watcher of a target sees or does.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// A poll was answered.
    Sample(&'a Sample),
    /// A poll failed.
    Missed {
        /// When.
        at: Timestamp,
        /// Whether the connection was refused: nothing listens there, so the process is likely gone.
        refused: bool,
    },
    /// A capture of ours begins: from here on the process pauses and answers no poll.
    CaptureBegan {
        /// When.
        at: Timestamp,
    },
    /// It is over.
    CaptureEnded {
        /// When.
        at: Timestamp,
        /// Which snapshot it was for.
        part: PairPart,
        /// Whether a whole one of the process that is running was stored.
        stored: bool,
    },
}

/// Everything the detector knows, bounded in size, for the state database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectorState {
    pub(super) lives: Lives,
    pub(super) processes: Processes,
    pub(super) memory: Option<Memory>,
    pub(super) gauges: Gauges,
    pub(super) episode: Option<Episode>,
    /// What earlier lives taught, for when no episode is open.
    #[serde(default)]
    lessons: Lessons,
    pub(super) pair: Pair,
    /// The limit that the target itself reported last.
    pub(super) reported_limit: Option<u64>,
    pub(super) last: Option<Timestamp>,
    /// Samples in a row that were older than the newest: after a few the clock was set back, not the sample late.
    late: u32,
    /// Start of a capture that is under way.
    capturing: Option<Timestamp>,
    /// The life in which a suspicion was reported.
    suspected_in: u64,
    pub(super) state: State,
    pub(super) since: Option<Timestamp>,
    /// What happened lately, without reasons, oldest first.
    pub(super) history: Vec<LeakEvent>,
}

/// Judges one target.
#[derive(Clone, Debug)]
pub struct Detector {
    pub(super) options: Arc<Options>,
    pub(super) known: DetectorState,
}

/// Events kept for a chart.
const HISTORY: usize = 8;
/// So many late samples in a row mean that the clock was set back.
const CLOCK_SET_BACK: u32 = 5;

impl Detector {
    /// A detector that has seen nothing yet.
    pub fn new(options: impl Into<Arc<Options>>) -> Self {
        Self { options: options.into(), known: DetectorState::default() }
    }

    /// A detector that goes on where another one was when it wrote `state`.
    pub fn restore(options: impl Into<Arc<Options>>, state: DetectorState) -> Self {
        Self { options: options.into(), known: state }
    }

    /// Everything it knows in few bytes, see [`Packed::unpack`].
    pub fn pack(&self) -> Packed {
        Packed::of(&self.known)
    }

    /// Everything it knows, for [`Detector::restore`].
    pub fn to_state(&self) -> DetectorState {
        self.known.clone()
    }

    /// A capture that was under way when the state was written ended with whoever took it. Until this is told, what the
    /// target says is taken for the doing of that capture.
    pub fn give_up_capture(&mut self) {
        if self.known.capturing.is_some() {
            self.on_capture_ended();
        }
    }

    /// Takes new options and keeps what it knows. Blocks of another length begin the life's floors anew.
    pub fn reconfigure(&mut self, options: impl Into<Arc<Options>>) {
        let options = options.into();
        if (options.block, options.interval) != (self.options.block, self.options.interval) {
            self.known.memory = None;
            self.known.gauges = Gauges::default();
        }
        self.options = options;
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The life that is running, once a sample has been seen.
    pub fn life(&self) -> Option<Life> {
        self.known.lives.current()
    }

    /// Takes in one observation and returns what changed by it.
    pub fn observe(&mut self, observation: Observation<'_>) -> Vec<LeakEvent> {
        let (at, changes) = match observation {
            Observation::Sample(sample) => (sample.at, self.on_sample(sample)),
            Observation::Missed { at, refused } => {
                if self.known.capturing.is_none() {
                    self.known.lives.on_missed(refused);
                }
                (at, Vec::new())
            }
            Observation::CaptureBegan { at } => {
                self.on_capture_began(at);
                (at, Vec::new())
            }
            Observation::CaptureEnded { at, part, stored } => {
                self.on_capture_ended();
                self.known.pair.on_captured(part, stored, at);
                (at, Vec::new())
            }
        };
        self.settle_state(at);
        let events: Vec<_> = changes.into_iter().map(|change| LeakEvent { at, change }).collect();
        self.remember(&events);
        events
    }

    fn on_sample(&mut self, sample: &Sample) -> Vec<Change> {
        if self.is_late(sample.at) {
            return Vec::new();
        }
        self.known.reported_limit = sample.memory_limit.or(self.known.reported_limit);
        if self.is_capturing(sample.at) {
            return Vec::new();
        }
        let mut changes = Vec::new();
        if let Some(evidence) = self.known.processes.observe(sample, &self.options) {
            changes.push(Change::SeveralProcesses { evidence });
        }
        if self.known.processes.are_several(sample.at.steady_ms()) {
            self.known.memory = None;
            return changes;
        }
        let limit = self.limit();
        if let Some(restart) = self.known.lives.on_sample(sample, limit, &self.options) {
            changes.push(self.on_restart(&restart, sample.at));
        }
        changes.extend(self.on_readings(sample, limit));
        changes
    }

    fn on_readings(&mut self, sample: &Sample, limit: Option<u64>) -> Vec<Change> {
        let Some(life) = self.life() else { return Vec::new() };
        let now = sample.at;
        let memory = self.known.memory.get_or_insert_with(|| Memory::new(now.steady_ms(), life.began.steady_ms()));
        let age = memory.age(now.steady_ms());
        memory.count_heap_alone(self.known.lives.is_of_heap(limit));
        let closed = memory.observe(sample, limit, &self.options);
        let mut changes = Vec::new();
        for signal in closed {
            changes.extend(self.on_floor(signal, life.number, now));
        }
        changes.extend(self.pair_changes(life.number, age, now));
        changes.extend(self.known.gauges.observe(sample, age, &self.options));
        changes
    }

    /// A sample that is older than the newest is ignored: a duplicate, or one that came late.
    fn is_late(&mut self, at: Timestamp) -> bool {
        let late = self.known.last.is_some_and(|last| at.steady_ms() <= last.steady_ms());
        if !late {
            self.known.late = 0;
            self.known.last = Some(at);
            return false;
        }
        self.known.late += 1;
        let set_back = self.known.late >= CLOCK_SET_BACK;
        if set_back {
            self.known.late = 0;
            self.known.last = Some(at);
            self.known.memory = None;
        }
        !set_back
    }

    fn on_restart(&mut self, restart: &Restart, now: Timestamp) -> Change {
        if let Some(memory) = self.known.memory.take() {
            self.known.lessons.on_life_ended(&memory, restart.cause, now);
        }
        self.known.gauges.on_restart();
        self.known.pair.on_restart();
        if let Some(episode) = &mut self.known.episode {
            episode.on_restart(restart.cause, now);
        }
        Change::Restarted {
            ended: restart.ended,
            began: restart.began,
            cause: restart.cause,
            kills_this_week: restart.kills_this_week,
        }
    }

    /// A floor of `signal` was closed and judged.
    fn on_floor(&mut self, signal: Signal, life: u64, now: Timestamp) -> Vec<Change> {
        let Some(memory) = &self.known.memory else { return Vec::new() };
        let Some(watch) = memory.watch(signal) else { return Vec::new() };
        let trial = watch.trial();
        let Some(episode) = &mut self.known.episode else {
            let confirmed = watch.is_confirmed(now.steady_ms(), &self.options);
            let own = trial.filter(|trial| !memory.follows_finer(signal, trial));
            return own
                .cloned()
                .map_or_else(Vec::new, |trial| self.without_episode(signal, &trial, confirmed, life, now));
        };
        if episode.signal != signal {
            return Vec::new();
        }
        if let Some(trial) = trial.filter(|trial| trial.is_evident_again() && episode.is_same(trial.slope)) {
            let (growth, floor) = (self.growth_of(&trial.clone(), now), watch.newest());
            let episode = self.known.episode.as_mut();
            return match episode.map(|episode| episode.on_growth(now, floor)) {
                Some(true) => self.still_leaking(signal, growth, life, now),
                _ => Vec::new(),
            };
        }
        let Some(floor) = watch.newest() else { return Vec::new() };
        let resolution = episode.on_floor(floor, self.options.block.as_secs_f64(), &self.options);
        resolution.map_or_else(Vec::new, |resolution| {
            if let Some(episode) = self.known.episode.take() {
                self.known.lessons.on_resolved(signal, episode.slope(), now);
            }
            self.known.pair = Pair::Idle;
            vec![Change::LeakResolved { signal, resolution }]
        })
    }

    fn without_episode(
        &mut self,
        signal: Signal,
        trial: &Trial,
        confirmed: bool,
        life: u64,
        now: Timestamp,
    ) -> Vec<Change> {
        let growth = self.growth_of(trial, now);
        let lessons = &self.known.lessons;
        let known = trial.is_evident_again().then(|| lessons.known(signal, trial.slope, now)).flatten();
        let reasons = || trial.gates.iter().map(super::gate::Gate::reason).chain(known.clone()).collect();
        if confirmed || known.is_some() {
            let span = (trial.from, trial.to);
            self.known.episode = Some(Episode::open(signal, now, growth.since, trial.slope, span));
            let mut changes = vec![Change::LeakConfirmed { signal, growth, reasons: reasons() }];
            changes.extend(self.first_snapshot(signal, life, now));
            return changes;
        }
        if !trial.is_suspect() || self.known.suspected_in == life {
            return Vec::new();
        }
        self.known.suspected_in = life;
        vec![Change::LeakSuspected { signal, growth, reasons: reasons() }]
    }

    fn still_leaking(&mut self, signal: Signal, growth: Growth, life: u64, now: Timestamp) -> Vec<Change> {
        let mut changes = vec![Change::StillLeaking { signal, growth }];
        changes.extend(self.first_snapshot(signal, life, now));
        changes
    }

    /// Only a leak of the JavaScript heap shows in a snapshot of it.
    fn first_snapshot(&mut self, signal: Signal, life: u64, now: Timestamp) -> Option<Change> {
        let part = (signal == Signal::HeapUsed).then(|| self.known.pair.on_leak(life, now)).flatten()?;
        Some(Change::SnapshotDue { part })
    }

    fn pair_changes(&mut self, life: u64, age: f64, now: Timestamp) -> Option<Change> {
        let healthy = self.known.episode.is_none();
        let warm = age >= self.options.warm_up.as_secs_f64();
        let part: Option<PairPart> = if healthy {
            (self.options.baseline && warm).then(|| self.known.pair.on_warm(life)).flatten()
        } else {
            self.known.pair.on_time(life, now, self.options.pair_gap)
        };
        part.map(|part| Change::SnapshotDue { part })
    }

    fn on_capture_began(&mut self, at: Timestamp) {
        self.known.capturing = Some(at);
        if let Some(memory) = &mut self.known.memory {
            memory.expect_step();
        }
    }

    fn on_capture_ended(&mut self) {
        self.known.capturing = None;
        self.known.lives.on_captured();
        if let Some(memory) = &mut self.known.memory {
            memory.expect_step();
        }
    }

    /// Readings while our capture is under way are not the target's own; a capture whose end was never told of is
    /// over after a pair gap.
    fn is_capturing(&mut self, now: Timestamp) -> bool {
        self.known.capturing.take_if(|began| now.since(*began) > self.options.pair_gap);
        self.known.capturing.is_some()
    }

    /// The limit in force: the configured one, else the target's own.
    pub(super) fn limit(&self) -> Option<u64> {
        self.options.memory_limit.map(crate::units::ByteSize::bytes).or(self.known.reported_limit)
    }

    pub(super) fn growth_of(&self, trial: &Trial, now: Timestamp) -> Growth {
        let limit = self.limit();
        let room = limit.zip(self.known.memory.as_ref()).map(|(limit, memory)| memory.room_to(limit));
        Growth {
            slope: ByteRate::per_second(trial.slope),
            r2: trial.r2,
            from_bytes: bytes(trial.from),
            to_bytes: bytes(trial.to),
            since: on_lines_of(now, trial.since_ms),
            until: on_lines_of(now, trial.until_ms),
            limit_bytes: limit,
            limit_in_seconds: room.map(|room| (room / trial.slope).clamp(0.0, f64::MAX)),
        }
    }

    fn remember(&mut self, events: &[LeakEvent]) {
        self.known.history.extend(events.iter().map(LeakEvent::without_reasons));
        let surplus = self.known.history.len().saturating_sub(HISTORY);
        self.known.history.drain(..surplus);
    }
}
