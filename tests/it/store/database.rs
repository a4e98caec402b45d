//! The database comes up from whatever a crash, a full disk or a bad disk has left, and says so.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use heapwatch::leak::event::PairPart;
use heapwatch::store::record::{Attempt, Episode};
use heapwatch::store::snapshots::SnapshotDir;
use heapwatch::store::{OpenNote, Store, StoreError, Trouble};

use super::{api, at, files_below, open, sidecar, store_snapshot};
use crate::child;

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
fn a_daemon_and_a_command_write_at_the_same_time() {
    const EACH: u64 = 50;
    let dir = tempfile::tempdir().unwrap();
    let daemon = open(dir.path());
    let command = Store::attach(dir.path()).unwrap();
    std::thread::scope(|threads| {
        threads.spawn(|| (1..=EACH).for_each(|seconds| remember(&command, seconds).unwrap()));
        (EACH + 1..=2 * EACH).for_each(|seconds| remember(&daemon, seconds).unwrap());
    });
    assert_eq!(remembered(&daemon), (1..=2 * EACH).collect::<Vec<_>>());
}

#[test]
fn a_command_does_not_make_a_database() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Store::attach(dir.path()), Err(StoreError::Io { .. })));
    assert!(files_below(dir.path()).is_empty());
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
    for length in (0..=wal.len()).step_by(wal.len() / 50 + 7).chain([wal.len()]) {
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
    let attempts = (1..=200).map(|seconds| Attempt {
        target: api(),
        at: at(seconds),
        part: PairPart::First,
        outcome: "x".repeat(500),
    });
    let written = open(dir.path())
        .transaction(at(200), |writer| attempts.into_iter().try_for_each(|attempt| writer.put_attempt(&attempt)));
    written.unwrap();
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
fn a_damaged_page_is_noticed_unless_nothing_is_in_it() {
    const PAGE: usize = 8_192;
    let good = large_database();
    let bytes = fs::read(good.path().join("heapwatch.db")).unwrap();
    let mut noticed = 0;
    for page in (0..bytes.len()).step_by(PAGE) {
        let (store, notes) = opened_with_damage_at(&bytes, page);
        match notes.as_slice() {
            [] => assert!(remembered(&store).len() == 200, "page at {page} is of no table that counts"),
            [OpenNote::Damaged { .. }] => noticed += 1,
            other => panic!("page at {page}: {other:?}"),
        }
        remember(&store, 1_000).unwrap();
    }
    assert!(noticed > 10, "only {noticed} damaged pages were noticed");
}

/// What stands within a row no check can tell from what was written there; it must do no harm beyond that row.
#[test]
fn damage_within_rows_is_an_error_at_most() {
    let good = large_database();
    let bytes = fs::read(good.path().join("heapwatch.db")).unwrap();
    for place in (4_000..bytes.len()).step_by(7_001) {
        let (store, _) = opened_with_damage_at(&bytes, place);
        let read = store.read(|reader| reader.attempts(&api(), at(0)));
        assert!(read.is_err() || read.is_ok_and(|attempts| attempts.len() <= 200), "byte {place}");
        remember(&store, 1_000).unwrap();
    }
}

fn opened_with_damage_at(bytes: &[u8], place: usize) -> (Store, Vec<OpenNote>) {
    let dir = tempfile::tempdir().unwrap();
    let mut damaged = bytes.to_vec();
    let end = damaged.len().min(place + 64);
    damaged[place..end].fill(0xa5);
    fs::write(dir.path().join("heapwatch.db"), &damaged).unwrap();
    // The files stay open, so the directory may go.
    Store::open(dir.path(), at(0)).unwrap()
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
    let connection = rusqlite::Connection::open(&path).unwrap();
    let ours: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    connection.pragma_update(None, "user_version", 999).unwrap();
    drop(connection);
    assert!(matches!(Store::attach(dir.path()), Err(StoreError::Version { found: 999, .. })));
    let (store, notes) = Store::open(dir.path(), at(0)).unwrap();
    let [OpenNote::Newer { moved_to, found: 999, .. }] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(remembered(&store).is_empty());
    drop(store);
    rusqlite::Connection::open(moved_to).unwrap().pragma_update(None, "user_version", ours).unwrap();
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
    let mut command = child::test_alone("store::database::on_a_disk_of_3_mib", &wrapper);
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

#[test]
fn a_daemon_comes_up_on_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let Some(wrapper) = child::on_small_disk(dir.path(), "80m") else {
        eprintln!("not tested: this user may not mount a small file system");
        return;
    };
    let mut command = child::test_alone("store::database::started_on_a_full_disk", &wrapper);
    command.env("SMALL_DISK", dir.path());
    child::must_pass(command);
}

#[test]
#[ignore = "runs alone, from a_daemon_comes_up_on_a_full_disk"]
fn started_on_a_full_disk() {
    let disk = PathBuf::from(std::env::var("SMALL_DISK").unwrap());
    let state = disk.join("state");
    remember(&open(&state), 1).unwrap();
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![0; 80 << 20]).unwrap_err();
    let store = open(&state);
    assert_eq!((remembered(&store), store.last_alive()), (vec![1], Some(at(1))));
    remember(&store, 2).unwrap();
    drop(store);
    fs::remove_file(&ballast).unwrap();
    let store = open(&state);
    remember(&store, 3).unwrap();
    assert_eq!(remembered(&store), [1, 2, 3]);
    assert!(state.join("heapwatch.reserve").exists(), "put by again for the next time");
}

