//! The safety gate: may a capture be taken of this target now? Pure; every rule that says no is in the answer.
//!
//! Building a snapshot was measured to cost a Node.js process 9 to 12 times its heapUsed on top of its rss when the
//! heap is many small objects, so the gate would rather refuse and say what is missing than kill what it watches.

use serde::{Deserialize, Serialize};

use crate::capture::GateOptions;
use crate::capture::refusal::peak;
use crate::clock::Timestamp;
use crate::units::ByteSize;

pub use crate::capture::refusal::Refusal;

/// What one capture cost its target, from rss before and the highest rss seen during and after it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnedCost {
    /// Extra bytes at the peak for each byte of heapUsed.
    pub factor: f64,
    /// When that was measured.
    pub at: Timestamp,
}

impl LearnedCost {
    /// From the heap that was captured, rss before, and the highest rss seen until the process had settled; `None`
    /// where the heap is unknown or empty.
    pub fn measured(heap_used: u64, rss_before: u64, rss_peak: u64, at: Timestamp) -> Option<Self> {
        let factor = rss_peak.saturating_sub(rss_before) as f64 / heap_used as f64;
        factor.is_finite().then_some(Self { factor, at })
    }
}

/// What a capture is wanted for: not every rule applies to every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The detector's wish for the first of a pair, or for a baseline: all rules apply.
    Detected,
    /// The second of a pair whose first is stored: the cooldown between pairs is no obstacle.
    CompletesPair,
    /// `heapwatch snapshot`: cooldown, budget and warm-up are the person's own business; memory and disk are not.
    Person,
}

/// What is known of a target at the moment of the question.
#[derive(Clone, Debug, PartialEq)]
pub struct Situation {
    /// Of the last sample.
    pub heap_used: Option<u64>,
    /// Of the last sample.
    pub rss: Option<u64>,
    /// The limit the target itself reports.
    pub reported_limit: Option<u64>,
    /// What its own captures have cost before.
    pub learned_cost: Option<LearnedCost>,
    /// Free bytes on the disk of the snapshot directory.
    pub free_disk: Option<u64>,
    /// The state database takes no writes: what is done now would be forgotten by a restart.
    pub unrecorded: bool,
    /// When the last complete pair (or baseline) of this target was taken.
    pub last_pair: Option<Timestamp>,
    /// Attempts within the last 24 hours, failed ones included.
    pub captures_last_day: u32,
    /// Successful polls in a row up to now.
    pub healthy_polls: u32,
    /// The process was started too recently to be judged.
    pub warming_up: bool,
    /// Why captures of this target are off until a person rearms it.
    pub disarmed: Option<String>,
    /// Another target of its group is being captured.
    pub group_busy: bool,
    /// Captures that run now, over all targets.
    pub running: usize,
    /// Most of them at once.
    pub max_running: usize,
    /// What the capture is wanted for.
    pub occasion: Occasion,
}

/// The gate's yes, with what it reckoned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Permit {
    /// Memory that the process may need at the peak, in bytes, where that could be reckoned.
    pub needed_memory: Option<u64>,
    /// The limit it was held against, less the margin.
    pub allowed_memory: Option<u64>,
}

/// The gate's no.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Every rule that says no.
    pub refusals: Vec<Refusal>,
    /// What a person can do about it, a sentence each.
    pub advice: Vec<String>,
}

/// Asks every rule. A refusal names all that say no, so that a person sees at once what it would take.
pub fn decide(situation: &Situation, options: &GateOptions, now: Timestamp) -> Result<Permit, Refused> {
    let (permit, memory) = check_memory(situation, options);
    let refusals: Vec<Refusal> = [
        situation.disarmed.clone().map(|why| Refusal::Disarmed { why }),
        memory,
        check_disk(situation, options),
        situation.unrecorded.then_some(Refusal::Unrecorded),
        check_cooldown(situation, options, now),
        check_budget(situation, options),
        check_health(situation, options),
        (situation.warming_up && situation.occasion != Occasion::Person).then_some(Refusal::WarmingUp),
        situation.group_busy.then_some(Refusal::GroupBusy),
        check_running(situation),
    ]
    .into_iter()
    .flatten()
    .collect();
    if refusals.is_empty() {
        return Ok(permit);
    }
    let advice = refusals.iter().filter_map(|refusal| refusal.advice(options)).collect();
    Err(Refused { refusals, advice })
}

