//! Gives every new object to the holder that was there before, and finds the holders that gained enough.
//!
//! Two ways up from a new object must agree. The *dominator* way tells what truly keeps it, and there new and deleted
//! objects are netted, so that what comes and goes cancels. The *shortest* way names the container among several, for
//! an object in a map and in a list is dominated by whatever owns both. Holders that gained little pass it on to their
//! own dominator, so that a thousand lists of one entry more each become one map of lists.

use std::collections::HashMap;

use super::members::{MemberKind, Members, Tally, kind_of, tally_members};
use crate::heap::bits::Bits;
use crate::heap::class::ClassId;
use crate::heap::diff::difference;
use crate::heap::graph::{Node, NodeKind, ROOT};
use crate::heap::pair::Pair;
use crate::heap::path::Owner;

/// What one holder gained.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) holder: Node,
    /// Bytes gained, less what went.
    pub(super) growth: i64,
    /// Bytes that the holder itself became larger.
    pub(super) own_growth: i64,
    pub(super) members: Members,
}

impl Group {
    /// Whether as many objects went as to suggest a container that stays below a bound.
    pub(super) fn may_be_bounded(&self) -> bool {
        /// A leak lets nothing go; this allows for some that were in flight.
        const KEPT_BY_A_LEAK: f64 = 0.75;
        self.members.kept_part() < KEPT_BY_A_LEAK
    }
}

/// All holders that gained at least `least` bytes of something that piles up.
pub(super) fn attribute(pair: &Pair, least: i64) -> Vec<Group> {
    let keepers = Keepers::find(pair);
    let flows = Flows::count(pair, &keepers);
    let mut gains = gains(pair, &keepers, &flows);
    roll_up(pair, &mut gains, least);
    let tallies = tally_members(pair, |node| {
        let holder = gains.holder(keepers.holder_of(node)?)?;
        Some((holder, flows.kept_part(node)))
    });
    let mut groups: Vec<Group> = tallies
        .into_iter()
        .filter_map(|(holder, kinds)| group(pair, &gains, holder, &kinds, least))
        .chain(gains.grown_by_themselves(pair, least))
        .collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(group.growth), group.holder));
    let groups = join(groups);
    merge_shared(pair, groups, |node| gains.holder(keepers.holder_of(node)?))
}

fn group(pair: &Pair, gains: &Gains, holder: Node, kinds: &[(MemberKind, Tally)], least: i64) -> Option<Group> {
    let members = Members::choose(pair, kinds)?;
    let growth = gains.net.get(&holder).copied().unwrap_or(0);
    let own_growth = gains.own.get(&holder).copied().unwrap_or(0);
    let piles_up = members.piles_up(least) && own_growth < growth / 2;
    let holder = head_of_chain(pair, holder, members.kind());
    (piles_up && !is_of_engine(pair, holder)).then_some(Group { holder, growth, own_growth, members })
}

/// What is held by one of its own kind is a link of a chain; its holder is what holds the first link.
fn head_of_chain(pair: &Pair, holder: Node, members: MemberKind) -> Node {
    let graph = &pair.after.graph;
    let is_link = |node: Node| kind_of(pair, node) == members;
    let mut at = holder;
    loop {
        let parent = container(pair, pair.after.tree.parent(at));
        let is_scope_of_link = Owner::of(graph, at) == Owner::Scope && is_link(parent);
        if parent == at || !(is_link(at) || is_scope_of_link) {
            return at;
        }
        at = parent;
    }
}

/// Several holders of the same closures are one leak, and so are two parts of one chain.
fn join(groups: Vec<Group>) -> Vec<Group> {
    let mut joined: Vec<Group> = Vec::new();
    for group in groups {
        let same = |known: &&mut Group| {
            known.members.kind() == group.members.kind()
                && (group.members.position.is_some() || known.holder == group.holder)
        };
        match joined.iter_mut().find(same) {
            Some(known) => {
                known.growth = known.growth.saturating_add(group.growth);
                known.members.join(&group.members);
                known.members.holders += usize::from(known.holder != group.holder);
            }
            None => joined.push(group),
        }
    }
    joined
}

