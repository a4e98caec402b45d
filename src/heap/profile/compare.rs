//! Two profiles of one process, stack by stack.
//!
//! Stacks are the same when all their frames are: the numbers of calls are those of one profile only. Samples are
//! numbered for the life of the process, so what is in both profiles is known exactly, and only what came and went is
//! left to chance.

use std::collections::{HashMap, HashSet};

use super::blame::accuse;
use super::read::ProfileError;
use super::report::{Caller, ProfileReport, StackGrowth};
use super::{Frame, Profile, Sample};

/// Below this part of older samples that the first profile has too, the second is of another run. All of them are for
/// one run; rounding of sizes and a profile that was taken while another ran leave some room.
const SAME_RUN: f64 = 0.9;
/// Fewer older samples prove nothing.
const FEWEST_SAMPLES: usize = 8;
/// Most stacks worth a reader's time.
const MOST_STACKS: usize = 50;

/// Compares two profiles of one run of one process, the earlier first.
///
/// # Errors
/// [`ProfileError::DifferentProcesses`] and [`ProfileError::WrongOrder`], told by the numbers of the samples.
pub fn compare_profiles(before: &Profile, after: &Profile) -> Result<ProfileReport, ProfileError> {
    check_same_run(before, after)?;
    let stacks = Stacks::compare(before, after);
    let mut report = ProfileReport {
        before_bytes: before.total_bytes(),
        after_bytes: after.total_bytes(),
        stacks: stacks.most_grown(),
        ..ProfileReport::default()
    };
    accuse(&stacks, &mut report);
    Ok(report)
}

fn check_same_run(before: &Profile, after: &Profile) -> Result<(), ProfileError> {
    let last = |profile: &Profile| profile.samples.iter().map(|sample| sample.ordinal).max();
    let (Some(last_before), Some(last_after)) = (last(before), last(after)) else { return Ok(()) };
    // A call keeps its number for as long as it has samples.
    let known: HashSet<_> = before.samples.iter().map(|sample| (sample.ordinal, sample.node_id)).collect();
    let older: Vec<&Sample> = after.samples.iter().filter(|sample| sample.ordinal <= last_before).collect();
    let shared = older.iter().filter(|sample| known.contains(&(sample.ordinal, sample.node_id))).count();
    let part = shared as f64 / older.len().max(1) as f64;
    if older.len() >= FEWEST_SAMPLES && part < SAME_RUN {
        return Err(ProfileError::DifferentProcesses { shared_percent: part * 100.0 });
    }
    if last_after < last_before { Err(ProfileError::WrongOrder) } else { Ok(()) }
}

/// The stacks of both profiles in one tree, the root first and parents before their children.
#[derive(Debug, Default)]
pub(super) struct Stacks<'a> {
    pub(super) stacks: Vec<Stack<'a>>,
}

/// One stack: a frame on top of its parent's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stack<'a> {
    pub(super) frame: &'a Frame,
    /// The index of the calling stack; the root is its own.
    pub(super) parent: usize,
    pub(super) before_bytes: u64,
    pub(super) after_bytes: u64,
    /// Samples in only one of the profiles: what the difference rests on.
    pub(super) changed_samples: u64,
    /// The variance of the difference: the sum of those of its samples, each remembered by chance, independently of the
    /// others.
    pub(super) variance: f64,
}

impl Stack<'_> {
    /// Bytes more than before.
    pub(super) fn growth(&self) -> i64 {
        let signed = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        signed(self.after_bytes).saturating_sub(signed(self.before_bytes))
    }
}

impl<'a> Stacks<'a> {
    fn compare(before: &'a Profile, after: &'a Profile) -> Self {
        let mut places = HashMap::new();
        let mut stacks = Self::default();
        let of_before = stacks.add(before, &mut places);
        let of_after = stacks.add(after, &mut places);
        for (node, &at) in before.nodes.iter().zip(&of_before) {
            stacks.stacks[at].before_bytes = stacks.stacks[at].before_bytes.saturating_add(node.self_bytes);
        }
        for (node, &at) in after.nodes.iter().zip(&of_after) {
            stacks.stacks[at].after_bytes = stacks.stacks[at].after_bytes.saturating_add(node.self_bytes);
        }
        stacks.count_changes(before, &of_before, after);
        stacks.count_changes(after, &of_after, before);
        stacks
    }

