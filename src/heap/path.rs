//! How a holder is reached, told as a person would: `process._events.uncaughtException[]`.
//!
//! Shortest paths from the root lead through whatever built-in function happens to mention a thing. So the search goes
//! up from the holder and stops at a place that means something in a program: a variable of its scripts, `process`, a
//! global, a module. Edges with names are cheaper than the engine's own.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::dominators::DominatorTree;
use super::es_module::{export_name, is_es_module, leads_to_exports};
use super::graph::{Edge, EdgeKind, Graph, Node, NodeKind, ROOT};
use super::retainers::Retainers;
use super::scripts::Scripts;

/// A way down from an owner; the first step has no edge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    pub(crate) steps: Vec<(Option<Edge>, Node)>,
    /// How many steps lead to the holder. Below it, an index is one of many and not part of a name.
    pub(crate) to_holder: usize,
    /// The script whose variable the way begins with.
    pub(crate) script: Option<String>,
}

/// Most nodes to look at on the way up; a heap has far fewer between a container and its variable.
const MOST_VISITED: usize = 20_000;

/// Most steps that are told: of a longer way, such as a long list's, the end.
pub(crate) const LONGEST_WAY: usize = 64;

/// Finds owners.
#[derive(Debug)]
pub(crate) struct Owners<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) tree: &'a DominatorTree,
    pub(crate) scripts: &'a Scripts,
    pub(crate) retainers: &'a Retainers,
}

/// What a search knows of a node: the cheapest way down from it.
#[derive(Clone, Copy)]
struct Reached {
    cost: u32,
    down: Option<(Edge, Node)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    Here,
    Further,
}

