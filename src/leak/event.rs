//! What the detector reports when something changes.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::verdict::{Growth, Reason};
use crate::sample::Signal;
use crate::target::Life;

/// One change, with the time of the sample that caused it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeakEvent {
    /// Time of the sample.
    pub at: Timestamp,
    /// What changed.
    pub change: Change,
}

/// The kinds of change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Change {
    /// Growth that has not yet lasted long enough.
    LeakSuspected {
        /// What grows.
        signal: Signal,
        /// By how much.
        growth: Growth,
        /// The gates.
        reasons: Vec<Reason>,
    },
    /// Sustained growth without a plateau: the start of an episode.
    LeakConfirmed {
        /// What grows.
        signal: Signal,
        /// By how much.
        growth: Growth,
        /// The gates.
        reasons: Vec<Reason>,
    },
    /// The end of an episode.
    LeakResolved {
        /// What grew.
        signal: Signal,
        /// How it ended.
        resolution: Resolution,
    },
    /// After a restart within an episode, growth is back: the fix did not hold.
    StillLeaking {
        /// What grows.
        signal: Signal,
        /// By how much.
        growth: Growth,
    },
    /// The process was restarted.
    Restarted {
        /// The life that ended.
        ended: Life,
        /// The life that began.
        began: Life,
        /// Why, as far as the readings tell.
        cause: RestartCause,
        /// How many likely kills the last 7 days saw, this one included.
        kills_this_week: u32,
    },
    /// A JavaScript-heap leak is confirmed and a snapshot of this life would help now.
    SnapshotDue {
        /// The first or the second of a pair.
        part: PairPart,
    },
    /// A watched number is over its maximum.
    GaugeExceeded {
        /// Its name in the configuration.
        gauge: String,
        /// What was read.
        value: f64,
        /// The maximum.
        maximum: f64,
    },
    /// A watched number is back under its maximum.
    GaugeRecovered {
        /// Its name in the configuration.
        gauge: String,
        /// What was read.
        value: f64,
        /// The maximum.
        maximum: f64,
    },
    /// A watched number grows steadily, by the same gates as memory.
    GaugeGrows {
        /// Its name in the configuration.
        gauge: String,
        /// Growth in its own unit an hour.
        slope_per_hour: f64,
        /// Its floor at the start of the growth.
        from: f64,
        /// Its floor now.
        to: f64,
        /// Start of the growth.
        since: Timestamp,
    },
    /// A watched number that grew has levelled off or started anew.
    GaugeSteady {
        /// Its name in the configuration.
        gauge: String,
        /// Its floor now.
        value: f64,
    },
    /// Several processes answer behind this URL, so no verdict is given; list the instances as targets.
    SeveralProcesses {
        /// What gave it away.
        evidence: String,
    },
}

impl LeakEvent {
    /// The event without the gates, which take most of its space.
    #[must_use]
    pub fn without_reasons(&self) -> Self {
        let mut event = self.clone();
        if let Change::LeakSuspected { reasons, .. } | Change::LeakConfirmed { reasons, .. } = &mut event.change {
            *reasons = Vec::new();
        }
        event
    }
}

/// How an episode ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// When the episode was confirmed.
    pub confirmed: Timestamp,
    /// Floor when the leak began, bytes.
    pub before_from_bytes: u64,
    /// Highest floor of the episode, bytes.
    pub before_to_bytes: u64,
    /// How long that growth took, seconds.
    pub before_seconds: f64,
    /// Lowest floor while the fix was watched, bytes.
    pub after_from_bytes: u64,
    /// Highest floor while the fix was watched, bytes.
    pub after_to_bytes: u64,
    /// How long the fix was watched, seconds.
    pub after_seconds: f64,
    /// One sentence: "80 to 480 MB in 8 h before; 80 to 120 MB over 48 h after, floors level: fix held".
    pub says: String,
}

/// Why a process was restarted, as far as its readings tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartCause {
    /// Its memory was at the limit: likely killed.
    AtMemoryLimit,
    /// Nothing in the readings explains it: a deploy, a crash, a person.
    Unknown,
}

/// Which of the two snapshots of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairPart {
    /// Taken early, after warm-up, of a process that has not leaked yet.
    Baseline,
    /// Taken on confirmation.
    First,
    /// Taken one pair gap later, in the same life.
    Second,
}
