//! Points in time as plain values. Nothing here reads a clock: `daemon/clock.rs` does, and everything else is told.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One instant on two time lines, in milliseconds.
///
/// Intervals and slopes are taken on the *steady* line, which no clock step moves while heapwatch runs; people and
/// file names get the *wall* line (Unix time). A recorded trace has one column of time, so there both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    steady_ms: i64,
    wall_ms: i64,
}

/// Where the steady line stood when the system had run for so long: within the same run of the system, the line goes on
/// from here exactly, whatever the wall clock did meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The run of the system, which has another name after each boot.
    pub boot: String,
    /// Milliseconds since that boot, suspended time included.
    pub since_boot_ms: i64,
    /// The steady line then.
    pub steady_ms: i64,
}

impl Timestamp {
    /// A timestamp whose two lines agree: `unix_ms` milliseconds since 1970 in UTC.
    pub const fn from_unix_ms(unix_ms: i64) -> Self {
        Self { steady_ms: unix_ms, wall_ms: unix_ms }
    }

    /// A timestamp of a running clock: milliseconds on the steady line, and what the wall clock says.
    pub const fn from_lines(steady_ms: i64, wall_ms: i64) -> Self {
        Self { steady_ms, wall_ms }
    }

    /// From Unix seconds with a fraction; `None` where the number is no time (NaN, infinite, beyond the year 9999).
    pub fn from_unix_seconds(seconds: f64) -> Option<Self> {
        /// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
        const LAST_SECOND: f64 = 253_402_300_799.0;
        if !seconds.is_finite() || !(0.0..=LAST_SECOND).contains(&seconds) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range check above keeps it far below i64::MAX")]
        Some(Self::from_unix_ms((seconds * 1000.0).round() as i64))
    }

    /// Milliseconds on the steady line; differences between two of these are elapsed time.
    pub const fn steady_ms(self) -> i64 {
        self.steady_ms
    }

    /// Unix milliseconds as the wall clock had it.
    pub const fn wall_ms(self) -> i64 {
        self.wall_ms
    }

    /// Unix seconds of the wall line, for wire formats.
    pub fn unix_seconds(self) -> f64 {
        self.wall_ms as f64 / 1000.0
    }

    /// Time elapsed since `earlier`, zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        let elapsed = self.steady_ms.saturating_sub(earlier.steady_ms);
        Duration::from_millis(u64::try_from(elapsed).unwrap_or(0))
    }

    /// This instant plus `span` on both lines, saturating.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self { steady_ms: self.steady_ms.saturating_add(ms), wall_ms: self.wall_ms.saturating_add(ms) }
    }

    /// This instant less `span` on both lines, saturating.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self { steady_ms: self.steady_ms.saturating_sub(ms), wall_ms: self.wall_ms.saturating_sub(ms) }
    }

    /// True when this instant is earlier than `other` on the steady line.
    pub fn is_before(self, other: Self) -> bool {
        self.steady_ms < other.steady_ms
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.wall_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// The day for people, in UTC: `22 Nov`.
    pub fn to_day(self) -> String {
        self.to_jiff().strftime("%-d %b").to_string()
    }

    /// The time of day for people, in UTC: `10:24`.
    pub fn to_minute(self) -> String {
        self.to_jiff().strftime("%H:%M").to_string()
    }

    /// The time of day to the second, in UTC: `10:24:31`.
    pub fn to_second(self) -> String {
        self.to_jiff().strftime("%H:%M:%S").to_string()
    }

    /// Compact UTC form for file names, which sorts by time: `20261122T102431Z`.
    pub fn to_compact(self) -> String {
        self.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string()
    }
}

/// RFC 3339 in UTC with whole seconds: `2026-11-22T10:24:31Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_time_ignores_steps_of_the_wall_clock() {
        let before = Timestamp::from_lines(1_000, 1_700_000_000_000);
        let after_step_back = Timestamp::from_lines(31_000, 1_699_990_000_000);
        assert_eq!(after_step_back.since(before), Duration::from_secs(30));
        assert_eq!(before.since(after_step_back), Duration::ZERO);
    }

    #[test]
    fn prints_the_wall_line_in_utc() {
        let instant = Timestamp::from_unix_ms(1_760_000_000_000);
        assert_eq!(instant.to_string(), "2025-10-09T08:53:20Z");
        assert_eq!(instant.to_compact(), "20251009T085320Z");
        assert_eq!([instant.to_day(), instant.to_minute(), instant.to_second()], ["9 Oct", "08:53", "08:53:20"]);
    }

    #[test]
    fn numbers_that_are_no_time_are_refused() {
        for seconds in [f64::NAN, f64::INFINITY, -1.0, 1e18] {
            assert_eq!(Timestamp::from_unix_seconds(seconds), None, "{seconds}");
        }
        assert_eq!(Timestamp::from_unix_seconds(1.5), Some(Timestamp::from_unix_ms(1_500)));
    }
}
