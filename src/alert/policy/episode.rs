//! What has been said of an open episode, and what is known of it.

use serde::{Deserialize, Serialize};

use super::{Growth, Options, Reason, Signal, severity_of};
use crate::alert::message::{Leak, Severity, StoredSnapshot};
use crate::clock::Timestamp;
use crate::leak::event::PairPart;
use crate::leak::verdict::{State, Verdict};

/// An open episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Episode {
    pub(super) id: String,
    /// The highest so far; it never falls within an episode, so that receivers are not called back and forth.
    pub(super) severity: Severity,
    /// The leak as far as it is known.
    pub(super) leak: Leak,
    /// The last alert that told the numbers.
    pub(super) last_said: Timestamp,
    /// The part whose refusal has been told already.
    skipped: Option<PairPart>,
}

impl Episode {
    pub(super) fn open(id: String, at: Timestamp, leak: Leak, options: &Options) -> Self {
        Self { id, severity: severity_of(&leak.growth, options), leak, last_said: at, skipped: None }
    }

    /// Takes in newer numbers; empty reasons leave the old ones.
    pub(super) fn update(&mut self, signal: Signal, growth: Growth, reasons: Vec<Reason>, options: &Options) {
        self.leak.signal = signal;
        self.leak.growth = growth;
        if !reasons.is_empty() {
            self.leak.reasons = reasons;
        }
        self.severity = self.severity.max(severity_of(&growth, options));
    }

    /// The pair of a life that has ended before its second snapshot is no pair.
    pub(super) fn on_new_life(&mut self) {
        self.skipped = None;
        if !self.leak.snapshots.iter().any(|snapshot| snapshot.part == PairPart::Second) {
            self.leak.snapshots.clear();
        }
    }

    /// A first snapshot begins a new pair.
    pub(super) fn on_stored(&mut self, snapshot: StoredSnapshot) {
        self.skipped = None;
        self.leak.missing_snapshots.clear();
        match snapshot.part {
            PairPart::First => self.leak.snapshots.clear(),
            part => self.leak.snapshots.retain(|known| known.part != part),
        }
        self.leak.snapshots.push(snapshot);
    }

    /// Returns whether this refusal is news.
    pub(super) fn on_skipped(&mut self, part: PairPart, refusals: &[String]) -> bool {
        self.leak.missing_snapshots = refusals.to_vec();
        self.skipped.replace(part) != Some(part)
    }

    /// The reminder that is due at `at`: the interval has passed, or it has become critical. Only while it leaks: a
    /// reminder while a fix is watched would be false.
    pub(super) fn remind(&mut self, at: Timestamp, verdict: &Verdict, options: &Options) -> Option<Leak> {
        if verdict.state != State::Leaking {
            return None;
        }
        let said = self.severity;
        if let (Some(growth), Some(signal)) = (verdict.growth, verdict.signal)
            && signal == self.leak.signal
        {
            self.update(signal, growth, verdict.reasons.clone(), options);
        }
        let is_due = options.repeat_interval.is_some_and(|interval| at.since(self.last_said) >= interval);
        if self.severity <= said && !is_due {
            return None;
        }
        self.last_said = at;
        Some(self.leak.clone())
    }
}

/// A leak of which nothing is stored yet.
pub(super) fn leak(signal: Signal, growth: Growth, reasons: Vec<Reason>, missing_snapshots: Vec<String>) -> Leak {
    Leak { signal, growth, reasons, snapshots: Vec::new(), missing_snapshots, culprits: Vec::new() }
}
