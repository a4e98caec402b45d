//! The objects of the service as V8 would see them: node and edge types, the nodes that exist from the start, their strings.
//!
//! The roots, `global` and the code nodes have no counterpart in memory and size 0: readers of snapshots start from the
//! former and find the source line by the latter.

use super::logging::SCRIPT as LOGGING;
use super::process::{Census, LIST_BYTES, PROCESS_BYTES};

/// The node types in V8's order; a node names one by its index.
pub(super) const NODE_TYPES: [&str; 16] = [
    "hidden",
    "array",
    "string",
    "object",
    "code",
    "closure",
    "regexp",
    "number",
    "native",
    "synthetic",
    "concatenated string",
    "sliced string",
    "symbol",
    "bigint",
    "object shape",
    "wasm object",
];
const ARRAY: usize = 1;
pub(super) const STRING: usize = 2;
pub(super) const OBJECT: usize = 3;
const CODE: usize = 4;
pub(super) const CLOSURE: usize = 5;
const SYNTHETIC: usize = 9;

/// The edge types in V8's order.
pub(super) const EDGE_TYPES: [&str; 7] = ["context", "element", "property", "internal", "hidden", "shortcut", "weak"];
pub(super) const CONTEXT_EDGE: usize = 0;
pub(super) const ELEMENT_EDGE: usize = 1;
const PROPERTY_EDGE: usize = 2;
pub(super) const INTERNAL_EDGE: usize = 3;
const SHORTCUT_EDGE: usize = 5;

/// Positions of the nodes that exist from the start, the root being 0.
const GC_ROOTS: usize = 1;
const GLOBAL: usize = 2;
const PROCESS: usize = 3;
const EVENTS: usize = 4;
/// The code that all listeners share.
pub(super) const FUNCTION: usize = 5;
const SCRIPT: usize = 6;
const SCRIPT_NAME: usize = 7;
const SLOTS: usize = 8;
/// The list of listeners stands last, so that the edges to its elements come right before those of the listeners.
const LIST: usize = 9;
/// How many nodes there are without any listener.
pub(super) const FIXED_NODES: usize = 10;

/// A node that exists from the start.
pub(super) struct FixedNode {
    pub(super) kind: usize,
    pub(super) name: usize,
    pub(super) bytes: u64,
    pub(super) edges: Vec<Edge>,
}

/// A reference to the node at position `to`.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    pub(super) kind: usize,
    /// The index for an element, else the index of a string.
    pub(super) name: usize,
    pub(super) to: usize,
}

/// Each string once, by its index.
#[derive(Default)]
pub(super) struct Strings(Vec<String>);

impl Strings {
    /// The index of `text`, which is added where it is new.
    pub(super) fn index(&mut self, text: &str) -> usize {
        self.0.iter().position(|known| known == text).unwrap_or_else(|| {
            self.0.push(text.to_owned());
            self.0.len() - 1
        })
    }

    pub(super) fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// The nodes that exist from the start. The edges from the list to its elements are not among their edges.
pub(super) fn fixed_nodes(census: &Census, strings: &mut Strings) -> [FixedNode; FIXED_NODES] {
    let element = |name: usize, to: usize| Edge { kind: ELEMENT_EDGE, name, to };
    let mut node = |kind: usize, name: &str, bytes: u64, edges: &[(usize, &str, usize)]| {
        let name = strings.index(name);
        let edges = edges.iter().map(|&(kind, name, to)| Edge { kind, name: strings.index(name), to }).collect();
        FixedNode { kind, name, bytes, edges }
    };
    let mut root = node(SYNTHETIC, "", 0, &[(SHORTCUT_EDGE, "global", GLOBAL)]);
    root.edges.push(element(1, GC_ROOTS));
    let mut gc_roots = node(SYNTHETIC, "(GC roots)", 0, &[]);
    gc_roots.edges.extend([element(1, GLOBAL), element(2, FUNCTION)]);
    [
        root,
        gc_roots,
        node(OBJECT, "global", 0, &[(PROPERTY_EDGE, "process", PROCESS)]),
        node(OBJECT, "process", PROCESS_BYTES, &[(PROPERTY_EDGE, "_events", EVENTS)]),
        node(OBJECT, "Object", 0, &[(PROPERTY_EDGE, "uncaughtException", LIST)]),
        node(CODE, "(shared function info)", 0, &[(INTERNAL_EDGE, "script_or_debug_info", SCRIPT)]),
        node(CODE, LOGGING, 0, &[(INTERNAL_EDGE, "name", SCRIPT_NAME)]),
        node(STRING, LOGGING, 0, &[]),
        node(ARRAY, "(object elements)", census.slot_bytes, &[]),
        node(OBJECT, "Array", LIST_BYTES, &[(INTERNAL_EDGE, "elements", SLOTS)]),
    ]
}
