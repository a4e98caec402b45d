//! Targets that come and go, through the real daemon: lists in files, on a server and in DNS, good ones and bad ones.

mod dns;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::daemon::{Daemon, Home};
use crate::support::faulty::{Faulty, Manner};
use crate::support::polling::wait_for;
use crate::support::receiver::{Answer, Receiver};

use dns::Zone;

const BODY: &str = r#"{"memory":{"heapUsed":"123 MB","heapTotal":"150 MB","external":"2 MB","rss":"200 MB"}}"#;
/// Fast polls, and a group that the sources name.
const GROUP: &str = "[groups.shop]\ninterval = \"200ms\"\nlabels = { team = \"payments\", env = \"prod\" }\n";

async fn service() -> Faulty {
    Faulty::start(Manner::Answers(BODY.into())).await
}

/// `127.0.0.1:PORT`.
fn address(service: &Faulty) -> String {
    service.url("").trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// Writes a file as careful programs do.
fn put(home: &Home, name: &str, text: &str) {
    let partial = home.path(&format!("{name}.new"));
    fs::write(&partial, text).unwrap();
    fs::rename(partial, home.path(name)).unwrap();
}

async fn names(daemon: &Daemon) -> Vec<String> {
    let Some(body) = daemon.get("/api/v1/targets").await else { return Vec::new() };
    let page: Value = serde_json::from_str(&body).unwrap();
    page["targets"].as_array().unwrap().iter().map(|target| target["name"].as_str().unwrap().to_owned()).collect()
}

async fn names_become(daemon: &Daemon, expected: &[&str]) {
    wait_for(&format!("{expected:?} are watched"), async || (names(daemon).await == expected).then_some(())).await;
}

/// A source as the API has it.
async fn source(daemon: &Daemon, name: &str) -> Value {
    let page: Value = serde_json::from_str(&daemon.get("/api/v1/discovery").await.unwrap()).unwrap();
    let sources = page["sources"].as_array().unwrap();
    sources.iter().find(|source| source["name"] == name).cloned().unwrap_or_default()
}

async fn source_when(daemon: &Daemon, name: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, async || Some(source(daemon, name).await).filter(&condition)).await
}

