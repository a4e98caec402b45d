//! The pair of profiles of an episode: when one is due, and what became of it. Pure; written to the database with the
//! rest of what is known of a target.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::care::{BUDGET_WINDOW, Kept};
use crate::clock::Timestamp;
use crate::leak::event::PairPart;

/// Where the profiles of a target stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Profiling {
    stage: Stage,
    /// When profiles were asked for within the last day.
    asked: Vec<Timestamp>,
    /// Why this life of the process gives none: it has no such endpoint.
    absent: Option<String>,
    /// Why the last one could not be taken or stored.
    trouble: Option<String>,
    /// Names of the open episode's profiles, oldest first.
    pub(super) profiles: Vec<String>,
    /// The pair whose comparison is owed.
    pub(super) to_compare: Option<Box<(Kept, Kept)>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Stage {
    /// Nothing is due.
    #[default]
    Idle,
    /// The first is due from then on.
    First { not_before: Timestamp },
    /// The first is stored; the second, of the same life, is due from then on.
    Second { pair: String, first: Box<Kept>, life: Option<u64>, not_before: Timestamp },
    /// Both are stored, which is evidence enough for one episode.
    Complete,
}

impl Profiling {
    /// A leak is confirmed or goes on in a new life. A life without the endpoint is not asked again.
    pub(super) fn on_leak(&mut self, at: Timestamp) {
        if self.stage == Stage::Idle && self.absent.is_none() {
            self.stage = Stage::First { not_before: at };
        }
    }

    /// Which part is due of a process in this life. A pair is of one life: in another one it begins anew, once growth is
    /// evident there.
    pub(super) fn due(&mut self, life: Option<u64>, now: Timestamp) -> Option<PairPart> {
        let of_another_life = matches!(&self.stage, Stage::Second { life: first, .. } if *first != life);
        if of_another_life {
            self.stage = Stage::Idle;
        }
        match &self.stage {
            Stage::First { not_before } => (!now.is_before(*not_before)).then_some(PairPart::First),
            Stage::Second { not_before, .. } => (!now.is_before(*not_before)).then_some(PairPart::Second),
            Stage::Idle | Stage::Complete => None,
        }
    }

    /// What the pair is called: as when its first was asked for, or by this time.
    pub(super) fn pair_id(&self, target: &str, now: Timestamp) -> String {
        match &self.stage {
            Stage::Second { pair, .. } => pair.clone(),
            _ => format!("{target}-profiles-{}", now.to_compact()),
        }
    }

    /// How many were asked for within the last day.
    pub(super) fn asked_last_day(&mut self, now: Timestamp) -> u32 {
        self.asked.retain(|at| now.since(*at) < BUDGET_WINDOW);
        u32::try_from(self.asked.len()).unwrap_or(u32::MAX)
    }

    /// One is being asked for.
    pub(super) fn on_asked(&mut self, at: Timestamp) {
        self.asked.push(at);
    }

    /// It was not asked for after all.
    pub(super) fn call_off(&mut self, at: Timestamp) {
        self.asked.retain(|asked| *asked != at);
    }

    /// One is stored that was due.
    pub(super) fn on_stored(&mut self, kept: Kept, pair: String, life: Option<u64>, second_due: Timestamp) {
        self.trouble = None;
        self.stage = match std::mem::take(&mut self.stage) {
            Stage::First { .. } => Stage::Second { pair, first: Box::new(kept), life, not_before: second_due },
            Stage::Second { first, .. } => {
                self.to_compare = Some(Box::new((*first, kept)));
                Stage::Complete
            }
            other => other,
        };
    }

    /// One could not be taken; it is due again later. Whether that is news.
    pub(super) fn on_failed(&mut self, why: &str, again: Timestamp) -> bool {
        if let Stage::First { not_before } | Stage::Second { not_before, .. } = &mut self.stage {
            *not_before = again;
        }
        self.trouble.replace(why.to_owned()).as_deref() != Some(why)
    }

    /// The process has no such endpoint.
    pub(super) fn on_absent(&mut self, why: &str) {
        self.stage = Stage::Idle;
        self.absent = Some(why.to_owned());
        self.trouble = None;
    }

    /// A new life may have what the one before had not, and half a pair is none.
    pub(super) fn begin_life(&mut self) {
        self.absent = None;
        self.trouble = None;
        if self.stage != Stage::Complete {
            self.stage = Stage::Idle;
        }
    }

    /// An episode begins or ends: its pair is its own.
    pub(super) fn forget_pair(&mut self) {
        self.stage = Stage::Idle;
        self.trouble = None;
    }

    /// All but the count of the last day forgotten.
    pub(super) fn budget_only(self) -> Self {
        Self { asked: self.asked, ..Self::default() }
    }

