//! Captures that the safety gate refuses, and captures that cost the target its life.

use serde_json::Value;

use super::pretender::{Capture, Pretender};
use super::scene::{Scene, snapshots, target};
use crate::support::polling::wait_for;
use crate::support::receiver::Answer;

async fn watch(target_server: &Pretender, more: &str) -> Scene {
    let table = format!("{}\n{more}", snapshots("api", ", headroom_factor = 10"));
    Scene::start(&target("api", &target_server.url(), &table), &[("api", "token")]).await
}

fn text(value: &Value) -> String {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

/// The count of captures that ended so.
fn captures(result: &str) -> String {
    format!("heapwatch_snapshots_total{{target=\"api\",result=\"{result}\"}}")
}

#[tokio::test]
async fn a_capture_without_room_is_refused_with_its_sum_and_never_asked_for() {
    let leaking = Pretender::leaking([]).await;
    let scene = watch(&leaking, "memory_limit = \"200MiB\"").await;
    let skipped = scene.hear("api", "snapshot_skipped").await;
    let refusals = text(&skipped["skipped"]["refusals"]);
    assert!(refusals.contains("10.0 x heapUsed") && refusals.contains("limit 200 MiB less 64 MiB margin"), "{skipped}");
    assert!(text(&skipped["skipped"]["advice"]).contains("raise the memory limit to"), "{skipped}");
    let confirmed = scene.hear("api", "leak_confirmed").await;
    assert!(text(&confirmed["missing_snapshots"]).contains("limit 200 MiB less 64 MiB margin"), "{confirmed}");

    let asked = scene.daemon.ask(&["snapshot", "api"]).await;
    let (says, complains) = (String::from_utf8(asked.stdout).unwrap(), String::from_utf8(asked.stderr).unwrap());
    assert_eq!(asked.status.code(), Some(1), "{complains}");
    assert!(complains.contains("limit 200 MiB less 64 MiB margin"), "{complains}");
    assert!(says.contains("raise the memory limit to"), "{says}");
    let then = scene.daemon.target("api").await["watch"]["polls"].as_u64().unwrap();
    let is_later = |target: &Value| target["watch"]["polls"].as_u64().unwrap() > then + 8;
    let later = scene.daemon.target_when("api", "more polls have passed", is_later).await;
    assert!(text(&later["care"]["waiting"]["refusals"]).contains("limit 200 MiB"), "{later:#}");
    assert_eq!(scene.heard("api", "snapshot_skipped").len(), 1, "told once, not at each poll");
    assert_eq!(leaking.captures(), 0);
    let refused = "heapwatch_snapshot_skipped_total{reason=\"memory\"}";
    assert_eq!(scene.daemon.metric(refused).await, Some(1.0));
}

#[tokio::test]
async fn a_target_that_died_of_a_capture_is_not_captured_again_until_a_person_says_so() {
    let leaking = Pretender::leaking([Capture::Kills, Capture::Answers(Answer::status(401))]).await;
    let mut scene = watch(&leaking, "").await;
    let failed = scene.hear("api", "snapshot_failed").await;
    assert_eq!(failed["failed"]["disarmed"], true, "{failed}");
    scene.hear("api", "target_restarted").await;
    let target = scene.daemon.target("api").await;
    assert!(target["care"]["disarmed"].as_str().unwrap().contains("heapwatch rearm api"), "{target:#}");
    assert_eq!(scene.daemon.metric(&captures("broken")).await, Some(1.0));

    // The ban outlives the daemon. Growth is evident in the new life, too, and a snapshot would be due.
    scene.daemon.kill9();
    scene.daemon.start_again().await;
    scene.hear("api", "still_leaking").await;
    let skipped = scene.hear("api", "snapshot_skipped").await;
    assert!(text(&skipped["skipped"]["refusals"]).contains("captures of this target are off"), "{skipped}");
    assert_eq!(scene.daemon.ask(&["snapshot", "api"]).await.status.code(), Some(1));
    assert_eq!((leaking.captures(), leaking.pid()), (1, 101));

    let rearmed = scene.daemon.ask(&["rearm", "api"]).await;
    assert!(String::from_utf8(rearmed.stdout).unwrap().contains("are allowed again"));
    let trail = scene.trail(&["--kind", "rearmed"]).await;
    assert!(trail[0]["says"].as_str().unwrap().contains("allowed again by user "), "{trail:?}");
    wait_for("the capture that is due is asked for", async || (leaking.captures() == 2).then_some(())).await;
    let again = async || scene.heard("api", "snapshot_failed").into_iter().nth(1);
    let failed = wait_for("the second failure is told", again).await;
    assert_eq!(failed["failed"]["disarmed"], false, "{failed}");
    assert!(failed["failed"]["why"].as_str().unwrap().contains("credentials"), "{failed}");
    assert_eq!(scene.daemon.metric(&captures("unauthorized")).await, Some(1.0));
}
