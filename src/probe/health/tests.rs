//! Bodies as services really answer, and bodies as nobody should.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_760_000_000_000);
const MIB: u64 = 1 << 20;

fn mapping(pointers: &[(&str, &str)]) -> Mapping {
    Mapping::new(&pointers.iter().map(|(name, at)| ((*name).to_owned(), (*at).to_owned())).collect(), &[])
}

fn reading(body: &serde_json::Value) -> Reading {
    reading_of(&body.to_string())
}

fn reading_of(body: &str) -> Reading {
    read(body.as_bytes(), &Mapping::default()).unwrap_or_else(|error| panic!("{error} in {body}"))
}

fn error_of(body: &str) -> HealthError {
    read(body.as_bytes(), &Mapping::default()).expect_err(body)
}

/// Where a field was found.
fn place(body: &str, field: Field) -> Option<String> {
    reading_of(body).get(field).map(|found| found.pointer.clone())
}

#[test]
fn the_story_is_understood() {
    let sample = reading(&json!({
        "heapUsed": "123 MB", "heapTotal": "496.01 MB", "external": "512KB", "rss": "1.2 GiB", "uptime": 3600.5
    }))
    .into_sample(NOW);
    assert_eq!(sample.heap_used, Some(123 * MIB));
    assert_eq!(sample.heap_total, Some(520_104_182));
    assert_eq!(sample.external, Some(512 << 10));
    assert_eq!(sample.rss, Some(1_288_490_189));
    assert_eq!(sample.uptime, Some(Duration::from_millis(3_600_500)));
    assert_eq!((sample.pid, sample.requests, sample.memory_limit), (None, None, None));
}

#[test]
fn what_node_reports_is_understood_whole() {
    let body = json!({
        "status": "ok",
        "pid": 4127,
        "startedAt": "2025-10-09T07:53:20Z",
        "memoryUsage": {"rss": 100, "heapTotal": 60, "heapUsed": 50, "external": 7, "arrayBuffers": 3},
        "heapStatistics": {"used_heap_size": 51, "total_heap_size": 61, "heap_size_limit": 4_345_298_944_u64},
        "cgroup": {"limit": 536_870_912},
        "gc": {"major": {"count": 12}, "heapUsedAfterGc": 40},
        "requests": {"total": 99}
    });
    let sample = reading(&body).into_sample(NOW);
    assert_eq!((sample.rss, sample.heap_total, sample.heap_used), (Some(100), Some(60), Some(50)));
    assert_eq!((sample.external, sample.array_buffers), (Some(7), Some(3)));
    assert_eq!(sample.memory_limit, Some(536_870_912), "the lower of the two limits");
    assert_eq!((sample.major_gcs, sample.heap_used_after_gc), (Some(12), Some(40)));
    assert_eq!((sample.pid, sample.requests), (Some(4127), Some(99)));
    assert_eq!(sample.uptime, Some(Duration::from_hours(1)), "from the start time");
}

#[test]
fn nesting_spelling_and_units_in_names_do_not_matter() {
    let sample = reading(&json!({"data": {"memory": {
        "heap_used_bytes": 5000, "heap-total-kb": 10, "rss_mb": 1.5, "heap": {"limit_mib": 2}
    }, "uptime_ms": 1500}}))
    .into_sample(NOW);
    assert_eq!((sample.heap_used, sample.heap_total), (Some(5000), Some(10 << 10)));
    assert_eq!((sample.rss, sample.memory_limit), (Some(1_572_864), Some(2 * MIB)));
    assert_eq!(sample.uptime, Some(Duration::from_millis(1500)));
}

#[test]
fn nothing_is_assumed_between_fields() {
    let sample = reading(&json!({"rss": 10, "external": 1000, "heapUsed": 90, "heapTotal": 80})).into_sample(NOW);
    assert_eq!((sample.rss, sample.external, sample.heap_used), (Some(10), Some(1000), Some(90)));
}

