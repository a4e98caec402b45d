//! What the detector says of a target now, with its reasons as data.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::sample::Signal;
use crate::text::span_of_seconds;
use crate::units::{ByteRate, ByteSize};

/// The detector's word on a target, ordered by urgency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Too early in this life to say anything.
    #[default]
    WarmingUp,
    /// Too little or too contradictory data to say anything.
    NotJudged,
    /// Watched, and nothing grows beyond its plateau.
    Steady,
    /// Growth that has not yet lasted long enough.
    Suspected,
    /// Sustained growth without a plateau: an episode is open.
    Leaking,
    /// An episode is open, the process was restarted, and the fix is being watched.
    Recovering,
}

impl State {
    /// Every state, least urgent first.
    pub const ALL: [Self; 6] =
        [Self::WarmingUp, Self::NotJudged, Self::Steady, Self::Suspected, Self::Leaking, Self::Recovering];

    /// The name in JSON and metrics: `warming_up`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WarmingUp => "warming_up",
            Self::NotJudged => "not_judged",
            Self::Steady => "steady",
            Self::Suspected => "suspected",
            Self::Leaking => "leaking",
            Self::Recovering => "recovering",
        }
    }
}

/// For people: `warming up`.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name().replace('_', " "))
    }
}

/// A verdict with the evidence it stands on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The word itself.
    pub state: State,
    /// When the target came into this state.
    pub since: Timestamp,
    /// The signal that leaks or is suspected; else the one nearest to it.
    pub signal: Option<Signal>,
    /// Growth of that signal, where enough floors exist to fit a line.
    pub growth: Option<Growth>,
    /// Every gate with its value and threshold, in the order they are tried.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// Whether it stands on what was confirmed before: an open episode lasts until it is resolved, also where nothing is
    /// seen to grow just now.
    pub fn outlasts_its_gates(&self) -> bool {
        self.state == State::Leaking && self.reasons.iter().any(|reason| !reason.passed)
    }
}

/// How a signal has grown over the window that was judged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Slope of the floors.
    pub slope: ByteRate,
    /// R²: the share of the floors' variance that the line explains, from 0 to 1. No gate asks for it.
    #[serde(default)]
    pub r2: Option<f64>,
    /// Floor at the start of the window, bytes.
    pub from_bytes: u64,
    /// Floor at its end, bytes.
    pub to_bytes: u64,
    /// Start of the window.
    pub since: Timestamp,
    /// Last floor of the window.
    pub until: Timestamp,
    /// The memory limit that the forecast runs to, where one is known.
    pub limit_bytes: Option<u64>,
    /// Seconds until the limit is reached at this slope.
    pub limit_in_seconds: Option<f64>,
}

/// One gate of the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Which gate (`size`, `tail`, `new_high`); stable, for programs.
    pub gate: String,
    /// Whether it lets a leak through.
    pub passed: bool,
    /// What was measured.
    pub value: f64,
    /// What it was held against.
    pub threshold: f64,
    /// Unit of both (`bytes_per_hour`, `ratio`, `seconds`).
    pub unit: String,
    /// One sentence for a person.
    pub says: String,
}

impl Reason {
    /// What was measured, with its unit, for people.
    pub fn value_text(&self) -> String {
        quantity(self.value, &self.unit)
    }

    /// Some gates ask for enough, others for not too much; which one follows from how this one went.
    pub fn asks(&self) -> char {
        if self.passed == (self.value >= self.threshold) { '≥' } else { '≤' }
    }

    /// What it was held against, with its unit, for people.
    pub fn threshold_text(&self) -> String {
        quantity(self.threshold, &self.unit)
    }
}

fn quantity(value: f64, unit: &str) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is meant")]
    let size = ByteSize::new(value.abs() as u64);
    match unit {
        "bytes" => format!("{sign}{size}"),
        "bytes_per_hour" => ByteRate::per_hour(value).to_string(),
        "seconds" => span_of_seconds(value).unwrap_or_else(|| "ever".to_owned()),
        "ratio" => format!("{value:.2}"),
        _ => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_show_their_numbers_with_units() {
        for (value, unit, expected) in [
            (3_145_728.0, "bytes", "3 MiB"),
            (-3_145_728.0, "bytes", "-3 MiB"),
            (52_428_800.0, "bytes_per_hour", "50 MiB/h"),
            (5400.0, "seconds", "1 h 30 min"),
            (f64::MAX, "seconds", "ever"),
            (0.456, "ratio", "0.46"),
            (2.0, "processes", "2"),
        ] {
            assert_eq!(quantity(value, unit), expected);
        }
    }
}
