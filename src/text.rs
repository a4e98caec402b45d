//! Text from targets is hostile: here it is cleaned, capped and escaped. And spans of time, as people say them.

use std::time::Duration;

use serde_json::Value;

/// One line of at most `longest` characters: control characters, line breaks and the invisible characters that turn
/// or hide text become spaces, runs of white space become one, and a cut shows as `…`.
pub fn line(text: &str, longest: usize) -> String {
    let mut cleaned = String::with_capacity(text.len().min(longest.saturating_mul(4)));
    let mut length = 0;
    for word in text.split(is_separator).filter(|word| !word.is_empty()) {
        let gap = usize::from(length > 0);
        for c in std::iter::repeat_n(' ', gap).chain(word.chars()) {
            if length == longest {
                cleaned.pop();
                cleaned.push('…');
                return cleaned;
            }
            cleaned.push(c);
            length += 1;
        }
    }
    cleaned
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || c.is_control() || is_invisible(c)
}

/// Characters that a reader cannot see but that change what is seen: direction overrides, joiners, the byte order
/// mark, interlinear annotations, tags (Unicode Standard, 23.2 and 23.9).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Applies [`line()`] to every text within a JSON value; the keys are ours.
pub fn clean_json(value: &mut Value, longest: usize) {
    match value {
        Value::String(text) => *text = line(text, longest),
        Value::Array(items) => items.iter_mut().for_each(|item| clean_json(item, longest)),
        Value::Object(members) => members.values_mut().for_each(|member| clean_json(member, longest)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The two largest units: `45 s`, `12 min`, `6 h 20 min`, `3 days 4 h`.
pub fn span(span: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 3600;
    const DAY: u64 = 86_400;
    let seconds = span.as_secs();
    let two = |large: u64, name: &str, small: u64, small_name: &str| match small {
        0 => format!("{large} {name}"),
        _ => format!("{large} {name} {small} {small_name}"),
    };
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        // Up to two days in hours: "in 30 h" is easier to reckon with than "in 1 day 6 h".
        HOUR..172_800 => two(seconds / HOUR, "h", seconds % HOUR / MINUTE, "min"),
        _ => two(seconds / DAY, "days", seconds % DAY / HOUR, "h"),
    }
}

/// As [`span()`], of a number of seconds that may be no time at all.
pub fn span_of_seconds(seconds: f64) -> Option<String> {
    Duration::try_from_secs_f64(seconds).ok().map(span)
}

/// Two lower-case digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_hides_nothing_and_breaks_nowhere() {
        for (text, expected, why) in [
            ("plain words", "plain words", "stays"),
            ("  a\n\tb\r\nc  ", "a b c", "line breaks would fake log lines"),
            ("a\u{1b}[31mred\u{7}", "a [31mred", "terminal escapes"),
            ("user\u{202e}cba", "user cba", "direction overrides"),
            ("", "", "empty"),
            ("äöü€😀x", "äöü€😀x", "six characters, not bytes"),
            ("1234567", "12345…", "cut"),
            ("12345 7", "12345…", "cut at a space"),
        ] {
            let longest = if why.starts_with("cut") || why.starts_with("six") { 6 } else { 100 };
            assert_eq!(line(text, longest), expected, "{why}");
        }
        assert_eq!(line("ab", 0), "…");
        assert_eq!(hex(&[0x00, 0x9f, 0xff]), "009fff");
    }

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_600, "1 h"),
            (22_800, "6 h 20 min"),
            (108_000, "30 h"),
            (273_600, "3 days 4 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
        for nonsense in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert_eq!(span_of_seconds(nonsense), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_bounded_visible_line(text in ".{0,200}|\\PC{0,50}|(?s:.{0,50})", longest in 1usize..80) {
            let cleaned = line(&text, longest);
            prop_assert!(cleaned.chars().count() <= longest);
            prop_assert!(!cleaned.chars().any(|c| c.is_control() || is_invisible(c)));
            prop_assert_eq!(line(&cleaned, longest), cleaned.clone(), "cleaning twice changes nothing");
        }
    }
}