#[test]
fn a_read_only_disk_is_named_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(wrapper) = child::on_small_disk(dir.path(), "3m") else {
        eprintln!("not tested: this user may not mount a small file system");
        return;
    };
    let mut command = child::test_alone("store::database::on_a_disk_that_becomes_read_only", &wrapper);
    command.env("SMALL_DISK", dir.path());
    child::must_pass(command);
}

#[test]
#[ignore = "runs alone, from a_read_only_disk_is_named_and_harms_nothing"]
fn on_a_disk_that_becomes_read_only() {
    let disk = PathBuf::from(std::env::var("SMALL_DISK").unwrap());
    let remount = |how: &str| {
        let status = std::process::Command::new("mount").args(["-o", how]).arg(&disk).status();
        assert!(status.unwrap().success(), "mount -o {how}");
    };
    remember(&open(&disk.join("state")), 1).unwrap();
    remount("remount,ro");
    let error = Store::open(&disk.join("state"), at(0)).unwrap_err();
    assert_eq!(error.trouble(), Trouble::NotWritable, "{error:?}");
    let snapshots = SnapshotDir::open(&disk.join("snapshots"));
    assert_eq!(snapshots.unwrap_err().trouble(), Trouble::NotWritable);
    let (reading, _) = Store::open_or_read(&disk.join("state"), at(2)).unwrap();
    assert_eq!((remembered(&reading), reading.last_alive()), (vec![1], Some(at(1))), "what is there is read");
    assert_eq!(remember(&reading, 2).unwrap_err().trouble(), Trouble::NotWritable);
    let (empty, _) = Store::open_or_read(&disk.join("another"), at(2)).unwrap();
    assert!(remembered(&empty).is_empty(), "and where nothing is, nothing");
    assert_eq!(remember(&empty, 2).unwrap_err().trouble(), Trouble::NotWritable);
    remount("remount,rw");
    remember(&reading, 3).unwrap();
    assert!(matches!(Store::open(&disk.join("state"), at(4)), Err(StoreError::InUse { .. })), "it is taken now");
    drop(reading);
    assert_eq!(remembered(&open(&disk.join("state"))), [1, 3]);
}

#[test]
fn a_first_start_that_was_killed_early_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("heapwatch.lock"), b"").unwrap();
    fs::write(dir.path().join("heapwatch.db"), b"").unwrap();
    remember(&open(dir.path()), 1).unwrap();
}
