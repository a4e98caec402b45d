//! What operators rely on besides the story itself: routes, reminders, dead letters, keys that change, and the trail.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use heapwatch::clock::Timestamp;
use heapwatch::daemon::clock::Clock;
use heapwatch::status::trail::Topic;
use heapwatch::store::Store;
use heapwatch::store::record::AuditEvent;
use serde_json::Value;

use super::pretender::Pretender;
use super::scene::{Scene, events, home, receiver, tables, target};
use super::switch::Switch;
use crate::support::daemon::Daemon;
use crate::support::polling::wait_for;
use crate::support::receiver::{Answer, Receiver, services};

const TIMES: &str = "[alerts]\nfirst_retry = \"100ms\"\nlongest_retry = \"500ms\"\n[defaults]\n";

async fn is_polled(daemon: &Daemon) {
    daemon.target_when("api", "it is polled", |target| target["watch"]["sample"].is_object()).await;
}

#[tokio::test]
async fn events_are_followed_as_they_happen_and_an_unknown_kind_is_named() {
    let switch = Switch::on().await;
    let scene = Scene::start(&switch.table("api"), &[]).await;
    is_polled(&scene.daemon).await;
    let server = format!("unix:{}", scene.daemon.home.path("socket").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
    command.args(["events", "--follow", "--kind", "alert", "--server", &server]);
    let mut following = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(following.stdout.take().unwrap()).lines();
    switch.turn(false);
    let down = tokio::task::spawn_blocking(move || {
        let mut lines = lines.map(|line| line.unwrap());
        lines.find(|line| line.contains("target_down"))
    });
    let down = tokio::time::timeout(Duration::from_mins(2), down).await.expect("it is told").unwrap();
    assert!(down.is_some_and(|line| line.contains("api")), "the line names the target");
    assert!(following.try_wait().unwrap().is_none(), "it goes on");
    following.kill().unwrap();
    following.wait().unwrap();

    let unknown = scene.daemon.ask(&["events", "--kind", "leak_confimed"]).await;
    let complaint = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(unknown.status.code(), Some(64), "{complaint}");
    assert!(complaint.contains("no event is of kind `leak_confimed`; the nearest is `leak_confirmed`"), "{complaint}");
}

/// A channel that was mended while no daemon ran is tried as soon as there is one.
#[tokio::test]
async fn a_channel_is_mended_while_no_daemon_runs() {
    let switch = Switch::on().await;
    let gone = Receiver::start(|request| {
        let is_test = request.json()["data"]["event"] == "test";
        Answer::status(if is_test { 204 } else { 410 })
    })
    .await;
    let home = home(&[]);
    let channel = format!("[[channels]]\ntype = \"webhook\"\nname = \"gone\"\nurl = \"{}\"\n", gone.url("/hook"));
    home.configure(&format!("{TIMES}{channel}{}", switch.table("api")));
    let mut daemon = home.start().await;
    is_polled(&daemon).await;
    switch.turn(false);
    let broken = "heapwatch_channel_broken{channel=\"gone\"}";
    wait_for("it is broken", async || daemon.metric(broken).await.filter(|broken| *broken > 0.0)).await;
    daemon.kill9();

    let config = daemon.home.path("heapwatch.toml").display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
    command.args(["test-alert", "--config", &config, "gone"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let before = gone.received().len();
    daemon.start_again().await;
    wait_for("what is owed is tried anew", async || (gone.received().len() > before).then_some(())).await;
    let mended = events(&daemon, &["--kind", "channel_mended"]).await;
    assert!(mended[0]["says"].as_str().unwrap().contains("a test alert got through"), "{mended:?}");
}

#[tokio::test]
async fn reminders_come_as_often_as_the_route_says() {
    let leaking = Pretender::leaking([]).await;
    let routes = "[[routes]]\nlabels = { team = \"pay*\" }\nchannels = [\"hook\"]\nrepeat_interval = \"2s\"\n\
                  [[routes]]\nchannels = [\"hook\"]\nrepeat_interval = \"1h\"\n";
    let receiver = receiver().await;
    let home = home(&[]);
    let other = Pretender::leaking([]).await;
    let targets = [
        target("api", &leaking.url(), "labels = { team = \"payments\" }"),
        target("mail", &other.url(), "labels = { team = \"mail\" }"),
    ];
    home.configure(&tables(&receiver, &format!("{routes}{}", targets.concat())));
    let scene = Scene { receiver, daemon: home.start().await };
    for name in ["api", "mail"] {
        scene.hear(name, "leak_confirmed").await;
    }
    wait_for("three reminders", async || (scene.heard("api", "leak_reminder").len() >= 3).then_some(())).await;
    assert!(scene.heard("mail", "leak_reminder").is_empty(), "once an hour");
}

#[tokio::test]
async fn what_is_too_old_to_be_told_is_counted_and_kept_in_the_trail() {
    let switch = Switch::on().await;
    let down = Receiver::start(|_| Answer::status(503)).await;
    let home = home(&[]);
    let channel = format!("[[channels]]\ntype = \"webhook\"\nname = \"hook\"\nurl = \"{}\"\n", down.url("/hook"));
    let times = TIMES.replace("[defaults]", "ttl = \"4s\"\n[defaults]");
    home.configure(&format!("{times}{channel}{}", switch.table("api")));
    let daemon = home.start().await;
    is_polled(&daemon).await;
    switch.turn(false);
    let given_up = "heapwatch_dead_letters_total{channel=\"hook\"}";
    wait_for("it is given up", async || daemon.metric(given_up).await.filter(|count| *count >= 1.0)).await;
    let told = events(&daemon, &["--kind", "given_up"]).await;
    assert!(
        told[0]["says"].as_str().unwrap().contains("target_down given up on hook: not delivered in time"),
        "{told:?}"
    );
    assert!(down.received().len() > 3, "it was tried again and again");
}

/// The service behind the new key knows nothing of what the old one has open.
#[tokio::test]
async fn a_page_is_resolved_with_the_key_that_opened_it() {
    const KEYS: [&str; 2] = ["R0123456789ABCDEF0123456789ABCDE", "RABCDEF0123456789ABCDEF012345678"];
    let switch = Switch::on().await;
    let pager = Receiver::start(services::pagerduty).await;
    let home = home(&[]).secret("old.key", KEYS[0]).secret("new.key", KEYS[1]);
    let tables = |key: &str| {
        format!(
            "{TIMES}[[channels]]\ntype = \"pagerduty\"\nname = \"pager\"\nurl = \"{}\"\nrouting_key_file = \"./{key}.key\"\n{}",
            pager.url("/v2/enqueue"),
            switch.table("api")
        )
    };
    home.configure(&tables("old"));
    let daemon = home.start().await;
    is_polled(&daemon).await;
    switch.turn(false);
    let of_action = |action: &str| {
        let mut events = pager.taken().into_iter().map(|request| request.json());
        events.find(|event| event["event_action"] == action)
    };
    let opened = wait_for("it is paged", async || of_action("trigger")).await;
    daemon.home.configure(&tables("new"));
    daemon.reload().await.unwrap();
    switch.turn(true);
    let closed = wait_for("it is resolved", async || of_action("resolve")).await;
    assert_eq!((&opened["routing_key"], &closed["routing_key"]), (&KEYS[0].into(), &KEYS[0].into()));
    assert_eq!(opened["dedup_key"], closed["dedup_key"]);
    switch.turn(false);
    let again = async || {
        let mut events = pager.taken().into_iter().map(|request| request.json());
        events.find(|event| event["routing_key"] == KEYS[1])
    };
    assert_eq!(wait_for("the next goes to the new key", again).await["event_action"], "trigger");
}

/// A daemon that is restarted more often than it keeps house used to forget nothing.
#[tokio::test]
async fn the_trail_is_cut_at_the_age_that_the_configuration_says() {
    let steady = Pretender::steady().await;
    let home = home(&[]);
    home.configure(&format!("{TIMES}[retention]\nevent_age = \"2h\"\n{}", target("api", &steady.url(), "")));
    let now = Clock::start().now();
    let event = |at: Timestamp, says: &str| AuditEvent::new(at, Topic::Daemon, "started", says);
    let (store, _) = Store::open(&home.path("state"), now).unwrap();
    let written = store.transaction(now, |writer| {
        writer.put_audit(&event(now.minus(Duration::from_hours(3)), "three hours ago"))?;
        writer.put_audit(&event(now.minus(Duration::from_hours(1)), "an hour ago"))
    });
    written.unwrap();
    drop(store);
    let daemon = home.start().await;
    let is_cut = async || {
        let events = events(&daemon, &["--kind", "started"]).await;
        let says: Vec<String> = events.iter().map(|event| event["says"].as_str().unwrap().to_owned()).collect();
        (!says.contains(&"three hours ago".to_owned())).then_some(says)
    };
    let left = wait_for("it is forgotten", is_cut).await;
    assert!(left.contains(&"an hour ago".to_owned()), "{left:?}");
}

#[test]
fn a_route_is_shown_with_the_channels_it_leads_to() {
    let home = home(&[]);
    let hook =
        |name: &str| format!("[[channels]]\ntype = \"webhook\"\nname = \"{name}\"\nurl = \"http://127.0.0.1:1/\"\n");
    let routes = "[[routes]]\nlabels = { team = \"pay*\" }\nchannels = [\"payments\"]\n\
                  [[routes]]\nmin_severity = \"critical\"\nchannels = [\"night\", \"day\"]\n[[routes]]\nchannels = [\"day\"]\n";
    let channels = ["payments", "night", "day"].map(hook).concat();
    home.configure(&format!("{routes}{channels}{}", target("api", "http://127.0.0.1:1", "")));
    let config = home.path("heapwatch.toml").display().to_string();
    let check = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
        let output = command.args(["check", "--config", &config]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(check(&["--route", "team=payments"]), "payments, log (by route 1)");
    assert_eq!(check(&["--route", "team=mail", "--severity", "critical"]), "night, day, log (by route 2)");
    let as_json: Value = serde_json::from_str(&check(&["--route", "team=mail", "--json"])).unwrap();
    assert_eq!(
        (&as_json["channels"], &as_json["routes"]),
        (&serde_json::json!(["day", "log"]), &serde_json::json!([3]))
    );
}
