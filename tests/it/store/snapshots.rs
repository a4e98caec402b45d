//! Snapshots on disk are private, whole and complete, or they are not there.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use heapwatch::evidence::CaptureKind;
use heapwatch::leak::event::PairPart;
use heapwatch::store::sidecar::Sidecar;
use heapwatch::store::snapshots::{AnalysisForm, SnapshotDir, Swept};
use heapwatch::store::{Store, StoreError};
use heapwatch::target::TargetName;

use super::{api, at, files_below, mode, names, sidecar, store_snapshot};

#[test]
fn a_snapshot_is_private_and_complete_with_its_facts() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("state/snapshots");
    let snapshots = SnapshotDir::open(&root).unwrap();
    let stored = store_snapshot(&snapshots, PairPart::First, 0);
    assert_eq!(stored.name, "api/20251009T085320Z_first");
    assert_eq!(stored.path, root.join("api/20251009T085320Z_first.heapsnapshot"));
    assert_eq!(fs::read(&stored.path).unwrap(), b"{snapshot}");
    snapshots.put_analysis(&stored.name, AnalysisForm::Json, "{}").unwrap();
    snapshots.put_analysis(&stored.name, AnalysisForm::Text, "+1000 closures").unwrap();
    snapshots.set_pinned(&stored.name, true).unwrap();
    assert_eq!((mode(&root), mode(&root.join("api"))), (0o700, 0o700));
    let files = files_below(&root.join("api"));
    assert_eq!(files.len(), 5);
    assert!(files.values().all(|mode| *mode == 0o600), "{files:?}");
    let [found] = snapshots.inventory().unwrap().try_into().unwrap();
    assert_eq!(found.sidecar, sidecar(10, PairPart::First, 0));
    assert!(found.pinned && found.analysed);
    let on_disk: u64 = files.keys().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(found.disk_bytes, on_disk);
    assert_eq!(snapshots.analysis(&stored.name, AnalysisForm::Text).unwrap().as_deref(), Some("+1000 closures"));
}

#[test]
fn a_profile_stands_beside_a_snapshot_of_the_same_second() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = SnapshotDir::open(dir.path()).unwrap();
    let snapshot = store_snapshot(&snapshots, PairPart::First, 0);
    let partial = snapshots.begin_profile(&api(), PairPart::First, at(0)).unwrap();
    assert_eq!(snapshots.sweep().unwrap(), [], "what is being written is left alone");
    partial.writer().unwrap().write_all(b"{profile}").unwrap();
    let facts = Sidecar { kind: CaptureKind::HeapProfile, ..sidecar(9, PairPart::First, 0) };
    let profile = partial.finish(&facts).unwrap();
    assert_eq!(profile.name, "api/20251009T085320Z_profile-first");
    assert_eq!(profile.path, dir.path().join("api/20251009T085320Z_profile-first.heapprofile"));
    snapshots.put_analysis(&profile.name, AnalysisForm::FlameGraph, "<svg/>").unwrap();
    let found = snapshots.inventory().unwrap();
    let kinds: Vec<_> = found.iter().map(|stored| stored.sidecar.kind).collect();
    assert_eq!(kinds, [CaptureKind::HeapSnapshot, CaptureKind::HeapProfile]);
    assert_eq!(snapshots.sweep().unwrap(), []);
    drop(snapshots.begin_profile(&api(), PairPart::Second, at(9)).unwrap());
    snapshots.delete(&profile.name).unwrap();
    assert_eq!(names(&snapshots), [snapshot.name]);
    let files: Vec<PathBuf> = files_below(&dir.path().join("api")).into_keys().collect();
    assert_eq!(files.len(), 2, "the snapshot and its sidecar: {files:?}");
}

