//! What has been said of an open episode, and what is known of it.

use serde::{Deserialize, Serialize};

use super::agreement::agreement;
use super::{Growth, Options, Reason, Signal, severity_of};
use crate::alert::message::{Culprit, Leak, Severity, StoredSnapshot};
use crate::clock::Timestamp;
use crate::evidence::Evidence;
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
    /// What the profiles blame, whatever the snapshots say.
    #[serde(default)]
    profile_culprits: Vec<Culprit>,
    /// The part whose refusal has been told already.
    skipped: Option<PairPart>,
}

impl Episode {
    pub(super) fn open(id: String, at: Timestamp, leak: Leak, options: &Options) -> Self {
        let severity = severity_of(&leak.growth, options);
        Self { id, severity, leak, last_said: at, profile_culprits: Vec::new(), skipped: None }
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
        if !self.leak.profiles.iter().any(|profile| profile.part == PairPart::Second) {
            self.leak.profiles.clear();
        }
    }

    /// A first snapshot begins a new pair.
    pub(super) fn on_stored(&mut self, snapshot: StoredSnapshot) {
        self.skipped = None;
        self.leak.missing_snapshots.clear();
        self.leak.snapshot_refused = false;
        match snapshot.part {
            PairPart::First => self.leak.snapshots.clear(),
            part => self.leak.snapshots.retain(|known| known.part != part),
        }
        self.leak.snapshots.push(snapshot);
    }

    /// A first profile begins a new pair.
    pub(super) fn on_profile_stored(&mut self, profile: StoredSnapshot) {
        self.leak.missing_profiles.clear();
        if profile.part == PairPart::First {
            self.leak.profiles.clear();
        }
        self.leak.profiles.push(profile);
    }

    /// Takes in what two snapshots blame, the best there is; where that is nothing, profiles may still know. Whether there
    /// is anything new to tell.
    pub(super) fn on_snapshots_compared(&mut self, culprits: Vec<Culprit>) -> bool {
        if culprits.is_empty() && !self.profile_culprits.is_empty() {
            return false;
        }
        self.leak.compared = Some(Evidence::SnapshotPair);
        self.leak.culprits = culprits;
        self.leak.agreement = agreement(&self.leak.culprits, &self.profile_culprits);
        true
    }

    /// Takes in what two profiles blame. Whether there is anything new to tell: not where snapshots blame something, and
    /// not that profiles blame nothing while snapshots are on their way.
    pub(super) fn on_profiles_compared(&mut self, culprits: Vec<Culprit>) -> bool {
        self.profile_culprits = culprits;
        if !self.leak.culprits.is_empty() && self.leak.compared == Some(Evidence::SnapshotPair) {
            self.leak.agreement = agreement(&self.leak.culprits, &self.profile_culprits);
            return false;
        }
        if self.profile_culprits.is_empty() && (self.leak.compared.is_some() || !self.leak.snapshots.is_empty()) {
            return false;
        }
        self.leak.compared = Some(Evidence::ProfilePair);
        self.leak.culprits.clone_from(&self.profile_culprits);
        true
    }

    /// Returns whether this refusal is news.
    pub(super) fn on_skipped(&mut self, part: PairPart, refusals: &[String]) -> bool {
        self.leak.missing_snapshots = refusals.to_vec();
        self.leak.snapshot_refused = true;
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
    Leak {
        signal,
        growth,
        reasons,
        snapshots: Vec::new(),
        snapshot_refused: !missing_snapshots.is_empty(),
        missing_snapshots,
        profiles: Vec::new(),
        missing_profiles: Vec::new(),
        compared: None,
        culprits: Vec::new(),
        agreement: None,
    }
}
