//! Which stored captures to delete: policy + inventory + now -> names with reasons. Decides only; `store` deletes.
//!
//! Three kinds of capture are never chosen: pinned ones, the newest pair of an open episode, and whatever lies in
//! the future of `now`. Age counts only where the steady and the wall line agree on it, so a clock that steps in
//! either direction deletes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::target::TargetName;
use crate::units::ByteSize;

/// What may be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Most captures of one target.
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
    let mut left: BTreeMap<&TargetName, usize> = BTreeMap::new();
    for item in inventory {
        *left.entry(&item.target).or_default() += 1;
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
                Why::Count => left[&item.target] > policy.per_target,
                Why::TotalBytes => bytes_left > policy.total.bytes(),
                Why::FreeDisk => free.is_some_and(|free| free < policy.min_free.bytes()),
            };
            if goes {
                chosen.insert(item.name.as_str());
                left.entry(&item.target).and_modify(|count| *count = count.saturating_sub(1));
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
    let mut newest_of_episode: BTreeMap<(&TargetName, &str), &Item> = BTreeMap::new();
    for item in inventory.iter().filter(|item| item.episode_open) {
        let Some(episode) = &item.episode else { continue };
        let newest = newest_of_episode.entry((&item.target, episode)).or_insert(item);
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