/// What the members of another group refer to belongs to that leak: the keys of a second map, say.
fn merge_shared(pair: &Pair, groups: Vec<Group>, holder_of: impl Fn(Node) -> Option<Node>) -> Vec<Group> {
    let graph = &pair.after.graph;
    let mut samples = Bits::new(graph.node_count());
    for group in groups.iter().filter(|group| group.members.count > 0) {
        samples.set(group.members.sample.index());
    }
    let mut referrers: HashMap<Node, Vec<Node>> = HashMap::new();
    for node in graph.nodes().filter(|&node| pair.matching.is_new(node)) {
        for target in graph.edges(node).map(|edge| graph.target(edge)) {
            if samples.has(target.index()) {
                referrers.entry(target).or_default().extend(holder_of(node));
            }
        }
    }
    let mut merged: Vec<Group> = Vec::new();
    for group in groups {
        let held_elsewhere = contents(pair, &group).filter_map(&holder_of);
        let others: Vec<Node> = referrers.remove(&group.members.sample).unwrap_or_default();
        let others: Vec<Node> =
            others.into_iter().chain(held_elsewhere).filter(|&other| other != group.holder).collect();
        match merged.iter_mut().find(|known| others.contains(&known.holder)) {
            Some(known) => known.growth = known.growth.saturating_add(group.growth),
            None => merged.push(group),
        }
    }
    merged
}

/// The new objects that a table refers to which grew without keeping anything alive by itself.
fn contents<'a>(pair: &'a Pair, group: &Group) -> impl Iterator<Item = Node> + 'a {
    let graph = &pair.after.graph;
    let grew_alone = group.members.count == 0;
    let targets = |node: Node| graph.edges(node).map(|edge| graph.target(edge));
    let tables = targets(group.holder).filter(|&part| graph.kind(part) == NodeKind::Array);
    let all = tables.flat_map(targets).chain(targets(group.holder));
    all.filter(move |&node| grew_alone && pair.matching.is_new(node) && graph.kind(node) != NodeKind::Array)
}

/// Nodes that hold everything there is and therefore explain nothing.
fn is_of_engine(pair: &Pair, node: Node) -> bool {
    node == ROOT || matches!(pair.after.graph.kind(node), NodeKind::Synthetic | NodeKind::Hidden | NodeKind::Code)
}

/// For every node the two old objects that it belongs to; an old object belongs to itself.
struct Keepers {
    /// The nearest old object that dominates it.
    dominators: Vec<Node>,
    /// The nearest old object on the shortest way to what was first dominated.
    holders: Vec<Node>,
}

const NOBODY: Node = Node(u32::MAX);

impl Keepers {
    fn find(pair: &Pair) -> Self {
        let tree = &pair.after.tree;
        let count = pair.after.graph.node_count();
        let mut keepers = Self { dominators: vec![NOBODY; count], holders: vec![NOBODY; count] };
        let mut shortest = ShortestWay { pair, known: vec![0; count], walked: Vec::new() };
        for &node in &tree.order {
            let parent = tree.parent(node);
            let (dominator, holder) = if !pair.matching.is_new(node) {
                (node, node)
            } else if !pair.matching.is_new(parent) {
                (container(pair, parent), container(pair, shortest.nearest_old(node).unwrap_or(parent)))
            } else {
                (keepers.dominators[parent.index()], keepers.holders[parent.index()])
            };
            keepers.dominators[node.index()] = dominator;
            keepers.holders[node.index()] = holder;
        }
        keepers
    }

    fn dominator_of(&self, node: Node) -> Node {
        self.dominators[node.index()]
    }

    fn holder_of(&self, node: Node) -> Option<Node> {
        let holder = self.holders[node.index()];
        (holder != NOBODY).then_some(holder)
    }
}

/// Walks up the shortest ways, remembering where each ended.
struct ShortestWay<'a> {
    pair: &'a Pair,
    /// By node: 0 where nothing is known, [`LEADS_NOWHERE`], or the number of the old node and [`FIRST_KNOWN`].
    known: Vec<u32>,
    walked: Vec<Node>,
}

const LEADS_NOWHERE: u32 = 1;
const FIRST_KNOWN: u32 = 2;

