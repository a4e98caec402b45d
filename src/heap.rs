//! Heap snapshot analysis: V8's `.heapsnapshot` text in, the guilty line out.
//!
//! A core: it reads from any [`std::io::Read`] and knows no files, no clock and no logging. In reading order:
//!
//! 1. *Reading.* [`sections`] cuts the document while its bytes pass by, [`header`] tells how rows read, [`verify`] only
//!    counts, [`load`](mod@load) fills the columns of a [`Graph`]. Every reference is checked here and nowhere later.
//! 2. *What `DevTools` computes.* `detached`, `shallow`, `essential`, [`dominators`], [`distance`], [`mod@class`] and
//!    `interface`, put together in [`snapshot`]. Equal to `DevTools` for every node; the tests compare.
//! 3. *One snapshot*: [`summary`], [`retaining`], [`redact`].
//! 4. *A pair*: `digest` keeps of the first snapshot what the comparison needs, `losses` counts what went, [`pair`] reads both, `diff` is the
//!    Comparison view, `culprit` finds who leaks, `path`, `es_module` and [`scripts`] tell where, [`settle`] takes a third snapshot,
//!    [`source_map`] leads back to the source, [`report`] is the wire shape.
//! 5. [`profile`]: the other, cheap kind of evidence, V8's sampling heap profiles, and the growth between two of them.
//!
//! Invariants: nothing is allocated because a file says so; every walk over the graph has an explicit stack; texts of
//! the heap are decoded only to be printed, and values of strings never are.

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
mod es_module;
mod essential;
pub mod graph;
pub mod header;
mod interface;
pub mod load;
mod losses;
pub mod pair;
mod path;
pub mod profile;
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
pub use load::{LoadOptions, load, read_header};
pub use pair::{compare_snapshots, compare_with};
pub use snapshot::Snapshot;
