//! How many edges away from the globals a node is: `DevTools`' Distance column.

use super::bits::Bits;
use super::ephemeron::Ephemerons;
use super::graph::{Edge, EdgeKind, Graph, Node, NodeKind, ROOT};
use super::shallow::is_user_root;

/// Distances from here on are of nodes that only the engine reaches.
pub const SYSTEM_DISTANCE: u32 = 100_000_000;
/// The distance of a node that no edge reaches.
pub const NO_DISTANCE: u32 = u32::MAX;

/// The distance of each node.
#[derive(Debug)]
pub struct Distances(Vec<u32>);

impl Distances {
    /// Edges between a global and the node.
    pub fn get(&self, node: Node) -> u32 {
        self.0[node.index()]
    }
}

/// The distance of each node.
pub(crate) fn distances(graph: &Graph, ephemerons: &Ephemerons) -> Distances {
    let mut distances = vec![NO_DISTANCE; graph.node_count()];
    search(graph, ephemerons, |node, _, distance| distances[node.index()] = distance);
    Distances(distances)
}

/// Breadth first from the global objects, then from the root for the rest. Tells `meet` of each node once, with the
/// node before it on a shortest way, the root's being itself, and the distance.
pub(crate) fn search(graph: &Graph, ephemerons: &Ephemerons, meet: impl FnMut(Node, Node, u32)) {
    let mut search = Search {
        graph,
        rules: Rules::new(graph, ephemerons),
        reached: Bits::new(graph.node_count()),
        frontier: Vec::new(),
        meet,
    };
    for edge in graph.edges(ROOT) {
        let target = graph.target(edge);
        if is_user_root(graph, target) && !search.reached.has(target.index()) {
            search.reach(target, ROOT, 1);
        }
    }
    let any_user_root = !search.frontier.is_empty();
    search.spread(1);
    let distance = if any_user_root { SYSTEM_DISTANCE } else { 0 };
    search.reach(ROOT, ROOT, distance);
    search.spread(distance);
}

struct Search<'a, F> {
    graph: &'a Graph,
    rules: Rules<'a>,
    reached: Bits,
    /// Nodes of one distance, whose neighbours come next.
    frontier: Vec<Node>,
    meet: F,
}

impl<F: FnMut(Node, Node, u32)> Search<'_, F> {
    fn reach(&mut self, node: Node, before: Node, distance: u32) {
        self.reached.set(node.index());
        self.frontier.push(node);
        (self.meet)(node, before, distance);
    }

    /// From a frontier of this distance on.
    fn spread(&mut self, mut distance: u32) {
        let mut nodes = Vec::new();
        while !self.frontier.is_empty() {
            distance = distance.saturating_add(1);
            std::mem::swap(&mut nodes, &mut self.frontier);
            for node in nodes.drain(..) {
                self.spread_from(node, distance);
            }
        }
    }

    fn spread_from(&mut self, node: Node, distance: u32) {
        let special = self.rules.special(node);
        for edge in self.graph.edges(node) {
            let target = self.graph.target(edge);
            if !self.reached.has(target.index()) && self.rules.passes(special, edge) {
                self.reach(target, node, distance);
            }
        }
    }
}

/// Which edges a shortest way may not take.
struct Rules<'a> {
    graph: &'a Graph,
    ephemerons: &'a Ephemerons,
    native_context: Option<u32>,
    map_descriptors: Option<u32>,
    /// Entries of weak maps one of whose two edges was met: the value is as far as the later of key and table.
    met: Bits,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Special {
    None,
    NativeContext,
    MapDescriptors,
}

impl<'a> Rules<'a> {
    fn new(graph: &'a Graph, ephemerons: &'a Ephemerons) -> Self {
        Self {
            graph,
            ephemerons,
            native_context: graph.strings().find(b"system / NativeContext"),
            map_descriptors: graph.strings().find(b"(map descriptors)"),
            met: Bits::new(ephemerons.pairs()),
        }
    }

    fn special(&self, node: Node) -> Special {
        let name = Some(self.graph.names[node.index()]);
        match self.graph.kind(node) {
            NodeKind::Hidden if name == self.native_context => Special::NativeContext,
            NodeKind::Array if name == self.map_descriptors => Special::MapDescriptors,
            _ => Special::None,
        }
    }

    #[inline]
    fn passes(&mut self, special: Special, edge: Edge) -> bool {
        match special {
            _ if self.graph.edge_kind(edge) == EdgeKind::Weak => false,
            Special::NativeContext if self.graph.raw_edge_name(edge) == b"sloppy_function_map" => false,
            Special::MapDescriptors => self.is_no_descriptor(edge),
            _ if self.graph.edge_kind(edge) == EdgeKind::Internal => self.is_second_of_pair(edge),
            _ => true,
        }
    }

    /// Maps share arrays of descriptors, so the descriptors in them say nothing of one map: every third slot.
    fn is_no_descriptor(&self, edge: Edge) -> bool {
        let index = if self.graph.edge_kind(edge).is_indexed() {
            Some(self.graph.edge_index(edge))
        } else {
            let name = self.graph.edge_name(edge);
            let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
            name.get(..digits).and_then(|digits| digits.parse().ok())
        };
        index.is_none_or(|index: u64| index < 2 || index % 3 != 1)
    }

    fn is_second_of_pair(&mut self, edge: Edge) -> bool {
        let ephemeron = self.ephemerons.get(self.graph.edge_index(edge));
        ephemeron.is_none_or(|ephemeron| !self.met.toggle(ephemeron.pair as usize))
    }
}
