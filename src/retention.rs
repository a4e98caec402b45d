//! Which stored captures to delete: policy + inventory + now -> names with reasons. Decides only; `store` deletes.
//!
//! Three kinds of capture are never chosen: pinned ones, the newest pair of an open episode, and whatever lies in
//! the future of `now`. Age counts only where the steady and the wall line agree on it, so a clock that steps in
//! either direction deletes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::evidence::CaptureKind;
use crate::target::TargetName;
use crate::units::ByteSize;

/// What may be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Most captures of one kind of one target.
    pub per_target: usize,
    /// Oldest age.
    pub max_age: Duration,
    /// Most bytes over all targets.
    pub total: ByteSize,
    /// Disk space that captures must leave free.
    pub min_free: ByteSize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            per_target: 6,
            max_age: Duration::from_hours(720),
            total: ByteSize::mib(20 * 1024),
            min_free: ByteSize::mib(1024),
        }
    }
}

/// One stored capture, with all that depends on it (sidecar, analysis).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name in the snapshot directory.
    pub name: String,
    /// Whose it is.
    pub target: TargetName,
    /// Which kind it is: neither takes the place of the other.
    pub kind: CaptureKind,
    /// When it was asked for.
    pub at: Timestamp,
    /// Disk space that its deletion frees.
    pub bytes: u64,
    /// What its pair has in common; a baseline stands alone.
    pub pair: Option<String>,
    /// The episode it is evidence of.
    pub episode: Option<String>,
    /// That episode has not ended.
    pub episode_open: bool,
    /// A person wants it kept.
    pub pinned: bool,
}

/// One capture to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Its name in the snapshot directory.
    pub name: String,
    /// Disk space that this frees.
    pub bytes: u64,
    /// Which rule chose it.
    pub why: Why,
}

/// The rules of retention, in the order they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Why {
    /// Older than `max_age`.
    Age,
    /// More than `per_target` of its target are newer.
    Count,
    /// All captures together are larger than `total`.
    TotalBytes,
    /// Less than `min_free` is left on the disk.
    FreeDisk,
}

impl Why {
    /// Every rule, in the order they are tried.
    pub const ALL: [Self; 4] = [Self::Age, Self::Count, Self::TotalBytes, Self::FreeDisk];

    /// The name in metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Count => "count",
            Self::TotalBytes => "total_bytes",
            Self::FreeDisk => "free_disk",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Age => "older than max_age",
            Self::Count => "more than per_target captures of this target are newer",
            Self::TotalBytes => "all captures together exceed the total",
            Self::FreeDisk => "the disk has less than min_free left",
        })
    }
}

/// What to delete, oldest first within each rule. `free_disk` is what the disk has left now, where that is known.
pub fn plan(policy: &Policy, inventory: &[Item], free_disk: Option<u64>, now: Timestamp) -> Vec<Deletion> {
    let kept_anyway = protected(inventory, now);
    let mut oldest_first: Vec<&Item> = inventory.iter().collect();
    oldest_first.sort_by(|a, b| (a.at.steady_ms(), &a.name).cmp(&(b.at.steady_ms(), &b.name)));
    let mut left: BTreeMap<(&TargetName, CaptureKind), usize> = BTreeMap::new();
    for item in inventory {
        *left.entry((&item.target, item.kind)).or_default() += 1;
    }
    let mut bytes_left: u64 = inventory.iter().fold(0, |sum, item| sum.saturating_add(item.bytes));
    let mut free = free_disk;
    let mut chosen = BTreeSet::new();
    let mut deletions = Vec::new();
    for why in Why::ALL {
        for item in &oldest_first {
            if kept_anyway.contains(item.name.as_str()) || chosen.contains(item.name.as_str()) {
                continue;
            }
            let goes = match why {
                Why::Age => is_older(item, policy.max_age, now),
                Why::Count => left[&(&item.target, item.kind)] > policy.per_target,
                Why::TotalBytes => bytes_left > policy.total.bytes(),
                Why::FreeDisk => free.is_some_and(|free| free < policy.min_free.bytes()),
            };
            if goes {
                chosen.insert(item.name.as_str());
                left.entry((&item.target, item.kind)).and_modify(|count| *count = count.saturating_sub(1));
                bytes_left = bytes_left.saturating_sub(item.bytes);
                free = free.map(|free| free.saturating_add(item.bytes));
                deletions.push(Deletion { name: item.name.clone(), bytes: item.bytes, why });
            }
        }
    }
    deletions
}

