//! What heapwatch says of itself: its channels, and what troubles it. Plain data for pages and API.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::silence::Silence;
use crate::target::TargetName;

/// heapwatch as it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HouseStatus {
    /// Where alerts go, by name.
    pub channels: Vec<ChannelStatus>,
    /// The state database cannot be written, and heapwatch goes on from memory.
    pub store_is_failing: bool,
    /// What a person should know about how the database came up.
    pub store_notes: Vec<String>,
    /// The silences in force, the first to end first.
    #[serde(default)]
    pub silences: Vec<Silence>,
    /// Where targets are listed that come and go.
    #[serde(default)]
    pub sources: Vec<SourceStatus>,
    /// The last reload was refused: the configuration on disk is not the one in force.
    pub refused_reload: Option<RefusedReload>,
}

/// One channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// Its name in the configuration.
    pub name: String,
    /// What it speaks: `webhook`, `slack`.
    pub kind: String,
    /// Why it takes nothing any more, where it is broken. The text may be the receiver's.
    pub broken: Option<String>,
    /// Since when it is broken.
    #[serde(default)]
    pub broken_since: Option<Timestamp>,
    /// Alerts it is owed, those left out that a silence holds back.
    pub owed: usize,
    /// Alerts that a silence holds back.
    #[serde(default)]
    pub held: usize,
    /// When the oldest of them was put into its outbox.
    pub oldest: Option<Timestamp>,
    /// Why the last attempt failed, where one that is owed has failed. The text may be the receiver's.
    pub last_error: Option<String>,
}

/// A list of targets that come and go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `file_sd`, `http_sd` or `dns_sd`.
    pub kind: String,
    /// Files, address or names, without anything that may be a secret.
    pub place: String,
    /// Targets that are watched because it lists them.
    pub targets: usize,
    /// Instances that make no target.
    pub refused: usize,
    /// Why, for the first of them. The text may be the source's.
    pub refusals: Vec<String>,
    /// Targets that it lists no more and whose incidents are still open.
    pub leaving: Vec<LeavingTarget>,
    /// When all of it was last good.
    pub last_success: Option<Timestamp>,
    /// Looks in a row that have failed; the last good list is in force meanwhile.
    pub failures: u32,
    /// Why the last one failed. The text may be the source's.
    pub last_error: Option<String>,
}

/// A target that is no longer listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingTarget {
    /// Which one.
    pub name: TargetName,
    /// When its incident is closed, unless it comes back.
    pub until: Timestamp,
}

/// A configuration that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedReload {
    /// When.
    pub at: Timestamp,
    /// Everything that is wrong with it.
    pub why: String,
}