#[test]
fn what_a_crash_leaves_of_a_profile_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = SnapshotDir::open(dir.path()).unwrap();
    store_snapshot(&snapshots, PairPart::First, 0);
    let left = ["_profile-first.heapprofile.partial", "_profile-first.json", "_profile-second.flamegraph.svg"];
    for end in left {
        fs::write(dir.path().join(format!("api/20251009T085320Z{end}")), "{").unwrap();
    }
    let swept = snapshots.sweep().unwrap();
    assert!(swept.len() == 3 && swept.iter().all(|found| matches!(found, Swept::Removed(_))), "{swept:?}");
    assert_eq!(names(&snapshots), ["api/20251009T085320Z_first"]);
}

#[test]
fn the_inventory_is_in_order_of_time_and_a_second_holds_several() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = SnapshotDir::open(dir.path()).unwrap();
    store_snapshot(&snapshots, PairPart::Second, 1_800);
    for _ in 0..3 {
        store_snapshot(&snapshots, PairPart::First, 0);
    }
    assert_eq!(
        names(&snapshots),
        [
            "api/20251009T085320Z_first",
            "api/20251009T085320Z_first-2",
            "api/20251009T085320Z_first-3",
            "api/20251009T092320Z_second"
        ]
    );
}

#[test]
fn what_is_not_finished_goes_away() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = SnapshotDir::open(dir.path()).unwrap();
    let partial = snapshots.begin(&api(), PairPart::First, at(0)).unwrap();
    partial.writer().unwrap().write_all(b"half").unwrap();
    let while_writing: Vec<PathBuf> = files_below(&dir.path().join("api")).into_keys().collect();
    assert_eq!(while_writing, [dir.path().join("api/20251009T085320Z_first.heapsnapshot.partial")]);
    drop(partial);
    assert_eq!(files_below(&dir.path().join("api")), BTreeMap::new());
}

#[test]
fn facts_that_contradict_the_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = SnapshotDir::open(dir.path()).unwrap();
    let partial = snapshots.begin(&api(), PairPart::First, at(0)).unwrap();
    partial.writer().unwrap().write_all(b"four").unwrap();
    assert!(partial.finish(&sidecar(5, PairPart::First, 0)).is_err());
    assert_eq!(files_below(&dir.path().join("api")), BTreeMap::new());
}

#[test]
fn a_sweep_removes_leftovers_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = SnapshotDir::open(dir.path()).unwrap();
    let whole = store_snapshot(&snapshots, PairPart::First, 0);
    snapshots.put_analysis(&whole.name, AnalysisForm::Json, "{}").unwrap();
    let live = snapshots.begin(&api(), PairPart::First, at(60)).unwrap();
    let kept = files_below(dir.path());
    let put = |name: &str, content: &str| {
        fs::write(dir.path().join("api").join(name), content).unwrap();
        dir.path().join("api").join(name)
    };
    let leftovers = [
        put("20250101T000000Z_first.heapsnapshot.partial", "half"),
        put("20250101T000001Z_first.analysis.txt", "orphan"),
        put("20250101T000001Z_first.json", "orphan"),
        put("20250101T000001Z_first.json.partial", "orphan"),
        put("20250101T000001Z_first.pinned", ""),
        put("20251009T085320Z_first.analysis.json.partial", "half"),
    ];
    let foreign = [put("20250101T000002Z_first.heapsnapshot", "no sidecar"), put("notes.txt", "of a person")];
    let mut removed = Vec::new();
    let mut left_alone = Vec::new();
    for swept in snapshots.sweep().unwrap() {
        match swept {
            Swept::Removed(path) => removed.push(path),
            Swept::LeftAlone { path, .. } => left_alone.push(path),
        }
    }
    removed.sort();
    assert_eq!(removed, leftovers);
    assert_eq!(left_alone, foreign);
    let mut expected = kept;
    expected.extend(foreign.iter().map(|path| (path.clone(), mode(path))));
    assert_eq!(files_below(dir.path()), expected);
    assert_eq!(names(&snapshots), [whole.name]);
    assert_eq!(snapshots.sweep().unwrap().len(), foreign.len(), "a second sweep removes nothing more");
    drop(live);
}

