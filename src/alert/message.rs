//! The alert itself as data: what every channel renders.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::event::{PairPart, Resolution, RestartCause};
use crate::leak::verdict::{Growth, Reason};
use crate::sample::Signal;
use crate::target::{Labels, Life, TargetName};

/// Version of the JSON body; grows when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// One message about a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Stays the same over every retry and restart: receivers drop what they have seen.
    pub id: String,
    /// When the thing happened.
    pub at: Timestamp,
    /// Whom it is about.
    pub target: TargetName,
    /// The target's labels.
    pub labels: Labels,
    /// The episode it belongs to, if any.
    pub episode: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// What happened.
    pub news: News,
}

/// How much an alert matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record.
    Info,
    /// Look at it in working hours.
    Warning,
    /// Somebody must act.
    Critical,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum News {
    /// Growth that has not yet lasted long enough.
    LeakSuspected(Leak),
    /// An episode begins.
    LeakConfirmed(Leak),
    /// An episode goes on.
    LeakReminder(Leak),
    /// An episode goes on although the process was restarted with a fix.
    StillLeaking(Leak),
    /// An episode ends.
    LeakResolved {
        /// What grew.
        signal: Signal,
        /// Before and after.
        resolution: Resolution,
    },
    /// The pair was compared: the best evidence there is.
    AnalysisReady {
        /// The leak as far as it is known now.
        leak: Leak,
        /// What the comparison blames, most guilty first; empty when it blames nothing.
        culprits: Vec<Culprit>,
    },
    /// The comparison could not be made.
    AnalysisFailed {
        /// Why.
        why: String,
    },
    /// The process was restarted.
    TargetRestarted {
        /// The life that ended.
        ended: Life,
        /// The life that began.
        began: Life,
        /// Why, as far as the readings tell.
        cause: RestartCause,
        /// Likely kills of the last 7 days.
        kills_this_week: u32,
    },
    /// Polls fail for some time.
    TargetDown {
        /// Why the last one failed.
        why: String,
        /// Failed polls in a row.
        failed_polls: u32,
    },
    /// Polls succeed again.
    TargetUp {
        /// How long it was down, seconds.
        down_seconds: f64,
    },
    /// A snapshot is on disk, whole.
    SnapshotStored(StoredSnapshot),
    /// The safety gate said no.
    SnapshotSkipped {
        /// Which of the pair.
        part: PairPart,
        /// Every rule that said no, as a sentence with its numbers.
        refusals: Vec<String>,
        /// What a person can do.
        advice: Vec<String>,
    },
    /// A snapshot was asked for and did not arrive whole.
    SnapshotFailed {
        /// Which of the pair.
        part: PairPart,
        /// The named outcome.
        why: String,
        /// Whether further captures of this target are off until a person rearms it.
        disarmed: bool,
    },
    /// A watched number went over or back under its maximum.
    Gauge {
        /// Its name in the configuration.
        gauge: String,
        /// What was read.
        value: f64,
        /// Its maximum.
        maximum: f64,
        /// Over the maximum now.
        exceeded: bool,
    },
    /// The target cannot be judged as configured.
    Misconfigured {
        /// What is wrong and what would be right.
        why: String,
    },
    /// A person tests the channel.
    Test,
}

/// A leak in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leak {
    /// What grows.
    pub signal: Signal,
    /// By how much.
    pub growth: Growth,
    /// Every gate of the verdict.
    pub reasons: Vec<Reason>,
    /// Snapshots of this episode, stored ones.
    pub snapshots: Vec<StoredSnapshot>,
    /// Why there are fewer than two, where that is so.
    pub missing_snapshots: Vec<String>,
}

/// A snapshot on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredSnapshot {
    /// Its path on the machine that runs heapwatch.
    pub path: String,
    /// Which of the pair.
    pub part: PairPart,
    /// When it was asked for.
    pub at: Timestamp,
    /// Its size on disk.
    pub bytes: u64,
    /// Of the stored bytes, lower-case hex.
    pub sha256: String,
    /// From the request to the last byte, seconds.
    pub seconds: f64,
}

/// What the comparison of a pair blames, as far as an alert shows it. Every text in it comes from the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Culprit {
    /// One line for people: `+1000 closures, retained +164 KB (92 % of the heap's growth): ...`.
    pub headline: String,
    /// Class of the objects that pile up.
    pub class: String,
    /// The function, where the heap knows it.
    pub function: Option<String>,
    /// `script:line:column`, counted from 1, where the heap knows it.
    pub location: Option<String>,
    /// What holds them: `process._events.uncaughtException[]`.
    pub held_by: String,
    /// More objects than before.
    pub count_delta: i64,
    /// More bytes retained than before.
    pub retained_delta: i64,
    /// Part of the heap's growth, 0 to 1.
    pub share_of_growth: f64,
}
