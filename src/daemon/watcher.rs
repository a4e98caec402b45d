//! A watcher: one task a target that polls it, feeds its detector and publishes what it sees.
//!
//! It decides nothing about alerts or captures; it reports to the dispatcher and is told when a capture runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Timestamp;
use crate::config::Target;
use crate::daemon::clock::Clock;
use crate::daemon::event::{Event, WatchNews};
use crate::daemon::metrics::Metrics;
use crate::daemon::remote::Polled;
use crate::daemon::schedule::Schedule;
use crate::errors;
use crate::http::ClientError;
use crate::leak::event::PairPart;
use crate::leak::{Detector, DetectorState, LeakEvent, Observation, Picture};
use crate::probe::{ProbeError, Prober, Reading, Reason};
use crate::sample::Sample;
use crate::status::Verification;
use crate::status::board::Board;

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
    /// Somebody wants to see floors and fit.
    Picture(oneshot::Sender<Option<Picture>>),
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
    /// How often a quiet watcher reports what it has seen, for the state database.
    pub checkpoint: Duration,
    /// Ends the watcher.
    pub stop: CancellationToken,
}

/// One target's watcher.
#[derive(Debug)]
pub struct Watcher {
    target: Arc<Target>,
    prober: Prober,
    detector: Detector,
    surroundings: Surroundings,
    commands: mpsc::Receiver<Command>,
    capturing: bool,
    failing: Option<Failing>,
    /// Whether it has answered since this watcher started.
    answered: bool,
    unreported: Vec<Sample>,
    reported: Timestamp,
}

/// Polls that fail in a row.
#[derive(Debug)]
struct Failing {
    since: Timestamp,
    polls: u32,
    reason: Reason,
    told: bool,
}

impl Watcher {
    /// A watcher that goes on from `stored`, or starts anew.
    pub fn new(
        target: Arc<Target>,
        stored: Option<DetectorState>,
        commands: mpsc::Receiver<Command>,
        surroundings: Surroundings,
    ) -> Result<Self, ClientError> {
        let prober = Prober::new(target.probe.clone())?;
        let options = target.leak.clone();
        let mut detector = match stored {
            Some(state) => Detector::restore(options, state),
            None => Detector::new(options),
        };
        // A capture ends with the daemon that takes it.
        detector.give_up_capture();
        let reported = surroundings.clock.now();
        Ok(Self {
            target,
            prober,
            detector,
            surroundings,
            commands,
            capturing: false,
            failing: None,
            answered: false,
            unreported: Vec::new(),
            reported,
        })
    }