impl Owners<'_> {
    /// The most telling way down to `node`.
    pub(crate) fn way_to(&self, node: Node) -> Way {
        if node == ROOT || matches!(Owner::of(self.graph, node), Owner::Process | Owner::Global | Owner::Scope) {
            return self.way_down(&HashMap::new(), node);
        }
        let mut contents = Contents { tree: self.tree, of: node, known: HashMap::new() };
        let mut reached = HashMap::from([(node, Reached { cost: 0, down: None })]);
        let mut queue = BinaryHeap::from([(Reverse(0), Stop::Further, Reverse(""), Reverse(node))]);
        while let Some((Reverse(cost), stop, _, Reverse(at))) = queue.pop() {
            if stop == Stop::Here || reached.len() > MOST_VISITED {
                return self.way_down(&reached, at);
            }
            if reached[&at].cost < cost {
                continue;
            }
            let mut any = false;
            for (from, edge) in self.retainers.of(self.graph, at) {
                any = true;
                let cost = cost + self.edge_cost(from, edge);
                let cheaper = reached.get(&from).is_none_or(|known| cost < known.cost);
                if cheaper {
                    reached.insert(from, Reached { cost, down: Some((edge, at)) });
                    queue.push((Reverse(cost), Stop::Further, Reverse(""), Reverse(from)));
                    if let Some(stopping) = self.stopping_cost(from, edge).filter(|_| !contents.has(from)) {
                        // Several scripts may share a variable: the first by name, whatever the order of the file.
                        let script = self.script_of(from).unwrap_or_default();
                        queue.push((Reverse(cost + stopping), Stop::Here, Reverse(script), Reverse(from)));
                    }
                }
            }
            if !any {
                /// Held by nothing but the engine's roots: the last resort.
                const AT_THE_TOP: u32 = 60;
                queue.push((Reverse(cost + AT_THE_TOP), Stop::Here, Reverse(""), Reverse(at)));
            }
        }
        self.way_down(&reached, node)
    }

    fn way_down(&self, reached: &HashMap<Node, Reached>, owner: Node) -> Way {
        let mut steps = vec![(None, owner)];
        let mut at = owner;
        while let Some((edge, next)) = reached.get(&at).and_then(|known| known.down) {
            steps.push((Some(edge), next));
            at = next;
        }
        let cut = steps.len().saturating_sub(LONGEST_WAY);
        steps.drain(..cut);
        steps[0].0 = None;
        let script = self.script_of(steps[0].1).map(str::to_owned);
        Way { to_holder: steps.len(), steps, script }
    }

    fn edge_cost(&self, from: Node, edge: Edge) -> u32 {
        let by_kind = match self.graph.edge_kind(edge) {
            EdgeKind::Property if is_prototype(self.graph.raw_edge_name(edge)) => 12,
            EdgeKind::Property | EdgeKind::Context | EdgeKind::Element | EdgeKind::Shortcut => 2,
            EdgeKind::Internal => 3,
            EdgeKind::Hidden | EdgeKind::Weak | EdgeKind::Other => 6,
        };
        let by_source = match self.graph.kind(from) {
            NodeKind::Code | NodeKind::ObjectShape | NodeKind::Hidden => 30,
            NodeKind::Synthetic => 40,
            _ => 0,
        };
        by_kind + by_source
    }

    /// What it costs to begin the story at `node`, which holds the next one by `edge`; none where that would say nothing.
    fn stopping_cost(&self, node: Node, edge: Edge) -> Option<u32> {
        let named = matches!(self.graph.edge_kind(edge), EdgeKind::Property | EdgeKind::Shortcut | EdgeKind::Element);
        match Owner::of(self.graph, node) {
            Owner::Process | Owner::Global if named => Some(0),
            Owner::Scope if self.graph.edge_kind(edge) == EdgeKind::Context => Some(self.cost_of_script(node, 0)),
            Owner::Function if named && !is_prototype(self.graph.raw_edge_name(edge)) => {
                Some(self.cost_of_script(node, 1))
            }
            Owner::EsModule if leads_to_exports(self.graph, edge) => Some(self.cost_of_script(node, 0)),
            Owner::Module if named => Some(3),
            _ if self.graph.kind(node) == NodeKind::Synthetic => Some(0),
            _ => None,
        }
    }

    fn cost_of_script(&self, node: Node, of_program: u32) -> u32 {
        match self.script_of(node) {
            Some(script) if !script.starts_with("node:") => of_program,
            Some(_) => 4,
            None => 12,
        }
    }

    /// The script of a function, a scope's functions or a module.
    fn script_of(&self, node: Node) -> Option<&str> {
        let closure = match Owner::of(self.graph, node) {
            Owner::Function => node,
            Owner::Scope => self.closure_in(node)?,
            Owner::EsModule => self.closure_in(self.scope_of(node)?)?,
            _ => return None,
        };
        self.scripts.name(self.graph.position(closure)?.script_id)
    }

    /// The function that is alone in using the scope that `node` is a variable of.
    pub(crate) fn only_closure_beside(&self, node: Node) -> Option<Node> {
        let mut scopes = self.retainers.of(self.graph, node).map(|(from, _)| from);
        let scope = scopes.find(|&from| Owner::of(self.graph, from) == Owner::Scope)?;
        let mut closures = self.retainers.of(self.graph, scope).filter(|&(from, edge)| {
            self.graph.kind(from) == NodeKind::Closure && self.graph.raw_edge_name(edge) == b"context"
        });
        let (only, _) = closures.next()?;
        let of_program = self.graph.position(only).is_some_and(|at| self.scripts.is_of_program(at.script_id));
        (closures.next().is_none() && of_program).then_some(only)
    }

    /// The outermost scope of a module.
    fn scope_of(&self, module: Node) -> Option<Node> {
        let mut scopes = self.retainers.of(self.graph, module);
        scopes.find(|&(from, _)| Owner::of(self.graph, from) == Owner::Scope).map(|(from, _)| from)
    }

    /// A function that was made in a scope.
    fn closure_in(&self, scope: Node) -> Option<Node> {
        let mut closures = self.retainers.of(self.graph, scope).filter(|&(from, edge)| {
            self.graph.kind(from) == NodeKind::Closure && self.graph.raw_edge_name(edge) == b"context"
        });
        closures.find(|&(from, _)| self.graph.position(from).is_some()).map(|(from, _)| from)
    }
}

/// What is only there because of one object: never the place where a way to that object begins.
struct Contents<'a> {
    tree: &'a DominatorTree,
    of: Node,
    known: HashMap<Node, bool>,
}

impl Contents<'_> {
    fn has(&mut self, node: Node) -> bool {
        let mut walked = Vec::new();
        let mut at = node;
        let found = loop {
            if at == self.of || at == ROOT {
                break at == self.of;
            }
            if let Some(&known) = self.known.get(&at) {
                break known;
            }
            walked.push(at);
            at = self.tree.parent(at);
        };
        self.known.extend(walked.into_iter().map(|node| (node, found)));
        found
    }
}

fn is_prototype(name: &[u8]) -> bool {
    matches!(name, b"__proto__" | b"prototype" | b"constructor")
}

/// What a way can begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Process,
    Global,
    /// The variables of a function or a script.
    Scope,
    Function,
    Module,
    EsModule,
    Other,
}

impl Owner {
    pub(crate) fn of(graph: &Graph, node: Node) -> Self {
        let name = graph.raw_name(node);
        match graph.kind(node) {
            NodeKind::Closure => Self::Function,
            NodeKind::Object if name == b"process" => Self::Process,
            NodeKind::Object if name == b"global" || name.starts_with(b"global ") => Self::Global,
            NodeKind::Object | NodeKind::Hidden if is_scope_name(name) => Self::Scope,
            NodeKind::Object if name == b"Module" => Self::Module,
            _ if is_es_module(graph, node) => Self::EsModule,
            _ => Self::Other,
        }
    }
}

