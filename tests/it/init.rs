//! `heapwatch init`: what it asks, what it writes, and what it leaves alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::faulty::{Faulty, Manner, nobody};

const BODY: &str = r#"{"memory":{"heapUsed":"40 MB","rss":"100 MB"},"memoryLimit":536870912}"#;

async fn service() -> Faulty {
    Faulty::start(Manner::Answers(BODY.into())).await
}

async fn heapwatch(home: &Path, arguments: &[&str], said: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
    command.args(arguments).env_clear().env("HOME", home).env("HEAPWATCH_STATE_DIRECTORY", home.join("state"));
    command.current_dir(home).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    // Whoever is not asked does not listen.
    child.stdin.take().unwrap().write_all(said.as_bytes()).await.ok();
    child.wait_with_output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn what_a_service_says_becomes_a_configuration_that_passes_the_check() {
    let (service, home) = (service().await, tempfile::tempdir().unwrap());
    let outcome =
        heapwatch(home.path(), &["init", &service.url(""), "--output", "x.toml", "--name", "checkout"], "").await;
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(text(&outcome.stdout).contains("heapUsed     40 MiB"), "{}", text(&outcome.stdout));

    let written = fs::read_to_string(home.path().join("x.toml")).unwrap();
    assert!(written.contains("It reports 512 MiB itself"), "{written}");
    assert!(written.contains("one of it as it is now may take it to 500 MiB"), "100 + 10 * 40: {written}");
    assert!(written.contains("#snapshot = { token_file = \"/etc/heapwatch/checkout.token\" }"), "{written}");
    assert_eq!(home.path().join("x.toml").metadata().unwrap().permissions().mode() & 0o777, 0o640);
    let check = heapwatch(home.path(), &["check", "--config", "x.toml"], "").await;
    let expected = format!("checkout: {} every 30s", service.url("/health/debug"));
    assert!(check.status.success() && text(&check.stdout).contains(&expected), "{check:?}");
    assert!(service.last_head().starts_with("GET /health/debug "), "nothing else was asked");
}

#[tokio::test]
async fn nothing_is_overwritten_but_the_untouched_file_of_the_package() {
    let (service, home) = (service().await, tempfile::tempdir().unwrap());
    let file = home.path().join("heapwatch.toml");
    let init = async || heapwatch(home.path(), &["init", &service.url(""), "--output", "heapwatch.toml"], "").await;
    let packaged = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/heapwatch.toml")).unwrap();

    fs::write(&file, &packaged).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(init().await.status.success());
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains(&service.url("")), "{written}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "as somebody has made it");

    let outcome = init().await;
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert!(text(&outcome.stderr).contains("heapwatch.toml is there already"), "{outcome:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
}

#[tokio::test]
async fn an_address_that_is_not_given_is_asked_for() {
    let (service, home) = (service().await, tempfile::tempdir().unwrap());
    let answer = format!("{}\n", service.url("/status?full=1"));
    let outcome = heapwatch(home.path(), &["init", "--output", "x.toml"], &answer).await;
    assert!(outcome.status.success(), "{outcome:?}");
    let written = fs::read_to_string(home.path().join("x.toml")).unwrap();
    assert!(written.contains("health_path = \"/status?full=1\""), "{written}");
    let outcome = heapwatch(home.path(), &["init", "--output", "y.toml"], "\n").await;
    assert_eq!(outcome.status.code(), Some(64), "{outcome:?}");
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_no_first_configuration_unless_asked_for() {
    let (nobody, home) = (nobody().await, tempfile::tempdir().unwrap());
    let outcome = heapwatch(home.path(), &["init", &nobody, "--output", "x.toml"], "").await;
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert!(!home.path().join("x.toml").exists());
    let outcome = heapwatch(home.path(), &["init", &nobody, "--output", "x.toml", "--unprobed"], "").await;
    assert!(outcome.status.success() && home.path().join("x.toml").exists(), "{outcome:?}");
}

#[tokio::test]
async fn a_password_in_the_address_is_refused_before_it_is_written() {
    let home = tempfile::tempdir().unwrap();
    let outcome = heapwatch(home.path(), &["init", "http://bob:hunter2@127.0.0.1:9", "--output", "x.toml"], "").await;
    assert_eq!(outcome.status.code(), Some(64), "{outcome:?}");
    assert!(!home.path().join("x.toml").exists() && !text(&outcome.stderr).contains("hunter2"), "{outcome:?}");
}