    /// Finds or makes the stack of each call of `profile`.
    fn add(&mut self, profile: &'a Profile, places: &mut HashMap<(usize, &'a Frame), usize>) -> Vec<usize> {
        let mut at: Vec<usize> = Vec::with_capacity(profile.nodes.len());
        for (number, node) in profile.nodes.iter().enumerate() {
            // The root's parent is no stack, so that a call of its frame below it is another stack.
            let parent = if number == 0 { usize::MAX } else { at[node.parent] };
            let frame = &profile.frames[node.frame];
            at.push(*places.entry((parent, frame)).or_insert_with(|| {
                let parent = if number == 0 { 0 } else { parent };
                let (before_bytes, after_bytes, changed_samples, variance) = (0, 0, 0, 0.0);
                self.stacks.push(Stack { frame, parent, before_bytes, after_bytes, changed_samples, variance });
                self.stacks.len() - 1
            }));
        }
        at
    }

    /// Notes the samples of `one` that `other` has not.
    fn count_changes(&mut self, one: &Profile, places: &[usize], other: &Profile) {
        let shared: HashSet<u64> = other.samples.iter().map(|sample| sample.ordinal).collect();
        let interval = sampling_interval(one);
        let by_id: HashMap<u64, usize> = one.nodes.iter().map(|node| node.id).zip(places.iter().copied()).collect();
        for sample in one.samples.iter().filter(|sample| !shared.contains(&sample.ordinal)) {
            let Some(&at) = by_id.get(&sample.node_id) else { continue };
            self.stacks[at].changed_samples += 1;
            self.stacks[at].variance += variance_of(sample.bytes as f64, interval);
        }
    }

    /// From the outermost call to `at`, without the root.
    pub(super) fn way_to(&self, mut at: usize) -> Vec<&'a Frame> {
        let mut frames = Vec::new();
        while at != 0 {
            frames.push(self.stacks[at].frame);
            at = self.stacks[at].parent;
        }
        frames.reverse();
        frames
    }

    fn most_grown(&self) -> Vec<StackGrowth> {
        let mut grown: Vec<usize> = (0..self.stacks.len()).filter(|&at| self.stacks[at].growth() > 0).collect();
        grown.sort_by_key(|&at| std::cmp::Reverse(self.stacks[at].growth()));
        grown.truncate(MOST_STACKS);
        grown.into_iter().map(|at| self.stack_growth(at)).collect()
    }

    pub(super) fn stack_growth(&self, at: usize) -> StackGrowth {
        StackGrowth {
            frames: self.way_to(at).into_iter().map(Caller::from).collect(),
            before_bytes: self.stacks[at].before_bytes,
            after_bytes: self.stacks[at].after_bytes,
        }
    }
}

/// Bytes between two samples, on average: what the smallest objects stand for, and so the least that any does.
fn sampling_interval(profile: &Profile) -> f64 {
    profile.samples.iter().map(|sample| sample.bytes).min().unwrap_or_default() as f64
}

/// How far chance may be off with a sample that stands for `weight` bytes, squared.
///
/// An object of `s` bytes is remembered with the probability `p = 1 - e^(-s/interval)` and stands for `s/p` bytes then, so
/// that the estimate is right on average; its variance, by what was seen, is `(s/p)^2 (1 - p)`. Small objects are all
/// chance, those far larger than the interval none. `s` is found by halving, since `s/p` rises with it.
fn variance_of(weight: f64, interval: f64) -> f64 {
    /// Halves the range of `s` to far below a byte.
    const HALVINGS: usize = 40;
    if !(interval > 0.0 && weight.is_finite()) {
        return weight * weight;
    }
    let missed = |size: f64| (-size / interval).exp();
    let (mut low, mut high) = (0.0, weight);
    for _ in 0..HALVINGS {
        let size = f64::midpoint(low, high);
        if size / (1.0 - missed(size)) < weight { low = size } else { high = size }
    }
    weight * weight * missed(low)
}

impl From<&Frame> for Caller {
    fn from(frame: &Frame) -> Self {
        Self { function: frame.name().to_owned(), location: frame.location() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_objects_are_all_chance_and_large_ones_none() {
        let check = |weight: f64, part: f64| {
            let found = variance_of(weight, 1000.0) / (weight * weight);
            assert!((found - part).abs() < 0.01, "{weight}: {found}");
        };
        // An object of 1,000 bytes is remembered in 63 of 100 cases, and stands for 1,582 then.
        check(1582.0, 0.368);
        check(1000.0, 1.0);
        check(100_000.0, 0.0);
        assert!((variance_of(5.0, 0.0) - 25.0).abs() < 1e-9);
        assert!(variance_of(0.0, 0.0).abs() < 1e-9);
    }
}
