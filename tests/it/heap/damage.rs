//! Damaged files that were real: cut out of what the installed Node writes, then changed at random. The fuzz targets in
//! `fuzz/` do the same for hours; this is what every run of the suite covers.

use std::fs;
use std::path::Path;

use heapwatch::heap::profile::{compare_profiles, read};
use heapwatch::heap::retaining::retaining;
use heapwatch::heap::source_map::SourceMap;
use heapwatch::heap::summary::summarise;
use heapwatch::heap::verify::Verifier;
use heapwatch::heap::{LoadOptions, Snapshot, compare_snapshots};
use heapwatch::units::ByteSize;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{node, node_is_there};

/// Whatever the damage, nothing here needs more.
const OPTIONS: LoadOptions = LoadOptions { budget: Some(ByteSize::mib(64)), without_edges: false };

/// One change of a file.
#[derive(Clone, Debug)]
enum Damage {
    /// Bytes in the place of others.
    Replace { at: prop::sample::Index, length: usize, by: Vec<u8> },
    /// A digit for a digit: the file stays well-formed, and lies.
    Digit { nth: prop::sample::Index, digit: u8 },
    /// A number that is too large for its place.
    Number { nth: prop::sample::Index, number: u64 },
    /// The end is missing.
    Cut { at: prop::sample::Index },
    /// A part stands twice.
    Repeat { at: prop::sample::Index, length: usize },
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    let large =
        prop_oneof![Just(u64::MAX), Just(1 << 32), Just(u64::from(u32::MAX)), Just(1_000_000_000_000), 0u64..5000];
    prop_oneof![
        1 => (at(), 0usize..20, prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(at, length, by)| Damage::Replace { at, length, by }),
        6 => (at(), b'0'..=b'9').prop_map(|(nth, digit)| Damage::Digit { nth, digit }),
        3 => (at(), large).prop_map(|(nth, number)| Damage::Number { nth, number }),
        1 => at().prop_map(|at| Damage::Cut { at }),
        1 => (at(), 1usize..400).prop_map(|(at, length)| Damage::Repeat { at, length }),
    ]
}

impl Damage {
    fn inflict(&self, file: &mut Vec<u8>) {
        if file.is_empty() {
            return;
        }
        match self {
            Self::Replace { at, length, by } => {
                let at = at.index(file.len());
                let end = (at + length).min(file.len());
                file.splice(at..end, by.iter().copied());
            }
            Self::Digit { nth, digit } => {
                let digits: Vec<usize> = (0..file.len()).filter(|&at| file[at].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    file[digits[nth.index(digits.len())]] = *digit;
                }
            }
            Self::Number { nth, number } => {
                let is_start = |&at: &usize| file[at].is_ascii_digit() && !file[at - 1].is_ascii_digit();
                let starts: Vec<usize> = (1..file.len()).filter(is_start).collect();
                if !starts.is_empty() {
                    let start = starts[nth.index(starts.len())];
                    let length = file[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    file.splice(start..start + length, number.to_string().into_bytes());
                }
            }
            Self::Cut { at } => file.truncate(at.index(file.len())),
            Self::Repeat { at, length } => {
                let at = at.index(file.len());
                let part = file[at..(at + length).min(file.len())].to_vec();
                file.splice(at..at, part);
            }
        }
    }
}

fn damaged(file: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut file = file.to_vec();
    for damage in damages {
        damage.inflict(&mut file);
    }
    file
}

/// Runs `check` over many damaged copies of a seed.
fn check_damaged(seed: &Path, cases: u32, check: impl Fn(&[u8])) {
    let whole = fs::read(seed).unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let damages = prop::collection::vec(damage(), 1..4);
    let result = TestRunner::new(config).run(&damages, |damages| {
        check(&damaged(&whole, &damages));
        Ok(())
    });
    assert!(result.is_ok(), "{}: {result:?}", seed.display());
}

fn seeds() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    node("fuzz/seeds.mjs", &[directory.path().to_str().unwrap()]);
    directory
}

/// What loads was counted alike by the verifier, and every question about it gets an answer.
fn explore(document: &[u8]) {
    let mut verifier = Verifier::new();
    let fed = document.chunks(61).try_for_each(|piece| verifier.feed(piece));
    let Ok(snapshot) = Snapshot::read(document, OPTIONS) else { return };
    fed.unwrap();
    let facts = verifier.finish().unwrap();
    let summary = summarise(&snapshot);
    assert_eq!((summary.nodes, summary.edges), (facts.node_count, facts.edge_count));
    for node in snapshot.graph.nodes().step_by(40) {
        retaining(&snapshot, snapshot.graph.id(node)).unwrap();
    }
}

#[test]
fn damaged_snapshots_end_in_an_error_or_an_answer() {
    if !node_is_there() {
        return;
    }
    let seeds = seeds();
    check_damaged(&seeds.path().join("snapshot/after"), 1500, explore);
    let before = fs::read(seeds.path().join("snapshot/before")).unwrap();
    check_damaged(&seeds.path().join("snapshot/after"), 1500, |after| {
        let as_second = compare_snapshots(before.as_slice(), after, OPTIONS);
        let as_first = compare_snapshots(after, before.as_slice(), OPTIONS);
        for report in as_second.into_iter().chain(as_first) {
            assert!(report.culprits.iter().all(|culprit| (0.0..=1.0).contains(&culprit.share_of_growth)));
        }
    });
}

#[test]
fn damaged_profiles_and_source_maps_end_in_an_error_or_an_answer() {
    if !node_is_there() {
        return;
    }
    let seeds = seeds();
    check_damaged(&seeds.path().join("profile/leak"), 500, |documents| {
        let (before, after) = documents.split_at(documents.iter().position(|&byte| byte == 0).unwrap_or(0));
        if let (Ok(before), Ok(after)) = (read(before), read(after.get(1..).unwrap_or_default())) {
            _ = compare_profiles(&before, &after);
        }
    });
    for seed in ["source_map/plain", "source_map/sections"] {
        check_damaged(&seeds.path().join(seed), 1000, |json| {
            let Ok(map) = SourceMap::parse(json) else { return };
            for (line, column) in [(1, 1), (1, 30), (2, 9), (u32::MAX, u32::MAX), (0, 0)] {
                let found = map.lookup(line, column);
                assert!(found.is_none_or(|found| found.location.line > 0 && found.location.column > 0));
                map.class_name(line, column);
            }
        });
    }
}
