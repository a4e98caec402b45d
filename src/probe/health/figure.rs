//! What one value of the body means as a figure of its field, and how that was decided.

use std::borrow::Cow;
use std::time::Duration;

use super::Figure;
use super::field::{Field, Kind};
use super::names::Unit;
use crate::clock::Timestamp;
use crate::http;
use crate::units::{ByteSize, Prefixes, SizeError};

/// Longest text of a body that is shown, in characters.
const LONGEST_SHOWN: usize = 80;
/// Largest memory that is believed, and largest count that an f64 holds exactly: 2^53, which as bytes is 8 PiB.
const LARGEST: f64 = 9_007_199_254_740_992.0;
/// Longest uptime that is believed.
const LONGEST_UPTIME: Duration = Duration::from_hours(100 * 366 * 24);
/// Less than this is no heap of a running service but a number of megabytes without its unit.
const SMALLEST_USUAL: u64 = 64 << 10;

/// A value of the body that is neither object nor array.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Unsigned(u64),
    Number(f64),
    Text(String),
}

impl Scalar {
    /// As it may be shown.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(truth) => truth.to_string(),
            Self::Unsigned(number) => number.to_string(),
            Self::Number(number) => format!("{number:?}"),
            Self::Text(text) => format!("\"{}\"", http::excerpt(text, LONGEST_SHOWN)),
        }
    }

    /// The number it is or spells.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Unsigned(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            Self::Text(text) => plain_number(text),
            Self::Null | Self::Bool(_) => None,
        }
    }
}

/// What became of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// A figure, how it was understood, and whether it is rounded to a unit.
    Figure { figure: Figure, understood: Cow<'static, str>, is_rounded: bool },
    /// A number that cannot be true.
    Absurd,
    /// Nothing to use, and why.
    Unusable(String),
}

/// Adds a note to how a figure was understood.
pub(super) fn append(understood: &mut Cow<'static, str>, note: &str) {
    if !note.is_empty() {
        understood.to_mut().push_str(note);
    }
}

/// Reads `scalar` as a figure of `field`; a plain number is in `unit`, else in the field's own (bytes, seconds).
pub(super) fn interpret(field: Field, unit: Option<Unit>, scalar: &Scalar) -> Outcome {
    match field.kind() {
        Kind::Memory => hint_at_megabytes(field, unit, bytes(unit, scalar)),
        Kind::Limit => limit(unit, scalar),
        Kind::Count => count(scalar, LARGEST),
        // Process ids fit 32 bits everywhere.
        Kind::Pid => count(scalar, f64::from(u32::MAX)),
        Kind::Span => span(unit, scalar),
        Kind::Instant => instant(scalar),
    }
}

fn bytes(unit: Option<Unit>, scalar: &Scalar) -> Outcome {
    if let Some(number) = scalar.number() {
        return number_of_bytes(number, unit);
    }
    let Scalar::Text(text) = scalar else { return Outcome::Unusable(format!("is {}, not a size", scalar.shown())) };
    match ByteSize::parse(text, Prefixes::Binary) {
        Ok(size) => {
            let understood = format!("{} bytes, with 1 KB = 1024 B and 1 MB = 1024 KB", size.bytes()).into();
            Outcome::Figure { figure: Figure::Bytes(size.bytes()), understood, is_rounded: true }
        }
        // A number and a unit, but negative or too much.
        Err(SizeError::NotASize) if begins_with_number(text) => Outcome::Absurd,
        Err(SizeError::UnknownUnit(unit)) => {
            Outcome::Unusable(format!("has the unknown unit `{}`", http::excerpt(&unit, 16)))
        }
        Err(SizeError::NoUnit | SizeError::NotASize) => Outcome::Unusable("is not a size".into()),
    }
}

fn number_of_bytes(number: f64, unit: Option<Unit>) -> Outcome {
    let Unit { name, factor } = unit.unwrap_or(Unit { name: "bytes", factor: 1 });
    let Some(bytes) = whole(number * factor as f64) else { return Outcome::Absurd };
    let understood = match unit {
        None => "plain number, so bytes".into(),
        Some(_) if factor == 1 => "bytes, as the name says".into(),
        Some(_) => format!("{bytes} bytes: the name says {name}, each of {factor} bytes").into(),
    };
    Outcome::Figure { figure: Figure::Bytes(bytes), understood, is_rounded: factor > 1 }
}

/// Says so where a plain number is too small for what every process has.
fn hint_at_megabytes(field: Field, unit: Option<Unit>, outcome: Outcome) -> Outcome {
    let is_never_small = matches!(field, Field::HeapUsed | Field::HeapTotal | Field::Rss);
    match outcome {
        Outcome::Figure { figure: Figure::Bytes(bytes @ 1..SMALLEST_USUAL), understood, is_rounded: false }
            if is_never_small && unit.is_none() =>
        {
            let understood = format!("{understood}; if it means MB, map the field as {field}MB").into();
            Outcome::Figure { figure: Figure::Bytes(bytes), understood, is_rounded: false }
        }
        outcome => outcome,
    }
}

