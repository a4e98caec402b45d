//! When a snapshot is due: two of one life, a pair gap apart; a restart between them starts the pair anew.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::event::PairPart;

/// Where the pair of an episode stands.
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
    /// Both were asked for.
    Complete { life: u64 },
}

impl Pair {
    /// Growth is evident in this life: asks for the first snapshot unless this life has had it.
    pub(crate) fn on_leak(&mut self, life: u64, now: Timestamp) -> Option<PairPart> {
        match *self {
            Self::First { life: seen, .. } | Self::Failed { life: seen, .. } if seen == life => None,
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
        match *self {
            Self::First { life: seen, from } if seen == life && now.since(from) >= gap => {
                *self = Self::Complete { life };
                Some(PairPart::Second)
            }
            Self::Failed { life: seen, from } if seen == life && now.since(from) >= gap => {
                *self = Self::First { life, from: now };
                Some(PairPart::First)
            }
            _ => None,
        }
    }

    /// A capture is over: the gap runs from the snapshot, not from the wish for it.
    pub(crate) fn on_captured(&mut self, stored: bool, now: Timestamp) {
        // After a failure the caller tries again by itself, and that one counts as well.
        if let Self::First { life, .. } | Self::Failed { life, .. } = *self {
            *self = if stored { Self::First { life, from: now } } else { Self::Failed { life, from: now } };
        }
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
        pair.on_captured(true, minute(4));
        assert_eq!(pair.on_time(1, minute(33), GAP), None);
        assert_eq!(pair.on_time(1, minute(34), GAP), Some(PairPart::Second));
        assert_eq!(pair.on_time(1, minute(99), GAP), None, "asked for once");
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

    #[test]
    fn a_first_that_was_not_stored_is_asked_for_again() {
        let mut pair = Pair::default();
        pair.on_leak(1, minute(0));
        pair.on_captured(false, minute(1));
        assert_eq!(pair.on_time(1, minute(31), GAP), Some(PairPart::First));
        assert_eq!(pair.on_time(1, minute(61), GAP), Some(PairPart::Second));
    }

    /// The capture is tried again long before a gap has passed. A first that was stored at last used to be forgotten,
    /// and another first was taken in the place of the second.
    #[test]
    fn a_first_that_is_stored_at_the_second_try_is_followed_by_the_second() {
        let mut pair = Pair::default();
        pair.on_leak(1, minute(0));
        pair.on_captured(false, minute(1));
        pair.on_captured(true, minute(6));
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
