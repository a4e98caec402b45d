//! The audit trail as data: what happened, in order, and what may be asked of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::target::TargetName;

/// Most events that one page holds.
pub const LARGEST_PAGE: u32 = 1_000;
/// Events of a page where nobody says how many.
pub const USUAL_PAGE: u32 = 100;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Something worth saying: what the channels are told, and what only the log is told.
    Alert,
    /// What became of an alert on one channel.
    Delivery,
    /// A snapshot was asked for, stored, or did not arrive; captures are off or on again.
    Capture,
    /// The verdict on a target changed.
    Verdict,
    /// Somebody silenced a target, or that is over.
    Silence,
    /// A channel broke or was mended.
    Channel,
    /// heapwatch started, stopped, or read its configuration anew.
    Daemon,
}

/// One event of the trail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrailEvent {
    /// Its place in the order of all events; the cursor of pages.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// The same for people and for `jq`: RFC 3339 in UTC.
    pub time: String,
    /// Whom it is about.
    pub target: Option<TargetName>,
    /// What it is about.
    pub topic: Topic,
    /// What happened: `leak_confirmed`, `snapshot_stored`, `delivered`, `silence_added`.
    pub kind: String,
    /// The same for people, in one line.
    pub says: String,
    /// The whole of it; of an alert, the alert itself.
    pub detail: Value,
}

/// Which events are asked for. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrailQuery {
    /// About this target alone.
    pub target: Option<TargetName>,
    /// Of this kind or topic alone.
    pub kind: Option<String>,
    /// Not older than this.
    pub since: Option<Duration>,
    /// After the event of this id, the oldest first: to follow the trail, page by page.
    pub after: Option<i64>,
    /// Before the event of this id, the newest ones: to go back.
    pub before: Option<i64>,
    /// Most events; at most [`LARGEST_PAGE`].
    pub limit: Option<u32>,
}

/// Some events, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrailPage {
    /// The events.
    pub events: Vec<TrailEvent>,
    /// There are more on the side that was asked for: newer ones with `after`, else older ones.
    pub more: bool,
}

/// What happens besides verdicts, which are named by their state, and the news that channels are told.
pub const OWN_KINDS: [&str; 28] = [
    "delivered",
    "delivery_failed",
    "withdrawn",
    "given_up",
    "snapshot_asked",
    "snapshot_started",
    "snapshot_deleted",
    "snapshot_pinned",
    "snapshot_unpinned",
    "profile_started",
    "profile_stored",
    "profile_failed",
    "profile_absent",
    "profiles_compared",
    "profiles_not_compared",
    "disarmed",
    "rearmed",
    "silence_added",
    "silence_ended",
    "channel_broke",
    "channel_mended",
    "mend_asked",
    "started",
    "stopped",
    "reload_asked",
    "reloaded",
    "reload_refused",
    "test",
];

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 7] =
        [Self::Alert, Self::Delivery, Self::Capture, Self::Verdict, Self::Silence, Self::Channel, Self::Daemon];

    /// The word in the database, in JSON and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Delivery => "delivery",
            Self::Capture => "capture",
            Self::Verdict => "verdict",
            Self::Silence => "silence",
            Self::Channel => "channel",
            Self::Daemon => "daemon",
        }
    }

    /// The topic of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

impl TrailQuery {
    /// How many events a page holds.
    pub fn page(&self) -> u32 {
        self.limit.unwrap_or(USUAL_PAGE).clamp(1, LARGEST_PAGE)
    }
}
