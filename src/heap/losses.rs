//! What a pair lost: counted before the search for dominators of the second snapshot, which needs the memory.

use std::collections::HashMap;

use super::bits::Bits;
use super::class::ClassId;
use super::digest::Before;
use super::graph::{Node, ROOT};

/// Objects that went, by who kept them and by class.
pub(crate) type Losses = HashMap<Node, HashMap<ClassId, u64>>;

/// What went, by the nearest object of the first snapshot that dominated it and is still there.
pub(crate) fn losses(before: &Before, kept: &Bits) -> Losses {
    // What is not known yet has the root, where every way ends.
    let mut keepers = vec![ROOT; before.classes.len()];
    let mut losses = Losses::new();
    let mut walked = Vec::new();
    for (index, &class) in (0u32..).zip(&before.classes) {
        let mut at = Node(index);
        while !kept.has(at.index()) && at != ROOT {
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
