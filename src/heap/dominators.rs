//! The dominator tree and retained sizes.
//!
//! Semi-NCA (L. Georgiadis, "Linear-Time Algorithms for Dominators and Related Problems", Princeton 2005, 2.3): a
//! depth-first numbering, semidominators by path compression, then each dominator as the nearest common ancestor.
//! Near-linear, and a deep heap costs no stack. Only edges that run against the numbering need to be stored for the
//! second step: those along it were all met, lowest first, while numbering.

use super::bits::Bits;
use super::column::Column;
use super::graph::{Graph, Node, ROOT};

/// Who keeps whom alive.
#[derive(Debug)]
pub struct DominatorTree {
    /// The immediate dominator of each node; the root's is itself.
    pub(crate) parents: Vec<Node>,
    /// All nodes, each after its dominator.
    pub(crate) order: Vec<Node>,
    /// Bytes that would be free without the node.
    pub(crate) retained: Column,
}

impl DominatorTree {
    /// The immediate dominator of a node; the root's is itself.
    pub fn parent(&self, node: Node) -> Node {
        self.parents[node.index()]
    }

    /// Bytes that would be free without the node.
    pub fn retained(&self, node: Node) -> u64 {
        self.retained.get(node.index())
    }
}

const UNNUMBERED: u32 = u32::MAX;

/// Computes the dominator tree over the `essential` edges, and the retained sizes.
///
/// A node that no essential edge leads to hangs under the root, and so does each node of a ring that nothing reaches.
pub(crate) fn dominator_tree(graph: &Graph, essential: &Bits) -> DominatorTree {
    let (numbering, order) = number(graph, essential);
    let dominators = immediate_dominators(graph, essential, numbering, &order);
    into_tree(graph, order, &dominators)
}

/// A depth-first numbering and what it learns of the edges on its way. All but `order` is by number.
struct Numbering {
    /// The number of each node.
    number: Vec<u32>,
    /// The node of each number, until it is handed out.
    order: Vec<Node>,
    /// The number from which each was first reached.
    parent: Vec<u32>,
    /// The lowest number with an edge to each, among lower numbers.
    semi: Vec<u32>,
    /// How many edges lead to each from higher numbers.
    against: Vec<u32>,
}

/// The numbering, and the node of each number.
fn number(graph: &Graph, essential: &Bits) -> (Numbering, Vec<Node>) {
    let count = graph.node_count();
    let mut numbering = Numbering {
        number: vec![UNNUMBERED; count],
        order: Vec::with_capacity(count),
        parent: Vec::with_capacity(count),
        semi: Vec::with_capacity(count),
        against: vec![0; count],
    };
    numbering.descend(graph, essential, ROOT);
    if numbering.order.len() < count {
        let retained = retained_by_unnumbered(graph, essential, &numbering.number);
        for node in graph.nodes() {
            if numbering.number[node.index()] == UNNUMBERED && !retained.has(node.index()) {
                numbering.descend(graph, essential, node);
            }
        }
    }
    let order = std::mem::take(&mut numbering.order);
    (numbering, order)
}

fn retained_by_unnumbered(graph: &Graph, essential: &Bits, number: &[u32]) -> Bits {
    let mut retained = Bits::new(graph.node_count());
    for node in graph.nodes().filter(|node| number[node.index()] == UNNUMBERED) {
        for edge in graph.edges(node).filter(|edge| essential.has(edge.index())) {
            retained.set(graph.target(edge).index());
        }
    }
    retained
}

