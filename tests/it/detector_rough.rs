//! The detector on rough ground: polls that are rare or frequent, clocks that step, gauges that flap, watches over a fix
//! that deploys interrupt.

use std::time::Duration;

use heapwatch::clock::Timestamp;
use heapwatch::leak::event::Change;
use heapwatch::leak::{Detector, GaugeRule, LeakEvent, Observation, Options};
use heapwatch::sample::{Sample, Signal};

use crate::detector::{POLL, Process, confirmed, hours, options, watch};

/// How the detector runs on a target that is polled every so many seconds, as `replay` and the daemon set it.
fn polled_every(seconds: u32) -> Options {
    let interval = Duration::from_secs(seconds.into());
    let block = options().block.max(interval * 10);
    let polled = Options { interval, block, ..options() };
    polled.checked().expect("options that make sense together")
}

fn watch_every(seconds: u32, hours: u32, live: fn(f64) -> f64) -> Vec<LeakEvent> {
    let (process, mut detector) = (Process::new(0, live), Detector::new(polled_every(seconds)));
    let polls = (0..i64::from(hours) * 3_600_000).step_by(seconds as usize * 1000);
    polls.flat_map(|at| detector.observe(Observation::Sample(&process.poll(at)))).collect()
}

#[test]
fn rare_and_frequent_polls_find_the_same_leaks() {
    type Live = fn(f64) -> f64;
    let leaks: [(u32, f64, Live); 4] = [
        (5, 1.5, |age| 80.0 + 50.0 * age),
        (10, 1.5, |age| 80.0 + 50.0 * age),
        (60, 2.0, |age| 80.0 + 50.0 * age),
        (300, 12.0, |age| 80.0 + 20.0 * age),
    ];
    for (seconds, by_hour, leak) in leaks {
        let events = watch_every(seconds, 20, leak);
        let (event, signal) = confirmed(&events).unwrap_or_else(|| panic!("polled every {seconds} s"));
        assert!(hours(event) <= by_hour, "polled every {seconds} s it took {} h", hours(event));
        assert_eq!(signal, Signal::HeapUsed);
        let cycle = watch_every(seconds, 72, |age| 100.0 + 20.0 * (age * std::f64::consts::TAU / 24.0).sin());
        assert!(confirmed(&cycle).is_none(), "polled every {seconds} s: {:?}", confirmed(&cycle));
        let cache = watch_every(seconds, 48, |age| 80.0 + 150.0 * (1.0 - (-age / 0.5).exp()));
        assert!(confirmed(&cache).is_none(), "polled every {seconds} s: {:?}", confirmed(&cache));
    }
}

/// A clock without a steady line, as in a recording made elsewhere, may be set back in the middle of a leak.
#[test]
fn a_leak_is_found_though_time_steps_back() {
    let mut detector = Detector::new(options());
    let process = Process::new(0, |age| 80.0 + 50.0 * age);
    let mut events = Vec::new();
    for at in (0..6 * 3_600_000_i64).step_by(30_000) {
        let back = 40 * 60_000 * (at / 3_600_000).min(2);
        let sample = Sample { at: Timestamp::from_unix_ms(at - back), uptime: None, ..process.poll(at) };
        events.extend(detector.observe(Observation::Sample(&sample)));
    }
    assert_eq!(confirmed(&events).map(|(_, signal)| signal), Some(Signal::HeapUsed));
    let restarts = events.iter().filter(|event| matches!(event.change, Change::Restarted { .. }));
    assert_eq!(restarts.count(), 0, "the process went on");
}

/// A deploy in the middle of the watch is no reason to begin it anew, though each life alone is shorter than it.
#[test]
fn a_fix_is_watched_through_deploys() {
    let mut detector = Detector::new(options());
    let leaking = Process::new(0, |age| 80.0 + 50.0 * age);
    assert!(confirmed(&watch(&mut detector, &leaking, 0.0, 4.0)).is_some());
    let mut events = Vec::new();
    for life in 0..6_i32 {
        let from = 4.01 + 10.0 * f64::from(life);
        #[expect(clippy::cast_possible_truncation, reason = "hours")]
        let fixed = Process::new((from * 3_600_000.0) as i64, |_| 80.0);
        events.extend(watch(&mut detector, &fixed, from, from + 9.99));
    }
    let resolved = events.iter().find_map(|event| match &event.change {
        Change::LeakResolved { resolution, .. } => Some((hours(event), resolution.says.clone())),
        _ => None,
    });
    let (at, says) = resolved.expect("48 h without growth");
    assert!((50.0..54.0).contains(&at), "resolved at {at} h: {says}");
    assert!(says.ends_with("fix held"), "{says}");
}

/// Each swing around the maximum was an alert and its end.
#[test]
fn a_gauge_that_flaps_is_told_a_few_times() {
    let rule = GaugeRule { name: "lag".to_owned(), maximum: Some(5.0), growth: false };
    let mut detector = Detector::new(Options { gauges: vec![rule], ..options() });
    let process = Process::new(0, |_| 80.0);
    let mut told = |polls: std::ops::Range<i64>, value: fn(i64) -> f64| {
        let seen = polls.flat_map(|poll| {
            let sample = Sample { gauges: vec![("lag".to_owned(), value(poll))], ..process.poll(poll * POLL) };
            detector.observe(Observation::Sample(&sample))
        });
        let is_exceeded = |event: LeakEvent| match event.change {
            Change::GaugeExceeded { .. } => Some(true),
            Change::GaugeRecovered { .. } => Some(false),
            _ => None,
        };
        seen.filter_map(is_exceeded).collect::<Vec<_>>()
    };
    assert_eq!(told(0..1000, |poll| if poll % 2 == 0 { 9.0 } else { 1.0 }), [true, false, true]);
    assert_eq!(told(1000..1200, |_| 1.0), [false], "after an hour within it");
    assert_eq!(
        told(1400..1402, |poll| if poll == 1400 { 9.0 } else { 1.0 }),
        [true, false],
        "and is told at once again"
    );
}
