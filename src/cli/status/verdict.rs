//! The verdict of a target in one cell: how far the watch over a fix has come, and how often it was killed.

use crate::leak::verdict::State;
use crate::status::{TargetStatus, Verification};

/// `recovering, 12.5 of 48 h watched`, or why nothing is known.
pub(super) fn cell(status: &TargetStatus) -> String {
    let watch = &status.watch;
    if let Some(why) = &watch.last_failure {
        return format!("not answering: {why}");
    }
    let state = watch.verdict.as_ref().map_or(State::WarmingUp, |verdict| verdict.state);
    let watched = watch.verification.filter(|_| state == State::Recovering).map(|fix| watched(&fix));
    let kills = match status.care.kills_this_week {
        0 => None,
        1 => Some("killed once this week".to_owned()),
        kills => Some(format!("killed {kills} times this week")),
    };
    [Some(state.to_string()), watched, kills].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn watched(fix: &Verification) -> String {
    let (seconds, of) = (fix.watched_seconds, fix.of_seconds);
    if of < 3600.0 {
        return format!("{seconds:.0} of {of:.0} s watched");
    }
    format!("{:.1} of {:.0} h watched", seconds / 3600.0, of / 3600.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::leak::verdict::Verdict;
    use crate::status::{CareStatus, WatchStatus};
    use crate::target::{Labels, TargetName};

    fn check(state: State, watched: Option<(f64, f64)>, kills_this_week: u32, expected: &str) {
        let verdict =
            Verdict { state, since: Timestamp::from_unix_ms(0), signal: None, growth: None, reasons: Vec::new() };
        let verification = watched.map(|(watched_seconds, of_seconds)| Verification { watched_seconds, of_seconds });
        let watch = WatchStatus { verdict: Some(verdict), verification, ..WatchStatus::default() };
        let care = CareStatus { kills_this_week, ..CareStatus::default() };
        let name = TargetName::new("api").unwrap();
        let status = TargetStatus { name, labels: Labels::new(), url: String::new(), watch, care };
        assert_eq!(cell(&status), expected);
    }

    #[test]
    fn the_watch_over_a_fix_counts_up_to_its_end() {
        check(State::Steady, None, 0, "steady");
        check(State::Recovering, Some((45_000.0, 172_800.0)), 0, "recovering, 12.5 of 48 h watched");
        check(State::Recovering, Some((12.0, 60.0)), 0, "recovering, 12 of 60 s watched");
        check(
            State::Recovering,
            Some((0.0, 172_800.0)),
            3,
            "recovering, 0.0 of 48 h watched, killed 3 times this week",
        );
        check(State::Leaking, None, 1, "leaking, killed once this week");
    }
}
