//! The state directory on real disks: modes, locks, crashes, damage and a full disk.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heapwatch::clock::Timestamp;
use heapwatch::leak::event::PairPart;
use heapwatch::store::record::{Attempt, Episode};
use heapwatch::store::sidecar::{SCHEMA, Sidecar};
use heapwatch::store::snapshots::{AnalysisForm, SnapshotDir, Stored, Swept};
use heapwatch::store::{OpenNote, Store, StoreError, Trouble};
use heapwatch::target::TargetName;

use crate::child;

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

fn remember(store: &Store, seconds: u64) -> Result<(), StoreError> {
    let attempt = Attempt { target: api(), at: at(seconds), part: PairPart::First, outcome: "stored".into() };
    store.transaction(at(seconds), |writer| {
        writer.put_attempt(&attempt)?;
        writer.put_state(&api(), "detector", &vec![seconds.to_le_bytes()[0]; 2_000])
    })
}

/// Seconds of all attempts that the store remembers.
fn remembered(store: &Store) -> Vec<u64> {
    let attempts = store.read(|reader| reader.attempts(&api(), at(0))).unwrap();
    attempts.iter().map(|attempt| attempt.at.since(at(0)).as_secs()).collect()
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

// -- the snapshot directory --

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

// -- the database --

#[test]
fn what_is_committed_is_there_after_a_restart_and_what_failed_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    remember(&store, 1).unwrap();
    let episode = Episode { id: "e1".into(), target: api(), opened: at(1), closed: None, json: "{}".into() };
    let refused = store.transaction(at(2), |writer| {
        writer.put_episode(&episode)?;
        Err::<(), _>(StoreError::Unreadable { what: "thing".into() })
    });
    assert!(refused.is_err());
    drop(store);
    let store = open(dir.path());
    assert_eq!(remembered(&store), [1]);
    assert_eq!(store.read(|reader| reader.episodes(&api())).unwrap(), []);
    assert_eq!((store.last_alive(), store.stopped_cleanly()), (Some(at(1)), true));
    let files = files_below(dir.path());
    assert!(files.values().all(|mode| *mode == 0o600), "{files:?}");
}

#[test]
fn a_second_daemon_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let error = Store::open(dir.path(), at(0)).unwrap_err();
    let expected = format!("heapwatch with process id {} since {}", std::process::id(), at(0));
    assert!(matches!(&error, StoreError::InUse { holder, .. } if *holder == expected), "{error}");
    let guest = Store::attach(dir.path()).unwrap();
    remember(&guest, 5).unwrap();
    assert_eq!(remembered(&store), [5], "a command may write beside the daemon");
    drop(store);
    assert_eq!(open(dir.path()).last_alive(), None, "a command is no daemon that is alive");
}

#[test]
fn a_command_does_not_make_a_database() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Store::attach(dir.path()), Err(StoreError::Io { .. })));
    assert_eq!(files_below(dir.path()), BTreeMap::new());
}

/// Copies a state directory as a crash would leave it: the database with its WAL, mid-run.
fn crash_copy(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["heapwatch.db", "heapwatch.db-wal"] {
        fs::copy(from.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

#[test]
fn a_torn_wal_loses_the_last_transactions_and_nothing_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for seconds in 1..=20 {
        remember(&store, seconds).unwrap();
    }
    let wal = fs::read(dir.path().join("heapwatch.db-wal")).unwrap();
    let mut most = 0;
    for length in (0..=wal.len()).step_by(1_111).chain([wal.len()]) {
        let copy = crash_copy(dir.path());
        fs::write(copy.path().join("heapwatch.db-wal"), &wal[..length]).unwrap();
        let (survivor, notes) = Store::open(copy.path(), at(100)).unwrap();
        if notes.is_empty() {
            let found = remembered(&survivor);
            assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>(), "whole transactions, in order");
            assert!(found.len() >= most, "more of the WAL never means less");
            assert!(!survivor.stopped_cleanly() || found.is_empty());
            most = found.len();
        } else {
            panic!("{length}: {notes:?}");
        }
    }
    assert_eq!(most, 20, "the whole WAL holds everything");
}

#[test]
fn a_flipped_bit_in_the_wal_ends_the_history_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for seconds in 1..=5 {
        remember(&store, seconds).unwrap();
    }
    let wal = fs::read(dir.path().join("heapwatch.db-wal")).unwrap();
    for place in (32..wal.len()).step_by(3_333) {
        let mut damaged = wal.clone();
        damaged[place] ^= 0x10;
        let copy = crash_copy(dir.path());
        fs::write(copy.path().join("heapwatch.db-wal"), damaged).unwrap();
        let (survivor, notes) = Store::open(copy.path(), at(100)).unwrap();
        assert_eq!(notes, [], "byte {place}");
        let found = remembered(&survivor);
        assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>(), "byte {place}");
    }
}

/// A database of many pages, closed orderly.
fn large_database() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for seconds in 1..=200 {
        let attempt = Attempt { target: api(), at: at(seconds), part: PairPart::First, outcome: "x".repeat(500) };
        store.transaction(at(seconds), |writer| writer.put_attempt(&attempt)).unwrap();
    }
    dir
}

#[test]
fn a_truncated_database_is_moved_aside_and_a_new_one_begun() {
    let good = large_database();
    let bytes = fs::read(good.path().join("heapwatch.db")).unwrap();
    for length in [1, 99, 100, 4_095, 4_096, 10_000, bytes.len() / 2, bytes.len() - 1] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("heapwatch.db"), &bytes[..length]).unwrap();
        let (store, notes) = Store::open(dir.path(), at(9_000)).unwrap();
        let [OpenNote::Damaged { moved_to, .. }] = notes.as_slice() else { panic!("{length}: {notes:?}") };
        assert_eq!(*moved_to, dir.path().join("heapwatch.db.damaged-20251009T112320Z"));
        assert_eq!(fs::read(moved_to).unwrap(), &bytes[..length], "not a byte of it is lost");
        remember(&store, 1).unwrap();
        assert_eq!(remembered(&store), [1]);
        drop(store);
        assert_eq!(remembered(&open(dir.path())), [1], "the next start finds all well");
    }
}

