//! Which edges count when asking what keeps an object alive: the rules of `DevTools`' dominator tree.

use super::bits::Bits;
use super::ephemeron::Ephemerons;
use super::graph::{Edge, EdgeKind, Graph, Node, ROOT};
use super::shallow::is_document_trees;

/// A bit an edge: whether it can retain what it leads to.
///
/// Edges do not count that are weak, lead back to their own node, are shortcuts from anywhere but the root, lead from
/// an engine object into the program's objects, or from a `WeakMap`'s table to a value (the edge from the key does).
pub(crate) fn essential_edges(graph: &Graph, ephemerons: &Ephemerons) -> Bits {
    let of_program = program_objects(graph);
    let mut essential = Bits::new(graph.edge_count());
    for node in graph.nodes() {
        let from_program = node == ROOT || of_program.has(node.index());
        for edge in graph.edges(node) {
            let target = graph.target(edge);
            let counts = target != node
                && (from_program || !of_program.has(target.index()))
                && kind_counts(graph, ephemerons, node, edge);
            if counts {
                essential.set(edge.index());
            }
        }
    }
    essential
}

#[inline]
fn kind_counts(graph: &Graph, ephemerons: &Ephemerons, node: Node, edge: Edge) -> bool {
    match graph.edge_kind(edge) {
        EdgeKind::Weak => false,
        EdgeKind::Shortcut => node == ROOT,
        EdgeKind::Internal => {
            ephemerons.get(graph.edge_index(edge)).is_none_or(|ephemeron| ephemeron.table != graph.id(node))
        }
        _ => true,
    }
}

/// Everything that global objects reach: the program's, as against what only the engine or a debugger holds.
fn program_objects(graph: &Graph) -> Bits {
    let mut reached = Bits::new(graph.node_count());
    let mut pending = Vec::new();
    for edge in graph.edges(ROOT) {
        let target = graph.target(edge);
        let is_entry = match graph.edge_kind(edge) {
            EdgeKind::Element => is_document_trees(graph, target),
            kind => kind == EdgeKind::Shortcut,
        };
        if is_entry && reached.insert(target.index()) {
            pending.push(target);
        }
    }
    while let Some(node) = pending.pop() {
        for edge in graph.edges(node) {
            let target = graph.target(edge);
            if graph.edge_kind(edge) != EdgeKind::Weak && reached.insert(target.index()) {
                pending.push(target);
            }
        }
    }
    reached
}
