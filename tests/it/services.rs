//! The test services are what they claim to be, else nothing that is tested against them proves anything.

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::node::NodeService;
use crate::support::polling::{get, json_when, wait_for};
use crate::support::v8;

/// Settings of a run whose times are shrunk: what is garbage goes soon, so that heapUsed shows what is kept.
const SHRUNK: [(&str, &str); 4] =
    [("GC_INTERVAL_MS", "200"), ("LEAK_BYTES", "50000"), ("CACHE_ENTRIES", "100"), ("CACHE_ENTRY_BYTES", "50000")];
const MEGABYTE: u64 = 1_000_000;

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
            let response = get(&service.url("/admin/heap-snapshot"), token).await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{script} with the token {token:?}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_of_the_leaky_service_is_whole_and_holds_the_listeners() {
    let mut service = NodeService::start("leaky.js", &[]);
    service.load(100.0);
    let before = health_when(&service, |health| requests(health) >= 50).await;
    let snapshot = v8::fetch_whole(&service.url("/admin/heap-snapshot"), &service.token).await;
    let bug = include_str!("../services/middleware/logging.js");
    let listeners = v8::objects_made_at(&snapshot, bug, "(error) =>");
    assert!(listeners >= requests(&before), "{listeners} closures come from the leaking line after {before}");
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
    assert!(get(&service.url("/health/debug"), "").await.is_err(), "a killed service answered");
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

async fn health_when(service: &NodeService, condition: impl Fn(&Value) -> bool) -> Value {
    json_when(&service.url("/health/debug"), condition).await
}

fn requests(health: &Value) -> u64 {
    health["requests"].as_u64().unwrap()
}

fn heap_used(health: &Value) -> u64 {
    health["memory"]["heapUsed"].as_u64().unwrap()
}
