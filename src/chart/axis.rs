//! The two axes: time in steps of a clock, memory in steps of binary units.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::clock::Timestamp;
use crate::units::ByteSize;

/// Seconds of the wall clock.
#[derive(Clone, Debug)]
pub(super) struct TimeAxis {
    pub(super) range: Range<f64>,
    /// Most ticks that have room.
    pub(super) ticks: usize,
}

/// Bytes, from zero.
#[derive(Clone, Debug)]
pub(super) struct ByteAxis {
    pub(super) top: f64,
    pub(super) ticks: usize,
}

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;

/// Distances between ticks that people read at a glance, in seconds.
const TIME_STEPS: [f64; 20] = [
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    MINUTE,
    2.0 * MINUTE,
    5.0 * MINUTE,
    10.0 * MINUTE,
    15.0 * MINUTE,
    30.0 * MINUTE,
    HOUR,
    2.0 * HOUR,
    3.0 * HOUR,
    6.0 * HOUR,
    12.0 * HOUR,
    DAY,
    2.0 * DAY,
    7.0 * DAY,
];

impl TimeAxis {
    fn step(&self) -> f64 {
        let span = self.range.end - self.range.start;
        let fits = |step: &f64| span / step <= self.ticks.max(1) as f64;
        TIME_STEPS.into_iter().find(fits).unwrap_or_else(|| (span / DAY / self.ticks.max(1) as f64).ceil() * DAY)
    }
}

impl Ranged for TimeAxis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        map(*value, &self.range, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        multiples(self.step(), &self.range)
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for TimeAxis {
    fn format_ext(&self, value: &f64) -> String {
        let step = self.step();
        let Some(at) = Timestamp::from_unix_seconds(value.max(0.0)) else { return String::new() };
        if step >= DAY || value.rem_euclid(DAY) < 1.0 {
            at.to_day()
        } else if step >= MINUTE {
            at.to_minute()
        } else {
            at.to_second()
        }
    }
}

impl Ranged for ByteAxis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        map(*value, &self.range(), limit)
    }

    /// Steps of 1, 2, 4, 8 ... of a binary unit.
    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        let least = self.top / self.ticks.max(1) as f64;
        multiples(least.max(1.0).log2().ceil().exp2(), &self.range())
    }

    fn range(&self) -> Range<f64> {
        0.0..self.top
    }
}

impl ValueFormatter<f64> for ByteAxis {
    fn format_ext(&self, value: &f64) -> String {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is meant")]
        let bytes = *value as u64;
        if bytes == 0 { "0".to_owned() } else { ByteSize::new(bytes).to_string() }
    }
}

fn map(value: f64, range: &Range<f64>, limit: (i32, i32)) -> i32 {
    let span = range.end - range.start;
    let share = if span > 0.0 { (value - range.start) / span } else { 0.0 };
    let length = f64::from(limit.1) - f64::from(limit.0);
    #[expect(clippy::cast_possible_truncation, reason = "a pixel; `as` saturates")]
    let pixel = (f64::from(limit.0) + length * share).round() as i32;
    pixel
}

/// The multiples of `step` within a range, a bounded number of them.
fn multiples(step: f64, range: &Range<f64>) -> Vec<f64> {
    /// More would be black.
    const MOST: usize = 100;
    let first = (range.start / step).ceil();
    (0..MOST).map(|index| (first + index as f64) * step).take_while(|tick| *tick <= range.end).collect()
}
