//! The Comparison view: per class what is only in the second snapshot and what is only in the first, by id.

use super::bits::Bits;
use super::class::{ClassId, Classes};
use super::digest::Before;
use super::graph::{Graph, Node};
use super::report::ClassRow;

/// Which node of the first snapshot each node of the second one is.
#[derive(Debug)]
pub(crate) struct Matching {
    /// By node of the second snapshot.
    before: Vec<u32>,
    /// Nodes of the second snapshot that are not in the first: asked for everywhere, and a bit is likelier at hand.
    new: Bits,
    /// Nodes of the first snapshot that are in the second.
    pub(crate) kept: Bits,
}

const NEW: u32 = u32::MAX;

impl Matching {
    pub(crate) fn new(before: &Before, after: &Graph) -> Self {
        let mut kept = Bits::new(before.classes.len());
        let mut new = Bits::new(after.node_count());
        let find = |node: Node| {
            if let Some(found) = before.columns.find(after.id(node)) {
                kept.set(found.index());
                found.0
            } else {
                new.set(node.index());
                NEW
            }
        };
        Self { before: after.nodes().map(find).collect(), new, kept }
    }

    /// The node of the first snapshot that has the same id.
    #[inline]
    pub(crate) fn before(&self, node: Node) -> Option<Node> {
        let before = self.before[node.index()];
        (before != NEW).then_some(Node(before))
    }

    #[inline]
    pub(crate) fn is_new(&self, node: Node) -> bool {
        self.new.has(node.index())
    }
}

/// Counts per class, as `DevTools` does: nodes of size 0 are not there, and an object that changed its class went from
/// one and appeared in the other. Sorted by size delta, the most grown first.
pub(crate) fn compare(
    before: &Before,
    after: &Graph,
    after_classes: &[ClassId],
    matching: &Matching,
    classes: &Classes,
) -> Vec<ClassRow> {
    let mut tally = Tally { rows: vec![ClassRow::default(); classes.len()] };
    for (node, &class) in after.nodes().zip(after_classes) {
        let size = after.size(node);
        let same =
            matching.before(node).map(|old| (before.classes[old.index()], before.columns.sizes.get(old.index())));
        match same {
            Some((old_class, old_size)) if old_class == class && old_size > 0 && size > 0 => {}
            Some((old_class, old_size)) => {
                tally.deleted(old_class, old_size);
                tally.added(class, size);
            }
            None => tally.added(class, size),
        }
    }
    for (index, &class) in before.classes.iter().enumerate() {
        if !matching.kept.has(index) {
            tally.deleted(class, before.columns.sizes.get(index));
        }
    }
    tally.finish(classes)
}

struct Tally {
    rows: Vec<ClassRow>,
}

impl Tally {
    fn added(&mut self, class: ClassId, size: u64) {
        if size > 0 {
            let row = &mut self.rows[class.index()];
            row.new += 1;
            row.alloc_size = row.alloc_size.saturating_add(size);
        }
    }

    fn deleted(&mut self, class: ClassId, size: u64) {
        if size > 0 {
            let row = &mut self.rows[class.index()];
            row.deleted += 1;
            row.freed_size = row.freed_size.saturating_add(size);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "no more classes than nodes")]
    fn finish(self, classes: &Classes) -> Vec<ClassRow> {
        let mut rows: Vec<ClassRow> = (0..)
            .zip(self.rows)
            .filter(|(_, row)| row.new + row.deleted > 0)
            .map(|(index, row): (usize, _)| ClassRow {
                name: classes.get(ClassId(index as u32)).name.clone(),
                delta: difference(row.new, row.deleted),
                size_delta: difference(row.alloc_size, row.freed_size),
                ..row
            })
            .collect();
        rows.sort_by(|a, b| b.size_delta.cmp(&a.size_delta).then_with(|| a.name.cmp(&b.name)));
        rows
    }
}

/// `a` less `b`, saturating.
pub(crate) fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(if a > b { i64::MAX } else { i64::MIN })
}
