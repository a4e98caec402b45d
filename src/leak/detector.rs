//! `Detector`: feed it what the watcher sees, ask it what to make of it.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::event::LeakEvent;
use crate::leak::options::Options;
use crate::leak::picture::Picture;
use crate::leak::verdict::{State, Verdict};
use crate::sample::Sample;
use crate::target::Life;

/// One thing that the watcher of a target sees or does.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// A poll was answered.
    Sample(&'a Sample),
    /// A poll failed.
    Missed {
        /// When.
        at: Timestamp,
        /// Whether the connection was refused: nothing listens there, so the process is likely gone.
        refused: bool,
    },
    /// A capture of ours begins: from here on the process pauses and answers no poll.
    CaptureBegan {
        /// When.
        at: Timestamp,
    },
    /// It is over.
    CaptureEnded {
        /// When.
        at: Timestamp,
        /// Whether a whole snapshot was stored.
        stored: bool,
    },
}

/// Everything the detector knows, bounded in size, for the state database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectorState {
    verdict: Verdict,
    life: Option<Life>,
}

/// Judges one target.
#[derive(Clone, Debug)]
pub struct Detector {
    options: Options,
    state: DetectorState,
}

impl Detector {
    /// A detector that has seen nothing yet.
    pub fn new(options: Options) -> Self {
        let verdict = Verdict {
            state: State::WarmingUp,
            since: Timestamp::from_unix_ms(0),
            signal: None,
            growth: None,
            reasons: Vec::new(),
        };
        Self { options, state: DetectorState { verdict, life: None } }
    }

    /// A detector that goes on where another one was when it wrote `state`.
    pub fn restore(options: Options, state: DetectorState) -> Self {
        Self { options, state }
    }

    /// Everything it knows, for [`Detector::restore`].
    pub fn to_state(&self) -> DetectorState {
        self.state.clone()
    }

    /// Takes new options and keeps what it knows.
    pub fn reconfigure(&mut self, options: Options) {
        self.options = options;
    }

    /// Takes in one observation and returns what changed by it.
    pub fn observe(&mut self, _observation: Observation<'_>) -> Vec<LeakEvent> {
        Vec::new()
    }

    /// What it says now.
    pub fn verdict(&self) -> &Verdict {
        &self.state.verdict
    }

    /// The life that is running, once a sample has been seen.
    pub fn life(&self) -> Option<Life> {
        self.state.life
    }

    /// What a chart shows.
    pub fn picture(&self) -> Picture {
        Picture::default()
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.options
    }
}