#[tokio::test]
async fn targets_come_and_go_with_the_files_that_list_them() {
    let service = service().await;
    let at = address(&service);
    let home = Home::new();
    let list = |ids: &[&str]| {
        let group = |id: &&str| json!({ "targets": [at], "labels": { "id": id, "env": "test", "__meta_zone": "a" } });
        Value::from(ids.iter().map(group).collect::<Vec<_>>()).to_string()
    };
    put(&home, "one.json", &list(&["a", "b"]));
    put(&home, "two.yml", &format!("- targets: ['{at}']\n  labels: {{ id: c }}\n"));
    home.configure(&format!(
        "{GROUP}[[file_sd]]\nname = \"files\"\nfiles = [\"./*.json\", \"./two.yml\"]\ngroup = \"shop\"\n\
         target_name = \"{{group}}-{{id}}\"\nrefresh_interval = \"200ms\"\n"
    ));
    let daemon = home.start().await;
    names_become(&daemon, &["shop-a", "shop-b", "shop-c"]).await;
    let polls = |target: &Value| target["watch"]["polls"].as_u64().unwrap_or(0);
    let target = daemon.target_when("shop-a", "it is polled", |target| polls(target) > 2).await;
    assert_eq!(target["labels"], json!({ "team": "payments", "env": "test", "id": "a" }), "its own before its group's");

    let counted = async || Some(daemon.get("/metrics").await?.contains("polls_total{target=\"shop-b\""));
    wait_for("polls of a target are counted", async || counted().await.filter(|is_counted| *is_counted)).await;

    put(&daemon.home, "one.json", &list(&["a", "d"]));
    names_become(&daemon, &["shop-a", "shop-c", "shop-d"]).await;
    wait_for("and go with it", async || counted().await.filter(|is_counted| !is_counted)).await;
    assert!(polls(&daemon.target("shop-a").await) > 2, "a target that stays is not touched");
    daemon.target_when("shop-d", "the new one is polled", |target| polls(target) > 0).await;
    let count = daemon.metric("heapwatch_discovery_targets{source=\"files\"}").await;
    assert_eq!(count, Some(3.0));

    // What was seen of it before it left is there when it is back.
    let series = async || daemon.get("/api/v1/targets/shop-b/series?signal=heapUsed").await;
    assert!(series().await.is_none(), "it is gone");
    put(&daemon.home, "one.json", &list(&["a", "b"]));
    names_become(&daemon, &["shop-a", "shop-b", "shop-c"]).await;
    let back = Instant::now();
    let points = wait_for("its history is shown", async || {
        let series: Value = serde_json::from_str(&series().await?).unwrap();
        Some(series["points"].as_array().unwrap().len()).filter(|points| *points > 0)
    })
    .await;
    assert!(points > 0 && back.elapsed() < Duration::from_mins(1));

    fs::remove_file(daemon.home.path("two.yml")).unwrap();
    let failing = source_when(&daemon, "files", "a missing file is told", |source| source["failures"] != 0).await;
    assert!(failing["last_error"].as_str().unwrap().contains("two.yml cannot be read"), "{failing:#}");
    assert_eq!(names(&daemon).await, ["shop-a", "shop-b", "shop-c"]);
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn garbage_keeps_the_last_good_list_also_over_a_restart_and_is_told_once() {
    let (service, channel) = (service().await, Receiver::willing().await);
    let home = Home::new();
    let good = json!([{ "targets": [address(&service)], "labels": { "id": "a" } }, { "targets": [address(&service)], "labels": { "id": "b" } }]);
    put(&home, "list.json", &good.to_string());
    home.configure(&format!(
        "{GROUP}[discovery]\nalert_after = 2\n[[channels]]\ntype = \"webhook\"\nurl = \"{}\"\n\
         [[file_sd]]\nname = \"files\"\nfiles = [\"./list.json\"]\ngroup = \"shop\"\ntarget_name = \"{{id}}\"\nrefresh_interval = \"200ms\"\n",
        channel.url("/")
    ));
    let mut daemon = home.start().await;
    names_become(&daemon, &["a", "b"]).await;

    let told = |status: &str| {
        let alerts: Vec<Value> = channel.taken().iter().map(|alert| alert.json()["data"].clone()).collect();
        alerts.iter().filter(|data| data["event"] == "trouble" && data["status"] == status).count()
    };
    for garbage in ["[{\"targets\": [\"h:1\"", "<html>", "[{\"targets\": 5}]"] {
        put(&daemon.home, "list.json", garbage);
        let failures = source(&daemon, "files").await["failures"].as_u64().unwrap();
        source_when(&daemon, "files", "it fails", |source| source["failures"].as_u64() > Some(failures + 2)).await;
        assert_eq!(names(&daemon).await, ["a", "b"], "{garbage}");
    }
    wait_for("the channel is told", async || (told("firing") > 0).then_some(())).await;
    let status = String::from_utf8(daemon.ask(&["status"]).await.stdout).unwrap();
    assert!(status.contains("source files (file_sd) keeps its last good list of "), "{status}");
    let failures = daemon.metric("heapwatch_discovery_failures_total{source=\"files\"}").await;
    assert!(failures > Some(5.0), "{failures:?}");

    daemon.kill9();
    daemon.start_again().await;
    assert_eq!(names(&daemon).await, ["a", "b"], "they are watched as soon as it is ready");
    source_when(&daemon, "files", "it fails still", |source| source["failures"].as_u64() > Some(3)).await;
    assert_eq!((names(&daemon).await, told("firing")), (vec!["a".to_owned(), "b".to_owned()], 1));

    put(&daemon.home, "list.json", &good.to_string());
    wait_for("its end is told", async || (told("resolved") > 0).then_some(())).await;
    assert_eq!((told("firing"), told("resolved")), (1, 1));
}

#[tokio::test]
async fn a_list_that_is_suddenly_empty_is_believed_later_and_bad_entries_are_told() {
    let service = service().await;
    let at = address(&service);
    let home = Home::new();
    let entries = json!([
        { "targets": [at], "labels": { "id": "a" } },
        { "targets": [at], "labels": { "id": "b" } },
        { "targets": [at], "labels": { "id": "a" } },
        { "targets": ["no address"], "labels": { "id": "c" } },
        { "targets": [at] },
    ]);
    put(&home, "list.json", &entries.to_string());
    home.configure(&format!(
        "{GROUP}[discovery]\nempty_after = \"3s\"\n[[file_sd]]\nname = \"files\"\nfiles = [\"./list.json\"]\ngroup = \"shop\"\n\
         target_name = \"{{id}}\"\nrefresh_interval = \"200ms\"\n[[targets]]\nname = \"own\"\ngroup = \"shop\"\nurl = \"http://{at}\"\n"
    ));
    let daemon = home.start().await;
    names_become(&daemon, &["a", "b", "own"]).await;
    let listed = source(&daemon, "files").await;
    assert_eq!((&listed["targets"], &listed["refused"]), (&json!(2), &json!(3)), "{listed:#}");
    let reasons = listed["refusals"].to_string();
    for reason in ["makes a second a", "`no address` is no address", "has no label `id`"] {
        assert!(reasons.contains(reason), "{reasons}");
    }
    put(&daemon.home, "list.json", "[]");
    let emptied = Instant::now();
    let failing = source_when(&daemon, "files", "it is told", |source| source["failures"] != 0).await;
    assert!(failing["last_error"].as_str().unwrap().contains("lists no target and had 5"), "{failing:#}");
    assert_eq!(names(&daemon).await, ["a", "b", "own"]);
    names_become(&daemon, &["own"]).await;
    assert!(emptied.elapsed() >= Duration::from_secs(3), "not before its time");
    source_when(&daemon, "files", "it is well", |source| source["failures"] == 0).await;
}

#[tokio::test]
async fn a_server_lists_targets_to_those_who_know_its_token() {
    let service = service().await;
    let list = Arc::new(Mutex::new(json!([{ "targets": [address(&service)], "labels": { "id": "a" } }]).to_string()));
    let (shown, broken) = (Arc::clone(&list), Arc::new(Mutex::new(false)));
    let is_broken = Arc::clone(&broken);
    let server = Receiver::start(move |request| {
        if *is_broken.lock().unwrap() {
            return Answer::text(200, "<html>down for maintenance");
        }
        let body = shown.lock().unwrap().clone();
        let tag = format!("\"{}\"", body.len());
        match (request.header("authorization"), request.header("if-none-match")) {
            (Some("Bearer s3cret"), Some(known)) if known == tag => Answer::status(304),
            (Some("Bearer s3cret"), _) => Answer::text(200, body).with_header("etag", tag),
            _ => Answer::status(401),
        }
    })
    .await;
    let home = Home::new().secret("token", "s3cret");
    home.configure(&format!(
        "{GROUP}[[http_sd]]\nname = \"catalogue\"\nurl = \"{}\"\ntoken_file = \"./token\"\ngroup = \"shop\"\n\
         target_name = \"{{source}}-{{id}}\"\nrefresh_interval = \"200ms\"\n",
        server.url("/sd?key=hidden")
    ));
    let daemon = home.start().await;
    names_become(&daemon, &["catalogue-a"]).await;
    wait_for("the list is not sent twice", async || {
        server.received().iter().any(|request| request.answered == Some(304)).then_some(())
    })
    .await;
    *broken.lock().unwrap() = true;
    let failing = source_when(&daemon, "catalogue", "it fails", |source| source["failures"].as_u64() > Some(2)).await;
    assert!(failing["last_error"].as_str().unwrap().contains("/sd answers with what is no list"), "{failing:#}");
    assert!(!failing.to_string().contains("hidden"), "{failing:#}");
    assert_eq!(names(&daemon).await, ["catalogue-a"]);
    *list.lock().unwrap() = json!([{ "targets": [address(&service)], "labels": { "id": "bc" } }]).to_string();
    *broken.lock().unwrap() = false;
    names_become(&daemon, &["catalogue-bc"]).await;
}

#[tokio::test]
async fn names_in_dns_expand_to_what_is_behind_them() {
    let service = service().await;
    let port: u16 = address(&service).rsplit(':').next().unwrap().parse().unwrap();
    let zone = Zone::start().await;
    zone.srv("_shop._tcp.example.", &[("localhost.", port)]);
    zone.a("shop.example.", &[[127, 0, 0, 1]]);
    let home = Home::new();
    home.configure(&format!(
        "{GROUP}[discovery]\nempty_after = \"1h\"\n\
         [[dns_sd]]\nname = \"srv\"\nnames = [\"_shop._tcp.example\"]\nserver = \"{0}\"\ngroup = \"shop\"\n\
         target_name = \"{{source}}-{{host}}\"\nrefresh_interval = \"200ms\"\ntimeout = \"2s\"\n\
         [[dns_sd]]\nname = \"a\"\nnames = [\"shop.example\"]\ntype = \"A\"\nport = {port}\nserver = \"{0}\"\ngroup = \"shop\"\n\
         target_name = \"{{source}}-{{host}}\"\nrefresh_interval = \"200ms\"\ntimeout = \"2s\"\n",
        zone.address()
    ));
    let daemon = home.start().await;
    names_become(&daemon, &["a-127.0.0.1", "srv-localhost"]).await;
    let polled = |target: &Value| target["watch"]["sample"]["rss"].is_number();
    daemon.target_when("srv-localhost", "it answers", polled).await;
    daemon.target_when("a-127.0.0.1", "it answers", polled).await;

    zone.a("shop.example.", &[[127, 0, 0, 1], [127, 0, 0, 2]]);
    names_become(&daemon, &["a-127.0.0.1", "a-127.0.0.2", "srv-localhost"]).await;
    zone.fail(true);
    let failing =
        source_when(&daemon, "a", "it cannot be resolved", |source| source["failures"].as_u64() > Some(1)).await;
    assert!(failing["last_error"].as_str().unwrap().starts_with("shop.example "), "{failing:#}");
    assert_eq!(names(&daemon).await.len(), 3);
    zone.fail(false);
    zone.a("shop.example.", &[]);
    let failing = source_when(&daemon, "a", "nothing is behind the name", |source| {
        source["last_error"].as_str().is_some_and(|why| why.contains("lists no target and had 2"))
    })
    .await;
    assert_eq!(failing["targets"], 2);
    zone.a("shop.example.", &[[127, 0, 0, 2]]);
    names_become(&daemon, &["a-127.0.0.2", "srv-localhost"]).await;
}

#[tokio::test]
async fn a_reload_takes_sources_away_and_brings_them() {
    let service = service().await;
    let home = Home::new();
    put(&home, "list.json", &json!([{ "targets": [address(&service)], "labels": { "id": "a" } }]).to_string());
    let own = format!("[[targets]]\nname = \"own\"\nurl = \"http://{}\"\n", address(&service));
    let files = |more: &str| {
        format!(
            "{own}[[file_sd]]\nname = \"files\"\nfiles = [\"./list.json\"]\ntarget_name = \"{{id}}\"\nrefresh_interval = \"200ms\"\n{more}"
        )
    };
    home.configure(&own);
    let daemon = home.start().await;
    daemon.home.configure(&files(""));
    daemon.reload().await.unwrap();
    names_become(&daemon, &["a", "own"]).await;
    daemon.home.configure(&files("group = \"shop\"\n[groups.shop]\nlabels = { team = \"x\" }\n"));
    daemon.reload().await.unwrap();
    assert_eq!(daemon.target("a").await["labels"]["team"], "x");
    daemon.home.configure(&files("group = 5\n"));
    assert!(daemon.reload().await.unwrap_err().contains("file_sd.files.group"));
    daemon.home.configure(&own);
    daemon.reload().await.unwrap();
    assert_eq!(names(&daemon).await, ["own"]);
    assert!(!daemon.home.path("state/discovery/files.json").exists());
}

/// Files of the daemon's own are private, whatever somebody's labels say.
#[tokio::test]
async fn what_is_kept_of_a_source_is_private() {
    let service = service().await;
    let home = Home::new();
    put(&home, "list.json", &json!([{ "targets": [address(&service)] }]).to_string());
    home.configure("[[file_sd]]\nname = \"files\"\nfiles = [\"./list.json\"]\nrefresh_interval = \"200ms\"\n");
    let daemon = home.start().await;
    wait_for("its list is kept", async || daemon.home.path("state/discovery/files.json").exists().then_some(())).await;
    let mode = |name: &str| fs::metadata(daemon.home.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("state/discovery"), mode("state/discovery/files.json")), (0o700, 0o600));
}

