//! The command `heapwatch test-alert`, from the configuration file to the receiver.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use heapwatch::alert::signature::SigningKey;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::story::{ROUTING_KEY, SECRET};
use crate::support::receiver::{Answer, Receiver, services};

/// Runs the command in a directory with the configuration `channels` and the secrets that it may name.
async fn test_alert(channels: &str, arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("webhook.secret", SECRET);
    write("pagerduty.key", ROUTING_KEY);
    let target = "[[targets]]\nname = \"api\"\nurl = \"http://127.0.0.1:3000\"\n";
    write("heapwatch.toml", &format!("state_directory = \"./state\"\n{target}{channels}"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
    command.args(["test-alert", "--config", "heapwatch.toml"]).args(arguments).current_dir(directory.path());
    command.kill_on_drop(true).output().await.unwrap()
}

/// The JSON objects that the command printed, one a line.
fn trials(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{output:?}"))).collect()
}

fn now_seconds() -> i64 {
    heapwatch::daemon::clock::Clock::start().now().wall_ms() / 1000
}

#[tokio::test]
async fn every_kind_of_channel_takes_a_trigger_and_its_resolve() {
    let key = SigningKey::parse(&SECRET.into()).unwrap();
    let webhook = Receiver::start(services::standard_webhook(key, now_seconds())).await;
    let pagerduty = Receiver::start(services::pagerduty).await;
    let slack = Receiver::start(services::slack).await;
    let alertmanager = Receiver::start(services::alertmanager).await;
    let channels = format!(
        r#"
[[channels]]
type = "webhook"
url = "{}"
secret_file = "./webhook.secret"
[[channels]]
type = "pagerduty"
url = "{}"
routing_key_file = "./pagerduty.key"
[[channels]]
type = "slack"
url = "{}"
[[channels]]
type = "alertmanager"
urls = ["{}"]
"#,
        webhook.url("/hook"),
        pagerduty.url("/v2/enqueue"),
        slack.url("/services/T0/B0/hook-secret"),
        alertmanager.url("/"),
    );
    let output = test_alert(&channels, &["--json"]).await;
    assert!(output.status.success(), "{output:?}");
    let trials = trials(&output);
    // The log has every alert, also where nobody lists it as a channel.
    assert_eq!(trials.len(), 10, "{trials:?}");
    assert!(trials[8..].iter().all(|trial| trial["channel"] == "log"), "{trials:?}");
    for pair in trials.chunks(2) {
        assert_eq!((&pair[0]["status"], &pair[1]["status"]), (&"firing".into(), &"resolved".into()));
        assert_eq!(pair[0]["incident"], pair[1]["incident"]);
    }
    for receiver in [&webhook, &pagerduty, &slack, &alertmanager] {
        assert_eq!(receiver.taken().len(), 2);
    }
    let shown = format!("{output:?}");
    for secret in [ROUTING_KEY, "hook-secret", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
        assert!(!shown.contains(secret), "{secret} shows in {shown}");
    }
}

#[tokio::test]
async fn a_channel_that_refuses_makes_the_command_fail_and_says_why() {
    let receiver = Receiver::start(|_| Answer::text(401, "who are you")).await;
    let channels = format!("[[channels]]\ntype = \"webhook\"\nurl = \"{}\"\n", receiver.url("/hook"));
    let output = test_alert(&channels, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(shown.contains("not taken (auth_error)") && shown.contains("401 \"who are you\""), "{shown}");
    assert!(shown.contains(r#"{"type":"channel.test""#), "the body is shown: {shown}");
}

#[tokio::test]
async fn an_unknown_channel_is_wrong_usage() {
    let output = test_alert("", &["ops"]).await;
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no channel is named `ops`"), "{output:?}");
}
