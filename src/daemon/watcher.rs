//! A watcher: polls one target when it is woken, feeds its detector and publishes what it sees.
//!
//! It decides nothing about alerts or captures; it reports to the dispatcher and is told when a capture runs. Between two
//! polls it is at rest in the fleet, which wakes it, and holds what it knows in packed form.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Timestamp;
use crate::config::Target;
use crate::daemon::clock::Clock;
use crate::daemon::event::{Event, WatchNews};
use crate::daemon::metrics::Metrics;
use crate::daemon::pending::Pending;
use crate::daemon::remote::Polled;
use crate::daemon::schedule::{Schedule, Tick};
use crate::errors;
use crate::http::ClientError;
use crate::leak::event::PairPart;
use crate::leak::{Detector, DetectorState, LeakEvent, Observation, Packed};
use crate::probe::{Connection, ProbeError, Reading, Reason};
use crate::status::board::{Board, Grounds};
use crate::status::{Verification, WatchStatus};
use crate::target::TargetName;

/// What a watcher is told while it runs.
#[derive(Debug)]
pub enum Command {
    /// A capture of this target begins: failed polls are expected until it ends.
    CaptureBegan,
    /// The capture is over.
    CaptureEnded {
        /// Which snapshot it was for.
        part: PairPart,
        /// Whether a whole one of the process that is running was stored.
        stored: bool,
    },
    /// The configuration of this target changed.
    Reconfigure(Arc<Target>),
}

/// What every watcher shares with the rest of the daemon.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The time.
    pub clock: Clock,
    /// Where status is published.
    pub board: Board,
    /// Where news go.
    pub events: mpsc::Sender<Event>,
    /// Where polls are counted.
    pub metrics: Arc<Metrics>,
    /// Where what polls have shown goes on to receivers of remote write.
    pub polled: broadcast::Sender<Polled>,
    /// Ends all watchers.
    pub stop: CancellationToken,
}

/// One target's watcher.
#[derive(Debug)]
pub struct Watcher {
    target: Arc<Target>,
    schedule: Schedule,
    last_tick: Option<Timestamp>,
    connection: Connection,
    /// What its detector knows.
    known: Packed,
    surroundings: Arc<Surroundings>,
    capturing: bool,
    failing: Option<Box<Failing>>,
    /// Whether it has answered since this watcher started.
    answered: bool,
    unreported: Pending,
    reported: Timestamp,
}

/// What another watcher needs to go on where one was.
#[derive(Debug)]
pub struct Spare {
    target: Arc<Target>,
    known: Packed,
}

/// Polls that fail in a row.
#[derive(Debug)]
struct Failing {
    since: Timestamp,
    polls: u32,
    reason: Reason,
    told: bool,
}

/// Samples a quiet watcher may hold unwritten: at the default interval, five minutes' worth.
const CHECKPOINT_POLLS: u32 = 10;
/// The longest a checkpoint waits, for slow intervals.
const LONGEST_CHECKPOINT: Duration = Duration::from_mins(5);

impl Spare {
    /// Whom it is for.
    pub fn name(&self) -> &TargetName {
        &self.target.name
    }

    /// A watcher that has not seen what ended the one before.
    pub fn into_watcher(self, surroundings: Arc<Surroundings>) -> Result<Watcher, ClientError> {
        Watcher::new(self.target, Some(self.known), surroundings)
    }
}

impl Watcher {
    /// A watcher that goes on from `stored`, or starts anew.
    pub fn new(
        target: Arc<Target>,
        stored: Option<Packed>,
        surroundings: Arc<Surroundings>,
    ) -> Result<Self, ClientError> {
        let connection = Connection::new(&target.probe)?;
        let mut watcher = Self {
            schedule: Schedule::new(target.name.as_str(), target.interval),
            last_tick: None,
            connection,
            known: stored.unwrap_or_else(|| Packed::of(&DetectorState::default())),
            capturing: false,
            failing: None,
            answered: false,
            unreported: Pending::default(),
            reported: surroundings.clock.now(),
            target,
            surroundings,
        };
        let mut detector = watcher.detector();
        // A capture ends with the daemon that takes it.
        detector.give_up_capture();
        watcher.known = detector.pack();
        watcher.publish(&detector, |_| ());
        Ok(watcher)
    }

    /// Whom it watches.
    pub fn name(&self) -> &TargetName {
        &self.target.name
    }

    /// For when a defect ends it.
    pub fn spare(&self) -> Spare {
        Spare { target: Arc::clone(&self.target), known: self.known.clone() }
    }

    /// When it is to poll next.
    pub fn next_tick(&self) -> Tick {
        self.schedule.next(self.last_tick, self.surroundings.clock.now())
    }

