//! What the pages, the API and the live view show of a target: plain data, written by its watcher and the dispatcher.

pub mod board;
pub mod countdown;
pub mod dossier;
pub mod figures;
pub mod house;
pub mod series;
mod standing;
pub mod trail;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::Outline;
use crate::leak::event::PairPart;
use crate::leak::verdict::Verdict;
use crate::sample::{Sample, Signal};
use crate::silence::Mark;
use crate::target::{Labels, Life, TargetName};
use crate::text::span_of_seconds;

pub use standing::Standing;

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
    /// So many have failed in a row that the target was called down.
    #[serde(default)]
    pub is_down: bool,
    /// Floors of the verdict's signal over the last hours.
    #[serde(default)]
    pub outline: Option<Outline>,
    /// The newest of these floors, for figures.
    #[serde(skip)]
    pub floor: Option<(Signal, u64)>,
    /// How far the watch over a fix has come, while there is one.
    #[serde(default)]
    pub verification: Option<Verification>,
    /// Polls made since heapwatch started.
    pub polls: u64,
    /// Ticks skipped because the poll before was still running.
    pub late_ticks: u64,
}

/// A fix that is being watched: time counts where floors cover it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Seconds watched so far.
    pub watched_seconds: f64,
    /// Seconds after which the episode is resolved.
    pub of_seconds: f64,
}

impl Verification {
    /// Seconds that are left.
    pub fn left_seconds(&self) -> f64 {
        (self.of_seconds - self.watched_seconds).max(0.0)
    }

    /// `12 h of 2 days`.
    pub fn share_text(&self) -> String {
        let text = |seconds| span_of_seconds(seconds).unwrap_or_default();
        format!("{} of {}", text(self.watched_seconds), text(self.of_seconds))
    }
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
    /// The open episode. Boxed like others: most targets of thousands have none.
    pub episode: Option<Box<EpisodeStatus>>,
    /// The capture that is running now.
    pub capturing: Option<PairPart>,
    /// The capture that is due and waits for the gate, with what the gate says.
    pub waiting: Option<Box<WaitingCapture>>,
    /// Where the profiles of an episode stand, or why there are none; `None` where nothing is to be said.
    #[serde(default)]
    pub profiles: Option<String>,
    /// Why captures are off until a person rearms them.
    pub disarmed: Option<String>,
    /// Capture attempts of the last 24 hours.
    pub captures_last_day: u32,
    /// Most capture attempts in 24 hours; 0 where captures are off.
    pub daily_budget: u32,
    /// Likely kills at the memory limit in the last 7 days.
    pub kills_this_week: u32,
    /// When the oldest attempt that counts against the budget stops counting.
    #[serde(default)]
    pub budget_frees_at: Option<Timestamp>,
    /// Until when no further pair is begun, where one was taken; may be past.
    #[serde(default)]
    pub cooldown_until: Option<Timestamp>,
    /// Extra bytes that a capture of this target was seen to cost for each byte of its heap.
    #[serde(default)]
    pub cost_factor: Option<f64>,
    /// An analysis of its snapshots runs.
    #[serde(default)]
    pub analysing: bool,
    /// The silence that holds back what is told of it; of several, the one that lasts longest.
    #[serde(default)]
    pub silenced: Option<Box<Mark>>,
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
    /// File names of its profiles, oldest first.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// The first culprit, as one line, once a pair is compared.
    pub culprit: Option<String>,
    /// The best evidence that there is, with why there is no better: `heap profiles (snapshot refused: ...)`.
    #[serde(default)]
    pub evidence: Option<String>,
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
