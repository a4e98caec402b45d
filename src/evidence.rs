//! What can be known of a leak's origin: the kinds of captures, and how good the evidence is that came of them.

use serde::{Deserialize, Serialize};

/// The two kinds of captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureKind {
    /// The whole heap: what is there and what retains it. It costs the process a pause and many times its heap.
    #[default]
    HeapSnapshot,
    /// The stacks that made what is alive, sampled: it costs next to nothing.
    HeapProfile,
}

/// What is known of a leak's origin, the better the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Nothing but the readings.
    #[default]
    None,
    /// One snapshot: what the heap holds, but not what grows.
    Snapshot,
    /// Two profiles: which functions made what stayed between them.
    ProfilePair,
    /// Two snapshots: which objects grow, what retains them, and the line that made them.
    SnapshotPair,
}

impl CaptureKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::HeapSnapshot, Self::HeapProfile];

    /// The name in JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeapSnapshot => "heap-snapshot",
            Self::HeapProfile => "heap-profile",
        }
    }

    /// What one is called among people.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::HeapSnapshot => "snapshot",
            Self::HeapProfile => "profile",
        }
    }

    /// The end of its file's name, as `DevTools` knows it.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::HeapSnapshot => "heapsnapshot",
            Self::HeapProfile => "heapprofile",
        }
    }
}

impl Evidence {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Snapshot => "snapshot",
            Self::ProfilePair => "profile_pair",
            Self::SnapshotPair => "snapshot_pair",
        }
    }

    /// What it is called among people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Snapshot => "a single heap snapshot",
            Self::ProfilePair => "heap profiles",
            Self::SnapshotPair => "heap snapshots",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_more_is_better_evidence() {
        use Evidence::{None, ProfilePair, Snapshot, SnapshotPair};
        assert!(None < Snapshot && Snapshot < ProfilePair && ProfilePair < SnapshotPair);
    }

    #[test]
    fn names_are_those_of_json() {
        for kind in CaptureKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        for evidence in [Evidence::None, Evidence::Snapshot, Evidence::ProfilePair, Evidence::SnapshotPair] {
            assert_eq!(serde_json::to_value(evidence).unwrap(), evidence.name());
        }
    }
}
