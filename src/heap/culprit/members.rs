//! Which of the objects that a holder gained are what piles up, rather than what hangs on them.

use std::collections::{HashMap, HashSet};

use crate::heap::class::ClassId;
use crate::heap::graph::{EdgeKind, Node, NodeKind, ScriptPosition};
use crate::heap::pair::Pair;

/// Objects that count as one kind: a class, and for closures the place where they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct MemberKind {
    pub(super) class: ClassId,
    pub(super) position: Option<ScriptPosition>,
}

/// What one holder gained of one kind. Parts of objects, since those that replace others count less.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    count: f64,
    /// Those that are not within another of the kind.
    outermost: f64,
    bytes: f64,
    /// What they retain, those within another of the kind left out.
    retained: f64,
    /// Those within another of the kind.
    inner: Inner,
    /// Without netting.
    new: u64,
    sample: Node,
    rank: Rank,
}

/// Objects within another of their kind.
#[derive(Clone, Debug, Default)]
struct Inner {
    count: f64,
    retained: f64,
    sample: Option<Node>,
}

/// How much a kind of node tells a person; of kinds that retain alike the lower wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Program,
    /// Strings and numbers, which are rather the keys or the contents of what piles up.
    Text,
    /// Scopes of closures, handles of the runtime.
    Runtime,
    /// Tables, maps, code: never what leaks by itself.
    Engine,
}

/// The kind of object that piled up in a holder.
#[derive(Clone, Debug)]
pub(super) struct Members {
    pub(super) class: ClassId,
    /// Where closures are written.
    pub(super) position: Option<ScriptPosition>,
    /// How many more there are.
    pub(super) count: i64,
    /// Their shallow size.
    pub(super) bytes: i64,
    /// What they retain.
    retained: i64,
    /// New ones, those that replace others once left out.
    kept: f64,
    new: u64,
    /// One of them.
    pub(super) sample: Node,
    /// How many holders have them.
    pub(super) holders: usize,
}

/// From so many on, objects pile up; fewer are rather the container of what does.
const MANY: f64 = 8.0;

/// Kinds of which one may be made of several.
const PARTS: [&str; 7] = ["Function", "Array", "Object", "Promise", "Map", "Set", "(concatenated string)"];

/// Ancestors searched for one of the same kind: enough for lists and for chains of closures, whose links alternate
/// between two or three kinds.
const NESTING: usize = 8;

/// Sums up new nodes by holder and kind; `assign` gives a node's holder and how much of it counts.
pub(super) fn tally_members(
    pair: &Pair,
    assign: impl Fn(Node) -> Option<(Node, f64)>,
) -> HashMap<Node, Vec<(MemberKind, Tally)>> {
    let mut tallies: HashMap<(Node, MemberKind), Tally> = HashMap::new();
    let graph = &pair.after.graph;
    for node in graph.nodes().filter(|&node| pair.matching.is_new(node)) {
        let Some((holder, kept)) = assign(node) else { continue };
        let kind = kind_of(pair, node);
        let tally = tallies.entry((holder, kind)).or_insert_with(|| Tally::starting_at(pair, node));
        tally.count += kept;
        tally.new += 1;
        tally.bytes += graph.size(node) as f64 * kept;
        if tally.rank == Rank::Engine {
            continue;
        }
        let retained = pair.after.tree.retained(node) as f64 * kept;
        if is_nested(pair, node, kind) {
            tally.inner.add(node, kept, retained);
        } else {
            if tally.outermost == 0.0 {
                tally.sample = node;
            }
            tally.outermost += kept;
            tally.retained += retained;
        }
    }
    let mut by_holder: HashMap<Node, Vec<(MemberKind, Tally)>> = HashMap::new();
    for ((holder, kind), tally) in tallies {
        by_holder.entry(holder).or_default().push((kind, tally));
    }
    for kinds in by_holder.values_mut() {
        kinds.sort_by_key(|&(kind, _)| kind);
    }
    by_holder
}

/// The kind that a node counts as.
pub(super) fn kind_of(pair: &Pair, node: Node) -> MemberKind {
    let is_closure = pair.after.graph.kind(node) == NodeKind::Closure;
    let position = if is_closure { pair.after.graph.position(node) } else { None };
    MemberKind { class: pair.after_classes[node.index()], position }
}

fn is_nested(pair: &Pair, node: Node, kind: MemberKind) -> bool {
    let mut at = node;
    for _ in 0..NESTING {
        at = pair.after.tree.parent(at);
        if !pair.matching.is_new(at) {
            return false;
        }
        if pair.after_classes[at.index()] == kind.class && kind_of(pair, at) == kind {
            return true;
        }
    }
    false
}

