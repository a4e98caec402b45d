//! The wording of each alert, on invented numbers.

use super::*;
use crate::alert::examples::{alert, all, explained_leak, leak, profiled_leak, resolution, restart, snapshot};
use crate::sample::Signal;

fn check(news: News, expected: &str) {
    assert_eq!(headline(&alert(news)), expected);
}

#[test]
fn headlines_say_whom_what_and_how_bad() {
    check(
        News::LeakConfirmed(leak()),
        "checkout-api: heapUsed grows 50 MiB/h for 1 h 30 min (120 MiB to 195 MiB), limit of 512 MiB in 6 h 20 min",
    );
    check(
        News::AnalysisReady(explained_leak()),
        "checkout-api: leak found: +1000 closures, retained +164 KB (92 % of the heap's growth)",
    );
    check(News::AnalysisReady(leak()), "checkout-api: the snapshots blame no single object");
    check(
        News::LeakResolved { signal: Signal::HeapUsed, resolution: resolution() },
        "checkout-api: heapUsed leak is over",
    );
    check(News::TargetUp { down_seconds: f64::NAN }, "checkout-api: up again");
}

#[test]
fn a_sentence_begins_large_unless_with_a_name() {
    for (fragment, expected) in [
        ("connection refused", "Connection refused."),
        ("ready: it answers.", "Ready: it answers."),
        ("http://10.0.0.1/sd answers with 500", "http://10.0.0.1/sd answers with 500."),
        ("api-2 is paused", "api-2 is paused."),
        ("", ""),
    ] {
        assert_eq!(sentence(fragment), expected);
    }
}

#[test]
fn the_third_likely_kill_of_a_week_says_so() {
    check(
        restart(RestartCause::AtMemoryLimit, 3),
        "checkout-api: restarted, likely killed at its memory limit, the 3rd time this week",
    );
    check(restart(RestartCause::AtMemoryLimit, 1), "checkout-api: restarted, likely killed at its memory limit");
    check(restart(RestartCause::Unknown, 3), "checkout-api: restarted");
    for (number, expected) in [(2, "2nd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st")] {
        assert_eq!(ordinal(number), expected);
    }
}

#[test]
fn an_explained_leak_answers_what_a_person_asks_at_night() {
    let alert = alert(News::AnalysisReady(explained_leak()));
    assert_eq!(
        details(&alert),
        [
            "heapUsed rose from 120 MiB at 2026-11-22T08:54:31Z to 195 MiB at 2026-11-22T10:24:31Z: 50 MiB/h for \
             1 h 30 min, without levelling off.",
            "At this rate it reaches the memory limit of 512 MiB in 6 h 20 min, at 2026-11-22T16:44:55Z.",
            "Blamed: +1000 closures, retained +164 KB (92 % of the heap's growth). Held by \
             process._events.uncaughtException[].",
            "Evidence: heap snapshots.",
            "First snapshot of 2026-11-22T09:53:31Z: 48 MiB, took 38 s, \
             /var/lib/heapwatch/snapshots/checkout-api/20261122T095331Z.heapsnapshot.zst.",
            "Second snapshot of 2026-11-22T10:23:31Z: 48 MiB, took 38 s, \
             /var/lib/heapwatch/snapshots/checkout-api/20261122T102331Z.heapsnapshot.zst.",
        ]
    );
    let steps = next_steps(&alert);
    assert_eq!(steps[0], "Look at /srv/app/middleware.js:12:9: that line made what piles up.");
    assert!(steps[1].starts_with("Compare the snapshots: heapwatch heap diff /var/lib/"), "{}", steps[1]);
    assert!(steps[3].contains("memlab find-leaks --trace-all-objects --baseline /var/lib/"), "{}", steps[3]);
    assert_eq!(steps[4], "See every gate of the verdict: heapwatch explain checkout-api");
}

#[test]
fn a_leak_without_snapshots_says_why_and_what_to_do() {
    let mut leak = leak();
    assert!(details(&alert(News::LeakConfirmed(leak.clone()))).contains(&"No snapshot is stored yet.".to_owned()));
    leak.missing_snapshots = vec!["needs 1.9 GiB of headroom, 317 MiB are free".to_owned()];
    let alert = alert(News::LeakConfirmed(leak));
    let missing = "Snapshot missing: Needs 1.9 GiB of headroom, 317 MiB are free.".to_owned();
    assert!(details(&alert).contains(&missing), "{:?}", details(&alert));
    assert!(next_steps(&alert)[0].ends_with("heapwatch snapshot checkout-api"));
}

#[test]
fn a_forecast_that_is_no_time_is_not_told_as_one() {
    for seconds in [f64::NAN, f64::INFINITY, -5.0, 1e12] {
        let mut leak = leak();
        leak.growth.limit_in_seconds = Some(seconds);
        let alert = alert(News::LeakConfirmed(leak));
        assert!(headline(&alert).ends_with("(120 MiB to 195 MiB)"), "{seconds}");
        assert!(details(&alert)[1].contains("does not reach the memory limit"), "{seconds}");
    }
}

#[test]
fn every_kind_of_alert_reads_as_clean_capped_lines() {
    for mut alert in all() {
        let text = format!("{} {:?} {:?}", headline(&alert), details(&alert), next_steps(&alert));
        assert!(!text.contains("  ") && text.len() > 30, "{text}");
        if let News::Misconfigured { why } | News::AnalysisFailed { why } = &mut alert.news {
            *why = "x\n\u{1b}[2J\u{202e}".repeat(10_000);
            let details = details(&alert);
            assert!(details[0].chars().count() <= SENTENCE, "capped");
            assert!(!details[0].chars().any(char::is_control), "clean");
        }
    }
}

#[test]
fn a_path_that_a_shell_would_misread_is_quoted() {
    let mut leak = explained_leak();
    leak.snapshots = vec![snapshot(PairPart::First), snapshot(PairPart::Second)];
    leak.snapshots[0].path = "/data/it's; rm -rf x".to_owned();
    let steps = next_steps(&alert(News::AnalysisReady(leak)));
    assert!(steps[1].contains(r"heap diff '/data/it'\''s; rm -rf x' /var/"), "{}", steps[1]);
}

#[test]
fn a_leak_of_a_tight_container_says_what_the_profiles_blame_and_why_there_is_no_snapshot() {
    let alert = alert(News::AnalysisReady(profiled_leak()));
    let details = details(&alert);
    let evidence = "Evidence: heap profiles (snapshot refused: needs 1.9 GiB (rss 210 MiB + 10.0 x heapUsed 176 MiB), \
                    limit 512 MiB less 64 MiB margin).";
    assert!(details.iter().any(|sentence| sentence == evidence), "{details:#?}");
    assert!(
        details[2].starts_with("Blamed: +24.1 MiB that stayed (93 % of the growth): made by payload"),
        "{details:#?}"
    );
    assert!(details.iter().any(|sentence| sentence.starts_with("Second profile of 2026-11-22T10:23:31Z: 96 KiB")));
    let steps = next_steps(&alert);
    assert_eq!(
        steps[0],
        "Look at /srv/app/service.js:140:17: that function made what stays; and at its caller, logRequests at \
         /srv/app/middleware.js:10:21."
    );
    assert!(steps[1].ends_with(".heapprofile --flamegraph growth.svg"), "{steps:#?}");
}
