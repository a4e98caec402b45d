//! The detector of one target: samples in, verdict and events out. It reads no clock and does no I/O.

pub mod detector;
pub mod event;
pub mod options;
pub mod picture;
pub mod verdict;

pub use detector::{Detector, DetectorState, Observation};
pub use event::LeakEvent;
pub use options::{GaugeRule, OptionError, Options};
pub use picture::Picture;
pub use verdict::Verdict;
