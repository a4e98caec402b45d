//! heapwatch's own figures, in OpenMetrics text. Label values are configured names or come from enums.

mod process;

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use process::Process;

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
    /// Names without our prefix.
    own: Registry,
    polls: Family<ResultLabels, Counter>,
    poll_duration: Histogram,
    late_ticks: Counter,
    captures: Family<ResultLabels, Counter>,
    capture_duration: Histogram,
    capture_size: Histogram,
    capture_refusals: Family<ReasonLabel, Counter>,
    capture_budget: Family<TargetLabel, Gauge>,
    storage: Gauge,
    storage_kept: FloatGauge,
    pruned: Family<ReasonLabel, Counter>,
    notifications: Family<ChannelLabel, Counter>,
    notification_failures: Family<ChannelReasonLabels, Counter>,
    notification_latency: Histogram,
    outbox_depth: Family<ChannelLabel, Gauge>,
    dead_letters: Family<ChannelLabel, Counter>,
    channel_broken: Family<ChannelLabel, Gauge>,
    silences: Gauge,
    outbox_oldest: Family<ChannelLabel, FloatGauge>,
    store_failures: Counter,
    storage_free: Gauge,
    reload_successful: Gauge,
    reload_time: FloatGauge,
    config_hash: Gauge,
    target_up: Family<TargetLabel, Gauge>,
    target_samples: Family<TargetLabel, Gauge>,
    target_memory: Family<SignalLabels, FloatGauge>,
    target_growth: Family<SignalLabels, FloatGauge>,
    target_limit_in: Family<TargetLabel, FloatGauge>,
    target_state: Family<StateLabels, Gauge>,
}

impl Metrics {
    /// All figures at zero, of a process that started at this Unix time.
    pub fn new(started: f64) -> Self {
        let mut registry = Registry::with_prefix("heapwatch");
        let metrics = Self {
            polls: Family::default(),
            // 1 ms to 16 s doubles 14 times; the default deadline of a poll is 10 s.
            poll_duration: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            late_ticks: Counter::default(),
            captures: Family::default(),
            // 1 s to 68 min doubles 12 times; the default deadline is an hour.
            capture_duration: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
            // 1 MiB to 16 GiB, the default cap, in steps of four.
            capture_size: Histogram::new(exponential_buckets(1_048_576.0, 4.0, 8)),
            capture_refusals: Family::default(),
            capture_budget: Family::default(),
            storage: Gauge::default(),
            storage_kept: FloatGauge::default(),
            pruned: Family::default(),
            notifications: Family::default(),
            notification_failures: Family::default(),
            // 0.1 s to 15 h; an alert is given up after a day.
            notification_latency: Histogram::new(exponential_buckets(0.1, 3.0, 13)),
            outbox_depth: Family::default(),
            dead_letters: Family::default(),
            channel_broken: Family::default(),
            silences: Gauge::default(),
            outbox_oldest: Family::default(),
            store_failures: Counter::default(),
            storage_free: Gauge::default(),
            reload_successful: Gauge::default(),
            reload_time: FloatGauge::default(),
            config_hash: Gauge::default(),
            target_up: Family::default(),
            target_samples: Family::default(),
            target_memory: Family::default(),
            target_growth: Family::default(),
            target_limit_in: Family::default(),
            target_state: Family::default(),
            registry: Registry::default(),
            own: Registry::default(),
        };
        let mut own = Registry::default();
        own.register_collector(Box::new(Process { started }));
        metrics.register_work(&mut registry);
        metrics.register_evidence(&mut registry);
        metrics.register_targets(&mut registry);
        Self { registry, own, ..metrics }
    }

    /// What is running and how it polls.
    fn register_work(&self, registry: &mut Registry) {
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", version);
        registry.register("polls", "Polls by target and result", self.polls.clone());
        registry.register_with_unit(
            "poll_duration",
            "From the request to the end of the answer",
            Unit::Seconds,
            self.poll_duration.clone(),
        );
        registry.register(
            "scheduler_late_ticks",
            "Polls skipped because the one before was still running",
            self.late_ticks.clone(),
        );
    }

    /// Snapshots, the disk and the channels.
    fn register_evidence(&self, registry: &mut Registry) {
        registry.register("snapshots", "Captures by target and result", self.captures.clone());
        registry.register_with_unit(
            "snapshot_duration",
            "From the request for a stored snapshot to its last byte",
            Unit::Seconds,
            self.capture_duration.clone(),
        );
        registry.register_with_unit(
            "snapshot_size",
            "Sizes of stored snapshots",
            Unit::Bytes,
            self.capture_size.clone(),
        );
        registry.register(
            "snapshot_budget_remaining",
            "Captures that the budget of 24 hours still allows",
            self.capture_budget.clone(),
        );
        registry.register(
            "snapshot_skipped",
            "Captures that the safety gate refused, by rule",
            self.capture_refusals.clone(),
        );
        registry.register("storage_pruned", "Snapshots that retention deleted, by rule", self.pruned.clone());
        registry.register_with_unit(
            "storage_free",
            "Free space where snapshots go",
            Unit::Bytes,
            self.storage_free.clone(),
        );
        registry.register_with_unit(
            "storage",
            "All stored snapshots with what belongs to them",
            Unit::Bytes,
            self.storage.clone(),
        );
        registry.register_with_unit(
            "storage_gc_last_success_timestamp",
            "When retention last went through the snapshots",
            Unit::Seconds,
            self.storage_kept.clone(),
        );
        registry.register("store_failures", "Writes to the state database that failed", self.store_failures.clone());
        registry.register("notifications", "Alerts delivered", self.notifications.clone());
        registry.register(
            "notifications_failed",
            "Attempts to deliver that failed",
            self.notification_failures.clone(),
        );
        registry.register_with_unit(
            "notification_latency",
            "From the event to its delivery",
            Unit::Seconds,
            self.notification_latency.clone(),
        );
        registry.register_with_unit(
            "outbox_oldest",
            "Age of the oldest alert that is owed, 0 where none is",
            Unit::Seconds,
            self.outbox_oldest.clone(),
        );
        registry.register("outbox_depth", "Alerts owed and not yet delivered", self.outbox_depth.clone());
        registry.register("dead_letters", "Alerts given up before they were delivered", self.dead_letters.clone());
        registry.register("channel_broken", "1 for a channel that takes nothing any more", self.channel_broken.clone());
        registry.register("silences", "Silences in force", self.silences.clone());
    }

