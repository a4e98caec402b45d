//! When a snapshot is due: two of one life, a pair gap apart; a restart between them starts the pair anew.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::event::PairPart;

/// Where the pair of an episode stands. What is asked for is not yet there: only a snapshot that is stored counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Pair {
    /// Nothing has been asked for.
    #[default]
    Idle,
    /// A baseline was asked for in this life.
    Baseline { life: u64 },
    /// The first was asked for; the gap runs from `from`.
    First { life: u64, from: Timestamp },
    /// The first was asked for and not stored; it is asked for again one gap after `from`.
    Failed { life: u64, from: Timestamp },
    /// The second was asked for.
    Second { life: u64 },
    /// The second was asked for and not stored; it is asked for again one gap after `from`.
    SecondFailed { life: u64, from: Timestamp },
    /// Both are stored.
    Complete { life: u64 },
}

impl Pair {
    /// Growth is evident in this life: asks for the first snapshot unless this life has had it.
    pub(crate) fn on_leak(&mut self, life: u64, now: Timestamp) -> Option<PairPart> {
        match *self {
            Self::First { life: seen, .. }
            | Self::Failed { life: seen, .. }
            | Self::Second { life: seen }
            | Self::SecondFailed { life: seen, .. }
                if seen == life =>
            {
                None
            }
            // A pair that is whole is evidence enough for one episode.
            Self::Complete { .. } => None,
            _ => {
                *self = Self::First { life, from: now };
                Some(PairPart::First)
            }
        }
    }

    /// A healthy life has warmed up: asks for its baseline, once.
    pub(crate) fn on_warm(&mut self, life: u64) -> Option<PairPart> {
        let asked = match *self {
            Self::Idle => false,
            Self::Baseline { life: seen } => seen == life,
            _ => true,
        };
        if asked {
            return None;
        }
        *self = Self::Baseline { life };
        Some(PairPart::Baseline)
    }

    /// Time has passed within `life`.
    pub(crate) fn on_time(&mut self, life: u64, now: Timestamp, gap: Duration) -> Option<PairPart> {
        let is_due = |seen: u64, from: Timestamp| seen == life && now.since(from) >= gap;
        match *self {
            Self::First { life: seen, from } | Self::SecondFailed { life: seen, from } if is_due(seen, from) => {
                *self = Self::Second { life };
                Some(PairPart::Second)
            }
            Self::Failed { life: seen, from } if is_due(seen, from) => {
                *self = Self::First { life, from: now };
                Some(PairPart::First)
            }
            _ => None,
        }
    }

    /// A capture is over: the gap runs from the snapshot, not from the wish for it. After a failure the caller tries
    /// again by itself, and that one counts as well.
    pub(crate) fn on_captured(&mut self, part: PairPart, stored: bool, now: Timestamp) {
        *self = match (part, stored, *self) {
            (PairPart::First, true, Self::First { life, .. } | Self::Failed { life, .. }) => {
                Self::First { life, from: now }
            }
            (PairPart::First, false, Self::First { life, .. } | Self::Failed { life, .. }) => {
                Self::Failed { life, from: now }
            }
            // A person may have asked for it before it was due.
            (
                PairPart::Second,
                true,
                Self::First { life, .. } | Self::Second { life } | Self::SecondFailed { life, .. },
            ) => Self::Complete { life },
            (PairPart::Second, false, Self::Second { life } | Self::SecondFailed { life, .. }) => {
                Self::SecondFailed { life, from: now }
            }
            (_, _, unchanged) => unchanged,
        };
    }

