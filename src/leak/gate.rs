//! Gates: the conditions of a verdict, each with what was measured and what it was held against.

use serde::{Deserialize, Serialize};

use crate::leak::verdict::Reason;

/// One condition, tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Which condition.
    pub kind: GateKind,
    /// Whether it lets a leak through.
    pub passed: bool,
    /// What was measured.
    pub value: f64,
    /// What it was held against.
    pub threshold: f64,
}

/// The conditions, in the order they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateKind {
    /// The slope is fast enough to matter.
    Slope,
    /// The rise is large enough to matter.
    Size,
    /// The rise stands out from the noise of the floors.
    Noise,
    /// Each part of the window grows: no step with level ground around it.
    Spread,
    /// It still grows at the end of the window.
    Tail,
    /// No step or two make up most of it.
    Step,
    /// Growth does not slow down like a cache that fills.
    Levelling,
    /// Most collections leave more than any before them.
    Lasting,
    /// It rises higher than anything that ever came back down.
    GiveBack,
    /// The window is long enough for how far away the limit is.
    Patience,
    /// It is more than the rise of a daily cycle, or lasts longer.
    Cycle,
    /// It is more than garbage that no collection has yet been seen to take.
    Tooth,
}

impl GateKind {
    /// True for gates that only ask for more evidence: growth that fails none but these is a suspicion.
    pub const fn is_patience(self) -> bool {
        matches!(self, Self::Patience | Self::Cycle | Self::Tooth)
    }

    /// The name for programs: `give_back`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slope => "slope",
            Self::Size => "size",
            Self::Noise => "noise",
            Self::Spread => "spread",
            Self::Tail => "tail",
            Self::Step => "step",
            Self::Levelling => "levelling",
            Self::Lasting => "lasting",
            Self::GiveBack => "give_back",
            Self::Patience => "patience",
            Self::Cycle => "cycle",
            Self::Tooth => "tooth",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Slope => "bytes_per_hour",
            Self::Size | Self::Noise | Self::GiveBack => "bytes",
            Self::Spread | Self::Tail | Self::Step | Self::Levelling | Self::Lasting | Self::Cycle | Self::Tooth => {
                "ratio"
            }
            Self::Patience => "seconds",
        }
    }

    /// What the gate asks, for a person, as a sentence that holds when it passes or when it does not.
    const fn says(self, passed: bool) -> &'static str {
        match (self, passed) {
            (Self::Slope, true) => "grows fast enough to matter",
            (Self::Slope, false) => "grows too slowly to matter",
            (Self::Size, true) => "the rise is large enough to matter",
            (Self::Size, false) => "the rise is too small to matter",
            (Self::Noise, true) => "the rise stands out from the noise of the floors",
            (Self::Noise, false) => "the rise is lost in the noise of the floors",
            (Self::Spread, true) => "every part of the window grows",
            (Self::Spread, false) => "part of the window does not grow",
            (Self::Tail, true) => "still grows at its end",
            (Self::Tail, false) => "growth has ended",
            (Self::Step, true) => "no step or two explain the rise",
            (Self::Step, false) => "a step or two explain most of the rise",
            (Self::Levelling, true) => "growth does not slow down",
            (Self::Levelling, false) => "growth slows down, as a cache does that fills",
            (Self::Lasting, true) => "most collections leave more than any before them",
            (Self::Lasting, false) => "most of what collections left was freed later",
            (Self::GiveBack, true) => "rises higher than anything that came back down before",
            (Self::GiveBack, false) => "as much came back down before",
            (Self::Patience, true) => "lasts long enough for how far away the limit is",
            (Self::Patience, false) => "the limit is far enough away to wait for more evidence",
            (Self::Cycle, true) => "is no daily cycle",
            (Self::Cycle, false) => "could be the first rise of a daily cycle",
            (Self::Tooth, true) => "is no garbage that awaits its collection",
            (Self::Tooth, false) => "could be garbage: no collection has been seen yet",
        }
    }
}

impl Gate {
    /// Passes where `value` is at least `threshold`; NaN loses.
    pub fn at_least(kind: GateKind, value: f64, threshold: f64) -> Self {
        Self { kind, passed: value >= threshold, value: shown(value), threshold: shown(threshold) }
    }

    /// Passes where `value` is at most `threshold`; NaN loses.
    pub fn at_most(kind: GateKind, value: f64, threshold: f64) -> Self {
        Self { kind, passed: value <= threshold, value: shown(value), threshold: shown(threshold) }
    }

    /// The gate as a reason of a verdict.
    pub fn reason(&self) -> Reason {
        Reason {
            gate: self.kind.name().to_owned(),
            passed: self.passed,
            value: self.value,
            threshold: self.threshold,
            unit: self.kind.unit().to_owned(),
            says: self.kind.says(self.passed).to_owned(),
        }
    }
}

/// A number that JSON can hold: zero for NaN, the largest for infinity.
fn shown(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number.clamp(f64::MIN, f64::MAX) }
}
