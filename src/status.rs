//! What the pages, the API and the live view show of a target: plain data, written by its watcher and the dispatcher.

pub mod board;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::event::PairPart;
use crate::leak::verdict::Verdict;
use crate::sample::Sample;
use crate::target::{Labels, Life, TargetName};

/// One target as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// Its name.
    pub name: TargetName,
    /// Its labels.
    pub labels: Labels,
    /// Its health endpoint, without anything that may be a secret.
    pub url: String,
    /// What the polls saw, written by the watcher.
    pub watch: WatchStatus,
    /// What was decided about it, written by the dispatcher.
    pub care: CareStatus,
}

/// What the polls of one target saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WatchStatus {
    /// What the detector says; `None` until the first poll.
    pub verdict: Option<Verdict>,
    /// The life that is being watched.
    pub life: Option<Life>,
    /// The newest reading.
    pub sample: Option<Sample>,
    /// Successful polls in a row.
    pub healthy_polls: u32,
    /// Failed polls in a row, those during our own captures left out.
    pub failed_polls: u32,
    /// Why the last poll failed, if it did.
    pub last_failure: Option<String>,
    /// Since when polls fail, if they do.
    pub failing_since: Option<Timestamp>,
    /// Polls made since heapwatch started.
    pub polls: u64,
    /// Ticks skipped because the poll before was still running.
    pub late_ticks: u64,
}

impl WatchStatus {
    /// Whether a capture right now would be of a process that has shown it is well.
    pub fn is_answering(&self) -> bool {
        self.failed_polls == 0 && self.sample.is_some()
    }
}

/// What was decided about one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CareStatus {
    /// The open episode.
    pub episode: Option<EpisodeStatus>,
    /// The capture that is running now.
    pub capturing: Option<PairPart>,
    /// The capture that is due and waits for the gate, with what the gate says.
    pub waiting: Option<WaitingCapture>,
    /// Why captures are off until a person rearms them.
    pub disarmed: Option<String>,
    /// Capture attempts of the last 24 hours.
    pub captures_last_day: u32,
    /// Most capture attempts in 24 hours; 0 where captures are off.
    pub daily_budget: u32,
    /// Likely kills at the memory limit in the last 7 days.
    pub kills_this_week: u32,
}

/// An open episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeStatus {
    /// Its id, as in alerts.
    pub id: String,
    /// When it was confirmed.
    pub confirmed: Timestamp,
    /// File names of its snapshots, oldest first.
    pub snapshots: Vec<String>,
    /// The first culprit, as one line, once the pair is compared.
    pub culprit: Option<String>,
}

/// A capture that is due and may not be taken yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitingCapture {
    /// Which of the pair.
    pub part: PairPart,
    /// Since when it is due.
    pub since: Timestamp,
    /// What the safety gate says, one sentence a rule.
    pub refusals: Vec<String>,
}
