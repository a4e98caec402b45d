//! Objects in both snapshots that retain more in the second: what a comparison by id never shows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::heap::graph::{Node, NodeKind, ROOT};
use crate::heap::pair::Pair;

/// Most survivors worth a reader's time.
const MOST_SURVIVORS: usize = 20;

/// The objects that grew most, the most grown first. The engine's own nodes are left out.
pub(super) fn most_grown(pair: &Pair) -> Vec<Node> {
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
    most.into_sorted_vec().into_iter().map(|Reverse((_, Reverse(node)))| node).collect()
}

fn is_of_program(pair: &Pair, node: Node) -> bool {
    !matches!(
        pair.after.graph.kind(node),
        NodeKind::Synthetic | NodeKind::Hidden | NodeKind::Code | NodeKind::ObjectShape
    )
}
