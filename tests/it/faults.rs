//! Targets that fail in every way beside healthy ones, under the real daemon: the healthy ones must not notice.

use std::fmt::Write;
use std::time::Duration;

use heapwatch::probe::Reason;
use serde_json::Value;

use crate::support::daemon::{Daemon, Home};
use crate::support::faulty::{Faulty, Manner, nobody};
use crate::support::polling::wait_for;

const BODY: &str = r#"{"memory":{"heapUsed":"123 MB","heapTotal":"150 MB","external":"2 MB","rss":"200 MB"}}"#;

/// Polls of each target before it is judged by this test.
const POLLS: u64 = 4;

/// Ways to fail, each with the reason that the metrics must give.
fn faults() -> Vec<(&'static str, Manner, Reason)> {
    vec![
        ("hanging", Manner::Hangs, Reason::Timeout),
        ("hanging-in-body", Manner::HangsInBody, Reason::Timeout),
        ("trickling", Manner::Trickles(Duration::from_millis(5)), Reason::Timeout),
        ("endless", Manner::EndlessBody, Reason::TooLarge),
        ("endless-head", Manner::EndlessHead, Reason::Broken),
        ("gzip-bomb", Manner::GzipBomb(8 << 20), Reason::TooLarge),
        ("malformed", Manner::Says(b"220 mail.example.com ESMTP\r\n"), Reason::Broken),
        ("html", Manner::Says(b"HTTP/1.1 200 OK\r\n\r\n<html>"), Reason::NotJson),
        ("absurd", Manner::Answers(r#"{"heapUsed":-1}"#.into()), Reason::AbsurdNumber),
        ("redirecting", Manner::Redirects("/login".into()), Reason::Redirected),
        ("unauthorized", Manner::Refuses(401, "who are you?"), Reason::Status),
        ("broken", Manner::Refuses(500, "oops"), Reason::Status),
        ("truncating", Manner::Truncates, Reason::Broken),
        ("closing", Manner::ClosesUnanswered, Reason::Broken),
    ]
}

/// Good manners, of which two close connections as Node does.
fn good_manners() -> [(&'static str, Manner); 3] {
    [
        ("healthy", Manner::Answers(BODY.into())),
        ("closing-idle", Manner::ClosesIdle { json: BODY.into(), after: Duration::from_millis(100) }),
        ("closing-late", Manner::ClosesOnSecondRequest(BODY.into())),
    ]
}

fn target(name: &str, url: &str) -> String {
    format!("[[targets]]\nname = \"{name}\"\nurl = \"{url}\"\n")
}

async fn targets(daemon: &Daemon) -> Vec<Value> {
    let page: Value = serde_json::from_str(&daemon.get("/api/v1/targets").await.unwrap()).unwrap();
    page["targets"].as_array().unwrap().clone()
}

#[tokio::test]
async fn healthy_targets_do_not_notice_faulty_ones() {
    // The deadline is long for loopback, since other tests may keep the machine busy.
    let mut tables = String::from("[defaults]\ninterval = \"1500ms\"\ntimeout = \"1200ms\"\n");
    let mut servers = Vec::new();
    for (name, manner) in good_manners() {
        servers.push(Faulty::start(manner).await);
        tables += &target(name, &servers.last().unwrap().url(""));
    }
    for (name, manner, _) in faults() {
        servers.push(Faulty::start(manner).await);
        tables += &target(name, &servers.last().unwrap().url(""));
    }
    write!(tables, "{}", target("absent", &nobody().await)).unwrap();
    let daemon = Daemon::start(&tables).await;

    wait_for("every target was polled", async || {
        let all_polled = targets(&daemon).await.iter().all(|target| target["watch"]["polls"].as_u64() >= Some(POLLS));
        all_polled.then_some(())
    })
    .await;

    let targets = targets(&daemon).await;
    let watch = |name: &str| &targets.iter().find(|target| target["name"] == name).unwrap()["watch"];
    for (name, _) in good_manners() {
        let watch = watch(name);
        assert_eq!(watch["healthy_polls"], watch["polls"], "no poll of {name} failed: {watch}");
        assert_eq!(watch["late_ticks"], 0, "{name} was never late: {watch}");
        assert_eq!(watch["sample"]["heap_used"], 123 << 20, "{watch}");
    }
    let metrics = daemon.get("/metrics").await.unwrap();
    let failures = faults().into_iter().map(|(name, _, reason)| (name, reason));
    for (name, reason) in failures.chain([("absent", Reason::Refused)]) {
        assert_eq!(watch(name)["healthy_polls"], 0, "{name}");
        assert_eq!(watch(name)["failed_polls"], watch(name)["polls"], "{name}");
        let counter = format!("heapwatch_polls_total{{target=\"{name}\",result=\"{reason}\"}}");
        let counts: Vec<&str> =
            metrics.lines().filter(|line| line.contains(&format!("polls_total{{target=\"{name}\""))).collect();
        assert!(counts.len() == 1 && counts[0].starts_with(&counter), "{counter} alone, not {counts:?}");
    }
    // A daemon with this many targets has about 30 MB; the endless bodies and the bombs are cut at 1 MiB each.
    assert!(daemon.peak_rss_kb() < 128 << 10, "{} kB", daemon.peak_rss_kb());
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn more_targets_than_files_are_polled_all_the_same() {
    const FILES: usize = 80;
    const TARGETS: usize = 2 * FILES;
    let server = Faulty::start(Manner::Answers(BODY.into())).await;
    let mut tables = String::from("[defaults]\ninterval = \"2s\"\n");
    tables.extend((0..TARGETS).map(|index| target(&format!("t{index}"), &server.url(&format!("/{index}")))));
    let home = Home::new().files(FILES);
    home.configure(&tables);
    let daemon = home.start().await;

    wait_for("every target was polled", async || {
        let polls = |target: &Value| target["watch"]["polls"].as_u64();
        targets(&daemon).await.iter().all(|target| polls(target) >= Some(POLLS)).then_some(())
    })
    .await;

    for target in targets(&daemon).await {
        assert_eq!(target["watch"]["failed_polls"], 0, "{target}");
    }
    let open = server.connections() - server.closed();
    assert!((FILES / 4..FILES).contains(&open), "{open} connections, some of which are kept");
}
