//! PagerDuty, Alertmanager and Slack behind a daemon that is killed and reconfigured while an incident is open.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::scene::home;
use super::switch::Switch;
use crate::support::daemon::Daemon;
use crate::support::polling::wait_for;
use crate::support::receiver::{Answer, Receiver, services};

const TIMES: &str = "[alerts]\nfirst_retry = \"100ms\"\nlongest_retry = \"500ms\"\n[defaults]\n";
const OLD_KEY: &str = "R0123456789ABCDEF0123456789ABCDE";
const NEW_KEY: &str = "RFEDCBA9876543210FEDCBA987654321";

/// A daemon with this channel that has polled the switched target.
async fn watching(switch: &Switch, channel: &str) -> Daemon {
    let home = home(&[("pagerduty", OLD_KEY)]);
    home.configure(&format!("{TIMES}{channel}{}", switch.table("api")));
    let daemon = home.start().await;
    daemon.target_when("api", "it is polled", |target| target["watch"]["sample"].is_object()).await;
    daemon
}

/// What PagerDuty took: action, routing key and dedup key.
fn events(pagerduty: &Receiver) -> Vec<[String; 3]> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let taken = pagerduty.taken().into_iter().map(|request| request.json());
    taken.map(|event| ["event_action", "routing_key", "dedup_key"].map(|key| text(&event, key))).collect()
}

async fn kill_and_start(daemon: &mut Daemon) {
    daemon.kill9();
    daemon.start_again().await;
}

/// `PagerDuty` knows an incident under the key that opened it alone; a resolve with another one closes nothing.
#[tokio::test]
async fn pagerduty_hears_of_an_end_with_the_key_of_the_beginning_over_a_reload_and_a_kill() {
    let switch = Switch::on().await;
    let pagerduty = Receiver::start(services::pagerduty).await;
    let url = pagerduty.url("/v2/enqueue");
    let channel =
        format!("[[channels]]\ntype = \"pagerduty\"\nurl = \"{url}\"\nrouting_key_file = \"./pagerduty.token\"\n");
    let mut daemon = watching(&switch, &channel).await;
    switch.turn(false);
    wait_for("an incident is opened", async || events(&pagerduty).into_iter().next()).await;

    fs::write(daemon.home.path("pagerduty.token"), NEW_KEY).unwrap();
    daemon.reload().await.unwrap();
    kill_and_start(&mut daemon).await;
    switch.turn(true);
    let is_closed = async || events(&pagerduty).into_iter().find(|[action, ..]| action == "resolve");
    let [_, key, incident] = wait_for("it is closed", is_closed).await;
    assert_eq!((key.as_str(), &incident), (OLD_KEY, &events(&pagerduty)[0][2]));

    switch.turn(false);
    let is_opened =
        async || events(&pagerduty).into_iter().find(|[action, key, _]| action == "trigger" && key == NEW_KEY);
    let [.., next] = wait_for("the next is opened with the new key", is_opened).await;
    assert_eq!(next, incident, "outages of one target have one key");
}

/// An alert as Alertmanager knows it: its labels and its start.
fn identity(alert: &Value) -> String {
    format!("{} {}", alert["labels"], alert["startsAt"])
}

/// The alerts about an outage that a peer took, in order.
fn outages(peer: &Receiver) -> Vec<Value> {
    let alerts = peer.taken().into_iter().map(|request| request.json()[0].take());
    alerts.filter(|alert| alert["labels"]["alertname"] == "TargetDown").collect()
}

#[tokio::test]
async fn alertmanager_is_sent_what_fires_again_and_again_on_every_peer_over_a_kill_and_then_its_end() {
    let switch = Switch::on().await;
    let (first, second) =
        (Receiver::start(services::alertmanager).await, Receiver::start(services::alertmanager).await);
    // A peer that is away costs the other one nothing.
    second.script(vec![Answer::Cut; 2]);
    let urls = format!("[\"{}\", \"{}\"]", first.url("/"), second.url("/am/"));
    let channel = format!("[[channels]]\ntype = \"alertmanager\"\nurls = {urls}\nresend = \"1s\"\n");
    let mut daemon = watching(&switch, &channel).await;
    switch.turn(false);
    for peer in [&first, &second] {
        wait_for("it is sent again", async || (outages(peer).len() >= 3).then_some(())).await;
    }
    kill_and_start(&mut daemon).await;
    let before = outages(&second).len();
    wait_for("it is sent after the kill", async || (outages(&second).len() >= before + 2).then_some(())).await;
    for peer in [&first, &second] {
        let fired = outages(peer);
        assert_eq!(fired.iter().map(identity).collect::<BTreeSet<_>>().len(), 1, "{fired:#?}");
        assert!(fired.iter().all(|alert| alert["endsAt"].as_str() > alert["startsAt"].as_str()));
    }

    switch.turn(true);
    let up = "the target answers again";
    daemon.target_when("api", up, |target| target["watch"]["failed_polls"] == 0).await;
    for peer in [&first, &second] {
        let ends = async || {
            let ended = outages(peer).into_iter().filter(|alert| alert["endsAt"] == alert["startsAt"]);
            ended.map(|alert| alert["labels"].clone()).nth(1)
        };
        let labels = wait_for("its end is sent twice", ends).await;
        assert_eq!(labels, outages(peer)[0]["labels"]);
    }
}

#[tokio::test]
async fn slack_has_a_message_only_when_it_says_ok() {
    let switch = Switch::on().await;
    let slack = Receiver::start(services::slack).await;
    // What a proxy in between may say, and what Slack itself says with status 200 when it is in trouble.
    slack.script([Answer::text(200, "<html>maintenance</html>"), Answer::text(200, "")]);
    let url = slack.url("/services/T0/B0/hook-secret");
    let daemon =
        watching(&switch, &format!("[[channels]]\ntype = \"slack\"\nname = \"chat\"\nurl = \"{url}\"\n")).await;
    switch.turn(false);
    let delivered = "heapwatch_notifications_total{channel=\"chat\"}";
    wait_for("it is delivered", async || daemon.metric(delivered).await.filter(|count| *count >= 1.0)).await;
    let bodies: BTreeSet<Vec<u8>> = slack.received().into_iter().map(|request| request.body).collect();
    assert_eq!((slack.received().len(), bodies.len()), (3, 1), "the same message until it was taken");
    let failed = "heapwatch_notifications_failed_total{channel=\"chat\",reason=";
    let page = daemon.get("/metrics").await.unwrap();
    assert!(page.lines().any(|line| line.starts_with(failed) && line.ends_with(" 2")), "{page}");
}
