//! One word for where a target stands, for people who look at many: the verdict, unless nobody can be asked.

use std::fmt;

use crate::leak::verdict::State;
use crate::status::TargetStatus;

/// Where a target stands, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// An episode is open and the leak goes on.
    Leaking,
    /// Its polls fail: it was called down, or it has never been read.
    NotAnswering,
    /// Growth that has not yet lasted long enough.
    Suspected,
    /// A fix is being watched.
    Recovering,
    /// Too little or too contradictory data.
    NotJudged,
    /// Too early in this life.
    WarmingUp,
    /// heapwatch has just started and has not asked it yet.
    NotPolled,
    /// Nothing grows beyond its plateau.
    Steady,
}

impl Standing {
    /// Every standing, the most urgent first.
    pub const ALL: [Self; 8] = [
        Self::Leaking,
        Self::NotAnswering,
        Self::Suspected,
        Self::Recovering,
        Self::NotJudged,
        Self::WarmingUp,
        Self::NotPolled,
        Self::Steady,
    ];

    /// Where a target stands. What is said of an open episode holds while the target is silent; of anything else a
    /// silent target cannot be said.
    pub fn of(status: &TargetStatus) -> Self {
        let watch = &status.watch;
        let state = watch.verdict.as_ref().map(|verdict| verdict.state);
        let is_silent = watch.is_down || (watch.failed_polls > 0 && watch.sample.is_none());
        match state {
            Some(State::Leaking) => Self::Leaking,
            Some(State::Recovering) => Self::Recovering,
            _ if is_silent => Self::NotAnswering,
            _ if watch.polls == 0 && watch.sample.is_none() => Self::NotPolled,
            Some(State::Suspected) => Self::Suspected,
            Some(State::NotJudged) => Self::NotJudged,
            Some(State::Steady) => Self::Steady,
            Some(State::WarmingUp) | None => Self::WarmingUp,
        }
    }

    /// Whether growth and the time to the limit say something of a target that stands here.
    pub const fn grows(self) -> bool {
        matches!(self, Self::Leaking | Self::Suspected)
    }

    /// The name for programs: `not_answering`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leaking => "leaking",
            Self::NotAnswering => "not_answering",
            Self::Suspected => "suspected",
            Self::Recovering => "recovering",
            Self::NotJudged => "not_judged",
            Self::WarmingUp => "warming_up",
            Self::NotPolled => "not_polled",
            Self::Steady => "steady",
        }
    }

    /// The standing of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.name() == name)
    }
}

/// For people: `not answering`.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name().replace('_', " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::leak::verdict::Verdict;
    use crate::sample::Sample;
    use crate::status::{CareStatus, WatchStatus};
    use crate::target::{Labels, TargetName};

    fn check(watch: WatchStatus, expected: Standing, why: &str) {
        let name = TargetName::new("api").unwrap();
        let status =
            TargetStatus { name, labels: Labels::new(), url: String::new(), watch, care: CareStatus::default() };
        assert_eq!(Standing::of(&status), expected, "{why}");
    }

    fn judged(state: State) -> WatchStatus {
        let at = Timestamp::from_unix_ms(0);
        let verdict = Verdict { state, since: at, signal: None, growth: None, reasons: Vec::new() };
        WatchStatus { verdict: Some(verdict), sample: Some(Sample::empty(at)), polls: 9, ..WatchStatus::default() }
    }

    #[test]
    fn a_target_that_cannot_be_asked_is_not_called_healthy() {
        let failing = |watch: WatchStatus| WatchStatus { failed_polls: 2, ..watch };
        let never_read = failing(WatchStatus { sample: None, ..judged(State::WarmingUp) });
        check(never_read, Standing::NotAnswering, "warming up is said of a process, and none was seen");
        let down = WatchStatus { is_down: true, ..failing(judged(State::Steady)) };
        check(down, Standing::NotAnswering, "it was steady when it was last seen");
        check(failing(judged(State::Steady)), Standing::Steady, "a poll or two that fail are no outage");
        let down = WatchStatus { is_down: true, ..failing(judged(State::Leaking)) };
        check(down, Standing::Leaking, "an open episode is the worse news");
    }

    #[test]
    fn a_verdict_stands_for_itself() {
        check(WatchStatus::default(), Standing::NotPolled, "before the first poll");
        check(judged(State::Suspected), Standing::Suspected, "");
        check(judged(State::NotJudged), Standing::NotJudged, "");
        check(judged(State::WarmingUp), Standing::WarmingUp, "");
        check(judged(State::Recovering), Standing::Recovering, "");
    }

    #[test]
    fn names_lead_back_to_their_standing() {
        for standing in Standing::ALL {
            assert_eq!(Standing::from_name(standing.name()), Some(standing));
        }
        assert_eq!(Standing::from_name("fine"), None);
    }
}
