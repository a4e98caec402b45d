//! What an ECMAScript module exports: V8 keeps exported variables in cells, which no scope has.
//!
//! A `system / SourceTextModule` holds a table in which the name of an export stands before its cell.

use super::graph::{Edge, EdgeKind, Graph, Node, NodeKind};

const MODULE_NAME: &[u8] = b"system / SourceTextModule";
const CELL_NAME: &[u8] = b"system / Cell";

/// Whether a node is what V8 knows of an ECMAScript module.
pub(crate) fn is_es_module(graph: &Graph, node: Node) -> bool {
    graph.kind(node) == NodeKind::Hidden && graph.raw_name(node) == MODULE_NAME
}

/// Whether `edge` leads from a module to the table of its exports and not to the bare cells.
pub(crate) fn leads_to_exports(graph: &Graph, edge: Edge) -> bool {
    let table = graph.target(edge);
    graph.kind(table) == NodeKind::Array && graph.edges(table).any(|edge| is_name(graph, edge))
}

/// The name of the export whose cell `edge` leads to, from a table of exports.
pub(crate) fn export_name(graph: &Graph, table: Node, edge: Edge) -> Option<String> {
    let (cell, at) = (graph.target(edge), slot(graph, edge)?);
    if graph.kind(table) != NodeKind::Array || graph.raw_name(cell) != CELL_NAME {
        return None;
    }
    let before = at.checked_sub(1)?;
    let name = graph.edges(table).find(|&edge| is_name(graph, edge) && slot(graph, edge) == Some(before))?;
    Some(graph.name(graph.target(name)).into_owned())
}

fn is_name(graph: &Graph, edge: Edge) -> bool {
    graph.edge_kind(edge) == EdgeKind::Internal && graph.kind(graph.target(edge)).is_string()
}

/// The place in a table that an edge stands for.
fn slot(graph: &Graph, edge: Edge) -> Option<u64> {
    match graph.edge_kind(edge) {
        EdgeKind::Internal => std::str::from_utf8(graph.raw_edge_name(edge)).ok()?.parse().ok(),
        EdgeKind::Hidden | EdgeKind::Element => Some(graph.edge_index(edge)),
        _ => None,
    }
}