impl ShortestWay<'_> {
    fn nearest_old(&mut self, node: Node) -> Option<Node> {
        let mut at = node;
        let found = loop {
            if !self.pair.matching.is_new(at) {
                break if at == ROOT { LEADS_NOWHERE } else { at.0 + FIRST_KNOWN };
            }
            if self.known[at.index()] != 0 {
                break self.known[at.index()];
            }
            self.walked.push(at);
            let before = self.pair.after.distances.before(at);
            if before == at {
                break LEADS_NOWHERE;
            }
            at = before;
        };
        for node in self.walked.drain(..) {
            self.known[node.index()] = found;
        }
        found.checked_sub(FIRST_KNOWN).map(Node)
    }
}

/// The object that a table or a store of elements belongs to.
fn container(pair: &Pair, node: Node) -> Node {
    let mut at = node;
    while matches!(
        pair.after.graph.kind(at),
        NodeKind::Array | NodeKind::Hidden | NodeKind::Code | NodeKind::ObjectShape
    ) {
        let parent = pair.after.tree.parent(at);
        if parent == ROOT || pair.after.graph.kind(parent) == NodeKind::Synthetic {
            break;
        }
        at = parent;
    }
    at
}

/// Objects of one class that a dominator gained and lost.
#[derive(Clone, Copy, Default)]
struct Flow {
    new: u64,
    deleted: u64,
}

/// New and deleted objects by dominator and class.
struct Flows {
    /// By new node the number of its flow.
    of_nodes: Vec<u32>,
    all: Vec<Flow>,
}

impl Flows {
    fn count(pair: &Pair, keepers: &Keepers) -> Self {
        let mut numbers: HashMap<(Node, ClassId), u32> = HashMap::new();
        let mut flows = Self { of_nodes: vec![0; pair.after.graph.node_count()], all: Vec::new() };
        for node in pair.after.graph.nodes().filter(|&node| pair.matching.is_new(node)) {
            let key = (keepers.dominator_of(node), pair.after_classes[node.index()]);
            let number = *numbers.entry(key).or_insert_with(|| flows.add());
            flows.of_nodes[node.index()] = number;
            flows.all[number as usize].new += 1;
        }
        flows.count_losses(pair, &numbers);
        flows
    }

    #[expect(clippy::cast_possible_truncation, reason = "no more flows than nodes")]
    fn add(&mut self) -> u32 {
        self.all.push(Flow::default());
        self.all.len() as u32 - 1
    }

    fn count_losses(&mut self, pair: &Pair, numbers: &HashMap<(Node, ClassId), u32>) {
        let losses = losses(pair);
        let mut lost = Bits::new(pair.before.classes.len());
        for keeper in losses.keys() {
            lost.set(keeper.index());
        }
        for node in pair.after.graph.nodes() {
            let Some(before) = pair.matching.before(node).filter(|before| lost.has(before.index())) else { continue };
            let keeper = container(pair, node);
            for (&class, count) in losses.get(&before).into_iter().flatten() {
                if let Some(&number) = numbers.get(&(keeper, class)) {
                    self.all[number as usize].deleted += count;
                }
            }
        }
    }

    /// The part that does not merely replace what went, of the new objects that `node` is one of.
    fn kept_part(&self, node: Node) -> f64 {
        let flow = self.all[self.of_nodes[node.index()] as usize];
        flow.new.saturating_sub(flow.deleted) as f64 / flow.new as f64
    }
}

/// What went, by the nearest object of the first snapshot that dominated it and is still there.
fn losses(pair: &Pair) -> HashMap<Node, HashMap<ClassId, u64>> {
    let before = &pair.before;
    // What is not known yet has the root, where every way ends.
    let mut keepers = vec![ROOT; before.classes.len()];
    let mut losses: HashMap<Node, HashMap<ClassId, u64>> = HashMap::new();
    let mut walked = Vec::new();
    for (index, &class) in (0u32..).zip(&before.classes) {
        let mut at = Node(index);
        while !pair.matching.kept.has(at.index()) && at != ROOT {
            if keepers[at.index()] != ROOT {
                at = keepers[at.index()];
                break;
            }
            walked.push(at);
            at = before.columns.dominators[at.index()];
        }
        if !walked.is_empty() || at != Node(index) {
            *losses.entry(at).or_default().entry(class).or_default() += 1;
            for node in walked.drain(..) {
                keepers[node.index()] = at;
            }
        }
    }
    losses
}

