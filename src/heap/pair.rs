//! Two snapshots of one process, the first already boiled down.

use std::io::Read;

use super::class::{ClassId, Classes, classify};
use super::culprit::accuse;
use super::diff::{Matching, compare};
use super::digest::{Before, Digest};
use super::error::HeapError;
use super::graph::Graph;
use super::interface::Interfaces;
use super::load::{LoadOptions, load};
use super::report::{ClassRow, HeapGrowth, Report};
use super::snapshot::Snapshot;

/// Below this part of shared ids that name the same object, the snapshots are of two processes. Measured: 99.9 % and
/// more for one process, 19 % after a restart.
const SAME_PROCESS: f64 = 0.9;

/// Everything that is known when both snapshots are read.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) before: Before,
    pub(crate) after: Snapshot,
    pub(crate) after_classes: Vec<ClassId>,
    pub(crate) classes: Classes,
    pub(crate) matching: Matching,
}

/// Compares two snapshots of one process.
///
/// # Errors
/// Those of [`load()`] for either, and [`HeapError::DifferentProcesses`].
pub fn compare_snapshots(before: impl Read, after: impl Read, options: LoadOptions) -> Result<Report, HeapError> {
    compare_with(before, |options| load(after, options), options)
}

/// As [`compare_snapshots`], where `after` gives the second graph, which it may have begun to read long before: it is
/// asked when the first is boiled down, with what the budget leaves.
///
/// # Errors
/// Those of [`compare_snapshots`].
pub fn compare_with(
    before: impl Read,
    after: impl FnOnce(LoadOptions) -> Result<Graph, HeapError>,
    options: LoadOptions,
) -> Result<Report, HeapError> {
    let pair = Pair::read(before, after, options)?;
    let mut report = Report { classes: pair.class_rows(), heap: pair.heap_growth(), ..Report::default() };
    if options.without_edges {
        report.headline = String::from("no culprit can be named without edges: only classes and counts were compared");
    } else {
        accuse(&pair, &mut report);
    }
    Ok(report)
}

impl Pair {
    pub(crate) fn read(
        before: impl Read,
        after: impl FnOnce(LoadOptions) -> Result<Graph, HeapError>,
        options: LoadOptions,
    ) -> Result<Self, HeapError> {
        let mut classes = Classes::default();
        let digest = Digest::of(load(before, options)?, &mut classes);
        let mut after = Snapshot::of(after(options.beside(digest.bytes()))?);
        after.distances.forget_distances();
        let interfaces = Interfaces::infer(&after.graph);
        let mut before = digest.resolve(&interfaces, &mut classes);
        let same = before.columns.same_objects(&after.graph);
        if same < SAME_PROCESS {
            return Err(HeapError::DifferentProcesses { same_percent: same * 100.0 });
        }
        let after_classes = classify(&after.graph, &mut classes).resolve(&interfaces, &mut classes);
        let matching = Matching::new(&before, &after.graph);
        before.columns.forget_ids();
        Ok(Self { before, after, after_classes, classes, matching })
    }

    pub(crate) fn class_rows(&self) -> Vec<ClassRow> {
        compare(&self.before, &self.after.graph, &self.after_classes, &self.matching, &self.classes)
    }

    pub(crate) fn heap_growth(&self) -> HeapGrowth {
        let root = super::graph::ROOT;
        HeapGrowth {
            before_bytes: self.before.columns.retained.get(root.index()),
            after_bytes: self.after.tree.retained(root),
            before_nodes: self.before.classes.len() as u64,
            after_nodes: self.after.graph.node_count() as u64,
        }
    }
}
