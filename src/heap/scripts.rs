//! From a closure to its script, out of the file alone.

use std::collections::HashMap;

use super::graph::{EdgeKind, Graph, Node, NodeKind, ScriptPosition};
use super::report::Location;

/// The names of the scripts of a process, by their numbers.
#[derive(Debug, Default)]
pub struct Scripts {
    names: HashMap<u32, String>,
}

impl Scripts {
    /// Follows one closure of each script to its name.
    pub fn find(graph: &Graph) -> Self {
        let mut names: HashMap<u32, String> = HashMap::new();
        for &(node, position) in &graph.locations {
            let known = names.get(&position.script_id).is_some_and(|name| !name.is_empty());
            if !known && graph.kind(node) == NodeKind::Closure {
                let name = script_of(graph, node).map(|script| graph.name(script).into_owned()).unwrap_or_default();
                names.insert(position.script_id, name);
            }
        }
        Self { names }
    }

    /// The name of a script; none for `eval` and where no closure of it is left.
    pub fn name(&self, script_id: u32) -> Option<&str> {
        self.names.get(&script_id).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Whether a script belongs to the program and not to Node itself.
    pub fn is_of_program(&self, script_id: u32) -> bool {
        self.name(script_id).is_some_and(|name| !name.starts_with("node:") && !name.starts_with("internal/"))
    }

    /// A position for people: a named script, counting from 1.
    pub fn location(&self, position: ScriptPosition) -> Location {
        let script = self.name(position.script_id).map_or_else(|| "(eval)".to_owned(), str::to_owned);
        Location { script, line: position.line.saturating_add(1), column: position.column.saturating_add(1) }
    }
}

/// The node that is a closure's script; its name is the path. Node 20 and older have another link between when the
/// script was ever looked at by a debugger or for coverage.
fn script_of(graph: &Graph, closure: Node) -> Option<Node> {
    let shared = graph.child(closure, EdgeKind::Internal, b"shared")?;
    let script = graph.child(shared, EdgeKind::Internal, b"script");
    let link = script.or_else(|| graph.child(shared, EdgeKind::Internal, b"script_or_debug_info"))?;
    if graph.raw_name(link) != b"system / DebugInfo" {
        return Some(link);
    }
    let is_link = |&edge: &super::graph::Edge| graph.edge_kind(edge) == EdgeKind::Hidden && graph.edge_index(edge) == 1;
    graph.edges(link).find(is_link).map(|edge| graph.target(edge))
}