#[test]
fn a_database_that_has_vanished_is_noticed() {
    let dir = large_database();
    fs::write(dir.path().join("heapwatch.db"), b"").unwrap();
    let (_store, notes) = Store::open(dir.path(), at(0)).unwrap();
    assert!(matches!(&notes[..], [OpenNote::Damaged { why, .. }] if why == "it has only 0 bytes"), "{notes:?}");
}

#[test]
fn damage_anywhere_is_noticed_or_harmless_and_never_a_panic() {
    let good = large_database();
    let bytes = fs::read(good.path().join("heapwatch.db")).unwrap();
    let mut noticed = 0;
    for page in 0..bytes.len() / 4_096 {
        let mut damaged = bytes.clone();
        damaged[page * 4_096..page * 4_096 + 64].fill(0xa5);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("heapwatch.db"), &damaged).unwrap();
        let (store, notes) = Store::open(dir.path(), at(0)).unwrap();
        match notes.as_slice() {
            [] => assert!(remembered(&store).len() == 200, "page {page} is of no table that counts"),
            [OpenNote::Damaged { .. }] => noticed += 1,
            other => panic!("page {page}: {other:?}"),
        }
        remember(&store, 1_000).unwrap();
    }
    assert!(noticed > 10, "only {noticed} damaged pages were noticed");
}

#[test]
fn files_that_are_no_database_of_ours_are_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    for (content, why) in [(vec![b'x'; 5_000], "file is not a database"), (another_database(), "another application")] {
        fs::write(dir.path().join("heapwatch.db"), content).unwrap();
        let (store, notes) = Store::open(dir.path(), at(0)).unwrap();
        assert!(matches!(&notes[..], [OpenNote::Damaged { why: found, .. }] if found.contains(why)), "{notes:?}");
        drop(store);
    }
    let aside = |name: &str| dir.path().join(name).exists();
    assert!(aside("heapwatch.db.damaged-20251009T085320Z") && aside("heapwatch.db.damaged-20251009T085320Z-2"));
}

fn another_database() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE things (id); PRAGMA user_version = 1;").unwrap();
    drop(other);
    fs::read(path).unwrap()
}

#[test]
fn a_newer_database_is_moved_aside_whole() {
    let dir = tempfile::tempdir().unwrap();
    remember(&open(dir.path()), 1).unwrap();
    let path = dir.path().join("heapwatch.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    assert!(matches!(Store::attach(dir.path()), Err(StoreError::Version { found: 999, .. })));
    let (store, notes) = Store::open(dir.path(), at(0)).unwrap();
    let [OpenNote::Newer { moved_to, found: 999, .. }] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(remembered(&store).is_empty());
    drop(store);
    rusqlite::Connection::open(moved_to).unwrap().pragma_update(None, "user_version", 1).unwrap();
    fs::rename(moved_to, &path).unwrap();
    assert_eq!(remembered(&open(dir.path())), [1], "the newer heapwatch can go on with it");
}

#[test]
fn a_full_disk_fails_writes_until_there_is_space_again() {
    let dir = tempfile::tempdir().unwrap();
    let Some(wrapper) = child::on_small_disk(dir.path(), "3m") else {
        eprintln!("not tested: this user may not mount a small file system");
        return;
    };
    let mut command = child::test_alone("store::on_a_disk_of_3_mib", &wrapper);
    command.env("SMALL_DISK", dir.path());
    child::must_pass(command);
}

#[test]
#[ignore = "runs alone, from a_full_disk_fails_writes_until_there_is_space_again"]
fn on_a_disk_of_3_mib() {
    let disk = PathBuf::from(std::env::var("SMALL_DISK").unwrap());
    let (store, _) = Store::open(&disk.join("state"), at(0)).unwrap();
    let snapshots = SnapshotDir::open(&disk.join("snapshots")).unwrap();
    remember(&store, 1).unwrap();
    let ballast = disk.join("ballast");
    let fill = || fs::write(&ballast, vec![0; 4 << 20]).unwrap_err();
    fill();
    let mut written = 1;
    let error = loop {
        match remember(&store, written + 1) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        fill();
        assert!(written < 10_000, "the disk never fills");
    };
    assert_eq!(error.trouble(), Trouble::DiskFull, "{error:?}");
    assert_eq!(remembered(&store), (1..=written).collect::<Vec<_>>(), "reading goes on");
    assert!(snapshots.free_disk().unwrap() < 1 << 16);
    let partial = snapshots.begin(&api(), PairPart::First, at(0));
    if let Ok(partial) = partial {
        let stored = partial.writer().unwrap().write_all(&vec![0; 100_000]).err();
        assert!(stored.is_some() || partial.finish(&sidecar(100_000, PairPart::First, 0)).is_err());
    }
    assert_eq!(snapshots.inventory().unwrap(), []);
    fs::remove_file(&ballast).unwrap();
    for seconds in written + 1..written + 50 {
        remember(&store, seconds).unwrap();
    }
    store_snapshot(&snapshots, PairPart::First, 0);
    drop(store);
    let (store, notes) = Store::open(&disk.join("state"), at(0)).unwrap();
    assert_eq!(notes, []);
    assert_eq!(remembered(&store), (1..written + 50).collect::<Vec<_>>());
}