impl Numbering {
    /// Numbers everything that `start` reaches and that has no number yet.
    fn descend(&mut self, graph: &Graph, essential: &Bits, start: Node) {
        self.visit(start, 0);
        let mut path = vec![(self.number[start.index()], graph.edge_range(start))];
        while let Some((from, edges)) = path.last_mut() {
            let from = *from;
            let Some(edge) = edges.next() else {
                path.pop();
                continue;
            };
            if !essential.has(edge as usize) {
                continue;
            }
            let target = graph.targets[edge as usize];
            let to = self.number[target.index()];
            if to == UNNUMBERED {
                let to = self.visit(target, from);
                path.push((to, graph.edge_range(target)));
            } else if to > from {
                let semi = &mut self.semi[to as usize];
                *semi = from.min(*semi);
            } else {
                self.against[to as usize] += 1;
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "no more numbers than nodes")]
    fn visit(&mut self, node: Node, parent: u32) -> u32 {
        let number = self.order.len() as u32;
        self.number[node.index()] = number;
        self.order.push(node);
        self.parent.push(parent);
        self.semi.push(parent);
        number
    }
}

/// Edges from higher to lower numbers, taken away from the highest number that they lead to.
struct Against {
    /// Where they come from, in the order of where they lead to.
    from: Vec<u32>,
    /// The first of each group in `from`.
    firsts: Bits,
    /// Numbers that any lead to.
    targets: Bits,
}

impl Against {
    #[expect(clippy::cast_possible_truncation, reason = "no more numbers than nodes, no more edges than 32 bits count")]
    fn collect(graph: &Graph, essential: &Bits, number: &[u32], order: &[Node], mut counts: Vec<u32>) -> Self {
        let total = counts.iter().map(|&count| count as usize).sum();
        let mut against = Self { from: vec![0; total], firsts: Bits::new(total), targets: Bits::new(order.len()) };
        let mut sum = 0;
        for (number, count) in counts.iter_mut().enumerate() {
            if *count > 0 {
                against.firsts.set(sum as usize);
                against.targets.set(number);
            }
            sum += std::mem::replace(count, sum);
        }
        for (higher, &node) in order.iter().enumerate() {
            for edge in graph.edge_range(node) {
                let lower = number[graph.targets[edge as usize].index()];
                if lower as usize <= higher && essential.has(edge as usize) {
                    let slot = &mut counts[lower as usize];
                    against.from[*slot as usize] = higher as u32;
                    *slot += 1;
                }
            }
        }
        against
    }

    /// Takes away the edges to `number`, which is the highest that any are left to.
    #[inline]
    fn take(&mut self, number: usize, mut take: impl FnMut(u32)) {
        if !self.targets.has(number) {
            return;
        }
        while let Some(from) = self.from.pop() {
            take(from);
            if self.firsts.has(self.from.len()) {
                return;
            }
        }
    }
}

/// The immediate dominator of each number.
#[expect(clippy::cast_possible_truncation, reason = "no more numbers than nodes")]
fn immediate_dominators(graph: &Graph, essential: &Bits, numbering: Numbering, order: &[Node]) -> Vec<u32> {
    let Numbering { number, parent: mut dominators, mut semi, against, .. } = numbering;
    let mut against = Against::collect(graph, essential, &number, order, against);
    drop(number);
    let mut forest = Forest::new(&dominators, &semi);
    for number in (1..dominators.len()).rev() {
        let mut lowest = semi[number];
        against.take(number, |from| lowest = lowest.min(forest.lowest(from, number as u32)));
        semi[number] = lowest;
        forest.trees[number].lowest = lowest;
    }
    drop(against);
    drop(forest);
    for number in 1..dominators.len() {
        let mut dominator = dominators[number];
        while dominator > semi[number] {
            dominator = dominators[dominator as usize];
        }
        dominators[number] = dominator;
    }
    dominators
}

/// The part of the depth-first tree above the number in hand, with compressed paths.
struct Forest {
    trees: Vec<Tree>,
    path: Vec<u32>,
}

/// Side by side, since both are always needed at once.
#[derive(Clone, Copy)]
struct Tree {
    ancestor: u32,
    /// The lowest semidominator between here and the ancestor.
    lowest: u32,
}

impl Forest {
    fn new(parents: &[u32], semi: &[u32]) -> Self {
        let trees = parents.iter().zip(semi).map(|(&ancestor, &lowest)| Tree { ancestor, lowest });
        Self { trees: trees.collect(), path: Vec::new() }
    }

