//! Figures as others read them: Prometheus' own tools, the dashboard and the rules that are shipped, and the names that
//! README promises.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use heapwatch::clock::Timestamp;
use heapwatch::daemon::metrics::Metrics;
use heapwatch::leak::Outline;
use heapwatch::leak::verdict::{Growth, State, Verdict};
use heapwatch::sample::{Sample, Signal};
use heapwatch::status::board::Board;
use heapwatch::status::house::SourceStatus;
use heapwatch::status::{CareStatus, TargetStatus, WatchStatus};
use heapwatch::target::TargetName;
use heapwatch::units::ByteRate;
use heapwatch::web::from_open_metrics;
use serde_json::Value;

/// A page on which every figure has a line.
fn full_page() -> String {
    let board = Board::default();
    board.put(leaking_target());
    board.keep_house(|house| house.sources.push(source()));
    let metrics = Metrics::new(1.0, board);
    let name = TargetName::new("api").unwrap();
    metrics.poll(&name, "ok", 0.1);
    metrics.begins(0.002, 1);
    metrics.capture(&name, "stored");
    metrics.profile(&name, "stored");
    metrics.stored(3.0, 1 << 20);
    metrics.capture_refused("headroom");
    metrics.kept(5, 6.0);
    metrics.pruned("age");
    metrics.notified("hook", 0.5);
    metrics.notification_failed("hook", "status");
    metrics.owed("hook", 1, 2.0);
    metrics.gave_up("hook");
    metrics.channel_broken("hook", false);
    metrics.silences(0);
    metrics.discovery_failed("files");
    metrics.store_failed();
    metrics.storage_free(7);
    metrics.reloaded(Some(8.0));
    metrics.configured([9; 32]);
    metrics.remote_samples("mimir", "sent", 1);
    metrics.remote_succeeded("mimir", 9.0);
    metrics.remote_retry("mimir");
    metrics.remote_queued("mimir", 1);
    metrics.render()
}

fn source() -> SourceStatus {
    SourceStatus {
        name: "files".to_owned(),
        kind: "file_sd".to_owned(),
        place: "list.json".to_owned(),
        targets: 1,
        refused: 1,
        refusals: Vec::new(),
        leaving: Vec::new(),
        last_success: Some(Timestamp::from_unix_ms(0)),
        failures: 0,
        last_error: None,
    }
}

fn leaking_target() -> TargetStatus {
    let at = Timestamp::from_unix_ms(0);
    let growth = Growth {
        slope: ByteRate::per_second(1.0),
        r2: Some(0.97),
        from_bytes: 1,
        to_bytes: 2,
        since: at,
        until: at,
        limit_bytes: Some(3),
        limit_in_seconds: Some(4.0),
    };
    let signal = Some(Signal::HeapUsed);
    let verdict = Verdict { state: State::Leaking, since: at, signal, growth: Some(growth), reasons: Vec::new() };
    let sample = Sample { heap_used: Some(1), gauges: vec![("listeners".to_owned(), 2.0)], ..Sample::empty(at) };
    let outline = Outline { signal: Signal::HeapUsed, since: at, until: at, floors: vec![Some(1)] };
    TargetStatus {
        name: "api".parse().unwrap(),
        labels: [("team".to_owned(), "payments".to_owned())].into(),
        url: String::new(),
        watch: WatchStatus {
            verdict: Some(verdict),
            sample: Some(sample),
            healthy_polls: 1,
            floor: outline.newest(),
            ..WatchStatus::default()
        },
        care: CareStatus { daily_budget: 4, captures_last_day: 1, ..CareStatus::default() },
    }
}

/// The names of a page as queries know them, each with its labels.
fn exposed(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(['{', ' ']).unwrap();
        let labels = if line.contains('{') { label_names(rest.split_once('}').unwrap().0) } else { BTreeSet::new() };
        names.entry(name.to_owned()).or_default().extend(labels);
    }
    names
}

