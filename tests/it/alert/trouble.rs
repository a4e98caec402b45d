//! Receivers in trouble: every failure is named, bounded in time, and shows no secret.

use std::error::Error;
use std::time::Duration;

use heapwatch::alert::channel::{Disposition, SendError};
use heapwatch::alert::{ChannelKind, message::Alert};
use tokio::time::Instant;

use super::story::{NOW, delivery, one, sender, sender_with_timeout, webhook};
use crate::support::receiver::{Answer, Receiver};

/// The path of every receiver here: it must show in no error.
const PATH: &str = "/T0/B0/path-secret?token=query-secret";

async fn refusal(answer: Answer) -> SendError {
    let receiver = Receiver::willing().await;
    receiver.script([answer]);
    let sender = sender_with_timeout(webhook(receiver.url(PATH)), Duration::from_millis(400));
    sender.send(&one("leak_confirmed"), &delivery(NOW)).await.expect_err("the receiver refuses")
}

/// Everything that an error and its causes can show.
fn chain(error: &SendError) -> String {
    let mut shown = vec![format!("{error} {error:?}")];
    let mut cause = error.source();
    while let Some(error) = cause {
        shown.push(format!("{error} {error:?}"));
        cause = error.source();
    }
    shown.join(" ")
}

#[tokio::test]
async fn every_failure_has_a_name_and_shows_no_secret() {
    let retry = |maybe_taken| Disposition::Retry { after: None, maybe_taken };
    let closed = Receiver::willing().await.url(PATH);
    let unreachable = sender(webhook(closed)).send(&one("leak_confirmed"), &delivery(NOW)).await;
    for (error, reason, disposition) in [
        (unreachable.expect_err("nobody listens"), "connect", retry(false)),
        (refusal(Answer::Hang).await, "timeout", retry(true)),
        (refusal(Answer::Cut).await, "connection_lost", retry(true)),
        (refusal(Answer::status(500)).await, "server_error", retry(false)),
        (refusal(Answer::status(504)).await, "server_error", retry(true)),
        (refusal(Answer::status(429)).await, "rate_limited", retry(false)),
        (refusal(Answer::status(400)).await, "client_error", Disposition::Permanent),
        (refusal(Answer::status(404)).await, "client_error", Disposition::ChannelRefuses),
        (refusal(Answer::status(401)).await, "auth_error", Disposition::ChannelRefuses),
        (refusal(Answer::status(410)).await, "client_error", Disposition::ChannelBroken),
    ] {
        assert_eq!((error.reason(), error.disposition()), (reason, disposition), "{error}");
        assert!(!chain(&error).contains("secret"), "{}", chain(&error));
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_its_target_hears_nothing() {
    let elsewhere = Receiver::willing().await;
    for status in [301, 302, 303, 307, 308] {
        let error = refusal(Answer::status(status).with_header("location", elsewhere.url("/").to_string())).await;
        assert_eq!((error.reason(), error.disposition()), ("redirect", Disposition::ChannelRefuses));
    }
    assert_eq!(elsewhere.received().len(), 0);
}

#[tokio::test]
async fn the_wait_that_a_receiver_asks_for_is_understood_as_seconds_and_as_a_date() {
    for (header, seconds) in [("37", 37), ("Sun, 22 Nov 2026 10:26:31 GMT", 120)] {
        let error = refusal(Answer::status(429).with_header("retry-after", header)).await;
        let after = Some(Duration::from_secs(seconds));
        assert_eq!(error.disposition(), Disposition::Retry { after, maybe_taken: false }, "{header}");
    }
}

#[tokio::test]
async fn what_a_receiver_says_is_capped_and_cleaned() {
    let error = refusal(Answer::text(400, "no\r\n\u{1b}[31m ".repeat(100))).await;
    let SendError::Refused { answer, .. } = error else { panic!("it was answered: {error}") };
    assert!(answer.starts_with("no [31m no"), "{answer}");
    assert!(answer.chars().count() <= 200);
    let endless = refusal(Answer::text(400, "x".repeat(5_000_000))).await;
    assert_eq!(endless.disposition(), Disposition::Permanent, "the status counts, whatever follows");
}

#[tokio::test]
async fn a_receiver_that_says_yes_and_never_ends_has_the_alert() {
    let receiver = Receiver::willing().await;
    for (pause_ms, timeout) in [(300, Duration::from_millis(500)), (0, Duration::from_mins(1))] {
        receiver.script([Answer::Endless { pause: Duration::from_millis(pause_ms) }]);
        let sender = sender_with_timeout(webhook(receiver.url("/")), timeout);
        let began = Instant::now();
        let receipt = sender.send(&one("leak_confirmed"), &delivery(NOW)).await.unwrap();
        assert_eq!(receipt.status, Some(200));
        assert!(began.elapsed() < Duration::from_secs(4), "neither slow nor many bytes hold up the next alert");
    }
}

#[tokio::test]
async fn the_log_takes_every_alert_with_fields_to_query() {
    let lines = LogLines::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let alert: Alert = one("analysis_ready");
    assert_eq!(sender(ChannelKind::Log).send(&alert, &delivery(NOW)).await.unwrap().status, None);
    let written = lines.text();
    assert_eq!(written.lines().count(), 1, "hostile names break no line: {written}");
    let line: serde_json::Value = serde_json::from_str(&written).unwrap();
    let fields = &line["fields"];
    assert_eq!(line["level"], "WARN");
    assert_eq!(fields["event"], "analysis_ready");
    assert_eq!(fields["target.name"], "checkout-api");
    assert_eq!(fields["alert.id"], alert.id);
    assert_eq!(fields["episode"], alert.episode.unwrap());
    assert_eq!(fields["slope_bytes_per_hour"], 52_428_800.0);
    assert!(!fields["message"].as_str().unwrap().chars().any(char::is_control));
}

/// Where the log goes in a test.
#[derive(Clone, Default)]
struct LogLines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl LogLines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for LogLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
