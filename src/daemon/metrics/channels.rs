//! Alerts and the channels that they go over.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::{FloatGauge, Metrics};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabel {
    channel: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelReason {
    channel: String,
    reason: &'static str,
}

#[derive(Debug)]
pub(super) struct Channels {
    delivered: Family<ChannelLabel, Counter>,
    failures: Family<ChannelReason, Counter>,
    latency: Histogram,
    depth: Family<ChannelLabel, Gauge>,
    oldest: Family<ChannelLabel, FloatGauge>,
    dead_letters: Family<ChannelLabel, Counter>,
    broken: Family<ChannelLabel, Gauge>,
    silences: Gauge,
}

impl Channels {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let channels = Self {
            delivered: Family::default(),
            failures: Family::default(),
            // 0.1 s to 15 h; an alert is given up after a day.
            latency: Histogram::new(exponential_buckets(0.1, 3.0, 13)),
            depth: Family::default(),
            oldest: Family::default(),
            dead_letters: Family::default(),
            broken: Family::default(),
            silences: Gauge::default(),
        };
        registry.register("notifications", "Alerts delivered", channels.delivered.clone());
        registry.register("notifications_failed", "Attempts to deliver that failed", channels.failures.clone());
        registry.register_with_unit(
            "notification_latency",
            "From the event to its delivery",
            Unit::Seconds,
            channels.latency.clone(),
        );
        registry.register_with_unit(
            "outbox_oldest",
            "Age of the oldest alert that is owed, 0 where none is",
            Unit::Seconds,
            channels.oldest.clone(),
        );
        registry.register("outbox_depth", "Alerts owed and not yet delivered", channels.depth.clone());
        registry.register("dead_letters", "Alerts given up before they were delivered", channels.dead_letters.clone());
        registry.register("channel_broken", "1 for a channel that takes nothing any more", channels.broken.clone());
        registry.register("silences", "Silences in force", channels.silences.clone());
        channels
    }
}

fn label(channel: &str) -> ChannelLabel {
    ChannelLabel { channel: channel.to_owned() }
}

impl Metrics {
    /// An alert arrived, so long after what it tells of.
    pub fn notified(&self, channel: &str, latency_seconds: f64) {
        self.channels.latency.observe(latency_seconds);
        self.channels.delivered.get_or_create(&label(channel)).inc();
    }

    /// An attempt to deliver failed.
    pub fn notification_failed(&self, channel: &str, reason: &'static str) {
        self.channels.failures.get_or_create(&ChannelReason { channel: channel.to_owned(), reason }).inc();
    }

    /// How many alerts a channel is owed now, and for how long the oldest has waited.
    pub fn owed(&self, channel: &str, owed: usize, oldest_seconds: f64) {
        self.channels.oldest.get_or_create(&label(channel)).set(oldest_seconds);
        self.channels.depth.get_or_create(&label(channel)).set(i64::try_from(owed).unwrap_or(i64::MAX));
    }

    /// An alert was given up on this channel.
    pub fn gave_up(&self, channel: &str) {
        self.channels.dead_letters.get_or_create(&label(channel)).inc();
    }

    /// Whether a channel takes nothing any more.
    pub fn channel_broken(&self, channel: &str, is_broken: bool) {
        self.channels.broken.get_or_create(&label(channel)).set(i64::from(is_broken));
    }

    /// How many silences are in force.
    pub fn silences(&self, count: usize) {
        self.channels.silences.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
