//! A series for a chart: one signal of one target over a span of time, folded into steps. Plain data; the assembly feeds it
//! the stored samples one by one, so that the answer is bounded by its steps and not by how many samples there are.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::sample::{Sample, Signal};
use crate::target::TargetName;

/// Most steps of one series, as Prometheus has it: a point a minute for a week.
pub const MOST_POINTS: u64 = 11_000;

/// Which series is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesQuery {
    /// Whose.
    pub target: TargetName,
    /// Of what.
    pub signal: Signal,
    /// Samples from this time on ...
    pub from: Timestamp,
    /// ... to this time.
    pub to: Timestamp,
    /// Width of a step; not zero.
    pub step: Duration,
}

/// One signal over time. A step without samples has no point: missing data is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Of what.
    pub signal: Signal,
    /// Unix seconds.
    pub from: f64,
    /// Unix seconds.
    pub to: f64,
    /// Width of a step.
    pub step_seconds: f64,
    /// Oldest first.
    pub points: Vec<SeriesPoint>,
}

/// The samples of one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// Start of the step, Unix seconds.
    pub at: f64,
    /// The lowest reading, bytes.
    pub low: u64,
    /// The highest.
    pub high: u64,
    /// The newest.
    pub last: u64,
    /// How many readings; a low of ten minutes, which older history is kept as, counts as one.
    pub samples: u32,
}

/// A series while samples come in, in any order.
#[derive(Debug)]
pub struct Folding {
    query: SeriesQuery,
    steps: BTreeMap<u64, (Timestamp, SeriesPoint)>,
}

impl SeriesQuery {
    /// How many steps there are at most.
    pub fn points(&self) -> u64 {
        let span = self.to.since(self.from).as_millis();
        u64::try_from(span.div_ceil(self.step.as_millis().max(1))).unwrap_or(u64::MAX)
    }

    fn step_of(&self, at: Timestamp) -> Option<u64> {
        if at.is_before(self.from) || self.to.is_before(at) {
            return None;
        }
        u64::try_from(at.since(self.from).as_millis() / self.step.as_millis().max(1)).ok()
    }
}

impl Folding {
    /// Nothing yet.
    pub fn new(query: SeriesQuery) -> Self {
        Self { query, steps: BTreeMap::new() }
    }

    /// Takes in a sample; one beyond the span, or without the signal, changes nothing.
    pub fn observe(&mut self, sample: &Sample) {
        let (Some(step), Some(bytes)) = (self.query.step_of(sample.at), sample.signal(self.query.signal)) else {
            return;
        };
        let width = u32::try_from(step).unwrap_or(u32::MAX);
        let at = self.query.from.plus(self.query.step.saturating_mul(width)).unix_seconds();
        let empty = (sample.at, SeriesPoint { at, low: bytes, high: bytes, last: bytes, samples: 0 });
        let (newest, point) = self.steps.entry(step).or_insert(empty);
        point.low = point.low.min(bytes);
        point.high = point.high.max(bytes);
        point.samples = point.samples.saturating_add(1);
        if !sample.at.is_before(*newest) {
            (*newest, point.last) = (sample.at, bytes);
        }
    }

    /// What came in.
    pub fn into_series(self) -> Series {
        Series {
            signal: self.query.signal,
            from: self.query.from.unix_seconds(),
            to: self.query.to.unix_seconds(),
            step_seconds: self.query.step.as_secs_f64(),
            points: self.steps.into_values().map(|(_, point)| point).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_760_000_000_000).plus(Duration::from_secs(seconds))
    }

    fn query() -> SeriesQuery {
        let (target, step) = (TargetName::new("api").unwrap(), Duration::from_mins(1));
        SeriesQuery { target, signal: Signal::Rss, from: at(0), to: at(600), step }
    }

    fn reading(seconds: u64, rss: u64) -> Sample {
        Sample { rss: Some(rss), ..Sample::empty(at(seconds)) }
    }

    #[test]
    fn a_step_has_the_low_the_high_and_the_newest_of_its_samples() {
        let mut folding = Folding::new(query());
        for sample in [reading(70, 5), reading(119, 3), reading(60, 9), reading(600, 7), reading(601, 1)] {
            folding.observe(&sample);
        }
        folding.observe(&Sample::empty(at(10)));
        let points = folding.into_series().points;
        let start = at(0).unix_seconds();
        let second = SeriesPoint { at: start + 60.0, low: 3, high: 9, last: 3, samples: 3 };
        let end = SeriesPoint { at: start + 600.0, low: 7, high: 7, last: 7, samples: 1 };
        assert_eq!(points, [second, end], "steps without samples have no point");
    }

    #[test]
    fn the_number_of_points_is_known_before() {
        assert_eq!(query().points(), 10);
        assert_eq!(SeriesQuery { to: at(601), ..query() }.points(), 11);
        assert_eq!(SeriesQuery { from: at(700), ..query() }.points(), 0, "turned around");
    }
}
