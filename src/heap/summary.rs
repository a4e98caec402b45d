//! One snapshot at a glance: what retains most, which containers could grow without end, what is there twice.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::bits::Bits;
use super::class::{ClassId, Classes};
use super::dominators::DominatorTree;
use super::graph::{EdgeKind, Graph, Node, NodeKind, ROOT};
use super::path::{Owners, held_by};
use super::retainers::Retainers;
use super::scripts::Scripts;
use super::snapshot::{Snapshot, class_names};

/// Most rows of each list.
const MOST_ROWS: usize = 25;

/// What one snapshot tells. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Nodes of the graph.
    pub nodes: u64,
    /// Edges of the graph.
    pub edges: u64,
    /// Shallow size of all nodes.
    pub bytes: u64,
    /// Classes by what they retain.
    pub classes: Vec<ClassSize>,
    /// Objects by what they retain.
    pub largest: Vec<Retainer>,
    /// Maps, sets, arrays, dictionaries and lists of timers by their entries.
    pub containers: Vec<Container>,
    /// Texts that are there more than once, by the bytes that one copy of each would save.
    pub duplicate_strings: Vec<DuplicateString>,
}

/// All objects of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassSize {
    /// The constructor's name.
    pub name: String,
    /// Objects of it.
    pub count: u64,
    /// Their own size.
    pub shallow: u64,
    /// What they retain together.
    pub retained: u64,
}

/// An object that retains much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retainer {
    /// Its id.
    pub id: u64,
    /// Its class.
    pub class: String,
    /// How it is reached.
    pub path: String,
    /// What it retains.
    pub retained: u64,
}

/// An object that holds others in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Its id.
    pub id: u64,
    /// Its class.
    pub class: String,
    /// How it is reached.
    pub path: String,
    /// How many it holds; numbers are not counted, since the heap does not tell of them.
    pub entries: u64,
    /// What it retains.
    pub retained: u64,
}

/// A text that is there more than once. The text itself is left out: it may be a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DuplicateString {
    /// The id of one copy.
    pub id: u64,
    /// Length of the text in characters, as far as V8 writes it.
    pub length: u64,
    /// Copies.
    pub count: u64,
    /// What all but one of them take.
    pub wasted: u64,
}

/// Summarises a snapshot.
pub fn summarise(snapshot: &Snapshot) -> Summary {
    let graph = &snapshot.graph;
    let (of_nodes, classes) = class_names(snapshot);
    let scripts = Scripts::find(graph);
    let retainers = Retainers::collect(graph, |_| true);
    let owners = Owners { graph, tree: &snapshot.tree, scripts: &scripts, retainers: &retainers };
    let class = |node: Node| classes.get(of_nodes[node.index()]).name.clone();
    let path = |node: Node| held_by(graph, &owners.way_to(node));
    let largest = most(graph, |node| if is_of_program(graph, node) { snapshot.tree.retained(node) } else { 0 });
    let timers = timers(graph);
    let containers = most(graph, |node| timers.get(&node).copied().unwrap_or_else(|| entries(graph, node)));
    Summary {
        nodes: graph.node_count() as u64,
        edges: graph.edge_count() as u64,
        bytes: snapshot.tree.retained(ROOT),
        classes: class_sizes(snapshot, &of_nodes, &classes),
        largest: largest
            .into_iter()
            .map(|(retained, node)| Retainer { id: graph.id(node), class: class(node), path: path(node), retained })
            .collect(),
        containers: containers
            .into_iter()
            .map(|(entries, node)| Container {
                id: graph.id(node),
                class: class(node),
                path: path(node),
                entries,
                retained: snapshot.tree.retained(node),
            })
            .collect(),
        duplicate_strings: duplicate_strings(graph),
    }
}

fn is_of_program(graph: &Graph, node: Node) -> bool {
    !matches!(
        graph.kind(node),
        NodeKind::Synthetic | NodeKind::Hidden | NodeKind::Code | NodeKind::ObjectShape | NodeKind::Array
    )
}

/// The nodes with the largest figures, the largest first.
fn most(graph: &Graph, figure: impl Fn(Node) -> u64) -> Vec<(u64, Node)> {
    let mut heap = std::collections::BinaryHeap::with_capacity(MOST_ROWS + 1);
    for node in graph.nodes() {
        let value = figure(node);
        if value > 0 {
            heap.push(Reverse((value, Reverse(node))));
            if heap.len() > MOST_ROWS {
                heap.pop();
            }
        }
    }
    heap.into_sorted_vec().into_iter().map(|Reverse((value, Reverse(node)))| (value, node)).collect()
}

/// How many timers each of Node's lists of them has: a ring of `_idleNext`, of which each timer is in one.
fn timers(graph: &Graph) -> HashMap<Node, u64> {
    let mut counts = HashMap::new();
    let mut counted = Bits::new(graph.node_count());
    let is_list = |&node: &Node| graph.kind(node) == NodeKind::Object && graph.raw_name(node) == b"TimersList";
    for list in graph.nodes().filter(is_list) {
        let next = |&at: &Node| graph.child(at, EdgeKind::Property, b"_idleNext");
        let ring = std::iter::successors(next(&list), next).take_while(|&timer| timer != list);
        counts.insert(list, ring.take_while(|timer| counted.insert(timer.index())).count() as u64);
    }
    counts
}