#[test]
fn a_truncated_snapshot_is_reported_and_not_offered() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = SnapshotDir::open(dir.path()).unwrap();
    let stored = store_snapshot(&snapshots, PairPart::First, 0);
    fs::write(&stored.path, b"{snap").unwrap();
    assert_eq!(snapshots.inventory().unwrap(), []);
    let why = "it has 5 bytes, its sidecar says 10".to_owned();
    assert_eq!(snapshots.sweep().unwrap(), [Swept::LeftAlone { path: stored.path, why }]);
}

#[test]
fn files_that_were_moved_or_are_newer_are_reported_and_not_offered() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = SnapshotDir::open(dir.path()).unwrap();
    let stored = store_snapshot(&snapshots, PairPart::First, 0);
    fs::rename(dir.path().join("api"), dir.path().join("web")).unwrap();
    let path = dir.path().join("web/20251009T085320Z_first.heapsnapshot");
    let left_alone = |why: &str| [Swept::LeftAlone { path: path.clone(), why: why.to_owned() }];
    assert_eq!(snapshots.sweep().unwrap(), left_alone("its sidecar says it is of target api"));
    let sidecar = path.with_extension("json");
    let newer = fs::read_to_string(&sidecar).unwrap().replace("\"schema\": 1", "\"schema\": 99");
    fs::write(&sidecar, newer).unwrap();
    assert_eq!(snapshots.sweep().unwrap(), left_alone("its sidecar has schema 99, this heapwatch knows 1"));
    assert_eq!(snapshots.inventory().unwrap(), []);
    assert!(path.exists() && snapshots.delete(&stored.name).is_err());
}

#[test]
fn deleting_takes_all_files_of_a_snapshot_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = SnapshotDir::open(dir.path()).unwrap();
    let kept = store_snapshot(&snapshots, PairPart::First, 0);
    let before = files_below(dir.path());
    let gone = store_snapshot(&snapshots, PairPart::First, 0);
    snapshots.put_analysis(&gone.name, AnalysisForm::Json, "{}").unwrap();
    snapshots.set_pinned(&gone.name, true).unwrap();
    snapshots.delete(&gone.name).unwrap();
    assert_eq!(files_below(dir.path()), before);
    assert_eq!(names(&snapshots), [kept.name]);
    assert!(matches!(snapshots.delete(&gone.name), Err(StoreError::NoSuchSnapshot { .. })));
}

#[test]
fn a_name_is_never_a_path() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret.json"), "{}").unwrap();
    let snapshots = SnapshotDir::open(&dir.path().join("snapshots")).unwrap();
    fs::create_dir(dir.path().join("snapshots/api")).unwrap();
    for name in ["../secret", "api/../../secret", "api/..", "/secret", "api//secret", "secret", "", "api/", "./api/x"] {
        assert!(matches!(snapshots.delete(name), Err(StoreError::NoSuchSnapshot { .. })), "{name}");
        assert!(matches!(snapshots.set_pinned(name, true), Err(StoreError::NoSuchSnapshot { .. })), "{name}");
    }
    assert!(dir.path().join("secret.json").exists());
}

#[test]
fn directories_that_others_can_fill_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(matches!(SnapshotDir::open(dir.path()), Err(StoreError::WritableByOthers { mode: 0o1777, .. })));
    assert!(matches!(Store::open(dir.path(), at(0)), Err(StoreError::WritableByOthers { .. })));
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let snapshots = SnapshotDir::open(dir.path()).unwrap();
    fs::create_dir(dir.path().join("api")).unwrap();
    fs::set_permissions(dir.path().join("api"), Permissions::from_mode(0o777)).unwrap();
    store_snapshot(&snapshots, PairPart::First, 0);
    assert_eq!((mode(dir.path()), mode(&dir.path().join("api"))), (0o755, 0o700));
    let web = TargetName::new("web").unwrap();
    std::os::unix::fs::symlink("/tmp", dir.path().join("web")).unwrap();
    assert!(snapshots.begin(&web, PairPart::First, at(0)).is_err(), "a planted link is not followed");
}
