//! The safety gate: may a capture be taken of this target now? Pure; every rule that says no is in the answer.
//!
//! Building a snapshot was measured to cost a Node.js process 9 to 12 times its heapUsed on top of its rss when the
//! heap is many small objects, so the gate would rather refuse and say what is missing than kill what it watches.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::capture::GateOptions;
use crate::clock::Timestamp;
use crate::units::ByteSize;

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

/// One rule that says no, with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// A capture before coincided with the death of the target.
    Disarmed {
        /// What happened.
        why: String,
    },
    /// heapUsed or rss is not known, so the cost cannot be reckoned.
    UnknownHeap,
    /// The process might exceed its memory limit.
    Memory {
        /// Resident now.
        rss: u64,
        /// Heap to snapshot.
        heap_used: u64,
        /// Extra bytes for each byte of heap.
        factor: f64,
        /// Whether the target's own captures have shown that factor.
        learned: bool,
        /// Memory limit of the process.
        limit: u64,
        /// What must stay free of it.
        margin: u64,
    },
    /// No limit is known and the heap is larger than is safe without one.
    HeapTooLarge {
        /// Heap to snapshot.
        heap_used: u64,
        /// Largest to snapshot without a known limit.
        max_heap: u64,
    },
    /// The disk might fill up.
    Disk {
        /// Free now; `None` where the disk does not say.
        free: Option<u64>,
        /// What must be free.
        needed: u64,
    },
    /// The last pair is too recent.
    Cooldown {
        /// Time until the next is allowed.
        left: Duration,
    },
    /// Too many attempts within 24 hours.
    Budget {
        /// Attempts so far.
        used: u32,
        /// Most that are allowed.
        allowed: u32,
    },
    /// Too few successful polls in a row.
    Unhealthy {
        /// Successful ones up to now.
        healthy: u32,
        /// As many are demanded.
        needed: u32,
    },
    /// Started too recently.
    WarmingUp,
    /// Another target of the group is being captured.
    GroupBusy,
    /// As many captures run as may.
    Busy {
        /// Captures that run now.
        running: usize,
        /// Most of them at once.
        allowed: usize,
    },
}

impl Refusal {
    /// The rule's name in metrics and JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Disarmed { .. } => "disarmed",
            Self::UnknownHeap => "unknown_heap",
            Self::Memory { .. } => "memory",
            Self::HeapTooLarge { .. } => "heap_too_large",
            Self::Disk { .. } => "disk",
            Self::Cooldown { .. } => "cooldown",
            Self::Budget { .. } => "budget",
            Self::Unhealthy { .. } => "unhealthy",
            Self::WarmingUp => "warming_up",
            Self::GroupBusy => "group_busy",
            Self::Busy { .. } => "busy",
        }
    }

    /// Whether it may well say yes a few polls later, so that asking again soon makes sense.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unhealthy { .. } | Self::WarmingUp | Self::GroupBusy | Self::Busy { .. })
    }
}

/// Memory at the peak of a capture: `rss + factor * heap_used`, saturating.
fn peak(rss: u64, heap_used: u64, factor: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, NaN becomes 0")]
    let extra = (heap_used as f64 * factor).ceil() as u64;
    rss.saturating_add(extra)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = ByteSize::new;
        match self {
            Self::Disarmed { why } => write!(f, "captures of this target are off: {why}"),
            Self::UnknownHeap => f.write_str("heapUsed or rss is unknown, so the memory a snapshot needs is too"),
            Self::Memory { rss, heap_used, factor, learned, limit, margin } => write!(
                f,
                "needs {} (rss {} + {factor:.1} x heapUsed {}{}), limit {} less {} margin",
                size(peak(*rss, *heap_used, *factor)),
                size(*rss),
                size(*heap_used),
                if *learned { ", as its own captures have cost" } else { "" },
                size(*limit),
                size(*margin),
            ),
            Self::HeapTooLarge { heap_used, max_heap } => write!(
                f,
                "heapUsed {} is over {}, the most without a known memory limit",
                size(*heap_used),
                size(*max_heap)
            ),
            Self::Disk { free: Some(free), needed } => {
                write!(f, "needs {} of free disk, has {}", size(*needed), size(*free))
            }
            Self::Disk { free: None, needed } => {
                write!(f, "needs {} of free disk, and what is free is unknown", size(*needed))
            }
            Self::Cooldown { left } => {
                write!(f, "the last pair is too recent, wait {}", humantime::format_duration(whole_seconds(*left)))
            }
            Self::Budget { used, allowed } => write!(f, "{used} captures within 24 h, {allowed} allowed"),
            Self::Unhealthy { healthy, needed } => write!(f, "{healthy} good polls in a row, {needed} needed"),
            Self::WarmingUp => f.write_str("the process is still warming up"),
            Self::GroupBusy => f.write_str("another target of its group is being captured"),
            Self::Busy { running, allowed } => write!(f, "{running} captures run, {allowed} allowed at once"),
        }
    }
}

fn whole_seconds(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs())
}

/// Asks every rule. A refusal names all that say no, so that a person sees at once what it would take.
pub fn decide(situation: &Situation, options: &GateOptions, now: Timestamp) -> Result<Permit, Refused> {
    let (permit, memory) = check_memory(situation, options);
    let refusals: Vec<Refusal> = [
        situation.disarmed.clone().map(|why| Refusal::Disarmed { why }),
        memory,
        check_disk(situation, options),
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
    let advice = refusals.iter().filter_map(|refusal| advise(refusal, options)).collect();
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
    let factor = situation.learned_cost.map_or(options.headroom_factor, |cost| cost.factor);
    let margin = options.margin.bytes();
    let needed = peak(rss, heap_used, factor);
    let allowed = limit.saturating_sub(margin);
    let learned = situation.learned_cost.is_some();
    let refusal = (needed > allowed).then_some(Refusal::Memory { rss, heap_used, factor, learned, limit, margin });
    (Permit { needed_memory: Some(needed), allowed_memory: Some(allowed) }, refusal)
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

/// What a person can do about a refusal, where anything can be done but wait.
fn advise(refusal: &Refusal, options: &GateOptions) -> Option<String> {
    Some(match refusal {
        Refusal::Memory { rss, heap_used, factor, margin, .. } => {
            let needed = ByteSize::new(peak(*rss, *heap_used, *factor).saturating_add(*margin));
            format!(
                "raise the memory limit to {needed} for a while and run `heapwatch snapshot`; set headroom_factor where \
                 a snapshot of this service is known to cost less; or set baseline = true to capture early after a \
                 restart, while the heap is small"
            )
        }
        Refusal::HeapTooLarge { .. } => {
            "set memory_limit so that the headroom can be reckoned, or raise max_heap where a pause is acceptable"
                .into()
        }
        Refusal::UnknownHeap => "let the health endpoint report heapUsed and rss".into(),
        Refusal::Disk { .. } => format!(
            "free space under the snapshot directory (`heapwatch gc --dry-run` shows what may go), or lower \
             disk_reserve = {}",
            options.disk_reserve
        ),
        Refusal::Disarmed { .. } => "find out why it died, then rearm it with `heapwatch snapshot --rearm`".into(),
        Refusal::Budget { .. } => "run `heapwatch snapshot` by hand, or raise daily_budget".into(),
        Refusal::Cooldown { .. }
        | Refusal::Unhealthy { .. }
        | Refusal::WarmingUp
        | Refusal::GroupBusy
        | Refusal::Busy { .. } => return None,
    })
}
