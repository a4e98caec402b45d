//! Evidence that a tight container affords: the story's service with the npm package, in 512 MB and with room.

use std::fs;

use heapwatch::evidence::CaptureKind;
use heapwatch::leak::event::PairPart;
use heapwatch::store::sidecar::Sidecar;
use serde_json::Value;

use super::pretender::Pretender;
use super::scene::{LEAK, RATE, ROOM, Scene, snapshots, target};
use crate::support::cgroup::MemoryGroup;
use crate::support::daemon::files_below;
use crate::support::node::NodeService;
use crate::support::polling::wait_for;
use crate::support::receiver::Answer;

const LOGGING: &str = include_str!("../../services/middleware/logging.js");
const SESSIONS: &str = include_str!("../../services/middleware/sessions.js");
/// Half an hour is six seconds here, so the profiler samples as much more often.
const OFTEN: (&str, &str) = ("SAMPLING_INTERVAL", "32768");

/// The line of `code` that has `part` in it, from 1.
fn line_of(code: &str, part: &str) -> usize {
    1 + code.lines().position(|line| line.contains(part)).unwrap()
}

/// The sidecars of a target's profiles, oldest first.
fn profiles(scene: &Scene, name: &str) -> Vec<Sidecar> {
    let directory = scene.daemon.home.path("snapshots").join(name);
    let files = files_below(&directory).into_iter().filter(|file| file.ends_with(".heapprofile"));
    files
        .map(|file| serde_json::from_slice(&fs::read(directory.join(file).with_extension("json")).unwrap()).unwrap())
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_container_of_512_mb_names_its_leak_by_profiles_and_nothing_is_killed() {
    let group = MemoryGroup::new(512 << 20);
    if group.is_none() {
        eprintln!("no control group can be made here: the limit is that of the configuration");
    }
    let settings = [LEAK.as_slice(), &[OFTEN, ("BASE_MB", "40")]].concat();
    let mut service = NodeService::start_in(group.as_ref(), "packaged.js", &settings);
    service.load(RATE);
    let scene = Scene::watch("tight", &service, "").await;

    let confirmed = scene.hear("tight", "leak_confirmed").await;
    let refused = confirmed["missing_snapshots"][0].as_str().unwrap_or_default();
    // Node.js gives itself about half of a container's memory for the heap, and the lower limit counts.
    assert!(refused.contains("10.0 x heapUsed") && refused.contains(" MiB less 64 MiB margin"), "{confirmed}");
    let explained = scene.hear("tight", "analysis_ready").await;
    assert_eq!(explained["evidence"]["kind"], "profile_pair", "{explained:#}");
    let says = text(&explained["evidence"]["says"]);
    assert!(says.starts_with("heap profiles (snapshot refused: needs ") && says.contains("x heapUsed"), "{says}");
    assert!(explained["details"].to_string().contains("Evidence: heap profiles (snapshot refused: "), "{explained:#}");

    let culprit = &explained["culprits"][0];
    assert_eq!(culprit["function"], "payload", "{culprit:#}");
    let caller = format!("/middleware/logging.js:{}:", line_of(LOGGING, "function logRequests("));
    assert!(text(&culprit["callers"][0]).starts_with("logRequests at "), "{culprit:#}");
    assert!(text(&culprit["callers"][0]).contains(&caller), "{culprit:#}");
    assert!(culprit["share_of_growth"].as_f64().unwrap() > 0.5, "{culprit:#}");

    let taken = profiles(&scene, "tight");
    let [before, after] = taken.as_slice() else { panic!("two profiles, not {taken:#?}") };
    assert_eq!((before.kind, before.part, after.part), (CaptureKind::HeapProfile, PairPart::First, PairPart::Second));
    assert!(before.pair.is_some() && before.pair == after.pair && before.life == after.life);
    assert!(after.at.since(before.at).as_secs_f64() >= 6.0, "the gap lies between them");
    a_person_sees_it(&scene, text(&culprit["headline"])).await;

    assert_eq!(scene.stored("tight").len(), 0, "no snapshot was taken");
    assert_eq!(scene.heard("tight", "target_restarted").len() + scene.heard("tight", "snapshot_failed").len(), 0);
    assert!(service.is_running());
    assert_eq!(group.as_ref().map_or(0, MemoryGroup::kills), 0);
    drop((scene, service));
}

async fn a_person_sees_it(scene: &Scene, headline: &str) {
    let counted = scene.daemon.metric("heapwatch_profiles_total{target=\"tight\",result=\"stored\"}").await;
    assert_eq!(counted, Some(2.0));
    let svg = scene.daemon.get("/api/v1/targets/tight/flamegraph.svg").await;
    let svg = wait_for("the flame graph", async || svg.clone()).await;
    assert!(svg.contains("<svg") && svg.contains("logRequests (logging.js:") && !svg.contains("<script"), "{svg}");
    let page = scene.daemon.get("/targets/tight").await.unwrap();
    for part in ["Which functions made what stays", "flamegraph.svg", "Evidence: <bdi>heap profiles (snapshot refused"]
    {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let explained = scene.daemon.ask(&["explain", "tight"]).await;
    let says = String::from_utf8(explained.stdout).unwrap();
    for part in [headline, "it rests on: heap profiles (snapshot refused: ", "profiles: two profiles are stored"] {
        assert!(says.contains(part), "{part} is not in {says}");
    }
    let events = scene.daemon.ask(&["events", "--target", "tight"]).await;
    let events = String::from_utf8(events.stdout).unwrap();
    assert!(events.contains("first profile stored") && events.contains("profiles compared: +"), "{events}");
}

#[tokio::test]
async fn with_room_both_kinds_of_evidence_name_the_same_line() {
    let settings = [LEAK.as_slice(), &[OFTEN, ("LEAK", "sessions")]].concat();
    let mut service = NodeService::start("packaged.js", &settings);
    service.load(RATE);
    let scene = Scene::watch("roomy", &service, ROOM).await;
    let best = async || {
        scene.heard("roomy", "analysis_ready").into_iter().find(|told| told["evidence"]["kind"] == "snapshot_pair")
    };
    let explained = wait_for("the comparison of the snapshots is told", best).await;
    let place = format!("/middleware/sessions.js:{}:", line_of(SESSIONS, "constructor(path)"));
    let culprit = &explained["culprits"][0];
    assert!(text(&culprit["location"]).contains(&place), "{culprit:#}");
    // Whichever pair was compared first, in the end the evidence has both.
    let agreed = |target: &Value| text(&target["care"]["episode"]["evidence"]).contains("the heap profiles agree");
    let status = scene.daemon.target_when("roomy", "the profiles agree", agreed).await;
    let evidence = text(&status["care"]["episode"]["evidence"]);
    assert!(evidence.starts_with("heap snapshots; ") && evidence.contains("made in Session at "), "{evidence}");
    assert!(evidence.contains(&place), "{evidence} is not at {place}");
    assert_eq!((scene.stored("roomy").len(), profiles(&scene, "roomy").len()), (2, 2));
}

/// What a target without the endpoint says is neither an error nor an alert, and it is asked once in each life.
#[tokio::test]
async fn a_target_without_the_endpoint_is_asked_once_and_nothing_is_said() {
    let leaking = Pretender::leaking([]).await;
    let scene = Scene::start(&target("api", &leaking.url(), "profile = { path = \"/admin/heap-profile\" }"), &[]).await;
    scene.hear("api", "leak_confirmed").await;
    let absent = "heapwatch_profiles_total{target=\"api\",result=\"absent\"}";
    wait_for("it is asked", async || (scene.daemon.metric(absent).await == Some(1.0)).then_some(())).await;
    let then = scene.daemon.target("api").await["watch"]["polls"].as_u64().unwrap();
    let is_later = |target: &Value| target["watch"]["polls"].as_u64().unwrap() > then + 40;
    let later = scene.daemon.target_when("api", "more than a gap has passed", is_later).await;
    assert!(text(&later["care"]["profiles"]).contains("404"), "{later:#}");
    assert_eq!(leaking.profiles(), 1);
    assert_eq!(scene.heard("api", "snapshot_failed").len(), 0);
    assert!(scene.said("api").iter().all(|kind| kind == "leak_confirmed" || kind == "leak_suspected"));
}

/// heapwatch dies between the two profiles: the second is taken by its next run, at its time.
#[tokio::test]
async fn a_kill_of_heapwatch_between_the_two_loses_nothing() {
    let service = packaged();
    let more = format!("{}\nprofile = {{ path = \"/admin/heap-profile\" }}", snapshots("api", ", daily_budget = 0"));
    let table = target("api", &service.url(""), &more);
    let mut scene = Scene::start(&table, &[("api", &service.token)]).await;
    let one = async || (profiles(&scene, "api").len() == 1).then_some(());
    wait_for("the first profile", one).await;
    scene.daemon.kill9();
    scene.daemon.start_again().await;
    let explained = scene.hear("api", "analysis_ready").await;
    assert_eq!(explained["evidence"]["kind"], "profile_pair", "{explained:#}");
    let taken = profiles(&scene, "api");
    assert_eq!(taken.len(), 2, "{taken:#?}");
    assert!(taken[1].at.since(taken[0].at).as_secs_f64() >= 6.0, "{taken:#?}");
    assert_eq!(taken[0].pair, taken[1].pair);
}

/// A profile of another process is no partner of the first.
#[tokio::test]
async fn a_restart_of_the_service_between_the_two_begins_the_pair_anew() {
    let mut service = packaged();
    let table = target("api", &service.url(""), &snapshots("api", ", daily_budget = 0"));
    let scene = Scene::start(&table, &[("api", &service.token)]).await;
    let one = async || (profiles(&scene, "api").len() == 1).then_some(());
    wait_for("the first profile", one).await;
    service.restart();
    let explained = scene.hear("api", "analysis_ready").await;
    assert_eq!(explained["evidence"]["kind"], "profile_pair", "{explained:#}");
    let taken = profiles(&scene, "api");
    let [left, first, second] = taken.as_slice() else { panic!("three profiles, not {taken:#?}") };
    assert_ne!(left.life, first.life);
    assert_eq!((first.life, &first.pair), (second.life, &second.pair));
}

/// The package tells who may not look, and heapwatch says what would be right.
#[tokio::test]
async fn a_wrong_token_is_said_where_the_evidence_is_looked_for() {
    let leaking = Pretender::leaking([]).await;
    leaking.answer_profiles(Answer::status(401));
    let scene = Scene::start(&target("api", &leaking.url(), ""), &[]).await;
    scene.hear("api", "leak_confirmed").await;
    let refused = |target: &Value| text(&target["care"]["profiles"]).contains("check the credentials");
    scene.daemon.target_when("api", "the refusal is shown", refused).await;
}

fn packaged() -> NodeService {
    let settings = [LEAK.as_slice(), &[OFTEN]].concat();
    let mut service = NodeService::start("packaged.js", &settings);
    service.load(RATE);
    service
}
