//! Where targets are listed that come and go: failures are counted where they happen, the rest is read off the board.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;
use crate::status::board::Board;
use crate::status::house::SourceStatus;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: String,
}

#[derive(Debug)]
pub(super) struct Sources {
    failures: Family<Source, Counter>,
}

impl Sources {
    pub(super) fn new(registry: &mut Registry, board: Board) -> Self {
        let failures = Family::default();
        registry.register("discovery_failures", "Looks at a source that failed", failures.clone());
        registry.register_collector(Box::new(Listed { board }));
        Self { failures }
    }
}

impl Metrics {
    /// A look at a source of targets failed.
    pub fn discovery_failed(&self, source: &str) {
        self.sources.failures.get_or_create(&Source { source: source.to_owned() }).inc();
    }
}

/// Reads the board at each scrape.
#[derive(Debug)]
struct Listed {
    board: Board,
}

/// One family: its name, what it says, and its figure of a source.
type Figure = (&'static str, &'static str, Option<Unit>, fn(&SourceStatus) -> Option<f64>);

impl Collector for Listed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let figures: [Figure; 3] = [
            ("discovery_targets", "Targets that are watched because a source lists them", None, |source| {
                Some(source.targets as f64)
            }),
            ("discovery_refused", "Instances of a source that make no target", None, |source| {
                Some(source.refused as f64)
            }),
            ("discovery_last_success_timestamp", "When all of a source was last good", Some(Unit::Seconds), |source| {
                source.last_success.map(crate::clock::Timestamp::unix_seconds)
            }),
        ];
        let sources = self.board.house().sources;
        for (name, help, unit, read) in figures {
            let told: Vec<_> =
                sources.iter().filter_map(|source| Some((source.name.as_str(), read(source)?))).collect();
            if told.is_empty() {
                continue;
            }
            let mut metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
            for (source, figure) in told {
                metric.encode_family(&[("source", source)])?.encode_gauge(&figure)?;
            }
        }
        Ok(())
    }
}
