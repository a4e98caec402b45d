//! Which targets the overview shows, in which order: the most urgent first, one page at a time.
//!
//! Thousands of targets are looked through under the board's lock, so each costs a comparison or two and no copy; only
//! those on the page are copied.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::status::board::Board;
use crate::status::{Standing, TargetStatus};
use crate::target::TargetName;

/// Targets on a page: a screenful or three, and a few dozen kilobytes.
const PAGE: usize = 50;

/// What a person asks for in the address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Query {
    /// Parts of names, or `label=value`, separated by spaces; all must hold.
    pub(super) q: String,
    /// The name of a standing; empty for all.
    pub(super) standing: String,
    /// From 1.
    pub(super) page: String,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// How many targets stand where, of those that fulfil the search; in order of urgency.
    pub(super) counts: Vec<(Standing, usize)>,
    /// Targets that fulfil the search, wherever they stand.
    pub(super) searched: usize,
    /// Targets that fulfil all that is asked.
    pub(super) matched: usize,
    /// All targets.
    pub(super) all: usize,
    /// From 1.
    pub(super) page: usize,
    pub(super) pages: usize,
    /// Those on this page.
    pub(super) targets: Vec<TargetStatus>,
}

/// What decides the order, the smallest first.
type Urgency = (Standing, Reverse<bool>, u64, i64);

/// Finds the targets of one page.
pub(super) fn survey(board: &Board, query: &Query) -> Found {
    let terms = terms(&query.q);
    let wanted = Standing::from_name(&query.standing);
    let mut all = 0;
    let mut counts: BTreeMap<Standing, usize> = BTreeMap::new();
    let mut matching: Vec<(Urgency, TargetName)> = board.survey(|status| {
        all += 1;
        if !terms.iter().all(|term| term.holds(status)) {
            return None;
        }
        let urgency = urgency(status);
        *counts.entry(urgency.0).or_default() += 1;
        wanted.is_none_or(|wanted| wanted == urgency.0).then(|| (urgency, status.name.clone()))
    });
    matching.sort_unstable();
    let pages = matching.len().div_ceil(PAGE).max(1);
    let page = query.page.parse().unwrap_or(1).clamp(1, pages);
    let shown: Vec<&TargetName> = matching.iter().skip((page - 1) * PAGE).take(PAGE).map(|(_, name)| name).collect();
    // One that left the configuration in between is missing, which is the truth by now.
    let mut targets: Vec<TargetStatus> = shown.iter().filter_map(|name| board.get(name)).collect();
    targets.sort_by_cached_key(|status| (urgency(status), status.name.clone()));
    Found {
        searched: counts.values().sum(),
        counts: counts.into_iter().collect(),
        matched: matching.len(),
        all,
        page,
        pages,
        targets,
    }
}

/// Standing first; then whatever waits for a person; then who is at the limit soonest, or silent for longest.
fn urgency(status: &TargetStatus) -> Urgency {
    let standing = Standing::of(status);
    let growth = status.watch.verdict.as_ref().and_then(|verdict| verdict.growth);
    let limit = growth.and_then(|growth| growth.limit_in_seconds).filter(|seconds| *seconds >= 0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is meant")]
    let seconds = limit.map_or(u64::MAX, |seconds| seconds as u64);
    let silent_since = status.watch.failing_since.map_or(i64::MAX, Timestamp::steady_ms);
    (standing, Reverse(status.care.disarmed.is_some()), seconds, silent_since)
}

/// One word of a search.
#[derive(Debug, PartialEq, Eq)]
enum Term {
    /// A part of the name, in lower case.
    Name(String),
    /// A label and its value, or the beginning of it.
    Label(String, String),
}

fn terms(text: &str) -> Vec<Term> {
    /// Nobody types more, and each is looked for in every target.
    const MOST: usize = 8;
    let term = |word: &str| match word.split_once('=') {
        Some((key, value)) => Term::Label(key.to_owned(), value.to_owned()),
        None => Term::Name(word.to_lowercase()),
    };
    text.split_whitespace().take(MOST).map(term).collect()
}

impl Term {
    fn holds(&self, status: &TargetStatus) -> bool {
        match self {
            Self::Name(part) => status.name.as_str().to_lowercase().contains(part),
            Self::Label(key, value) => status.labels.get(key).is_some_and(|found| found.starts_with(value.as_str())),
        }
    }
}