/// How many objects a container holds; 0 for what is none.
fn entries(graph: &Graph, node: Node) -> u64 {
    if graph.kind(node) != NodeKind::Object {
        return 0;
    }
    let edges_of = |node: Node, kind: EdgeKind| graph.edges(node).filter(move |&edge| graph.edge_kind(edge) == kind);
    let table = || graph.child(node, EdgeKind::Internal, b"table");
    let count = match graph.raw_name(node) {
        b"Map" => table().map_or(0, |table| {
            // Keys, values and links to the next of a bucket take turns in the table.
            let mut turns = [0usize; 3];
            for edge in edges_of(table, EdgeKind::Internal) {
                if let Ok(slot) = graph.edge_name(edge).parse::<usize>() {
                    turns[slot % turns.len()] += 1;
                }
            }
            turns.into_iter().max().unwrap_or(0)
        }),
        b"Set" => table().map_or(0, |table| {
            edges_of(table, EdgeKind::Internal).filter(|&edge| graph.edge_name(edge).parse::<usize>().is_ok()).count()
        }),
        b"Object" => edges_of(node, EdgeKind::Property).count(),
        _ => edges_of(node, EdgeKind::Element).count(),
    };
    count as u64
}

/// What the objects of each class retain together: an object within another of its class adds nothing.
fn class_sizes(snapshot: &Snapshot, of_nodes: &[ClassId], classes: &Classes) -> Vec<ClassSize> {
    let mut sizes = vec![ClassSize::default(); classes.len()];
    for (node, class) in snapshot.graph.nodes().zip(of_nodes) {
        let size = snapshot.graph.size(node);
        if size > 0 {
            sizes[class.index()].count += 1;
            sizes[class.index()].shallow += size;
        }
    }
    add_retained(snapshot, of_nodes, &mut sizes);
    for (at, size) in sizes.iter_mut().enumerate() {
        size.name.clone_from(&classes.at(at).name);
    }
    sizes.retain(|size| size.count > 0);
    sizes.sort_by(|a, b| Reverse(a.retained).cmp(&Reverse(b.retained)).then_with(|| a.name.cmp(&b.name)));
    sizes
}

fn add_retained(snapshot: &Snapshot, of_nodes: &[ClassId], sizes: &mut [ClassSize]) {
    let children = Children::of(&snapshot.tree);
    let mut open = vec![false; sizes.len()];
    let mut path = vec![(ROOT, 0, false)];
    while let Some((node, next, opened)) = path.last_mut() {
        let class = of_nodes[node.index()].index();
        if *next == 0 && !open[class] && snapshot.graph.size(*node) > 0 {
            sizes[class].retained += snapshot.tree.retained(*node);
            (open[class], *opened) = (true, true);
        }
        if let Some(&child) = children.get(*node).get(*next) {
            *next += 1;
            path.push((child, 0, false));
        } else {
            if *opened {
                open[class] = false;
            }
            path.pop();
        }
    }
}

/// The dominator tree downwards.
struct Children {
    first: Vec<u32>,
    nodes: Vec<Node>,
}

impl Children {
    fn of(tree: &DominatorTree) -> Self {
        let mut ends = vec![0u32; tree.parents.len()];
        let children = || tree.order.iter().filter(|&&node| node != ROOT);
        for &node in children() {
            ends[tree.parent(node).index()] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        let mut nodes = vec![ROOT; sum as usize];
        for &node in children() {
            let slot = &mut ends[tree.parent(node).index()];
            nodes[*slot as usize] = node;
            *slot += 1;
        }
        Self { first: ends, nodes }
    }

    fn get(&self, node: Node) -> &[Node] {
        let start = node.index().checked_sub(1).map_or(0, |before| self.first[before] as usize);
        &self.nodes[start..self.first[node.index()] as usize]
    }
}

fn duplicate_strings(graph: &Graph) -> Vec<DuplicateString> {
    /// V8 cuts longer texts here, so equal beginnings are no proof.
    const CUT_LENGTH: usize = 1024;
    let mut copies: HashMap<u32, DuplicateString> = HashMap::new();
    let mut largest: HashMap<u32, u64> = HashMap::new();
    for node in graph.nodes().filter(|&node| graph.kind(node) == NodeKind::String && graph.size(node) > 0) {
        let text = graph.names[node.index()];
        let copy = copies.entry(text).or_insert_with(|| DuplicateString { id: graph.id(node), ..Default::default() });
        copy.count += 1;
        copy.wasted += graph.size(node);
        let most = largest.entry(text).or_default();
        *most = graph.size(node).max(*most);
    }
    let mut duplicates: Vec<DuplicateString> = Vec::new();
    for (text, copy) in copies.into_iter().filter(|(_, copy)| copy.count > 1) {
        let length = graph.strings().get(text).chars().count();
        if length < CUT_LENGTH {
            let wasted = copy.wasted - largest[&text];
            duplicates.push(DuplicateString { length: length as u64, wasted, ..copy });
        }
    }
    duplicates.sort_by_key(|copy| (Reverse(copy.wasted), copy.id));
    duplicates.truncate(MOST_ROWS);
    duplicates
}
