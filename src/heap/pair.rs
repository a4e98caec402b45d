//! Two snapshots of one process, the first already boiled down.

use std::io::Read;

use super::class::{ClassId, Classes, classify};
use super::culprit::accuse;
use super::diff::{Matching, compare};
use super::digest::{Before, Digest};
use super::distance::search;
use super::dominators::{DominatorTree, dominator_tree};
use super::ephemeron::Ephemerons;
use super::error::HeapError;
use super::graph::{Graph, Node};
use super::interface::Interfaces;
use super::load::{LoadOptions, load};
use super::losses::{Losses, losses};
use super::report::{ClassRow, HeapGrowth, Report};
use super::scripts::Scripts;
use super::snapshot::prepare;

/// Below this part of shared ids that name the same object, the snapshots are of two processes. Measured: 99.9 % and
/// more for one process, 19 % after a restart.
const SAME_PROCESS: f64 = 0.9;

/// Everything that is known when both snapshots are read.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) before: Before,
    pub(crate) after: After,
    pub(crate) after_classes: Vec<ClassId>,
    pub(crate) classes: Classes,
    pub(crate) matching: Matching,
    pub(crate) losses: Losses,
    pub(crate) scripts: Scripts,
}

/// The second snapshot.
#[derive(Debug)]
pub(crate) struct After {
    pub(crate) graph: Graph,
    pub(crate) tree: DominatorTree,
    /// By number among the new nodes the one before it on a shortest way from the globals.
    ways: Vec<Node>,
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
        accuse(pair, &mut report);
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
        let mut digest = Digest::of(load(before, options)?, &mut classes);
        let mut graph = after(options.beside(digest.bytes()))?;
        let (ephemerons, essential) = prepare(&mut graph);
        let same = digest.columns.same_objects(&graph);
        if same < SAME_PROCESS {
            return Err(HeapError::DifferentProcesses { same_percent: same * 100.0 });
        }
        let matching = Matching::new(&digest.columns, &graph);
        digest.columns.forget_ids();
        let interfaces = Interfaces::infer(&graph);
        let mut before = digest.resolve(&interfaces, &mut classes);
        let losses = losses(&before, &matching.kept);
        before.columns.forget_dominators();
        let tree = dominator_tree(&graph, &essential);
        drop(essential);
        let ways = ways(&graph, &ephemerons, &matching);
        let after_classes = classify(&graph, &mut classes).resolve(&interfaces, &mut classes);
        let scripts = Scripts::find(&graph);
        Ok(Self { before, after: After { graph, tree, ways }, after_classes, classes, matching, losses, scripts })
    }

    /// The node before a new one on a shortest way from the globals; a node that nothing reaches gives itself.
    pub(crate) fn way_before(&self, node: Node) -> Node {
        self.after.ways[self.matching.new_number(node)]
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

fn ways(graph: &Graph, ephemerons: &Ephemerons, matching: &Matching) -> Vec<Node> {
    let mut ways = Vec::with_capacity(matching.new_count());
    ways.extend(graph.nodes().filter(|&node| matching.is_new(node)));
    search(graph, ephemerons, |node, before, _| {
        if matching.is_new(node) {
            ways[matching.new_number(node)] = before;
        }
    });
    ways
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    use super::*;
    use crate::heap::synthetic::{CLOSURE, HIDDEN, Heap, INTERNAL, OBJECT, PROPERTY, SHORTCUT};

    /// A chain of so many nodes of these kinds in turn, and with `grown` a new object at each of them.
    fn chain(links: usize, kinds: &[u64], grown: bool) -> String {
        let mut heap = Heap::new();
        let global = heap.node(OBJECT, "global", 16);
        heap.edge(0, SHORTCUT, "global", global);
        let mut nodes = vec![global];
        for at in 0..links {
            let node = heap.node(kinds[at % kinds.len()], "Link", 16);
            heap.edge(nodes[at], if at == 0 { PROPERTY } else { INTERNAL }, "next", node);
            nodes.push(node);
        }
        for &node in nodes.iter().filter(|_| grown) {
            let new = heap.node(OBJECT, "Leaked", 32);
            heap.edge(node, PROPERTY, "it", new);
        }
        heap.to_json()
    }

    /// Time of this thread alone, so that a busy machine changes nothing.
    fn cpu_time_of(work: impl FnOnce()) -> Duration {
        let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
        let start = now();
        work();
        now().saturating_sub(start)
    }

    /// Walks up from every node of a chain would take a hundred times as long for a chain ten times as long.
    #[test]
    fn chains_of_any_kind_cost_linear_time() {
        const MOST_TIMES: u32 = 40;
        for kinds in [&[HIDDEN][..], &[OBJECT], &[HIDDEN, HIDDEN, OBJECT], &[CLOSURE, HIDDEN]] {
            let time = |links: usize| {
                let (before, after) = (chain(links, kinds, false), chain(links, kinds, true));
                cpu_time_of(|| {
                    let report =
                        compare_snapshots(before.as_bytes(), after.as_bytes(), LoadOptions::default()).unwrap();
                    assert!(report.culprits.len() < 20, "{} culprits", report.culprits.len());
                    let longest = report.culprits.iter().map(|culprit| culprit.path.len()).max();
                    assert!(longest.is_none_or(|steps| steps < 1_000), "a path of {longest:?} steps is for nobody");
                })
            };
            let (short, long) = (time(5_000), time(50_000));
            assert!(long < short * MOST_TIMES, "{kinds:?}: {short:?} for a chain, {long:?} for one ten times as long");
        }
    }
}
