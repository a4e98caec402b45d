//! Gives every new object to the holder that was there before, and finds the holders that gained enough.
//!
//! Two ways up from a new object must agree. The *dominator* way tells what truly keeps it, and there new and deleted
//! objects are netted, so that what comes and goes cancels. The *shortest* way names the container among several, for
//! an object in a map and in a list is dominated by whatever owns both. Holders that gained little pass it on to their
//! own dominator, so that a thousand lists of one entry more each become one map of lists.

use std::collections::HashMap;

use super::gains::{Gains, gains, roll_up};
use super::members::{MemberKind, Members, Tally, kind_of, tally_members};
use crate::heap::bits::Bits;
use crate::heap::class::ClassId;
use crate::heap::graph::{Graph, Node, NodeKind, ROOT};
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
    roll_up(pair, &keepers, &mut gains, least);
    let holder_of = |node| gains.holder(keepers.holder_number(node));
    let tallies = tally_members(pair, |node| Some((holder_of(node)?, flows.kept_part(pair, node))));
    let mut groups: Vec<Group> = tallies
        .into_iter()
        .filter_map(|(holder, kinds)| group(pair, &keepers, &gains, holder, &kinds, least))
        .chain(gains.grown_by_themselves(pair, &flows, least))
        .collect();
    // What native handles hold comes last: where a container of the program has it too, that is the leak.
    groups.sort_by_key(|group| (group.holder == ROOT, std::cmp::Reverse(group.growth), group.holder));
    merge_shared(pair, join(groups), holder_of)
}

fn group(
    pair: &Pair,
    keepers: &Keepers<'_>,
    gains: &Gains,
    holder: Node,
    kinds: &[(MemberKind, Tally)],
    least: i64,
) -> Option<Group> {
    let members = Members::choose(pair, kinds)?;
    let growth = gains.of(holder);
    let own_growth = gains.own.get(&holder).copied().unwrap_or(0);
    let piles_up = members.piles_up(pair, least) && own_growth < growth / 2;
    let holder = head_of_chain(pair, keepers, holder, members.kind());
    (piles_up && !is_of_engine(pair, holder)).then_some(Group { holder, growth, own_growth, members })
}

/// What is held by one of its own kind is a link of a chain; its holder is what holds the first link.
fn head_of_chain(pair: &Pair, keepers: &Keepers<'_>, holder: Node, members: MemberKind) -> Node {
    let graph = &pair.after.graph;
    // A map within a map is no link but what the other holds.
    let is_link = |node: Node| !is_collection(graph, node) && kind_of(pair, node) == members;
    let mut at = holder;
    loop {
        let parent = keepers.container(pair.after.tree.parent(at));
        let is_scope_of_link = Owner::of(graph, at) == Owner::Scope && is_link(parent);
        if parent == at || !(is_link(at) || is_scope_of_link) {
            return at;
        }
        at = parent;
    }
}

fn is_collection(graph: &Graph, node: Node) -> bool {
    graph.kind(node) == NodeKind::Object && matches!(graph.raw_name(node), b"Array" | b"Map" | b"Set")
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

/// Nodes that explain nothing to a person. The root stands for native handles.
pub(super) fn is_of_engine(pair: &Pair, node: Node) -> bool {
    node != ROOT && matches!(pair.after.graph.kind(node), NodeKind::Synthetic | NodeKind::Hidden | NodeKind::Code)
}

/// For every node the two old objects that it belongs to.
pub(super) struct Keepers<'a> {
    pair: &'a Pair,
    /// By node the nearest old object that dominates it; for an old object the one that it is a part of, or itself.
    dominators: Vec<Node>,
    /// By number among the new nodes the one, of `holders`, that is nearest on the shortest way to what was first
    /// dominated.
    holder_numbers: Vec<u32>,
    /// The root first, where all is that nothing old holds.
    holders: Vec<Node>,
}

impl<'a> Keepers<'a> {
    fn find(pair: &'a Pair) -> Self {
        let tree = &pair.after.tree;
        let mut keepers = Self {
            pair,
            dominators: vec![ROOT; pair.after.graph.node_count()],
            holder_numbers: vec![0; pair.matching.new_count()],
            holders: vec![ROOT],
        };
        for &node in &tree.order {
            let is_own = !pair.matching.is_new(node) && !is_part(pair, node);
            keepers.dominators[node.index()] = if is_own { node } else { keepers.container(tree.parent(node)) };
        }
        keepers.find_holders();
        keepers
    }

    #[expect(clippy::cast_possible_truncation, reason = "no more holders than nodes")]
    fn find_holders(&mut self) {
        let Self { pair, .. } = *self;
        let (tree, matching) = (&pair.after.tree, &pair.matching);
        let mut numbers = HashMap::from([(ROOT, 0)]);
        let mut shortest = ShortestWay { pair, known: vec![0; matching.new_count()], walked: Vec::new() };
        for &node in tree.order.iter().filter(|&&node| matching.is_new(node)) {
            let parent = tree.parent(node);
            let number = if matching.is_new(parent) {
                self.holder_numbers[matching.new_number(parent)]
            } else {
                let holder = self.container(shortest.nearest_old(node).unwrap_or(parent));
                // The groups of handles under the root are all the same to a person.
                let holder = if pair.after.graph.kind(holder) == NodeKind::Synthetic { ROOT } else { holder };
                *numbers.entry(holder).or_insert_with(|| {
                    self.holders.push(holder);
                    self.holders.len() as u32 - 1
                })
            };
            self.holder_numbers[matching.new_number(node)] = number;
        }
    }

