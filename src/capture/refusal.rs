//! The rules of the safety gate that say no: each with its numbers, its name, and what a person can do.

use std::fmt;
use std::time::Duration;

use crate::capture::GateOptions;
use crate::units::ByteSize;

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
    /// The state database cannot be written: an attempt that nobody remembers would count against no budget.
    Unrecorded,
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
            Self::Unrecorded => "unrecorded",
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

    /// What a person can do about it, where anything can be done but wait.
    pub fn advice(&self, options: &GateOptions) -> Option<String> {
        Some(match self {
            Self::Memory { rss, heap_used, factor, margin, .. } => {
                let needed = ByteSize::new(peak(*rss, *heap_used, *factor).saturating_add(*margin));
                format!(
                    "raise the memory limit to {needed} for a while and run `heapwatch snapshot`; set headroom_factor where \
                 a snapshot of this service is known to cost less; or set baseline = true to capture early after a \
                 restart, while the heap is small"
                )
            }
            Self::HeapTooLarge { .. } => {
                "set memory_limit so that the headroom can be reckoned, or raise max_heap where a pause is acceptable"
                    .into()
            }
            Self::UnknownHeap => "let the health endpoint report heapUsed and rss".into(),
            Self::Disk { .. } => format!(
                "free space under the snapshot directory (`heapwatch gc --dry-run` shows what may go), or lower \
             disk_reserve = {}",
                options.disk_reserve
            ),
            Self::Unrecorded => "make the disk of the state directory writable, with free space and free inodes".into(),
            Self::Disarmed { .. } => "find out why it died, then `heapwatch rearm` it".into(),
            Self::Budget { .. } => "run `heapwatch snapshot` by hand, or raise daily_budget".into(),
            Self::Cooldown { .. } | Self::Unhealthy { .. } | Self::WarmingUp | Self::GroupBusy | Self::Busy { .. } => {
                return None;
            }
        })
    }
}

/// Memory at the peak of a capture: `rss + factor * heap_used`, saturating.
pub(super) fn peak(rss: u64, heap_used: u64, factor: f64) -> u64 {
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
            Self::Unrecorded => {
                f.write_str("the state database cannot be written, so the capture could not be recorded")
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