    /// The configuration and each target.
    fn register_targets(&self, registry: &mut Registry) {
        registry.register(
            "config_last_reload_successful",
            "1 when the newest configuration is in force",
            self.reload_successful.clone(),
        );
        registry.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the configuration in force was loaded",
            Unit::Seconds,
            self.reload_time.clone(),
        );
        registry.register(
            "config_hash",
            "First 48 bits of the SHA-256 of the configuration file in force",
            self.config_hash.clone(),
        );
        registry.register("target_samples", "Polls that succeeded in a row", self.target_samples.clone());
        registry.register("target_up", "1 when the last poll succeeded", self.target_up.clone());
        registry.register_with_unit(
            "target_memory",
            "Last reading of each signal",
            Unit::Bytes,
            self.target_memory.clone(),
        );
        registry.register(
            "target_growth_bytes_per_second",
            "Slope of the floors of the judged signal",
            self.target_growth.clone(),
        );
        registry.register_with_unit(
            "target_time_to_limit",
            "Time until the memory limit at the fitted slope",
            Unit::Seconds,
            self.target_limit_in.clone(),
        );
        registry.register("target_state", "1 for the verdict in force", self.target_state.clone());
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

    /// A snapshot was stored.
    pub fn stored(&self, seconds: f64, bytes: u64) {
        self.capture_duration.observe(seconds);
        self.capture_size.observe(bytes as f64);
    }

    /// The safety gate said no by this rule.
    pub fn capture_refused(&self, reason: &'static str) {
        self.capture_refusals.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Retention deleted a snapshot by this rule.
    pub fn pruned(&self, reason: &'static str) {
        self.pruned.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// What all snapshots take, as retention left them at this Unix time.
    pub fn kept(&self, bytes: u64, at: f64) {
        self.storage.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.storage_kept.set(at);
    }

    /// An alert arrived, so long after what it tells of.
    pub fn notified(&self, channel: &str, latency_seconds: f64) {
        self.notification_latency.observe(latency_seconds);
        self.notifications.get_or_create(&ChannelLabel { channel: channel.to_owned() }).inc();
    }

    /// An attempt to deliver failed.
    pub fn notification_failed(&self, channel: &str, reason: &'static str) {
        let labels = ChannelReasonLabels { channel: channel.to_owned(), reason };
        self.notification_failures.get_or_create(&labels).inc();
    }

    /// How many alerts a channel is owed now, and for how long the oldest has waited.
    pub fn owed(&self, channel: &str, owed: usize, oldest_seconds: f64) {
        self.outbox_oldest.get_or_create(&ChannelLabel { channel: channel.to_owned() }).set(oldest_seconds);
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

    /// The configuration in force is the one with this SHA-256.
    pub fn configured(&self, hash: [u8; 32]) {
        // A float holds 53 bits without loss.
        self.config_hash.set(hash.iter().take(6).fold(0, |bits, byte| bits << 8 | i64::from(*byte)));
    }

    /// The whole page, in OpenMetrics 1.0 text, with the targets' figures as the board has them now.
    pub fn render(&self, board: &Board) -> String {
        // Targets that left the configuration must leave the page too.
        self.target_up.clear();
        self.target_samples.clear();
        self.capture_budget.clear();
        self.target_memory.clear();
        self.target_growth.clear();
        self.target_limit_in.clear();
        self.target_state.clear();
        for status in board.all() {
            self.show_target(&status);
        }
        let mut page = String::new();
        // Writing to a String cannot fail; an encoder that did would leave a page without its closing `# EOF`.
        text::encode_registry(&mut page, &self.own).ok();
        text::encode(&mut page, &self.registry).ok();
        page
    }

    fn show_target(&self, status: &TargetStatus) {
        let target = status.name.to_string();
        let label = TargetLabel { target: target.clone() };
        self.target_up.get_or_create(&label).set(i64::from(status.watch.is_answering()));
        self.target_samples.get_or_create(&label).set(i64::from(status.watch.healthy_polls));
        let care = &status.care;
        if care.daily_budget > 0 {
            let left = care.daily_budget.saturating_sub(care.captures_last_day);
            self.capture_budget.get_or_create(&label).set(i64::from(left));
        }
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
