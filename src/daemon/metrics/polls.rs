//! How polling goes.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;
use super::by_target::ByTarget;
use crate::target::TargetName;

#[derive(Debug)]
pub(super) struct Polls {
    ended: ByTarget,
    duration: Histogram,
    late_ticks: Counter,
    lateness: Histogram,
}

impl Polls {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let polls = Self {
            ended: ByTarget::default(),
            // 1 ms to 16 s doubles 14 times; the default deadline of a poll is 10 s.
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            late_ticks: Counter::default(),
            // 1 ms to 33 s, the interval of most polls, in steps that have 100 ms among them.
            lateness: Histogram::new([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]),
        };
        polls.ended.register(registry, "polls", "Polls by target and result");
        registry.register_with_unit(
            "poll_duration",
            "From the request to the end of the answer",
            Unit::Seconds,
            polls.duration.clone(),
        );
        registry.register(
            "scheduler_late_ticks",
            "Polls skipped because the one before was still running",
            polls.late_ticks.clone(),
        );
        registry.register_with_unit(
            "scheduler_lateness",
            "From when a poll is due to its begin",
            Unit::Seconds,
            polls.lateness.clone(),
        );
        polls
    }

    pub(super) fn forget(&self, target: &TargetName) {
        self.ended.forget(target);
    }
}

impl Metrics {
    /// One poll ended; `result` is `ok` or the name of a probe failure.
    pub fn poll(&self, target: &TargetName, result: &'static str, seconds: f64) {
        self.polls.ended.count(target, result);
        self.polls.duration.observe(seconds);
    }

    /// A poll begins so long after it was due, and in place of so many that were skipped.
    pub fn begins(&self, lateness_seconds: f64, skipped: u64) {
        self.polls.lateness.observe(lateness_seconds);
        self.polls.late_ticks.inc_by(skipped);
    }
}
