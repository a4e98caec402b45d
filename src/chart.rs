//! Charts of memory over time as SVG text: samples, floors, fit, forecast, limit, and marks for what happened.
//!
//! For the status page. Pure: plain data in, text out, and no file is touched. The ground stays clear, and every colour is
//! used for one thing alone, so that a style sheet can choose others by the attribute (`[stroke="#2563A8"]`); see
//! [`colour`].

mod axis;
pub mod colour;
mod draw;
mod marks;

use crate::clock::Timestamp;
use crate::leak::verdict::Growth;

pub use draw::draw;

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// One line: what is shown, of whom. The text alternative of the chart.
    pub title: String,
    /// What a reader would see in it, in a few sentences.
    pub description: String,
    /// Left end.
    pub from: Timestamp,
    /// Right end of what is known; the forecast goes on beyond it.
    pub to: Timestamp,
    /// Readings in bytes, oldest first; a line for each stretch without a gap.
    pub samples: Vec<Vec<(Timestamp, u64)>>,
    /// Floors in bytes, oldest first; a line for each life.
    pub floors: Vec<Vec<(Timestamp, u64)>>,
    /// The fit of the verdict, and with it the forecast.
    pub growth: Option<Growth>,
    /// The memory limit.
    pub limit_bytes: Option<u64>,
    /// What happened, oldest first.
    pub marks: Vec<Mark>,
}

/// Something that happened at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: MarkKind,
    /// In a word or two.
    pub label: String,
}

/// The kinds of marks, each with a colour of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// A life ended and another one began.
    Restart,
    /// The same at the memory limit.
    Kill,
    /// A snapshot was taken.
    Snapshot,
    /// A leak was suspected, confirmed or resolved.
    Verdict,
}

/// Size of a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// Why there is no chart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chart cannot be drawn: {0}")]
pub struct ChartError(String);

impl Scene {
    /// The samples cut into stretches: at each of `cuts` (restarts), and where several polls in a row are missing.
    pub fn stretches(samples: &[(Timestamp, u64)], cuts: &[Timestamp]) -> Vec<Vec<(Timestamp, u64)>> {
        /// A gap of this many times the usual distance is drawn as one.
        const GAP: i64 = 6;
        let mut distances: Vec<i64> =
            samples.windows(2).map(|pair| pair[1].0.steady_ms().saturating_sub(pair[0].0.steady_ms())).collect();
        distances.sort_unstable();
        let usual = distances.get(distances.len() / 2).copied().unwrap_or(0).max(1);
        let is_cut = |before: Timestamp, after: Timestamp| {
            after.steady_ms().saturating_sub(before.steady_ms()) > GAP.saturating_mul(usual)
                || cuts.iter().any(|cut| before.is_before(*cut) && !after.is_before(*cut))
        };
        samples.chunk_by(|(before, _), (after, _)| !is_cut(*before, *after)).map(<[_]>::to_vec).collect()
    }

    /// The low of each of about `parts` equal parts of the time from the first to the last of a stretch of samples.
    pub fn lows(samples: &[(Timestamp, u64)], part_ms: i64) -> Vec<(Timestamp, u64)> {
        let part_of = |at: Timestamp| at.steady_ms().div_euclid(part_ms.max(1));
        let parts = samples.chunk_by(|(before, _), (after, _)| part_of(*before) == part_of(*after));
        parts.filter_map(|part| part.iter().min_by_key(|(_, bytes)| *bytes).copied()).collect()
    }
}

#[cfg(test)]
mod tests;
