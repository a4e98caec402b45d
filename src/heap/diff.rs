//! The Comparison view: per class what is only in the second snapshot and what is only in the first, by id.

use super::bits::{Bits, RankedBits};
use super::class::{ClassId, Classes};
use super::digest::{Before, Columns};
use super::graph::{Graph, Node};
use super::report::ClassRow;

/// Which node of the first snapshot each node of the second one is.
#[derive(Debug)]
pub(crate) struct Matching {
    /// By node of the second snapshot, those that are in both.
    before: Vec<Node>,
    /// Nodes of the second snapshot that are not in the first: asked for everywhere, and a bit is likelier at hand.
    new: RankedBits,
    /// Nodes of the first snapshot that are in the second.
    pub(crate) kept: Bits,
}

impl Matching {
    pub(crate) fn new(columns: &Columns, after: &Graph) -> Self {
        let mut kept = Bits::new(columns.dominators.len());
        let mut new = Bits::new(after.node_count());
        let mut before = Vec::new();
        for node in after.nodes() {
            if let Some(found) = columns.find(after.id(node)) {
                kept.set(found.index());
                before.push(found);
            } else {
                new.set(node.index());
            }
        }
        before.shrink_to_fit();
        Self { before, new: RankedBits::new(new), kept }
    }

    /// The node of the first snapshot that has the same id.
    #[inline]
    pub(crate) fn before(&self, node: Node) -> Option<Node> {
        if self.is_new(node) { None } else { Some(self.before[node.index() - self.new.rank(node.index())]) }
    }

    #[inline]
    pub(crate) fn is_new(&self, node: Node) -> bool {
        self.new.has(node.index())
    }

    /// The number of a new node among the new ones, of which there are [`Self::new_count`]: tables that only know of
    /// new nodes are a fraction of a table of all.
    #[inline]
    pub(crate) fn new_number(&self, node: Node) -> usize {
        self.new.rank(node.index())
    }

    /// Frees the numbers of the first snapshot: new nodes are still told from old ones.
    pub(crate) fn forget_before(&mut self) {
        self.before = Vec::new();
        self.kept = Bits::new(0);
    }

    pub(crate) fn new_count(&self) -> usize {
        self.new.count()
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
