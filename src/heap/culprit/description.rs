//! Describes a holder's growth for a person: class, function, location, path, what the objects captured.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use super::attribution::Group;
use super::headline::rewrite_headline;
use super::members::{Members, kind_of};
use super::survivors::Grown;
use crate::heap::class::Class;
use crate::heap::graph::{Edge, EdgeKind, Graph, Node, NodeKind, ROOT, ScriptPosition};
use crate::heap::pair::Pair;
use crate::heap::path::{LONGEST_WAY, Owner, Owners, Way, edge_name, function_name, held_by};
use crate::heap::report::{Culprit, PathStep, Survivor};
use crate::heap::retainers::Retainers;
use crate::heap::scripts::Scripts;

/// Turns findings into words.
pub(super) struct Describer<'a> {
    pair: &'a Pair,
    growth: i64,
    scripts: &'a Scripts,
    retainers: Retainers,
}

/// Most captured names worth a reader's time.
const MOST_CAPTURED: usize = 5;

impl<'a> Describer<'a> {
    pub(super) fn new(pair: &'a Pair, growth: i64) -> Self {
        let leads_up = |node| !pair.matching.is_new(node) && may_lead_up(&pair.after.graph, node);
        let retainers = Retainers::collect(&pair.after.graph, leads_up);
        Self { pair, growth, scripts: &pair.scripts, retainers }
    }

