//! heapwatch's own figures, in OpenMetrics text. Label values are configured names or come from enums.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::leak::verdict::State;
use crate::sample::Signal;
use crate::status::TargetStatus;
use crate::status::board::Board;

type FloatGauge = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabel {
    target: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    target: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignalLabels {
    target: String,
    signal: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    target: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabel {
    channel: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelReasonLabels {
    channel: String,
    reason: &'static str,
}

/// Every counter and gauge. Counters are bumped where things happen; gauges are read off the board when scraped.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    polls: Family<ResultLabels, Counter>,
    poll_duration: Histogram,
    late_ticks: Counter,
    captures: Family<ResultLabels, Counter>,
    capture_refusals: Family<ReasonLabel, Counter>,
    pruned: Family<ReasonLabel, Counter>,
    notifications: Family<ChannelLabel, Counter>,
    notification_failures: Family<ChannelReasonLabels, Counter>,
    outbox_depth: Family<ChannelLabel, Gauge>,
    dead_letters: Family<ChannelLabel, Counter>,
    channel_broken: Family<ChannelLabel, Gauge>,
    silences: Gauge,
    store_failures: Counter,
    storage_free: Gauge,
    reload_successful: Gauge,
    reload_time: FloatGauge,
    target_up: Family<TargetLabel, Gauge>,
    target_memory: Family<SignalLabels, FloatGauge>,
    target_growth: Family<SignalLabels, FloatGauge>,
    target_limit_in: Family<TargetLabel, FloatGauge>,
    target_state: Family<StateLabels, Gauge>,
}

impl Metrics {
    /// All figures at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("heapwatch");
        let metrics = Self {
            polls: Family::default(),
            // 1 ms to 16 s doubles 14 times; the default deadline of a poll is 10 s.
            poll_duration: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            late_ticks: Counter::default(),
            captures: Family::default(),
            capture_refusals: Family::default(),
            pruned: Family::default(),
            notifications: Family::default(),
            notification_failures: Family::default(),
            outbox_depth: Family::default(),
            dead_letters: Family::default(),
            channel_broken: Family::default(),
            silences: Gauge::default(),
            store_failures: Counter::default(),
            storage_free: Gauge::default(),
            reload_successful: Gauge::default(),
            reload_time: FloatGauge::default(),
            target_up: Family::default(),
            target_memory: Family::default(),
            target_growth: Family::default(),
            target_limit_in: Family::default(),
            target_state: Family::default(),
            registry: Registry::default(),
        };
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", version);
        registry.register("polls", "Polls by target and result", metrics.polls.clone());
        registry.register_with_unit(
            "poll_duration",
            "From the request to the end of the answer",
            Unit::Seconds,
            metrics.poll_duration.clone(),
        );
        registry.register(
            "scheduler_late_ticks",
            "Polls skipped because the one before was still running",
            metrics.late_ticks.clone(),
        );
        registry.register("snapshots", "Captures by target and result", metrics.captures.clone());
        registry.register(
            "snapshot_skipped",
            "Captures that the safety gate refused, by rule",
            metrics.capture_refusals.clone(),
        );
        registry.register("storage_pruned", "Snapshots that retention deleted, by rule", metrics.pruned.clone());
        registry.register_with_unit(
            "storage_free",
            "Free space where snapshots go",
            Unit::Bytes,
            metrics.storage_free.clone(),
        );
        registry.register("store_failures", "Writes to the state database that failed", metrics.store_failures.clone());
        registry.register("notifications", "Alerts delivered", metrics.notifications.clone());
        registry.register(
            "notifications_failed",
            "Attempts to deliver that failed",
            metrics.notification_failures.clone(),
        );
        registry.register("outbox_depth", "Alerts owed and not yet delivered", metrics.outbox_depth.clone());
        registry.register("dead_letters", "Alerts given up before they were delivered", metrics.dead_letters.clone());
        registry.register(
            "channel_broken",
            "1 for a channel that takes nothing any more",
            metrics.channel_broken.clone(),
        );
        registry.register("silences", "Silences in force", metrics.silences.clone());
        registry.register(
            "config_last_reload_successful",
            "1 when the newest configuration is in force",
            metrics.reload_successful.clone(),
        );
        registry.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the configuration in force was loaded",
            Unit::Seconds,
            metrics.reload_time.clone(),
        );
        registry.register("target_up", "1 when the last poll succeeded", metrics.target_up.clone());
        registry.register_with_unit(
            "target_memory",
            "Last reading of each signal",
            Unit::Bytes,
            metrics.target_memory.clone(),
        );
        registry.register(
            "target_growth_bytes_per_second",
            "Slope of the floors of the judged signal",
            metrics.target_growth.clone(),
        );
        registry.register_with_unit(
            "target_time_to_limit",
            "Time until the memory limit at the fitted slope",
            Unit::Seconds,
            metrics.target_limit_in.clone(),
        );
        registry.register("target_state", "1 for the verdict in force", metrics.target_state.clone());
        Self { registry, ..metrics }
    }

    /// One poll ended; `result` is `ok` or the name of a probe failure.
    pub fn poll(&self, target: &str, result: &'static str, seconds: f64) {
        self.polls.get_or_create(&ResultLabels { target: target.to_owned(), result }).inc();
        self.poll_duration.observe(seconds);
    }

    /// Ticks were skipped.
    pub fn late_ticks(&self, skipped: u64) {
        self.late_ticks.inc_by(skipped);
    }

    /// A capture ended; `result` is `stored` or the name of its failure.
    pub fn capture(&self, target: &str, result: &'static str) {
        self.captures.get_or_create(&ResultLabels { target: target.to_owned(), result }).inc();
    }

    /// The safety gate said no by this rule.
    pub fn capture_refused(&self, reason: &'static str) {
        self.capture_refusals.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Retention deleted a snapshot by this rule.
    pub fn pruned(&self, reason: &'static str) {
        self.pruned.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// An alert arrived.
    pub fn notified(&self, channel: &str) {
        self.notifications.get_or_create(&ChannelLabel { channel: channel.to_owned() }).inc();
    }

    /// An attempt to deliver failed.
    pub fn notification_failed(&self, channel: &str, reason: &'static str) {
        let labels = ChannelReasonLabels { channel: channel.to_owned(), reason };
        self.notification_failures.get_or_create(&labels).inc();
    }

    /// How many alerts a channel is owed now.
    pub fn outbox_depth(&self, channel: &str, owed: usize) {
        let owed = i64::try_from(owed).unwrap_or(i64::MAX);
        self.outbox_depth.get_or_create(&ChannelLabel { channel: channel.to_owned() }).set(owed);
    }

    /// An alert was given up on this channel.
    pub fn gave_up(&self, channel: &str) {
        self.dead_letters.get_or_create(&ChannelLabel { channel: channel.to_owned() }).inc();
    }

    /// Whether a channel takes nothing any more.
    pub fn channel_broken(&self, channel: &str, is_broken: bool) {
        self.channel_broken.get_or_create(&ChannelLabel { channel: channel.to_owned() }).set(i64::from(is_broken));
    }

    /// How many silences are in force.
    pub fn silences(&self, count: usize) {
        self.silences.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A write to the state database failed.
    pub fn store_failed(&self) {
        self.store_failures.inc();
    }

    /// Free bytes where snapshots go.
    pub fn storage_free(&self, bytes: u64) {
        self.storage_free.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A configuration was loaded at this Unix time, or refused.
    pub fn reloaded(&self, at: Option<f64>) {
        self.reload_successful.set(i64::from(at.is_some()));
        if let Some(unix_seconds) = at {
            self.reload_time.set(unix_seconds);
        }
    }

    /// The whole page, in OpenMetrics 1.0 text, with the targets' figures as the board has them now.
    pub fn render(&self, board: &Board) -> String {
        // Targets that left the configuration must leave the page too.
        self.target_up.clear();
        self.target_memory.clear();
        self.target_growth.clear();
        self.target_limit_in.clear();
        self.target_state.clear();
        for status in board.all() {
            self.show_target(&status);
        }
        let mut page = String::new();
        // Writing to a String cannot fail; an encoder that did would leave a page without its closing `# EOF`.
        text::encode(&mut page, &self.registry).ok();
        page
    }

    fn show_target(&self, status: &TargetStatus) {
        let target = status.name.to_string();
        let label = TargetLabel { target: target.clone() };
        self.target_up.get_or_create(&label).set(i64::from(status.watch.is_answering()));
        if let Some(sample) = &status.watch.sample {
            for signal in Signal::ALL {
                if let Some(bytes) = sample.signal(signal) {
                    let labels = SignalLabels { target: target.clone(), signal: signal.name() };
                    self.target_memory.get_or_create(&labels).set(bytes as f64);
                }
            }
        }
        let Some(verdict) = &status.watch.verdict else { return };
        for state in State::ALL {
            let labels = StateLabels { target: target.clone(), state: state.name() };
            self.target_state.get_or_create(&labels).set(i64::from(verdict.state == state));
        }
        if let (Some(growth), Some(signal)) = (verdict.growth, verdict.signal) {
            let labels = SignalLabels { target, signal: signal.name() };
            self.target_growth.get_or_create(&labels).set(growth.slope.bytes_per_second());
            if let Some(seconds) = growth.limit_in_seconds {
                self.target_limit_in.get_or_create(&label).set(seconds);
            }
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
