//! The chart of a verdict in a terminal: floors as dots, fit and forecast as a line, the limit as a dotted one.

use std::fmt::Write;

use textplots::{Chart, Plot, Shape};

use crate::clock::Timestamp;
use crate::leak::picture::Picture;
use crate::leak::verdict::{Growth, State, Verdict};

/// A point in hours before the last floor and MiB.
type Point = (f32, f32);

/// Size in dots of braille, of which a character has 2 by 4.
const DOTS: (u32, u32) = (128, 56);
/// Columns left of the chart that the labels take.
const GUTTER: usize = 10;
/// A limit is drawn where it is at most this much higher than all else: further away it would press the rest flat.
const LIMIT_IN_SIGHT: f32 = 1.5;
/// The forecast runs this far ahead, as a share of the time that is shown.
const AHEAD: f32 = 0.2;

/// Draws the floors of the verdict's signal; `None` where there are none.
pub(super) fn draw(verdict: &Verdict, picture: &Picture) -> Option<String> {
    let series = picture.floors.iter().find(|series| Some(series.signal) == verdict.signal)?;
    let (first, last) = (series.points.first()?.0, series.points.last()?.0);
    let hour = |at: Timestamp| hours_between(last, at);
    let floors: Vec<Point> = series.points.iter().map(|(at, floor)| (hour(*at), mib(*floor as f64))).collect();
    let from = hour(first).min(-0.1);
    let grows = matches!(verdict.state, State::Suspected | State::Leaking);
    let growth = picture.growth.as_ref().filter(|_| grows);
    let to = if grows { -from * AHEAD } else { 0.0 };
    let fit = growth.map_or_else(Vec::new, |growth| line(growth, hour, to));
    let scale = Scale::over(floors.iter().chain(&fit), picture.limit_bytes.map(|limit| mib(limit as f64)));

    let mut chart = Chart::new_with_y_range(DOTS.0, DOTS.1, from, to, scale.low, scale.high);
    // Dots: the chart has no dotted lines, and a whole one would be taken for a fit.
    let dotted = |limit: f32| (0..=40_u8).map(|dot| (from + (to - from) * f32::from(dot) / 40.0, limit)).collect();
    let limit: Vec<Point> = scale.limit.map_or_else(Vec::new, dotted);
    let shapes = [Shape::Points(&floors), Shape::Lines(&fit), Shape::Points(&limit)];
    let drawn = shapes.iter().fold(&mut chart, |chart, shape| chart.lineplot(shape));
    drawn.figures();
    let frame = drawn.frame();
    let what = if grows { "floors (dots), fit and forecast (line)" } else { "floors" };
    let mut text = format!("\n  {} {what}, MiB over hours before {last}\n\n", series.signal);
    let rows: Vec<&str> = frame.lines().collect();
    for (number, row) in rows.iter().enumerate() {
        let label = scale.label(number, rows.len());
        // Writing to a String cannot fail.
        writeln!(text, "{label:>GUTTER$} │{}", row.trim_end_matches(['⠀', ' '])).unwrap_or_default();
    }
    text.push_str(&hours_axis(from, to));
    Some(text)
}

/// What the chart spans upwards.
struct Scale {
    low: f32,
    high: f32,
    /// The limit, where it is in sight.
    limit: Option<f32>,
}

impl Scale {
    fn over<'a>(points: impl Iterator<Item = &'a Point>, limit: Option<f32>) -> Self {
        let (low, high) = points.fold((f32::INFINITY, 1.0f32), |(low, high), (_, mib)| (low.min(*mib), high.max(*mib)));
        let limit = limit.filter(|limit| *limit <= LIMIT_IN_SIGHT * high);
        let high = limit.map_or(high, |limit| high.max(limit));
        // From zero, unless everything happens far above it.
        let low = if low < 0.7 * high { 0.0 } else { (low - 0.5 * (high - low)).max(0.0) };
        Self { low, high: high.max(low + 1.0), limit }
    }

    /// What is written left of a row: the height of its middle in some rows, and which one is the limit's.
    fn label(&self, row: usize, rows: usize) -> String {
        const EVERY: usize = 3;
        let height_of = |row: usize| self.high - (self.high - self.low) * (row as f32 + 0.5) / rows as f32;
        let half = (self.high - self.low) / rows as f32 / 2.0;
        match self.limit {
            Some(limit) if (height_of(row) - limit).abs() <= half * 1.01 => format!("limit {limit:.0}"),
            _ if row % EVERY == 1 => format!("{:.*}", usize::from(self.high < 10.0), height_of(row)),
            _ => String::new(),
        }
    }
}

