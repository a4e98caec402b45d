//! A verdict for a person: every gate with its numbers, and a small chart. Used by `explain` and `replay --explain`.

use std::fmt::Write;

use textplots::{Chart, Plot, Shape};

use crate::clock::Timestamp;
use crate::leak::picture::Picture;
use crate::leak::verdict::{Growth, Reason, Verdict};
use crate::units::{ByteRate, ByteSize};

/// The verdict and its picture as text for a terminal.
pub fn render(verdict: &Verdict, picture: &Picture) -> String {
    let mut lines = vec![headline(verdict)];
    lines.extend(verdict.growth.iter().map(growth));
    lines.extend(verdict.reasons.iter().map(gate));
    lines.extend(chart(verdict, picture));
    lines.push(String::new());
    lines.join("\n")
}

fn headline(verdict: &Verdict) -> String {
    let subject = verdict.signal.map_or(String::new(), |signal| format!(" ({signal})"));
    format!("{}{subject} since {}", verdict.state, verdict.since)
}

fn growth(growth: &Growth) -> String {
    let (from, to) = (ByteSize::new(growth.from_bytes), ByteSize::new(growth.to_bytes));
    let hours = growth.until.since(growth.since).as_secs_f64() / 3600.0;
    let mut text = format!("  floors from {from} to {to} over {hours:.1} h, {}", growth.slope);
    if let (Some(limit), Some(seconds)) = (growth.limit_bytes, growth.limit_in_seconds) {
        let limit = ByteSize::new(limit);
        // Writing to a String cannot fail.
        write!(text, "; at its limit of {limit} in {:.1} h", seconds / 3600.0).unwrap_or_default();
    }
    text
}

fn gate(reason: &Reason) -> String {
    let mark = if reason.passed { "pass" } else { "FAIL" };
    let (value, threshold) = (quantity(reason.value, &reason.unit), quantity(reason.threshold, &reason.unit));
    format!("  {mark}  {:<10} {value:>12} against {threshold:<12} {}", reason.gate, reason.says)
}

fn quantity(value: f64, unit: &str) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is meant")]
    let size = ByteSize::new(value as u64);
    match unit {
        "bytes" => size.to_string(),
        "bytes_per_hour" => ByteRate::per_hour(value).to_string(),
        "seconds" => format!("{:.1} h", value / 3600.0),
        _ => format!("{value:.2}"),
    }
}

/// Floors and fit of the verdict's signal, in MiB over hours before the last floor, and the forecast as far ahead as
/// the chart has room for.
fn chart(verdict: &Verdict, picture: &Picture) -> Option<String> {
    /// Dots of braille: 120 are 60 columns.
    const SIZE: (u32, u32) = (140, 50);
    let series = picture.floors.iter().find(|series| Some(series.signal) == verdict.signal)?;
    let (first, last) = (series.points.first()?.0, series.points.last()?.0);
    let hour = |at: Timestamp| span_hours(last, at);
    let floors: Vec<(f32, f32)> = series.points.iter().map(|(at, floor)| (hour(*at), mib(*floor))).collect();
    let fit: Vec<(f32, f32)> = picture.growth.iter().flat_map(line(hour)).collect();
    let from = hour(first).min(-0.1);
    let mut text = format!("\n  {} floors, MiB over hours before {last}\n", series.signal);
    let to = -from * 0.15;
    let mut chart = Chart::new(SIZE.0, SIZE.1, from, to);
    let chart_lines = [Shape::Points(&floors), Shape::Lines(&fit)];
    let drawn = chart_lines.iter().fold(&mut chart, |chart, shape| chart.lineplot(shape));
    drawn.axis();
    drawn.figures();
    write!(text, "{drawn}").unwrap_or_default();
    Some(text)
}

/// Start, end and forecast of a fit.
fn line(hour: impl Fn(Timestamp) -> f32) -> impl Fn(&Growth) -> Vec<(f32, f32)> {
    move |growth| {
        let ahead = growth.until.since(growth.since) / 6;
        #[expect(clippy::cast_possible_truncation, reason = "a dot on a chart")]
        let rise = (growth.slope.bytes_per_second() * ahead.as_secs_f64() / 1_048_576.0) as f32;
        let end = (hour(growth.until), mib(growth.to_bytes));
        let forecast = (hour(growth.until.plus(ahead)), end.1 + rise);
        vec![(hour(growth.since), mib(growth.from_bytes)), end, forecast]
    }
}

/// Hours from `zero` to `at`, negative before it.
fn span_hours(zero: Timestamp, at: Timestamp) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "a dot on a chart")]
    let hours = ((at.unix_seconds() - zero.unix_seconds()) / 3600.0) as f32;
    hours
}

fn mib(bytes: u64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "a dot on a chart")]
    let mib = (bytes as f64 / 1_048_576.0) as f32;
    mib
}
