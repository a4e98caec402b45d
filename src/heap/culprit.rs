//! Who leaks: new objects counted by what came to hold them.
//!
//! Every byte of growth is a new object, less one that went, or an old object that became larger. So growth is given
//! to *holders*: a new object belongs to the nearest object on the way to it that was there before ([`attribution`]).
//! Holders that gained enough are described ([`description`]): the class that piled up, where it is made, and how the
//! holder is reached (`path`). Containers that survive and grow are invisible to a comparison by id, and this is
//! what finds them.

mod alike;
mod attribution;
mod description;
mod gains;
mod headline;
mod members;
mod survivors;

use super::pair::Pair;
use super::report::{Culprit, Report};

pub(crate) use alike::shape;
pub(crate) use headline::{nothing_found, rewrite_headline};

/// Fewer bytes are noise whatever the heap: caches of compiled code and of the event loop change by this much.
const SMALLEST_GROWTH: i64 = 16 << 10;
/// Growth below this part of the first heap is what comes and goes in a busy process.
const SMALLEST_PART_OF_HEAP: f64 = 0.001;
/// Growth below this part of all growth is not what fills the memory.
const SMALLEST_SHARE: f64 = 0.03;
/// Most culprits worth a reader's time.
const MOST_CULPRITS: usize = 10;

/// Fills in culprits, survivors, headline and notes.
pub(crate) fn accuse(mut pair: Pair, report: &mut Report) {
    let growth = super::diff::difference(report.heap.after_bytes, report.heap.before_bytes);
    let least = SMALLEST_GROWTH
        .max(part_of(report.heap.before_bytes, SMALLEST_PART_OF_HEAP))
        .max(part_of(u64::try_from(growth).unwrap_or(0), SMALLEST_SHARE));
    let grown = survivors::most_grown(&pair);
    pair.before.columns.forget_retained();
    let groups = attribution::attribute(&pair, least);
    pair.before.forget();
    pair.matching.forget_before();
    let describer = description::Describer::new(&pair, growth);
    report.survivors = grown.iter().map(|grown| describer.survivor(grown)).collect();
    report.culprits = alike::join(groups.iter().map(|group| describer.culprit(group)));
    report.culprits.sort_by_key(|culprit| std::cmp::Reverse(weight(culprit)));
    report.culprits.truncate(MOST_CULPRITS);
    report.headline =
        report.culprits.first().map_or_else(|| nothing_found(&report.heap), |culprit| culprit.headline.clone());
}

#[expect(clippy::cast_possible_truncation, reason = "a part of a heap, far below 2^63")]
fn part_of(bytes: u64, part: f64) -> i64 {
    (bytes as f64 * part) as i64
}

/// What may be a bounded cache stands behind what cannot be, unless it dwarfs it.
fn weight(culprit: &Culprit) -> i64 {
    if culprit.caution.is_some() { culprit.retained_delta / 8 } else { culprit.retained_delta }
}
