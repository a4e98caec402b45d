//! Heap snapshot analysis: V8's `.heapsnapshot` text in, the guilty line out.
//!
//! A core: it reads from any [`std::io::Read`] and knows no files, no clock and no logging.

pub mod error;
pub mod header;
pub mod report;
pub mod sections;
pub mod verify;

pub use error::{FormatError, HeapError, Problem};
pub use header::Header;