#[tokio::test]
async fn five_thousand_targets_start_change_and_reload_in_seconds() {
    const MANY: usize = 5_000;
    /// A debug build on a machine that runs other tests meanwhile; a release build takes a second.
    const SECONDS: Duration = Duration::from_mins(1);
    let home = Home::new();
    let list = |from: usize| {
        let group = |id: usize| json!({ "targets": [format!("10.{}.{}.1:3000", id / 200, id % 200)], "labels": { "team": "a" } });
        Value::from((from..from + MANY).map(group).collect::<Vec<_>>()).to_string()
    };
    put(&home, "list.json", &list(0));
    // Nobody is polled: what is measured is the list.
    let tables = "[defaults]\ninterval = \"24h\"\n[[file_sd]]\nname = \"fleet\"\nfiles = [\"./list.json\"]\nrefresh_interval = \"500ms\"\n";
    home.configure(tables);
    let began = Instant::now();
    let daemon = home.start().await;
    let count =
        async || daemon.metric("heapwatch_discovery_targets{source=\"fleet\"}").await.filter(|count| *count > 4999.0);
    wait_for("all are watched", count).await;
    let started = began.elapsed();
    let began = Instant::now();
    put(&daemon.home, "list.json", &list(100));
    let is_new = async || (!daemon.target("fleet-10.25.99.1-3000").await.is_null()).then_some(());
    wait_for("the new ones are watched", is_new).await;
    assert!(daemon.target("fleet-10.0.0.1-3000").await.is_null());
    let changed = began.elapsed();
    let began = Instant::now();
    daemon.reload().await.unwrap();
    let reloaded = began.elapsed();
    eprintln!("{MANY} targets: started in {started:?}, 100 replaced in {changed:?}, reloaded in {reloaded:?}");
    assert!(started < SECONDS && changed < SECONDS && reloaded < SECONDS, "{started:?} {changed:?} {reloaded:?}");
}
