//! A channel whose receiver is gone: told once on the others, kept over a restart, and mended by a test alert.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::scene::home;
use super::switch::Switch;
use crate::support::daemon::Daemon;
use crate::support::polling::wait_for;
use crate::support::receiver::{Answer, Receiver};

fn hook(name: &str, receiver: &Receiver) -> String {
    format!("[[channels]]\ntype = \"webhook\"\nname = \"{name}\"\nurl = \"{}\"\n", receiver.url("/hook"))
}

fn tables(channels: &str, switch: &Switch) -> String {
    let times = "[alerts]\nfirst_retry = \"100ms\"\nlongest_retry = \"500ms\"\n[defaults]\n";
    format!("{times}{channels}{}", switch.table("api"))
}

/// What a receiver took about channels, as `status: summary`; what a kill made it take twice, once.
fn troubles(receiver: &Receiver) -> Vec<String> {
    let mut taken = receiver.taken();
    let mut ids = BTreeSet::new();
    taken.retain(|request| ids.insert(request.header("webhook-id").map(str::to_owned)));
    let data = taken.into_iter().map(|request| request.json()["data"].take());
    let troubles = data.filter(|data| data["event"] == "trouble");
    troubles
        .map(|data| format!("{}: {}", data["status"].as_str().unwrap(), data["summary"].as_str().unwrap()))
        .collect()
}

/// The events about a target that a receiver took.
fn told(receiver: &Receiver) -> Vec<String> {
    let data = receiver.taken().into_iter().map(|request| request.json()["data"].take());
    data.filter(|data| data["target"]["name"] == "api").map(|data| data["event"].as_str().unwrap().to_owned()).collect()
}

async fn broken(daemon: &Daemon) -> Value {
    let channels = daemon.get("/api/v1/channels").await.unwrap();
    let channels: Value = serde_json::from_str(&channels).unwrap();
    let all = channels["channels"].as_array().unwrap();
    all.iter().find(|channel| channel["name"] == "gone").unwrap()["broken"].clone()
}

#[tokio::test]
async fn a_channel_that_is_gone_is_told_once_and_mended_by_a_test_alert() {
    let switch = Switch::on().await;
    let is_gone = Arc::new(AtomicBool::new(true));
    let answering = Arc::clone(&is_gone);
    let gone = Receiver::start(move |_| Answer::status(if answering.load(Ordering::SeqCst) { 410 } else { 204 })).await;
    let well = Receiver::willing().await;
    let home = home(&[]);
    home.configure(&tables(&[hook("gone", &gone), hook("well", &well)].concat(), &switch));
    let mut daemon = home.start().await;
    daemon.target_when("api", "it is polled", |target| target["watch"]["sample"].is_object()).await;
    switch.turn(false);
    wait_for("the other channel is told", async || troubles(&well).into_iter().next()).await;
    assert_eq!(troubles(&well), ["firing: heapwatch: trouble with channel gone"]);
    assert_eq!(gone.received().len(), 1, "it is left alone");
    let figure = "heapwatch_channel_broken{channel=\"gone\"}";
    wait_for("it is shown", async || daemon.metric(figure).await.filter(|broken| *broken > 0.0)).await;

    daemon.kill9();
    daemon.start_again().await;
    assert!(broken(&daemon).await.as_str().is_some_and(|why| why.contains("410")), "a restart forgets nothing");
    let shown = String::from_utf8(daemon.ask(&["status"]).await.stdout).unwrap();
    assert!(shown.contains("channel gone is broken since ") && shown.contains("owed 1 alerts"), "{shown}");

    is_gone.store(false, Ordering::SeqCst);
    let config = daemon.home.path("heapwatch.toml").display().to_string();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_heapwatch"));
    command.args(["test-alert", "--config", &config, "gone"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    wait_for("what was owed arrives", async || told(&gone).into_iter().next()).await;
    assert_eq!(told(&gone), ["target_down"]);
    wait_for("the other channel is told of the end", async || (troubles(&well).len() == 2).then_some(())).await;
    assert_eq!(troubles(&well)[1], "resolved: heapwatch: channel gone works again");
    assert_eq!(broken(&daemon).await, Value::Null);
}

#[tokio::test]
async fn a_changed_configuration_mends_a_channel_and_the_same_one_does_not() {
    let switch = Switch::on().await;
    let gone = Receiver::start(|_| Answer::status(410)).await;
    let (well, moved) = (Receiver::willing().await, Receiver::willing().await);
    let home = home(&[]);
    home.configure(&tables(&[hook("gone", &gone), hook("well", &well)].concat(), &switch));
    let daemon = home.start().await;
    daemon.target_when("api", "it is polled", |target| target["watch"]["sample"].is_object()).await;
    switch.turn(false);
    wait_for("the other channel is told", async || troubles(&well).into_iter().next()).await;

    daemon.reload().await.unwrap();
    assert!(broken(&daemon).await.is_string(), "nothing has changed");
    daemon.home.configure(&tables(&[hook("gone", &moved), hook("well", &well)].concat(), &switch));
    daemon.reload().await.unwrap();
    wait_for("what was owed arrives at the new address", async || told(&moved).into_iter().next()).await;
    wait_for("the other channel is told of the end", async || (troubles(&well).len() == 2).then_some(())).await;
    assert_eq!((troubles(&well).len(), gone.received().len()), (2, 1));
}

#[tokio::test]
async fn an_end_goes_where_its_beginning_went_also_when_the_routes_have_changed() {
    let switch = Switch::on().await;
    let (first, second) = (Receiver::willing().await, Receiver::willing().await);
    let channels = [hook("first", &first), hook("second", &second)].concat();
    let to =
        |channel: &str| format!("[[routes]]\nlabels = {{ team = \"pay*\" }}\nchannels = [\"{channel}\"]\n{channels}");
    let home = home(&[]);
    home.configure(&tables(&to("first"), &switch));
    let daemon = home.start().await;
    daemon.target_when("api", "it is polled", |target| target["watch"]["sample"].is_object()).await;
    switch.turn(false);
    wait_for("the first channel is told", async || told(&first).into_iter().next()).await;
    daemon.home.configure(&tables(&to("second"), &switch));
    daemon.reload().await.unwrap();
    switch.turn(true);
    wait_for("the first channel is told of the end", async || (told(&first).len() == 2).then_some(())).await;
    assert_eq!(told(&first), ["target_down", "target_up"]);
    assert!(!told(&second).contains(&"target_down".to_owned()));
}
