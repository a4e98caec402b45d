//! What must not be lost, written before it is acted on.
//!
//! A commit that fails (full disk, read-only file system) is kept and tried again with the next one, so that the
//! daemon goes on from memory and the database catches up when it can.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info};

use crate::clock::Timestamp;
use crate::daemon::metrics::Metrics;
use crate::errors;
use crate::sample::Sample;
use crate::silence::Silence;
use crate::store::record::{Attempt, AuditEvent, BrokenChannel, Disarmed, Episode, Letter, Restart};
use crate::store::{Keep, Reader, Store, StoreError, Trouble, Writer};
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
    Silence(Silence),
    BrokenChannel(BrokenChannel),
    MendChannel(String),
    Samples { target: TargetName, samples: Vec<Sample> },
    Prune(Keep),
}

/// The state database as the dispatcher writes it.
#[derive(Debug)]
pub(super) struct Ledger {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    /// Writes that were put off, or failed, oldest first.
    owed: Vec<Write>,
    failing: bool,
    /// After a failure, not before this time.
    next_try: Timestamp,
}

/// Writes owed beyond this are dropped, oldest first: at one checkpoint a target every five minutes they are the
/// better part of an hour of a thousand targets, in a few megabytes.
const MOST_OWED: usize = 10_000;

/// A disk that is full stays so for seconds at least.
const RETRY: Duration = Duration::from_secs(1);

impl Ledger {
    pub(super) fn new(store: Arc<Store>, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics, owed: Vec::new(), failing: false, next_try: Timestamp::from_unix_ms(0) }
    }

    /// Writes these together with the next that have to be written at once, or at [`Self::settle`]: nothing is decided by
    /// them, and a transaction costs more than they do.
    pub(super) fn defer(&mut self, writes: Vec<Write>) {
        self.owed.extend(writes);
    }

    /// Writes what is owed once it is too much to be held until the next tick.
    pub(super) async fn settle_many(&mut self, now: Timestamp) {
        /// Two writes of three kilobytes each come of a target.
        const MANY: usize = 1_000;
        if self.owed.len() >= MANY {
            self.settle(now).await;
        }
    }

    /// Writes everything in one transaction, with what is owed. Whether it holds: when it does not, the writes are owed and
    /// the caller goes on from memory.
    pub(super) async fn commit(&mut self, writes: Vec<Write>, now: Timestamp) -> bool {
        if writes.is_empty() {
            return true;
        }
        self.owed.extend(writes);
        self.settle(now).await
    }

    /// Writes what is owed, in one transaction.
    pub(super) async fn settle(&mut self, now: Timestamp) -> bool {
        if self.owed.is_empty() {
            return true;
        }
        if self.failing && now.is_before(self.next_try) {
            self.forget_beyond_bound();
            return false;
        }
        let (store, batch) = (Arc::clone(&self.store), std::mem::take(&mut self.owed));
        let written = tokio::task::spawn_blocking(move || (write(&store, &batch, now), batch)).await;
        match written {
            Ok((Ok(()), _)) => self.on_success(),
            Ok((Err(problem), batch)) => self.on_failure(batch, &problem, now),
            // The task panicked, or was cancelled because the runtime is going down.
            Err(ended) => {
                error!(error = %ended, "what was to be written to the state database is lost");
                return false;
            }
        }
        !self.failing
    }

    /// Whether the last commit failed.
    pub(super) const fn is_failing(&self) -> bool {
        self.failing
    }

    fn on_success(&mut self) {
        if std::mem::take(&mut self.failing) {
            info!("the state database can be written again; nothing is owed to it any more");
        }
    }

    fn on_failure(&mut self, batch: Vec<Write>, problem: &StoreError, now: Timestamp) {
        self.metrics.store_failed();
        if !std::mem::replace(&mut self.failing, true) {
            error!(error = errors::one_line(problem), "cannot write the state database; going on from memory");
        }
        self.next_try = now.plus(RETRY);
        self.owed = batch;
        self.forget_beyond_bound();
    }

    /// Samples go first: without them a chart has a gap, without a letter somebody is not called.
    fn forget_beyond_bound(&mut self) {
        let mut excess = self.owed.len().saturating_sub(MOST_OWED);
        self.owed.retain(|write| {
            let goes = excess > 0 && matches!(write, Write::Samples { .. });
            excess -= usize::from(goes);
            !goes
        });
        self.owed.drain(..excess);
    }
}

/// Reads off the async threads. `None` where it failed, which is logged with what was to be read, or where the runtime is
/// going down: whoever asks begins anew, for a target without history is better than none.
pub(super) async fn read<T: Send + 'static>(
    store: &Arc<Store>,
    what: &str,
    question: impl FnOnce(&Reader<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Option<T> {
    let store = Arc::clone(store);
    let answer = tokio::task::spawn_blocking(move || store.read(question)).await.ok()?;
    answer.inspect_err(|problem| error!(error = errors::one_line(problem), "cannot read {what}")).ok()
}

/// All in one transaction. Where a row is at fault and not the disk, each for itself, so that the one does not hold up
/// the others for ever.
fn write(store: &Store, batch: &[Write], now: Timestamp) -> Result<(), StoreError> {
    let all = store.transaction(now, |writer| batch.iter().try_for_each(|write| apply(writer, write)));
    match all {
        Err(problem) if problem.trouble() == Trouble::Row => {}
        outcome => return outcome,
    }
    for row in batch {
        match store.transaction(now, |writer| apply(writer, row)) {
            Err(problem) if problem.trouble() == Trouble::Row => {
                error!(error = errors::one_line(&problem), "a row cannot be written and is given up");
            }
            outcome => outcome?,
        }
    }
    Ok(())
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
        Write::Silence(silence) => writer.put_silence(silence),
        Write::BrokenChannel(broken) => writer.put_broken_channel(broken),
        Write::MendChannel(name) => writer.mend_channel(name),
        Write::Samples { target, samples } => writer.append_samples(target, samples),
        Write::Prune(keep) => writer.prune(keep),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak::event::PairPart;
    use crate::store::StoreError;

    #[test]
    fn a_row_at_fault_does_not_hold_up_the_others() {
        let store = Store::open_in_memory().unwrap();
        let now = Timestamp::from_unix_ms(1_760_000_000_000);
        let target = TargetName::new("api").unwrap();
        let good = Write::Attempt(Attempt {
            target: target.clone(),
            at: now,
            part: PairPart::First,
            outcome: "stored".into(),
        });
        // SQLite takes no value beyond a billion bytes; what is refused stands for whatever a row may be refused for.
        let huge = Write::State { target: target.clone(), key: "huge", body: vec![0; 1_000_000_001] };
        write(&store, &[huge, good], now).unwrap();
        let kept = store.read(|reader| Ok::<_, StoreError>(reader.attempts(&target, now.minus(RETRY))?.len()));
        assert_eq!(kept.unwrap(), 1);
    }
}
