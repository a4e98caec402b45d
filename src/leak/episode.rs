//! An episode: a leak from its confirmation to its resolution. It survives restarts of the target, and after one it
//! watches whether the fix holds.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::event::{Resolution, RestartCause};
use crate::leak::options::Options;
use crate::sample::Signal;
use crate::units::ByteSize;

/// An open episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) signal: Signal,
    pub(crate) confirmed: Timestamp,
    /// Start of the growth that confirmed it.
    since: Timestamp,
    /// Growth in bytes per second when it was confirmed.
    slope: f64,
    /// Floor when the growth began, and the highest since, bytes.
    from: f64,
    to: f64,
    /// When growth was last evident, or the episode's life ended.
    until: Timestamp,
    stage: Stage,
    /// Time without growth in a life that goes on.
    #[serde(default)]
    quiet: Quiet,
}

/// Growth that is no longer seen: of how long floors say so, and from which one on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Quiet {
    /// Time that was covered by floors, seconds: while nobody looked, nothing has ended.
    seconds: f64,
    /// The floor at its begin; one that is clearly higher begins it anew.
    from: Option<f64>,
    /// Lowest and highest floor of it.
    #[serde(default)]
    extremes: Option<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Stage {
    /// The leak goes on.
    Leaking,
    /// The process was restarted: watched since then.
    Watching(Watching),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Watching {
    /// Time that was covered by floors, seconds.
    seconds: f64,
    /// Lowest and highest floor, once there is one.
    extremes: Option<(f64, f64)>,
}

/// Growth in a later life counts as the same leak from this share of its slope.
const SAME_SLOPE: f64 = 0.4;

impl Episode {
    /// Opens an episode on growth of `signal` from `from` to `to` bytes since `since`.
    pub(crate) fn open(signal: Signal, now: Timestamp, since: Timestamp, slope: f64, span: (f64, f64)) -> Self {
        let (from, to) = span;
        Self {
            signal,
            confirmed: now,
            since,
            slope,
            from,
            to,
            until: now,
            stage: Stage::Leaking,
            quiet: Quiet::default(),
        }
    }

    /// True while a fix is being watched.
    pub(crate) fn is_watching(&self) -> bool {
        matches!(self.stage, Stage::Watching(_))
    }

    /// Seconds of the watch that have passed.
    pub(crate) fn watched_seconds(&self) -> Option<f64> {
        match self.stage {
            Stage::Watching(watching) => Some(watching.seconds),
            Stage::Leaking => None,
        }
    }

    /// Growth in bytes per second when it was confirmed.
    pub(crate) fn slope(&self) -> f64 {
        self.slope
    }

    /// Whether growth of this slope, seen in a later life, is the same leak.
    pub(crate) fn is_same(&self, slope: f64) -> bool {
        slope >= SAME_SLOPE * self.slope
    }

    /// Growth is evident, up to `floor`: true where a fix was being watched and so has not held.
    pub(crate) fn on_growth(&mut self, now: Timestamp, floor: Option<f64>) -> bool {
        self.until = now;
        self.to = floor.map_or(self.to, |floor| self.to.max(floor));
        self.quiet = Quiet::default();
        let watched = self.is_watching();
        self.stage = Stage::Leaking;
        watched
    }

    /// The process was restarted. A likely kill is no fix, so the watch starts over with each.
    pub(crate) fn on_restart(&mut self, cause: RestartCause, now: Timestamp) {
        if cause == RestartCause::AtMemoryLimit || !self.is_watching() {
            if !self.is_watching() {
                self.until = now;
            }
            self.stage = Stage::Watching(Watching { seconds: 0.0, extremes: None });
        }
    }

    /// A floor of the episode's signal was closed after `seconds`; returns how the episode ends, where it does.
    pub(crate) fn on_floor(&mut self, floor: f64, seconds: f64, options: &Options) -> Option<Resolution> {
        match &mut self.stage {
            Stage::Leaking => {
                self.to = self.to.max(floor);
                let quiet = self.quiet.step(floor, seconds, options);
                let ended = quiet.seconds >= options.verify.as_secs_f64();
                let extremes = quiet.extremes.unwrap_or((floor, floor));
                ended.then(|| self.resolution(extremes, quiet.seconds, "growth has ended"))
            }
            Stage::Watching(watching) => {
                watching.seconds += seconds;
                let extremes = widened(watching.extremes, floor);
                watching.extremes = Some(extremes);
                let seconds = watching.seconds;
                (seconds >= options.verify.as_secs_f64())
                    .then(|| self.resolution(extremes, seconds, "floors level: fix held"))
            }
        }
    }

    fn resolution(&self, after: (f64, f64), after_seconds: f64, conclusion: &str) -> Resolution {
        let before_seconds = self.until.since(self.since).as_secs_f64();
        let (from, to, low, high) = (bytes(self.from), bytes(self.to), bytes(after.0), bytes(after.1));
        let says = format!(
            "{} to {} in {} before; {} to {} over {} after, {conclusion}",
            ByteSize::new(from),
            ByteSize::new(to),
            span(before_seconds),
            ByteSize::new(low),
            ByteSize::new(high),
            span(after_seconds)
        );
        Resolution {
            confirmed: self.confirmed,
            before_from_bytes: from,
            before_to_bytes: to,
            before_seconds,
            after_from_bytes: low,
            after_to_bytes: high,
            after_seconds,
            says,
        }
    }
}

impl Quiet {
    fn step(&mut self, floor: f64, seconds: f64, options: &Options) -> Self {
        let from = self.from.unwrap_or(floor);
        let matters = (options.min_rise.bytes() as f64).max(options.min_growth * from);
        *self = if floor > from + matters {
            Self { seconds: 0.0, from: Some(floor), extremes: None }
        } else {
            let extremes = Some(widened(self.extremes, floor));
            Self { seconds: self.seconds + seconds, from: Some(from), extremes }
        };
        *self
    }
}

/// The lowest and the highest floor, this one included.
fn widened(extremes: Option<(f64, f64)>, floor: f64) -> (f64, f64) {
    let (low, high) = extremes.unwrap_or((floor, floor));
    (low.min(floor), high.max(floor))
}

/// Bytes as a count, nothing below zero.
pub(crate) fn bytes(number: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is meant")]
    let bytes = number.round() as u64;
    bytes
}

/// A span for a person, in its two largest units: `8h`, `1h 30m`, `45s`.
fn span(seconds: f64) -> String {
    let whole = bytes(seconds);
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes, rest) {
        (0, 0, rest) => format!("{rest}s"),
        (0, minutes, _) => format!("{minutes}m"),
        (hours, minutes, _) if hours >= 10 || minutes == 0 => format!("{hours}h"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests;
