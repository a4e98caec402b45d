//! SIGTERM, SIGHUP and what systemd is told.

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::Instant;

use super::pretender::Pretender;
use super::scene::{home, receiver, tables, target};
use crate::support::faulty::{Faulty, Manner, nobody};
use crate::support::polling::wait_for;
use crate::support::receiver::{Answer, Receiver};

/// A target that is down at once.
async fn absent() -> String {
    target("absent", &nobody().await, "down_after = 1")
}

#[tokio::test]
async fn what_a_stop_leaves_owed_is_delivered_after_the_next_start() {
    let is_up = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&is_up);
    let receiver =
        Receiver::start(move |_| Answer::status(if answering.load(Ordering::SeqCst) { 204 } else { 503 })).await;
    let home = home(&[]);
    home.configure(&tables(&receiver, &absent().await));
    let mut daemon = home.start().await;
    wait_for("an attempt to deliver", async || receiver.received().into_iter().next()).await;
    let failed = "heapwatch_notifications_failed_total{channel=\"hook\",reason=\"server_error\"}";
    wait_for("its failure is counted", async || daemon.metric(failed).await).await;
    let owed = "heapwatch_outbox_depth{channel=\"hook\"}";
    wait_for("it is shown as owed", async || daemon.metric(owed).await.filter(|owed| *owed >= 1.0)).await;

    daemon.signal(Signal::TERM);
    let asked = Instant::now();
    assert_eq!(daemon.ended().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(8), "stop_timeout is 2 s");
    assert!(receiver.taken().is_empty());

    is_up.store(true, Ordering::SeqCst);
    daemon.start_again().await;
    let taken = wait_for("the delivery", async || receiver.taken().into_iter().next()).await;
    assert_eq!(taken.json()["data"]["event"], "target_down");
    let tried = receiver.received().swap_remove(0);
    assert_eq!(taken.header("webhook-id"), tried.header("webhook-id"));
    assert!(daemon.stop().await.success());
    assert_eq!(receiver.taken().len(), 1, "what was delivered is not owed any more");
}

#[tokio::test]
async fn a_second_sigterm_ends_a_stop_that_waits() {
    let receiver = Receiver::start(|_| Answer::Hang).await;
    let home = home(&[]).environment("HEAPWATCH_STOP_TIMEOUT", "2m");
    home.configure(&tables(&receiver, &absent().await));
    let mut daemon = home.start().await;
    wait_for("an attempt to deliver", async || receiver.received().into_iter().next()).await;
    daemon.signal(Signal::TERM);
    wait_for("the pages are gone", async || daemon.get("/-/ready").await.is_none().then_some(())).await;
    assert!(daemon.is_running(), "the delivery under way is waited for");
    daemon.signal(Signal::TERM);
    let asked = Instant::now();
    assert_eq!(daemon.ended().await.code(), Some(143));
    assert!(asked.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_reload_takes_a_good_file_whole_and_a_bad_one_not_at_all() {
    let (stays, comes) = (Pretender::steady().await, Pretender::steady().await);
    let goes = Faulty::start(Manner::Hangs).await;
    let (stays, comes) = (target("stays", &stays.url(), ""), target("comes", &comes.url(), ""));
    let goes = target("goes", &goes.url(""), "down_after = 1");
    let (receiver, home) = (receiver().await, home(&[]));
    home.configure(&tables(&receiver, &format!("{stays}{goes}")));
    let daemon = home.start().await;
    let polls = |target: &Value| target["watch"]["polls"].as_u64().unwrap_or(0);
    let is_judged = |target: &Value| target["watch"]["verdict"]["state"] == "steady";
    daemon.target_when("stays", "a verdict", is_judged).await;
    // A poll that takes the whole interval makes the next one late.
    let late = "heapwatch_scheduler_late_ticks_total";
    wait_for("a late tick is counted", async || daemon.metric(late).await.filter(|late| *late >= 1.0)).await;
    let loaded = daemon.metric(LOADED).await;

    daemon.home.configure(&tables(&receiver, &format!("{stays}{comes}interval = \"0s\"\n")));
    let refusal = daemon.reload().await.unwrap_err();
    assert!(refusal.contains("targets.comes.interval"), "{refusal}");
    assert_eq!(daemon.metric(SUCCESSFUL).await, Some(0.0));
    daemon.signal(Signal::HUP);
    let before = daemon.target("stays").await;
    let before = daemon.target_when("stays", "polls go on", |now| polls(now) > polls(&before) + 4).await;
    assert_eq!(daemon.metric(SUCCESSFUL).await, Some(0.0));
    assert_eq!(daemon.metric(LOADED).await, loaded);
    assert!(polls(&daemon.target("goes").await) > 0, "the old configuration is in force");
    assert_eq!(daemon.target("comes").await, Value::Null);

    daemon.home.configure(&tables(&receiver, &format!("{stays}{comes}")));
    daemon.signal(Signal::HUP);
    daemon.target_when("comes", "the new target is polled", |target| polls(target) > 0).await;
    wait_for("the reload is over", async || daemon.metric(SUCCESSFUL).await.filter(|successful| *successful > 0.0))
        .await;
    assert!(daemon.metric(LOADED).await > loaded);
    assert_eq!(daemon.target("goes").await, Value::Null);
    assert_eq!(daemon.metric("heapwatch_target_up{target=\"goes\"}").await, None);
    let after = daemon.target("stays").await;
    assert!(polls(&after) >= polls(&before), "{after:#}");
    for fact in ["/watch/verdict/state", "/watch/verdict/since", "/watch/life"] {
        assert_eq!(after.pointer(fact), before.pointer(fact), "{fact}");
    }
    let closed = wait_for("the open incident is closed", async || receiver.taken().into_iter().nth(1)).await.json();
    assert_eq!(
        (&closed["data"]["event"], &closed["data"]["status"]),
        (&"no_longer_watched".into(), &"resolved".into())
    );
}

const SUCCESSFUL: &str = "heapwatch_config_last_reload_successful";
const LOADED: &str = "heapwatch_config_last_reload_success_timestamp_seconds";

/// Waits for a datagram to systemd that has this line, and gives it whole.
async fn told(socket: &UnixDatagram, line: &str) -> String {
    wait_for(&format!("systemd is told {line}"), async || {
        let mut datagram = [0; 4096];
        while let Ok(length) = socket.recv(&mut datagram) {
            let text = String::from_utf8_lossy(&datagram[..length]);
            if text.lines().any(|told| told == line) {
                return Some(text.into_owned());
            }
        }
        None
    })
    .await
}

#[tokio::test]
async fn systemd_is_told_of_each_state_in_turn() {
    let steady = Pretender::steady().await;
    let home = home(&[]);
    let socket = home.path("notify");
    let systemd = UnixDatagram::bind(&socket).unwrap();
    systemd.set_nonblocking(true).unwrap();
    let home = home.environment("NOTIFY_SOCKET", socket.to_str().unwrap()).environment("WATCHDOG_USEC", "3000000");
    home.configure(&tables(&receiver().await, &target("steady", &steady.url(), "")));
    let daemon = home.start().await;
    assert!(told(&systemd, "READY=1").await.contains("STATUS=watching 1 targets"));
    told(&systemd, "WATCHDOG=1").await;
    daemon.signal(Signal::HUP);
    assert!(told(&systemd, "RELOADING=1").await.contains("MONOTONIC_USEC="));
    told(&systemd, "READY=1").await;
    daemon.signal(Signal::TERM);
    told(&systemd, "STOPPING=1").await;
}
