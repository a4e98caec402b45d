//! Sampling heap profiles: V8's `.heapprofile`, which says what stacks made the objects that are alive.
//!
//! V8 remembers about one object in every so many allocated bytes with its stack, and forgets it when it is collected.
//! So a profile costs next to nothing and needs no room, where a snapshot takes many times the heap; in return it knows
//! functions, not retainers. [`read()`] reads one, [`compare_profiles`] takes two of one process apart into what stayed,
//! by stack, [`flame`] draws it, [`report`] is the wire shape.
//!
//! The format is that of the `SamplingHeapProfile` of the `DevTools` protocol,
//! <https://chromedevtools.github.io/devtools-protocol/v8/HeapProfiler/#type-SamplingHeapProfile>.

mod blame;
mod compare;
pub mod flame;
mod read;
pub mod report;

pub use blame::restore_sources;
pub use compare::compare_profiles;
pub use read::{ProfileError, read};
pub use report::ProfileReport;

use super::report::Location;

/// A profile: a tree of calls, the root first and parents before their children.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    frames: Vec<Frame>,
    nodes: Vec<CallNode>,
    samples: Vec<Sample>,
}

/// A function. What it is called comes from the process and may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Its name; empty where it has none.
    pub function: String,
    /// The path or URL of its script; empty for what V8 itself does.
    pub script: String,
    /// Line of its definition, from 1; 0 where V8 does not tell.
    pub line: u32,
    /// Column of its definition, from 1; 0 where V8 does not tell.
    pub column: u32,
}

/// One call in the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct CallNode {
    /// Index into the frames.
    frame: usize,
    /// Index into the nodes, below the node's own; the root is its own parent.
    parent: usize,
    /// V8's number of the node, which samples refer to.
    id: u64,
    /// Bytes alive that this very call allocated, as V8 estimates them.
    self_bytes: u64,
}

/// One remembered object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    /// V8's number of the call that made it.
    node_id: u64,
    /// How many bytes it stands for.
    bytes: u64,
    /// Its number in order of allocation, for the life of the process.
    ordinal: u64,
}

impl Profile {
    /// Calls in the tree.
    pub fn calls(&self) -> usize {
        self.nodes.len()
    }

    /// Bytes alive in all, as V8 estimates them.
    pub fn total_bytes(&self) -> u64 {
        self.nodes.iter().fold(0, |sum, node| sum.saturating_add(node.self_bytes))
    }
}

impl Frame {
    /// Whether the function is the program's own, not the runtime's and not a dependency's.
    fn is_of_program(&self) -> bool {
        self.has_script() && !self.script.contains("/node_modules/") && !self.script.contains("\\node_modules\\")
    }

    /// Whether it is called with `new`, as far as its name tells: V8 does not.
    fn is_constructor(&self) -> bool {
        self.function.starts_with(|first: char| first.is_uppercase())
    }

    /// Whether it stands in a script at all, besides those of the runtime.
    fn has_script(&self) -> bool {
        !self.script.is_empty() && !self.script.starts_with("node:") && !self.script.starts_with("internal/")
    }

    /// The function's name for people.
    fn name(&self) -> &str {
        if self.function.is_empty() { "anonymous function" } else { &self.function }
    }

    fn location(&self) -> Option<Location> {
        let known = self.has_script() && self.line > 0;
        known.then(|| Location { script: self.script.clone(), line: self.line, column: self.column })
    }
}