    fn graph(&self) -> &'a Graph {
        &self.pair.after.graph
    }

    fn owners(&self) -> Owners<'_> {
        Owners { graph: self.graph(), tree: &self.pair.after.tree, scripts: self.scripts, retainers: &self.retainers }
    }

    pub(super) fn survivor(&self, grown: &Grown) -> Survivor {
        let node = grown.node;
        Survivor {
            id: self.graph().id(node),
            class: self.class_name(node),
            path: held_by(self.graph(), &self.owners().way_to(node)),
            retained_before: grown.before,
            retained_after: self.pair.after.tree.retained(node),
        }
    }

    pub(super) fn culprit(&self, group: &Group) -> Culprit {
        let members = &group.members;
        let way = self.whole_way(group);
        let container = way.steps.len().saturating_sub(usize::from(members.count > 0));
        let held_way = Way { steps: self.shown(&way, container), ..way.clone() };
        let (function, position) = self.maker(group);
        let mut culprit = Culprit {
            class: self.pair.classes.get(members.class).name.clone(),
            function,
            location: position.map(|position| self.scripts.location(position)),
            count_delta: members.count,
            shallow_delta: members.bytes.max(group.own_growth),
            retained_delta: group.growth,
            share_of_growth: self.share(group.growth),
            held_by: self.holder_name(group, &held_way),
            path: self.path_steps(&way),
            captured: self.captured(members.sample),
            ..Culprit::default()
        };
        culprit.caution = caution(group, &culprit);
        rewrite_headline(&mut culprit);
        culprit
    }

    fn holder_name(&self, group: &Group, way: &Way) -> String {
        if group.holder == ROOT {
            // Sockets, ports and the like keep their objects alive until they are closed.
            return "native handles that are open".to_owned();
        }
        held_by(self.graph(), way) + &more_holders(group.members.holders)
    }

    fn share(&self, growth: i64) -> f64 {
        if self.growth <= 0 { 1.0 } else { (growth as f64 / self.growth as f64).clamp(0.0, 1.0) }
    }

    /// From the owner over the holder down to one member.
    fn whole_way(&self, group: &Group) -> Way {
        let down = self.way_from_holder(group.holder, &group.members);
        let mut way = self.owners().way_to(group.holder);
        way.steps.extend(down);
        way
    }

    /// The steps below the holder, along the shortest way to the sample, down to the first of the members' kind.
    fn way_from_holder(&self, holder: Node, members: &Members) -> Vec<(Option<Edge>, Node)> {
        if members.count == 0 {
            return Vec::new();
        }
        let mut nodes = vec![members.sample];
        let mut at = members.sample;
        while self.pair.matching.is_new(at) {
            let before = self.pair.way_before(at);
            if before == at {
                return vec![self.step_to_chain(holder, members)];
            }
            at = before;
            nodes.push(at);
        }
        match self.between(holder, at) {
            Some(between) => nodes.extend(between),
            None => return vec![self.step_to_chain(holder, members)],
        }
        nodes.reverse();
        let is_member = |&node: &Node| kind_of(self.pair, node) == members.kind();
        let first = nodes.iter().skip(1).position(is_member).map_or(nodes.len(), |at| at + 2);
        nodes.truncate(first);
        if nodes.len() > LONGEST_WAY {
            return vec![self.step_to_chain(holder, members)];
        }
        nodes.windows(2).map(|pair| (self.edge_between(pair[0], pair[1]), pair[1])).collect()
    }

    /// The nodes of a shortest way from one that was there before up to a holder, the holder last.
    fn between(&self, holder: Node, node: Node) -> Option<Vec<Node>> {
        /// Far more than a holder that gained little has between it and its own holder.
        const MOST_VISITED: usize = 20_000;
        if node == holder {
            return Some(Vec::new());
        }
        if holder == ROOT {
            return Some(vec![ROOT]);
        }
        let mut below = HashMap::from([(node, node)]);
        let mut queue = VecDeque::from([node]);
        while let Some(at) = queue.pop_front().filter(|_| below.len() < MOST_VISITED) {
            for (from, _) in self.retainers.of(self.graph(), at) {
                if let Entry::Vacant(new) = below.entry(from) {
                    new.insert(at);
                    queue.push_back(from);
                }
                if from == holder {
                    let down = std::iter::successors(Some(holder), |at| Some(below[at]).filter(|&next| next != node));
                    let mut up: Vec<Node> = down.collect();
                    up.reverse();
                    return Some(up);
                }
            }
        }
        None
    }

    /// From a holder to the sample, or where that is a later link of a chain, to the first link.
    fn step_to_chain(&self, holder: Node, members: &Members) -> (Option<Edge>, Node) {
        let graph = self.graph();
        let direct = self.edge_between(holder, members.sample);
        let is_link = |&edge: &Edge| {
            let is_named = matches!(graph.edge_kind(edge), EdgeKind::Context | EdgeKind::Property);
            is_named && kind_of(self.pair, graph.target(edge)) == members.kind()
        };
        let first =
            || graph.edges(holder).filter(is_link).min_by_key(|&edge| self.pair.matching.is_new(graph.target(edge)));
        match direct.or_else(first) {
            Some(edge) => (Some(edge), graph.target(edge)),
            None => (None, members.sample),
        }
    }

    fn edge_between(&self, from: Node, to: Node) -> Option<Edge> {
        let edges = self.graph().edges(from).filter(|&edge| self.graph().target(edge) == to);
        edges.min_by_key(|&edge| match self.graph().edge_kind(edge) {
            EdgeKind::Weak => 2,
            EdgeKind::Internal | EdgeKind::Hidden => 1,
            _ => 0,
        })
    }

    /// The way down to the container: a variable that holds the members itself counts as one, and so does the
    /// property of a text that grows.
    fn shown(&self, way: &Way, container: usize) -> Vec<(Option<Edge>, Node)> {
        let mut shown = way.steps[..container].to_vec();
        // What the engine puts between a container and its members, such as a proxy, has no name of its own.
        let is_scope = |&(_, node): &(Option<Edge>, Node)| Owner::of(self.graph(), node) == Owner::Scope;
        // Nor have the scopes of closures that piled up with what they captured.
        let is_between = |step: &(Option<Edge>, Node)| {
            is_scope(step) || matches!(self.graph().kind(step.1), NodeKind::Hidden | NodeKind::Closure)
        };
        while shown.len() > way.to_holder && shown.last().is_some_and(is_between) {
            shown.pop();
        }
        let is_text = |&&(edge, node): &&(Option<Edge>, Node)| {
            self.graph().kind(node) == NodeKind::ConsString
                && edge.is_some_and(|edge| self.graph().edge_kind(edge) == EdgeKind::Property)
        };
        let below = way.steps.get(container);
        if shown.last().is_some_and(is_scope) || below.as_ref().is_some_and(is_text) {
            shown.extend(below);
        }
        shown
    }

    fn path_steps(&self, way: &Way) -> Vec<PathStep> {
        let mut steps = Vec::with_capacity(way.steps.len());
        let mut from = None;
        for &(edge, node) in &way.steps {
            let named = edge.zip(from).map(|(edge, from)| edge_name(self.graph(), from, edge));
            let unnamed = if from.is_none() { "" } else { "chain" };
            steps.push(PathStep {
                edge: named.unwrap_or_default(),
                edge_type: edge.map_or(unnamed, |edge| self.graph().edge_kind(edge).name()).to_owned(),
                node: self.step_name(node),
                id: self.graph().id(node),
            });
            from = Some(node);
        }
        steps
    }

    /// A node's class; a function's name besides. Never the text of a string.
    fn step_name(&self, node: Node) -> String {
        match self.graph().kind(node) {
            NodeKind::Closure => format!("Function {}", function_name(self.graph(), node)),
            NodeKind::Synthetic => self.graph().name(node).into_owned(),
            _ => self.class_name(node),
        }
    }

    fn class_name(&self, node: Node) -> String {
        self.pair.classes.get(self.pair.after_classes[node.index()]).name.clone()
    }

    /// The function that makes the members, where the heap tells: their own place, their constructor's, or that of a
    /// callback that they hold.
    fn maker(&self, group: &Group) -> (String, Option<ScriptPosition>) {
        let members = &group.members;
        let named = |closure: Node| (function_name(self.graph(), closure), self.graph().position(closure));
        let is_closure = members.count > 0 && self.graph().kind(members.sample) == NodeKind::Closure;
        if is_closure && self.is_of_program(members.sample) {
            return named(members.sample);
        }
        let class = self.pair.classes.get(members.class);
        if class.position.is_some_and(|position| self.scripts.is_of_program(position.script_id)) {
            return (class.name.clone(), class.position);
        }
        let callback = self.callback_near(members.sample);
        match callback.or_else(|| self.owners().only_closure_beside(group.holder)) {
            Some(closure) => named(closure),
            None if is_closure => named(members.sample),
            None => self.constructor_near(members.sample).unwrap_or_default(),
        }
    }

    /// The class of the program's own object that the runtime's object is there for, as a listener is for its handler.
    fn constructor_near(&self, member: Node) -> Option<(String, Option<ScriptPosition>)> {
        let graph = self.graph();
        let held = graph.edges(member).filter(|&edge| graph.edge_kind(edge) == EdgeKind::Property);
        let classes = held
            .map(|edge| graph.target(edge))
            .filter(|&target| self.pair.matching.is_new(target))
            .map(|target| self.pair.classes.get(self.pair.after_classes[target.index()]));
        let is_of_program = |class: &&Class| class.position.is_some_and(|at| self.scripts.is_of_program(at.script_id));
        classes.filter(is_of_program).map(|class| (class.name.clone(), class.position)).next()
    }

    /// A function of the program that an object holds, as a timer does its callback.
    fn callback_near(&self, start: Node) -> Option<Node> {
        /// Far enough for a promise's reaction and its generator, near enough not to reach what all share.
        const MOST_VISITED: usize = 64;
        let graph = self.graph();
        let mut seen = vec![start];
        let mut next = 0;
        while let Some(&node) = seen.get(next) {
            next += 1;
            for edge in graph.edges(node).filter(|&edge| graph.edge_kind(edge) != EdgeKind::Weak) {
                let target = graph.target(edge);
                if graph.kind(target) == NodeKind::Closure && self.is_of_program(target) {
                    return Some(target);
                }
                if self.pair.matching.is_new(target) && seen.len() < MOST_VISITED && !seen.contains(&target) {
                    seen.push(target);
                }
            }
        }
        None
    }

    fn is_of_program(&self, closure: Node) -> bool {
        self.graph().position(closure).is_some_and(|position| self.scripts.is_of_program(position.script_id))
    }

    /// Names of variables or properties that hold something, the heaviest first.
    fn captured(&self, member: Node) -> Vec<String> {
        let graph = self.graph();
        let (from, kind) = match graph.child(member, EdgeKind::Internal, b"context") {
            Some(scope) if graph.kind(member) == NodeKind::Closure => (scope, EdgeKind::Context),
            _ => (member, EdgeKind::Property),
        };
        let mut names: HashMap<String, u64> = HashMap::new();
        for edge in graph.edges(from).filter(|&edge| graph.edge_kind(edge) == kind) {
            let retained = self.pair.after.tree.retained(graph.target(edge));
            let name = edge_name(graph, from, edge);
            if self.pair.matching.is_new(graph.target(edge)) && name != "__proto__" && name != "*" {
                *names.entry(name).or_default() += retained;
            }
        }
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_by(|a, b| Reverse(a.1).cmp(&Reverse(b.1)).then_with(|| a.0.cmp(&b.0)));
        names.into_iter().map(|(name, _)| name).take(MOST_CAPTURED).collect()
    }
}

/// Whether a way to a container may lead over a node: texts and numbers hold none, and what holds a shape is every
/// object of that shape.
fn may_lead_up(graph: &Graph, node: Node) -> bool {
    !matches!(
        graph.kind(node),
        NodeKind::String
            | NodeKind::SlicedString
            | NodeKind::Number
            | NodeKind::BigInt
            | NodeKind::Symbol
            | NodeKind::ObjectShape
    )
}

fn more_holders(holders: usize) -> String {
    if holders > 1 { format!(" and {} more like it", holders - 1) } else { String::new() }
}

/// Why the growth may have an end.
fn caution(group: &Group, culprit: &Culprit) -> Option<String> {
    let variable = culprit.held_by.split(" in ").next().unwrap_or_default().to_ascii_lowercase();
    if group.may_be_bounded() {
        return Some(
            "it also lets objects go, as a cache or a queue does: a third snapshot tells whether it levels off".into(),
        );
    }
    let sounds_bounded = ["cache", "lru", "memo"].iter().any(|word| variable.contains(word));
    sounds_bounded.then(|| "by its name this may be a cache that is still filling: a third snapshot tells".into())
}