    /// The process was restarted: half a pair is none.
    pub(crate) fn on_restart(&mut self) {
        if !matches!(self, Self::Complete { .. }) {
            *self = Self::Idle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_mins(30);

    fn minute(minutes: i64) -> Timestamp {
        Timestamp::from_unix_ms(minutes * 60_000)
    }

    #[test]
    fn the_second_follows_one_gap_after_the_first_was_stored() {
        let mut pair = Pair::default();
        assert_eq!(pair.on_leak(1, minute(0)), Some(PairPart::First));
        assert_eq!(pair.on_leak(1, minute(1)), None, "asked for once");
        pair.on_captured(PairPart::First, true, minute(4));
        assert_eq!(pair.on_time(1, minute(33), GAP), None);
        assert_eq!(pair.on_time(1, minute(34), GAP), Some(PairPart::Second));
        assert_eq!(pair.on_time(1, minute(99), GAP), None, "asked for once");
        pair.on_captured(PairPart::Second, true, minute(99));
        pair.on_restart();
        assert_eq!(pair.on_leak(2, minute(100)), None, "a whole pair is enough for an episode");
    }

    #[test]
    fn a_restart_between_the_two_starts_the_pair_anew() {
        let mut pair = Pair::default();
        pair.on_leak(1, minute(0));
        pair.on_restart();
        assert_eq!(pair.on_time(2, minute(40), GAP), None, "not before growth is evident again");
        assert_eq!(pair.on_leak(2, minute(50)), Some(PairPart::First));
        assert_eq!(pair.on_time(2, minute(80), GAP), Some(PairPart::Second));
    }

    /// A pair used to count as whole when its second was asked for. A process that was killed before that was stored
    /// was then given up: the episode had one snapshot, and no culprit.
    #[test]
    fn a_restart_before_the_second_is_stored_starts_the_pair_anew() {
        let mut pair = Pair::default();
        pair.on_leak(1, minute(0));
        pair.on_captured(PairPart::First, true, minute(1));
        assert_eq!(pair.on_time(1, minute(31), GAP), Some(PairPart::Second));
        assert_eq!(pair.on_leak(1, minute(32)), None, "asked for once");
        pair.on_restart();
        assert_eq!(pair.on_leak(2, minute(50)), Some(PairPart::First));
    }

    #[test]
    fn a_second_that_was_not_stored_is_asked_for_again() {
        let mut pair = Pair::default();
        pair.on_leak(1, minute(0));
        pair.on_captured(PairPart::First, true, minute(0));
        pair.on_time(1, minute(30), GAP);
        pair.on_captured(PairPart::Second, false, minute(31));
        assert_eq!(pair.on_time(1, minute(60), GAP), None);
        assert_eq!(pair.on_time(1, minute(61), GAP), Some(PairPart::Second));
        pair.on_captured(PairPart::Second, true, minute(62));
        assert_eq!(pair, Pair::Complete { life: 1 });
    }

    /// A baseline that was still being taken when growth became evident counted as the first snapshot of the pair.
    #[test]
    fn a_baseline_is_no_first() {
        let mut pair = Pair::default();
        pair.on_warm(1);
        pair.on_leak(1, minute(0));
        pair.on_captured(PairPart::Baseline, true, minute(9));
        assert_eq!(pair.on_time(1, minute(30), GAP), Some(PairPart::Second), "the gap runs from the wish");
        let mut pair = Pair::First { life: 1, from: minute(0) };
        pair.on_captured(PairPart::Baseline, false, minute(9));
        assert_eq!(pair, Pair::First { life: 1, from: minute(0) });
    }

    #[test]
    fn a_person_may_complete_the_pair() {
        let mut pair = Pair::First { life: 1, from: minute(0) };
        pair.on_captured(PairPart::Second, true, minute(9));
        assert_eq!(pair.on_time(1, minute(99), GAP), None);
    }

    #[test]
    fn a_first_that_was_not_stored_is_asked_for_again() {
        let mut pair = Pair::default();
        pair.on_leak(1, minute(0));
        pair.on_captured(PairPart::First, false, minute(1));
        assert_eq!(pair.on_time(1, minute(31), GAP), Some(PairPart::First));
        assert_eq!(pair.on_time(1, minute(61), GAP), Some(PairPart::Second));
    }

    /// The capture is tried again long before a gap has passed. A first that was stored at last used to be forgotten,
    /// and another first was taken in the place of the second.
    #[test]
    fn a_first_that_is_stored_at_the_second_try_is_followed_by_the_second() {
        let mut pair = Pair::default();
        pair.on_leak(1, minute(0));
        pair.on_captured(PairPart::First, false, minute(1));
        pair.on_captured(PairPart::First, true, minute(6));
        assert_eq!(pair.on_time(1, minute(35), GAP), None);
        assert_eq!(pair.on_time(1, minute(36), GAP), Some(PairPart::Second));
    }

    #[test]
    fn each_life_has_one_baseline() {
        let mut pair = Pair::default();
        assert_eq!(pair.on_warm(1), Some(PairPart::Baseline));
        assert_eq!(pair.on_warm(1), None);
        pair.on_restart();
        assert_eq!(pair.on_warm(2), Some(PairPart::Baseline));
        assert_eq!(pair.on_leak(2, minute(5)), Some(PairPart::First));
    }
}
