//! The test services are what they claim to be, else nothing that is tested against them proves anything.

use std::time::Duration;

use heapwatch::http::{self, ClientOptions};
use reqwest::StatusCode;
use serde_json::Value;

use crate::support::node::NodeService;

/// Settings of a run whose times are shrunk: what is garbage goes soon, so that heapUsed shows what is kept.
const SHRUNK: [(&str, &str); 4] =
    [("GC_INTERVAL_MS", "200"), ("LEAK_BYTES", "50000"), ("CACHE_ENTRIES", "100"), ("CACHE_ENTRY_BYTES", "50000")];
const MEGABYTE: u64 = 1_000_000;
/// A snapshot of these services is some 10 MB.
const SNAPSHOT_LIMIT_BYTES: usize = 200_000_000;

#[tokio::test]
async fn the_leaky_service_keeps_a_listener_and_its_bytes_for_each_request() {
    let mut service = NodeService::start("leaky.js", &SHRUNK);
    service.load(200.0);
    let early = health_when(&service, |health| requests(health) >= 100).await;
    let late = health_when(&service, |health| requests(health) >= requests(&early) + 200).await;
    assert_eq!(late["listeners"], late["requests"]);
    let grown = heap_used(&late).saturating_sub(heap_used(&early));
    assert!(grown >= 8 * MEGABYTE, "200 requests that leak 50 kB each grew the heap by {grown} bytes only");
}

#[tokio::test]
async fn the_fixed_service_does_the_same_work_and_keeps_nothing() {
    let mut service = NodeService::start("fixed.js", &SHRUNK);
    service.load(200.0);
    let early = health_when(&service, |health| requests(health) >= 100).await;
    let is_back = |health: &Value| heap_used(health) < heap_used(&early) + 3 * MEGABYTE;
    let late = health_when(&service, |health| requests(health) >= requests(&early) + 200 && is_back(health)).await;
    assert_eq!(late["listeners"], 1);
}

#[tokio::test]
async fn the_cache_fills_and_levels_off() {
    let mut service = NodeService::start("cache.js", &SHRUNK);
    service.load(200.0);
    let start = health_when(&service, |_| true).await;
    let full = health_when(&service, |health| health["entries"] == 100).await;
    let filled = heap_used(&full).saturating_sub(heap_used(&start));
    assert!(filled >= 3 * MEGABYTE, "100 entries of 50 kB fill {filled} bytes only");
    let is_level = |health: &Value| heap_used(health) < heap_used(&full) + 3 * MEGABYTE;
    let late = health_when(&service, |health| requests(health) >= requests(&full) + 200 && is_level(health)).await;
    assert_eq!(late["entries"], 100);
}

#[tokio::test]
async fn snapshots_ask_for_the_token() {
    for script in ["leaky.js", "fixed.js", "cache.js"] {
        let service = NodeService::start(script, &[]);
        for token in ["", "wrong"] {
            let response = get(&service, "/admin/heap-snapshot", token).await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{script} with the token {token:?}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_of_the_leaky_service_is_whole_and_holds_the_listeners() {
    let mut service = NodeService::start("leaky.js", &[]);
    service.load(100.0);
    let before = health_when(&service, |health| requests(health) >= 50).await;
    let response = get(&service, "/admin/heap-snapshot", &service.token).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = http::read_capped(response, SNAPSHOT_LIMIT_BYTES).await.unwrap();
    let snapshot: Value = serde_json::from_slice(&body).unwrap();
    let count = |section: &str, fields: &str| {
        let fields = snapshot["snapshot"]["meta"][fields].as_array().unwrap().len();
        snapshot[section].as_array().unwrap().len() / fields
    };
    assert_eq!(snapshot["snapshot"]["node_count"], count("nodes", "node_fields"));
    assert_eq!(snapshot["snapshot"]["edge_count"], count("edges", "edge_fields"));
    let most_common = most_common_line(&snapshot);
    assert!(most_common >= requests(&before), "{most_common} closures come from one line, {before} was before");
}

/// How many objects come from the line that most of them come from.
fn most_common_line(snapshot: &Value) -> u64 {
    let mut lines = std::collections::HashMap::new();
    for location in snapshot["locations"].as_array().unwrap().chunks(4) {
        let place: Vec<_> = location[1..].iter().filter_map(Value::as_u64).collect();
        *lines.entry(place).or_insert(0) += 1;
    }
    lines.into_values().max().unwrap()
}

#[tokio::test]
async fn the_storys_health_format_has_rounded_strings() {
    let service = NodeService::start("fixed.js", &[("HEALTH_FORMAT", "story")]);
    let health = health_when(&service, |_| true).await;
    let rss = health["memory"]["rss"].as_str().unwrap();
    let megabytes: u64 = rss.strip_suffix(" MB").unwrap().parse().unwrap();
    assert!((10..1000).contains(&megabytes), "{rss}");
}

#[tokio::test]
async fn a_restarted_service_keeps_its_port_and_nothing_else() {
    let mut service = NodeService::start("leaky.js", &SHRUNK);
    service.load(100.0);
    let first_pid = service.pid;
    let before = health_when(&service, |health| requests(health) >= 100).await;
    service.kill9();
    assert!(get(&service, "/health/debug", "").await.is_err(), "a killed service answered");
    service.restart();
    let after = health_when(&service, |health| requests(health) >= 1).await;
    assert!(requests(&after) < requests(&before), "{after}");
    assert_ne!(service.pid, first_pid);
    assert_eq!(after["pid"], service.pid);
}

#[tokio::test]
async fn a_service_ends_with_whoever_started_it() {
    let mut service = NodeService::start("fixed.js", &[("LOAD_RATE", "20")]);
    health_when(&service, |health| requests(health) >= 1).await;
    service.close_stdin();
    wait_for("the service ends", async || (!service.is_running()).then_some(())).await;
}

async fn get(service: &NodeService, path: &str, token: &str) -> reqwest::Result<reqwest::Response> {
    let client = http::client(&ClientOptions::default()).unwrap();
    client.get(service.url(path)).bearer_auth(token).send().await
}

async fn health_when(service: &NodeService, condition: impl Fn(&Value) -> bool) -> Value {
    wait_for("the health endpoint shows it", async || {
        let response = get(service, "/health/debug", "").await.ok()?;
        let body = http::read_capped(response, 100_000).await.ok()?;
        serde_json::from_slice(&body).ok().filter(&condition)
    })
    .await
}

/// Asks until there is an answer, and fails where there is none within a minute.
async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    const DEADLINE: Duration = Duration::from_mins(1);
    const PAUSE: Duration = Duration::from_millis(50);
    let found = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

fn requests(health: &Value) -> u64 {
    health["requests"].as_u64().unwrap()
}

fn heap_used(health: &Value) -> u64 {
    health["memory"]["heapUsed"].as_u64().unwrap()
}