/// Old on both lines of time: a step of the wall clock alone ages nothing.
fn is_older(item: &Item, max_age: Duration, now: Timestamp) -> bool {
    let limit = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
    let steady_age = now.steady_ms().saturating_sub(item.at.steady_ms());
    let wall_age = now.wall_ms().saturating_sub(item.at.wall_ms());
    steady_age.min(wall_age) > limit
}

/// Names that no rule may choose.
fn protected(inventory: &[Item], now: Timestamp) -> BTreeSet<&str> {
    let mut newest_of_episode: BTreeMap<(&TargetName, CaptureKind, &str), &Item> = BTreeMap::new();
    for item in inventory.iter().filter(|item| item.episode_open) {
        let Some(episode) = &item.episode else { continue };
        let newest = newest_of_episode.entry((&item.target, item.kind, episode)).or_insert(item);
        if newest.at.is_before(item.at) {
            *newest = item;
        }
    }
    let in_newest_pair = |item: &Item| {
        newest_of_episode.values().any(|newest| {
            newest.target == item.target
                && (newest.name == item.name || (newest.pair.is_some() && newest.pair == item.pair))
        })
    };
    inventory
        .iter()
        .filter(|item| item.pinned || now.is_before(item.at) || in_newest_pair(item))
        .map(|item| item.name.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOW_HOUR: i64 = 500_000;

    fn now() -> Timestamp {
        Timestamp::from_unix_ms(NOW_HOUR * HOUR)
    }

    /// Captures nothing but an age would delete.
    fn generous() -> Policy {
        Policy { per_target: 1_000, total: ByteSize::new(u64::MAX), min_free: ByteSize::new(0), ..Policy::default() }
    }

    fn item(name: &str, hours_ago: i64) -> Item {
        Item {
            name: name.into(),
            target: TargetName::new("api").unwrap(),
            kind: CaptureKind::HeapSnapshot,
            at: Timestamp::from_unix_ms((NOW_HOUR - hours_ago) * HOUR),
            bytes: 100,
            pair: None,
            episode: None,
            episode_open: false,
            pinned: false,
        }
    }

    fn of_episode(name: &str, hours_ago: i64, pair: &str) -> Item {
        let episode = Some("e1".into());
        Item { pair: Some(pair.into()), episode, episode_open: true, ..item(name, hours_ago) }
    }

    fn check(policy: &Policy, inventory: &[Item], free_disk: Option<u64>, expected: &[(&str, Why)]) {
        let deletions = plan(policy, inventory, free_disk, now());
        let found: Vec<_> = deletions.iter().map(|deletion| (deletion.name.as_str(), deletion.why)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_rule_takes_the_oldest_and_no_more_than_it_must() {
        let inventory = [item("new", 1), item("old", 700), item("older", 720), item("oldest", 721)];
        check(&generous(), &inventory, None, &[("oldest", Why::Age)]);
        let policy = Policy { per_target: 2, ..generous() };
        check(&policy, &inventory, None, &[("oldest", Why::Age), ("older", Why::Count)]);
        let policy = Policy { total: ByteSize::new(250), ..generous() };
        check(&policy, &inventory, None, &[("oldest", Why::Age), ("older", Why::TotalBytes)]);
        let policy = Policy { min_free: ByteSize::new(1_000), ..generous() };
        check(&policy, &inventory, Some(850), &[("oldest", Why::Age), ("older", Why::FreeDisk)]);
        check(&policy, &inventory, None, &[("oldest", Why::Age)]);
    }

    #[test]
    fn each_target_has_its_own_count() {
        let other = |name: &str, hours_ago| Item { target: TargetName::new("web").unwrap(), ..item(name, hours_ago) };
        let inventory = [item("a1", 4), item("a2", 3), item("a3", 2), other("w1", 9), other("w2", 8)];
        check(&Policy { per_target: 2, ..generous() }, &inventory, None, &[("a1", Why::Count)]);
    }

    #[test]
    fn profiles_take_no_place_of_snapshots() {
        let profile = |name: &str, hours_ago| Item { kind: CaptureKind::HeapProfile, ..item(name, hours_ago) };
        let inventory = [item("s1", 9), item("s2", 8), profile("p1", 4), profile("p2", 3), profile("p3", 2)];
        check(&Policy { per_target: 2, ..generous() }, &inventory, None, &[("p1", Why::Count)]);
    }

    #[test]
    fn the_newest_pair_of_each_kind_outlives_the_other() {
        let nothing = Policy { per_target: 0, ..generous() };
        let profile =
            |name: &str, hours_ago| Item { kind: CaptureKind::HeapProfile, ..of_episode(name, hours_ago, "profiles") };
        let pairs = [of_episode("s1", 9, "p"), of_episode("s2", 8, "p"), profile("p1", 7), profile("p2", 6)];
        check(&nothing, &pairs, None, &[]);
    }

    #[test]
    fn the_newest_pair_of_an_open_episode_outlives_every_rule() {
        let nothing = Policy {
            per_target: 0,
            max_age: Duration::ZERO,
            total: ByteSize::new(0),
            min_free: ByteSize::new(u64::MAX),
        };
        let pair = [of_episode("first", 900, "p2"), of_episode("second", 899, "p2")];
        let before = [of_episode("before-first", 910, "p1"), of_episode("before-second", 909, "p1")];
        let inventory = [&before[..], &pair[..], &[item("loose", 1)]].concat();
        let expected = [("before-first", Why::Age), ("before-second", Why::Age), ("loose", Why::Age)];
        check(&nothing, &inventory, Some(0), &expected);
        let ended: Vec<Item> = pair.iter().map(|item| Item { episode_open: false, ..item.clone() }).collect();
        check(&nothing, &ended, Some(0), &[("first", Why::Age), ("second", Why::Age)]);
    }

    #[test]
    fn a_person_may_keep_anything() {
        let pinned = Item { pinned: true, ..item("kept", 10_000) };
        check(&Policy { per_target: 0, ..generous() }, &[pinned, item("new", 1)], None, &[("new", Why::Count)]);
    }

    #[test]
    fn a_step_of_the_wall_clock_ages_nothing() {
        let taken = item("taken", 1);
        let stepped = |hours: i64| Timestamp::from_lines(NOW_HOUR * HOUR, (NOW_HOUR + hours) * HOUR);
        for hours in [-10_000, -5, 5, 10_000] {
            assert_eq!(plan(&generous(), std::slice::from_ref(&taken), None, stepped(hours)), [], "{hours} h");
        }
        let future = item("future", -10);
        assert_eq!(plan(&Policy { per_target: 0, ..generous() }, &[future], None, now()), []);
    }

    prop_compose! {
        fn any_item()(
            target in 0u8..3, hours_ago in -10i64..2_000, wall_off in -100i64..100, bytes in 0u64..1_000,
            pair in proptest::option::of(0u8..4), episode in proptest::option::of(0u8..2), open: bool, pinned in 0u8..8,
        ) -> Item {
            let steady = (NOW_HOUR - hours_ago) * HOUR;
            Item {
                target: TargetName::new(format!("t{target}")).unwrap(),
                at: Timestamp::from_lines(steady, steady + wall_off * HOUR),
                bytes,
                pair: pair.map(|pair| format!("p{pair}")),
                episode: episode.map(|episode| format!("e{episode}")),
                episode_open: episode.is_some() && open,
                pinned: pinned == 0,
                ..item("", 0)
            }
        }
    }

    prop_compose! {
        fn any_inventory()(mut items in proptest::collection::vec(any_item(), 0..24)) -> Vec<Item> {
            for (number, item) in items.iter_mut().enumerate() {
                item.name = format!("{}/{number}", item.target);
            }
            items
        }
    }

    proptest! {
        #[test]
        fn the_bounds_hold_unless_all_that_is_left_is_protected(
            inventory in any_inventory(), per_target in 0usize..8, hours in 0u64..2_000, total in 0u64..9_000,
            min_free in 0u64..5_000, free in proptest::option::of(0u64..5_000),
        ) {
            let policy = Policy {
                per_target,
                max_age: Duration::from_hours(hours),
                total: ByteSize::new(total),
                min_free: ByteSize::new(min_free),
            };
            let deletions = plan(&policy, &inventory, free, now());
            let gone: BTreeSet<&str> = deletions.iter().map(|deletion| deletion.name.as_str()).collect();
            prop_assert_eq!(gone.len(), deletions.len(), "nothing is deleted twice");
            let kept_anyway = protected(&inventory, now());
            prop_assert!(gone.is_disjoint(&kept_anyway));
            let left: Vec<&Item> = inventory.iter().filter(|item| !gone.contains(item.name.as_str())).collect();
            let free_to_go: Vec<&&Item> =
                left.iter().filter(|item| !kept_anyway.contains(item.name.as_str())).collect();
            for item in &free_to_go {
                prop_assert!(!is_older(item, policy.max_age, now()));
                prop_assert!(left.iter().filter(|other| other.target == item.target).count() <= per_target);
            }
            let bytes_left: u64 = left.iter().map(|item| item.bytes).sum();
            let freed: u64 = deletions.iter().map(|deletion| deletion.bytes).sum();
            prop_assert!(bytes_left <= total || free_to_go.is_empty());
            prop_assert!(free.is_none_or(|free| free + freed >= min_free) || free_to_go.is_empty());
        }

        /// What the plan leaves, the same plan leaves alone.
        #[test]
        fn a_second_look_finds_nothing_more(inventory in any_inventory(), per_target in 0usize..8, free in 0u64..5_000) {
            let policy = Policy { per_target, min_free: ByteSize::new(3_000), ..Policy::default() };
            let deletions = plan(&policy, &inventory, Some(free), now());
            let freed: u64 = deletions.iter().map(|deletion| deletion.bytes).sum();
            let left: Vec<Item> = inventory
                .into_iter()
                .filter(|item| deletions.iter().all(|deletion| deletion.name != item.name))
                .collect();
            prop_assert_eq!(plan(&policy, &left, Some(free + freed), now()), []);
        }

        /// The pair that explains an open leak is there as long as the leak is.
        #[test]
        fn an_open_episode_keeps_its_newest_capture_and_the_partner(inventory in any_inventory()) {
            let nothing = Policy {
                per_target: 0, max_age: Duration::ZERO, total: ByteSize::new(0), min_free: ByteSize::new(u64::MAX),
            };
            let deletions = plan(&nothing, &inventory, Some(0), now());
            let is_gone = |item: &Item| deletions.iter().any(|deletion| deletion.name == item.name);
            for item in inventory.iter().filter(|item| item.episode_open) {
                let newer = |other: &&Item| {
                    other.episode_open && other.target == item.target && other.episode == item.episode
                        && item.at.is_before(other.at)
                };
                let partner_of = |other: &&Item| {
                    other.target == item.target && other.pair.is_some() && other.pair == item.pair
                };
                let newest_alone = !inventory.iter().any(|other| newer(&other))
                    && inventory.iter().filter(|other| other.at.steady_ms() == item.at.steady_ms()).count() == 1;
                if newest_alone {
                    prop_assert!(!is_gone(item));
                    prop_assert!(!inventory.iter().filter(partner_of).any(is_gone));
                }
            }
        }
    }
}
