//! Every time constant and threshold of the detector, with the values it runs on when nobody says otherwise.

use std::time::Duration;

use crate::units::{ByteRate, ByteSize};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// What the detector is told about a target and about time.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Time between two polls.
    pub interval: Duration,
    /// Length of the blocks whose lows are the floors.
    pub block: Duration,
    /// Start of a life in which nothing is judged.
    pub warm_up: Duration,
    /// How long a suspicion must last before it is confirmed; shorter the nearer the limit.
    pub hold: Duration,
    /// Windows over which growth is judged, shortest first.
    pub horizons: Vec<Duration>,
    /// How long a new life is watched before an episode counts as resolved.
    pub verify: Duration,
    /// Time between the two snapshots of a pair.
    pub pair_gap: Duration,
    /// Growth that is too slow to matter.
    pub min_slope: ByteRate,
    /// Growth over a window that is too small to matter, as a share of the floor.
    pub min_growth: f64,
    /// The memory at which the process is killed; without it, what the target itself says.
    pub memory_limit: Option<ByteSize>,
    /// Ask for a snapshot of each new life after its warm-up.
    pub baseline: bool,
    /// Numbers watched besides memory.
    pub gauges: Vec<GaugeRule>,
}

/// How one number of the health body is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct GaugeRule {
    /// Its name in the configuration, as it comes in `Sample::gauges`.
    pub name: String,
    /// The highest value that is fine.
    pub maximum: Option<f64>,
    /// Whether sustained growth is reported as a leak.
    pub growth: bool,
}

/// One option that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{key} = {value}: {problem} (for example {example})")]
pub struct OptionError {
    /// The field of [`Options`].
    pub key: &'static str,
    /// What it is.
    pub value: String,
    /// What is wrong with it and what would be right.
    pub problem: String,
    /// A value that would be right.
    pub example: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            block: 10 * MINUTE,
            warm_up: 20 * MINUTE,
            hold: 20 * MINUTE,
            horizons: vec![HOUR, 3 * HOUR, 8 * HOUR, 24 * HOUR, 48 * HOUR],
            verify: 48 * HOUR,
            pair_gap: 30 * MINUTE,
            min_slope: ByteRate::per_hour(700_000.0),
            min_growth: 0.05,
            memory_limit: None,
            baseline: false,
            gauges: Vec::new(),
        }
    }
}

impl Options {
    /// The same options with all times multiplied by `factor` and slopes divided by it, so that a demo or a test
    /// runs the whole story in a minute.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        let factor = if factor.is_finite() && factor > 0.0 { factor } else { 1.0 };
        for time in [
            &mut self.interval,
            &mut self.block,
            &mut self.warm_up,
            &mut self.hold,
            &mut self.verify,
            &mut self.pair_gap,
        ]
        .into_iter()
        .chain(self.horizons.iter_mut())
        {
            *time = Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX);
        }
        self.min_slope = ByteRate::per_second(self.min_slope.bytes_per_second() / factor);
        self
    }

    /// The options where they make sense together, else everything that is wrong with them.
    pub fn checked(self) -> Result<Self, Vec<OptionError>> {
        let mut errors = Vec::new();
        let mut demand = |holds: bool, key, value: String, problem: &str, example| {
            if !holds {
                errors.push(OptionError { key, value, problem: problem.to_owned(), example });
            }
        };
        let shown = |time: Duration| format!("{time:?}");
        demand(!self.interval.is_zero(), "interval", shown(self.interval), "must be more than zero", "\"30s\"");
        demand(
            self.block >= self.interval * 4,
            "block",
            shown(self.block),
            "must hold at least 4 polls, or its low is no floor",
            "\"10m\"",
        );
        demand(
            !self.horizons.is_empty(),
            "horizons",
            "[]".to_owned(),
            "needs at least one window",
            "[\"1h\", \"24h\"]",
        );
        demand(
            self.horizons.iter().all(|horizon| *horizon >= self.block * 3),
            "horizons",
            format!("{:?}", self.horizons),
            "each must hold at least 3 blocks",
            "[\"1h\", \"24h\"]",
        );
        demand(
            self.horizons.is_sorted_by(|a, b| a < b),
            "horizons",
            format!("{:?}", self.horizons),
            "must grow from one to the next",
            "[\"1h\", \"24h\"]",
        );
        demand(
            self.min_growth.is_finite() && (0.0..1.0).contains(&self.min_growth),
            "min_growth",
            self.min_growth.to_string(),
            "must be from 0 to below 1",
            "0.05",
        );
        demand(
            self.memory_limit.is_none_or(|limit| limit.bytes() > 0),
            "memory_limit",
            "0 B".to_owned(),
            "must be more than zero",
            "\"512MiB\"",
        );
        if errors.is_empty() { Ok(self) } else { Err(errors) }
    }
}