fn check_memory(situation: &Situation, options: &GateOptions) -> (Permit, Option<Refusal>) {
    let unknown = Permit { needed_memory: None, allowed_memory: None };
    let Some(heap_used) = situation.heap_used else { return (unknown, Some(Refusal::UnknownHeap)) };
    let configured = options.memory_limit.map(ByteSize::bytes);
    let Some(limit) = [configured, situation.reported_limit].into_iter().flatten().min() else {
        let max_heap = options.max_heap.bytes();
        return (unknown, (heap_used > max_heap).then_some(Refusal::HeapTooLarge { heap_used, max_heap }));
    };
    let Some(rss) = situation.rss else { return (unknown, Some(Refusal::UnknownHeap)) };
    let factor = factor(situation, options);
    let margin = options.margin.bytes();
    let needed = peak(rss, heap_used, factor);
    let allowed = limit.saturating_sub(margin);
    let learned = situation.learned_cost.is_some();
    let refusal = (needed > allowed).then_some(Refusal::Memory { rss, heap_used, factor, learned, limit, margin });
    (Permit { needed_memory: Some(needed), allowed_memory: Some(allowed) }, refusal)
}

/// Extra bytes to reckon with for each byte of heapUsed.
///
/// What was learned is rss *after* the pause, when V8 has given back a part of the peak already: half as much again
/// is added, but no more than the factor for targets of which nothing is known.
fn factor(situation: &Situation, options: &GateOptions) -> f64 {
    /// Node's own documentation: a snapshot takes about twice the heap.
    const LEAST: f64 = 2.0;
    const UNSEEN_PEAK: f64 = 1.5;
    let Some(LearnedCost { factor: seen, .. }) = situation.learned_cost else { return options.headroom_factor };
    seen.max((seen * UNSEEN_PEAK).min(options.headroom_factor)).max(LEAST)
}

fn check_disk(situation: &Situation, options: &GateOptions) -> Option<Refusal> {
    let needed = peak(options.disk_reserve.bytes(), situation.heap_used.unwrap_or(0), options.disk_factor);
    let enough = situation.free_disk.is_some_and(|free| free >= needed);
    (!enough).then_some(Refusal::Disk { free: situation.free_disk, needed })
}

fn check_cooldown(situation: &Situation, options: &GateOptions, now: Timestamp) -> Option<Refusal> {
    if situation.occasion != Occasion::Detected {
        return None;
    }
    let left = options.cooldown.saturating_sub(now.since(situation.last_pair?));
    (!left.is_zero()).then_some(Refusal::Cooldown { left })
}

fn check_budget(situation: &Situation, options: &GateOptions) -> Option<Refusal> {
    let (used, allowed) = (situation.captures_last_day, options.daily_budget);
    (used >= allowed && situation.occasion != Occasion::Person).then_some(Refusal::Budget { used, allowed })
}

fn check_health(situation: &Situation, options: &GateOptions) -> Option<Refusal> {
    let (healthy, needed) = (situation.healthy_polls, options.healthy_polls);
    (healthy < needed).then_some(Refusal::Unhealthy { healthy, needed })
}