fn limit(unit: Option<Unit>, scalar: &Scalar) -> Outcome {
    let unlimited = || Outcome::Unusable(format!("{} means that there is no limit", scalar.shown()));
    match bytes(unit, scalar) {
        Outcome::Absurd | Outcome::Figure { figure: Figure::Bytes(0), .. } => unlimited(),
        Outcome::Unusable(_) if matches!(scalar, Scalar::Text(text) if is_word_for_none(text)) => unlimited(),
        other => other,
    }
}

fn is_word_for_none(text: &str) -> bool {
    ["max", "none", "unlimited", "infinity", "infinite"].iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

fn count(scalar: &Scalar, largest: f64) -> Outcome {
    match scalar.number().filter(|number| *number <= largest && number.fract() == 0.0).and_then(whole) {
        Some(number) => {
            Outcome::Figure { figure: Figure::Count(number), understood: "whole number".into(), is_rounded: false }
        }
        None => Outcome::Unusable(format!("is not a whole number from 0 to {largest}")),
    }
}

fn span(unit: Option<Unit>, scalar: &Scalar) -> Outcome {
    let Unit { name, factor } = unit.unwrap_or(Unit { name: "seconds", factor: 1_000 });
    let (span, understood) = match (scalar.number(), scalar) {
        (Some(number), _) => {
            let why = if unit.is_some() { "the name says" } else { "plain number, so" };
            // A negative or huge product is no Duration.
            (Duration::try_from_secs_f64(number * factor as f64 / 1000.0).ok(), format!("{why} {name}").into())
        }
        (None, Scalar::Text(text)) => (spelled_span(text), "text with units".into()),
        (None, _) => (None, Cow::default()),
    };
    match span.filter(|span| *span <= LONGEST_UPTIME) {
        Some(span) => Outcome::Figure { figure: Figure::Span(span), understood, is_rounded: false },
        None => Outcome::Unusable("is not a time span (understood are seconds and \"8h 3m 20s\")".into()),
    }
}

/// `8h 3m`, `2 days, 4 hours`, `123.4s`, `08:03:20`.
fn spelled_span(text: &str) -> Option<Duration> {
    let text = text.trim();
    // humantime's own arithmetic is checked; the cap keeps hostile text short.
    if text.len() > LONGEST_SHOWN {
        return None;
    }
    let seconds = text.trim_end_matches("seconds").trim_end_matches('s').trim_end();
    if let Some(number) = plain_number(seconds) {
        return Duration::try_from_secs_f64(number).ok();
    }
    clock_span(text).or_else(|| humantime::parse_duration(&text.replace(',', " ")).ok())
}

/// Hours, minutes and seconds between colons.
fn clock_span(text: &str) -> Option<Duration> {
    let mut parts = text.split(':').map(|part| part.parse::<u32>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let is_clock = parts.next().is_none() && minutes < 60 && seconds < 60;
    is_clock.then(|| Duration::from_secs(u64::from(hours) * 3600 + u64::from(minutes * 60 + seconds)))
}

fn instant(scalar: &Scalar) -> Outcome {
    /// Unix seconds from 1973 to 5138 lie below, Unix milliseconds of the same years above.
    const FIRST_MS: f64 = 1e11;
    /// Smaller numbers are spans or counts.
    const FIRST_S: f64 = 1e8;
    let (instant, understood) = match (scalar.number(), scalar) {
        (Some(ms), _) if ms >= FIRST_MS => (Timestamp::from_unix_seconds(ms / 1000.0), "Unix milliseconds"),
        (Some(seconds), _) if seconds >= FIRST_S => (Timestamp::from_unix_seconds(seconds), "Unix seconds"),
        (None, Scalar::Text(text)) => {
            let parsed = text.trim().parse::<jiff::Timestamp>().ok();
            (parsed.map(|at| Timestamp::from_unix_ms(at.as_millisecond())), "ISO 8601 time")
        }
        _ => (None, ""),
    };
    match instant {
        Some(at) => Outcome::Figure { figure: Figure::Instant(at), understood: understood.into(), is_rounded: false },
        None => Outcome::Unusable("is not a time (understood are ISO 8601 and Unix seconds or milliseconds)".into()),
    }
}

/// A number in decimal digits; `inf` and `NaN`, which Rust would read too, are none.
fn plain_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_plain = text.len() <= LONGEST_SHOWN && text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    text.parse().ok().filter(|_| is_plain)
}

fn begins_with_number(text: &str) -> bool {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c)).unwrap_or(text.len());
    plain_number(text.split_at(end).0).is_some()
}

