//! Objects in both snapshots that retain more in the second: what a comparison by id never shows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::heap::graph::{Node, NodeKind, ROOT};
use crate::heap::pair::Pair;

/// Most survivors worth a reader's time.
const MOST_SURVIVORS: usize = 20;

/// An object that retains more than it did.
#[derive(Debug)]
pub(super) struct Grown {
    pub(super) node: Node,
    /// Bytes that it retained in the first snapshot.
    pub(super) before: u64,
}

/// The objects that grew most, the most grown first. The engine's own nodes are left out.
pub(super) fn most_grown(pair: &Pair) -> Vec<Grown> {
    let mut most = BinaryHeap::with_capacity(MOST_SURVIVORS + 1);
    for node in pair.after.graph.nodes().filter(|&node| node != ROOT) {
        let Some(before) = pair.matching.before(node) else { continue };
        let retained = pair.after.tree.retained(node);
        let growth = retained.saturating_sub(pair.before.columns.retained.get(before.index()));
        if growth > 0 && is_of_program(pair, node) {
            most.push(Reverse((growth, Reverse(node))));
            if most.len() > MOST_SURVIVORS {
                most.pop();
            }
        }
    }
    let grown = |growth, node| Grown { node, before: pair.after.tree.retained(node).saturating_sub(growth) };
    most.into_sorted_vec().into_iter().map(|Reverse((growth, Reverse(node)))| grown(growth, node)).collect()
}

fn is_of_program(pair: &Pair, node: Node) -> bool {
    !matches!(
        pair.after.graph.kind(node),
        NodeKind::Synthetic | NodeKind::Hidden | NodeKind::Code | NodeKind::ObjectShape
    )
}
