//! `heapwatch replay` as a person runs it: the built executable over recordings of real processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/traces").join(name)
}

fn heapwatch(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heapwatch")).args(arguments).output().expect("the executable runs")
}

fn events(arguments: &[&str]) -> Vec<Value> {
    let output = heapwatch(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

fn confirmed(trace: &str) -> Vec<String> {
    let path = fixture(trace);
    let found = events(&["replay", "--limit", "536870912", path.to_str().expect("a plain path")]);
    let confirmed = found.iter().filter(|event| event["event"] == "leak_confirmed");
    confirmed.map(|event| event["signal"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn real_leaks_are_confirmed_and_real_health_is_silent() {
    for (trace, signals) in [
        ("eve-leak.csv", &["heapUsed"][..]),
        ("eve-noleak.csv", &[]),
        ("v8-leak-listener.csv", &["heapUsed"]),
        ("v8-leak-external.csv", &["external"]),
        ("v8-ok-diurnal.csv", &[]),
        ("v8-ok-batchjob.csv", &[]),
    ] {
        assert_eq!(confirmed(trace), signals, "{trace}");
    }
}

#[test]
fn events_carry_the_numbers_that_programs_ask_for() {
    let path = fixture("v8-leak-listener.csv");
    let found = events(&["replay", "--limit", "512MiB", path.to_str().unwrap()]);
    let leak = found.iter().find(|event| event["event"] == "leak_confirmed").unwrap();
    let slope = leak["slope_bytes_per_hour"].as_f64().unwrap() / 1_048_576.0;
    assert!((18.0..26.0).contains(&slope), "{slope} MiB/h");
    assert!(leak["limit_in_seconds"].as_f64().unwrap() > 0.0);
    assert!(leak["time"].as_f64().unwrap() > 1_760_000_600.0);
    assert!(leak["reasons"].as_array().unwrap().iter().all(|reason| reason["passed"] == true));
    let times: Vec<f64> = found.iter().map(|event| event["time"].as_f64().unwrap()).collect();
    assert!(times.is_sorted());
    assert!(found.iter().any(|event| event["event"] == "snapshot_due" && event["part"] == "first"));
}

#[test]
fn an_empty_limit_is_none() {
    let path = fixture("v8-leak-listener.csv");
    let found = events(&["replay", "--limit", "", path.to_str().unwrap()]);
    let leak = found.iter().find(|event| event["event"] == "leak_confirmed").unwrap();
    assert!(leak["limit_in_seconds"].is_null());
}

#[test]
fn bad_rows_are_named_by_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace.csv");
    std::fs::write(&path, "time,rss\n1,2\n2,lots\n").unwrap();
    let output = heapwatch(&["replay", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("trace.csv:3: rss is `lots`"), "{message}");
}

#[test]
fn a_plot_and_an_explanation_can_be_had() {
    let directory = tempfile::tempdir().unwrap();
    let plot = directory.path().join("plot.svg");
    let path = fixture("v8-leak-listener.csv");
    let output = heapwatch(&[
        "replay",
        "--limit",
        "512MiB",
        "--explain",
        "--plot",
        plot.to_str().unwrap(),
        path.to_str().unwrap(),
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    for gate in ["slope", "size", "noise", "spread", "tail", "give_back", "cycle", "tooth"] {
        assert!(text.contains(&format!("  {gate} ")), "{gate} is missing in {text}");
    }
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && svg.contains("confirmed"));
}
