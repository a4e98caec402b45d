//! The detector of one target: samples in, verdict and events out. It reads no clock and does no I/O.
//!
//! `lives` cuts the samples at restarts, `memory` keeps a `watch` over each signal, `judge` tries the gates on every
//! window of its floors, `episode` and `pair` carry a confirmed leak through restarts to its end, `lessons` keeps what
//! lives taught that ended before, and `say` puts it all into a verdict. `detector` is the one that the rest of heapwatch sees.

pub mod detector;
mod episode;
pub mod event;
pub mod gate;
mod gauges;
mod judge;
mod lessons;
mod lives;
mod memory;
pub mod options;
mod packed;
mod pair;
pub mod picture;
mod processes;
mod say;
pub mod verdict;
mod watch;

pub use detector::{Detector, DetectorState, Observation};
pub use event::LeakEvent;
pub use options::{GaugeRule, OptionError, Options};
pub use packed::{Packed, UnpackError};
pub use picture::{Outline, Picture};
pub use verdict::Verdict;