/// The nearest whole number, where it is from 0 to 2^53.
fn whole(number: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= number <= 2^53")]
    (0.0..=LARGEST).contains(&number).then(|| number.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.into())
    }

    fn figure(field: Field, unit: Option<Unit>, scalar: &Scalar) -> Option<Figure> {
        match interpret(field, unit, scalar) {
            Outcome::Figure { figure, .. } => Some(figure),
            Outcome::Absurd | Outcome::Unusable(_) => None,
        }
    }

    #[test]
    fn sizes_are_read_as_services_write_them() {
        const MB: Option<Unit> = Some(Unit { name: "mb", factor: 1 << 20 });
        for (scalar, unit, bytes) in [
            (text("123 MB"), None, 123 << 20),
            (text("496.01 MB"), None, 520_104_182),
            (text("1.2 GiB"), None, 1_288_490_189),
            (text("512KB"), None, 512 << 10),
            (text(" 1048576 "), None, 1 << 20),
            (text("123 MB"), MB, 123 << 20),
            (text("123"), MB, 123 << 20),
            (Scalar::Unsigned(128_974_848), None, 128_974_848),
            (Scalar::Number(128_974_848.4), None, 128_974_848),
            (Scalar::Number(1.5), MB, 1_572_864),
            (Scalar::Unsigned(0), None, 0),
            (Scalar::Number(-0.0), None, 0),
        ] {
            assert_eq!(figure(Field::HeapUsed, unit, &scalar), Some(Figure::Bytes(bytes)), "{scalar:?}");
        }
    }

    #[test]
    fn sizes_that_cannot_be_true_are_absurd() {
        for scalar in [
            Scalar::Number(-1.0),
            Scalar::Unsigned(u64::MAX),
            Scalar::Unsigned((1 << 53) + 2),
            Scalar::Number(1e300),
            text("-5"),
            text("-5 MB"),
            text("99999999999 TB"),
            text("1e300"),
        ] {
            assert_eq!(interpret(Field::HeapUsed, None, &scalar), Outcome::Absurd, "{scalar:?}");
        }
    }

    #[test]
    fn values_that_are_no_size_are_left_out() {
        for scalar in
            [Scalar::Null, Scalar::Bool(true), text(""), text("n/a"), text("NaN"), text("inf MB"), text("5 moons")]
        {
            assert!(matches!(interpret(Field::Rss, None, &scalar), Outcome::Unusable(_)), "{scalar:?}");
        }
    }

    #[test]
    fn no_limit_is_no_figure() {
        for scalar in [
            Scalar::Unsigned(9_223_372_036_854_771_712),  // cgroup v1, no limit set
            Scalar::Number(18_446_744_073_709_552_000.0), // process.constrainedMemory(), no limit set
            Scalar::Unsigned(0),
            Scalar::Number(-1.0),
            text("max"), // cgroup v2, no limit set
        ] {
            let Outcome::Unusable(why) = interpret(Field::MemoryLimit, None, &scalar) else { panic!("{scalar:?}") };
            assert!(why.contains("no limit"), "{why}");
        }
        assert_eq!(figure(Field::MemoryLimit, None, &text("512 MB")), Some(Figure::Bytes(512 << 20)));
    }

    #[test]
    fn uptimes_are_read_with_and_without_units() {
        const MS: Option<Unit> = Some(Unit { name: "ms", factor: 1 });
        for (scalar, unit, ms) in [
            (Scalar::Number(12.5), None, 12_500),
            (Scalar::Unsigned(12_500), MS, 12_500),
            (text("123.4s"), None, 123_400),
            (text("90 seconds"), None, 90_000),
            (text("8h 3m"), None, 28_980_000),
            (text("1 day, 2 hours"), None, 93_600_000),
            (text("08:03:20"), None, 29_000_000),
        ] {
            let expected = Figure::Span(Duration::from_millis(ms));
            assert_eq!(figure(Field::Uptime, unit, &scalar), Some(expected), "{scalar:?}");
        }
        for scalar in [Scalar::Number(-1.0), Scalar::Number(1e300), text("soon"), text("08:99:20"), Scalar::Null] {
            assert_eq!(figure(Field::Uptime, None, &scalar), None, "{scalar:?}");
        }
    }

    #[test]
    fn start_times_are_read_in_three_forms() {
        let expected = Some(Figure::Instant(Timestamp::from_unix_ms(1_760_000_000_000)));
        for scalar in [
            Scalar::Unsigned(1_760_000_000),
            Scalar::Unsigned(1_760_000_000_000),
            text("1760000000"),
            text("2025-10-09T08:53:20.000Z"),
            text("2025-10-09T10:53:20+02:00"),
        ] {
            assert_eq!(figure(Field::StartTime, None, &scalar), expected, "{scalar:?}");
        }
        for scalar in [Scalar::Unsigned(5), Scalar::Number(1e300), text("yesterday"), text("2025-10-09T08:53:20")] {
            assert_eq!(figure(Field::StartTime, None, &scalar), None, "{scalar:?}");
        }
    }

    #[test]
    fn counts_are_whole_and_pids_are_small() {
        assert_eq!(figure(Field::Requests, None, &Scalar::Unsigned(7)), Some(Figure::Count(7)));
        assert_eq!(figure(Field::Requests, None, &text("7")), Some(Figure::Count(7)));
        for scalar in [Scalar::Number(-7.0), Scalar::Number(7.5), text("many")] {
            assert_eq!(figure(Field::Requests, None, &scalar), None, "{scalar:?}");
        }
        assert_eq!(figure(Field::Pid, None, &Scalar::Unsigned(1 << 40)), None);
    }
}