impl Tally {
    fn starting_at(pair: &Pair, sample: Node) -> Self {
        let rank = rank(pair, sample);
        Self { count: 0.0, outermost: 0.0, bytes: 0.0, retained: 0.0, inner: Inner::default(), new: 0, sample, rank }
    }

    /// Without a list that was replaced by a longer one, where what piled up in it are lists too.
    fn without_container(mut self) -> Self {
        if let Some(sample) = self.inner.sample.filter(|_| self.outermost < MANY && self.inner.count >= MANY) {
            (self.count, self.outermost) = (self.inner.count, self.inner.count);
            (self.retained, self.sample) = (self.inner.retained, sample);
        }
        self
    }
}

impl Inner {
    fn add(&mut self, node: Node, kept: f64, retained: f64) {
        self.count += kept;
        self.retained += retained;
        self.sample.get_or_insert(node);
    }
}

fn rank(pair: &Pair, node: Node) -> Rank {
    match pair.after.graph.kind(node) {
        NodeKind::Hidden | NodeKind::Array | NodeKind::Code | NodeKind::ObjectShape | NodeKind::Synthetic => {
            Rank::Engine
        }
        NodeKind::Object | NodeKind::Native
            if [b"system / ".as_slice(), b"Node / "]
                .iter()
                .any(|own| pair.after.graph.raw_name(node).starts_with(own)) =>
        {
            Rank::Runtime
        }
        kind if kind.is_string() || matches!(kind, NodeKind::Number | NodeKind::BigInt) => Rank::Text,
        // What Node puts between an open file or socket and the object that a program sees.
        _ if pair.after.graph.child(node, EdgeKind::Property, b"<symbol owner_symbol>").is_some() => Rank::Runtime,
        _ => Rank::Program,
    }
}

/// Kinds of new nodes on the shortest way from the nearest old one to a node, its own among them. Kinds and no steps,
/// for the links of a chain are each as near to its holder as the first.
fn depth(pair: &Pair, node: Node) -> usize {
    /// What is deeper is no member but hangs on one.
    const DEEPEST: usize = 32;
    let up = |&at: &Node| Some(pair.way_before(at)).filter(|&next| next != at && pair.matching.is_new(next));
    let way = std::iter::successors(Some(node), up).take(DEEPEST);
    way.map(|at| kind_of(pair, at)).collect::<HashSet<_>>().len()
}

/// Functions of many different places are one kind: what compiles them is the leak, and not one of them. None where
/// they are the modules of a program that were loaded once, and what else the holder gained came with them.
fn fold_closures(pair: &Pair, kinds: &[(MemberKind, Tally)]) -> Option<Vec<(MemberKind, Tally)>> {
    let closures = || kinds.iter().filter(|(kind, _)| kind.position.is_some());
    let total: f64 = closures().map(|(_, tally)| tally.count).sum();
    let most = closures().max_by(|(_, a), (_, b)| a.count.total_cmp(&b.count));
    let Some((kind, largest)) = most.filter(|(_, largest)| total >= MANY && largest.count < total / 2.0) else {
        return Some(kinds.to_vec());
    };
    if is_loaded_code(pair, closures()) {
        return None;
    }
    let mut folded = largest.clone();
    for (_, tally) in closures().filter(|(other, _)| other != kind) {
        folded.count += tally.count;
        folded.outermost += tally.outermost;
        folded.bytes += tally.bytes;
        folded.retained += tally.retained;
        folded.new += tally.new;
    }
    let others = kinds.iter().filter(|(kind, _)| kind.position.is_none()).cloned();
    Some(others.chain([(MemberKind { position: None, ..*kind }, folded)]).collect())
}

fn without_containers(pair: &Pair, kinds: Vec<(MemberKind, Tally)>) -> Vec<(MemberKind, Tally)> {
    let is_list = |kind: MemberKind| matches!(pair.classes.get(kind.class).name.as_str(), "Array" | "Map" | "Set");
    let told =
        |(kind, tally): (MemberKind, Tally)| (kind, if is_list(kind) { tally.without_container() } else { tally });
    kinds.into_iter().map(told).collect()
}

