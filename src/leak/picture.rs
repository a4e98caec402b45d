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

/// The floors of one signal in a few numbers at equal distances, for a line as small as a word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// Which signal.
    pub signal: Signal,
    /// Middle of the first part.
    pub since: Timestamp,
    /// Middle of the last one.
    pub until: Timestamp,
    /// Bytes; `None` where too few polls were answered.
    pub floors: Vec<Option<u64>>,
}

impl Outline {
    /// The newest floor that is known.
    pub fn newest(&self) -> Option<(Signal, u64)> {
        let newest = self.floors.iter().rev().copied().find_map(|floor| floor);
        newest.map(|floor| (self.signal, floor))
    }
}

/// The floors of one signal, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloorSeries {
    /// Which signal.
    pub signal: Signal,
    /// Middle of the block and its floor in bytes.
    pub points: Vec<(Timestamp, u64)>,
}
