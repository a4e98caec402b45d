//! The leak of the story is confirmed, captured and explained; its fixed neighbour and a cache that fills are left alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use heapwatch::leak::event::PairPart;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::scene::{LEAK, ROOM, Scene, service, snapshots, target};
use crate::support::polling::wait_for;

const BUG: &str = include_str!("../../services/middleware/logging.js");
/// What the bug keeps alive hangs here.
const HOLDER: &str = "process._events.uncaughtException[]";

#[tokio::test]
async fn a_leak_is_confirmed_and_explained_while_its_healthy_neighbours_raise_nothing() {
    let leaky = service("leaky.js", &LEAK);
    let fixed = service("fixed.js", &LEAK);
    // Fills in 6 s: as fast as the leak grows, beyond the warm-up, and within the 8 blocks of the shortest window also where
    // a busy machine slows it; nobody could tell a longer fill from a leak before it ends.
    let cache = [("CACHE_ENTRIES", "120"), ("CACHE_ENTRY_BYTES", "40000"), ("GC_INTERVAL_MS", "1000")];
    let cache = service("cache.js", &cache);
    let services = [("leaky", &leaky), ("fixed", &fixed), ("cache", &cache)];
    let targets = services.map(|(name, service)| target(name, &service.url(""), &snapshots(name, ROOM)));
    let tokens = services.map(|(name, service)| (name, service.token.as_str()));
    let scene = Scene::start(&targets.concat(), &tokens).await;

    scene.hear("leaky", "leak_confirmed").await;
    let polls_to_confirm = polls(&scene, "leaky").await;
    let explained = scene.hear("leaky", "analysis_ready").await;
    names_the_guilty_line(&explained);
    a_pair_of_one_life_is_stored(&scene, &explained).await;
    figures_count_it(&scene).await;
    commands_show_it(&scene, &explained).await;
    for name in ["fixed", "cache"] {
        wait_for(&format!("{name} was watched for long enough"), async || {
            (polls(&scene, name).await * 2 >= polls_to_confirm * 3).then_some(())
        })
        .await;
        let status = scene.daemon.target(name).await;
        assert_eq!(status["watch"]["verdict"]["state"], "steady", "{name}: {status:#}");
        assert_eq!(scene.said(name), [""; 0], "{name}");
    }
    assert_eq!(scene.heard("leaky", "leak_confirmed").len(), 1);
    assert_eq!(scene.heard("leaky", "analysis_ready").len(), 1);
    assert_eq!(scene.receiver.received().len(), scene.receiver.taken().len(), "every signature holds");
    assert!(scene.daemon.stop().await.success());
}

async fn polls(scene: &Scene, name: &str) -> u64 {
    scene.daemon.target(name).await["watch"]["polls"].as_u64().unwrap()
}

fn names_the_guilty_line(explained: &Value) {
    let culprit = &explained["culprits"][0];
    let line = 1 + BUG.lines().position(|line| line.contains("process.on('uncaughtException'")).unwrap();
    let location = culprit["location"].as_str().unwrap();
    assert!(location.contains(&format!("/middleware/logging.js:{line}:")), "{location}, not line {line}");
    assert_eq!(culprit["held_by"], HOLDER);
    assert!(culprit["share_of_growth"].as_f64().unwrap() > 0.5, "{culprit}");
}

async fn a_pair_of_one_life_is_stored(scene: &Scene, explained: &Value) {
    let stored = scene.stored("leaky");
    let [(first, before), (second, after)] = &stored[..] else { panic!("two snapshots, not {stored:?}") };
    assert_eq!((before.part, after.part), (PairPart::First, PairPart::Second));
    assert!(before.life.is_some() && before.life == after.life, "{before:?} {after:?}");
    assert!(before.pair.is_some() && before.pair == after.pair);
    let episode = explained["episode"].as_str();
    assert_eq!((before.episode.as_deref(), after.episode.as_deref()), (episode, episode));
    assert!(after.at.since(before.at).as_secs_f64() >= 6.0, "the gap lies between them");
    for (path, sidecar) in &stored {
        let body = fs::read(path).unwrap();
        assert_eq!(sidecar.bytes, body.len() as u64);
        assert_eq!(sidecar.sha256, hex(&Sha256::digest(&body)));
        assert!(sidecar.heap_used.is_some() && sidecar.rss.is_some() && sidecar.verdict.is_some());
        assert_eq!(mode(path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }
    assert_eq!(mode(&scene.daemon.home.path("snapshots")), 0o700);
    assert!(second.with_extension("analysis.json").exists() && second.with_extension("analysis.txt").exists());
    let summary =
        wait_for("the summary of the first", async || fs::read(first.with_extension("analysis.json")).ok()).await;
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert!(summary["containers"].as_array().is_some_and(|containers| !containers.is_empty()), "{summary}");
    let diff =
        Command::new(env!("CARGO_BIN_EXE_heapwatch")).args(["heap", "diff"]).args([first, second]).output().unwrap();
    let text = String::from_utf8(diff.stdout).unwrap();
    assert!(diff.status.success() && text.contains(HOLDER), "{text}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

async fn figures_count_it(scene: &Scene) {
    let page = scene.daemon.get("/metrics").await.unwrap();
    let version = format!("heapwatch_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    assert!(page.lines().any(|line| line == version), "{page}");
    for (figure, least, most) in [
        ("heapwatch_snapshots_total{target=\"leaky\",result=\"stored\"}", 2.0, 2.0),
        ("heapwatch_notifications_total{channel=\"hook\"}", 4.0, 4.0),
        ("heapwatch_outbox_depth{channel=\"hook\"}", 0.0, 0.0),
        ("heapwatch_polls_total{target=\"leaky\",result=\"ok\"}", 40.0, 10_000.0),
        ("heapwatch_poll_duration_seconds_count", 120.0, 30_000.0),
        ("heapwatch_storage_free_bytes", 1.0, 1e15),
        ("heapwatch_store_failures_total", 0.0, 0.0),
        ("heapwatch_config_last_reload_successful", 1.0, 1.0),
        ("heapwatch_config_last_reload_success_timestamp_seconds", 1.7e9, 1e10),
        ("heapwatch_target_up{target=\"leaky\"}", 1.0, 1.0),
        ("heapwatch_target_memory_bytes{target=\"leaky\",signal=\"heapUsed\"}", 1e6, 512e6),
        ("heapwatch_target_state{target=\"leaky\",state=\"leaking\"}", 1.0, 1.0),
        ("heapwatch_target_state{target=\"fixed\",state=\"leaking\"}", 0.0, 0.0),
        ("heapwatch_target_growth_bytes_per_second{target=\"leaky\",signal=\"heapUsed\"}", 40_000.0, 2e6),
        ("heapwatch_target_time_to_limit_seconds{target=\"leaky\"}", 60.0, 20_000.0),
    ] {
        let found = scene.daemon.metric(figure).await;
        assert!(found.is_some_and(|found| (least..=most).contains(&found)), "{figure} is {found:?}:\n{page}");
    }
}

async fn commands_show_it(scene: &Scene, explained: &Value) {
    let culprit = explained["culprits"][0]["headline"].as_str().unwrap();
    for (arguments, expected) in [
        (&["status"][..], ["leaky", "leaking", culprit]),
        (&["explain", "leaky"], ["leaking (heapUsed)", "pass  slope", culprit]),
    ] {
        let output = scene.daemon.ask(arguments).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", output.status);
        for expected in expected {
            assert!(text.contains(expected), "{arguments:?} shows {expected:?}:\n{text}");
        }
    }
}
