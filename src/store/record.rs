//! What the state database keeps, as plain rows. Bodies are the daemon's and the channels' own JSON, opaque here.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::event::{PairPart, RestartCause};
use crate::retention::Deletion;
use crate::status::trail::Topic;
use crate::target::TargetName;
use crate::units::ByteSize;

/// A leak from its confirmation to its resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// Unique over all targets and times.
    pub id: String,
    /// Whose it is.
    pub target: TargetName,
    /// When it was confirmed.
    pub opened: Timestamp,
    /// When it was resolved; `None` while it is open.
    pub closed: Option<Timestamp>,
    /// What the dispatcher remembers of it.
    pub json: String,
}

/// One capture that was asked for, whatever came of it: budgets and cooldowns count these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whose snapshot.
    pub target: TargetName,
    /// When the request began.
    pub at: Timestamp,
    /// Which of the pair.
    pub part: PairPart,
    /// `started`, `stored`, or the reason of the failure.
    pub outcome: String,
}

/// Captures of a target are off until a person rearms it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disarmed {
    /// Since when.
    pub at: Timestamp,
    /// What happened, for the person.
    pub why: String,
}

/// One restart of a target's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// Whose process.
    pub target: TargetName,
    /// When it was noticed.
    pub at: Timestamp,
    /// Why, as far as the readings told.
    pub cause: RestartCause,
}

/// One alert on its way to one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The alert's id, the same over every retry; unique together with the channel.
    pub id: String,
    /// Name of the channel in the configuration.
    pub channel: String,
    /// The episode whose order it keeps.
    pub episode: Option<String>,
    /// Its place in the order of all letters; given by the database, 0 before.
    pub sequence: i64,
    /// What the channel sends, rendered or not, as the channel chose.
    pub body: String,
    /// When it was written.
    pub created: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before then.
    pub next_attempt: Timestamp,
    /// Where it is on its way.
    pub state: LetterState,
    /// Why the last attempt failed, or why it was given up.
    pub trouble: Option<String>,
}

/// Where a letter is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LetterState {
    /// Still to be delivered.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Given up: too old or refused for good.
    Dead,
}

/// One line of the audit trail, to be written; [`crate::status::trail::TrailEvent`] is one that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// When it happened.
    pub at: Timestamp,
    /// Whom it is about.
    pub target: Option<TargetName>,
    /// What it is about.
    pub topic: Topic,
    /// What happened: `leak_confirmed`, `silence_added`.
    pub kind: String,
    /// The same for people, in one line.
    pub says: String,
    /// The whole of it.
    pub json: String,
}

/// A channel that takes nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenChannel {
    /// Its name in the configuration.
    pub name: String,
    /// Checksum of its configuration when it broke: a changed one is tried anew.
    pub fingerprint: String,
    /// Since when.
    pub since: Timestamp,
    /// What it answered.
    pub why: String,
    /// Whether it is tried again now and then.
    pub is_probed: bool,
}

impl AuditEvent {
    /// An event about no target, with nothing but what it says.
    pub fn new(at: Timestamp, topic: Topic, kind: &str, says: impl Into<String>) -> Self {
        Self { at, target: None, topic, kind: kind.to_owned(), says: says.into(), json: "{}".to_owned() }
    }

    /// A snapshot that retention has given up, at whose bidding.
    pub fn deleted(deletion: &Deletion, by: &str, at: Timestamp) -> Self {
        let Deletion { name, bytes, why } = deletion;
        let says = format!("snapshot {name} ({}) was deleted by {by}: {why}", ByteSize::new(*bytes));
        let detail = serde_json::json!({ "id": name, "bytes": bytes, "why": why.name() });
        Self::new(at, Topic::Capture, "snapshot_deleted", says).about_snapshot(name).with(&detail)
    }

    /// The same about the target of a snapshot, whose name begins its own.
    #[must_use]
    pub fn about_snapshot(self, name: &str) -> Self {
        let target = name.split('/').next().and_then(|target| TargetName::new(target).ok());
        Self { target, ..self }
    }

    /// The same about a target.
    #[must_use]
    pub fn about(self, target: &TargetName) -> Self {
        Self { target: Some(target.clone()), ..self }
    }

    /// The same with the whole of it, plain data with text keys, which JSON can always hold.
    #[must_use]
    pub fn with(self, detail: &impl Serialize) -> Self {
        let json = serde_json::to_string(detail).unwrap_or_else(|_| "{}".to_owned());
        Self { json, ..self }
    }
}

impl LetterState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Dead];

    /// The name in the database, JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// The name of a part in the database and in file names.
pub(super) const fn part_name(part: PairPart) -> &'static str {
    match part {
        PairPart::Baseline => "baseline",
        PairPart::First => "first",
        PairPart::Second => "second",
    }
}

pub(super) fn part_from_name(name: &str) -> Option<PairPart> {
    [PairPart::Baseline, PairPart::First, PairPart::Second].into_iter().find(|part| part_name(*part) == name)
}

/// The name of a cause in the database.
pub(super) const fn cause_name(cause: RestartCause) -> &'static str {
    match cause {
        RestartCause::AtMemoryLimit => "at_memory_limit",
        RestartCause::Unknown => "unknown",
    }
}

pub(super) fn cause_from_name(name: &str) -> Option<RestartCause> {
    [RestartCause::AtMemoryLimit, RestartCause::Unknown].into_iter().find(|cause| cause_name(*cause) == name)
}
