//! The one place that reads clocks. Everything else takes `now: Timestamp`.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::clock::Timestamp;

/// A running clock: a steady line that no clock step moves, and the wall clock beside it.
///
/// The steady line starts at the wall time of the start, so it reads like Unix time, and it never runs behind what
/// an earlier run of the daemon has stored, so a clock set back while heapwatch was down reorders nothing.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    steady_at_start_ms: i64,
}

impl Clock {
    /// Starts a clock that continues after `last_stored`, the newest timestamp that an earlier run left behind.
    pub fn start(last_stored: Option<Timestamp>) -> Self {
        let wall_ms = wall_ms();
        let earliest = last_stored.map_or(i64::MIN, Timestamp::steady_ms);
        Self { started: Instant::now(), steady_at_start_ms: wall_ms.max(earliest) }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_lines(self.steady_at_start_ms.saturating_add(elapsed), wall_ms())
    }

    /// When the runtime's clock shows `at`; used to sleep until a point on the steady line.
    pub fn instant_of(&self, at: Timestamp) -> Instant {
        let ahead = at.since(self.now());
        Instant::now() + ahead
    }
}

/// Unix milliseconds as the system's clock has them; zero before 1970.
#[expect(clippy::disallowed_methods, reason = "this file is where the wall clock is read")]
fn wall_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_steady_line_counts_elapsed_time() {
        let clock = Clock::start(None);
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().since(before), Duration::from_secs(90));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_set_back_while_down_does_not_reorder_what_is_stored() {
        let year_3000 = Timestamp::from_unix_ms(32_503_680_000_000);
        let clock = Clock::start(Some(year_3000));
        assert!(!clock.now().is_before(year_3000));
    }
}
