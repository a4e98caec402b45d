//! Captures: may one be taken now, and if so, fetch it whole.

mod digest;
pub mod download;
pub mod failure;
pub mod gate;
mod refusal;
mod sink;

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::http::{ClientOptions, Credentials};
use crate::units::ByteSize;

/// How captures of one target are taken.
#[derive(Clone, Debug)]
pub struct Options {
    /// The snapshot endpoint.
    pub url: Url,
    /// What the endpoint asks for.
    pub credentials: Credentials,
    /// Connection settings.
    pub client: Arc<ClientOptions>,
    /// Which captures are allowed at all, and when.
    pub gate: GateOptions,
    /// How long each step of a download may take.
    pub deadlines: Deadlines,
    /// Time between the first and the second snapshot of a pair.
    pub pair_gap: Duration,
    /// Whether one snapshot is taken after warm-up, while the heap is small.
    pub baseline: bool,
}

/// How profiles of one target are taken. They cost little, so no gate reckons with the memory of the target.
#[derive(Clone, Debug)]
pub struct ProfileOptions {
    /// The profile endpoint.
    pub url: Url,
    /// Somebody has written that it is there. Else it is tried, and any answer but a profile means that there is none.
    pub is_promised: bool,
    /// What the endpoint asks for.
    pub credentials: Credentials,
    /// Connection settings.
    pub client: Arc<ClientOptions>,
    /// How long each step of a download may take.
    pub deadlines: Deadlines,
    /// Time between the first and the second profile of a pair.
    pub pair_gap: Duration,
    /// Most profiles of one target in any 24 hours, failed ones included.
    pub daily_budget: u32,
    /// Disk space to leave free besides the profile.
    pub disk_reserve: ByteSize,
}

/// Thresholds of the safety gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateOptions {
    /// Extra memory a snapshot costs, as a multiple of heapUsed, until the target's own first capture has shown it.
    pub headroom_factor: f64,
    /// Memory to leave free under the limit while the snapshot is built.
    pub margin: ByteSize,
    /// The target's memory limit, where configured.
    pub memory_limit: Option<ByteSize>,
    /// Largest heap to snapshot where no limit is known.
    pub max_heap: ByteSize,
    /// Disk space to demand, as a multiple of heapUsed.
    pub disk_factor: f64,
    /// Disk space to leave free besides.
    pub disk_reserve: ByteSize,
    /// Shortest time between two pairs of one target.
    pub cooldown: Duration,
    /// Most captures of one target in any 24 hours, failed ones included.
    pub daily_budget: u32,
    /// Polls that must have succeeded in a row before a capture.
    pub healthy_polls: u32,
}

/// Deadlines of one download, each restarting where the one before ends, but for `total`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From the request to the status line: V8 builds the whole snapshot before it sends a byte.
    pub first_byte: Duration,
    /// Between two chunks.
    pub idle: Duration,
    /// Everything together.
    pub total: Duration,
    /// Most bytes to accept, counted after decompression.
    pub max_bytes: ByteSize,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            headroom_factor: 10.0,
            margin: ByteSize::mib(64),
            memory_limit: None,
            max_heap: ByteSize::mib(512),
            disk_factor: 2.5,
            disk_reserve: ByteSize::mib(1024),
            cooldown: Duration::from_hours(6),
            daily_budget: 4,
            healthy_polls: 3,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_mins(10),
            idle: Duration::from_mins(1),
            total: Duration::from_hours(1),
            max_bytes: ByteSize::mib(16 * 1024),
        }
    }
}
