//! What is kept on disk when there is too much of it, or when it cannot be written.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use heapwatch::clock::Timestamp;
use heapwatch::store::Store;
use rusqlite::Connection;
use serde_json::Value;

use super::pretender::{Capture, Pretender};
use super::scene::{Scene, home, receiver, snapshots, tables, target};
use crate::capture::scripted::snapshot;
use crate::child;
use crate::support::polling::wait_for;
use crate::support::receiver::Answer;

#[tokio::test]
async fn retention_deletes_what_is_too_much_and_counts_it() {
    let body = String::from_utf8(snapshot(3)).unwrap();
    let captures = vec![Capture::Answers(Answer::text(200, body)); 3];
    let target_server = Pretender::leaking(captures).await;
    let table = target("api", &target_server.url(), &snapshots("api", ""));
    let scene =
        Scene::start(&format!("[retention]\nper_target = 2\nmin_free = \"0B\"\n{table}"), &[("api", "token")]).await;
    let is_well = |target: &serde_json::Value| target["watch"]["healthy_polls"].as_u64() >= Some(3);
    for count in 1..=3 {
        scene.daemon.target_when("api", "polls that succeed", is_well).await;
        assert!(scene.daemon.ask(&["snapshot", "api"]).await.status.success(), "snapshot {count}");
        wait_for("it is stored", async || (scene.heard("api", "snapshot_stored").len() == count).then_some(())).await;
    }
    let pruned = "heapwatch_storage_pruned_total{reason=\"count\"}";
    wait_for("a deletion is counted", async || scene.daemon.metric(pruned).await.filter(|count| *count >= 1.0)).await;
    assert_eq!(scene.stored("api").len(), 2);
    let deleted = scene.trail(&["--kind", "snapshot_deleted"]).await;
    assert!(deleted[0]["says"].as_str().unwrap().contains("was deleted by retention: "), "{deleted:?}");
    let asked = scene.trail(&["--kind", "snapshot_asked"]).await;
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn a_state_database_that_cannot_be_written_is_told_and_caught_up_with() {
    let steady = Pretender::steady().await;
    let scene = Scene::start(&target("api", &steady.url(), ""), &[]).await;
    let database = Connection::open(scene.daemon.home.path("state").join("heapwatch.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failures = "heapwatch_store_failures_total";
    wait_for("a failure is counted", async || scene.daemon.metric(failures).await.filter(|count| *count >= 1.0)).await;
    let broken = scene.hear("heapwatch", "trouble").await;
    assert_eq!((&broken["status"], &broken["trouble"]["subject"]), (&"firing".into(), &"state database".into()));
    database.execute_batch("ROLLBACK").unwrap();
    let told = wait_for("its end is told", async || scene.heard("heapwatch", "trouble").into_iter().nth(1)).await;
    assert_eq!(told["status"], "resolved");
    let polls = scene.daemon.target("api").await["watch"]["polls"].as_u64().unwrap();
    assert!(scene.daemon.stop().await.success());
    assert!(polls > 8, "polls went on meanwhile");
}

/// Room for a snapshot by the gate's reckoning, with its reserve, as long as nobody fills it.
const SIZE: &str = "300m";
const OWED: &str = "heapwatch_outbox_depth{channel=\"hook\"}";

/// Runs an ignored test of this file on a small disk of its own.
fn on_small_disk(options: &str, test: &str) {
    let dir = tempfile::tempdir().unwrap();
    let Some(wrapper) = child::on_small_disk(dir.path(), options) else {
        eprintln!("not tested: this user may not mount a small file system");
        return;
    };
    let mut command = child::test_alone(&format!("story::disk::{test}"), &wrapper);
    command.env("SMALL_DISK", dir.path());
    child::must_pass(command);
}

/// A leak that is watched by a daemon whose directories are on the small disk.
async fn leak_on(disk: &Path) -> (Pretender, Scene) {
    let body = String::from_utf8(snapshot(3)).unwrap();
    let leaking = Pretender::leaking(vec![Capture::Answers(Answer::text(200, body)); 4]).await;
    let (receiver, home) = (receiver().await, home(&[("api", "token")]));
    for name in ["state", "snapshots"] {
        fs::create_dir(disk.join(name)).unwrap();
        symlink(disk.join(name), home.path(name)).unwrap();
    }
    let table = target("api", &leaking.url(), &snapshots("api", ", headroom_factor = 3"));
    home.configure(&tables(&receiver, &format!("[retention]\nmin_free = \"0B\"\n{table}")));
    let scene = Scene { receiver, daemon: home.start().await };
    scene.daemon.target_when("api", "polls are stored", |target| polls(target) > 14).await;
    (leaking, scene)
}

/// The trouble is told once, the leak is found, and no snapshot is asked for whose attempt cannot be recorded.
async fn everything_goes_on_without_the_disk(scene: &Scene, leaking: &Pretender) {
    scene.hear("heapwatch", "trouble").await;
    scene.hear("api", "leak_confirmed").await;
    let skipped = scene.hear("api", "snapshot_skipped").await["skipped"]["refusals"].to_string();
    assert!(skipped.contains("could not be recorded"), "{skipped}");
    let before = polls(&scene.daemon.target("api").await);
    scene.daemon.target_when("api", "polls go on", |target| polls(target) > before + 8).await;
    assert_eq!((troubles(scene), leaking.captures()), (vec!["firing".into()], 0), "told once, and nothing captured");
}

fn polls(target: &Value) -> u64 {
    target["watch"]["polls"].as_u64().unwrap_or(0)
}

fn troubles(scene: &Scene) -> Vec<Value> {
    scene.heard("heapwatch", "trouble").iter().map(|told| told["status"].clone()).collect()
}

#[test]
fn on_a_full_disk_everything_goes_on_from_memory_and_is_caught_up_with() {
    on_small_disk(SIZE, "watched_while_the_disk_is_full");
}

#[tokio::test]
#[ignore = "runs alone, from on_a_full_disk_everything_goes_on_from_memory_and_is_caught_up_with"]
async fn watched_while_the_disk_is_full() {
    let disk = PathBuf::from(std::env::var("SMALL_DISK").unwrap());
    let (leaking, scene) = leak_on(&disk).await;
    assert!(scene.heard("api", "leak_confirmed").is_empty(), "the disk is full before that");
    let ballast = disk.join("ballast");
    fill(ballast.clone()).await;

    scene.hear("heapwatch", "trouble").await;
    scene.hear("api", "leak_confirmed").await;
    let skipped = scene.hear("api", "snapshot_skipped").await["skipped"]["refusals"].to_string();
    assert!(skipped.contains("of free disk, has") && skipped.contains("could not be recorded"), "{skipped}");
    let failures = "heapwatch_store_failures_total";
    let again = async || scene.daemon.metric(failures).await.filter(|count| *count >= 3.0);
    wait_for("the database is tried again and again", again).await;
    let before = polls(&scene.daemon.target("api").await);
    scene.daemon.target_when("api", "polls go on", |target| polls(target) > before + 8).await;
    assert_eq!((troubles(&scene), leaking.captures()), (vec!["firing".into()], 0), "told once, and nothing captured");

    fs::remove_file(&ballast).unwrap();
    wait_for("its end is told", async || (troubles(&scene) == ["firing", "resolved"]).then_some(())).await;
    scene.hear("api", "analysis_ready").await;
    wait_for("nothing is owed", async || scene.daemon.metric(OWED).await.filter(|owed| *owed < 1.0)).await;
    scene.daemon.signal(rustix::process::Signal::TERM);
    let Scene { mut daemon, receiver } = scene;
    assert!(daemon.ended().await.success());
    what_happened_meanwhile_is_stored(&disk.join("state"));
    drop(receiver);
}

/// On a thread of its own: the target and the receiver go on answering meanwhile.
async fn fill(ballast: PathBuf) {
    let filling = tokio::task::spawn_blocking(move || {
        let mut file = File::create(ballast).unwrap();
        while file.write_all(&vec![0; 1 << 20]).is_ok() {}
        // What is left is less than a megabyte.
        while file.write_all(&[0; 512]).is_ok() {}
    });
    filling.await.unwrap();
}

fn what_happened_meanwhile_is_stored(state: &Path) {
    let api = "api".parse().unwrap();
    let store = Store::attach(state).unwrap();
    let (samples, episodes, attempts, letters) = store
        .read(|reader| {
            let episodes = reader.episodes(&api)?;
            let letters = reader.letters_of(&episodes[0].id)?;
            let beginning = Timestamp::from_unix_ms(0);
            Ok((reader.samples(&api, beginning)?, episodes, reader.attempts(&api, beginning)?, letters))
        })
        .unwrap();
    let gap = samples.windows(2).map(|pair| pair[1].at.since(pair[0].at)).max().unwrap();
    assert!(gap.as_secs_f64() < 5.0, "samples taken while the disk was full are there: a gap of {gap:?}");
    assert_eq!(episodes.len(), 1);
    assert!(letters.iter().any(|letter| letter.body.contains("leak_confirmed")), "{letters:#?}");
    let outcomes: Vec<&str> = attempts.iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert!(outcomes.ends_with(&["stored", "stored"]), "{outcomes:?}");
}

#[test]
fn without_inodes_no_snapshot_is_asked_for_until_there_are_some() {
    on_small_disk(&format!("{SIZE},nr_inodes=60"), "watched_while_inodes_are_out");
}

#[tokio::test]
#[ignore = "runs alone, from without_inodes_no_snapshot_is_asked_for_until_there_are_some"]
async fn watched_while_inodes_are_out() {
    let disk = PathBuf::from(std::env::var("SMALL_DISK").unwrap());
    let (leaking, scene) = leak_on(&disk).await;
    let ballast = disk.join("ballast");
    fs::create_dir(&ballast).unwrap();
    while File::create(ballast.join(format!("{:x}", fastrand::u64(..)))).is_ok() {}
    let skipped = scene.hear("api", "snapshot_skipped").await["skipped"]["refusals"].to_string();
    assert!(skipped.contains("of free disk, has 0 B"), "{skipped}");
    scene.hear("api", "leak_confirmed").await;
    assert_eq!((troubles(&scene), leaking.captures()), (vec![], 0), "the database needs no new file");
    fs::remove_dir_all(&ballast).unwrap();
    scene.hear("api", "snapshot_stored").await;
}

#[test]
fn a_daemon_that_starts_on_a_read_only_disk_watches_and_takes_the_disk_when_it_can_be_written() {
    on_small_disk(SIZE, "started_on_a_read_only_disk");
}

#[tokio::test]
#[ignore = "runs alone, from a_daemon_that_starts_on_a_read_only_disk_watches_and_takes_the_disk_when_it_can_be_written"]
async fn started_on_a_read_only_disk() {
    let disk = PathBuf::from(std::env::var("SMALL_DISK").unwrap());
    let (leaking, mut scene) = leak_on(&disk).await;
    scene.daemon.signal(rustix::process::Signal::TERM);
    assert!(scene.daemon.ended().await.success());
    let remount = |how: &str| {
        let status = std::process::Command::new("mount").args(["-o", how]).arg(&disk).status();
        assert!(status.unwrap().success(), "mount -o {how}");
    };
    remount("remount,ro");
    let known = polls_kept(&disk);
    scene.daemon.start_again().await;
    everything_goes_on_without_the_disk(&scene, &leaking).await;

    remount("remount,rw");
    wait_for("its end is told", async || (troubles(&scene) == ["firing", "resolved"]).then_some(())).await;
    scene.hear("api", "analysis_ready").await;
    assert_eq!(scene.heard("api", "leak_confirmed").len(), 1);
    let Scene { daemon, receiver } = scene;
    assert!(daemon.stop().await.success());
    assert!(polls_kept(&disk) > known, "samples of before and after");
    drop(receiver);
}

fn polls_kept(disk: &Path) -> usize {
    let (store, _) = Store::open_or_read(&disk.join("state"), Timestamp::from_unix_ms(0)).unwrap();
    let api = "api".parse().unwrap();
    store.read(|reader| reader.samples(&api, Timestamp::from_unix_ms(0))).unwrap().len()
}

/// The kernel makes a file system read-only under whoever writes to it when it finds that the disk fails.
#[test]
fn a_disk_that_fails_under_the_daemon_stops_no_watch() {
    let dir = tempfile::tempdir().unwrap();
    let (image, disk) = (dir.path().join("image"), dir.path().join("disk"));
    fs::create_dir(&disk).unwrap();
    let (image, disk) = (image.display().to_string(), disk.display().to_string());
    let made = format!(
        "truncate -s 400M {image} && mkfs.ext4 -q -F {image} && mount -o loop,errors=remount-ro {image} {disk} && \
         test -w /sys/fs/ext4/$(basename $(findmnt -no SOURCE {disk}))/trigger_fs_error"
    );
    let may = std::process::Command::new("unshare").args(["-m", "sh", "-c", &made]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: this user may not mount a file system that can be made to fail");
        return;
    }
    let wrapper = format!("exec unshare -m sh -ec '{made}; exec \"$@\"' inner \"$@\"");
    let mut command = child::test_alone("story::disk::watched_while_the_disk_fails", &wrapper);
    command.env("SMALL_DISK", &disk);
    child::must_pass(command);
}

#[tokio::test]
#[ignore = "runs alone, from a_disk_that_fails_under_the_daemon_stops_no_watch"]
async fn watched_while_the_disk_fails() {
    let disk = PathBuf::from(std::env::var("SMALL_DISK").unwrap());
    let (leaking, scene) = leak_on(&disk).await;
    let found = std::process::Command::new("findmnt").args(["-no", "SOURCE"]).arg(&disk).output().unwrap();
    let device = String::from_utf8(found.stdout).unwrap().trim().replace("/dev/", "");
    fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").unwrap();
    everything_goes_on_without_the_disk(&scene, &leaking).await;
    assert!(scene.daemon.stop().await.success());
}
