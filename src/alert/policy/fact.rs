//! What the policy hears of.

use std::time::Duration;

use crate::alert::message::{Culprit, StoredSnapshot};
use crate::clock::Timestamp;
use crate::evidence::CaptureKind;
use crate::leak::event::{LeakEvent, PairPart};
use crate::leak::verdict::Verdict;

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
    Stored {
        /// When its last byte was on disk.
        at: Timestamp,
        /// The snapshot.
        snapshot: StoredSnapshot,
    },
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
        /// What was asked for.
        kind: CaptureKind,
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
    /// A profile is stored.
    ProfileStored {
        /// The profile.
        profile: StoredSnapshot,
    },
    /// A profile could not be taken, or two not compared.
    ProfileMissing {
        /// Why.
        why: String,
    },
    /// Two profiles were compared.
    ProfilesCompared {
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
    /// The target is no longer in the configuration; nothing comes after this.
    Removed {
        /// When.
        at: Timestamp,
    },
}
