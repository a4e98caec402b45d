//! Which happening becomes which alert: once per episode, with reminders, a severity, and an id that is the same
//! when the same thing is seen again after a crash. Pure; the state is the caller's to keep.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::message::{Alert, Culprit, Severity, StoredSnapshot};
use crate::clock::Timestamp;
use crate::leak::event::{LeakEvent, PairPart};
use crate::leak::verdict::Verdict;
use crate::target::{Labels, TargetName};

/// When to speak, and how loud.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Time between two reminders of an open episode; none: no reminders.
    pub repeat_interval: Option<Duration>,
    /// A leak that reaches the memory limit within this time is critical, any other a warning.
    pub critical_within: Duration,
}

/// Something that happened to a target.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// The detector saw a change.
    Detector {
        /// The change.
        event: LeakEvent,
        /// Why no snapshot will be taken now, where the gate has already said so.
        refusals: Vec<String>,
    },
    /// Polls fail for some time.
    Down {
        /// When it was decided.
        at: Timestamp,
        /// Why the last poll failed.
        why: String,
        /// Failed polls in a row.
        failed_polls: u32,
    },
    /// Polls succeed again.
    Up {
        /// When.
        at: Timestamp,
        /// How long it was down.
        down: Duration,
    },
    /// A snapshot is stored.
    Stored(StoredSnapshot),
    /// The gate refused a capture.
    Skipped {
        /// When.
        at: Timestamp,
        /// Which of the pair.
        part: PairPart,
        /// Every rule that said no.
        refusals: Vec<String>,
        /// What a person can do.
        advice: Vec<String>,
    },
    /// A capture failed.
    Failed {
        /// When.
        at: Timestamp,
        /// Which of the pair.
        part: PairPart,
        /// The named outcome.
        why: String,
        /// Further captures are off until a person rearms the target.
        disarmed: bool,
    },
    /// The pair was compared.
    Analysed {
        /// When.
        at: Timestamp,
        /// What is blamed, most guilty first.
        culprits: Vec<Culprit>,
    },
    /// The comparison could not be made.
    NotAnalysed {
        /// When.
        at: Timestamp,
        /// Why.
        why: String,
    },
    /// Time has passed; give this after each poll or so, so that reminders come with the numbers of the day.
    Tick {
        /// Now.
        at: Timestamp,
        /// What the detector says now.
        verdict: Verdict,
    },
}

/// What has been said of one target. Keep it with the target's other state, in the same transaction as the alerts
/// it returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetAlerts {
    target: TargetName,
    labels: Labels,
    episode: Option<Episode>,
}

/// What has been said of an open episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    id: String,
    severity: Severity,
}

impl TargetAlerts {
    /// Nothing has been said of this target yet.
    pub fn new(target: TargetName, labels: Labels) -> Self {
        Self { target, labels, episode: None }
    }

    /// Labels from a changed configuration; they show from the next alert on.
    pub fn relabel(&mut self, labels: Labels) {
        self.labels = labels;
    }

    /// The id of the open episode, for snapshots and the status page.
    pub fn episode(&self) -> Option<&str> {
        self.episode.as_ref().map(|episode| episode.id.as_str())
    }

    /// Takes in a fact; returns the alerts it gives rise to, in order.
    #[must_use = "alerts are to be put into the outboxes"]
    pub fn observe(&mut self, _fact: Fact, _options: &Options) -> Vec<Alert> {
        Vec::new()
    }
}
