//! Pages as client libraries write them, and pages as nobody should.

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;

const NOW: Timestamp = Timestamp::from_unix_ms(1_760_000_100_000);

/// As prom-client 15 writes them, shortened.
const NODE: &str = r#"# HELP process_resident_memory_bytes Resident memory size in bytes.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 58429440

process_start_time_seconds 1760000000.25
nodejs_active_handles{type="Socket"} 3
nodejs_active_handles{type="Pipe \"x\"\n{}"} 2
nodejs_heap_size_total_bytes 9568256
nodejs_heap_size_used_bytes 8.4e+06
nodejs_external_memory_bytes 2.271e6 1760000099000
nodejs_heap_space_size_used_bytes{space="new"} 500000
nodejs_heap_space_size_used_bytes{space="old"} 6000000
nodejs_gc_duration_seconds_count{kind="minor"} 9
nodejs_gc_duration_seconds_count{kind="major"} 4
nodejs_eventloop_lag_p99_seconds NaN
"#;

fn selection(fields: &[(&str, &str)], gauges: &[(&str, &str)]) -> Selection {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    Selection::new(&owned(fields).into_iter().collect(), &owned(gauges))
}

fn reading(page: &str) -> Reading {
    read(page.as_bytes(), &Selection::default()).unwrap_or_else(|error| panic!("{error} in {page}"))
}

#[test]
fn what_node_exposes_is_understood() {
    let sample = reading(NODE).into_sample(NOW);
    assert_eq!((sample.heap_used, sample.heap_total), (Some(8_400_000), Some(9_568_256)));
    assert_eq!((sample.external, sample.rss), (Some(2_271_000), Some(58_429_440)));
    assert_eq!(sample.major_gcs, Some(4));
    assert_eq!(sample.uptime, Some(std::time::Duration::from_millis(99_750)));
}

