//! Gives the size of what V8 keeps apart to the object that it belongs to, as `DevTools` does.
//!
//! A `Map` keeps its entries in a table, an array its elements in a store, a string its characters outside of the
//! heap. Where such a part has exactly one owner its size counts with the owner, and the part itself has size 0.

use super::bits::Bits;
use super::graph::{EdgeKind, Graph, Node, NodeKind, ROOT};

const NOBODY: u32 = u32::MAX;
const SEVERAL: u32 = u32::MAX - 1;

/// Moves the sizes of owned parts to their owners.
///
/// A snapshot without user roots was taken with internals exposed; its sizes are left as they are.
pub(crate) fn transfer_sizes(graph: &mut Graph) {
    if !graph.edges(ROOT).any(|edge| is_user_root(graph, graph.target(edge))) {
        return;
    }
    let owners = find_owners(graph);
    for node in graph.nodes() {
        let owner = owners[node.index()];
        if owner == NOBODY || owner == SEVERAL || owner == node.0 {
            continue;
        }
        let owner = Node(owner);
        if graph.kind(owner) == NodeKind::Synthetic || owner == ROOT {
            continue;
        }
        let sum = graph.size(owner).saturating_add(graph.size(node));
        graph.sizes.set(node.index(), 0);
        graph.sizes.set(owner.index(), sum);
    }
}

/// Whether a child of the root is a global object and no group of handles.
pub(crate) fn is_user_root(graph: &Graph, node: Node) -> bool {
    graph.kind(node) != NodeKind::Synthetic || is_document_trees(graph, node)
}

pub(crate) fn is_document_trees(graph: &Graph, node: Node) -> bool {
    graph.kind(node) == NodeKind::Synthetic && graph.raw_name(node) == b"(Document DOM trees)"
}

/// For each node the one that owns it: itself, unless it is a part that has one owner, several or none.
fn find_owners(graph: &Graph) -> Vec<u32> {
    let parts = find_parts(graph);
    let mut owners: Vec<u32> =
        graph.nodes().map(|node| if parts.has(node.index()) { NOBODY } else { node.0 }).collect();
    let mut pending = Vec::new();
    for node in graph.nodes() {
        if !parts.has(node.index()) {
            claim_parts(graph, &parts, &mut owners, node, &mut pending);
        }
        while let Some(part) = pending.pop() {
            claim_parts(graph, &parts, &mut owners, part, &mut pending);
        }
    }
    owners
}

/// Tells the parts that `node` holds who owns `node`; each changes its mind at most twice.
#[inline]
fn claim_parts(graph: &Graph, parts: &Bits, owners: &mut [u32], node: Node, pending: &mut Vec<Node>) {
    let owner = owners[node.index()];
    for edge in graph.edges(node) {
        let target = graph.target(edge);
        if !parts.has(target.index()) || graph.edge_kind(edge) == EdgeKind::Weak {
            continue;
        }
        let known = &mut owners[target.index()];
        if *known == NOBODY {
            *known = owner;
            pending.push(target);
        } else if *known != owner && *known != SEVERAL {
            *known = SEVERAL;
            pending.push(target);
        }
    }
}

fn find_parts(graph: &Graph) -> Bits {
    let outside = graph.strings().find(b"system / ExternalStringData");
    let mut parts = Bits::new(graph.node_count());
    for node in graph.nodes() {
        let is_part = match graph.kind(node) {
            NodeKind::Hidden | NodeKind::Array => true,
            NodeKind::Native => Some(graph.names[node.index()]) == outside,
            _ => false,
        };
        if is_part {
            parts.set(node.index());
        }
    }
    parts
}
