//! Snapshots, the disk they are kept on, and the state database.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::by_target::ByTarget;
use super::{FloatGauge, Metrics, ReasonLabel};
use crate::target::TargetName;

#[derive(Debug)]
pub(super) struct Evidence {
    captures: ByTarget,
    profiles: ByTarget,
    duration: Histogram,
    size: Histogram,
    refusals: Family<ReasonLabel, Counter>,
    pruned: Family<ReasonLabel, Counter>,
    free: Gauge,
    kept: Gauge,
    kept_at: FloatGauge,
    store_failures: Counter,
}

impl Evidence {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let evidence = Self {
            captures: ByTarget::default(),
            profiles: ByTarget::default(),
            // 1 s to 68 min doubles 12 times; the default deadline is an hour.
            duration: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
            // 1 MiB to 16 GiB, the default cap, in steps of four.
            size: Histogram::new(exponential_buckets(1_048_576.0, 4.0, 8)),
            refusals: Family::default(),
            pruned: Family::default(),
            free: Gauge::default(),
            kept: Gauge::default(),
            kept_at: FloatGauge::default(),
            store_failures: Counter::default(),
        };
        evidence.register_captures(registry);
        evidence.register_storage(registry);
        evidence
    }

    pub(super) fn forget(&self, target: &TargetName) {
        self.captures.forget(target);
        self.profiles.forget(target);
    }

    fn register_captures(&self, registry: &mut Registry) {
        self.captures.register(registry, "snapshots", "Captures by target and result");
        self.profiles.register(registry, "profiles", "Heap profiles by target and result");
        registry.register_with_unit(
            "snapshot_duration",
            "From the request for a stored snapshot to its last byte",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register_with_unit("snapshot_size", "Sizes of stored snapshots", Unit::Bytes, self.size.clone());
        registry.register("snapshot_skipped", "Captures that the safety gate refused, by rule", self.refusals.clone());
    }

    fn register_storage(&self, registry: &mut Registry) {
        registry.register("storage_pruned", "Snapshots that retention deleted, by rule", self.pruned.clone());
        registry.register_with_unit("storage_free", "Free space where snapshots go", Unit::Bytes, self.free.clone());
        registry.register_with_unit(
            "storage",
            "All stored snapshots with what belongs to them",
            Unit::Bytes,
            self.kept.clone(),
        );
        registry.register_with_unit(
            "storage_gc_last_success_timestamp",
            "When retention last went through the snapshots",
            Unit::Seconds,
            self.kept_at.clone(),
        );
        registry.register("store_failures", "Writes to the state database that failed", self.store_failures.clone());
    }
}

impl Metrics {
    /// A capture ended; `result` is `stored` or the name of its failure.
    pub fn capture(&self, target: &TargetName, result: &'static str) {
        self.evidence.captures.count(target, result);
    }

    /// A profile was asked for, or could not be; `result` is `stored`, `absent`, `refused` or the name of its failure.
    pub fn profile(&self, target: &TargetName, result: &'static str) {
        self.evidence.profiles.count(target, result);
    }

    /// A snapshot was stored.
    pub fn stored(&self, seconds: f64, bytes: u64) {
        self.evidence.duration.observe(seconds);
        self.evidence.size.observe(bytes as f64);
    }

    /// The safety gate said no by this rule.
    pub fn capture_refused(&self, reason: &'static str) {
        self.evidence.refusals.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Retention deleted a snapshot by this rule.
    pub fn pruned(&self, reason: &'static str) {
        self.evidence.pruned.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// What all snapshots take, as retention left them at this Unix time.
    pub fn kept(&self, bytes: u64, at: f64) {
        self.evidence.kept.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.evidence.kept_at.set(at);
    }

    /// Free bytes where snapshots go.
    pub fn storage_free(&self, bytes: u64) {
        self.evidence.free.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A write to the state database failed.
    pub fn store_failed(&self) {
        self.evidence.store_failures.inc();
    }
}
