//! What is sent is what each service takes, to the letter of its documentation.

use std::time::Duration;

use heapwatch::alert::channel::{Delivery, Sender};
use heapwatch::alert::message::Status;
use heapwatch::alert::outbox::Options;
use heapwatch::alert::ping::{self, Pinger};
use heapwatch::alert::signature::SigningKey;
use heapwatch::alert::template::Template;
use heapwatch::alert::{Channel, ChannelKind, WebhookFormat, alertmanager};
use heapwatch::cli::test_alert::try_channel;
use heapwatch::daemon::clock::Clock;
use heapwatch::http::ClientOptions;

use super::story::{self, NOW, NOW_SECONDS, ROUTING_KEY, SECRET, after, delivery, one, sender, webhook};
use crate::support::receiver::{Answer, Received, Receiver, services};

/// Sends every alert of the story, the later ones as if the clock had been set back; each must be taken.
async fn send_story(sender: &Sender) {
    for alert in story::story("checkout-api") {
        let sent = sender.send(&alert, &delivery(after(10))).await;
        assert!(sent.is_ok(), "{}: {sent:?}\n{:?}", alert.news.kind(), sender.shown_bodies(&alert, &delivery(NOW)));
    }
}

fn key() -> SigningKey {
    SigningKey::parse(&SECRET.into()).unwrap()
}

fn pagerduty(receiver: &Receiver, routing_key: &str) -> ChannelKind {
    ChannelKind::PagerDuty { url: receiver.url("/v2/enqueue"), routing_key: routing_key.into() }
}

#[tokio::test]
async fn a_webhook_verifies_and_has_what_the_standard_demands() {
    let receiver = Receiver::start(services::standard_webhook(key(), NOW_SECONDS)).await;
    send_story(&sender(webhook(receiver.url("/hook")))).await;
    let requests = receiver.received();
    assert_eq!(requests.len(), story::story("checkout-api").len());
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert!(requests[0].header("user-agent").is_some_and(|agent| agent.starts_with("heapwatch/")));
}

#[tokio::test]
async fn a_second_attempt_keeps_the_id_and_body_and_is_signed_anew() {
    let receiver = Receiver::start(services::standard_webhook(key(), NOW_SECONDS + 200)).await;
    receiver.script([Answer::status(503)]);
    let (sender, alert) = (sender(webhook(receiver.url("/hook"))), one("leak_confirmed"));
    assert!(sender.send(&alert, &delivery(NOW)).await.is_err());
    assert_eq!(sender.send(&alert, &delivery(after(200))).await.unwrap().status, Some(204));
    let [first, second] = <[_; 2]>::try_from(receiver.received()).unwrap();
    assert_eq!(first.header("webhook-id"), Some(alert.id.as_str()));
    assert_eq!(second.header("webhook-id"), first.header("webhook-id"));
    assert_eq!(second.body, first.body);
    assert_ne!(second.header("webhook-timestamp"), first.header("webhook-timestamp"));
    assert_ne!(second.header("webhook-signature"), first.header("webhook-signature"));
}

