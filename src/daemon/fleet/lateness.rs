//! What the log says when polls begin late or are skipped: how many, and what to change.

use std::time::Duration;

use tracing::warn;

use crate::clock::Timestamp;
use crate::daemon::schedule::Tick;

/// Lateness that has not been told yet.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    late: u64,
    skipped: u64,
    longest: Duration,
    told: Option<Timestamp>,
}

/// A poll that begins this much after it was due is late: readings are minutes apart, and a second moves no floor.
const LATE: Duration = Duration::from_secs(1);
/// Once in so long it is worth a line.
const QUIET: Duration = Duration::from_mins(10);

impl Lateness {
    /// A poll begins; says in the log what there is to say.
    pub(super) fn note(&mut self, tick: Tick, now: Timestamp) {
        if let Some(advice) = self.count(tick, now) {
            warn!(
                late = self.late,
                skipped = self.skipped,
                "{} polls began late, by {} at most, and {} were skipped: {advice}",
                self.late,
                humantime::format_duration(Duration::from_secs(self.longest.as_secs())),
                self.skipped
            );
            *self = Self { told: Some(now), ..Self::default() };
        }
    }

    /// Counts; what to change, where it is time to say so.
    fn count(&mut self, tick: Tick, now: Timestamp) -> Option<&'static str> {
        let late_by = now.since(tick.at);
        self.late += u64::from(late_by >= LATE);
        self.skipped += tick.skipped;
        self.longest = self.longest.max(late_by);
        if self.late + self.skipped == 0 || self.told.is_some_and(|told| now.since(told) < QUIET) {
            return None;
        }
        Some(if self.late > 0 {
            "this machine has too little processor for so many targets; lengthen `interval`, watch fewer, or give it more"
        } else {
            "targets take longer than their interval to answer; shorten their `timeout`, or lengthen `interval`"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_760_000_000_000).plus(Duration::from_secs(seconds))
    }

    fn tick(seconds: u64, skipped: u64) -> Tick {
        Tick { at: at(seconds), skipped }
    }

    #[test]
    fn what_to_change_depends_on_who_is_slow_and_is_told_once_in_a_while() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.count(tick(0, 0), at(0)), None, "all is well");
        assert!(lateness.count(tick(30, 1), at(30)).is_some_and(|advice| advice.contains("timeout")));
        lateness.note(tick(60, 1), at(60));
        assert_eq!(lateness.count(tick(90, 0), at(95)), None, "told a moment ago");
        assert!(lateness.count(tick(700, 0), at(700)).is_some_and(|advice| advice.contains("processor")));
    }
}
