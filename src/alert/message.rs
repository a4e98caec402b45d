//! The alert itself as data: what every channel renders.

mod meaning;

pub use meaning::KINDS;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::evidence::{CaptureKind, Evidence};
use crate::leak::event::{PairPart, Resolution, RestartCause};
use crate::leak::verdict::{Growth, Reason};
use crate::sample::Signal;
use crate::silence::Mark;
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
    /// The silence that it met: it was held back until that was over, or, being the end of something told, was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced: Option<Mark>,
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

/// Where an alert stands in the incident that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The incident is open.
    Firing,
    /// The incident is over.
    Resolved,
    /// Something that happened and has no end: a restart, a suspicion.
    Note,
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
    /// A pair was compared, and there is no better evidence. No culprits: the comparison blames nothing.
    AnalysisReady(Leak),
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
    /// A snapshot was asked for and did not arrive whole; or the target died of a capture of either kind.
    SnapshotFailed {
        /// What was asked for.
        #[serde(default)]
        capture: CaptureKind,
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
    /// A watched number grows steadily, by the same gates as memory.
    GaugeGrows {
        /// Its name in the configuration.
        gauge: String,
        /// How it grows.
        growth: GaugeGrowth,
    },
    /// A watched number that grew has levelled off or started anew.
    GaugeSteady {
        /// Its name in the configuration.
        gauge: String,
        /// Its floor now.
        value: f64,
    },
    /// The target cannot be judged as configured.
    Misconfigured {
        /// What is wrong and what would be right.
        why: String,
    },
    /// The target was taken out of the configuration while an incident was open; nobody can tell how that ends.
    NoLongerWatched {
        /// The incident that is closed by this.
        incident: String,
    },
    /// heapwatch itself is in trouble: a channel that refuses everything, a full disk, a damaged database.
    Trouble {
        /// What is affected, in a few words that stay the same while it lasts: `channel ops-hook`.
        subject: String,
        /// What is wrong, and what a person can do.
        why: String,
        /// Firing while it lasts, resolved when it is over, a note if it has no end.
        status: Status,
    },
    /// A person tests the channel.
    Test {
        /// Trigger or resolve.
        status: Status,
    },
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
    /// The safety gate refused the one that is missing.
    #[serde(default)]
    pub snapshot_refused: bool,
    /// Profiles of this episode, stored ones.
    #[serde(default)]
    pub profiles: Vec<StoredSnapshot>,
    /// Why there are fewer than two, where that is so.
    #[serde(default)]
    pub missing_profiles: Vec<String>,
    /// The best pair that was compared.
    #[serde(default)]
    pub compared: Option<Evidence>,
    /// What its comparison blames, most guilty first.
    pub culprits: Vec<Culprit>,
    /// What the profiles say of the culprit that the snapshots blame, where both tell of the same place.
    #[serde(default)]
    pub agreement: Option<String>,
}

/// The growth of a watched number, in its own unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaugeGrowth {
    /// An hour.
    pub slope_per_hour: f64,
    /// Its floor at the start of the growth.
    pub from: f64,
    /// Its floor now.
    pub to: f64,
    /// Start of the growth.
    pub since: Timestamp,
}

/// A capture on disk.
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
    /// Class of the objects that pile up; empty where profiles blame it, which know no classes.
    pub class: String,
    /// The function, where the heap knows it.
    pub function: Option<String>,
    /// `script:line:column`, counted from 1, where the heap knows it.
    pub location: Option<String>,
    /// What holds them: `process._events.uncaughtException[]`; empty where profiles blame it.
    pub held_by: String,
    /// More objects than before; where profiles blame it, the samples that this rests on.
    pub count_delta: i64,
    /// More bytes retained than before; where profiles blame it, that were made and stayed.
    pub retained_delta: i64,
    /// Part of the heap's growth, 0 to 1.
    pub share_of_growth: f64,
    /// Which comparison blames it.
    #[serde(default = "snapshots")]
    pub evidence: Evidence,
    /// Who called the function, the nearest first, where profiles blame it: `log at /srv/app/log.js:10:21`.
    #[serde(default)]
    pub callers: Vec<String>,
}

/// What all culprits rested on before there were profiles.
const fn snapshots() -> Evidence {
    Evidence::SnapshotPair
}

impl Leak {
    /// The best evidence there is.
    pub fn evidence(&self) -> Evidence {
        let single = if self.snapshots.is_empty() { Evidence::None } else { Evidence::Snapshot };
        self.compared.map_or(single, |compared| compared.max(single))
    }
}
