//! The JSON file beside each capture: everything a person or a program needs to know without opening it.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::evidence::CaptureKind;
use crate::leak::event::PairPart;
use crate::leak::verdict::Verdict;
use crate::target::{Labels, Life, TargetName};

/// Version of the sidecar; grows when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// The facts of one stored capture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// Whose heap it is.
    pub target: TargetName,
    /// What was captured; sidecars of before there were profiles do not say.
    #[serde(default)]
    pub kind: CaptureKind,
    /// The target's labels at that time.
    pub labels: Labels,
    /// The run of the process it was taken of.
    pub life: Option<Life>,
    /// When it was asked for.
    pub at: Timestamp,
    /// The first or second of a pair, or a baseline.
    pub part: PairPart,
    /// What the two of a pair have in common.
    pub pair: Option<String>,
    /// The episode it is evidence of.
    pub episode: Option<String>,
    /// Size of the file.
    pub bytes: u64,
    /// Of the file, lower-case hex.
    pub sha256: String,
    /// From the request to the first byte: how long the process was busy building it.
    pub first_byte_seconds: f64,
    /// From the request to the last byte.
    pub seconds: f64,
    /// Nodes in it, of a profile the calls.
    pub node_count: u64,
    /// Edges in it; none in a profile.
    pub edge_count: u64,
    /// heapUsed of the last sample before.
    pub heap_used: Option<u64>,
    /// rss of the last sample before.
    pub rss: Option<u64>,
    /// What the detector said when it was taken, with growth and reasons.
    pub verdict: Option<Verdict>,
}