/// Whether nearly every function stands in a place of its own: scripts that are compiled again and again have the
/// same places under other numbers.
fn is_loaded_code<'a>(pair: &Pair, closures: impl Iterator<Item = &'a (MemberKind, Tally)>) -> bool {
    /// A module makes some of its functions several times, such as those of the classes that it derives.
    const OWN_PLACES: f64 = 0.5;
    let mut places: HashSet<(Option<&str>, u32, u32)> = HashSet::new();
    let mut count = 0.0;
    for (kind, tally) in closures {
        let script = pair.scripts.name(kind.position.map_or(0, |at| at.script_id));
        places.extend(kind.position.map(|at| (script, at.line, at.column)));
        count += tally.count;
    }
    places.len() as f64 >= count * OWN_PLACES
}

impl Members {
    /// Of the kinds that retain most, the one nearest to the holder that comes in numbers.
    pub(super) fn choose(pair: &Pair, kinds: &[(MemberKind, Tally)]) -> Option<Self> {
        /// A kind that retains less than this part of the most is what hangs on the members.
        const NEARLY_ALL: f64 = 0.6;
        /// Where that is the scope of a closure, objects of the program in it tell more, if they are this part.
        const TELLING: f64 = 0.25;
        let kinds = without_containers(pair, fold_closures(pair, kinds)?);
        let told = kinds.iter().filter(|(_, tally)| tally.rank != Rank::Engine);
        let (_, heaviest) = told.clone().max_by(|(_, a), (_, b)| a.retained.total_cmp(&b.retained))?;
        let least = |rank: Rank| match (heaviest.rank, rank) {
            (Rank::Runtime, Rank::Program) => heaviest.retained * TELLING,
            _ => heaviest.retained * NEARLY_ALL,
        };
        let weighty: Vec<_> = told.filter(|(_, tally)| tally.retained >= least(tally.rank)).collect();
        let most_numerous = weighty.iter().map(|(_, tally)| tally.count).fold(0.0, f64::max);
        let many = weighty.iter().filter(|(_, tally)| tally.count >= (most_numerous / 2.0).min(MANY));
        let (kind, tally) = many.min_by(|(_, a), (_, b)| {
            let nearness = (a.rank, depth(pair, a.sample)).cmp(&(b.rank, depth(pair, b.sample)));
            nearness.then_with(|| b.retained.total_cmp(&a.retained))
        })?;
        Some(Self::of(pair, *kind, tally))
    }

    /// A holder that grew without gaining objects.
    pub(super) fn itself(pair: &Pair, holder: Node) -> Self {
        let MemberKind { class, position } = kind_of(pair, holder);
        Self { class, position, count: 0, bytes: 0, retained: 0, kept: 0.0, new: 0, sample: holder, holders: 1 }
    }

    #[expect(clippy::cast_possible_truncation, reason = "counts and sizes of a heap, far below 2^63")]
    fn of(pair: &Pair, kind: MemberKind, tally: &Tally) -> Self {
        // Within an array or a function of the runtime others of the kind are its parts; the links of a chain and the
        // nodes of a tree all count.
        let of_parts = kind.position.is_none() && PARTS.contains(&pair.classes.get(kind.class).name.as_str());
        let count = if of_parts && tally.outermost >= MANY { tally.outermost } else { tally.count };
        Self {
            class: kind.class,
            position: kind.position,
            count: count.round() as i64,
            bytes: tally.bytes as i64,
            retained: tally.retained as i64,
            kept: tally.count,
            new: tally.new,
            sample: tally.sample,
            holders: 1,
        }
    }

    /// Whether there are so many more of them, or so much, that they are more than a cache's first entries.
    pub(super) fn piles_up(&self, pair: &Pair, least: i64) -> bool {
        /// Fewer new objects may be one request under way.
        const NOTED: i64 = 16;
        /// As many objects that have nothing in common may be the parts of modules that were loaded.
        const NOTED_UNLIKE: i64 = 64;
        /// Fewer, but this much heavier than what is noticed at all, count too: buffers.
        const HEAVY: i64 = 16;
        let noted = if pair.classes.get(self.class).is_of_any_shape() { NOTED_UNLIKE } else { NOTED };
        self.retained >= least / 2 && (self.count >= noted || self.count > 1 && self.retained >= least * HEAVY)
    }

    /// The part of the new objects that do not merely replace others.
    pub(super) fn kept_part(&self) -> f64 {
        if self.new == 0 { 1.0 } else { self.kept / self.new as f64 }
    }

    pub(super) fn kind(&self) -> MemberKind {
        MemberKind { class: self.class, position: self.position }
    }

    /// Adds the same kind of objects of another holder.
    pub(super) fn join(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.retained = self.retained.saturating_add(other.retained);
        self.kept += other.kept;
        self.new += other.new;
    }
}
