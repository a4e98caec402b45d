//! Heap analysis against the code of `DevTools` itself, on snapshots that the installed Node writes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use heapwatch::heap::distance::NO_DISTANCE;
use heapwatch::heap::report::{ClassRow, Report};
use heapwatch::heap::snapshot::class_names;
use heapwatch::heap::{LoadOptions, Snapshot, compare_snapshots};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn node(script: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("node").arg(repository(script)).args(arguments).output().expect("node starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "node {script} {arguments:?}: {}\n{stderr}", output.status);
    output.stdout
}

/// A pair of snapshots of one process that ran a case.
struct Pair {
    directory: tempfile::TempDir,
}

impl Pair {
    fn make(case: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().to_str().expect("a temporary directory has a plain name");
        node("tests/services/heap-cases/make.js", &[case, at]);
        Self { directory }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    fn report(&self) -> Report {
        let open = |file| File::open(self.path(file)).unwrap();
        compare_snapshots(open("before.heapsnapshot"), open("after.heapsnapshot"), LoadOptions::default()).unwrap()
    }
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
    let files = [pair.path("before.heapsnapshot"), pair.path("after.heapsnapshot")];
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

#[test]
fn every_figure_equals_that_of_devtools() {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    let pair = PAIR.get_or_init(|| Pair::make("process-listener"));
    assert_same_nodes(&pair.path("before.heapsnapshot"));
    assert_same_nodes(&pair.path("after.heapsnapshot"));
    assert_same_comparison(pair);
}
