//! What is sent to receivers of remote write.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{FloatGauge, Metrics};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Receiver {
    receiver: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReceiverResult {
    receiver: String,
    result: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Remote {
    samples: Family<ReceiverResult, Counter>,
    retries: Family<Receiver, Counter>,
    queued: Family<Receiver, Gauge>,
    last_success: Family<Receiver, FloatGauge>,
}

impl Remote {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let remote = Self::default();
        registry.register(
            "remote_write_samples",
            "Samples by what became of them: sent, rejected by the receiver, or dropped from a full queue",
            remote.samples.clone(),
        );
        registry.register("remote_write_retries", "Requests to be sent once more", remote.retries.clone());
        registry.register("remote_write_queue", "Samples not yet sent", remote.queued.clone());
        registry.register_with_unit(
            "remote_write_last_success_timestamp",
            "When the receiver last took samples",
            Unit::Seconds,
            remote.last_success.clone(),
        );
        remote
    }
}

fn label(receiver: &str) -> Receiver {
    Receiver { receiver: receiver.to_owned() }
}

impl Metrics {
    /// What became of samples: `sent`, `rejected` or `dropped`.
    pub fn remote_samples(&self, receiver: &str, result: &'static str, count: u64) {
        let labels = ReceiverResult { receiver: receiver.to_owned(), result };
        self.remote.samples.get_or_create(&labels).inc_by(count);
    }

    /// The receiver took samples at this Unix time.
    pub fn remote_succeeded(&self, receiver: &str, at: f64) {
        self.remote.last_success.get_or_create(&label(receiver)).set(at);
    }

    /// A request failed and will be sent once more.
    pub fn remote_retry(&self, receiver: &str) {
        self.remote.retries.get_or_create(&label(receiver)).inc();
    }

    /// So many samples wait.
    pub fn remote_queued(&self, receiver: &str, samples: usize) {
        self.remote.queued.get_or_create(&label(receiver)).set(i64::try_from(samples).unwrap_or(i64::MAX));
    }
}
