//! The state directory on real disks: modes, locks, crashes, damage and a full disk.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod commands;
mod crash;
mod database;
mod snapshots;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heapwatch::clock::Timestamp;
use heapwatch::evidence::CaptureKind;
use heapwatch::leak::event::PairPart;
use heapwatch::store::Store;
use heapwatch::store::sidecar::{SCHEMA, Sidecar};
use heapwatch::store::snapshots::{SnapshotDir, Stored};
use heapwatch::target::TargetName;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_760_000_000_000).plus(Duration::from_secs(seconds))
}

fn api() -> TargetName {
    TargetName::new("api").unwrap()
}

fn open(dir: &Path) -> Store {
    let (store, notes) = Store::open(dir, at(0)).unwrap();
    assert_eq!(notes, []);
    store
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Every file below a directory with its mode.
fn files_below(dir: &Path) -> BTreeMap<PathBuf, u32> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        }
        let mode = mode(&path);
        found.insert(path, mode);
    }
    found
}

fn sidecar(bytes: u64, part: PairPart, seconds: u64) -> Sidecar {
    Sidecar {
        schema: SCHEMA,
        target: api(),
        kind: CaptureKind::HeapSnapshot,
        labels: BTreeMap::new(),
        life: None,
        at: at(seconds),
        part,
        pair: Some("p1".into()),
        episode: Some("e1".into()),
        bytes,
        sha256: "00".repeat(32),
        first_byte_seconds: 1.5,
        seconds: 2.5,
        node_count: 3,
        edge_count: 4,
        heap_used: Some(5),
        rss: None,
        verdict: None,
    }
}

fn store_snapshot(snapshots: &SnapshotDir, part: PairPart, seconds: u64) -> Stored {
    let partial = snapshots.begin(&api(), part, at(seconds)).unwrap();
    partial.writer().unwrap().write_all(b"{snapshot}").unwrap();
    partial.finish(&sidecar(10, part, seconds)).unwrap()
}

fn names(snapshots: &SnapshotDir) -> Vec<String> {
    snapshots.inventory().unwrap().into_iter().map(|stored| stored.name).collect()
}
