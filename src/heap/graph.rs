//! The heap graph as the file has it, in columns: what is known of a node or an edge is one index away.
//!
//! Memory: 17 bytes a node (type 1, name 4, id 4, size 4, first edge 4), 8 bytes an edge (target 4, type and name 4),
//! 16 bytes a location, and the strings as long as they are in the file.

use std::borrow::Cow;
use std::ops::Range;

use super::column::{Column, make_room};
use super::strings::Strings;

/// The number of a node in the order of the file; the root is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub u32);

/// The number of an edge in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge(pub u32);

/// The root of every snapshot.
pub const ROOT: Node = Node(0);

impl Node {
    /// As an index of a table with one row a node.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Edge {
    /// As an index of a table with one row an edge.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// V8's types of nodes. Later versions of V8 may know others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "V8's own names")]
#[repr(u8)]
pub enum NodeKind {
    Hidden,
    Array,
    String,
    Object,
    Code,
    Closure,
    RegExp,
    Number,
    Native,
    Synthetic,
    ConsString,
    SlicedString,
    Symbol,
    BigInt,
    ObjectShape,
    WasmObject,
    Other,
}

impl NodeKind {
    const NAMED: [(&'static str, Self); 16] = [
        ("hidden", Self::Hidden),
        ("array", Self::Array),
        ("string", Self::String),
        ("object", Self::Object),
        ("code", Self::Code),
        ("closure", Self::Closure),
        ("regexp", Self::RegExp),
        ("number", Self::Number),
        ("native", Self::Native),
        ("synthetic", Self::Synthetic),
        ("concatenated string", Self::ConsString),
        ("sliced string", Self::SlicedString),
        ("symbol", Self::Symbol),
        ("bigint", Self::BigInt),
        ("object shape", Self::ObjectShape),
        ("wasm object", Self::WasmObject),
    ];

    pub(crate) fn from_name(name: &str) -> Self {
        Self::NAMED.iter().find(|(known, _)| *known == name).map_or(Self::Other, |&(_, kind)| kind)
    }

    /// V8's name of the type.
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, kind)| *kind == self).map_or("other", |&(name, _)| name)
    }

    /// Whether nodes of this type hold text.
    pub fn is_string(self) -> bool {
        matches!(self, Self::String | Self::ConsString | Self::SlicedString)
    }
}

/// V8's types of edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "V8's own names")]
#[repr(u8)]
pub enum EdgeKind {
    Context,
    Element,
    Property,
    Internal,
    Hidden,
    Shortcut,
    Weak,
    Other,
}

impl EdgeKind {
    const ALL: [(&'static str, Self); 8] = [
        ("context", Self::Context),
        ("element", Self::Element),
        ("property", Self::Property),
        ("internal", Self::Internal),
        ("hidden", Self::Hidden),
        ("shortcut", Self::Shortcut),
        ("weak", Self::Weak),
        ("other", Self::Other),
    ];

    pub(crate) fn from_name(name: &str) -> Self {
        Self::ALL.iter().find(|(known, _)| *known == name).map_or(Self::Other, |&(_, kind)| kind)
    }

    /// V8's name of the type.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// Whether the edge is named by a number and not by a string.
    pub fn is_indexed(self) -> bool {
        matches!(self, Self::Element | Self::Hidden)
    }
}

/// Where an object was written: a closure's own place, or that of an instance's constructor. Counts from 0 as V8 does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScriptPosition {
    /// The script's number in its process.
    pub script_id: u32,
    /// From 0.
    pub line: u32,
    /// From 0.
    pub column: u32,
}

/// A snapshot's nodes, edges, locations and strings.
#[derive(Debug)]
pub struct Graph {
    pub(crate) kinds: Vec<NodeKind>,
    pub(crate) names: Vec<u32>,
    pub(crate) ids: Column,
    pub(crate) sizes: Column,
    /// Where the edges of each node begin; one more entry than nodes.
    pub(crate) first_edges: Vec<u32>,
    pub(crate) targets: Vec<Node>,
    pub(crate) labels: Labels,
    /// Sorted by node.
    pub(crate) locations: Vec<(Node, ScriptPosition)>,
    /// Native objects that know whether they are part of a tree, and V8's value for it.
    pub(crate) detachedness: Vec<(Node, u8)>,
    pub(crate) strings: Strings,
}

