//! Sizes and rates with units: parsed from what people and services write, printed as people read them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes. In the configuration `MB` is a million bytes and `MiB` is 1,048,576, as IEC 80000-13 has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// What `KB`, `MB` and `GB` stand for in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefixes {
    /// Powers of 1000: the standard's reading, used for the configuration.
    Decimal,
    /// Powers of 1024: what services mean that print `Math.round(bytes / 1024 / 1024) + ' MB'`.
    Binary,
}

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Nothing but a number, where a unit is demanded.
    #[error("has no unit (write for example \"64MiB\" or \"512 MB\")")]
    NoUnit,
    /// A unit that is not one of bytes.
    #[error("has the unknown unit `{0}` (known are B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)")]
    UnknownUnit(String),
    /// No number at the start, or more than fits 64 bits.
    #[error("is not a size (write for example \"64MiB\" or \"512 MB\")")]
    NotASize,
}

impl ByteSize {
    /// This many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many mebibytes; saturates.
    pub const fn mib(mebibytes: u64) -> Self {
        Self(mebibytes.saturating_mul(1 << 20))
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Parses a number with a unit, such as `64MiB`, `512 MB`, `1.5 GiB` or `496.01 MB`.
    pub fn parse(text: &str, prefixes: Prefixes) -> Result<Self, SizeError> {
        /// Above 2^53 an f64 no longer counts single bytes, and no process has 8 PiB.
        const LARGEST: f64 = 9_007_199_254_740_992.0;
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let number: f64 = number.parse().map_err(|_| SizeError::NotASize)?;
        let scale = scale_of(unit.trim(), prefixes)?;
        let bytes = number * scale;
        if bytes.is_finite() && bytes <= LARGEST {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= bytes <= 2^53")]
            Ok(Self(bytes.round() as u64))
        } else {
            Err(SizeError::NotASize)
        }
    }
}

fn scale_of(unit: &str, prefixes: Prefixes) -> Result<f64, SizeError> {
    let kilo: f64 = match prefixes {
        Prefixes::Decimal => 1000.0,
        Prefixes::Binary => 1024.0,
    };
    Ok(match unit.to_ascii_lowercase().as_str() {
        "" => return Err(SizeError::NoUnit),
        "b" | "byte" | "bytes" => 1.0,
        "k" | "kb" => kilo,
        "m" | "mb" => kilo.powi(2),
        "g" | "gb" => kilo.powi(3),
        "t" | "tb" => kilo.powi(4),
        "kib" => 1024.0,
        "mib" => 1024f64.powi(2),
        "gib" => 1024f64.powi(3),
        "tib" => 1024f64.powi(4),
        _ => return Err(SizeError::UnknownUnit(unit.chars().take(16).collect())),
    })
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, Prefixes::Decimal)
    }
}

/// Binary units with at most one decimal, two below 10: `512 MiB`, `1.25 GiB`, `96 B`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_binary(f, self.0 as f64)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|problem| de::Error::custom(format!("{text:?} {problem}")))
    }
}

/// A growth in bytes per second, positive upwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteRate(f64);

impl ByteRate {
    /// This many bytes per second.
    pub const fn per_second(bytes: f64) -> Self {
        Self(bytes)
    }

    /// This many bytes per hour.
    pub const fn per_hour(bytes: f64) -> Self {
        Self(bytes / 3600.0)
    }

    /// Bytes per second.
    pub const fn bytes_per_second(self) -> f64 {
        self.0
    }

    /// Bytes per hour.
    pub const fn bytes_per_hour(self) -> f64 {
        self.0 * 3600.0
    }
}

/// Per hour, the scale on which services leak: `50 MiB/h`.
impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_binary(f, self.bytes_per_hour())?;
        f.write_str("/h")
    }
}

fn write_binary(f: &mut fmt::Formatter<'_>, bytes: f64) -> fmt::Result {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = bytes;
    let mut unit = 0;
    while scaled.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let decimals = match scaled.abs() {
        _ if unit == 0 => 0,
        large if large >= 100.0 => 0,
        medium if medium >= 10.0 => 1,
        _ => 2,
    };
    let mut text = format!("{scaled:.decimals$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    write!(f, "{text} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, prefixes: Prefixes, expected: &Result<u64, SizeError>) {
        let size = ByteSize::parse(text, prefixes).map(ByteSize::bytes);
        assert_eq!(&size, expected, "{text:?}");
    }

    #[test]
    fn reads_what_people_write() {
        check("64MiB", Prefixes::Decimal, &Ok(64 << 20));
        check("512 MB", Prefixes::Decimal, &Ok(512_000_000));
        check("123 MB", Prefixes::Binary, &Ok(123 << 20));
        check("512KB", Prefixes::Binary, &Ok(512 << 10));
        check("1.2 GiB", Prefixes::Binary, &Ok(1_288_490_189));
        check(" 0 B ", Prefixes::Decimal, &Ok(0));
    }

    #[test]
    fn refuses_what_is_no_size() {
        check("12", Prefixes::Decimal, &Err(SizeError::NoUnit));
        check("MB", Prefixes::Decimal, &Err(SizeError::NotASize));
        check("-1 MB", Prefixes::Decimal, &Err(SizeError::NotASize));
        check("1e9 B", Prefixes::Decimal, &Err(SizeError::UnknownUnit("e9 B".into())));
        check("1..2 MB", Prefixes::Decimal, &Err(SizeError::NotASize));
        check("99999999999 TB", Prefixes::Decimal, &Err(SizeError::NotASize));
        check("5 moons", Prefixes::Decimal, &Err(SizeError::UnknownUnit("moons".into())));
    }

    #[test]
    fn prints_what_it_would_read() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (512 << 20, "512 MiB"),
            (1_342_177_280, "1.25 GiB"),
            (52_480_000, "50 MiB"),
            (53_000_000, "50.5 MiB"),
        ] {
            assert_eq!(ByteSize::new(bytes).to_string(), text);
        }
        assert_eq!(ByteRate::per_hour(52_428_800.0).to_string(), "50 MiB/h");
    }
}
