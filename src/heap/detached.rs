//! Marks native objects that are cut off from their tree, such as DOM nodes: `Detached <div>`, as `DevTools` names them.

use std::collections::HashMap;

use super::bits::Bits;
use super::graph::{EdgeKind, Graph, Node, NodeKind};

/// The values of V8's field `detachedness`.
pub(crate) const ATTACHED: u8 = 1;
const DETACHED: u8 = 2;

/// Whatever a native object reaches through native objects alone is attached or detached with it; attached wins.
/// Detached ones are renamed.
pub(crate) fn rename_detached(graph: &mut Graph) {
    let mut visited = Bits::new(graph.node_count());
    let (mut attached, mut detached, mut renamed) = (Vec::new(), Vec::new(), Vec::new());
    for &(node, state) in &graph.detachedness {
        if graph.kind(node) == NodeKind::Native && visited.insert(node.index()) {
            match state {
                ATTACHED => attached.push(node),
                DETACHED => detached.push(node),
                _ => {}
            }
        }
    }
    renamed.extend_from_slice(&detached);
    while let Some(node) = attached.pop() {
        attached.extend(native_children(graph, node).filter(|child| visited.insert(child.index())));
    }
    while let Some(node) = detached.pop() {
        let known = renamed.len();
        renamed.extend(native_children(graph, node).filter(|child| visited.insert(child.index())));
        detached.extend_from_slice(&renamed[known..]);
    }
    rename(graph, &renamed);
}

fn native_children(graph: &Graph, node: Node) -> impl Iterator<Item = Node> {
    let leads_on = |kind| !matches!(kind, EdgeKind::Hidden | EdgeKind::Weak);
    let children = graph.edges(node).filter(move |&edge| leads_on(graph.edge_kind(edge)));
    children.map(|edge| graph.target(edge)).filter(|&child| graph.kind(child) == NodeKind::Native)
}

fn rename(graph: &mut Graph, nodes: &[Node]) {
    let mut new_names = HashMap::new();
    for node in nodes {
        let name = &mut graph.names[node.index()];
        *name = *new_names.entry(*name).or_insert_with(|| {
            let raw = [b"Detached ", graph.strings.raw(*name)].concat();
            graph.strings.append(&raw);
            graph.strings.end();
            u32::try_from(graph.strings.len() - 1).unwrap_or(*name)
        });
    }
}
