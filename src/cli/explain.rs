//! A verdict for a person: every gate with its numbers, and a small chart. Used by `explain` and `replay --explain`.

mod chart;

use std::fmt::Write;

use crate::leak::picture::Picture;
use crate::leak::verdict::{Growth, Reason, Verdict};
use crate::units::ByteSize;

/// The verdict and its picture as text for a terminal.
pub fn render(verdict: &Verdict, picture: &Picture) -> String {
    let mut lines = vec![headline(verdict)];
    lines.extend(verdict.growth.iter().map(growth));
    if verdict.outlasts_its_gates() {
        lines.push("  all gates passed when the leak was confirmed; now they say:".to_owned());
    }
    lines.extend(verdict.reasons.iter().map(gate));
    lines.extend(chart::draw(verdict, picture));
    lines.push(String::new());
    lines.join("\n")
}

fn headline(verdict: &Verdict) -> String {
    let subject = verdict.signal.map_or(String::new(), |signal| format!(" ({signal})"));
    format!("{}{subject} since {}", verdict.state, verdict.since)
}

/// How a signal has grown, in a sentence.
pub(super) fn growth(growth: &Growth) -> String {
    let (from, to) = (ByteSize::new(growth.from_bytes), ByteSize::new(growth.to_bytes));
    let hours = growth.until.since(growth.since).as_secs_f64() / 3600.0;
    let mut text = format!("  floors from {from} to {to} over {hours:.1} h, {}", growth.slope);
    if let Some(r2) = growth.r2 {
        // Writing to a String cannot fail.
        write!(text, ", R² {r2:.2}").unwrap_or_default();
    }
    if let (Some(limit), Some(seconds)) = (growth.limit_bytes, growth.limit_in_seconds) {
        let limit = ByteSize::new(limit);
        write!(text, "; at its limit of {limit} in {:.1} h", seconds / 3600.0).unwrap_or_default();
    }
    text
}

fn gate(reason: &Reason) -> String {
    let mark = if reason.passed { "pass" } else { "FAIL" };
    let (value, threshold) = (reason.value_text(), reason.threshold_text());
    format!("  {mark}  {:<10} {value:>12} {} {threshold:<12} {}", reason.gate, reason.asks(), reason.says)
}
