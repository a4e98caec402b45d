//! The command `heapwatch probe` against servers good and bad: what it prints, and how it ends.

use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use crate::support::certificates::Authority;
use crate::support::faulty::{Faulty, Manner, nobody};
use crate::support::node::NodeService;
use crate::support::polling::wait_for;

async fn probe(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
    command.arg("probe").args(arguments).kill_on_drop(true).output().await.unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn shows_each_field_and_what_is_missing() {
    let body = r#"{"memory":{"heapUsed":"123 MB","rss":"190 MB"},"external":"n/a","listeners":7,"pid":4127}"#;
    let server = Faulty::start(Manner::Answers(body.into())).await;
    let output = stdout(&probe(&[&server.url(""), "--gauge", "listeners=/listeners"]).await);
    assert!(server.last_head().starts_with("GET /health/debug "), "{}", server.last_head());
    for line in [
        r#"heapUsed  123 MiB  /memory/heapUsed  "123 MB"    128974848 bytes, with 1 KB = 1024 B and 1 MB = 1024 KB"#,
        "listeners  7      /listeners",
        r#"external  /external  "n/a"       is not a size"#,
        "uptime           a restart is seen by its drop and gap only",
    ] {
        assert!(output.lines().any(|shown| shown == line), "no line {line:?} in\n{output}");
    }
}

#[tokio::test]
async fn prints_json_for_programs() {
    let server =
        Faulty::start(Manner::Answers(r#"{"mem":{"heap":5},"startedAt":"2025-10-09T08:53:20Z"}"#.into())).await;
    let output = stdout(&probe(&[&server.url("/x?key=1"), "--json", "--field", "heapUsedMB=/mem/heap"]).await);
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(report["url"], server.url("/x"), "without the query, which may be a secret");
    assert_eq!(report["fields"][0]["field"], "heapUsed");
    assert_eq!(report["fields"][0]["bytes"], 5 << 20);
    assert_eq!(report["fields"][1]["time"], "2025-10-09T08:53:20Z");
    let missing: Vec<&str> =
        report["missing"].as_array().unwrap().iter().filter_map(|row| row["field"].as_str()).collect();
    assert!(missing.contains(&"rss") && !missing.contains(&"uptime"), "{missing:?}");
}

#[tokio::test]
async fn proves_itself_with_what_the_files_hold() {
    let authority = Authority::new("ours");
    let manner = Manner::Guards { authorization: "Bearer t0ken".into(), json: r#"{"rss":5}"#.into() };
    let server = Faulty::start_tls(manner, authority.demanding_acceptor("127.0.0.1")).await;
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let token = file("token", "t0ken\n");
    let (ca, client) = (file("ca.pem", &authority.pem()), file("client.pem", &authority.client_pem()));
    stdout(&probe(&[&server.url("/"), "--token-file", &token, "--ca", &ca, "--client-cert", &client]).await);
}

#[tokio::test]
async fn the_exit_code_tells_failure_from_wrong_usage() {
    let url = nobody().await;
    for (arguments, code, said) in [
        (vec![url.as_str()], 1, "connection refused"),
        (vec![url.as_str(), "--token-file", "/nowhere/token"], 1, "cannot read /nowhere/token"),
        (vec![url.as_str(), "--field", "heapUse=/a"], 64, "`heapUse` is no field"),
        (vec![url.as_str(), "--timeout", "0s"], 64, "must be from"),
        (vec!["ftp://host"], 64, "neither http nor https"),
        (vec![], 64, "required"),
    ] {
        let output = probe(&arguments).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

/// prom-client in a real Node.js process: every figure that it has, and its own metrics as gauges.
#[tokio::test]
async fn reads_the_metrics_of_node() {
    let service = NodeService::start("cache.js", &[("METRICS", "1")]);
    let gauge = "handles=nodejs_active_handles_total";
    let output = probe(&[&service.url(""), "--format", "prometheus", "--json", "--gauge", gauge]).await;
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["url"], service.url("/metrics"));
    let bytes = |field: &str| {
        let fields = report["fields"].as_array().unwrap();
        fields.iter().find(|row| row["field"] == field).unwrap_or_else(|| panic!("no {field} in {report:#}"))["bytes"]
            .as_u64()
            .unwrap()
    };
    assert!(bytes("heapUsed") > 1 << 20 && bytes("heapUsed") <= bytes("heapTotal"), "{report:#}");
    assert!(bytes("rss") > bytes("heapTotal") && bytes("external") > 0, "{report:#}");
    let started = report["fields"].as_array().unwrap().iter().find(|row| row["field"] == "startTime").unwrap();
    assert_eq!(started["pointer"], "process_start_time_seconds");
    assert!(report["gauges"][0]["number"].as_f64().unwrap() >= 1.0, "{report:#}");
    let listed: Vec<&Value> = report["missing"].as_array().unwrap().iter().map(|row| &row["field"]).collect();
    assert!(!listed.contains(&&"uptime".into()), "the start tells of restarts: {report:#}");
}

/// A Go process of somebody else's: Prometheus itself.
#[tokio::test]
async fn reads_the_metrics_of_prometheus() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("prometheus.yml"), "global: {}\n").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let spawned = Command::new("prometheus")
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=data")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .current_dir(directory.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let _prometheus = spawned.expect("`tests/run` installs the package prometheus");
    let url = format!("http://127.0.0.1:{port}");
    let reading = wait_for("Prometheus answers", async || {
        let output = probe(&[&url, "--format", "prometheus"]).await;
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    })
    .await;
    for (field, metric) in [
        ("heapUsed ", "go_memstats_heap_alloc_bytes"),
        ("heapTotal ", "go_memstats_heap_sys_bytes"),
        ("rss ", "process_resident_memory_bytes"),
        ("startTime ", "process_start_time_seconds"),
    ] {
        let is_told = |line: &str| line.starts_with(field) && line.contains(metric);
        assert!(reading.lines().any(is_told), "no {field} from {metric} in\n{reading}");
    }
}

#[tokio::test]
async fn says_what_a_page_without_memory_has() {
    let server = Faulty::start(Manner::Answers("# HELP up x\nup 1\njobs_total{kind=\"a\"} 2\n".into())).await;
    let output = probe(&[&server.url(""), "--format", "prometheus"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the page has up, jobs_total"), "{said}");
    let server = Faulty::start(Manner::Answers("{\"heapUsed\":1}".into())).await;
    let said = String::from_utf8(probe(&[&server.url(""), "--format", "prometheus"]).await.stderr).unwrap();
    assert!(said.contains("is no page of metrics but `{\"heapUsed\":1}`"), "{said}");
}