#[test]
fn any_metric_is_a_gauge_and_may_stand_for_a_field() {
    let gauges = [
        ("handles", "nodejs_active_handles"),
        ("sockets", "nodejs_active_handles{type=\"Socket\"}"),
        ("escaped", r#"nodejs_active_handles{type="Pipe \"x\"\n{}"}"#),
        ("lag", "nodejs_eventloop_lag_p99_seconds"),
        ("gone", "nodejs_active_handles{type=\"File\"}"),
    ];
    let old = [("heapUsed", "nodejs_heap_space_size_used_bytes{space=\"old\"}"), ("rss", "gone")];
    let reading = read(NODE.as_bytes(), &selection(&old, &gauges)).expect("a reading");
    let numbers: Vec<_> = reading.gauges.iter().map(|gauge| gauge.number).collect();
    assert_eq!(numbers, [Some(5.0), Some(3.0), Some(2.0), None, None]);
    let sample = reading.into_sample(NOW);
    assert_eq!((sample.heap_used, sample.rss), (Some(6_000_000), None));
}

#[test]
fn other_languages_are_understood_too() {
    let jvm = "jvm_memory_used_bytes{area=\"heap\",id=\"Eden\",} 1000\njvm_memory_used_bytes{area=\"heap\",id=\"Old\",} 2000\n\
               jvm_memory_used_bytes{area=\"nonheap\",id=\"Code\",} 5000\njvm_memory_max_bytes{area=\"heap\",id=\"Old\"} -1.0\n\
               process_uptime_seconds 12.5\n";
    let sample = reading(jvm).into_sample(NOW);
    assert_eq!((sample.heap_used, sample.memory_limit), (Some(3_000), None));
    assert_eq!(sample.uptime, Some(std::time::Duration::from_millis(12_500)));
    for (page, level) in [
        ("jvm_gc_live_data_size_bytes 7000\n", Some(7_000)),
        ("jvm_gc_live_data_size_bytes 0.0\n", None),
        (
            "jvm_memory_pool_collection_used_bytes{pool=\"G1 Eden Space\",} 0.0\njvm_memory_pool_collection_used_bytes{pool=\"G1 Old Gen\",} 9000.0\n",
            Some(9_000),
        ),
    ] {
        let sample = reading(&format!("{jvm}{page}")).into_sample(NOW);
        assert_eq!(sample.heap_used_after_gc, level, "{page}");
    }
    let go = "go_memstats_heap_alloc_bytes 7e6\ngo_gc_gomemlimit_bytes 9.223372036854776e+18\nprocess_resident_memory_bytes 2e7\n";
    let sample = reading(go).into_sample(NOW);
    assert_eq!((sample.heap_used, sample.rss, sample.memory_limit), (Some(7_000_000), Some(20_000_000), None));
    let python = "process_resident_memory_bytes 2.5e+07\nprocess_start_time_seconds 1.76e+09\n";
    assert_eq!(reading(python).into_sample(NOW).rss, Some(25_000_000));
}

#[test]
fn open_metrics_with_exemplars_is_understood() {
    let page = "# TYPE a histogram\na_bucket{le=\"0.1\"} 8 # {trace_id=\"KOO5S4vxi0o\"} 0.067\n\
                process_resident_memory_bytes 5e6 1760000000.123 # {x=\"y\"} 1\n# EOF\n";
    assert_eq!(reading(page).into_sample(NOW).rss, Some(5_000_000));
}

#[test]
fn a_prefix_is_taken_for_one_and_plain_names_come_first() {
    let page = "shop_nodejs_heap_size_used_bytes 5e6\r\nshop_process_resident_memory_bytes 9e6\r\n";
    let sample = reading(page).into_sample(NOW);
    assert_eq!((sample.heap_used, sample.rss), (Some(5_000_000), Some(9_000_000)));
    let both = "child_process_resident_memory_bytes 1e6\nprocess_resident_memory_bytes 2e6\n";
    assert_eq!(reading(both).into_sample(NOW).rss, Some(2_000_000));
    assert!(read(b"xprocess_resident_memory_bytes 1e6\n", &Selection::default()).is_err(), "another word");
}

#[test]
fn several_processes_are_refused() {
    let page = "process_resident_memory_bytes{instance=\"a\"} 1e6\nprocess_resident_memory_bytes{instance=\"b\"} 2e6\n";
    let error = read(page.as_bytes(), &Selection::default()).expect_err("two processes");
    assert!(matches!(error, HealthError::SeveralProcesses { count: 2 }), "{error}");
    let one = selection(&[("rss", "process_resident_memory_bytes{instance=\"b\"}")], &[]);
    assert_eq!(read(page.as_bytes(), &one).expect("one of them").into_sample(NOW).rss, Some(2_000_000));
}

#[test]
fn what_is_no_page_of_metrics_is_named() {
    let error = |page: &str| read(page.as_bytes(), &Selection::default()).expect_err(page);
    for page in
        ["", "<html>\n", "{\"heapUsed\": 1}\n", "# only a comment\n", "a\n", "a{b=\"c} 1\n", "a{} x\n", "1a 1\n"]
    {
        assert!(matches!(error(page), HealthError::NotMetrics { .. }), "{page:?}");
    }
    let HealthError::NoMemoryFields { hint } = error("up 1\nx_total 2\n") else { panic!("other") };
    assert_eq!(hint, "the page has up, x_total");
    for absurd in ["-1", "NaN", "+Inf", "1e300"] {
        let error = error(&format!("process_resident_memory_bytes {absurd}\n"));
        assert!(matches!(error, HealthError::AbsurdNumber { .. }), "{absurd}: {error}");
    }
}

#[test]
fn one_bad_line_does_not_hide_the_memory() {
    let page = b"bad\xff{ 1\nprocess_resident_memory_bytes 5e6\nnodejs_heap_size_used_bytes{\n";
    let reading = read(page, &Selection::default()).expect("a reading");
    assert_eq!(reading.into_sample(NOW).rss, Some(5_000_000));
}

#[test]
fn selectors_are_checked() {
    for good in ["a", "a:b_c", "a{b=\"c\"}", " a{b=\"c\",d=\"e\",} ", "a{}"] {
        assert!(Selector::parse(good).is_some(), "{good}");
    }
    for bad in ["", "/heap/used", "1a", "a b", "a{b}", "a{b=c}", "a{b=\"c\"", "a{b=\"c\"}x", "{b=\"c\"}"] {
        assert!(Selector::parse(bad).is_none(), "{bad}");
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_reading_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(read(&body, &selection(&[("heapUsed", "a{b=\"c\"}")], &[("g", "a")])));
    }

    /// Bytes that look like metrics go deeper.
    #[test]
    fn any_soup_of_metrics_gives_a_reading_or_an_error(
        body in "((process_resident_memory_bytes|nodejs_heap_size_used_bytes|a)[{}a=\"\\\\, n#]{0,12} [0-9eE+\\-.NaInf]{0,6}\n?){0,8}"
    ) {
        if let Ok(reading) = read(body.as_bytes(), &selection(&[], &[("g", "a{a=\"a\"}")])) {
            prop_assert!(!reading.found.is_empty());
        }
    }

    /// Whatever a label holds, its series is found by it and the value is read.
    #[test]
    fn labels_survive_their_escapes(value in ".*", number in 0_u64..=1 << 53) {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let page = format!("x{{a=\"1\",label=\"{escaped}\"}} {number} 5\nprocess_resident_memory_bytes 1\n");
        // What Rust trims from a line stands within quotes here; a line break of another kind is none in this format.
        let selector = format!("x{{label=\"{escaped}\"}}");
        let reading = read(page.as_bytes(), &selection(&[], &[("g", &selector)])).expect("a reading");
        prop_assert_eq!(reading.gauges[0].number, Some(number as f64));
    }
}