    /// The lowest semidominator on the way from `from` up to, and without, the ancestors not above `last`.
    #[inline]
    fn lowest(&mut self, from: u32, last: u32) -> u32 {
        let mut at = from;
        while self.trees[at as usize].ancestor > last {
            self.path.push(at);
            at = self.trees[at as usize].ancestor;
        }
        let mut above = self.trees[at as usize];
        while let Some(below) = self.path.pop() {
            let tree = &mut self.trees[below as usize];
            tree.lowest = tree.lowest.min(above.lowest);
            tree.ancestor = above.ancestor;
            above = *tree;
        }
        above.lowest
    }
}

/// From numbers back to nodes, with the sums of sizes.
fn into_tree(graph: &Graph, mut order: Vec<Node>, dominators: &[u32]) -> DominatorTree {
    let mut sums: Vec<u64> = order.iter().map(|&node| graph.size(node)).collect();
    for number in (1..dominators.len()).rev() {
        let dominator = dominators[number] as usize;
        sums[dominator] = sums[dominator].saturating_add(sums[number]);
    }
    let mut parents = vec![Node(UNNUMBERED); graph.node_count()];
    let mut retained = Column::with_len(graph.node_count());
    for (number, &node) in order.iter().enumerate() {
        parents[node.index()] = order[dominators[number] as usize];
        retained.set(node.index(), sums[number]);
    }
    drop(sums);
    let mut beside = 0u64;
    for node in graph.nodes().filter(|node| parents[node.index()].0 == UNNUMBERED).collect::<Vec<_>>() {
        parents[node.index()] = ROOT;
        retained.set(node.index(), graph.size(node));
        beside = beside.saturating_add(graph.size(node));
        order.push(node);
    }
    retained.set(ROOT.index(), retained.get(ROOT.index()).saturating_add(beside));
    DominatorTree { parents, order, retained }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::heap::synthetic::{ELEMENT, Heap, OBJECT, PROPERTY, SHORTCUT, WEAK};
    use crate::heap::{LoadOptions, Snapshot};

    fn read(heap: &Heap) -> Snapshot {
        Snapshot::read(heap.to_json().as_bytes(), LoadOptions::default()).unwrap()
    }

    fn parents(snapshot: &Snapshot) -> Vec<u32> {
        snapshot.graph.nodes().map(|node| snapshot.tree.parent(node).0).collect()
    }

    fn retained(snapshot: &Snapshot) -> Vec<u64> {
        snapshot.graph.nodes().map(|node| snapshot.tree.retained(node)).collect()
    }

    #[test]
    fn what_two_hold_belongs_to_neither() {
        let mut heap = Heap::new();
        let [a, b, shared, below] = [10, 20, 30, 40].map(|size| heap.node(OBJECT, "Thing", size));
        for (from, to) in [(0, a), (0, b), (a, shared), (b, shared), (shared, below)] {
            heap.edge(from, PROPERTY, "it", to);
        }
        let snapshot = read(&heap);
        assert_eq!(parents(&snapshot), [0, 0, 0, 0, 3]);
        assert_eq!(retained(&snapshot), [100, 10, 20, 70, 40]);
    }

    #[test]
    fn a_list_of_a_million_needs_no_stack() {
        let mut heap = Heap::new();
        let mut last = 0;
        for _ in 0..300_000 {
            let next = heap.node(OBJECT, "Link", 1);
            heap.edge(last, PROPERTY, "next", next);
            last = next;
        }
        let snapshot = read(&heap);
        assert_eq!(snapshot.tree.retained(super::ROOT), 300_000);
        assert_eq!(snapshot.tree.parent(super::Node(300_000)), super::Node(299_999));
    }

    /// The definition: `a` dominates `b` when `b` cannot be reached without it. Nodes that nothing holds hang under
    /// the root, and so does each node of a ring that nothing reaches.
    fn naive_parents(count: usize, edges: &[(usize, usize)]) -> Vec<u32> {
        let has_retainer = |node| edges.iter().any(|&(from, to)| to == node && from != node);
        let reach = |without: usize| {
            let mut seen = vec![false; count];
            let mut pending: Vec<usize> = (0..count).filter(|&node| node == 0 || !has_retainer(node)).collect();
            while let Some(node) = pending.pop() {
                if node != without && !std::mem::replace(&mut seen[node], true) {
                    pending.extend(edges.iter().filter(|edge| edge.0 == node).map(|edge| edge.1));
                }
            }
            seen
        };
        let reachable = reach(usize::MAX);
        let reached_without: Vec<Vec<bool>> = (0..count).map(reach).collect();
        let dominates = |a: usize, b: usize| a == 0 || !reached_without[a][b];
        let immediate = |node: usize| {
            let above: Vec<usize> = (0..count).filter(|&a| a != node && reachable[a] && dominates(a, node)).collect();
            above.iter().copied().find(|&a| above.iter().all(|&b| dominates(b, a))).unwrap_or(0)
        };
        #[expect(clippy::cast_possible_truncation, reason = "a handful of nodes")]
        (0..count).map(|node| if node == 0 || !reachable[node] { 0 } else { immediate(node) as u32 }).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn the_tree_is_that_of_the_definition(
            sizes in proptest::collection::vec(0u64..100, 1..14),
            edges in proptest::collection::vec((0usize..14, 0usize..14, 0u8..8), 0..40),
        ) {
            let count = sizes.len() + 1;
            let mut heap = Heap::new();
            for &size in &sizes {
                heap.node(OBJECT, "Thing", size);
            }
            let mut strong = Vec::new();
            for (from, to, kind) in edges {
                let (from, to) = (from % count, to % count);
                let kind = match kind {
                    0 => WEAK,
                    1 if from != 0 => SHORTCUT,
                    _ => {
                        if from != to {
                            strong.push((from, to));
                        }
                        ELEMENT
                    }
                };
                heap.edge(from, kind, "1", to);
            }
            let snapshot = read(&heap);
            prop_assert_eq!(parents(&snapshot), naive_parents(count, &strong));
            prop_assert_eq!(snapshot.tree.retained(super::ROOT), sizes.iter().sum::<u64>());
        }
    }
}
