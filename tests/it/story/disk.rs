//! What is kept on disk when there is too much of it, or when it cannot be written.

use rusqlite::Connection;

use super::pretender::{Capture, Pretender};
use super::scene::{Scene, snapshots, target};
use crate::capture::scripted::snapshot;
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
