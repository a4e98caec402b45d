//! Edges backwards: what holds a node.

use super::graph::{Edge, EdgeKind, Graph, Node, ROOT};

/// For each node the edges that lead to it, without weak ones and those of the root. 4 bytes a node and an edge.
#[derive(Debug)]
pub struct Retainers {
    first: Vec<u32>,
    edges: Vec<Edge>,
}

impl Retainers {
    /// Collects the edges between nodes that `wanted` accepts.
    pub fn collect(graph: &Graph, wanted: impl Fn(Node) -> bool) -> Self {
        let mut ends = vec![0u32; graph.node_count()];
        each_edge(graph, &wanted, |target, _| ends[target.index()] += 1);
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        let mut edges = vec![Edge(0); sum as usize];
        each_edge(graph, &wanted, |target, edge| {
            let slot = &mut ends[target.index()];
            edges[*slot as usize] = edge;
            *slot += 1;
        });
        Self { first: ends, edges }
    }

    /// The edges that lead to `node`, with the nodes that they leave.
    pub fn of<'a>(&'a self, graph: &'a Graph, node: Node) -> impl Iterator<Item = (Node, Edge)> + 'a {
        let start = node.index().checked_sub(1).map_or(0, |before| self.first[before] as usize);
        let edges = &self.edges[start..self.first[node.index()] as usize];
        edges.iter().map(|&edge| (source(graph, edge), edge))
    }
}

fn each_edge(graph: &Graph, wanted: &impl Fn(Node) -> bool, mut take: impl FnMut(Node, Edge)) {
    for node in graph.nodes().filter(|&node| node != ROOT && wanted(node)) {
        for edge in graph.edges(node) {
            let target = graph.target(edge);
            if target != node && graph.edge_kind(edge) != EdgeKind::Weak && wanted(target) {
                take(target, edge);
            }
        }
    }
}

/// The node that an edge leaves.
#[expect(clippy::cast_possible_truncation, reason = "no more nodes than 32 bits count")]
fn source(graph: &Graph, edge: Edge) -> Node {
    let after = graph.first_edges.partition_point(|&first| first <= edge.0);
    Node(after.saturating_sub(1) as u32)
}