fn check_running(situation: &Situation) -> Option<Refusal> {
    let (running, allowed) = (situation.running, situation.max_running);
    (running >= allowed).then_some(Refusal::Busy { running, allowed })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_760_000_000_000).plus(Duration::from_hours(hours))
    }

    /// A target of 20 MiB heap in a 512 MiB limit of which nothing speaks against a capture.
    fn fine() -> Situation {
        Situation {
            heap_used: Some(20 * MIB),
            rss: Some(80 * MIB),
            reported_limit: Some(512 * MIB),
            learned_cost: None,
            free_disk: Some(10_000 * MIB),
            unrecorded: false,
            last_pair: None,
            captures_last_day: 0,
            healthy_polls: 10,
            warming_up: false,
            disarmed: None,
            group_busy: false,
            running: 0,
            max_running: 1,
            occasion: Occasion::Detected,
        }
    }

    fn refusals(situation: &Situation) -> Vec<String> {
        let refused = decide(situation, &GateOptions::default(), at(0)).expect_err("it must say no");
        refused.refusals.iter().map(ToString::to_string).collect()
    }

    fn learned(factor: f64) -> LearnedCost {
        LearnedCost { factor, at: at(0) }
    }

    #[test]
    fn says_yes_with_what_it_reckoned() {
        let permit = decide(&fine(), &GateOptions::default(), at(0)).unwrap();
        assert_eq!(permit, Permit { needed_memory: Some(280 * MIB), allowed_memory: Some(448 * MIB) });
    }

    #[test]
    fn a_heap_that_would_burst_the_limit_is_refused_with_its_sum() {
        let heavy = Situation { heap_used: Some(170 * MIB), rss: Some(180 * MIB), ..fine() };
        let expected = "needs 1.84 GiB (rss 180 MiB + 10.0 x heapUsed 170 MiB), limit 512 MiB less 64 MiB margin";
        assert_eq!(refusals(&heavy), [expected]);
        let refused = decide(&heavy, &GateOptions::default(), at(0)).unwrap_err();
        assert!(refused.advice[0].starts_with("raise the memory limit to 1.9 GiB"), "{:?}", refused.advice);
    }

    #[test]
    fn the_lower_of_two_limits_counts() {
        let options = GateOptions { memory_limit: Some(ByteSize::mib(300)), ..GateOptions::default() };
        assert!(decide(&fine(), &options, at(0)).is_err());
        let options = GateOptions { memory_limit: Some(ByteSize::mib(4096)), ..GateOptions::default() };
        let small = Situation { reported_limit: Some(300 * MIB), ..fine() };
        assert!(decide(&small, &options, at(0)).is_err());
    }

    #[test]
    fn what_its_own_captures_cost_replaces_the_assumption() {
        let heap = Situation { heap_used: Some(100 * MIB), rss: Some(130 * MIB), ..fine() };
        assert!(decide(&heap, &GateOptions::default(), at(0)).is_err(), "10 times is too much");
        for (seen, needed) in [(0.1, 330), (1.5, 355), (2.0, 430)] {
            let permit = decide(
                &Situation { learned_cost: Some(learned(seen)), ..heap.clone() },
                &GateOptions::default(),
                at(0),
            );
            assert_eq!(permit.unwrap().needed_memory, Some(needed * MIB), "seen {seen}");
        }
        let costly = Situation { learned_cost: Some(learned(12.0)), ..fine() };
        let permit = decide(&costly, &GateOptions::default(), at(0)).unwrap();
        assert_eq!(permit.needed_memory, Some(320 * MIB), "worse than assumed is believed, too");
    }

    #[test]
    fn without_a_limit_only_small_heaps_are_captured() {
        let unlimited = Situation { reported_limit: None, heap_used: Some(512 * MIB), rss: None, ..fine() };
        assert!(decide(&unlimited, &GateOptions::default(), at(0)).is_ok());
        let large = Situation { heap_used: Some(513 * MIB), ..unlimited };
        assert_eq!(refusals(&large), ["heapUsed 513 MiB is over 512 MiB, the most without a known memory limit"]);
    }

    #[test]
    fn what_is_unknown_is_never_assumed() {
        for blind in [Situation { heap_used: None, ..fine() }, Situation { rss: None, ..fine() }] {
            assert_eq!(refusals(&blind), ["heapUsed or rss is unknown, so the memory a snapshot needs is too"]);
        }
        let no_disk = Situation { free_disk: None, ..fine() };
        assert_eq!(refusals(&no_disk), ["needs 1.05 GiB of free disk, and what is free is unknown"]);
    }

    #[test]
    fn the_disk_must_hold_it_and_keep_a_reserve() {
        let needed = 1024 * MIB + 50 * MIB;
        assert!(decide(&Situation { free_disk: Some(needed), ..fine() }, &GateOptions::default(), at(0)).is_ok());
        let full = Situation { free_disk: Some(needed - 1), ..fine() };
        assert_eq!(refusals(&full), ["needs 1.05 GiB of free disk, has 1.05 GiB"]);
    }

    #[test]
    fn the_cooldown_is_between_pairs_and_not_within_one() {
        let rested = |hours, occasion| {
            let situation = Situation { last_pair: Some(at(0)), occasion, ..fine() };
            decide(&situation, &GateOptions::default(), at(hours))
        };
        assert!(rested(5, Occasion::Detected).is_err());
        assert!(rested(6, Occasion::Detected).is_ok());
        assert!(rested(0, Occasion::CompletesPair).is_ok());
        assert!(rested(0, Occasion::Person).is_ok());
    }

    #[test]
    fn every_rule_that_says_no_is_named_at_once() {
        let hopeless = Situation {
            heap_used: Some(400 * MIB),
            free_disk: Some(0),
            last_pair: Some(at(0)),
            captures_last_day: 4,
            healthy_polls: 0,
            warming_up: true,
            disarmed: Some("it died during the capture of 2025-10-09T08:53:20Z".into()),
            group_busy: true,
            running: 1,
            ..fine()
        };
        let names = |situation: &Situation| -> Vec<&str> {
            let refused = decide(situation, &GateOptions::default(), at(1)).unwrap_err();
            refused.refusals.iter().map(Refusal::name).collect()
        };
        assert_eq!(
            names(&hopeless),
            ["disarmed", "memory", "disk", "cooldown", "budget", "unhealthy", "warming_up", "group_busy", "busy"]
        );
        let by_hand = Situation { occasion: Occasion::Person, ..hopeless };
        assert_eq!(names(&by_hand), ["disarmed", "memory", "disk", "unhealthy", "group_busy", "busy"]);
    }

    #[test]
    fn what_a_capture_cost_is_learned_from_readings_around_it() {
        let cost = LearnedCost::measured(100 * MIB, 200 * MIB, 1_200 * MIB, at(0));
        assert_eq!(cost, Some(learned(10.0)));
        assert_eq!(LearnedCost::measured(100, 300, 200, at(0)), Some(learned(0.0)), "rss may fall");
        assert_eq!(LearnedCost::measured(0, 1, 2, at(0)), None);
        assert_eq!(LearnedCost::measured(0, 1, 1, at(0)), None);
    }

    proptest! {
        /// Invariant 1: with a known limit, no permit lets the reckoned peak exceed the limit less the margin.
        #[test]
        fn no_permit_exceeds_the_limit(
            heap in 0u64..1 << 30, rss in 0u64..1 << 30, spare in 0u64..256 * MIB, seen in proptest::option::of(0.0..20.0),
        ) {
            let limit = rss + 10 * heap + spare;
            let situation = Situation {
                heap_used: Some(heap), rss: Some(rss), reported_limit: Some(limit), free_disk: Some(u64::MAX),
                learned_cost: seen.map(learned), ..fine()
            };
            let options = GateOptions::default();
            if let Ok(permit) = decide(&situation, &options, at(0)) {
                let needed = permit.needed_memory.expect("heapUsed, rss and a limit are known");
                prop_assert!(needed >= rss + 2 * heap);
                prop_assert!(needed + options.margin.bytes() <= limit);
            }
        }

        /// More heap, more rss or a lower limit never turn a no into a yes.
        #[test]
        fn a_heavier_target_is_never_safer(heap in 0u64..1 << 40, rss in 0u64..1 << 40, limit in 0u64..1 << 42, more in 0u64..1 << 40) {
            let light = Situation { heap_used: Some(heap), rss: Some(rss), reported_limit: Some(limit), ..fine() };
            let heavier = [
                Situation { heap_used: Some(heap + more), ..light.clone() },
                Situation { rss: Some(rss + more), ..light.clone() },
                Situation { reported_limit: Some(limit.saturating_sub(more)), ..light.clone() },
            ];
            if decide(&light, &GateOptions::default(), at(0)).is_err() {
                for heavy in heavier {
                    prop_assert!(decide(&heavy, &GateOptions::default(), at(0)).is_err());
                }
            }
        }
    }
}
