//! How the pages say things: cleaned texts, times, sizes, and words for parts and outcomes.

use std::time::Duration;

use maud::{Markup, html};

use crate::clock::Timestamp;
use crate::leak::event::PairPart;
use crate::leak::verdict::Growth;
use crate::status::{Standing, TargetStatus};
use crate::text::{line, span};
use crate::units::ByteSize;

/// Longest text from a target or a heap that is shown in one piece, in characters.
const LONGEST: usize = 400;

/// A text from outside as one line that hides nothing; maud escapes it where it is shown.
pub(super) fn clean(text: &str) -> String {
    line(text, LONGEST)
}

/// A text from outside, kept apart from ours so that its direction of writing stays its own.
pub(super) fn quote(text: &str) -> Markup {
    html! { bdi { (clean(text)) } }
}

/// A command for a shell.
pub(super) fn command(text: &str) -> Markup {
    html! { code.command { (clean(text)) } }
}

/// `22 Nov 18:24`, in UTC.
pub(super) fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.to_day()) " " (at.to_minute()) } }
}

/// `12 s ago`, with the moment itself for those who hover or listen.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title={ (at) } { (span(now.since(at))) " ago" } }
}

/// `6 h 20 min`, where the forecast is worth a word.
pub(super) fn time_left(growth: &Growth) -> Option<String> {
    /// Nobody plans for what is farther off.
    const YEAR: Duration = Duration::from_hours(365 * 24);
    let left = Duration::try_from_secs_f64(growth.limit_in_seconds?).ok()?;
    (left <= YEAR).then(|| span(left))
}

pub(super) fn size(bytes: u64) -> String {
    ByteSize::new(bytes).to_string()
}

/// A change of a number of bytes, with its sign.
pub(super) fn signed_size(bytes: i64) -> String {
    let sign = if bytes < 0 { "−" } else { "+" };
    format!("{sign}{}", size(bytes.unsigned_abs()))
}

/// A count with its sign.
pub(super) fn signed(count: i64) -> String {
    let sign = if count < 0 { "−" } else { "+" };
    format!("{sign}{}", grouped(count.unsigned_abs()))
}

/// `12,345`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 target`, `2 targets`.
pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number as u64))
}

pub(super) const fn part(part: PairPart) -> &'static str {
    match part {
        PairPart::Baseline => "baseline",
        PairPart::First => "first",
        PairPart::Second => "second",
    }
}

/// The word of a verdict with its sign, so that it does not hang on its colour.
pub(super) fn badge(standing: Standing) -> Markup {
    let sign = match standing {
        Standing::Leaking => "▲",
        Standing::NotAnswering => "✕",
        Standing::Suspected => "△",
        Standing::Recovering => "◔",
        Standing::NotJudged => "?",
        Standing::WarmingUp | Standing::NotPolled => "…",
        Standing::Steady => "●",
    };
    html! { span class={ "badge " (standing.name()) } { span.sign aria-hidden="true" { (sign) } " " (standing) } }
}

/// Labels as `key=value`.
pub(super) fn labels(status: &TargetStatus) -> Markup {
    html! {
        @for (key, value) in &status.labels { span.label { bdi { (clean(key)) } "=" bdi { (clean(value)) } } " " }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([grouped(0), grouped(999), grouped(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!([signed(-1200), signed(7), signed_size(-2048)], ["−1,200", "+7", "−2 KiB"]);
        assert_eq!([count(1, "target"), count(2000, "target")], ["1 target", "2,000 targets"]);
    }
}
