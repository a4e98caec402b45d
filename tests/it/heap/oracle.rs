//! Every figure against the code of `DevTools` itself, node by node.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use heapwatch::heap::distance::NO_DISTANCE;
use heapwatch::heap::report::ClassRow;
use heapwatch::heap::snapshot::class_names;
use heapwatch::heap::summary::{ClassSize, summarise};
use heapwatch::heap::{LoadOptions, Snapshot};

use super::{Pair, node, node_is_there, repository};

/// Installs the pinned worker of `DevTools`, once.
fn install_oracle() {
    if !repository("tests/oracle/node_modules/chrome-devtools-frontend").exists() {
        let directory = repository("tests/oracle");
        let output =
            Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "npm ci in tests/oracle: {}", String::from_utf8_lossy(&output.stderr));
    }
    node("tests/oracle/bundle.mjs", &[]);
}

/// One line of the oracle: id, shallow size, retained size, dominator, distance, class.
fn our_nodes(file: &Path) -> Vec<String> {
    let snapshot = Snapshot::read(File::open(file).unwrap(), LoadOptions::default()).unwrap();
    let (of_nodes, classes) = class_names(&snapshot);
    let line = |node| {
        let graph = &snapshot.graph;
        let distance = match snapshot.distances.get(node) {
            NO_DISTANCE => -5,
            distance => i64::from(distance),
        };
        let class = serde_json::to_string(&classes.get(of_nodes[node.index()]).name).unwrap();
        let (size, retained) = (graph.size(node), snapshot.tree.retained(node));
        let dominator = graph.id(snapshot.tree.parent(node));
        format!("{} {size} {retained} {dominator} {distance} {class}", graph.id(node))
    };
    snapshot.graph.nodes().map(line).collect()
}

fn assert_same_nodes(file: &Path) {
    let theirs = node("tests/oracle/oracle.mjs", &["nodes", file.to_str().unwrap()]);
    let theirs = String::from_utf8(theirs).unwrap();
    let ours = our_nodes(file);
    assert_eq!(ours.len(), theirs.lines().count());
    let different: Vec<_> = ours.iter().zip(theirs.lines()).filter(|(ours, theirs)| ours != theirs).collect();
    assert!(
        different.is_empty(),
        "{} lines differ, such as {:#?}",
        different.len(),
        &different[..different.len().min(5)]
    );
}

#[derive(serde::Deserialize)]
struct OracleRow {
    key: String,
    #[serde(flatten)]
    row: ClassRow,
}

fn assert_same_comparison(pair: &Pair) {
    let files = [pair.before(), pair.after()];
    let [before, after] = files.each_ref().map(|file| file.to_str().unwrap());
    let theirs = String::from_utf8(node("tests/oracle/oracle.mjs", &["diff", before, after])).unwrap();
    let mut expected: Vec<ClassRow> = Vec::new();
    for line in theirs.lines() {
        let row: OracleRow = serde_json::from_str(line).unwrap();
        assert!(!row.key.is_empty());
        expected.push(row.row);
    }
    let sorted = |rows: Vec<ClassRow>| {
        let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows {
            by_name.entry(row.name.clone()).or_default().push(format!("{row:?}"));
        }
        for rows in by_name.values_mut() {
            rows.sort();
        }
        by_name
    };
    let (ours, theirs) = (sorted(pair.report().classes), sorted(expected));
    for name in ours.keys().chain(theirs.keys()) {
        assert_eq!(ours.get(name), theirs.get(name), "{name}");
    }
}

fn assert_same_classes(file: &Path) {
    let theirs = String::from_utf8(node("tests/oracle/oracle.mjs", &["classes", file.to_str().unwrap()])).unwrap();
    let mut theirs: Vec<ClassSize> = theirs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let snapshot = Snapshot::read(File::open(file).unwrap(), LoadOptions::default()).unwrap();
    let mut ours = summarise(&snapshot).classes;
    let by_name = |a: &ClassSize, b: &ClassSize| (&a.name, a.count, a.retained).cmp(&(&b.name, b.count, b.retained));
    theirs.sort_by(by_name);
    ours.sort_by(by_name);
    let differing: Vec<_> = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).take(5).collect();
    assert!(differing.is_empty() && ours.len() == theirs.len(), "{differing:#?}");
}

#[test]
fn every_figure_equals_that_of_devtools() {
    if !node_is_there() {
        return;
    }
    install_oracle();
    for case in ["process-listener", "unresolved-await"] {
        let pair = Pair::make(case);
        assert_same_nodes(&pair.before());
        assert_same_nodes(&pair.after());
        assert_same_classes(&pair.after());
        assert_same_comparison(&pair);
    }
}