#[test]
fn of_several_the_stated_rule_decides() {
    for (reason, body, field, expected) in [
        ("shallowest", r#"{"a":{"b":{"rss":1}},"c":{"rss":2}}"#, Field::Rss, "/c/rss"),
        ("first", r#"{"c":{"rss":2},"a":{"rss":1}}"#, Field::Rss, "/c/rss"),
        ("memory", r#"{"rss":1,"memory":{"rss":2}}"#, Field::Rss, "/memory/rss"),
        ("process", r#"{"uptime":9,"app":{"heapUsed":1},"process":{"uptime":2}}"#, Field::Uptime, "/process/uptime"),
        ("same object", r#"{"memory":{"rss":2},"x":{"memory":{"heapUsed":1,"rss":3}}}"#, Field::Rss, "/x/memory/rss"),
        ("bytes", r#"{"heapUsedMB":1,"heapUsed":1048577}"#, Field::HeapUsed, "/heapUsed"),
        ("usual name", r#"{"used_heap_size":1,"heapUsed":2}"#, Field::HeapUsed, "/heapUsed"),
        ("usable", r#"{"heapUsed":null,"deep":{"heapUsed":2}}"#, Field::HeapUsed, "/deep/heapUsed"),
    ] {
        assert_eq!(place(body, field).as_deref(), Some(expected), "{reason}: {body}");
    }
}

#[test]
fn figures_of_the_machine_or_of_another_time_are_left_out() {
    let reading = reading_of(r#"{"os":{"uptime":9,"rss":8},"peak":{"heapUsed":7},"app":{"heapUsed":1}}"#);
    assert_eq!(reading.found.len(), 1);
    assert_eq!(reading.get(Field::HeapUsed).map(|found| found.pointer.as_str()), Some("/app/heapUsed"));
    assert_eq!(reading.ignored.len(), 3, "each says why: {:?}", reading.ignored);
}

#[test]
fn external_is_believed_only_beside_memory() {
    let body = r#"{"dependencies":{"external":2},"usage":{"heapUsed":1}}"#;
    assert_eq!(place(body, Field::External), None);
    assert_eq!(place(r#"{"usage":{"heapUsed":1,"external":2}}"#, Field::External).as_deref(), Some("/usage/external"));
}

#[test]
fn a_repeated_member_counts_once_and_the_last_wins() {
    let reading = reading_of(r#"{"heapUsed":1,"heapUsed":2}"#);
    assert_eq!(reading.into_sample(NOW).heap_used, Some(2));
}

#[test]
fn several_processes_are_refused() {
    for body in [
        r#"[{"pid":1,"heapUsed":1},{"pid":2,"heapUsed":2}]"#,
        r#"{"workers":[{"memory":{"heapUsed":1,"rss":2}},{"memory":{"heapUsed":3,"rss":4}}]}"#,
        r#"{"workers":{"101":{"heapUsed":1},"102":{"heapUsed":2}}}"#,
    ] {
        assert!(matches!(error_of(body), HealthError::SeveralProcesses { count: 2 }), "{body}");
    }
    // The primary's own figures stand beside those of its workers.
    let body = r#"{"memory":{"heapUsed":5},"workers":[{"heapUsed":1},{"heapUsed":2}]}"#;
    assert_eq!(place(body, Field::HeapUsed).as_deref(), Some("/memory/heapUsed"));
}

#[test]
fn an_absurd_figure_never_becomes_a_sample() {
    for body in [r#"{"heapUsed":-1,"rss":5}"#, r#"{"heapUsed":1,"rss":9e18}"#, r#"{"rss":"-3 MB"}"#] {
        assert!(matches!(error_of(body), HealthError::AbsurdNumber { .. }), "{body}");
    }
    let reading = reading_of(r#"{"heapUsed":1,"external":18446744073709551615,"heapTotal":-4}"#);
    assert_eq!(reading.found.len(), 1);
    assert_eq!(reading.ignored.len(), 2);
}

#[test]
fn no_limit_is_no_limit() {
    let reading = reading_of(r#"{"heapUsed":1,"memory_limit":9223372036854771712,"heap_size_limit":4096}"#);
    assert_eq!(reading.into_sample(NOW).memory_limit, Some(4096));
}

#[test]
fn pointers_override_names_also_when_nothing_is_there() {
    let body = r#"{"heapUsed":1,"mem":[{"a/b":7}],"rss":3}"#;
    let sample = |pointers| read(body.as_bytes(), &mapping(pointers)).expect("rss is there").into_sample(NOW);
    assert_eq!(sample(&[("heapUsed", "/mem/0/a~1b")]).heap_used, Some(7));
    assert_eq!(sample(&[("heapUsedMB", "/mem/0/a~1b")]).heap_used, Some(7 * MIB));
    assert_eq!(sample(&[("heapUsed", "/nowhere")]).heap_used, None);
    assert_eq!(sample(&[("heapUsed", "/mem")]).heap_used, None, "an array is no figure");
}

#[test]
fn gauges_are_numbers_by_pointer() {
    let gauges = [("listeners".to_owned(), "/listeners/uncaughtException".to_owned()), ("gone".into(), "/gone".into())];
    let mapping = Mapping::new(&BTreeMap::new(), &gauges);
    let body = br#"{"heapUsed":1,"listeners":{"uncaughtException":17}}"#;
    let reading = read(body, &mapping).expect("a reading");
    assert_eq!(reading.gauges.iter().map(|gauge| gauge.number).collect::<Vec<_>>(), [Some(17.0), None]);
    assert_eq!(reading.into_sample(NOW).gauges, [("listeners".to_owned(), 17.0)]);
}

#[test]
fn a_start_in_the_future_gives_no_uptime() {
    assert_eq!(reading_of(r#"{"rss":1,"startTime":1760000001}"#).into_sample(NOW).uptime, None);
    let earlier = reading_of(r#"{"rss":1,"startTime":1759999990}"#);
    // The steady line has another origin than the wall line.
    let sample = earlier.into_sample(Timestamp::from_lines(5, 1_760_000_000_000));
    assert_eq!(sample.uptime, Some(Duration::from_secs(10)));
}

#[test]
fn bodies_without_memory_say_what_they_have() {
    let HealthError::NoMemoryFields { hint } = error_of(r#"{"status":"ok","uptime":5}"#) else { panic!("other") };
    assert_eq!(hint, "the body has status, uptime");
    let HealthError::NoMemoryFields { hint } = error_of(r#"{"heapUsed":"n/a"}"#) else { panic!("other") };
    assert!(hint.starts_with("`/heapUsed` is \"n/a\""), "{hint}");
    for body in ["{}", "[]", "5", "null", "\"heapUsed\"", r#"{"heap":{}}"#] {
        assert!(matches!(error_of(body), HealthError::NoMemoryFields { .. }), "{body}");
    }
}

#[test]
fn what_is_no_json_is_named() {
    let page = "<!DOCTYPE html>\r\n\u{1b}[31m<html>";
    let HealthError::NotJson { start, .. } = error_of(page) else { panic!("other") };
    assert_eq!(start, "<!DOCTYPE html> [31m<html>");
    for body in ["", "{", r#"{"heapUsed":1}x"#, r#"{"heapUsed":NaN}"#, r#"{"heapUsed":1,}"#, "\u{0}"] {
        assert!(matches!(error_of(body), HealthError::NotJson { .. }), "{body:?}");
    }
    let deep = "[".repeat(1 << 20);
    assert!(matches!(error_of(&deep), HealthError::NotJson { .. }));
    assert_eq!(reading_of("\u{feff}{\"rss\":1}").found.len(), 1, "a byte order mark is skipped");
}

#[test]
fn hostile_bodies_are_kept_small() {
    let mut many: serde_json::Map<_, _> = (0..20_000).map(|i| (format!("k{i}"), json!({"rss": i}))).collect();
    many.insert("a".into(), json!({"heapUsed": 1}));
    let reading = reading(&many.into());
    assert!(reading.found.len() + reading.ignored.len() < 100);
    let long = reading_of(&format!(
        "{{\"{}\":{{\"rss\":1}},\"heapUsed\":\"{}\",\"rss\":2}}",
        "k".repeat(9999),
        "x".repeat(9999)
    ));
    let shown: usize = long.found.iter().map(|found| found.pointer.len() + found.raw.len()).sum();
    let ignored: usize = long.ignored.iter().map(|ignored| ignored.pointer.len() + ignored.raw.len()).sum();
    assert!(shown + ignored < 1_000, "{long:?}");
}

/// JSON documents with our names strewn in.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|truth| json!(truth)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        (any::<u32>(), "(B|KB|MB|GiB|moons|)").prop_map(|(number, unit)| json!(format!("{number} {unit}"))),
        ".{0,12}".prop_map(|text| json!(text)),
    ];
    let key = prop_oneof![
        proptest::sample::select(vec![
            "heapUsed",
            "heap",
            "used",
            "rss_mb",
            "external",
            "memory",
            "os",
            "limit",
            "uptime",
            "pid",
            "0",
            "startTime",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9/~_]{0,6}",
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::Array),
            proptest::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// No bytes can panic the parser.
    #[test]
    fn any_bytes_give_a_value_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(reading) = read(&body, &mapping(&[("heapUsed", "/a/0")])) {
            prop_assert!(!reading.found.is_empty());
        }
    }

    /// Whatever the document, only believable figures come out, each at a place that exists.
    #[test]
    fn only_believable_figures_come_out(document in document()) {
        if let Ok(reading) = read(document.to_string().as_bytes(), &Mapping::default()) {
            for found in &reading.found {
                if let Figure::Bytes(bytes) = found.figure {
                    prop_assert!(bytes <= 1 << 53);
                }
                prop_assert!(document.pointer(&found.pointer).is_some(), "{}", found.pointer);
            }
            let sample = reading.into_sample(NOW);
            let figures = [sample.heap_used, sample.heap_total, sample.external, sample.array_buffers, sample.rss];
            prop_assert!(figures.into_iter().chain([sample.heap_used_after_gc]).flatten().next().is_some());
        }
    }

    /// A figure survives whatever stands around it and however its name is spelled.
    #[test]
    fn a_lone_figure_is_found_at_any_depth(
        bytes in 0_u64..=1 << 53,
        name in proptest::sample::select(vec!["heapUsed", "heap_used", "heap-used", "heapUsedBytes", "HEAP_USED_BYTES"]),
        parents in proptest::collection::vec("[b-z]{1,8}x", 0..20),
    ) {
        let mut body = json!({name: bytes});
        for parent in &parents {
            body = json!({parent: body, "note": "rss"});
        }
        prop_assert_eq!(reading(&body).into_sample(NOW).heap_used, Some(bytes));
    }
}

/// As the npm package writes it: all that it tells is seen, as a field or as something to watch.
#[test]
fn numbers_besides_are_offered_as_gauges() {
    let body = r#"{"pid":7,"node":"v20.1.0","memoryUsage":{"heapUsed":1},"detachedContexts":2,
        "eventLoopDelay":{"p50Ms":10.1,"p99Ms":12.5},"handles":{"TCPSocketWrap":3},"listeners":{"process":{"exit":1}},
        "workers":[{"queue":9}]}"#;
    let others = reading_of(body).others;
    let names: Vec<&str> = others.iter().map(|(pointer, _)| pointer.as_str()).collect();
    let expected = [
        "/detachedContexts",
        "/eventLoopDelay/p50Ms",
        "/eventLoopDelay/p99Ms",
        "/handles/TCPSocketWrap",
        "/listeners/process/exit",
    ];
    assert_eq!(names, expected, "fields, texts and elements are none");
    assert!((others[2].1 - 12.5).abs() < 1e-9);
    let many = (0..200).fold(String::new(), |text, n| format!(r#"{text},"n{n}":{n}"#));
    assert!(
        reading_of(&format!(r#"{{"heapUsed":1{many}}}"#)).others.len() < 64,
        "a body of numbers alone costs no more"
    );
}
