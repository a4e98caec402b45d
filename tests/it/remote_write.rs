//! Remote write into a real Prometheus, and into receivers that are down, slow, or say no.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heapwatch::http::{self, ClientOptions};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::support::daemon::Daemon;
use crate::support::polling::wait_for;
use crate::support::receiver::{Answer, Receiver};

const BODY: &str = r#"{"memory":{"heapUsed":60000000,"heapTotal":80000000,"external":2000000,"rss":140000000}}"#;

/// A Prometheus of the distribution's package, which takes samples and scrapes nothing.
struct Prometheus {
    child: Child,
    base: String,
    client: reqwest::Client,
    _data: tempfile::TempDir,
}

impl Prometheus {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("prometheus.yml"), "global: {}\n").unwrap();
        // It has no way to tell a port that it chose by itself.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .arg("--web.enable-remote-write-receiver")
            .arg(format!("--config.file={}", data.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", data.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the Debian package `prometheus`, which tests/run installs");
        let client = http::plain_client(&ClientOptions::default()).unwrap();
        let prometheus = Self { child, base: format!("http://{address}"), client, _data: data };
        wait_for("Prometheus is ready", async || {
            let answer = prometheus.client.get(format!("{}/-/ready", prometheus.base)).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        prometheus
    }

    fn push_url(&self) -> String {
        format!("{}/api/v1/write", self.base)
    }

    /// The series that a query finds now.
    async fn query(&self, query: &str) -> Vec<Value> {
        let url = Url::parse_with_params(&format!("{}/api/v1/query", self.base), [("query", query)]).unwrap();
        let answer = self.client.get(url).send().await.unwrap();
        let body = http::read_capped(answer, 1 << 20).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["data"]["result"].as_array().unwrap_or_else(|| panic!("{query}: {body}")).clone()
    }

    /// The labels and the number of the one series that a query finds, once there is one.
    async fn one(&self, query: &str) -> (Value, f64) {
        let series = wait_for(query, async || self.query(query).await.pop()).await;
        (series["metric"].clone(), series["value"][1].as_str().unwrap().parse().unwrap())
    }

    /// Waits until a query finds nothing, which takes five minutes where a series was not ended.
    async fn none(&self, query: &str) {
        wait_for(&format!("no more {query}"), async || self.query(query).await.is_empty().then_some(())).await;
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn tables(receivers: &str, targets: &[(&str, &Url)]) -> String {
    let targets = targets.iter().map(|(name, url)| {
        format!("[[targets]]\nname = \"{name}\"\nurl = \"{url}\"\nlabels = {{ team = \"pay\" }}\ngauges = [{{ name = \"used\", pointer = \"/memory/heapUsed\", maximum = 1e12 }}]\n")
    });
    let targets: String = targets.collect();
    format!("{receivers}[defaults]\ninterval = \"100ms\"\ntimeout = \"90ms\"\n{targets}")
}

/// `100ms` polls in requests of 200 ms.
fn receiver(name: &str, url: &str) -> String {
    format!("[[remote_write]]\nname = \"{name}\"\nurl = \"{url}\"\nflush = \"200ms\"\ntimeout = \"1s\"\n")
}

#[tokio::test]
async fn a_real_prometheus_has_every_figure_of_a_target_and_knows_when_it_ends() {
    let prometheus = Prometheus::start().await;
    let well = Arc::new(AtomicBool::new(true));
    let health = Arc::clone(&well);
    let answer = move || if health.load(Ordering::SeqCst) { Answer::text(200, BODY) } else { Answer::status(500) };
    let service = Receiver::start(move |_| answer()).await;
    let url = service.url("/");
    let receivers = receiver("tsdb", &prometheus.push_url()) + "labels = { cluster = \"eu\" }\n";
    let daemon = Daemon::start(&tables(&receivers, &[("api", &url), ("other", &url)])).await;

    let (labels, heap) = prometheus.one("heapwatch_target_memory_bytes{target=\"api\",signal=\"heapUsed\"}").await;
    assert!((heap - 60e6).abs() < 1.0, "{heap}");
    let expected = serde_json::json!({
        "__name__": "heapwatch_target_memory_bytes", "target": "api", "signal": "heapUsed", "team": "pay", "cluster": "eu",
    });
    assert_eq!(labels, expected);
    let (_, native) = prometheus.one("heapwatch_target_memory_bytes{target=\"api\",signal=\"native\"}").await;
    assert!((native - 58e6).abs() < 1.0, "{native}");
    assert!(prometheus.one("heapwatch_target_state{target=\"api\",state=\"warming_up\"}").await.1 > 0.0);
    assert!(prometheus.one("heapwatch_target_reading{target=\"api\",gauge=\"used\"}").await.1 > 0.0);
    // As many readings arrive as polls are made: none is folded away, and none is lost.
    let readings = "count_over_time(heapwatch_target_up{target=\"api\"}[1h])";
    wait_for("thirty readings", async || (prometheus.one(readings).await.1 >= 30.0).then_some(())).await;

    well.store(false, Ordering::SeqCst);
    prometheus.none("heapwatch_target_memory_bytes").await;
    assert!(prometheus.one("heapwatch_target_up{target=\"api\"}").await.1 < 0.5, "it does not answer");

    daemon.home.configure(&tables(&receivers, &[("api", &url)]));
    daemon.reload().await.unwrap();
    prometheus.none("{target=\"other\"}").await;
    assert!(!prometheus.query("heapwatch_target_up{target=\"api\"}").await.is_empty(), "the other one goes on");
    let sent = daemon.metric("heapwatch_remote_write_samples_total{receiver=\"tsdb\",result=\"sent\"}").await;
    assert!(sent.unwrap() > 100.0, "{sent:?}");
    let refused = daemon.metric("heapwatch_remote_write_samples_total{receiver=\"tsdb\",result=\"rejected\"}").await;
    assert_eq!(refused, None, "a real Prometheus refused samples");
}

#[tokio::test]
async fn samples_wait_for_a_receiver_in_trouble_and_for_none_that_says_no() {
    let service = Receiver::start(|_| Answer::text(200, BODY)).await;
    let (troubled, willing) = (Receiver::willing().await, Receiver::willing().await);
    troubled.script([
        Answer::status(503),
        Answer::status(429).with_header("Retry-After", "1"),
        Answer::Hang,
        Answer::status(400),
    ]);
    let receivers = receiver("troubled", troubled.url("/").as_str()) + &receiver("willing", willing.url("/").as_str());
    let began = Instant::now();
    let daemon = Daemon::start(&tables(&receivers, &[("api", &service.url("/"))])).await;

    wait_for("the fifth request", async || (troubled.received().len() >= 5).then_some(())).await;
    let got = troubled.received();
    for again in 1..4 {
        assert_eq!(got[0].body, got[again].body, "request {again} has the same samples: nothing overtakes them");
    }
    assert_ne!(got[0].body, got[4].body, "what was refused with 400 is not sent again");
    assert!(began.elapsed() > Duration::from_secs(2), "it waits before it tries again");
    let header = |name| got[0].header(name).map(str::to_owned);
    assert_eq!(header("content-encoding").as_deref(), Some("snappy"));
    assert_eq!(header("content-type").as_deref(), Some("application/x-protobuf"));
    assert_eq!(header("x-prometheus-remote-write-version").as_deref(), Some("0.1.0"));
    let figure = async |name: &str| daemon.metric(&format!("heapwatch_remote_write_{name}")).await.unwrap_or(0.0);
    assert!(figure("retries_total{receiver=\"troubled\"}").await >= 3.0);
    assert!(figure("samples_total{receiver=\"troubled\",result=\"rejected\"}").await > 0.0);
    // Meanwhile nobody else has waited.
    assert!(willing.received().len() >= 5, "{} requests", willing.received().len());
    let polls = daemon.metric("heapwatch_polls_total{target=\"api\",result=\"ok\"}").await.unwrap();
    assert!(polls > 15.0, "{polls} polls in {:?}", began.elapsed());
    assert!(figure("last_success_timestamp_seconds{receiver=\"willing\"}").await > 1.7e9);
}

#[tokio::test]
async fn a_receiver_that_never_comes_back_costs_a_bounded_queue() {
    let service = Receiver::start(|_| Answer::text(200, BODY)).await;
    // Nobody listens on port 9.
    let receivers = receiver("gone", "http://127.0.0.1:9/") + "batch = 20\ncapacity = 60\n";
    let daemon = Daemon::start(&tables(&receivers, &[("api", &service.url("/"))])).await;
    let dropped = "heapwatch_remote_write_samples_total{receiver=\"gone\",result=\"dropped\"}";
    wait_for("the queue is full", async || daemon.metric(dropped).await.filter(|dropped| *dropped > 100.0)).await;
    let queued = daemon.metric("heapwatch_remote_write_queue{receiver=\"gone\"}").await.unwrap();
    assert!(queued <= 80.0, "{queued} samples wait");
    assert!(daemon.stop().await.success(), "it does not hold up the end");
}
