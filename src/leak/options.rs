//! Every time constant and threshold of the detector, with the values it runs on when nobody says otherwise.

use std::time::Duration;

use crate::units::{ByteRate, ByteSize};

/// What the detector is told about a target and about time.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Time between two polls.
    pub interval: Duration,
    /// Length of the finest blocks whose lows are the floors; coarser ones are 3, 9, 27 and 81 times as long.
    pub block: Duration,
    /// Start of a life in which nothing is judged.
    pub warm_up: Duration,
    /// A suspicion is confirmed after 0.7 % of the time left to the limit, but after this at the latest.
    pub hold: Duration,
    /// The window of growth must be this share of the time left to the limit.
    pub patience: f64,
    /// Age up to which growth that slows down is taken for a cache that fills.
    pub filling: Duration,
    /// Age by which a process has had its first major collection.
    pub longest_tooth: Duration,
    /// One cycle of traffic.
    pub day: Duration,
    /// How long new lives are watched before an episode counts as resolved.
    pub verify: Duration,
    /// Time between the two snapshots of a pair.
    pub pair_gap: Duration,
    /// Growth that is too slow to matter.
    pub min_slope: ByteRate,
    /// A rise that is too small to matter.
    pub min_rise: ByteSize,
    /// The same as a share of the level after warm-up.
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

/// The values that the scorecard was measured with.
impl Default for Options {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            block: Duration::from_mins(5),
            warm_up: Duration::from_mins(5),
            hold: Duration::from_hours(1),
            patience: 0.05,
            filling: Duration::from_hours(26),
            longest_tooth: Duration::from_hours(8),
            day: Duration::from_hours(24),
            verify: Duration::from_hours(48),
            pair_gap: Duration::from_mins(30),
            min_slope: ByteRate::per_hour(0.5 * 1_048_576.0),
            min_rise: ByteSize::mib(3),
            min_growth: 0.05,
            memory_limit: None,
            baseline: false,
            gauges: Vec::new(),
        }
    }
}

/// A block with fewer polls has a low that is no floor.
const POLLS_IN_A_BLOCK: u32 = 4;

impl Options {
    /// The same options with all times multiplied by `factor` and slopes divided by it, so that a demo or a test
    /// runs the whole story in a minute.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        let factor = if factor.is_finite() && factor > 0.0 { factor } else { 1.0 };
        for (_, time) in self.times_mut() {
            *time = Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX);
        }
        self.min_slope = ByteRate::per_second(self.min_slope.bytes_per_second() / factor);
        self
    }

    fn times_mut(&mut self) -> [(&'static str, &mut Duration); 9] {
        [
            ("interval", &mut self.interval),
            ("block", &mut self.block),
            ("day", &mut self.day),
            ("filling", &mut self.filling),
            ("hold", &mut self.hold),
            ("longest_tooth", &mut self.longest_tooth),
            ("pair_gap", &mut self.pair_gap),
            ("verify", &mut self.verify),
            ("warm_up", &mut self.warm_up),
        ]
    }

    /// The options where they make sense together, else everything that is wrong with them.
    pub fn checked(mut self) -> Result<Self, Vec<OptionError>> {
        let mut errors = Vec::new();
        for (key, time) in self.times_mut() {
            let may_be_zero = matches!(key, "hold" | "warm_up");
            if *time > LONGEST || (time.is_zero() && !may_be_zero) {
                errors.push(OptionError::new(
                    key,
                    shown(*time),
                    "must be more than zero and at most a year",
                    "\"30m\"",
                ));
            }
        }
        errors.extend(self.times_that_clash());
        errors.extend(self.numbers_out_of_range());
        if errors.is_empty() { Ok(self) } else { Err(errors) }
    }

    fn times_that_clash(&self) -> Vec<OptionError> {
        let mut errors = Vec::new();
        if self.block < self.interval.saturating_mul(POLLS_IN_A_BLOCK) {
            let problem = format!("must be at least {POLLS_IN_A_BLOCK} intervals, or its low is no floor");
            errors.push(OptionError::new("block", shown(self.block), problem, "\"5m\""));
        }
        if self.day < self.block.saturating_mul(24) {
            errors.push(OptionError::new("day", shown(self.day), "must be at least 24 blocks", "\"24h\""));
        }
        if self.verify < self.block.saturating_mul(8) {
            let problem = "must be at least 8 blocks, the shortest window that is judged";
            errors.push(OptionError::new("verify", shown(self.verify), problem, "\"48h\""));
        }
        errors
    }

    fn numbers_out_of_range(&self) -> Vec<OptionError> {
        let mut errors = Vec::new();
        for (key, share, example) in [("min_growth", self.min_growth, "0.05"), ("patience", self.patience, "0.05")] {
            if !(0.0..=1.0).contains(&share) {
                errors.push(OptionError::new(key, share.to_string(), "must be from 0 to 1", example));
            }
        }
        let slope = self.min_slope.bytes_per_second();
        if !slope.is_finite() || slope < 0.0 {
            errors.push(OptionError::new(
                "min_slope",
                self.min_slope.to_string(),
                "must not be negative",
                "\"512KiB\"",
            ));
        }
        if self.memory_limit.is_some_and(|limit| limit.bytes() == 0) {
            errors.push(OptionError::new("memory_limit", "0 B".to_owned(), "must be more than zero", "\"512MiB\""));
        }
        errors.extend(
            self.gauges
                .iter()
                .filter(|gauge| gauge.maximum.is_some_and(|max| !max.is_finite()))
                .map(|gauge| OptionError::new("gauges.maximum", gauge.name.clone(), "must have a finite maximum", "5")),
        );
        errors
    }
}

/// Nothing that heapwatch waits for takes longer.
const LONGEST: Duration = Duration::from_hours(366 * 24);

fn shown(time: Duration) -> String {
    format!("\"{}\"", humantime::format_duration(time))
}

impl OptionError {
    fn new(key: &'static str, value: String, problem: impl Into<String>, example: &'static str) -> Self {
        Self { key, value, problem: problem.into(), example }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense_at_any_scale() {
        for factor in [1.0, 1.0 / 150.0, 10.0] {
            assert!(Options::default().scaled(factor).checked().is_ok(), "{factor}");
        }
    }

    #[test]
    fn scaling_shrinks_times_and_steepens_slopes() {
        let scaled = Options::default().scaled(0.01);
        assert_eq!(scaled.interval, Duration::from_millis(300));
        assert_eq!(scaled.verify, Duration::from_secs(1728));
        let ratio = scaled.min_slope.bytes_per_second() / Options::default().min_slope.bytes_per_second();
        assert!((ratio - 100.0).abs() < 1e-9);
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let options = Options {
            interval: Duration::ZERO,
            block: Duration::from_secs(1),
            patience: f64::NAN,
            memory_limit: Some(ByteSize::new(0)),
            ..Options::default()
        };
        let keys: Vec<_> = options.checked().unwrap_err().iter().map(|error| error.key).collect();
        assert_eq!(keys, ["interval", "patience", "memory_limit"]);
        let options = Options { block: Duration::from_mins(1), verify: Duration::from_mins(7), ..Options::default() };
        let errors = options.checked().unwrap_err();
        assert_eq!(errors[0].key, "block");
        assert_eq!(errors.len(), 2);
    }
}
