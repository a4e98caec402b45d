//! Names for plain objects by the properties that many of them share: `{id, name}`, as `DevTools` infers them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::class::{is_plain, plain_name};
use super::graph::{EdgeKind, Graph, Node};
use super::strings::decode;

/// An interface must fit this many UTF-16 units, but for its first property.
const LONGEST_NAME: usize = 120;
/// One object is no interface.
const FEWEST_OBJECTS: usize = 2;
/// An interface must be that of at least one object in so many, or there would be a long tail of rare ones.
const ONE_OBJECT_IN: usize = 1000;

/// The interfaces of one snapshot, the most common first.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    definitions: Vec<Definition>,
}

#[derive(Debug)]
struct Definition {
    name: String,
    properties: Vec<NameHash>,
}

/// A property's name, hashed alike in every snapshot: shapes outlive the strings of theirs.
type NameHash = u64;

fn hash_name(raw: &[u8]) -> NameHash {
    // FNV-1a: names are short, and a collision only misnames a group.
    raw.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Interfaces {
    pub(crate) fn name(&self, at: usize) -> &str {
        &self.definitions[at].name
    }

    /// Counts the plain objects by their first properties, in order, and keeps what is common.
    pub(crate) fn infer(graph: &Graph) -> Self {
        let plain_name = plain_name(graph);
        let mut candidates: HashMap<Vec<u32>, (usize, usize)> = HashMap::new();
        let mut names = Lengths::default();
        let mut objects = 0;
        for node in graph.nodes().filter(|&node| is_plain(graph, node, plain_name)) {
            objects += 1;
            let properties = leading_properties(graph, node, &mut names);
            if !properties.is_empty() {
                let seen = candidates.len();
                candidates.entry(properties).or_insert((0, seen)).0 += 1;
            }
        }
        let mut common: Vec<_> = candidates.into_iter().collect();
        common.sort_by_key(|&(_, (count, seen))| (std::cmp::Reverse(count), seen));
        let is_common = |count: usize| count >= FEWEST_OBJECTS && count * ONE_OBJECT_IN >= objects;
        common.retain(|&(_, (count, _))| is_common(count));
        Self { definitions: common.into_iter().map(|(properties, _)| definition(graph, &properties)).collect() }
    }
}

fn definition(graph: &Graph, properties: &[u32]) -> Definition {
    let names: Vec<String> = properties.iter().map(|&name| formatted(graph.strings().raw(name))).collect();
    Definition {
        name: format!("{{{}}}", names.join(", ")),
        properties: properties.iter().map(|&name| hash_name(graph.strings().raw(name))).collect(),
    }
}

/// Lengths of formatted names, since the same few names come again and again.
#[derive(Default)]
struct Lengths(HashMap<u32, usize>);

impl Lengths {
    fn of(&mut self, graph: &Graph, name: u32) -> usize {
        *self.0.entry(name).or_insert_with(|| formatted(graph.strings().raw(name)).encode_utf16().count())
    }
}

/// As many of a plain object's properties, in their order, as an interface's name has room for.
fn leading_properties(graph: &Graph, node: Node, lengths: &mut Lengths) -> Vec<u32> {
    let mut properties = Vec::new();
    let mut length = "{".len();
    for edge in graph.edges(node) {
        if graph.edge_kind(edge) != EdgeKind::Property || graph.raw_edge_name(edge) == b"__proto__" {
            continue;
        }
        let name = u32::try_from(graph.edge_index(edge)).unwrap_or(u32::MAX);
        let own = lengths.of(graph, name);
        if length > 1 && length + own > LONGEST_NAME {
            break;
        }
        length += own + if properties.is_empty() { 0 } else { ", ".len() };
        properties.push(name);
    }
    properties
}

/// A name that would confuse the list is quoted.
fn formatted(raw: &[u8]) -> String {
    let name = decode(raw);
    if name.contains([',', '\'', '"', '{', '}']) {
        serde_json::to_string(name.as_ref()).unwrap_or_default()
    } else {
        name.into_owned()
    }
}

/// The number of a set of properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ShapeId(u32);

impl ShapeId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The sets of properties that plain objects have.
#[derive(Debug)]
pub(crate) struct Shapes {
    /// Sorted hashes of the properties' names; a name that stands twice is there twice.
    all: Vec<Box<[NameHash]>>,
    known: HashMap<u64, Vec<u32>>,
    hashes: Vec<NameHash>,
    scratch: Vec<NameHash>,
    hasher: RandomState,
}

impl Shapes {
    pub(crate) fn new(strings: usize) -> Self {
        Self {
            all: Vec::new(),
            known: HashMap::new(),
            hashes: vec![0; strings],
            scratch: Vec::new(),
            hasher: RandomState::new(),
        }
    }

    /// The shape of a plain object.
    #[expect(clippy::cast_possible_truncation, reason = "no more shapes than nodes")]
    pub(crate) fn of(&mut self, graph: &Graph, node: Node) -> ShapeId {
        let mut properties = std::mem::take(&mut self.scratch);
        properties.clear();
        for edge in graph.edges(node).filter(|&edge| graph.edge_kind(edge) == EdgeKind::Property) {
            let hash = &mut self.hashes[usize::try_from(graph.edge_index(edge)).unwrap_or(0)];
            if *hash == 0 {
                *hash = hash_name(graph.raw_edge_name(edge));
            }
            properties.push(*hash);
        }
        properties.sort_unstable();
        let same = self.known.entry(self.hasher.hash_one(&properties)).or_default();
        let found = same.iter().copied().find(|&shape| *self.all[shape as usize] == *properties);
        let shape = found.unwrap_or_else(|| {
            let next = self.all.len() as u32;
            self.all.push(properties.as_slice().into());
            same.push(next);
            next
        });
        self.scratch = properties;
        ShapeId(shape)
    }

    /// For each shape the interface that covers the most of its properties, the more common one of equals.
    pub(crate) fn names(&self, interfaces: &Interfaces) -> Vec<Option<usize>> {
        let matcher = Matcher::new(interfaces);
        self.all.iter().map(|properties| matcher.best(properties)).collect()
    }
}

/// A tree of definitions: a step down adds a property, in the order of the hashes.
struct Matcher {
    nodes: Vec<Branch>,
}

#[derive(Default)]
struct Branch {
    next: HashMap<NameHash, usize>,
    /// The properties on the way here, and the definition that has exactly these.
    found: Option<(usize, usize)>,
}

impl Matcher {
    fn new(interfaces: &Interfaces) -> Self {
        let mut nodes = vec![Branch::default()];
        for (index, definition) in interfaces.definitions.iter().enumerate() {
            let mut properties = definition.properties.clone();
            properties.sort_unstable();
            let mut at = 0;
            for property in &properties {
                let next = nodes.len();
                at = *nodes[at].next.entry(*property).or_insert(next);
                if at == next {
                    nodes.push(Branch::default());
                }
            }
            nodes[at].found.get_or_insert((properties.len(), index));
        }
        Self { nodes }
    }

    fn best(&self, properties: &[NameHash]) -> Option<usize> {
        let mut reached = vec![0];
        let mut best: Option<(usize, usize)> = None;
        for property in properties {
            for at in 0..reached.len() {
                let Some(&next) = self.nodes[reached[at]].next.get(property) else { continue };
                if !reached.contains(&next) {
                    reached.push(next);
                }
                if let Some((covered, index)) = self.nodes[next].found {
                    let better = best.is_none_or(|(most, first)| covered > most || covered == most && index < first);
                    best = if better { Some((covered, index)) } else { best };
                }
            }
        }
        best.map(|(_, index)| index)
    }
}
