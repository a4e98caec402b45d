//! Single values: text to durations, sizes and rates, and any value back to the text that a message shows.

use std::ops::RangeInclusive;
use std::time::Duration;

use figment::value::{Num, Value};

use crate::units::{ByteRate, ByteSize, SizeError};

/// Longest value that a message shows.
const SHOWN_CHARS: usize = 60;

/// Parses `30s`, `10m`, `1h 30m` or `2d`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    if text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text.trim() != "0" {
        return Err("needs a unit: ms, s, m, h or d".to_owned());
    }
    humantime::parse_duration(text.trim()).map_err(|error| match error {
        humantime::DurationError::UnknownUnit { unit, .. } => {
            format!("has the unknown unit `{}` (known are ms, s, m, h and d)", cut(&unit))
        }
        humantime::DurationError::NumberOverflow => "is longer than any duration can be".to_owned(),
        _ => "must be a duration with a unit: ms, s, m, h or d".to_owned(),
    })
}

/// A duration as the configuration has it, in the widest unit that divides it: `30s`, `90m`, `48h`, `30d`.
pub(super) fn show_duration(duration: Duration) -> String {
    const DAY: u64 = 86_400;
    match (duration.as_secs(), duration.subsec_nanos()) {
        (0, 0) => "0s".to_owned(),
        (seconds, 0) if seconds % DAY == 0 && seconds > 2 * DAY => format!("{}d", seconds / DAY),
        (seconds, 0) if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (seconds, 0) if seconds % 60 == 0 => format!("{}m", seconds / 60),
        (seconds, 0) => format!("{seconds}s"),
        _ => humantime::format_duration(duration).to_string(),
    }
}

/// Parses `64MiB` or `512 MB`.
pub(super) fn parse_size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|error| match error {
        SizeError::NoUnit => "needs a unit: B, KiB, MiB, GiB or TiB, or KB, MB, GB or TB".to_owned(),
        SizeError::UnknownUnit(unit) => {
            format!("has the unknown unit `{}` (known are B, KiB, MiB, GiB, TiB, KB, MB, GB and TB)", cut(&unit))
        }
        SizeError::NotASize => "must be a size with a unit: B, KiB, MiB, GiB or TiB, or KB, MB, GB or TB".to_owned(),
    })
}

/// Parses a growth such as `700 KB/h` or `1MiB/min`.
pub(super) fn parse_rate(text: &str) -> Result<ByteRate, String> {
    let wrong = || "must be a size by a time: /s, /min, /h or /d".to_owned();
    let (size, time) = text.split_once('/').ok_or_else(wrong)?;
    let seconds = match time.trim() {
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" | "hour" => 3600.0,
        "d" | "day" => 86_400.0,
        _ => return Err(wrong()),
    };
    let size = parse_size(size)?;
    Ok(ByteRate::per_hour(size.bytes() as f64 * (3600.0 / seconds)))
}

/// Says which end of `allowed` is exceeded.
pub(super) fn within<T: PartialOrd>(
    value: T,
    allowed: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    if allowed.contains(&value) {
        Ok(value)
    } else if value > *allowed.end() {
        Err(format!("must be at most {}", show(allowed.end())))
    } else {
        Err(format!("must be at least {}", show(allowed.start())))
    }
}

/// What kind of value this is, for people.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "text",
        Value::Bool(..) => "true or false",
        Value::Num(..) => "a number",
        Value::Empty(..) => "nothing",
        Value::Dict(_, dict) if dict.keys().any(|key| key.starts_with("$__toml_private")) => "a date",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    }
}

/// A value as TOML, on one line, without control characters, cut to a readable length. Addresses are shown without
/// whatever in them may be a secret.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::String(_, text) => quoted(text),
        Value::Char(_, c) => quoted(&c.to_string()),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Num(_, number) => show_number(*number),
        Value::Empty(..) => String::new(),
        Value::Dict(_, dict) if dict.is_empty() => "{}".to_owned(),
        Value::Dict(..) => "{ … }".to_owned(),
        Value::Array(_, values) => match values.as_slice() {
            [] => "[]".to_owned(),
            [Value::Dict(..) | Value::Array(..), ..] => "[ … ]".to_owned(),
            values => cut(&format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(", "))),
        },
    }
}

