//! Count-downs of a target: what will change by itself, and in how many seconds.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::status::TargetStatus;

/// Seconds from now; `None` where nothing counts down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Countdowns {
    /// Captures that the budget of 24 hours still allows.
    pub captures_left: u32,
    /// Until the budget allows one more.
    pub budget_frees_in_seconds: Option<f64>,
    /// Until another pair of snapshots may be begun.
    pub cooldown_ends_in_seconds: Option<f64>,
    /// Watching that a fix still needs until it counts as one.
    pub verified_in_seconds: Option<f64>,
    /// Until the memory limit is reached, at the slope that was fitted.
    pub limit_in_seconds: Option<f64>,
}

impl Countdowns {
    /// Those of a target at `now`.
    pub fn of(status: &TargetStatus, now: Timestamp) -> Self {
        let (watch, care) = (&status.watch, &status.care);
        let growth = watch.verdict.as_ref().and_then(|verdict| verdict.growth);
        // The forecast was made at the last floor.
        let limit = growth.and_then(|growth| Some(growth.limit_in_seconds? - now.since(growth.until).as_secs_f64()));
        let verified = watch.verification.map(|watch| (watch.of_seconds - watch.watched_seconds).max(0.0));
        Self {
            captures_left: care.daily_budget.saturating_sub(care.captures_last_day),
            budget_frees_in_seconds: care.budget_frees_at.map(|at| until(now, at)),
            cooldown_ends_in_seconds: care.cooldown_until.map(|at| until(now, at)).filter(|left| *left > 0.0),
            verified_in_seconds: verified,
            limit_in_seconds: limit.map(|seconds| seconds.max(0.0)),
        }
    }
}

fn until(now: Timestamp, at: Timestamp) -> f64 {
    at.since(now).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::leak::verdict::{Growth, State, Verdict};
    use crate::status::{CareStatus, Verification, WatchStatus};
    use crate::target::{Labels, TargetName};
    use crate::units::ByteRate;

    #[test]
    fn time_that_has_passed_counts() {
        let now = Timestamp::from_unix_ms(1_760_000_000_000);
        let ago = |seconds| now.minus(Duration::from_secs(seconds));
        let growth = Growth {
            slope: ByteRate::per_second(1.0),
            r2: None,
            from_bytes: 0,
            to_bytes: 100,
            since: ago(400),
            until: ago(300),
            limit_bytes: Some(1_000),
            limit_in_seconds: Some(900.0),
        };
        let verdict =
            Verdict { state: State::Leaking, since: now, signal: None, growth: Some(growth), reasons: Vec::new() };
        let verification = Some(Verification { watched_seconds: 60.0, of_seconds: 100.0 });
        let mut status = TargetStatus {
            name: TargetName::new("api").unwrap(),
            labels: Labels::new(),
            url: String::new(),
            watch: WatchStatus { verdict: Some(verdict), verification, ..WatchStatus::default() },
            care: CareStatus {
                daily_budget: 4,
                captures_last_day: 3,
                budget_frees_at: Some(now.plus(Duration::from_secs(50))),
                cooldown_until: Some(ago(1)),
                ..CareStatus::default()
            },
        };
        let expected = Countdowns {
            captures_left: 1,
            budget_frees_in_seconds: Some(50.0),
            cooldown_ends_in_seconds: None,
            verified_in_seconds: Some(40.0),
            limit_in_seconds: Some(600.0),
        };
        assert_eq!(Countdowns::of(&status, now), expected);
        status.care.captures_last_day = 9;
        assert_eq!(Countdowns::of(&status, now).captures_left, 0);
    }
}
