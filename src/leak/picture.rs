//! What a chart of a target shows: plain data, for the terminal, SVG and the status page.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::event::LeakEvent;
use crate::leak::verdict::Growth;
use crate::sample::Signal;

/// Floors, fit, forecast, limit and events of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// One series of floors for each signal that the target reports.
    pub floors: Vec<FloorSeries>,
    /// The fit of the verdict's signal; its forecast is `limit_bytes` at `until + limit_in_seconds`.
    pub growth: Option<Growth>,
    /// The memory limit in force.
    pub limit_bytes: Option<u64>,
    /// What happened lately, oldest first.
    pub events: Vec<LeakEvent>,
}

/// The floors of one signal, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloorSeries {
    /// Which signal.
    pub signal: Signal,
    /// Middle of the block and its floor in bytes.
    pub points: Vec<(Timestamp, u64)>,
}