#[tokio::test]
async fn a_cloud_event_and_a_template_go_out_as_what_they_are() {
    let receiver = Receiver::willing().await;
    let template = Template::parse(r#"{"content": "{{summary}}", "who": "{{culprit}}"}"#).unwrap();
    for (format, content_type) in [
        (WebhookFormat::CloudEvents, "application/cloudevents+json"),
        (WebhookFormat::Template(template), "application/json"),
    ] {
        let kind = ChannelKind::Webhook { url: receiver.url("/hook"), secrets: Vec::new(), format };
        sender(kind).send(&one("analysis_ready"), &delivery(NOW)).await.unwrap();
        let last = receiver.received().pop().unwrap();
        assert_eq!(last.header("content-type"), Some(content_type));
        assert_eq!(last.header("webhook-signature"), None, "no secret, no signature");
        assert!(last.json().is_object());
    }
    assert_eq!(receiver.received()[0].json()["specversion"], "1.0");
}

#[tokio::test]
async fn pagerduty_takes_every_event_and_one_key_leads_from_trigger_to_resolve() {
    let receiver = Receiver::start(services::pagerduty).await;
    send_story(&sender(pagerduty(&receiver, ROUTING_KEY))).await;
    let events: Vec<_> = receiver.received().iter().map(Received::json).collect();
    let triggers_and_resolves = |action: &str| {
        let chosen = events.iter().filter(|event| event["event_action"] == action);
        chosen.map(|event| event["dedup_key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(triggers_and_resolves("resolve").len(), 2, "the leak's and the downtime's");
    for key in triggers_and_resolves("resolve") {
        assert!(triggers_and_resolves("trigger").contains(&key), "{key}");
    }
}

#[tokio::test]
async fn pagerduty_is_told_of_the_end_with_the_key_that_opened_the_incident() {
    let receiver = Receiver::start(services::pagerduty).await;
    let receipt = sender(pagerduty(&receiver, ROUTING_KEY)).send(&one("leak_confirmed"), &delivery(NOW)).await.unwrap();
    assert!(receipt.opened_with.is_some());
    let written = serde_json::to_string(&receipt.opened_with).unwrap();
    let opened_with = serde_json::from_str(&written).unwrap();
    let reconfigured = sender(pagerduty(&receiver, "N0123456789ABCDEF0123456789ABCDE"));
    let resolve = Delivery { opened_with, ..delivery(after(90_000)) };
    reconfigured.send(&one("leak_resolved"), &resolve).await.unwrap();
    assert_eq!(receiver.received()[1].json()["routing_key"], ROUTING_KEY);
    assert!(!format!("{receipt:?}").contains(ROUTING_KEY), "it does not show in logs");
    let shown = reconfigured.shown_bodies(&one("leak_confirmed"), &delivery(NOW));
    assert!(shown[0].contains(r#""routing_key":"***""#), "{shown:?}");
}

#[tokio::test]
async fn slack_takes_every_message_and_only_ok_means_delivered() {
    let receiver = Receiver::start(services::slack).await;
    let sender = sender(ChannelKind::Slack { url: receiver.url("/services/T0/B0/secret") });
    send_story(&sender).await;
    receiver.script([Answer::text(200, "<html>Log in to the guest network</html>")]);
    let refused = sender.send(&one("leak_confirmed"), &delivery(NOW)).await.expect_err("that is not ok");
    assert_eq!(refused.reason(), "not_ok");
}

#[tokio::test]
async fn alertmanager_takes_every_alert_on_every_peer() {
    let (first, second) =
        (Receiver::start(services::alertmanager).await, Receiver::start(services::alertmanager).await);
    let peers = vec![first.url("/"), second.url("/am/")];
    let sender = sender(ChannelKind::Alertmanager { peers, resend: alertmanager::RESEND });
    send_story(&sender).await;
    assert_eq!(first.received().len(), second.received().len());
    assert_eq!(second.received()[0].path, "/am/api/v2/alerts");
    let receipt = sender.send(&one("leak_confirmed"), &delivery(NOW)).await.unwrap();
    assert_eq!(receipt.resend_after, Some(Duration::from_mins(1)));
    assert_eq!(receipt.answer, "2 of 2 peers took it");
}

#[tokio::test]
async fn one_dead_peer_of_alertmanager_costs_nothing_and_all_dead_ones_a_retry() {
    let alive = Receiver::start(services::alertmanager).await;
    let dead = Receiver::willing().await.url("/");
    let send = async |peers| {
        let sender = sender(ChannelKind::Alertmanager { peers, resend: alertmanager::RESEND });
        sender.send(&one("leak_confirmed"), &delivery(NOW)).await
    };
    let receipt = send(vec![dead.clone(), alive.url("/")]).await.unwrap();
    assert_eq!(receipt.answer, "1 of 2 peers took it");
    assert_eq!(send(vec![dead.clone(), dead]).await.expect_err("nobody is there").reason(), "connect");
}

#[tokio::test]
async fn a_test_alert_goes_the_way_of_real_ones() {
    let clock = Clock::start();
    let seconds = clock.now().wall_ms() / 1000;
    let receiver = Receiver::start(services::standard_webhook(key(), seconds)).await;
    let trials = try_channel(&sender(webhook(receiver.url("/hook"))), Options::default(), clock).await;
    let statuses: Vec<Status> = trials.iter().map(|trial| trial.alert.status()).collect();
    assert_eq!(statuses, [Status::Firing, Status::Resolved]);
    for (trial, request) in trials.iter().zip(receiver.taken()) {
        assert_eq!(trial.bodies, [String::from_utf8(request.body.clone()).unwrap()], "shown as sent");
        assert_eq!(request.json()["type"], "channel.test");
        assert_eq!(request.json()["data"]["incident"], trial.alert.incident());
    }
    assert_eq!(receiver.taken().len(), 2);
}

#[tokio::test]
async fn a_test_alert_that_is_refused_says_so_and_is_not_resolved() {
    let receiver = Receiver::start(|_| Answer::text(403, "bad token")).await;
    let trials = try_channel(&sender(webhook(receiver.url("/hook"))), Options::default(), Clock::start()).await;
    assert_eq!(trials.len(), 1);
    assert!(trials[0].outcome.as_ref().is_err_and(|problem| problem.reason() == "auth_error"), "{trials:?}");
}

#[tokio::test]
async fn a_ping_is_a_get_and_its_secret_path_shows_nowhere() {
    let receiver = Receiver::start(|_| Answer::text(200, "OK")).await;
    let options = |url| ping::Options { url, client: ClientOptions::default(), timeout: Duration::from_secs(5) };
    let pinger = Pinger::new(options(receiver.url("/secret-uuid"))).unwrap();
    pinger.ping().await.unwrap();
    assert_eq!((receiver.received()[0].method.as_str(), receiver.received()[0].path.as_str()), ("GET", "/secret-uuid"));
    receiver.script([Answer::status(404), Answer::Cut]);
    for _ in 0..2 {
        let problem = pinger.ping().await.expect_err("the receiver refuses");
        assert!(!format!("{problem:?} {problem}").contains("secret-uuid"), "{problem:?}");
    }
}

#[test]
fn a_channel_that_cannot_work_is_refused_when_it_is_made() {
    let url = url::Url::parse("http://127.0.0.1:9/").unwrap();
    let kind = ChannelKind::Webhook { url, secrets: vec!["short".into()], format: WebhookFormat::Standard };
    let channel = Channel { kind, ..sender(ChannelKind::Log).channel().clone() };
    let refused = Sender::new(channel, heapwatch::alert::channel::Origin::default()).expect_err("no secret");
    assert!(refused.to_string().starts_with("the webhook's secret "), "{refused}");
}
