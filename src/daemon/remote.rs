//! Sends what polls have shown to receivers of remote write: one task a receiver, so that none waits for another, and no
//! watcher for any of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Timestamp;
use crate::daemon::clock::Clock;
use crate::daemon::metrics::Metrics;
use crate::errors;
use crate::http::ClientError;
use crate::remote_write::Options;
use crate::remote_write::queue::Queue;
use crate::remote_write::sender::{SendError, Sender};
use crate::remote_write::series::{Book, Sample};
use crate::status::TargetStatus;
use crate::target::TargetName;

/// What a receiver is told of.
#[derive(Clone, Debug)]
pub enum Polled {
    /// A poll ended, and this is what is known since.
    Status {
        /// The target.
        status: Arc<TargetStatus>,
        /// When it ended.
        at: Timestamp,
    },
    /// A target is no longer watched.
    Gone {
        /// The target.
        target: TargetName,
        /// Since when.
        at: Timestamp,
    },
}

/// Polls that a receiver's task may be behind. It does nothing but put them into its queue, so it is behind only where the
/// whole process is; then the oldest are lost to it and counted. Room for them is taken at the start; for ten thousand targets
/// these are three seconds.
const BEHIND: usize = 1_024;
/// What an orderly stop waits for the last samples.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where watchers put what they saw; nothing happens where nobody listens.
pub(super) fn channel() -> broadcast::Sender<Polled> {
    broadcast::Sender::new(BEHIND)
}

/// A task that sends to one receiver.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) options: Options,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Remote {
    /// Starts sending what is polled from now on.
    pub(super) fn start(
        options: Options,
        polled: &broadcast::Sender<Polled>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ClientError> {
        let stop = CancellationToken::new();
        let line = Line {
            queue: Queue::new(options.capacity),
            book: Book::new(options.labels.clone()),
            sender: Arc::new(Sender::new(options.clone())?),
            attempts: JoinSet::new(),
            unsettled: Vec::new(),
            due: Instant::now(),
            failed: 0,
            clock,
            metrics,
        };
        let task = tokio::spawn(line.run(polled.subscribe(), stop.clone()));
        Ok(Self { options, stop, task })
    }

    /// Sends what waits, if the receiver takes it soon, and ends.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        // A task that panicked has said so.
        self.task.await.ok();
    }
}

/// One receiver: what waits for it, and what is under way.
struct Line {
    sender: Arc<Sender>,
    queue: Queue,
    book: Book,
    /// The request under way: at most one, so that nothing newer overtakes it.
    attempts: JoinSet<Outcome>,
    /// What the last request had and is to be sent once more.
    unsettled: Vec<Sample>,
    /// When to send next.
    due: Instant,
    /// Requests that failed in a row.
    failed: u32,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// The samples of a request, and how it ended.
type Outcome = (Vec<Sample>, Result<(), SendError>);

impl Line {
    async fn run(mut self, mut polled: broadcast::Receiver<Polled>, stop: CancellationToken) {
        loop {
            let may_send = self.attempts.is_empty() && self.owes();
            // Each branch is cancel-safe: a token, a channel's receive, the end of a task and a sleep.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.attempts.join_next() => self.settle(ended.ok()),
                () = sleep_until(self.due), if may_send => self.begin(),
                news = polled.recv() => match news {
                    Ok(polled) => self.take_in(polled),
                    Err(RecvError::Lagged(missed)) => self.count("dropped", missed),
                    Err(RecvError::Closed) => break,
                },
            }
            self.metrics.remote_queued(self.name(), self.queue.len() + self.unsettled.len());
        }
        timeout(FAREWELL, self.finish()).await.ok();
    }

    /// What was polled last is worth a moment, unless the receiver was in trouble before.
    async fn finish(&mut self) {
        loop {
            while let Some(ended) = self.attempts.join_next().await {
                self.settle(ended.ok());
            }
            if !self.owes() || self.failed > 0 {
                return;
            }
            self.begin();
        }
    }

    fn name(&self) -> &str {
        &self.sender.options().name
    }

    fn owes(&self) -> bool {
        !self.queue.is_empty() || !self.unsettled.is_empty()
    }

    fn take_in(&mut self, polled: Polled) {
        if !self.owes() && self.attempts.is_empty() {
            self.due = Instant::now() + self.sender.options().flush;
        }
        let samples = match polled {
            Polled::Status { status, at } => self.book.on_poll(&status, at),
            Polled::Gone { target, at } => self.book.on_gone(&target, at),
        };
        let dropped = self.queue.push(samples);
        self.count("dropped", dropped);
        if self.failed == 0 && self.is_full() {
            self.due = Instant::now();
        }
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= self.sender.options().batch
    }

    fn begin(&mut self) {
        let samples = match std::mem::take(&mut self.unsettled) {
            samples if samples.is_empty() => self.queue.take(self.sender.options().batch),
            samples => samples,
        };
        let (sender, now) = (Arc::clone(&self.sender), self.clock.now());
        self.attempts.spawn(async move {
            let outcome = sender.send(&samples, now).await;
            (samples, outcome)
        });
    }

    /// Takes in how a request ended; `None` where it panicked, and its samples are gone with it.
    fn settle(&mut self, ended: Option<Outcome>) {
        let now = Instant::now();
        self.due = if self.is_full() { now } else { now + self.sender.options().flush };
        let Some((samples, outcome)) = ended else { return };
        let Err(problem) = outcome else { return self.on_taken(samples.len()) };
        self.tell(&problem);
        if let Some(asked) = problem.retry() {
            self.failed = self.failed.saturating_add(1);
            self.unsettled = samples;
            self.due = now + self.queue.failed(asked, fastrand::f64());
            self.metrics.remote_retry(self.name());
        } else {
            self.queue.settled();
            self.count("rejected", samples.len() as u64);
        }
    }

    fn on_taken(&mut self, samples: usize) {
        self.queue.settled();
        self.count("sent", samples as u64);
        self.metrics.remote_succeeded(self.name(), self.clock.now().unix_seconds());
        let failed = std::mem::take(&mut self.failed);
        if failed > 0 {
            info!(receiver = self.name(), "{} takes samples again after {failed} failed requests", self.name());
        }
    }

    /// The first failure of a row, and each refusal: those samples are lost.
    fn tell(&self, problem: &SendError) {
        if self.failed == 0 || problem.retry().is_none() {
            let (name, why) = (self.name(), errors::one_line(problem));
            warn!(receiver = name, "{name} does not take samples: {why}");
        }
    }

    fn count(&self, result: &'static str, samples: u64) {
        if samples > 0 {
            self.metrics.remote_samples(self.name(), result, samples);
        }
    }
}
