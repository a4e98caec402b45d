//! What can be wrong with a snapshot, always with the place.

use std::io;

use crate::units::ByteSize;

/// Bytes that are no whole V8 heap snapshot: where it shows, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (at byte {offset})")]
pub struct FormatError {
    /// Bytes of the uncompressed document before the place where the problem shows.
    pub offset: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// One way in which bytes fail to be a heap snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The document does not begin with `{"snapshot":`, as a login page or an error message would not.
    #[error("not a V8 heap snapshot: it begins with `{begins_with}`")]
    NotASnapshot {
        /// The first bytes, with everything unprintable replaced.
        begins_with: String,
    },
    /// The document stops before its closing brace.
    #[error("the snapshot ends early, inside {inside}")]
    Truncated {
        /// The part that is cut.
        inside: &'static str,
    },
    /// A byte that cannot stand here.
    #[error("unexpected byte {byte:#04x} in {inside}")]
    Unexpected {
        /// The byte.
        byte: u8,
        /// The part that contains it.
        inside: &'static str,
    },
    /// The header is not what V8 writes.
    #[error("the snapshot header is unusable: {0}")]
    Header(String),
    /// A section that must be there is not.
    #[error("the snapshot has no {0} section")]
    Missing(&'static str),
    /// A section that stands twice, or where it cannot be used.
    #[error("the {0} section is out of place")]
    Misplaced(&'static str),
    /// The header announces another number of elements than a section has.
    #[error("the header announces {announced} {what}, the file holds {found}")]
    CountMismatch {
        /// The section.
        what: &'static str,
        /// From the header.
        announced: u64,
        /// Counted.
        found: u64,
    },
    /// A value that points outside the table that it indexes.
    #[error("{what} is {value}, which is not below {limit}")]
    OutOfRange {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u64,
        /// The size of the table.
        limit: u64,
    },
    /// More of something than this analysis can address.
    #[error("{what} number more than {limit}, which is beyond what can be analysed")]
    TooMany {
        /// The section.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
}

/// Why an analysis gave no result.
#[derive(Debug, thiserror::Error)]
pub enum HeapError {
    /// The bytes are no snapshot.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The bytes could not be read.
    #[error("cannot read the snapshot")]
    Read(#[from] io::Error),
    /// The snapshot could be read so far only: the disk failed, or it is compressed and damaged.
    #[error("cannot read the snapshot on from byte {offset}")]
    ReadOn {
        /// Bytes of the uncompressed document before.
        offset: u64,
        /// What the system or the decoder said.
        source: io::Error,
    },
    /// The graph would not fit the memory allowed for it.
    #[error("analysing {nodes} nodes and {edges} edges needs about {needed}, more than the {budget} allowed")]
    OverBudget {
        /// From the header.
        nodes: u64,
        /// From the header.
        edges: u64,
        /// Peak memory of the analysis.
        needed: ByteSize,
        /// What was allowed.
        budget: ByteSize,
    },
    /// The two snapshots come from different processes, so ids say nothing.
    #[error(
        "the two snapshots are of different processes: only {same_percent:.1} % of the ids they share name the same \
         kind of object (one process gives 99 % or more)"
    )]
    DifferentProcesses {
        /// Shared ids whose type and name agree, in percent.
        same_percent: f64,
    },
}
