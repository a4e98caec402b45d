//! What keeps one object alive: `DevTools`' Retainers view of it, and the way that tells most.

use serde::{Deserialize, Serialize};

use super::distance::NO_DISTANCE;
use super::graph::{Graph, Node, ROOT};
use super::path::{Owners, edge_name, held_by};
use super::report::{Location, PathStep};
use super::retainers::Retainers;
use super::scripts::Scripts;
use super::snapshot::{Snapshot, class_names};

/// Most retainers worth a reader's time.
const MOST_RETAINERS: usize = 50;

/// One object and what holds it. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retaining {
    /// Its id.
    pub id: u64,
    /// Its class.
    pub class: String,
    /// Its own size.
    pub shallow: u64,
    /// What would be free without it.
    pub retained: u64,
    /// Where it was written, where the heap tells.
    pub location: Option<Location>,
    /// How it is reached, as a person would write it.
    pub held_by: String,
    /// The same, step by step.
    pub path: Vec<PathStep>,
    /// The objects that alone keep it alive, from the nearest up to the root.
    pub dominators: Vec<PathStep>,
    /// What refers to it, the nearest to the globals first.
    pub retainers: Vec<RetainerRow>,
}

/// One reference to the object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetainerRow {
    /// The edge and the object that it leaves.
    #[serde(flatten)]
    pub step: PathStep,
    /// How far that object is from a global; none where only the engine reaches it.
    pub distance: Option<u32>,
}

/// Explains the object with this id; none where the snapshot has no such object.
pub fn retaining(snapshot: &Snapshot, id: u64) -> Option<Retaining> {
    let graph = &snapshot.graph;
    let node = graph.nodes().find(|&node| graph.id(node) == id)?;
    let (of_nodes, classes) = class_names(snapshot);
    let scripts = Scripts::find(graph);
    let retainers = Retainers::collect(graph, |_| true);
    let class = |node: Node| classes.get(of_nodes[node.index()]).name.clone();
    let step = |from: Option<Node>, edge: Option<super::graph::Edge>, node: Node| PathStep {
        edge: edge.zip(from).map(|(edge, from)| edge_name(graph, from, edge)).unwrap_or_default(),
        edge_type: edge.map_or("", |edge| graph.edge_kind(edge).name()).to_owned(),
        node: class(node),
        id: graph.id(node),
    };
    let way = Owners { graph, tree: &snapshot.tree, scripts: &scripts, retainers: &retainers }.way_to(node);
    let before = std::iter::once(None).chain(way.steps.iter().map(|&(_, node)| Some(node)));
    let path = way.steps.iter().zip(before).map(|(&(edge, node), from)| step(from, edge, node)).collect();
    let dominators = std::iter::successors(Some(node), |&at| Some(snapshot.tree.parent(at)).filter(|_| at != ROOT));
    Some(Retaining {
        id,
        class: class(node),
        shallow: graph.size(node),
        retained: snapshot.tree.retained(node),
        location: graph.position(node).map(|position| scripts.location(position)),
        held_by: held_by(graph, &way),
        path,
        dominators: dominators.skip(1).map(|node| step(None, None, node)).collect(),
        retainers: nearest_first(snapshot, &retainers, node)
            .map(|(from, edge)| RetainerRow {
                step: PathStep { node: class(from), id: graph.id(from), ..step(Some(from), Some(edge), node) },
                distance: Some(snapshot.distances.get(from)).filter(|&distance| distance != NO_DISTANCE),
            })
            .take(MOST_RETAINERS)
            .collect(),
    })
}

fn nearest_first(
    snapshot: &Snapshot,
    retainers: &Retainers,
    node: Node,
) -> impl Iterator<Item = (Node, super::graph::Edge)> {
    let graph: &Graph = &snapshot.graph;
    let mut rows: Vec<_> = retainers.of(graph, node).collect();
    rows.sort_by_key(|&(from, edge)| (snapshot.distances.get(from), edge));
    rows.into_iter()
}
