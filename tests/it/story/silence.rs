//! Silences: what they hold back, what they never do, and what is left of both in the audit trail.

use serde_json::Value;

use super::scene::{Scene, events, home, receiver, tables};
use super::switch::Switch;
use crate::support::daemon::Daemon;
use crate::support::polling::wait_for;

async fn watch(switch: &Switch) -> Scene {
    let scene = Scene::start(&switch.table("api"), &[]).await;
    scene.daemon.target_when("api", "it is polled", |target| target["watch"]["sample"].is_object()).await;
    scene
}

/// The id of a new silence.
async fn silence(daemon: &Daemon, arguments: &[&str]) -> String {
    let output =
        daemon.ask(&[&["silence", "add", "--json", "--why", "deploy 17", "--by", "alice"], arguments].concat()).await;
    assert!(output.status.success(), "{output:?}");
    let silence: Value = serde_json::from_slice(&output.stdout).unwrap();
    silence["id"].as_str().unwrap().to_owned()
}

/// Waits until the webhook's outbox holds this many alerts back.
async fn held(daemon: &Daemon, count: u64) {
    wait_for(&format!("{count} alerts held back"), async || {
        let channels: Value = serde_json::from_str(&daemon.get("/api/v1/channels").await?).unwrap();
        let hook = channels["channels"].as_array()?.iter().find(|channel| channel["name"] == "hook")?.clone();
        (hook["held"] == count).then_some(())
    })
    .await;
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_outage_in_a_silence_is_told_when_the_silence_ends_also_after_a_kill() {
    let switch = Switch::on().await;
    let mut scene = watch(&switch).await;
    let id = silence(&scene.daemon, &["--target", "ap*", "--for", "1h"]).await;
    switch.turn(false);
    held(&scene.daemon, 1).await;
    assert!(scene.said("api").contains(&"target_down".to_owned()), "it is evidence all the same");

    scene.daemon.kill9();
    scene.daemon.start_again().await;
    held(&scene.daemon, 1).await;
    let status = scene.daemon.target("api").await;
    assert_eq!(
        (&status["care"]["silenced"]["id"], &status["care"]["silenced"]["by"]),
        (&id.as_str().into(), &"alice".into())
    );
    assert_eq!(scene.daemon.metric("heapwatch_silences").await, Some(1.0));
    let shown = String::from_utf8(scene.daemon.ask(&["status"]).await.stdout).unwrap();
    assert!(shown.contains("ap* is silenced until ") && shown.contains("by alice because: deploy 17"), "{shown}");
    assert_eq!(scene.heard("api", "target_down").len(), 0);

    let start: String = id.chars().take(4).collect();
    let ended = scene.daemon.ask(&["silence", "end", &start, "--by", "bob"]).await;
    assert!(ended.status.success(), "{ended:?}");
    let told = scene.hear("api", "target_down").await;
    assert_eq!((&told["silenced"]["by"], &told["silenced"]["why"]), (&"alice".into(), &"deploy 17".into()));
    switch.turn(true);
    assert!(scene.hear("api", "target_up").await["silenced"].is_null());
    assert_eq!(scene.heard("api", "target_down").len(), 1);

    let trail = events(&scene.daemon, &["--kind", "silence"]).await;
    assert_eq!(kinds(&trail), ["silence_added", "silence_ended"]);
    assert!(trail[1]["says"].as_str().unwrap().contains("was ended by bob"), "{trail:?}");
}

#[tokio::test]
async fn the_end_of_what_was_told_is_told_in_a_silence() {
    let switch = Switch::on().await;
    let scene = watch(&switch).await;
    switch.turn(false);
    scene.hear("api", "target_down").await;
    silence(&scene.daemon, &["--label", "team=pay*", "--for", "1h"]).await;
    switch.turn(true);
    let told = scene.hear("api", "target_up").await;
    assert_eq!(told["silenced"]["why"], "deploy 17");
    assert!(told["details"].to_string().contains("by alice because: deploy 17"), "{told}");
}

#[tokio::test]
async fn what_began_and_ended_in_a_silence_is_in_the_trail_alone() {
    let switch = Switch::on().await;
    let scene = watch(&switch).await;
    silence(&scene.daemon, &["--all", "--for", "3s"]).await;
    switch.turn(false);
    held(&scene.daemon, 1).await;
    switch.turn(true);
    held(&scene.daemon, 0).await;
    wait_for("the silence is over", async || {
        scene.daemon.metric("heapwatch_silences").await.filter(|count| *count < 1.0)
    })
    .await;
    let trail = events(&scene.daemon, &["--target", "api"]).await;
    let kinds = kinds(&trail);
    for kind in ["target_down", "target_up", "withdrawn"] {
        assert!(kinds.contains(&kind), "{kind} is not in {kinds:?}");
    }
    assert!(!kinds.contains(&"delivered"), "{kinds:?}");
    assert!(scene.receiver.received().is_empty());
}

#[tokio::test]
async fn a_silence_that_would_cover_nobody_is_refused_with_the_nearest_name() {
    let switch = Switch::on().await;
    let scene = watch(&switch).await;
    for (arguments, complaint) in [
        (&["--target", "apii", "--for", "1h", "--why", "x"][..], "no target is named `apii`; did you mean `api`?"),
        (&["--all", "--for", "8d", "--why", "x"], "after 7days at most"),
        (&["--all", "--for", "1h", "--why", " "], "needs a reason"),
    ] {
        let output = scene.daemon.ask(&[&["silence", "add"], arguments].concat()).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(complaint), "{said}");
    }
    let output = scene.daemon.ask(&["silence", "end", "zzz"]).await;
    assert!(String::from_utf8(output.stderr).unwrap().contains("no silence has the id `zzz`"));
    assert_eq!(scene.daemon.metric("heapwatch_silences").await, Some(0.0));
}

#[tokio::test]
async fn the_trail_has_everything_in_order_and_is_read_also_where_no_daemon_runs() {
    let switch = Switch::on().await;
    let (receiver, home) = (receiver().await, home(&[]));
    home.configure(&tables(&receiver, &switch.table("api")));
    let mut scene = Scene { receiver, daemon: home.start().await };
    switch.turn(false);
    scene.hear("api", "target_down").await;
    wait_for("the delivery is in the trail", async || {
        let trail = events(&scene.daemon, &["--kind", "delivered"]).await;
        (trail.len() == 1 && trail[0]["detail"]["channel"] == "hook").then_some(())
    })
    .await;
    scene.daemon.reload().await.unwrap();
    scene.daemon.signal(rustix::process::Signal::TERM);
    scene.daemon.ended().await;

    let config = scene.daemon.home.path("heapwatch.toml").display().to_string();
    let trail = events(&scene.daemon, &["--config", &config]).await;
    let positions = ["started", "target_down", "delivered", "reloaded", "stopped"].map(|kind| {
        kinds(&trail).iter().position(|known| *known == kind).unwrap_or_else(|| panic!("no {kind}: {trail:?}"))
    });
    assert!(positions.is_sorted(), "{:?}", kinds(&trail));
    let ids: Vec<i64> = trail.iter().map(|event| event["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
}