    /// Polls until the stop signal, then reports what the dispatcher has not yet seen.
    pub async fn run(mut self) {
        self.publish();
        let stop = self.surroundings.stop.clone();
        let mut last_tick = None;
        loop {
            let now = self.surroundings.clock.now();
            let tick = Schedule::new(self.target.name.as_str(), self.target.interval).next(last_tick, now);
            let due = self.surroundings.clock.instant_of(tick.at);
            // Each branch is cancel-safe: a sleep, a channel's receive and a token.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(command) = self.commands.recv() => self.on_command(command).await,
                () = tokio::time::sleep_until(due) => {
                    self.count_late(tick.skipped);
                    last_tick = Some(tick.at);
                    // Boxed, because what a request takes is as much as all the rest, and between polls nobody needs it.
                    Box::pin(self.poll()).await;
                }
            }
        }
        self.report(Vec::new()).await;
        if self.surroundings.board.look(&self.target.name, |_| ()).is_none() {
            // It was taken off the configuration. Where nobody listens, nobody needs to know.
            let (target, at) = (self.target.name.clone(), self.surroundings.clock.now());
            self.surroundings.polled.send(Polled::Gone { target, at }).ok();
        }
    }

    /// One reading, or an early end where the stop signal comes first.
    async fn poll(&mut self) {
        let asked = self.surroundings.clock.now();
        let stop = self.surroundings.stop.clone();
        // Only the probe may be cut off: what the detector has taken in must reach the dispatcher, too.
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            outcome = self.prober.probe() => outcome,
        };
        let at = self.surroundings.clock.now();
        let result = match &outcome {
            Ok(_) => "ok",
            Err(_) if self.capturing => "paused_by_capture",
            Err(failure) => failure.reason().name(),
        };
        let seconds = at.since(asked).as_secs_f64();
        self.surroundings.metrics.poll(self.target.name.as_str(), result, seconds);
        self.surroundings.board.watch(&self.target.name, |watch| watch.polls += 1);
        let is_excused = outcome.is_err() && self.capturing;
        match outcome {
            Ok(reading) => self.on_reading(reading, at).await,
            Err(failure) => self.on_failure(&failure, at).await,
        }
        if !is_excused {
            self.pass_on(at);
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
        let changes = self.detector.observe(Observation::Sample(&sample));
        self.unreported.push(sample.clone());
        self.surroundings.board.watch(&self.target.name, |watch| {
            watch.sample = Some(sample);
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
        let changes = self.detector.observe(Observation::Missed { at, refused });
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
            Failing { since: at, polls: 0, reason, told: false }
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
                let changes = self.detector.observe(Observation::CaptureBegan { at });
                self.on_changes(changes, at).await;
            }
            Command::CaptureEnded { part, stored } => {
                self.capturing = false;
                let changes = self.detector.observe(Observation::CaptureEnded { at, part, stored });
                self.on_changes(changes, at).await;
            }
            // The asker may have gone away, which is no matter of ours.
            Command::Picture(reply) => drop(reply.send(Some(self.detector.picture()))),
            Command::Reconfigure(target) => self.reconfigure(target),
        }
    }

    fn reconfigure(&mut self, target: Arc<Target>) {
        match Prober::new(target.probe.clone()) {
            Ok(prober) => self.prober = prober,
            Err(problem) => {
                // `config` has built the same client before it let the file through.
                warn!(target.name = %target.name, error = %problem, "the old connection settings stay in force");
                return;
            }
        }
        self.detector.reconfigure(target.leak.clone());
        self.target = target;
    }

    async fn on_changes(&mut self, changes: Vec<LeakEvent>, at: Timestamp) {
        self.publish();
        if !changes.is_empty() || at.since(self.reported) >= self.surroundings.checkpoint {
            self.report(changes).await;
        }
    }

    async fn report(&mut self, changes: Vec<LeakEvent>) {
        self.reported = self.surroundings.clock.now();
        let samples = std::mem::take(&mut self.unreported);
        let state = Box::new(self.detector.to_state());
        let news = if changes.is_empty() {
            WatchNews::Checkpoint { state, samples }
        } else {
            WatchNews::Changes { changes, state, samples }
        };
        self.tell(news).await;
    }

    fn publish(&self) {
        let verdict = self.detector.verdict().clone();
        let (life, outline) = (self.detector.life(), self.detector.outline());
        let of_seconds = self.detector.options().verify.as_secs_f64();
        let verification =
            self.detector.verified_seconds().map(|watched_seconds| Verification { watched_seconds, of_seconds });
        self.surroundings.board.watch(&self.target.name, |watch| {
            watch.verdict = Some(verdict);
            watch.life = life;
            watch.outline = outline;
            watch.verification = verification;
        });
    }

    fn count_late(&self, skipped: u64) {
        if skipped > 0 {
            self.surroundings.metrics.late_ticks(skipped);
            self.surroundings.board.watch(&self.target.name, |watch| watch.late_ticks += skipped);
        }
    }

    async fn tell(&self, news: WatchNews) {
        let event = Event::Watch { target: self.target.name.clone(), news };
        // Without a dispatcher the daemon is going down and nobody is left to tell.
        self.surroundings.events.send(event).await.ok();
    }
}
