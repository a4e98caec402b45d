//! kill -9 of the service or of the daemon, at the worst moments.

use std::collections::BTreeSet;

use heapwatch::leak::event::PairPart;
use heapwatch::store::sidecar::Sidecar;

use super::pretender::{Capture, Pretender};
use super::scene::{LEAK, ROOM, Scene, service, snapshots, target};
use crate::capture::scripted::snapshot;
use crate::support::daemon::files_below;
use crate::support::polling::wait_for;
use crate::support::receiver::Answer;

#[tokio::test]
async fn a_service_killed_between_the_two_snapshots_starts_the_pair_anew() {
    let mut service = service("leaky.js", &LEAK);
    let scene = Scene::watch("api", &service, ROOM).await;
    scene.hear("api", "snapshot_stored").await;
    let killed = service.pid;
    service.restart();
    let restart = scene.hear("api", "target_restarted").await;
    assert_eq!(restart["restart"]["pid_before"], killed);
    assert_eq!(restart["restart"]["pid"], service.pid);

    // Each step has its own patience: on a busy machine a snapshot takes half a minute, and a comparison, at the lowest
    // priority, longer.
    for count in [2, 3] {
        let is_stored = async || (scene.heard("api", "snapshot_stored").len() >= count).then_some(());
        wait_for(&format!("snapshot {count} is stored"), is_stored).await;
    }
    let explained = scene.hear("api", "analysis_ready").await;
    let stored = scene.stored("api");
    let [(_, old), (before_path, before), (after_path, after)] = &stored[..] else {
        panic!("the first of the old life and a pair of the new one, not {stored:#?}")
    };
    assert_eq!([old.part, before.part, after.part], [PairPart::First, PairPart::First, PairPart::Second]);
    let pid = |sidecar: &Sidecar| sidecar.life.and_then(|life| life.pid);
    assert_eq!(pid(old), Some(killed.into()));
    assert_eq!(pid(before), Some(service.pid.into()));
    assert_eq!(before.life, after.life);
    assert!(before.pair == after.pair && before.pair != old.pair, "the old first is in no pair: {stored:#?}");
    let compared: Vec<_> = explained["snapshots"].as_array().unwrap().iter().map(|one| one["path"].as_str()).collect();
    assert_eq!(compared, [before_path.to_str(), after_path.to_str()]);
    assert_eq!(explained["culprits"][0]["held_by"], "process._events.uncaughtException[]");
    assert_eq!(scene.heard("api", "leak_confirmed").len(), 1, "one episode over both lives");
    let episodes: BTreeSet<_> = stored.iter().map(|(_, sidecar)| sidecar.episode.clone()).collect();
    assert_eq!(episodes, BTreeSet::from([explained["episode"].as_str().map(str::to_owned)]));
}

/// A pair counted as whole once its second had been asked for, so that this leak was never explained.
#[tokio::test]
async fn a_service_that_restarts_before_its_second_is_stored_gets_a_pair_of_its_next_life() {
    let whole = || Capture::Answers(Answer::text(200, String::from_utf8(snapshot(3)).unwrap()));
    let leaking = Pretender::leaking([whole()]).await;
    let table = target("api", &leaking.url(), &snapshots("api", ", daily_budget = 50"));
    let scene = Scene::start(&table, &[("api", "token")]).await;
    scene.hear("api", "snapshot_stored").await;
    scene.hear("api", "snapshot_failed").await;
    leaking.restart([whole(), whole()]);
    scene.hear("api", "analysis_ready").await;
    let stored = scene.stored("api");
    let lives = stored.iter().map(|(_, sidecar)| (sidecar.part, sidecar.life.and_then(|life| life.pid)));
    let lives: Vec<_> = lives.collect();
    assert_eq!(lives, [(PairPart::First, Some(100)), (PairPart::First, Some(101)), (PairPart::Second, Some(101))]);
    assert_eq!(scene.heard("api", "leak_confirmed").len(), 1, "one episode over both lives");
}

#[tokio::test]
async fn a_killed_daemon_goes_on_with_its_episode_and_says_nothing_twice() {
    let service = service("leaky.js", &LEAK);
    let mut scene = Scene::watch("api", &service, ROOM).await;
    let confirmed = scene.hear("api", "leak_confirmed").await;
    scene.daemon.target_when("api", "a capture runs", |target| target["care"]["capturing"] == "first").await;
    scene.daemon.kill9();
    let left = files_below(&scene.daemon.home.path("snapshots"));
    assert!(left.iter().all(|file| file.ends_with(".partial")), "nothing looks whole: {left:?}");

    scene.daemon.start_again().await;
    let again = scene.daemon.target("api").await;
    assert_eq!(again["care"]["episode"]["id"], confirmed["episode"], "{again:#}");
    assert_eq!(again["care"]["captures_last_day"], 1, "the attempt counts although it was cut off: {again:#}");
    let first = scene.hear("api", "snapshot_stored").await;
    assert_eq!(first["snapshots"][0]["part"], "first");
    scene.daemon.kill9();

    scene.daemon.start_again().await;
    let explained = scene.hear("api", "analysis_ready").await;
    assert_eq!(explained["episode"], confirmed["episode"]);
    assert_eq!(explained["culprits"][0]["held_by"], "process._events.uncaughtException[]");
    assert_eq!(explained["snapshots"][0], first["snapshots"][0], "the first is not taken twice");
    assert_eq!(scene.stored("api").len(), 2);
    assert_eq!(scene.daemon.target("api").await["care"]["captures_last_day"], 3);
    wait_for("nothing is owed", async || scene.daemon.metric(OWED).await.filter(|owed| *owed < 1.0)).await;
    for event in ["leak_confirmed", "analysis_ready"] {
        let ids: BTreeSet<_> = scene.heard("api", event).iter().map(|data| data["alert_id"].to_string()).collect();
        assert_eq!(ids.len(), 1, "{event}");
    }
    assert!(scene.heard("api", "target_restarted").is_empty(), "the service lived on");
}

const OWED: &str = "heapwatch_outbox_depth{channel=\"hook\"}";
