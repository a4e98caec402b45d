//! Counts by target and result. They go with their target: where pods come and go, a page that kept them would only grow.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::target::TargetName;

#[derive(Debug, Default)]
pub(super) struct ByTarget {
    counts: Family<TargetResult, Counter>,
    /// All that were ever counted, of any target: a family finds its series by their labels only.
    results: Mutex<BTreeSet<&'static str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetResult {
    target: TargetLabel,
    result: &'static str,
}

/// Shares the text of the name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TargetLabel(TargetName);

impl ByTarget {
    pub(super) fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.counts.clone());
    }

    /// One more of this target and result.
    pub(super) fn count(&self, target: &TargetName, result: &'static str) {
        self.results().insert(result);
        self.counts.get_or_create(&TargetResult::of(target, result)).inc();
    }

    /// Drops the counts of a target that is no longer watched.
    pub(super) fn forget(&self, target: &TargetName) {
        for result in self.results().iter() {
            self.counts.remove(&TargetResult::of(target, result));
        }
    }

    /// A set is whole whatever panicked.
    fn results(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TargetResult {
    fn of(target: &TargetName, result: &'static str) -> Self {
        Self { target: TargetLabel(target.clone()), result }
    }
}

impl EncodeLabelValue for TargetLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.as_str().encode(encoder)
    }
}
