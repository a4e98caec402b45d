//! Heap snapshot analysis: V8's `.heapsnapshot` text in, the guilty line out.
//!
//! A core: it reads from any [`std::io::Read`] and knows no files, no clock and no logging.

mod bits;
pub mod class;
mod column;
mod culprit;
mod detached;
mod diff;
mod digest;
pub mod distance;
pub mod dominators;
mod ephemeron;
pub mod error;
mod essential;
pub mod graph;
pub mod header;
mod interface;
pub mod load;
pub mod pair;
mod path;
pub mod redact;
pub mod report;
pub mod retainers;
pub mod retaining;
mod rows;
pub mod scripts;
pub mod sections;
pub mod settle;
mod shallow;
pub mod snapshot;
pub mod source_map;
pub mod strings;
pub mod summary;
#[cfg(test)]
mod synthetic;
pub mod verify;

pub use error::{FormatError, HeapError, Problem};
pub use graph::Graph;
pub use header::{Header, estimate};
pub use load::{LoadOptions, load};
pub use pair::compare_snapshots;
pub use snapshot::Snapshot;
