//! The demo's own service, for machines without Node.js, is as real as the ones in `tests/services`.

use std::net::SocketAddr;
use std::time::Duration;

use heapwatch::cli::demo::service::{Service, ServiceOptions};
use heapwatch::units::ByteSize;
use reqwest::StatusCode;
use tokio::sync::oneshot;

use crate::support::polling::{get, json_when};
use crate::support::v8;

const TOKEN: &str = "demo-token";
const LEAK_BYTES: u64 = 10_000;

#[tokio::test]
async fn what_each_request_leaks_is_held_and_reported() {
    let (service, _stop) = start(500.0, ByteSize::mib(512)).await;
    let early = json_when(&url(service, "/health/debug"), |health| number(health, "/requests") >= 10).await;
    let late = json_when(&url(service, "/health/debug"), |health| {
        number(health, "/requests") >= number(&early, "/requests") + 200
    })
    .await;
    let requests = number(&late, "/requests") - number(&early, "/requests");
    let grown = number(&late, "/memory/heapUsed") - number(&early, "/memory/heapUsed");
    assert!(grown >= requests * LEAK_BYTES, "{requests} requests grew the heap by {grown} bytes");
    assert!(number(&late, "/memory/rss") >= number(&late, "/memory/heapUsed"), "{late}");
}

#[tokio::test]
async fn requests_from_outside_leak_too() {
    let (service, _stop) = start(0.0, ByteSize::mib(512)).await;
    for _ in 0..3 {
        assert_eq!(get(&url(service, "/"), "").await.unwrap().status(), StatusCode::OK);
    }
    let snapshot = v8::fetch_whole(&url(service, "/admin/heap-snapshot"), TOKEN).await;
    let bug = include_str!("../../src/cli/demo/service/logging.rs");
    assert_eq!(v8::objects_made_at(&snapshot, bug, "Listener::new("), 3);
}

#[tokio::test]
async fn a_snapshot_asks_for_the_token() {
    let (service, _stop) = start(0.0, ByteSize::mib(512)).await;
    for token in ["", "demo-tokem", "demo-token-and-more"] {
        let response = get(&url(service, "/admin/heap-snapshot"), token).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{token:?}");
    }
}

#[tokio::test]
async fn a_forgotten_service_stops_growing() {
    let bound = ByteSize::new(5 * LEAK_BYTES);
    let (service, _stop) = start(1000.0, bound).await;
    let full =
        json_when(&url(service, "/health/debug"), |health| number(health, "/memory/heapUsed") >= bound.bytes()).await;
    assert_eq!(get(&url(service, "/"), "").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(number(&full, "/memory/heapUsed") <= bound.bytes() + 2 * LEAK_BYTES, "{full}");
}

#[tokio::test]
async fn a_stopped_service_gives_its_port_back() {
    let (address, stop) = start(0.0, ByteSize::mib(512)).await;
    json_when(&url(address, "/health/debug"), |_| true).await;
    stop.stop().await;
    assert!(get(&url(address, "/health/debug"), "").await.is_err());
}

/// Dropping it stops the service as well.
struct Stop {
    stop: oneshot::Sender<()>,
    service: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Stop {
    async fn stop(self) {
        drop(self.stop);
        tokio::time::timeout(Duration::from_secs(10), self.service).await.unwrap().unwrap().unwrap();
    }
}

async fn start(rate: f64, most_live: ByteSize) -> (SocketAddr, Stop) {
    let leak_per_request = ByteSize::new(LEAK_BYTES);
    let options = ServiceOptions { port: 0, token: TOKEN.into(), leak_per_request, rate, most_live };
    let service = Service::bind(options).await.unwrap();
    let address = service.address();
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        // A dropped sender is as good a sign as a message.
        stopped.await.ok();
    };
    (address, Stop { stop, service: tokio::spawn(service.run(stopped)) })
}

fn url(service: SocketAddr, path: &str) -> String {
    format!("http://{service}{path}")
}

fn number(health: &serde_json::Value, pointer: &str) -> u64 {
    health.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap()
}
