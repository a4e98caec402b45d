//! What the comparison needs of the first snapshot once its graph is gone: about 21 bytes a node.

use super::class::{ClassId, Classes, Classification, classify};
use super::column::Column;
use super::dominators::dominator_tree;
use super::graph::{Graph, Node};
use super::header::BYTES_PER_NODE_KEPT;
use super::interface::Interfaces;
use super::snapshot::prepare;
use crate::units::ByteSize;

/// The first snapshot of a pair without its edges and strings. Nodes keep their numbers.
#[derive(Debug)]
pub(crate) struct Digest {
    classification: Classification,
    pub(crate) columns: Columns,
}

/// The same with every class known by its final name.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) classes: Vec<ClassId>,
    pub(crate) columns: Columns,
}

#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) sizes: Column,
    pub(crate) retained: Column,
    pub(crate) dominators: Vec<Node>,
    /// A byte of hash of type and name: tells whether an id still means the same object.
    fingerprints: Vec<u8>,
    index: IdIndex,
}

impl Digest {
    /// Computes what is needed and frees the rest: all that only names things before the search for dominators, which
    /// takes most, and distances not at all.
    pub(crate) fn of(mut graph: Graph, classes: &mut Classes) -> Self {
        let (ephemerons, essential) = prepare(&mut graph);
        drop(ephemerons);
        let classification = classify(&graph, classes);
        let fingerprints = fingerprints(&graph);
        graph.forget_names();
        let tree = dominator_tree(&graph, &essential);
        let columns = Columns {
            fingerprints,
            index: IdIndex::new(&graph),
            sizes: graph.sizes,
            retained: tree.retained,
            dominators: tree.parents,
        };
        Self { classification, columns }
    }

    /// About what it takes of memory.
    pub(crate) fn bytes(&self) -> ByteSize {
        ByteSize::new(self.columns.dominators.len() as u64 * BYTES_PER_NODE_KEPT)
    }

    /// Names plain objects by the interfaces of the later snapshot, as `DevTools` does.
    pub(crate) fn resolve(self, interfaces: &Interfaces, classes: &mut Classes) -> Before {
        Before { classes: self.classification.resolve(interfaces, classes), columns: self.columns }
    }
}

impl Before {
    /// Frees everything: what is left to do is to describe the second snapshot.
    pub(crate) fn forget(&mut self) {
        self.classes = Vec::new();
        self.columns.sizes = Column::default();
        self.columns.forget_retained();
    }
}

impl Columns {
    /// Frees what is only needed to match the two snapshots.
    pub(crate) fn forget_ids(&mut self) {
        self.fingerprints = Vec::new();
        self.index = IdIndex { odd: Vec::new(), others: Vec::new() };
    }

    /// Frees what is only needed to tell what went.
    pub(crate) fn forget_dominators(&mut self) {
        self.dominators = Vec::new();
    }

    /// Frees what is only needed to tell what grew.
    pub(crate) fn forget_retained(&mut self) {
        self.retained = Column::default();
    }

    /// The node with this id.
    pub(crate) fn find(&self, id: u64) -> Option<Node> {
        self.index.get(id)
    }

    /// The part of the ids shared with `after` that still name an object of the same type and name; 1 for none.
    pub(crate) fn same_objects(&self, after: &Graph) -> f64 {
        let (mut shared, mut same) = (0u64, 0u64);
        for (node, print) in after.nodes().zip(fingerprints(after)) {
            if let Some(before) = self.find(after.id(node)) {
                shared += 1;
                same += u64::from(self.fingerprints[before.index()] == print);
            }
        }
        if shared == 0 { 1.0 } else { same as f64 / shared as f64 }
    }
}

fn fingerprints(graph: &Graph) -> Vec<u8> {
    // One byte of FNV-1a: unequal names collide once in 256 times, which does not blur 19 % against 99 %.
    let of_string = |at: usize| {
        let raw = graph.strings().raw(u32::try_from(at).unwrap_or(u32::MAX));
        raw.iter().fold(0x811c_9dc5u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    };
    let strings: Vec<u8> = (0..graph.strings().len()).map(|at| of_string(at).to_be_bytes()[0]).collect();
    graph.nodes().map(|node| strings[graph.names[node.index()] as usize] ^ graph.kind(node) as u8).collect()
}

/// Finds nodes by id. V8 numbers JavaScript objects with odd numbers in order, so a table serves for these; native
/// objects have even ids without order.
#[derive(Debug)]
struct IdIndex {
    /// By half the id.
    odd: Vec<u32>,
    others: Vec<(u64, Node)>,
}

const NOBODY: u32 = u32::MAX;
/// A table this many times the number of nodes is worth its memory; ids beyond are looked up by bisection.
const SPARSEST: u64 = 4;

impl IdIndex {
    fn new(graph: &Graph) -> Self {
        let limit = (graph.node_count() as u64).saturating_mul(SPARSEST);
        let slot = |id: u64| (id % 2 == 1 && id / 2 < limit).then_some(id / 2);
        let highest = graph.ids.iter().filter_map(slot).max();
        let slots = highest.and_then(|slot| usize::try_from(slot + 1).ok()).unwrap_or(0);
        let mut index = Self { odd: vec![NOBODY; slots], others: Vec::new() };
        for node in graph.nodes() {
            let id = graph.id(node);
            match slot(id).and_then(|slot| usize::try_from(slot).ok()) {
                Some(slot) => index.odd[slot] = node.0,
                None => index.others.push((id, node)),
            }
        }
        index.others.sort_unstable_by_key(|&(id, _)| id);
        index
    }

    #[inline]
    fn get(&self, id: u64) -> Option<Node> {
        let slot = usize::try_from(id / 2).ok();
        match slot.and_then(|slot| self.odd.get(slot)) {
            Some(&node) if id % 2 == 1 && node != NOBODY => Some(Node(node)),
            _ if self.others.is_empty() => None,
            _ => {
                let at = self.others.binary_search_by_key(&id, |&(id, _)| id).ok()?;
                Some(self.others[at].1)
            }
        }
    }
}