/// Names before `=`, `!=` and `=~`.
fn label_names(matchers: &str) -> BTreeSet<String> {
    let names = matchers.split(',').filter_map(|matcher| matcher.split(['=', '!']).next());
    names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Each of our names in a query, with the labels of its selector.
fn asked(expression: &str) -> Vec<(String, BTreeSet<String>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut asked = Vec::new();
    for (start, _) in expression.match_indices(is_word) {
        let before = expression.chars().nth(start.wrapping_sub(1)).filter(|_| start > 0);
        let rest: String = expression.chars().skip(start).collect();
        let is_ours = rest.starts_with("heapwatch_") || rest.starts_with("process_");
        if before.is_some_and(is_word) || !is_ours {
            continue;
        }
        let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
        let selector = rest.strip_prefix(&name).and_then(|rest| rest.strip_prefix('{'));
        let labels = selector.and_then(|rest| rest.split_once('}')).map(|(labels, _)| label_names(labels));
        asked.push((name, labels.unwrap_or_default()));
    }
    asked
}

fn assert_exposed(expressions: &[String], what: &str) {
    let exposed = exposed(&full_page());
    let mut seen = 0;
    for expression in expressions {
        for (name, labels) in asked(expression) {
            let known = exposed.get(&name).unwrap_or_else(|| panic!("{what}: nothing exposes {name}: {expression}"));
            assert!(labels.is_subset(known), "{what}: {name} has {known:?} and not {labels:?}: {expression}");
            seen += 1;
        }
    }
    assert!(seen >= expressions.len() / 2 && seen > 5, "{what}: {seen} names in {} queries", expressions.len());
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs `promtool`, and fails with what it says.
fn promtool(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool of the Debian package `prometheus`, which tests/run installs");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}\n{input}");
    said
}

#[test]
fn promtool_finds_nothing_to_say_about_the_figures() {
    assert_eq!(promtool(&["check", "metrics"], &from_open_metrics(&full_page())), "");
}

/// A figure without a name in README, or a name there that nothing has, is found here.
#[test]
fn readme_names_every_figure() {
    let readme = fs::read_to_string(shipped("README.md")).unwrap();
    let (_, section) = readme.split_once("**Metrics**").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let words = section.split('`').skip(1).step_by(2).map(|word| word.split('{').next().unwrap().to_owned());
    let named: BTreeSet<String> = words
        .filter(|word| {
            word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') && !word.ends_with('_')
        })
        .collect();
    let page = full_page();
    let family = |name: String| {
        let name = name.trim_start_matches("heapwatch_").to_owned();
        ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).map_or(name.clone(), str::to_owned)
    };
    let there: BTreeSet<String> = exposed(&page).into_keys().map(family).collect();
    assert_eq!(there.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "figures without a word");
    assert_eq!(named.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "words without a figure");
}

#[test]
fn the_rules_ask_for_what_is_exposed_and_fire_as_they_should() {
    let path = shipped("config/prometheus-rules.yml");
    promtool(&["check", "rules", path.to_str().unwrap()], "");
    let text = fs::read_to_string(&path).unwrap();
    let alerts = text.split("- alert: ").skip(1);
    let expressions: Vec<String> = alerts
        .clone()
        .map(|alert| {
            let (_, rest) = alert.split_once("expr: ").unwrap();
            rest.split("\n        for:").next().unwrap().split("\n        labels:").next().unwrap().to_owned()
        })
        .collect();
    assert_exposed(&expressions, "prometheus-rules.yml");
    for alert in alerts {
        assert!(alert.contains("summary: ") && alert.contains("description: "), "what to do, at night: {alert}");
    }
    promtool(&["test", "rules", shipped("tests/fixtures/prometheus-rules.test.yml").to_str().unwrap()], "");
}

#[test]
fn the_dashboard_asks_for_what_is_exposed_in_queries_that_parse() {
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(shipped("config/grafana-dashboard.json")).unwrap()).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            expressions.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        expressions.extend(variable["query"].as_str().map(str::to_owned).filter(|query| query.starts_with("label_")));
    }
    assert_exposed(&expressions, "grafana-dashboard.json");
    // Rules are what promtool parses queries in.
    let rules = expressions.iter().filter(|query| !query.starts_with("label_")).enumerate();
    let rules =
        rules.map(|(number, query)| format!("  - record: panel:{number}\n    expr: {}\n", Value::from(query.as_str())));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, format!("groups:\n- name: panels\n  rules:\n{}", rules.collect::<String>())).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()], "");
}
