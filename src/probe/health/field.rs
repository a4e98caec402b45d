//! The fields of a health body that heapwatch understands.

use std::fmt;

use super::names;

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

    /// The field of this name, for pointers in the configuration; a unit at its end scales plain numbers (`rssMB`).
    pub fn named(name: &str) -> Option<Self> {
        names::pointer_key(name).map(|(field, _)| field)
    }

    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::HeapUsed
            | Self::HeapTotal
            | Self::External
            | Self::ArrayBuffers
            | Self::Rss
            | Self::HeapUsedAfterGc => Kind::Memory,
            Self::HeapLimit | Self::MemoryLimit => Kind::Limit,
            Self::MajorGcs | Self::Requests => Kind::Count,
            Self::Pid => Kind::Pid,
            Self::Uptime => Kind::Span,
            Self::StartTime => Kind::Instant,
        }
    }
}

/// What sort of figure a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes in use.
    Memory,
    /// Bytes that may be used; huge numbers and 0 mean that there is no limit.
    Limit,
    /// A number of something.
    Count,
    /// A process id.
    Pid,
    /// A span of time.
    Span,
    /// A point in time.
    Instant,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