    /// The old object that dominates a new one.
    fn dominator_of(&self, node: Node) -> Node {
        self.dominators[node.index()]
    }

    /// The object that an old table or a store of elements belongs to; any other old object itself.
    pub(super) fn container(&self, node: Node) -> Node {
        self.dominators[node.index()]
    }

    /// The number, in [`Self::holders`], of the old object that holds a new one.
    pub(super) fn holder_number(&self, node: Node) -> usize {
        self.holder_numbers[self.pair.matching.new_number(node)] as usize
    }

    /// All old objects that hold new ones.
    pub(super) fn holders(&self) -> &[Node] {
        &self.holders
    }
}

/// Whether a node is a part of what dominates it: a table, a store of elements, what the engine keeps beside.
fn is_part(pair: &Pair, node: Node) -> bool {
    let graph = &pair.after.graph;
    let parent = pair.after.tree.parent(node);
    matches!(graph.kind(node), NodeKind::Array | NodeKind::Hidden | NodeKind::Code | NodeKind::ObjectShape)
        && parent != ROOT
        && graph.kind(parent) != NodeKind::Synthetic
}

/// Walks up the shortest ways, remembering where each ended.
struct ShortestWay<'a> {
    pair: &'a Pair,
    /// By number among the new nodes: 0 where nothing is known, [`LEADS_NOWHERE`], or the number of the old node and [`FIRST_KNOWN`].
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
            let known = self.known[self.pair.matching.new_number(at)];
            if known != 0 {
                break known;
            }
            self.walked.push(at);
            let before = self.pair.way_before(at);
            if before == at {
                break LEADS_NOWHERE;
            }
            at = before;
        };
        for node in self.walked.drain(..) {
            self.known[self.pair.matching.new_number(node)] = found;
        }
        found.checked_sub(FIRST_KNOWN).map(Node)
    }
}

/// Objects of one class that a dominator gained and lost.
#[derive(Clone, Copy, Default)]
struct Flow {
    new: u64,
    deleted: u64,
}

/// New and deleted objects by dominator and class.
pub(super) struct Flows {
    /// By number among the new nodes that of its flow.
    of_nodes: Vec<u32>,
    all: Vec<Flow>,
    /// All new and deleted objects, the engine's own left out, of each dominator that lost any.
    of_losers: HashMap<Node, Flow>,
}

impl Flows {
    fn count(pair: &Pair, keepers: &Keepers<'_>) -> Self {
        let mut numbers: HashMap<(Node, ClassId), u32> = HashMap::new();
        let mut flows =
            Self { of_nodes: vec![0; pair.matching.new_count()], all: Vec::new(), of_losers: HashMap::new() };
        for node in pair.after.graph.nodes().filter(|&node| pair.matching.is_new(node)) {
            let key = (keepers.dominator_of(node), pair.after_classes[node.index()]);
            let number = *numbers.entry(key).or_insert_with(|| flows.add());
            flows.of_nodes[pair.matching.new_number(node)] = number;
            flows.all[number as usize].new += 1;
        }
        flows.count_losses(pair, keepers, &numbers);
        flows
    }

    #[expect(clippy::cast_possible_truncation, reason = "no more flows than nodes")]
    fn add(&mut self) -> u32 {
        self.all.push(Flow::default());
        self.all.len() as u32 - 1
    }

    fn count_losses(&mut self, pair: &Pair, keepers: &Keepers<'_>, numbers: &HashMap<(Node, ClassId), u32>) {
        let losses = &pair.losses;
        let mut lost = Bits::new(pair.before.classes.len());
        for keeper in losses.keys() {
            lost.set(keeper.index());
        }
        for node in pair.after.graph.nodes() {
            let Some(before) = pair.matching.before(node).filter(|before| lost.has(before.index())) else { continue };
            let keeper = keepers.container(node);
            for (&class, count) in losses.get(&before).into_iter().flatten() {
                if let Some(&number) = numbers.get(&(keeper, class)) {
                    self.all[number as usize].deleted += count;
                }
                if !is_of_parts(pair, class) {
                    self.of_losers.entry(keeper).or_default().deleted += count;
                }
            }
        }
        for (&(keeper, class), &number) in numbers {
            if let Some(total) = self.of_losers.get_mut(&keeper).filter(|_| !is_of_parts(pair, class)) {
                total.new += self.all[number as usize].new;
            }
        }
    }

    /// Whether most of what came to `dominator` stands in the place of what went: a table that is enlarged while its
    /// entries change is that of a cache and no pile.
    pub(super) fn mostly_replaced(&self, dominator: Node) -> bool {
        self.of_losers.get(&dominator).is_some_and(|flow| flow.deleted > flow.new / 2)
    }

    /// The part that does not merely replace what went, of the new objects that `node` is one of.
    pub(super) fn kept_part(&self, pair: &Pair, node: Node) -> f64 {
        let flow = self.all[self.of_nodes[pair.matching.new_number(node)] as usize];
        flow.new.saturating_sub(flow.deleted) as f64 / flow.new as f64
    }
}

/// Whether objects of a class are the engine's own, such as the store of an array, which is replaced as it grows.
fn is_of_parts(pair: &Pair, class: ClassId) -> bool {
    matches!(pair.classes.get(class).name.as_str(), "(array)" | "(system)" | "(compiled code)" | "(object shape)")
}