fn is_scope_name(name: &[u8]) -> bool {
    name == b"system / Context" || name.starts_with(b"system / Context / ")
}

/// A plain object with more properties than this is a dictionary, whose keys are data and not names.
const MOST_NAMES: usize = 64;

/// The name of an edge, unless it is the key of a dictionary: keys are what users sent.
pub(crate) fn edge_name(graph: &Graph, from: Node, edge: Edge) -> String {
    let is_key = graph.edge_kind(edge) == EdgeKind::Property
        && graph.raw_name(from) == b"Object"
        && graph.edge_range(from).len() > MOST_NAMES;
    if is_key { "*".to_owned() } else { graph.edge_name(edge).into_owned() }
}

/// Writes a way with the class of what it leads to and the script that it begins in: `sessions (Map) in store.js`.
pub(crate) fn held_by(graph: &Graph, way: &Way) -> String {
    let text = render(graph, way);
    let is_part = |node: Node| matches!(graph.kind(node), NodeKind::Array | NodeKind::Hidden);
    let container = way.steps.iter().rev().map(|&(_, node)| node).find(|&node| !is_part(node));
    let suffix = match container.map(|node| (graph.kind(node), graph.name(node))) {
        Some((NodeKind::Object, name)) if name == "Array" => "[]".to_owned(),
        Some((NodeKind::Object, name)) if way.steps.len() == 1 || name == text => String::new(),
        Some((NodeKind::Object | NodeKind::Native, name)) => format!(" ({name})"),
        _ => String::new(),
    };
    let script = way.script.as_deref().map_or_else(String::new, |script| format!(" in {}", file_name(script)));
    format!("{text}{suffix}{script}")
}

/// The last part of a path or URL.
pub(crate) fn file_name(script: &str) -> &str {
    if script.starts_with("node:") {
        return script;
    }
    script.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(script)
}

/// Writes a way as code would, without the engine's own steps.
pub(crate) fn render(graph: &Graph, way: &Way) -> String {
    let Some(&(_, owner)) = way.steps.first() else { return String::new() };
    let mut text = match Owner::of(graph, owner) {
        Owner::Process => "process".to_owned(),
        Owner::Global => "global".to_owned(),
        Owner::Module => "module".to_owned(),
        Owner::Scope if way.steps.len() == 1 => "variables".to_owned(),
        Owner::Scope | Owner::EsModule => String::new(),
        Owner::Function => function_name(graph, owner),
        Owner::Other if owner == ROOT => "(root)".to_owned(),
        Owner::Other => graph.name(owner).into_owned(),
    };
    for (at, pair) in way.steps.windows(2).enumerate() {
        let [(_, from), (Some(edge), _)] = *pair else { continue };
        let is_one_of_many = at + 1 >= way.to_holder;
        let name = edge_name(graph, from, edge);
        match graph.edge_kind(edge) {
            EdgeKind::Context if text.is_empty() => text = name,
            EdgeKind::Context => text = format!("{text} > {name}"),
            EdgeKind::Property | EdgeKind::Shortcut if is_identifier(&name) => text = format!("{text}.{name}"),
            EdgeKind::Property | EdgeKind::Shortcut => text = format!("{text}[{}]", key(&name)),
            EdgeKind::Internal if text.is_empty() && export_name(graph, from, edge).is_some() => {
                text = export_name(graph, from, edge).unwrap_or_default();
            }
            EdgeKind::Element if is_one_of_many => text += "[*]",
            EdgeKind::Element => text = format!("{text}[{name}]"),
            EdgeKind::Internal if graph.kind(from) == NodeKind::Array => text += "[*]",
            EdgeKind::Internal | EdgeKind::Hidden | EdgeKind::Weak | EdgeKind::Other => {}
        }
    }
    text
}

/// A key between brackets: V8 writes `<symbol name>` for a symbol.
fn key(name: &str) -> String {
    let symbol = name.strip_prefix("<symbol ").and_then(|rest| rest.strip_suffix('>'));
    symbol.map_or_else(|| format!("{name:?}"), |symbol| format!("Symbol({symbol})"))
}

fn is_identifier(name: &str) -> bool {
    let may_start = |c: char| c.is_alphabetic() || c == '_' || c == '$' || c == '#' || c == '<';
    name.starts_with(may_start) && name.chars().all(|c| c.is_alphanumeric() || "_$#<>()".contains(c))
}

/// The name of a closure for a reader.
pub(crate) fn function_name(graph: &Graph, closure: Node) -> String {
    let name = graph.name(closure);
    if name.is_empty() { "anonymous function".to_owned() } else { name.into_owned() }
}
