//! When a target is polled: every interval, at a phase of its own, never twice at once.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

/// The ticks of one target on the steady line.
///
/// A tick that is due while the poll before it still runs is skipped, not queued: the next reading would only repeat
/// what the late one says, and a target in trouble gets no burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval_ms: i64,
    phase_ms: i64,
}

/// The next tick, and how many were skipped to get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// When it is due.
    pub at: Timestamp,
    /// Ticks that came due since the last one and will not run.
    pub skipped: u64,
}

impl Schedule {
    /// Spreads targets over the interval by their names, the same on every run.
    ///
    /// The interval has a few hundred slots, 50 ms apart in 30 s: thousands of targets share them and wake the processor
    /// together, which takes half as much as when each poll finds its caches cold.
    pub fn new(name: &str, interval: Duration) -> Self {
        const SLOTS: i64 = 600;
        let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let slot_ms = (interval_ms / SLOTS).max(1);
        let digest = Sha256::digest(name.as_bytes());
        let spread = digest.iter().take(6).fold(0i64, |number, byte| number << 8 | i64::from(*byte));
        Self { interval_ms, phase_ms: spread % (interval_ms / slot_ms) * slot_ms }
    }

    /// The first tick after `now`; `last` is the tick that ran before, if any.
    pub fn next(&self, last: Option<Timestamp>, now: Timestamp) -> Tick {
        let cycles = (now.steady_ms() - self.phase_ms).div_euclid(self.interval_ms) + 1;
        let due_ms = cycles.saturating_mul(self.interval_ms).saturating_add(self.phase_ms);
        let wait = u64::try_from(due_ms.saturating_sub(now.steady_ms())).unwrap_or(0);
        let skipped = last.map_or(0, |last| {
            let passed = (due_ms - last.steady_ms()) / self.interval_ms;
            u64::try_from(passed - 1).unwrap_or(0)
        });
        Tick { at: now.plus(Duration::from_millis(wait)), skipped }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HALF_MINUTE: Duration = Duration::from_secs(30);

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    #[test]
    fn ticks_keep_their_phase_over_restarts() {
        let schedule = Schedule::new("checkout-api", HALF_MINUTE);
        let first = schedule.next(None, at(1_760_000_000_000));
        let later = schedule.next(None, at(1_760_000_000_000 + 7 * 30_000));
        assert_eq!(later.at.since(first.at), HALF_MINUTE * 7);
    }

    #[test]
    fn ten_thousand_targets_make_no_burst() {
        let mut per_second = [0u32; 30];
        for number in 0..10_000 {
            let schedule = Schedule::new(&format!("target-{number}"), HALF_MINUTE);
            per_second[usize::try_from(schedule.phase_ms / 1000).unwrap()] += 1;
        }
        // 333 expected in each second; six standard deviations of a fair spread are 110.
        assert!(per_second.iter().all(|count| (223..=443).contains(count)), "{per_second:?}");
    }

    #[test]
    fn late_ticks_are_skipped_and_counted() {
        let schedule = Schedule::new("a", HALF_MINUTE);
        let first = schedule.next(None, at(1_760_000_000_000));
        let on_time = schedule.next(Some(first.at), first.at.plus(Duration::from_secs(2)));
        assert_eq!((on_time.at.since(first.at), on_time.skipped), (HALF_MINUTE, 0));
        let late = schedule.next(Some(first.at), first.at.plus(Duration::from_secs(70)));
        assert_eq!((late.at.since(first.at), late.skipped), (HALF_MINUTE * 3, 2));
    }

    proptest! {
        #[test]
        fn the_next_tick_is_within_one_interval(name in "[a-z]{1,12}", interval_ms in 1u64..100_000, now in 0i64..4_000_000_000_000) {
            let interval = Duration::from_millis(interval_ms);
            let tick = Schedule::new(&name, interval).next(None, at(now));
            prop_assert!(at(now).is_before(tick.at));
            prop_assert!(tick.at.since(at(now)) <= interval);
        }
    }
}