    /// Does what it is told.
    pub async fn obey(mut self: Box<Self>, commands: Vec<Command>) -> Box<Self> {
        for command in commands {
            self.on_command(command).await;
        }
        self
    }

    /// One reading, or an early end where the stop signal comes first.
    pub async fn poll(mut self: Box<Self>, tick: Tick, stop: CancellationToken) -> Box<Self> {
        let asked = self.surroundings.clock.now();
        self.last_tick = Some(tick.at);
        self.count_late(tick, asked);
        // Only the probe may be cut off: what the detector has taken in must reach the dispatcher, too.
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => return self,
            outcome = self.connection.probe(&self.target.probe) => outcome,
        };
        let at = self.surroundings.clock.now();
        let result = match &outcome {
            Ok(_) => "ok",
            Err(_) if self.capturing => "paused_by_capture",
            Err(failure) => failure.reason().name(),
        };
        let seconds = at.since(asked).as_secs_f64();
        self.surroundings.metrics.poll(&self.target.name, result, seconds);
        let is_excused = outcome.is_err() && self.capturing;
        match outcome {
            Ok(reading) => self.on_reading(reading, at).await,
            Err(failure) => self.on_failure(&failure, at).await,
        }
        if !is_excused {
            self.pass_on(at);
        }
        self
    }

    /// Reports what the dispatcher has not yet seen, for the last time.
    pub async fn end(mut self: Box<Self>) {
        let state = self.known.clone();
        self.report(Vec::new(), state).await;
        if self.surroundings.board.look(&self.target.name, |_| ()).is_none() {
            // It was taken off the configuration. Where nobody listens, nobody needs to know.
            self.surroundings.metrics.forget(&self.target.name);
            let (target, at) = (self.target.name.clone(), self.surroundings.clock.now());
            self.surroundings.polled.send(Polled::Gone { target, at }).ok();
        }
    }

    /// Shows receivers of remote write what the poll has shown; this never waits.
    fn pass_on(&self, at: Timestamp) {
        let polled = &self.surroundings.polled;
        if polled.receiver_count() == 0 {
            return;
        }
        if let Some(status) = self.surroundings.board.get(&self.target.name) {
            // The last of them may have gone in between.
            polled.send(Polled::Status { status: Arc::new(status), at }).ok();
        }
    }

    async fn on_reading(&mut self, reading: Reading, at: Timestamp) {
        let sample = reading.into_sample(at);
        self.unreported.push(&sample);
        let changes = self.observe(Observation::Sample(&sample), |watch| {
            watch.polls += 1;
            watch.sample = Some(sample.clone());
            watch.healthy_polls = watch.healthy_polls.saturating_add(1);
            watch.failed_polls = 0;
            watch.last_failure = None;
            watch.failing_since = None;
            watch.is_down = false;
        });
        self.on_answer(at).await;
        self.on_changes(changes, at).await;
    }

    /// The first answer after a start is always told: an earlier run may have called the target down.
    async fn on_answer(&mut self, at: Timestamp) {
        let first = !std::mem::replace(&mut self.answered, true);
        let failing = self.failing.take();
        if let Some(failing) = &failing {
            let name = &self.target.name;
            info!(target.name = %name, failed_polls = failing.polls, "{name} answers again after {} failed polls", failing.polls);
        }
        if first || failing.as_ref().is_some_and(|failing| failing.told) {
            let since = failing.map_or(at, |failing| failing.since);
            self.tell(WatchNews::Up { at, since }).await;
        }
    }

    async fn on_failure(&mut self, failure: &ProbeError, at: Timestamp) {
        let refused = failure.reason() == Reason::Refused;
        let changes = self.observe(Observation::Missed { at, refused }, |watch| watch.polls += 1);
        // While our own capture pauses the target, silence is not evidence of anything.
        if !self.capturing {
            self.count_failure(failure, at).await;
        }
        self.on_changes(changes, at).await;
    }

    async fn count_failure(&mut self, failure: &ProbeError, at: Timestamp) {
        let name = self.target.name.clone();
        let why = errors::one_line(failure);
        let reason = failure.reason();
        let failing = self.failing.get_or_insert_with(|| {
            warn!(target.name = %name, reason = reason.name(), "cannot read the memory of {name}: {why}");
            Box::new(Failing { since: at, polls: 0, reason, told: false })
        });
        if failing.reason != reason {
            warn!(target.name = %name, reason = reason.name(), "{name} now fails in another way: {why}");
            failing.reason = reason;
        }
        failing.polls += 1;
        let (since, failed_polls) = (failing.since, failing.polls);
        let newly_down = failed_polls >= self.target.down_after && !failing.told;
        failing.told |= newly_down;
        let is_down = failing.told;
        self.surroundings.board.watch(&name, |watch| {
            watch.healthy_polls = 0;
            watch.failed_polls = failed_polls;
            watch.last_failure = Some(why.clone());
            watch.failing_since = Some(since);
            watch.is_down = is_down;
        });
        if newly_down {
            self.tell(WatchNews::Down { at, since, why, failed_polls }).await;
        }
    }

    async fn on_command(&mut self, command: Command) {
        let at = self.surroundings.clock.now();
        match command {
            Command::CaptureBegan => {
                self.capturing = true;
                let changes = self.observe(Observation::CaptureBegan { at }, |_| ());
                self.on_changes(changes, at).await;
            }
            Command::CaptureEnded { part, stored } => {
                self.capturing = false;
                let changes = self.observe(Observation::CaptureEnded { at, part, stored }, |_| ());
                self.on_changes(changes, at).await;
            }
            Command::Reconfigure(target) => self.reconfigure(target),
        }
    }

    fn reconfigure(&mut self, target: Arc<Target>) {
        match Connection::new(&target.probe) {
            Ok(connection) => self.connection = connection,
            Err(problem) => {
                // `config` has built the same client before it let the file through.
                warn!(target.name = %target.name, error = %problem, "the old connection settings stay in force");
                return;
            }
        }
        let mut detector = self.detector();
        detector.reconfigure(Arc::clone(&target.leak));
        self.known = detector.pack();
        self.schedule = Schedule::new(target.name.as_str(), target.interval);
        self.target = target;
        self.publish(&detector, |_| ());
    }

    /// The detector as it was left. What came from the database was opened once before, where what is damaged is told.
    fn detector(&self) -> Detector {
        let state = self.known.unpack().unwrap_or_else(|problem| {
            let (name, problem) = (&self.target.name, errors::one_line(&problem));
            warn!(target.name = %name, error = problem, "the verdict on {name} begins anew; please report it");
            DetectorState::default()
        });
        Detector::restore(Arc::clone(&self.target.leak), state)
    }

    /// Lets the detector take in an observation, and shows what it makes of it together with what `seen` changes.
    fn observe(&mut self, observation: Observation<'_>, seen: impl FnOnce(&mut WatchStatus)) -> Vec<LeakEvent> {
        let mut detector = self.detector();
        let changes = detector.observe(observation);
        self.known = detector.pack();
        self.publish(&detector, seen);
        changes
    }

    async fn on_changes(&mut self, changes: Vec<LeakEvent>, at: Timestamp) {
        let checkpoint = (self.target.interval * CHECKPOINT_POLLS).min(LONGEST_CHECKPOINT);
        if !changes.is_empty() || at.since(self.reported) >= checkpoint {
            self.report(changes, self.known.clone()).await;
        }
    }

    async fn report(&mut self, changes: Vec<LeakEvent>, state: Packed) {
        self.reported = self.surroundings.clock.now();
        let samples = self.unreported.take();
        let news = if changes.is_empty() {
            WatchNews::Checkpoint { state, samples }
        } else {
            WatchNews::Changes { changes, state, samples }
        };
        self.tell(news).await;
    }

    fn publish(&self, detector: &Detector, seen: impl FnOnce(&mut WatchStatus)) {
        let mut verdict = detector.verdict();
        // The board makes them of the grounds when somebody asks.
        verdict.reasons = Vec::new();
        let (life, floor) = (detector.life(), detector.outline().and_then(|outline| outline.newest()));
        let of_seconds = detector.options().verify.as_secs_f64();
        let verification =
            detector.verified_seconds().map(|watched_seconds| Verification { watched_seconds, of_seconds });
        let grounds = Grounds { known: self.known.clone(), options: Arc::clone(&self.target.leak) };
        self.surroundings.board.judge(&self.target.name, grounds, |watch| {
            watch.verdict = Some(verdict);
            watch.life = life;
            watch.floor = floor;
            watch.verification = verification;
            seen(watch);
        });
    }

    fn count_late(&self, tick: Tick, now: Timestamp) {
        self.surroundings.metrics.begins(now.since(tick.at).as_secs_f64(), tick.skipped);
        if tick.skipped > 0 {
            self.surroundings.board.watch(&self.target.name, |watch| watch.late_ticks += tick.skipped);
        }
    }

    async fn tell(&self, news: WatchNews) {
        let event = Event::Watch { target: self.target.name.clone(), news };
        // Without a dispatcher the daemon is going down and nobody is left to tell.
        self.surroundings.events.send(event).await.ok();
    }
}