fn show_number(number: Num) -> String {
    match (number.to_i128(), number.to_f64()) {
        (Some(whole), _) => whole.to_string(),
        (None, Some(float)) => format!("{float}"),
        (None, None) => number.to_u128().map(|whole| whole.to_string()).unwrap_or_default(),
    }
}

/// Text in quotes, as [`show`] has it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", cut(&mask_address(text)))
}

/// Of an address only scheme and host: users, passwords, paths and queries may be secrets.
fn mask_address(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (host, beyond) = rest.split_at(end);
    let host = host.rsplit_once('@').map_or_else(|| host.to_owned(), |(_, host)| format!("…@{host}"));
    let beyond = if beyond.len() > 1 { "/…" } else { beyond };
    format!("{scheme}://{host}{beyond}")
}

/// The beginning of a text, control characters and quotes escaped.
pub(super) fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).map(escape).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// A text without anything that plays with a terminal.
pub(super) fn escaped(text: &str) -> String {
    text.chars().map(escape).collect()
}

/// Control characters, and those that turn text around or hide, must not reach a terminal as they are.
fn escape(c: char) -> String {
    let hides = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if c.is_control() || hides { c.escape_default().to_string() } else { c.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_need_a_unit() {
        let check = |text: &str, expected: Result<u64, &str>| {
            let parsed = parse_duration(text).map(|duration| duration.as_secs());
            assert_eq!(parsed, expected.map_err(str::to_owned), "{text:?}");
        };
        check("30s", Ok(30));
        check("1h 30m", Ok(5400));
        check("2d", Ok(172_800));
        check("30", Err("needs a unit: ms, s, m, h or d"));
        check("1.5", Err("needs a unit: ms, s, m, h or d"));
        check("30 moons", Err("has the unknown unit `moons` (known are ms, s, m, h and d)"));
        check("", Err("needs a unit: ms, s, m, h or d"));
        check("soon", Err("must be a duration with a unit: ms, s, m, h or d"));
        check("-5s", Err("must be a duration with a unit: ms, s, m, h or d"));
        check("99999999999999999999y", Err("is longer than any duration can be"));
    }

    #[test]
    fn rates_are_sizes_by_a_time() {
        assert_eq!(parse_rate("700KB/h"), Ok(ByteRate::per_hour(700_000.0)));
        assert_eq!(parse_rate("1 KiB / min"), Ok(ByteRate::per_hour(61_440.0)));
        for wrong in ["700KB", "KB/h", "700KB/week", "/h", ""] {
            assert!(parse_rate(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn addresses_are_shown_without_what_may_be_secret() {
        let check = |text, expected: &str| assert_eq!(quoted(text), format!("\"{expected}\""));
        check("http://bob:hunter2@db:80/x?token=1", "http://…@db:80/…");
        check("ftp://host/", "ftp://host/");
        check("https://hooks.slack.com/services/T/B/x", "https://hooks.slack.com/…");
        check("/health", "/health");
        check("http://h?token=1", "http://h/…");
    }

    #[test]
    fn what_is_shown_cannot_play_with_the_terminal() {
        assert_eq!(quoted("a\x1b[31mb\u{202e}"), "\"a\\u{1b}[31mb\\u{202e}\"");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), SHOWN_CHARS + 3);
    }

    proptest! {
        #[test]
        fn shown_durations_parse_back(ms in 0_u64..10_000_000_000) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_a_value_or_a_sentence(text in ".*") {
            let sentences = [
                parse_duration(&text).err(),
                parse_size(&text).err(),
                parse_rate(&text).err(),
                Some(quoted(&text)),
            ];
            for sentence in sentences.into_iter().flatten() {
                prop_assert!(!sentence.is_empty() && !sentence.chars().any(char::is_control), "{sentence:?}");
            }
        }
    }
}