/// The line under the chart: the first floor, the last one, and the end of the forecast.
fn hours_axis(from: f32, to: f32) -> String {
    let columns = DOTS.0 as usize / 2;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a column of the chart")]
    let now = (columns as f32 * -from / (to - from)) as usize;
    let bar: String = (0..=columns).map(|column| if column == 0 || column == now { '┴' } else { '─' }).collect();
    let start = format!("{from:.1} h");
    let mut labels = format!("{start:<now$}0");
    if to > 0.0 {
        write!(labels, "{:>width$}", format!("+{to:.1} h"), width = columns.saturating_sub(now)).unwrap_or_default();
    }
    format!("{:>GUTTER$} └{bar}\n{:GUTTER$}  {labels}\n", "", "")
}

/// Start, end and forecast of a fit, the forecast until `to`.
fn line(growth: &Growth, hour: impl Fn(Timestamp) -> f32, to: f32) -> Vec<Point> {
    let end = (hour(growth.until), mib(growth.to_bytes as f64));
    let rise = mib(growth.slope.bytes_per_hour()) * (to - end.0);
    vec![(hour(growth.since), mib(growth.from_bytes as f64)), end, (to, end.1 + rise)]
}

/// Hours from `zero` to `at`, negative before it.
fn hours_between(zero: Timestamp, at: Timestamp) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "a dot on a chart")]
    let hours = ((at.unix_seconds() - zero.unix_seconds()) / 3600.0) as f32;
    hours
}

fn mib(bytes: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "a dot on a chart")]
    let mib = (bytes / 1_048_576.0) as f32;
    mib
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak::picture::FloorSeries;
    use crate::sample::Signal;
    use crate::units::ByteRate;

    const MIB: u64 = 1 << 20;

    fn hour(hours: i64) -> Timestamp {
        Timestamp::from_unix_ms(hours * 3_600_000)
    }

    /// Twelve hours from 100 MiB upwards by `slope` MiB an hour.
    fn chart(slope: u64, state: State, limit: Option<u64>) -> String {
        let at = |hours: i64| 100 * MIB + slope * MIB * hours.unsigned_abs();
        let growth = Growth {
            slope: ByteRate::per_hour((slope * MIB) as f64),
            r2: None,
            from_bytes: at(0),
            to_bytes: at(12),
            since: hour(0),
            until: hour(12),
            limit_bytes: limit,
            limit_in_seconds: None,
        };
        let points = (0..=12).map(|hours| (hour(hours), at(hours))).collect();
        let picture = Picture {
            floors: vec![FloorSeries { signal: Signal::HeapUsed, points }],
            growth: Some(growth),
            limit_bytes: limit,
            events: Vec::new(),
        };
        let verdict = Verdict {
            state,
            since: hour(0),
            signal: Some(Signal::HeapUsed),
            growth: Some(growth),
            reasons: Vec::new(),
        };
        draw(&verdict, &picture).unwrap()
    }

    #[test]
    fn the_limit_is_drawn_where_it_is_in_sight() {
        assert!(chart(20, State::Leaking, Some(512 * MIB)).contains("limit 512 │⠁"), "a dotted line");
        assert!(!chart(20, State::Leaking, Some(4096 * MIB)).contains("limit"), "it would press the rest flat");
        assert!(!chart(20, State::Leaking, None).contains("limit"));
    }

    #[test]
    fn only_growth_has_a_forecast() {
        let leaking = chart(20, State::Leaking, None);
        assert!(leaking.contains("forecast") && leaking.trim_end().ends_with("+2.4 h"), "{leaking}");
        let steady = chart(0, State::Steady, None);
        assert!(!steady.contains("forecast") && steady.trim_end().ends_with('0'), "{steady}");
    }

    #[test]
    fn no_numbers_can_panic() {
        for (slope, limit) in [(0, 0), (0, 1), (u64::MAX >> 26, u64::MAX), (1, 113 * MIB)] {
            assert!(!chart(slope, State::Suspected, Some(limit)).is_empty());
        }
    }
}
