//! What must not be lost, written before it is acted on.
//!
//! A commit that fails (full disk, read-only file system) is kept and tried again with the next one, so that the
//! daemon goes on from memory and the database catches up when it can.

use std::collections::VecDeque;
use std::sync::Arc;

use tracing::{error, info};

use crate::clock::Timestamp;
use crate::daemon::metrics::Metrics;
use crate::sample::Sample;
use crate::store::record::{Attempt, AuditEvent, Disarmed, Episode, Letter, Restart};
use crate::store::{Keep, Store, StoreError, Writer};
use crate::target::TargetName;

/// One row to write.
#[derive(Clone, Debug)]
pub(super) enum Write {
    State { target: TargetName, key: &'static str, body: Vec<u8> },
    Episode(Episode),
    Attempt(Attempt),
    Disarm { target: TargetName, disarmed: Disarmed },
    Rearm(TargetName),
    Restart(Restart),
    Letter(Letter),
    Audit(AuditEvent),
    Samples { target: TargetName, samples: Vec<Sample> },
    Prune(Keep),
}

/// The state database as the dispatcher writes it.
#[derive(Debug)]
pub(super) struct Ledger {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    /// Writes that failed, oldest first.
    owed: VecDeque<Write>,
    failing: bool,
}

/// Writes owed beyond this are dropped, oldest first: at one checkpoint a target every five minutes they are the
/// better part of an hour of a thousand targets, in a few megabytes.
const MOST_OWED: usize = 10_000;

impl Ledger {
    pub(super) fn new(store: Arc<Store>, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics, owed: VecDeque::new(), failing: false }
    }

    /// Writes everything in one transaction, with what an earlier failure left owed. Whether it holds: when it does
    /// not, the writes are owed and the caller goes on from memory.
    pub(super) async fn commit(&mut self, writes: Vec<Write>, now: Timestamp) -> bool {
        if writes.is_empty() {
            return true;
        }
        let (store, batch) =
            (Arc::clone(&self.store), self.owed.iter().cloned().chain(writes.iter().cloned()).collect::<Vec<_>>());
        let written = tokio::task::spawn_blocking(move || {
            store.transaction(now, |writer| batch.iter().try_for_each(|write| apply(writer, write)))
        })
        .await;
        match written {
            Ok(Ok(())) => self.on_success(),
            Ok(Err(problem)) => self.on_failure(writes, &problem),
            // The task was cancelled because the runtime is going down.
            Err(_) => return false,
        }
        !self.failing
    }

    /// Whether the last commit failed.
    pub(super) const fn is_failing(&self) -> bool {
        self.failing
    }

    fn on_success(&mut self) {
        let caught_up = self.owed.len();
        self.owed.clear();
        if std::mem::take(&mut self.failing) {
            info!(caught_up, "the state database can be written again; nothing is owed to it any more");
        }
    }

    fn on_failure(&mut self, writes: Vec<Write>, problem: &StoreError) {
        self.metrics.store_failed();
        if !std::mem::replace(&mut self.failing, true) {
            let cause = std::error::Error::source(problem).map(ToString::to_string);
            error!(error = %problem, cause, "cannot write the state database; going on from memory");
        }
        self.owed.extend(writes);
        while self.owed.len() > MOST_OWED {
            self.owed.pop_front();
        }
    }
}

fn apply(writer: &Writer<'_>, write: &Write) -> Result<(), StoreError> {
    match write {
        Write::State { target, key, body } => writer.put_state(target, key, body),
        Write::Episode(episode) => writer.put_episode(episode),
        Write::Attempt(attempt) => writer.put_attempt(attempt),
        Write::Disarm { target, disarmed } => writer.disarm(target, disarmed),
        Write::Rearm(target) => writer.rearm(target),
        Write::Restart(restart) => writer.put_restart(restart),
        Write::Letter(letter) => writer.put_letter(letter).map(drop),
        Write::Audit(event) => writer.put_audit(event),
        Write::Samples { target, samples } => writer.append_samples(target, samples),
        Write::Prune(keep) => writer.prune(keep),
    }
}