impl Graph {
    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.kinds.len()
    }

    /// Number of edges.
    pub fn edge_count(&self) -> usize {
        self.targets.len()
    }

    /// All nodes in the order of the file.
    #[expect(clippy::cast_possible_truncation, reason = "graphs are refused beyond u32::MAX nodes")]
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = Node> + use<> {
        (0..self.node_count() as u32).map(Node)
    }

    /// The type of a node.
    #[inline]
    pub fn kind(&self, node: Node) -> NodeKind {
        self.kinds[node.index()]
    }

    /// The id of a node, which later snapshots of the same process keep.
    #[inline]
    pub fn id(&self, node: Node) -> u64 {
        self.ids.get(node.index())
    }

    /// The shallow size of a node in bytes.
    #[inline]
    pub fn size(&self, node: Node) -> u64 {
        self.sizes.get(node.index())
    }

    /// The name of a node.
    pub fn name(&self, node: Node) -> Cow<'_, str> {
        self.strings.get(self.names[node.index()])
    }

    /// The name of a node as its bytes stand in the file.
    pub fn raw_name(&self, node: Node) -> &[u8] {
        self.strings.raw(self.names[node.index()])
    }

    /// The edges that leave a node.
    #[inline]
    pub fn edges(&self, node: Node) -> impl DoubleEndedIterator<Item = Edge> + use<> {
        self.edge_range(node).map(Edge)
    }

    #[inline]
    pub(crate) fn edge_range(&self, node: Node) -> Range<u32> {
        self.first_edges[node.index()]..self.first_edges[node.index() + 1]
    }

    /// Where an edge leads.
    #[inline]
    pub fn target(&self, edge: Edge) -> Node {
        self.targets[edge.index()]
    }

    /// The type of an edge.
    #[inline]
    pub fn edge_kind(&self, edge: Edge) -> EdgeKind {
        self.labels.kind(edge)
    }

    /// The number or string index that names an edge.
    #[inline]
    pub fn edge_index(&self, edge: Edge) -> u64 {
        self.labels.name(edge)
    }

    /// The name of an edge; a number for elements and hidden edges.
    pub fn edge_name(&self, edge: Edge) -> Cow<'_, str> {
        if self.edge_kind(edge).is_indexed() {
            Cow::Owned(self.edge_index(edge).to_string())
        } else {
            self.strings.get(u32::try_from(self.edge_index(edge)).unwrap_or(u32::MAX))
        }
    }

    /// The bytes of an edge's name in the file; empty for elements and hidden edges.
    pub(crate) fn raw_edge_name(&self, edge: Edge) -> &[u8] {
        if self.edge_kind(edge).is_indexed() {
            &[]
        } else {
            self.strings.raw(u32::try_from(self.edge_index(edge)).unwrap_or(u32::MAX))
        }
    }

    /// The first node that `node` holds by an edge of this type and name.
    pub(crate) fn child(&self, node: Node, kind: EdgeKind, raw_name: &[u8]) -> Option<Node> {
        let edge = self.edges(node).find(|&edge| self.edge_kind(edge) == kind && self.raw_edge_name(edge) == raw_name);
        edge.map(|edge| self.target(edge))
    }

    /// Where an object was written, where the file tells.
    pub fn position(&self, node: Node) -> Option<ScriptPosition> {
        let at = self.locations.binary_search_by_key(&node, |&(node, _)| node).ok()?;
        Some(self.locations[at].1)
    }

    /// Frees what only names nodes and edges. They have no names, and edges no types, from here on.
    pub(crate) fn forget_names(&mut self) {
        self.names = Vec::new();
        self.labels = Labels::default();
        self.locations = Vec::new();
        self.strings = Strings::default();
    }

    /// The strings of the snapshot.
    pub fn strings(&self) -> &Strings {
        &self.strings
    }
}

/// Types and names of edges, 4 bytes each: 3 bits of type and 29 of name, wider names in a side table.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    packed: Vec<u32>,
    wide: Vec<(u32, u64)>,
}

const NAME_BITS: u32 = 29;
/// The largest name stands for "in the side table".
const WIDE_NAME: u32 = (1 << NAME_BITS) - 1;

impl Labels {
    pub(crate) fn make_room(&mut self, edges: usize, step: usize) {
        make_room(&mut self.packed, edges, step);
    }

    pub(crate) fn push(&mut self, kind: EdgeKind, name: u64) {
        let narrow = u32::try_from(name).ok().filter(|&name| name < WIDE_NAME);
        if narrow.is_none() {
            self.wide.push((u32::try_from(self.packed.len()).unwrap_or(u32::MAX), name));
        }
        self.packed.push((kind as u32) << NAME_BITS | narrow.unwrap_or(WIDE_NAME));
    }

    #[inline]
    fn kind(&self, edge: Edge) -> EdgeKind {
        EdgeKind::ALL[(self.packed[edge.index()] >> NAME_BITS) as usize].1
    }

    #[inline]
    fn name(&self, edge: Edge) -> u64 {
        match self.packed[edge.index()] & WIDE_NAME {
            WIDE_NAME => self.wide_name(edge),
            narrow => u64::from(narrow),
        }
    }

    #[cold]
    fn wide_name(&self, edge: Edge) -> u64 {
        let at = self.wide.binary_search_by_key(&edge.0, |&(edge, _)| edge);
        at.map_or(u64::from(WIDE_NAME), |found| self.wide[found].1)
    }
}
