//! The fields of a health body, and the names that services give them.

use std::fmt;

/// A figure that a health endpoint may report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// JavaScript objects alive or not yet collected.
    HeapUsed,
    /// Memory that V8 holds for the JavaScript heap.
    HeapTotal,
    /// Memory of C++ objects bound to JavaScript objects.
    External,
    /// The part of `external` that is buffers.
    ArrayBuffers,
    /// Resident set size of the process.
    Rss,
    /// V8's own limit, `heap_size_limit`.
    HeapLimit,
    /// The limit of the process or its container.
    MemoryLimit,
    /// Heap in use right after the last major collection.
    HeapUsedAfterGc,
    /// Major collections since the process started.
    MajorGcs,
    /// Requests served since the process started.
    Requests,
    /// Process id.
    Pid,
    /// Time since the process started.
    Uptime,
    /// When the process started.
    StartTime,
}

impl Field {
    /// Every field, in the order they are shown.
    pub const ALL: [Self; 13] = [
        Self::HeapUsed,
        Self::HeapTotal,
        Self::External,
        Self::ArrayBuffers,
        Self::Rss,
        Self::HeapLimit,
        Self::MemoryLimit,
        Self::HeapUsedAfterGc,
        Self::MajorGcs,
        Self::Requests,
        Self::Pid,
        Self::Uptime,
        Self::StartTime,
    ];

    /// The name in the configuration and in `heapwatch probe`: `heapUsed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeapUsed => "heapUsed",
            Self::HeapTotal => "heapTotal",
            Self::External => "external",
            Self::ArrayBuffers => "arrayBuffers",
            Self::Rss => "rss",
            Self::HeapLimit => "heapLimit",
            Self::MemoryLimit => "memoryLimit",
            Self::HeapUsedAfterGc => "heapUsedAfterGc",
            Self::MajorGcs => "majorGcs",
            Self::Requests => "requests",
            Self::Pid => "pid",
            Self::Uptime => "uptime",
            Self::StartTime => "startTime",
        }
    }

    /// The field of this name, for pointers in the configuration.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
