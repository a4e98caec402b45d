//! `heapwatch gc`, `snapshots` and `history` on directories that a daemon has left or is at work on.

use std::path::Path;
use std::time::Duration;

use heapwatch::cli::gc::{self, Directories, GcArgs};
use heapwatch::cli::history::{self, HistoryArgs, HistoryError};
use heapwatch::cli::snapshots::{self, SnapshotsAction, SnapshotsArgs};
use heapwatch::leak::event::PairPart;
use heapwatch::retention::Policy;
use heapwatch::sample::Sample;
use heapwatch::status::trail::{TrailEvent, TrailQuery};
use heapwatch::store::Store;
use heapwatch::store::record::Episode;
use heapwatch::store::snapshots::SnapshotDir;
use heapwatch::target::TargetName;
use heapwatch::units::ByteSize;

use super::{api, at, names, open, store_snapshot};

/// A directory with the pair of episode `e1` and a second pair, all older than any policy allows.
fn old_pairs(root: &Path) -> SnapshotDir {
    let snapshots = SnapshotDir::open(&root.join("snapshots")).unwrap();
    store_snapshot(&snapshots, PairPart::First, 0);
    store_snapshot(&snapshots, PairPart::Second, 1_800);
    snapshots
}

fn gc(args: &GcArgs, root: &Path) -> String {
    let policy = Policy { max_age: Duration::ZERO, min_free: ByteSize::new(0), ..Policy::default() };
    let directories = Directories { snapshots: &root.join("snapshots"), state: &root.join("state") };
    let mut out = Vec::new();
    gc::run(args, directories, &policy, at(9_000), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn with_episode(root: &Path, closed: bool) {
    let closed = closed.then(|| at(2_000));
    let episode = Episode { id: "e1".into(), target: api(), opened: at(0), closed, json: "{}".into() };
    open(&root.join("state")).transaction(at(2_000), |writer| writer.put_episode(&episode)).unwrap();
}

fn list(args: &SnapshotsArgs, root: &Path) -> String {
    let mut out = Vec::new();
    let directories = Directories { snapshots: &root.join("snapshots"), state: &root.join("state") };
    snapshots::run(args, directories, at(9_000), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn gc_shows_what_it_would_do_and_then_does_it() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = old_pairs(dir.path());
    with_episode(dir.path(), true);
    let shown = gc(&GcArgs { dry_run: true, json: false }, dir.path());
    let first = "would delete api/20251009T085320Z_first (";
    assert!(shown.starts_with(first) && shown.contains("older than max_age"), "{shown}");
    assert!(shown.trim_end().ends_with("in 2 of 2 snapshots"), "{shown}");
    assert_eq!(names(&snapshots).len(), 2, "a dry run deletes nothing");
    let done: serde_json::Value =
        serde_json::from_str(&gc(&GcArgs { dry_run: false, json: true }, dir.path())).unwrap();
    assert_eq!(done["deleted"][1]["id"], "api/20251009T092320Z_second");
    assert_eq!((done["deleted"][1]["why"].as_str(), done["kept"].as_u64()), (Some("age"), Some(0)));
    assert!(names(&snapshots).is_empty());
}

#[test]
fn gc_keeps_the_pair_of_a_leak_that_is_not_known_to_be_resolved() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = old_pairs(dir.path());
    assert_eq!(gc(&GcArgs::default(), dir.path()), "freed 0 B in 0 of 2 snapshots\n", "no database knows");
    with_episode(dir.path(), false);
    assert_eq!(gc(&GcArgs::default(), dir.path()), "freed 0 B in 0 of 2 snapshots\n", "it is open");
    assert_eq!(names(&snapshots).len(), 2);
}

#[test]
fn a_pinned_snapshot_outlives_gc() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = old_pairs(dir.path());
    with_episode(dir.path(), true);
    let id = "api/20251009T085320Z_first";
    let act = |action| list(&SnapshotsArgs { action: Some(action), json: false }, dir.path());
    assert_eq!(act(SnapshotsAction::Pin { id: id.into() }), format!("{id} is pinned now\n"));
    assert_eq!(act(SnapshotsAction::Pin { id: id.into() }), format!("{id} was pinned already\n"));
    let listed = list(&SnapshotsArgs::default(), dir.path());
    assert!(listed.lines().any(|line| line.contains(id) && line.contains("pinned")), "{listed}");
    gc(&GcArgs::default(), dir.path());
    assert_eq!(names(&snapshots), [id]);
    assert_eq!(act(SnapshotsAction::Unpin { id: id.into() }), format!("{id} is left to retention now\n"));
    gc(&GcArgs::default(), dir.path());
    assert_eq!(list(&SnapshotsArgs::default(), dir.path()), "no snapshots are stored\n");
    let store = Store::attach(&dir.path().join("state")).unwrap();
    let trail = store.read(|reader| reader.events(&TrailQuery::default(), at(9_000))).unwrap().events;
    let kinds: Vec<&str> = trail.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["snapshot_pinned", "snapshot_deleted", "snapshot_unpinned", "snapshot_deleted"]);
    assert!(trail.iter().all(|event| event.target == Some(api())), "{trail:?}");
    let by = |event: &TrailEvent| event.says.contains("by user ");
    assert!(trail.iter().all(by), "{trail:?}");
}

#[test]
fn commands_create_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("snapshots");
    let directories = Directories { snapshots: &root, state: dir.path() };
    assert!(snapshots::run(&SnapshotsArgs::default(), directories, at(0), &mut Vec::new()).is_err());
    assert!(gc::run(&GcArgs::default(), directories, &Policy::default(), at(0), &mut Vec::new()).is_err());
    assert!(!root.exists());
}

#[test]
fn snapshots_are_listed_with_their_facts() {
    let dir = tempfile::tempdir().unwrap();
    old_pairs(dir.path());
    let listed = list(&SnapshotsArgs { action: None, json: true }, dir.path());
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[1]["id"], "api/20251009T092320Z_second");
    assert_eq!(listed[1]["facts"]["part"], "second");
    assert_eq!(listed[1]["pinned"], false);
}

#[test]
fn history_gives_back_as_csv_what_was_polled() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let samples: Vec<Sample> = (0..200)
        .map(|poll| Sample {
            heap_used: Some((100 + poll) << 20),
            requests: Some(1_000 * poll),
            uptime: Some(Duration::from_secs(30 * poll)),
            ..Sample::empty(at(30 * poll))
        })
        .collect();
    store.transaction(at(6_000), |writer| writer.append_samples(&api(), &samples)).unwrap();
    let print = |args: &HistoryArgs| {
        let mut out = Vec::new();
        history::run(args, dir.path(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let all = HistoryArgs { target: api(), csv: true, since: None };
    let trace = print(&all);
    let lines: Vec<&str> = trace.lines().collect();
    assert_eq!(lines[0], "time,heapUsed,heapTotal,external,arrayBuffers,rss,requests,uptime");
    assert_eq!(lines[2], "1760000030.000,105906176,,,,,1000,30.000");
    assert_eq!(lines.len(), 201);
    let recent = print(&HistoryArgs { since: Some(Duration::from_mins(1)), ..all.clone() });
    assert_eq!(recent.lines().count(), 4);
    let by_the_hour = print(&HistoryArgs { csv: false, ..all.clone() });
    assert!(by_the_hour.contains("100 MiB to 1"), "{by_the_hour}");
    let unknown = HistoryArgs { target: TargetName::new("apu").unwrap(), ..all };
    let error = history::run(&unknown, dir.path(), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, HistoryError::Nothing { .. }));
    assert_eq!(error.to_string(), "no samples of `apu` are stored; there are samples of api");
}
