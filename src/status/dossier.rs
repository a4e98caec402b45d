//! A dossier: what is kept on disk of one target, for the page and the API that show it. Plain data; the assembly reads
//! it from the state database and the snapshot directory.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::evidence::CaptureKind;
use crate::heap::profile::ProfileReport;
use crate::heap::report::Report;
use crate::heap::summary::Summary;
use crate::leak::event::{PairPart, RestartCause};
use crate::sample::Sample;
use crate::target::{Life, TargetName};

/// Whose dossier is wanted, and how far back its samples go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DossierQuery {
    /// Whose.
    pub target: TargetName,
    /// Samples from this time on.
    pub since: Timestamp,
}

/// What is kept of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dossier {
    /// Its samples, oldest first: as they were read for the last two days, before that the lows of ten minutes.
    pub samples: Vec<Sample>,
    /// Restarts of its process in that time, oldest first.
    pub restarts: Vec<RestartNote>,
    /// Its episodes, newest first.
    pub episodes: Vec<EpisodeRecord>,
    /// Captures that were asked for lately, newest first.
    pub captures: Vec<CaptureRecord>,
    /// Its stored captures, newest first.
    pub snapshots: Vec<SnapshotRecord>,
    /// The newest comparison of a pair.
    pub comparison: Option<Comparison>,
    /// The newest comparison of a pair of profiles.
    #[serde(default)]
    pub profiles: Option<ProfileComparison>,
    /// What the newest snapshot with a summary holds, where no pair is compared.
    pub summary: Option<SnapshotSummary>,
    /// What was said of it, newest first.
    pub events: Vec<EventLine>,
    /// Parts of the dossier that could not be read, one sentence each.
    pub troubles: Vec<String>,
}

/// A restart of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartNote {
    /// When it was noticed.
    pub at: Timestamp,
    /// Why, as far as the readings told.
    pub cause: RestartCause,
}

/// A leak from its confirmation to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeRecord {
    /// Its id, as in alerts.
    pub id: String,
    /// When it was confirmed.
    pub opened: Timestamp,
    /// When it was resolved; `None` while it is open.
    pub closed: Option<Timestamp>,
    /// What was said when it was confirmed.
    pub began: Option<String>,
    /// The first culprit, as one line.
    pub culprit: Option<String>,
    /// What was said when it was resolved.
    pub ended: Option<String>,
}

/// A capture that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureRecord {
    /// When the request began.
    pub at: Timestamp,
    /// Which of the pair.
    pub part: PairPart,
    /// `started`, `stored`, or the reason of the failure.
    pub outcome: String,
}

/// A stored capture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    /// As `heapwatch snapshots` lists it.
    pub name: String,
    /// What was captured.
    #[serde(default)]
    pub kind: CaptureKind,
    /// Where it is on the machine that runs heapwatch.
    pub path: String,
    /// When it was asked for.
    pub at: Timestamp,
    /// Which of the pair.
    pub part: PairPart,
    /// The run of the process it was taken of.
    pub life: Option<Life>,
    /// The episode it is evidence of.
    pub episode: Option<String>,
    /// Size of the file.
    pub bytes: u64,
    /// Nodes in it, of a profile the calls.
    pub nodes: u64,
    /// How long the process was busy building it.
    pub pause: Duration,
    /// Until its last byte was there.
    pub took: Duration,
    /// heapUsed of the last sample before.
    pub heap_used: Option<u64>,
    /// A person wants it kept.
    pub pinned: bool,
}

/// A comparison and the snapshots that it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The first of the pair, where it is still stored.
    pub before: Option<String>,
    /// The second of the pair.
    pub after: String,
    /// What it found.
    pub report: Report,
}

/// A comparison and the profiles that it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileComparison {
    /// The first of the pair, where it is still stored.
    pub before: Option<String>,
    /// The second of the pair.
    pub after: String,
    /// A flame graph of it is stored.
    pub is_drawn: bool,
    /// What it found.
    pub report: ProfileReport,
}

/// A summary and the snapshot that it is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotSummary {
    /// Of which snapshot.
    pub of: String,
    /// What it holds.
    pub summary: Summary,
}

/// One thing that was said of a target, as a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    /// When it happened.
    pub at: Timestamp,
    /// Its kind: `leak_confirmed`.
    pub kind: String,
    /// How much it matters: `info`, `warning`, `critical`.
    pub severity: String,
    /// What happened, in one line.
    pub says: String,
}
