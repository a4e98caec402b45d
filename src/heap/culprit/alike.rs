//! Joins culprits that only differ by which of many like containers they are in: lists of one map of lists.

use super::headline::rewrite_headline;
use crate::heap::report::{Culprit, PathStep};

/// One culprit for each class, place and shape of the path, with the containers that have it counted.
pub(super) fn join(culprits: impl Iterator<Item = Culprit>) -> Vec<Culprit> {
    let mut joined: Vec<(Culprit, usize)> = Vec::new();
    for culprit in culprits {
        let holder = shape(&culprit.held_by);
        let same = |known: &&mut (Culprit, usize)| {
            (&known.0.class, &known.0.location) == (&culprit.class, &culprit.location)
                && (shape(&known.0.held_by) == holder || are_siblings(&known.0, &culprit))
        };
        match joined.iter_mut().find(same) {
            Some((known, containers)) => {
                add(known, &culprit);
                *containers += 1;
            }
            None => joined.push((culprit, 1)),
        }
    }
    joined.into_iter().map(|(culprit, containers)| told(culprit, containers)).collect()
}

/// Whether what one line makes is held in two places under one owner that differ by a single name: two branches of a
/// tree, the lists of two topics.
fn are_siblings(a: &Culprit, b: &Culprit) -> bool {
    let same_owner = |a: &[PathStep], b: &[PathStep]| a.first().map(|step| step.id) == b.first().map(|step| step.id);
    if a.location.is_none() || a.path.len() != b.path.len() || !same_owner(&a.path, &b.path) {
        return false;
    }
    let mut other_names = 0;
    for (a, b) in a.path.iter().zip(&b.path) {
        if (&a.node, &a.edge_type) != (&b.node, &b.edge_type) {
            return false;
        }
        other_names += usize::from(a.edge != b.edge && a.edge_type == "property");
    }
    other_names <= 1
}

fn add(known: &mut Culprit, other: &Culprit) {
    known.count_delta = known.count_delta.saturating_add(other.count_delta);
    known.shallow_delta = known.shallow_delta.saturating_add(other.shallow_delta);
    known.retained_delta = known.retained_delta.saturating_add(other.retained_delta);
    known.share_of_growth = (known.share_of_growth + other.share_of_growth).min(1.0);
}

fn told(mut culprit: Culprit, containers: usize) -> Culprit {
    if containers > 1 {
        culprit.held_by = format!("{} and {} more like it", any_index(&culprit.held_by), containers - 1);
        rewrite_headline(&mut culprit);
    }
    culprit
}

/// How a holder is told but for what differs from one pair of snapshots to the next: indices, how many more there are.
pub(crate) fn shape(held_by: &str) -> String {
    let more = held_by.rfind(" and ").filter(|_| held_by.ends_with(" more like it"));
    any_index(more.and_then(|at| held_by.get(..at)).unwrap_or(held_by))
}

/// The path with `[*]` in the place of every number.
fn any_index(path: &str) -> String {
    let mut shape = String::with_capacity(path.len());
    for (number, part) in path.split('[').enumerate() {
        if number > 0 {
            shape.push('[');
        }
        match part.split_once(']') {
            Some((index, rest)) if number > 0 && index.parse::<u64>().is_ok() => shape = shape + "*]" + rest,
            _ => shape += part,
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::report::Location;

    #[test]
    fn numbers_between_brackets_are_one_shape() {
        for (path, shape) in [
            ("pool[3].items[] in a.js", "pool[*].items[] in a.js"),
            ("map[12][0] (Map)", "map[*][*] (Map)"),
            ("process._events[\"x[1]\"]", "process._events[\"x[*]\"]"),
            ("plain", "plain"),
        ] {
            assert_eq!(any_index(path), shape);
        }
    }

    #[test]
    fn the_number_of_like_holders_is_no_part_of_the_shape() {
        assert_eq!(shape("pool[4].items[] in a.js and 3 more like it"), "pool[*].items[] in a.js");
        assert_eq!(shape("sand and water"), "sand and water");
    }

    #[test]
    fn branches_of_one_tree_are_one_leak() {
        let step = |edge: &str, node: &str, id| PathStep {
            edge: edge.to_owned(),
            edge_type: "property".to_owned(),
            node: node.to_owned(),
            id,
        };
        let culprit = |owner: u64, branch: &str, line: u32| Culprit {
            held_by: format!("topics.{branch}[]"),
            location: Some(Location { script: "a.js".to_owned(), line, column: 1 }),
            path: vec![step("", "Object", owner), step(branch, "Array", 7), step("[1]", "Item", 8)],
            ..Culprit::default()
        };
        let held_by = |all: [Culprit; 2]| join(all.into_iter()).into_iter().map(|one| one.held_by).collect::<Vec<_>>();
        assert_eq!(held_by([culprit(1, "news", 3), culprit(1, "sport", 3)]), ["topics.news[] and 1 more like it"]);
        assert_eq!(held_by([culprit(1, "news", 3), culprit(2, "sport", 3)]).len(), 2, "another owner");
        assert_eq!(held_by([culprit(1, "news", 3), culprit(1, "sport", 4)]).len(), 2, "made elsewhere");
    }

    #[test]
    fn like_containers_are_counted_and_others_stay() {
        let culprit = |held_by: &str, class: &str| Culprit {
            held_by: held_by.to_owned(),
            class: class.to_owned(),
            count_delta: 10,
            share_of_growth: 0.2,
            ..Culprit::default()
        };
        let all = [culprit("a[0] (Map)", "X"), culprit("b[]", "X"), culprit("a[7] (Map)", "X"), culprit("a[1]", "Y")];
        let joined = join(all.into_iter());
        let told: Vec<_> = joined.iter().map(|culprit| (culprit.held_by.as_str(), culprit.count_delta)).collect();
        assert_eq!(told, [("a[*] (Map) and 1 more like it", 20), ("b[]", 10), ("a[1]", 10)]);
    }
}
