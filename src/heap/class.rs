//! Constructor names, as `DevTools` groups objects by them, with numbers that mean the same in several snapshots.

use std::collections::HashMap;

use super::graph::{Graph, Node, NodeKind, ScriptPosition};
use super::interface::{Interfaces, ShapeId, Shapes};

/// The number of a class in a [`Classes`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub(crate) u32);

impl ClassId {
    /// As an index of a table with one row a class.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What makes objects one class: the name, and for instances the place of the constructor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Class {
    /// The name as `DevTools` shows it.
    pub name: String,
    /// Where the constructor stands; two constructors of one name are two classes.
    pub position: Option<ScriptPosition>,
}

impl Class {
    /// Whether its objects have neither a constructor nor properties in common.
    pub(crate) fn is_of_any_shape(&self) -> bool {
        self.position.is_none() && self.name.as_bytes() == PLAIN_NAME
    }
}

/// All classes met so far, in one snapshot or several of the same process.
#[derive(Debug, Default)]
pub struct Classes {
    all: Vec<Class>,
    by_class: HashMap<Class, ClassId>,
}

impl Classes {
    /// The class of this number.
    pub fn get(&self, id: ClassId) -> &Class {
        &self.all[id.index()]
    }

    /// The class at this place of the table.
    pub(crate) fn at(&self, index: usize) -> &Class {
        &self.all[index]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    #[expect(clippy::cast_possible_truncation, reason = "no more classes than nodes")]
    pub(crate) fn intern(&mut self, class: Class) -> ClassId {
        if let Some(&known) = self.by_class.get(&class) {
            return known;
        }
        let id = ClassId(self.all.len() as u32);
        self.all.push(class.clone());
        self.by_class.insert(class, id);
        id
    }
}

/// The class of every node, where the class of a plain object is still its shape: what it is called depends on the
/// interfaces of the later of two snapshots.
#[derive(Debug)]
pub(crate) struct Classification {
    codes: Vec<u32>,
    /// Plain objects with one shape and place.
    plain: Vec<(ShapeId, Option<ScriptPosition>)>,
    shapes: Shapes,
}

/// Set in the code of a plain object.
const PLAIN: u32 = 1 << 31;

/// The name that V8 gives to objects without a constructor of their own.
const PLAIN_NAME: &[u8] = b"Object";

pub(crate) fn is_plain(graph: &Graph, node: Node, plain_name: Option<u32>) -> bool {
    graph.kind(node) == NodeKind::Object && plain_name == Some(graph.names[node.index()])
}

pub(crate) fn plain_name(graph: &Graph) -> Option<u32> {
    graph.strings().find(PLAIN_NAME)
}

/// Groups the nodes of a graph.
pub(crate) fn classify(graph: &Graph, classes: &mut Classes) -> Classification {
    let mut classifier = Classifier {
        graph,
        classes,
        plain_name: plain_name(graph),
        by_name: HashMap::new(),
        by_kind: [None; NodeKind::Other as usize + 1],
        shapes: Shapes::new(graph.strings().len()),
        plain: Vec::new(),
        by_plain: HashMap::new(),
    };
    let mut positions = graph.locations.iter().peekable();
    let mut codes = Vec::with_capacity(graph.node_count());
    for node in graph.nodes() {
        let position = positions.next_if(|(at, _)| *at == node).map(|&(_, position)| position);
        codes.push(classifier.code(node, position));
    }
    let Classifier { shapes, plain, .. } = classifier;
    Classification { codes, plain, shapes }
}

impl Classification {
    /// The class of every node, with plain objects called by `interfaces`.
    pub(crate) fn resolve(self, interfaces: &Interfaces, classes: &mut Classes) -> Vec<ClassId> {
        let names = self.shapes.names(interfaces);
        let mut resolve_plain = |&(shape, position): &(ShapeId, Option<ScriptPosition>)| {
            let name = names[shape.index()].map_or_else(|| "Object".to_owned(), |at| interfaces.name(at).to_owned());
            classes.intern(Class { name, position })
        };
        let plain: Vec<ClassId> = self.plain.iter().map(&mut resolve_plain).collect();
        let resolve = |code: u32| if code & PLAIN == 0 { ClassId(code) } else { plain[(code & !PLAIN) as usize] };
        self.codes.into_iter().map(resolve).collect()
    }
}

struct Classifier<'a> {
    graph: &'a Graph,
    classes: &'a mut Classes,
    plain_name: Option<u32>,
    /// Classes of objects and natives by the string that names them.
    by_name: HashMap<u32, ClassId>,
    by_kind: [Option<ClassId>; NodeKind::Other as usize + 1],
    shapes: Shapes,
    plain: Vec<(ShapeId, Option<ScriptPosition>)>,
    by_plain: HashMap<(ShapeId, Option<ScriptPosition>), u32>,
}

impl Classifier<'_> {
    fn code(&mut self, node: Node, position: Option<ScriptPosition>) -> u32 {
        match self.graph.kind(node) {
            NodeKind::Object if is_plain(self.graph, node, self.plain_name) => self.plain(node, position),
            NodeKind::Object => self.named(node, position).0,
            NodeKind::Native => self.named(node, None).0,
            kind => self.of_kind(kind).0,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "no more shapes than nodes, of which there are below 2^32")]
    fn plain(&mut self, node: Node, position: Option<ScriptPosition>) -> u32 {
        let shape = self.shapes.of(self.graph, node);
        let next = self.plain.len() as u32;
        let at = *self.by_plain.entry((shape, position)).or_insert(next);
        if at == next {
            self.plain.push((shape, position));
        }
        at | PLAIN
    }

    fn named(&mut self, node: Node, position: Option<ScriptPosition>) -> ClassId {
        let string = self.graph.names[node.index()];
        if position.is_some() {
            let name = class_name(&self.graph.name(node));
            return self.classes.intern(Class { name, position });
        }
        *self.by_name.entry(string).or_insert_with(|| {
            let name = class_name(&self.graph.name(node));
            self.classes.intern(Class { name, position: None })
        })
    }

    fn of_kind(&mut self, kind: NodeKind) -> ClassId {
        let classes = &mut *self.classes;
        *self.by_kind[kind as usize].get_or_insert_with(|| {
            let name = match kind {
                NodeKind::Hidden => "(system)".to_owned(),
                NodeKind::Code => "(compiled code)".to_owned(),
                NodeKind::Closure => "Function".to_owned(),
                NodeKind::RegExp => "RegExp".to_owned(),
                other => format!("({})", other.name()),
            };
            classes.intern(Class { name, position: None })
        })
    }
}

/// The element `<div id="a">` is of the class `<div>`.
fn class_name(name: &str) -> String {
    let searched_from = match name {
        _ if name.starts_with('<') => 0,
        _ if name.starts_with("Detached <") => "Detached <".len(),
        _ => return name.to_owned(),
    };
    let space = name.get(searched_from..).and_then(|tail| tail.find(' '));
    match space.and_then(|space| name.get(..searched_from + space)) {
        Some(head) => format!("{head}>"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_classed_by_their_tag() {
        for (name, class) in [
            ("<div id=\"a\">", "<div>"),
            ("<div>", "<div>"),
            ("Detached <li class=\"b\">", "Detached <li>"),
            ("Detached Window", "Detached Window"),
            ("Map", "Map"),
        ] {
            assert_eq!(class_name(name), class);
        }
    }
}
