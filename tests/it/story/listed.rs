//! A target with an open incident that leaves its list: the incident waits for it, and is closed plainly at last.

use std::fs;

use serde_json::{Value, json};

use super::pretender::Pretender;
use super::scene::{Scene, home, receiver, tables};
use crate::support::polling::wait_for;

fn list(leaking: &Pretender, is_listed: bool) -> String {
    let address = leaking.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let ids: &[&str] = if is_listed { &["leaky"] } else { &[] };
    Value::from(ids.iter().map(|id| json!({ "targets": [address], "labels": { "id": id } })).collect::<Vec<_>>())
        .to_string()
}

async fn scene(hold: &str, leaking: &Pretender) -> Scene {
    let (receiver, home) = (receiver().await, home(&[]));
    let source = format!(
        "[discovery]\nhold = \"{hold}\"\n[[file_sd]]\nname = \"files\"\nfiles = [\"./list.json\"]\ntarget_name = \"{{id}}\"\n\
         refresh_interval = \"200ms\"\n"
    );
    fs::write(home.path("list.json"), list(leaking, true)).unwrap();
    home.configure(&tables(&receiver, &source));
    Scene { receiver, daemon: home.start().await }
}

fn put(scene: &Scene, text: &str) {
    fs::write(scene.daemon.home.path("new"), text).unwrap();
    fs::rename(scene.daemon.home.path("new"), scene.daemon.home.path("list.json")).unwrap();
}

async fn leaving(scene: &Scene) -> Vec<Value> {
    let page: Value = serde_json::from_str(&scene.daemon.get("/api/v1/discovery").await.unwrap()).unwrap();
    page["sources"][0]["leaving"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_incident_waits_for_a_target_that_flaps() {
    let leaking = Pretender::leaking([]).await;
    let mut scene = scene("1h", &leaking).await;
    let confirmed = scene.hear("leaky", "leak_confirmed").await;
    put(&scene, &list(&leaking, false));
    wait_for("it is gone", async || scene.daemon.target("leaky").await.is_null().then_some(())).await;
    assert_eq!(leaving(&scene).await[0]["name"], "leaky");
    let status = String::from_utf8(scene.daemon.ask(&["status"]).await.stdout).unwrap();
    assert!(status.contains("source files (file_sd) lists leaky no more; its incident is closed at "), "{status}");

    // A heapwatch that is started anew waits, too.
    scene.daemon.kill9();
    scene.daemon.start_again().await;
    assert_eq!(leaving(&scene).await[0]["name"], "leaky");

    put(&scene, &list(&leaking, true));
    let again =
        scene.daemon.target_when("leaky", "it is listed again", |target| !target["care"]["episode"].is_null()).await;
    assert_eq!(again["care"]["episode"]["id"], confirmed["episode"], "{again:#}");
    assert_eq!(leaving(&scene).await.len(), 0);
    assert_eq!(scene.heard("leaky", "no_longer_watched").len(), 0);
}

#[tokio::test]
async fn an_incident_of_a_target_that_stays_away_is_closed() {
    let leaking = Pretender::leaking([]).await;
    let scene = scene("2s", &leaking).await;
    let confirmed = scene.hear("leaky", "leak_confirmed").await;
    put(&scene, &list(&leaking, false));
    let closed = scene.hear("leaky", "no_longer_watched").await;
    assert_eq!((&closed["incident"], &closed["status"]), (&confirmed["incident"], &"resolved".into()));
    wait_for("nobody waits for it", async || leaving(&scene).await.is_empty().then_some(())).await;
}