/// Bytes that each holder gained.
struct Gains {
    net: HashMap<Node, i64>,
    own: HashMap<Node, i64>,
    /// By node who got what it gained, where that was too little to stay.
    passed_to: Vec<Node>,
}

impl Gains {
    /// Who holds in the end what `holder` gained.
    fn holder(&self, holder: Node) -> Option<Node> {
        let passed_to = self.passed_to[holder.index()];
        let last = if passed_to == NOBODY { holder } else { passed_to };
        (last != ROOT).then_some(last)
    }

    /// Holders whose growth is their own size: arrays of numbers, buffers that were enlarged.
    fn grown_by_themselves<'a>(&'a self, pair: &'a Pair, least: i64) -> impl Iterator<Item = Group> + 'a {
        let grown = self.own.iter().filter(move |&(_, &own)| own >= least);
        grown.filter_map(move |(&holder, &own_growth)| {
            let growth = self.net.get(&holder).copied().unwrap_or(0).max(own_growth);
            let members = Members::itself(pair, holder);
            let mostly_own = own_growth >= growth / 2 && !is_of_engine(pair, holder);
            mostly_own.then_some(Group { holder, growth, own_growth, members })
        })
    }
}

fn gains(pair: &Pair, keepers: &Keepers, flows: &Flows) -> Gains {
    let graph = &pair.after.graph;
    let mut net = Sums { slots: vec![0; graph.node_count()], all: Vec::new() };
    let mut own = HashMap::new();
    for node in graph.nodes() {
        let (holder, bytes) = if let Some(before) = pair.matching.before(node) {
            let growth = difference(graph.size(node), pair.before.columns.sizes.get(before.index()));
            if growth == 0 {
                continue;
            }
            let holder = container(pair, node);
            *own.entry(holder).or_insert(0) += growth;
            (holder, growth as f64)
        } else if let Some(holder) = keepers.holder_of(node) {
            (holder, graph.size(node) as f64 * flows.kept_part(node))
        } else {
            continue;
        };
        net.add(holder, bytes);
    }
    #[expect(clippy::cast_possible_truncation, reason = "sums of sizes in a heap, far below 2^63")]
    let net = net.all.into_iter().map(|(holder, bytes)| (holder, bytes as i64)).collect();
    Gains { net, own, passed_to: vec![NOBODY; graph.node_count()] }
}

/// A sum for each of a few of all nodes.
struct Sums {
    /// By node the place of its sum, counted from 1; 0 where it has none.
    slots: Vec<u32>,
    all: Vec<(Node, f64)>,
}

impl Sums {
    #[expect(clippy::cast_possible_truncation, reason = "no more sums than nodes")]
    fn add(&mut self, node: Node, bytes: f64) {
        let slot = &mut self.slots[node.index()];
        if *slot == 0 {
            self.all.push((node, 0.0));
            *slot = self.all.len() as u32;
        }
        self.all[*slot as usize - 1].1 += bytes;
    }
}

/// From the leaves of the dominator tree up, passes on what is less than `least`.
fn roll_up(pair: &Pair, gains: &mut Gains, least: i64) {
    let mut waiting = Bits::new(pair.after.graph.node_count());
    for holder in gains.net.keys() {
        waiting.set(holder.index());
    }
    for &node in pair.after.tree.order.iter().rev() {
        if !waiting.has(node.index()) || node == ROOT {
            continue;
        }
        let bytes = gains.net.get(&node).copied().unwrap_or(0);
        if bytes < least {
            let next = container(pair, pair.after.tree.parent(node));
            gains.net.remove(&node);
            *gains.net.entry(next).or_insert(0) += bytes;
            gains.passed_to[node.index()] = next;
            waiting.set(next.index());
        }
    }
    // What was passed on may have been passed on again; those above know already.
    for &node in &pair.after.tree.order {
        let next = gains.passed_to[node.index()];
        if next != NOBODY && gains.passed_to[next.index()] != NOBODY {
            gains.passed_to[node.index()] = gains.passed_to[next.index()];
        }
    }
}
