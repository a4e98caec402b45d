//! How many bytes each holder gained, and who gets what is too little to tell of.

use std::collections::HashMap;

use super::attribution::{Flows, Group, Keepers, is_of_engine};
use super::members::Members;
use crate::heap::bits::Bits;
use crate::heap::diff::difference;
use crate::heap::graph::{Node, ROOT};
use crate::heap::pair::Pair;

/// Bytes that each holder gained.
pub(super) struct Gains {
    net: HashMap<Node, i64>,
    pub(super) own: HashMap<Node, i64>,
    /// By number of the holder who has in the end what it gained; none where that was too little for anyone.
    last: Vec<Option<Node>>,
    /// What the root gained before anything was passed on to it: what native handles hold.
    of_handles: i64,
}

impl Gains {
    /// Who holds in the end what the holder of this number gained.
    pub(super) fn holder(&self, number: usize) -> Option<Node> {
        self.last[number]
    }

    /// Bytes that a holder gained in the end.
    pub(super) fn of(&self, holder: Node) -> i64 {
        if holder == ROOT { self.of_handles } else { self.net.get(&holder).copied().unwrap_or(0) }
    }

    /// Holders whose growth is their own size: arrays of numbers, buffers that were enlarged.
    pub(super) fn grown_by_themselves<'a>(
        &'a self,
        pair: &'a Pair,
        flows: &'a Flows,
        least: i64,
    ) -> impl Iterator<Item = Group> + 'a {
        let grown = self.own.iter().filter(move |&(&holder, &own)| own >= least && !flows.mostly_replaced(holder));
        grown.filter_map(move |(&holder, &own_growth)| {
            let growth = self.net.get(&holder).copied().unwrap_or(0).max(own_growth);
            let members = Members::itself(pair, holder);
            let mostly_own = own_growth >= growth / 2 && !is_of_engine(pair, holder);
            mostly_own.then_some(Group { holder, growth, own_growth, members })
        })
    }
}

pub(super) fn gains(pair: &Pair, keepers: &Keepers<'_>, flows: &Flows) -> Gains {
    let graph = &pair.after.graph;
    let mut held = vec![0.0; keepers.holders().len()];
    let mut own: HashMap<Node, i64> = HashMap::new();
    for node in graph.nodes() {
        if let Some(before) = pair.matching.before(node) {
            let growth = difference(graph.size(node), pair.before.columns.sizes.get(before.index()));
            if growth != 0 {
                *own.entry(keepers.container(node)).or_default() += growth;
            }
        } else {
            held[keepers.holder_number(node)] += graph.size(node) as f64 * flows.kept_part(pair, node);
        }
    }
    let mut net = own.clone();
    for (&holder, bytes) in keepers.holders().iter().zip(held) {
        #[expect(clippy::cast_possible_truncation, reason = "sums of sizes in a heap, far below 2^63")]
        let bytes = bytes as i64;
        *net.entry(holder).or_default() += bytes;
    }
    let of_handles = net.get(&ROOT).copied().unwrap_or(0);
    Gains { net, own, last: Vec::new(), of_handles }
}

/// From the leaves of the dominator tree up, passes on what is less than `least`.
pub(super) fn roll_up(pair: &Pair, keepers: &Keepers<'_>, gains: &mut Gains, least: i64) {
    let mut waiting = Bits::new(pair.after.graph.node_count());
    for holder in gains.net.keys() {
        waiting.set(holder.index());
    }
    let mut passed_to: HashMap<Node, Node> = HashMap::new();
    for &node in pair.after.tree.order.iter().rev() {
        if !waiting.has(node.index()) || node == ROOT {
            continue;
        }
        let bytes = gains.net.get(&node).copied().unwrap_or(0);
        if bytes < least {
            let next = keepers.container(pair.after.tree.parent(node));
            gains.net.remove(&node);
            *gains.net.entry(next).or_insert(0) += bytes;
            passed_to.insert(node, next);
            waiting.set(next.index());
        }
    }
    // What was passed on may have been passed on again; those above know already.
    for &node in pair.after.tree.order.iter().filter(|node| waiting.has(node.index())) {
        if let Some(&again) = passed_to.get(&node).and_then(|next| passed_to.get(next)) {
            passed_to.insert(node, again);
        }
    }
    let outermost = |holder: &Node| match passed_to.get(holder) {
        Some(&above) => Some(above).filter(|&above| above != ROOT),
        None => Some(*holder),
    };
    gains.last = keepers.holders().iter().map(outermost).collect();
}
