//! One snapshot with everything computed that `DevTools` shows of a node.

use std::io::Read;

use super::bits::Bits;
use super::class::{ClassId, Classes, classify};
use super::detached::rename_detached;
use super::distance::{Distances, distances};
use super::dominators::{DominatorTree, dominator_tree};
use super::ephemeron::Ephemerons;
use super::error::HeapError;
use super::essential::essential_edges;
use super::graph::Graph;
use super::interface::Interfaces;
use super::load::{LoadOptions, load};
use super::shallow::transfer_sizes;

/// What a single snapshot's nodes are called, by its own interfaces.
pub fn class_names(snapshot: &Snapshot) -> (Vec<ClassId>, Classes) {
    let mut classes = Classes::default();
    let interfaces = Interfaces::infer(&snapshot.graph);
    let of_nodes = classify(&snapshot.graph, &mut classes).resolve(&interfaces, &mut classes);
    (of_nodes, classes)
}

/// A graph with its dominator tree, retained sizes and distances.
#[derive(Debug)]
pub struct Snapshot {
    /// The graph, with the sizes of owned parts moved to their owners.
    pub graph: Graph,
    /// Who keeps whom alive.
    pub tree: DominatorTree,
    /// How far each node is from the globals.
    pub distances: Distances,
}

/// What retains what, with the sizes of owned parts moved to their owners and detached objects named so.
pub(crate) fn prepare(graph: &mut Graph) -> (Ephemerons, Bits) {
    rename_detached(graph);
    transfer_sizes(graph);
    let ephemerons = Ephemerons::find(graph.strings());
    let essential = essential_edges(graph, &ephemerons);
    (ephemerons, essential)
}

impl Snapshot {
    /// Reads and computes.
    ///
    /// # Errors
    /// Those of [`load()`].
    pub fn read(reader: impl Read, options: LoadOptions) -> Result<Self, HeapError> {
        load(reader, options).map(Self::of)
    }

    /// Computes.
    pub fn of(mut graph: Graph) -> Self {
        let (ephemerons, essential) = prepare(&mut graph);
        let tree = dominator_tree(&graph, &essential);
        drop(essential);
        let distances = distances(&graph, &ephemerons);
        Self { graph, tree, distances }
    }
}