    /// Where it stands, for people.
    pub(super) fn says(&self) -> Option<String> {
        let trouble = |due: String| match &self.trouble {
            Some(why) => format!("{due}; the last attempt failed: {why}"),
            None => due,
        };
        match (&self.stage, &self.absent) {
            (Stage::Idle, Some(why)) => Some(format!("this process has no profile endpoint: {why}")),
            (Stage::Idle, None) => None,
            (Stage::First { .. }, _) => Some(trouble("the first profile is due".to_owned())),
            (Stage::Second { not_before, .. }, _) => {
                Some(trouble(format!("the first profile is stored, the second is due at {not_before}")))
            }
            (Stage::Complete, _) => Some("two profiles are stored".to_owned()),
        }
    }
}

/// Time until a profile that failed is tried again, of the gap of a pair.
pub(super) fn retry(gap: Duration) -> Duration {
    /// As with snapshots.
    const PART: u32 = 6;
    gap / PART
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minutes: i64) -> Timestamp {
        Timestamp::from_unix_ms(minutes * 60_000)
    }

    fn kept(name: &str) -> Kept {
        Kept { name: name.into(), path: name.into() }
    }

    /// With its first stored in life 1 at minute 1.
    fn half() -> Profiling {
        let mut profiling = Profiling::default();
        profiling.on_leak(minute(0));
        profiling.on_stored(kept("a"), "p".into(), Some(1), minute(31));
        profiling
    }

    #[test]
    fn the_second_follows_one_gap_after_the_first_was_stored() {
        let mut profiling = Profiling::default();
        assert_eq!(profiling.due(Some(1), minute(0)), None, "nothing is confirmed");
        profiling.on_leak(minute(0));
        assert_eq!(profiling.due(Some(1), minute(0)), Some(PairPart::First));
        let mut profiling = half();
        assert_eq!(profiling.due(Some(1), minute(30)), None);
        assert_eq!(profiling.due(Some(1), minute(31)), Some(PairPart::Second));
        assert_eq!(profiling.pair_id("api", minute(31)), "p");
        profiling.on_stored(kept("b"), "p".into(), Some(1), minute(62));
        assert_eq!(profiling.to_compare.as_deref(), Some(&(kept("a"), kept("b"))));
        profiling.on_leak(minute(70));
        assert_eq!(profiling.due(Some(1), minute(99)), None, "a whole pair is enough for an episode");
    }

    #[test]
    fn a_restart_of_the_service_between_the_two_begins_the_pair_anew() {
        let mut profiling = half();
        profiling.begin_life();
        assert_eq!(profiling.due(Some(2), minute(40)), None, "not before growth is evident again");
        profiling.on_leak(minute(50));
        assert_eq!(profiling.due(Some(2), minute(50)), Some(PairPart::First));
        // Seen before its news: still no pair of two lives.
        assert_eq!(half().due(Some(2), minute(31)), None);
    }

    #[test]
    fn a_restart_of_heapwatch_between_the_two_loses_nothing() {
        let stored = serde_json::to_string(&half()).unwrap();
        let mut profiling: Profiling = serde_json::from_str(&stored).unwrap();
        assert_eq!(profiling, half());
        assert_eq!(profiling.due(Some(1), minute(31)), Some(PairPart::Second));
        assert_eq!(serde_json::from_str::<Profiling>("{}").unwrap(), Profiling::default(), "an older database");
    }

    #[test]
    fn a_life_without_the_endpoint_is_asked_once() {
        let mut profiling = Profiling::default();
        profiling.on_leak(minute(0));
        profiling.on_absent("the endpoint answered 404");
        profiling.on_leak(minute(5));
        assert_eq!(profiling.due(Some(1), minute(99)), None);
        assert!(profiling.says().unwrap().contains("404"));
        profiling.begin_life();
        profiling.on_leak(minute(100));
        assert_eq!(profiling.due(Some(2), minute(100)), Some(PairPart::First), "a deploy may have brought it");
    }

    #[test]
    fn a_failure_is_tried_again_later_and_told_once() {
        let mut profiling = half();
        assert!(profiling.on_failed("the endpoint answered 503", minute(36)));
        assert_eq!(profiling.due(Some(1), minute(35)), None);
        assert_eq!(profiling.due(Some(1), minute(36)), Some(PairPart::Second));
        assert!(!profiling.on_failed("the endpoint answered 503", minute(41)), "no news");
    }

    #[test]
    fn a_day_later_attempts_count_no_more() {
        let mut profiling = Profiling::default();
        profiling.on_asked(minute(0));
        profiling.on_asked(minute(60));
        assert_eq!(profiling.asked_last_day(minute(61)), 2);
        assert_eq!(profiling.asked_last_day(minute(24 * 60 + 1)), 1);
        profiling.call_off(minute(60));
        assert_eq!(profiling.asked_last_day(minute(24 * 60 + 1)), 0);
    }
}
