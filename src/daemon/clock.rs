//! The one place that reads clocks. Everything else takes `now: Timestamp`.

use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::clock::{Anchor, Timestamp};
use crate::store::Store;

/// A running clock: a steady line that no clock step moves, and the wall clock beside it.
///
/// The steady line starts at the wall time of the very first start, so it reads like Unix time until the wall clock is
/// set. A later run of the daemon goes on with it, see [`Clock::resume`].
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    steady_at_start_ms: i64,
}

/// No absence is taken for longer than this on the word of the wall clock alone: after a boot it may be years ahead, and
/// all that is kept would be too old at once.
const LONGEST_ABSENCE_MS: i64 = 7 * 24 * 3_600_000;

impl Clock {
    /// Starts a clock whose two lines agree.
    pub fn start() -> Self {
        Self { started: Instant::now(), steady_at_start_ms: wall_ms() }
    }

    /// Starts a clock whose steady line goes on where an earlier run of the daemon has left it: by the system's own
    /// count of time where the system has not been booted since, else by what the wall clock says has passed.
    pub fn resume(last_alive: Option<Timestamp>, anchor: Option<&Anchor>) -> Self {
        let steady_at_start_ms = continued(last_alive, anchor, boot().as_ref(), wall_ms());
        Self { started: Instant::now(), steady_at_start_ms }
    }

    /// The clock that the daemon of this store goes by: its own at its start, and that of commands that join it.
    pub fn of(store: &Store) -> Self {
        Self::resume(store.last_alive(), store.anchor())
    }

    /// Where the steady line stands, for [`Clock::resume`]; `None` where the system does not count its own time.
    pub fn anchor(&self) -> Option<Anchor> {
        let Boot { id, since_ms } = boot()?;
        Some(Anchor { boot: id, since_boot_ms: since_ms, steady_ms: self.now().steady_ms() })
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

/// The run of the system, and how long it has lasted.
struct Boot {
    id: String,
    since_ms: i64,
}

fn boot() -> Option<Boot> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
    let since = clock_gettime(ClockId::Boottime);
    let since_ms = since.tv_sec.checked_mul(1_000)?.checked_add(since.tv_nsec / 1_000_000)?;
    Some(Boot { id, since_ms })
}

/// The steady line now. It never runs behind what an earlier run has stored, so that nothing stored is reordered.
fn continued(last_alive: Option<Timestamp>, anchor: Option<&Anchor>, boot: Option<&Boot>, wall_ms: i64) -> i64 {
    let same_boot = anchor.zip(boot).filter(|(anchor, boot)| anchor.boot == boot.id);
    let counted = same_boot.and_then(|(anchor, boot)| {
        let passed = u64::try_from(boot.since_ms.checked_sub(anchor.since_boot_ms)?).ok()?;
        anchor.steady_ms.checked_add_unsigned(passed)
    });
    let Some(last) = last_alive else { return counted.unwrap_or(wall_ms) };
    let by_the_wall = || {
        let absence = wall_ms.saturating_sub(last.wall_ms()).clamp(0, LONGEST_ABSENCE_MS);
        last.steady_ms().saturating_add(absence)
    };
    counted.unwrap_or_else(by_the_wall).max(last.steady_ms())
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
        let clock = Clock::start();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().since(before), Duration::from_secs(90));
    }

    const LAST: Timestamp = Timestamp::from_lines(1_000_000, 1_700_000_000_000);
    const HOUR: i64 = 3_600_000;

    fn check(boot: &str, since_ms: i64, wall_passed: i64, expected_passed: i64) {
        let anchor = Anchor { boot: "first".into(), since_boot_ms: 50_000, steady_ms: 400_000 };
        let boot = Boot { id: boot.into(), since_ms };
        let now = continued(Some(LAST), Some(&anchor), Some(&boot), LAST.wall_ms() + wall_passed);
        assert_eq!(now - LAST.steady_ms(), expected_passed, "{} {since_ms} {wall_passed}", boot.id);
    }

    #[test]
    fn without_a_boot_in_between_the_wall_clock_has_no_say() {
        // 600 s of the anchored line had passed when the last thing was stored.
        for wall_passed in [-5 * HOUR, 0, 30_000, 5 * HOUR] {
            check("first", 650_000 + 30_000, wall_passed, 30_000);
        }
        check("first", 600_000, 0, 0);
    }

    #[test]
    fn after_a_boot_the_wall_clock_tells_how_long_the_absence_was() {
        check("second", 20_000, 30_000, 30_000);
        check("second", 20_000, -5 * HOUR, 0);
        check("second", 20_000, 1_000_000 * HOUR, LONGEST_ABSENCE_MS);
        check("first", 20_000, 30_000, 30_000);
    }

    #[test]
    fn a_first_start_reads_like_the_wall_clock() {
        assert_eq!(continued(None, None, None, 1_700_000_000_000), 1_700_000_000_000);
    }

    #[test]
    fn a_resumed_clock_goes_on_from_its_anchor() {
        let hours_behind = Timestamp::from_lines(wall_ms() - 5 * HOUR, wall_ms());
        let anchor = Clock::resume(Some(hours_behind), None).anchor().unwrap();
        let resumed = Clock::resume(None, Some(&anchor)).now();
        assert!((anchor.steady_ms..anchor.steady_ms + 60_000).contains(&resumed.steady_ms()), "{resumed:?}");
    }
}
