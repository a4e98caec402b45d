//! One reading of a target's memory, and the signals that are judged apart.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// One reading of the health endpoint with the time it was taken. Sizes are bytes; a field the target did not
/// report is `None`, and nothing is assumed between fields (`external` may exceed `rss`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When the answer arrived.
    pub at: Timestamp,
    /// JavaScript objects alive or not yet collected.
    pub heap_used: Option<u64>,
    /// Memory that V8 holds for the JavaScript heap.
    pub heap_total: Option<u64>,
    /// Memory of C++ objects bound to JavaScript objects; Node counts array buffers in it.
    pub external: Option<u64>,
    /// The part of `external` that is `ArrayBuffer` and `Buffer` memory.
    pub array_buffers: Option<u64>,
    /// Resident set size of the process.
    pub rss: Option<u64>,
    /// What the target says of its own limit (heap size limit or container limit), whichever is lower.
    pub memory_limit: Option<u64>,
    /// Heap in use right after the last major collection, where the target reports it.
    pub heap_used_after_gc: Option<u64>,
    /// Major collections since the process started, where the target reports it.
    pub major_gcs: Option<u64>,
    /// Requests served since the process started, where the target reports it.
    pub requests: Option<u64>,
    /// Process id.
    pub pid: Option<u64>,
    /// Time since the process started.
    pub uptime: Option<Duration>,
    /// Numbers watched by name (`listeners.uncaughtException`), in the order of the configuration.
    pub gauges: Vec<(String, f64)>,
}

impl Sample {
    /// A reading with nothing in it but its time.
    pub fn empty(at: Timestamp) -> Self {
        Self {
            at,
            heap_used: None,
            heap_total: None,
            external: None,
            array_buffers: None,
            rss: None,
            memory_limit: None,
            heap_used_after_gc: None,
            major_gcs: None,
            requests: None,
            pid: None,
            uptime: None,
            gauges: Vec::new(),
        }
    }

    /// Bytes of one signal; `None` where the sample lacks a part of it.
    pub fn signal(&self, signal: Signal) -> Option<u64> {
        match signal {
            Signal::HeapUsed => self.heap_used,
            Signal::External => self.external,
            Signal::Native => {
                let inside = self.heap_total?.saturating_add(self.external?);
                Some(self.rss?.saturating_sub(inside))
            }
            Signal::Rss => self.rss,
        }
    }
}

/// What can grow: each is a series of its own, and a verdict names the one that leaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// The JavaScript heap.
    HeapUsed,
    /// Buffers and other memory bound to JavaScript objects.
    External,
    /// `rss - heapTotal - external`: native allocations, fragmentation, thread stacks.
    Native,
    /// The whole process, for targets that do not report all of the finer ones.
    Rss,
}

impl Signal {
    /// Every signal, in the order they are judged.
    pub const ALL: [Self; 4] = [Self::HeapUsed, Self::External, Self::Native, Self::Rss];

    /// The name used in JSON, metrics and text: `heapUsed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeapUsed => "heapUsed",
            Self::External => "external",
            Self::Native => "native",
            Self::Rss => "rss",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_is_what_heap_and_external_do_not_explain() {
        let mut sample = Sample::empty(Timestamp::from_unix_ms(0));
        sample.rss = Some(100);
        sample.heap_total = Some(60);
        assert_eq!(sample.signal(Signal::Native), None, "external is unknown");
        sample.external = Some(10);
        assert_eq!(sample.signal(Signal::Native), Some(30));
        sample.external = Some(1_000);
        assert_eq!(sample.signal(Signal::Native), Some(0), "external may exceed rss");
    }
}
