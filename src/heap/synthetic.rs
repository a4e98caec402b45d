//! Small heaps for the tests of this module, written as V8 would.

use std::fmt::Write;

use super::header::tests::node20_header;

/// Numbers of V8's node types in the header of [`node20_header`].
pub(crate) const HIDDEN: u64 = 0;
pub(crate) const ARRAY: u64 = 1;
pub(crate) const OBJECT: u64 = 3;
pub(crate) const CLOSURE: u64 = 5;
pub(crate) const SYNTHETIC: u64 = 9;
/// Numbers of V8's edge types.
pub(crate) const ELEMENT: u64 = 1;
pub(crate) const PROPERTY: u64 = 2;
pub(crate) const INTERNAL: u64 = 3;
pub(crate) const SHORTCUT: u64 = 5;
pub(crate) const WEAK: u64 = 6;

/// A heap under construction; node 0 is the root.
#[derive(Clone, Debug)]
pub(crate) struct Heap {
    nodes: Vec<(u64, String, u64, u64)>,
    edges: Vec<Vec<(u64, String, usize)>>,
}

impl Heap {
    pub(crate) fn new() -> Self {
        let mut heap = Self { nodes: Vec::new(), edges: Vec::new() };
        heap.node(SYNTHETIC, "(root)", 0);
        heap
    }

    /// Adds a node whose id is twice its number plus one.
    pub(crate) fn node(&mut self, kind: u64, name: &str, size: u64) -> usize {
        let id = self.nodes.len() as u64 * 2 + 1;
        self.nodes.push((kind, name.to_owned(), id, size));
        self.edges.push(Vec::new());
        self.nodes.len() - 1
    }

    /// Adds an edge; for elements the name is a number.
    pub(crate) fn edge(&mut self, from: usize, kind: u64, name: &str, to: usize) {
        self.edges[from].push((kind, name.to_owned(), to));
    }

    /// The heap as a snapshot file.
    pub(crate) fn to_json(&self) -> String {
        let mut strings: Vec<String> = Vec::new();
        let mut intern = |name: &str| {
            strings.iter().position(|known| known == name).unwrap_or_else(|| {
                strings.push(name.to_owned());
                strings.len() - 1
            })
        };
        let (mut nodes, mut edges) = (String::new(), String::new());
        for ((kind, name, id, size), leaving) in self.nodes.iter().zip(&self.edges) {
            let comma = if nodes.is_empty() { "" } else { "," };
            writeln!(nodes, "{comma}{kind},{},{id},{size},{},0,0", intern(name), leaving.len()).expect("to a string");
            for (kind, name, to) in leaving {
                let comma = if edges.is_empty() { "" } else { "," };
                let name = if *kind == ELEMENT { name.parse().expect("an index") } else { intern(name) };
                writeln!(edges, "{comma}{kind},{name},{}", to * 7).expect("to a string");
            }
        }
        let header = node20_header(self.nodes.len() as u64, self.edges.iter().map(|edges| edges.len() as u64).sum());
        let strings = serde_json::to_string(&strings).expect("strings");
        format!(
            "{{\"snapshot\":{header},\n\"nodes\":[{nodes}],\n\"edges\":[{edges}],\n\"locations\":[],\n\"strings\":{strings}}}"
        )
    }
}
