//! Properties of the detector: what it sees decides, not how often or in which order it is told or when it is restored.

use std::time::Duration;

use heapwatch::clock::Timestamp;
use heapwatch::leak::{Detector, DetectorState, GaugeRule, LeakEvent, Observation, Options};
use heapwatch::sample::Sample;
use proptest::prelude::*;

use crate::detector::Process;

fn leaking_samples() -> Vec<Sample> {
    let process = Process::new(0, |age| 80.0 + 60.0 * age);
    let restarted = Process::new(9_000_000, |age| 80.0 + 60.0 * age);
    let first = (0..9_000_000).step_by(30_000).map(|at| process.poll(at));
    let second = (9_030_000..18_000_000).step_by(30_000).map(|at| restarted.poll(at));
    first.chain(second).collect()
}

fn run(samples: &[Sample]) -> (Vec<LeakEvent>, DetectorState) {
    let mut detector = Detector::new(Options::default());
    let events = samples.iter().flat_map(|sample| detector.observe(Observation::Sample(sample))).collect();
    (events, detector.to_state())
}

fn restored(detector: &Detector) -> Detector {
    let written = serde_json::to_string(&detector.to_state()).expect("plain data");
    let read: DetectorState = serde_json::from_str(&written).expect("plain data");
    // Not compared as values: a void floor is NaN, which equals nothing.
    assert_eq!(written, serde_json::to_string(&read).expect("plain data"), "what is written is what is read");
    Detector::restore(detector.options().clone(), read)
}

#[test]
fn the_state_of_a_target_is_bounded() {
    let mut detector = Detector::new(Options::default());
    let process = Process::new(0, |age| 100.0 + 30.0 * (age / 3.8).sin());
    let mut largest = 0;
    for at in (0..20 * 86_400_000).step_by(30_000) {
        detector.observe(Observation::Sample(&process.poll(at)));
        if at % 86_400_000 == 0 {
            largest = largest.max(serde_json::to_vec(&detector.to_state()).unwrap().len());
        }
    }
    assert!(largest < 20_000, "{largest} bytes of JSON");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn restoring_at_any_instant_changes_nothing(instants in proptest::collection::vec(0usize..600, 1..4)) {
        let samples = leaking_samples();
        let (expected, _) = run(&samples);
        prop_assert!(expected.len() > 3, "the story has events");
        let mut detector = Detector::new(Options::default());
        let mut events = Vec::new();
        for (number, sample) in samples.iter().enumerate() {
            if instants.contains(&number) {
                detector = restored(&detector);
            }
            events.extend(detector.observe(Observation::Sample(sample)));
        }
        prop_assert_eq!(events, expected);
    }

    #[test]
    fn late_and_repeated_samples_change_nothing(repeats in proptest::collection::vec((1usize..600, 1usize..50), 1..20)) {
        let samples = leaking_samples();
        let (expected, state) = run(&samples);
        let mut detector = Detector::new(Options::default());
        let mut events = Vec::new();
        for (number, sample) in samples.iter().enumerate() {
            events.extend(detector.observe(Observation::Sample(sample)));
            for (_, back) in repeats.iter().filter(|(at, _)| *at == number).take(4) {
                let old = &samples[number.saturating_sub(*back - 1)];
                events.extend(detector.observe(Observation::Sample(old)));
            }
        }
        prop_assert_eq!(&events, &expected);
        prop_assert_eq!(
            serde_json::to_value(Detector::restore(Options::default(), state).verdict()).unwrap(),
            serde_json::to_value(detector.verdict()).unwrap()
        );
    }

    #[test]
    fn gaps_never_make_a_leak_of_flat_memory(gaps in proptest::collection::vec((0i64..2880, 1i64..200), 0..12)) {
        let process = Process::new(-3_600_000, |_| 90.0);
        let mut detector = Detector::new(Options::default());
        for poll in 0..2880_i64 {
            let missing = gaps.iter().any(|(start, length)| (*start..start + length).contains(&poll));
            if !missing {
                let events = detector.observe(Observation::Sample(&process.poll(poll * 30_000)));
                prop_assert!(events.is_empty(), "{:?}", events);
            }
        }
    }

    #[test]
    fn any_input_is_safe(inputs in proptest::collection::vec(input(), 1..120)) {
        let gauge = GaugeRule { name: "gauge".to_owned(), maximum: Some(5.0), growth: true };
        let options = Options { gauges: vec![gauge], baseline: true, ..Options::default().scaled(0.001) };
        let mut detector = Detector::new(options);
        for (number, (kind, at, sample)) in inputs.iter().enumerate() {
            let at = Timestamp::from_unix_ms(*at);
            match kind {
                0 => detector.observe(Observation::Missed { at, refused: number % 2 == 0 }),
                1 => detector.observe(Observation::CaptureBegan { at }),
                2 => detector.observe(Observation::CaptureEnded { at, stored: number % 2 == 0 }),
                _ => detector.observe(Observation::Sample(&Sample { at, ..sample.clone() })),
            };
            prop_assert!(serde_json::to_string(&detector.verdict()).is_ok());
        }
        prop_assert!(detector.picture().floors.len() <= 4);
        restored(&detector);
    }
}

fn input() -> impl Strategy<Value = (u8, i64, Sample)> {
    let size = || proptest::option::of(prop_oneof![0u64..1 << 34, any::<u64>()]);
    let time = prop_oneof![0i64..100_000_000, any::<i64>()];
    let gauge = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), any::<f64>()];
    (0u8..8, time, (size(), size(), size(), size(), size(), size(), size()), size(), gauge).prop_map(
        |(kind, at, sizes, uptime, gauge)| {
            let mut sample = Sample::empty(Timestamp::from_unix_ms(0));
            (sample.heap_used, sample.heap_total, sample.external, sample.rss) = (sizes.0, sizes.1, sizes.2, sizes.3);
            (sample.memory_limit, sample.requests, sample.pid) = (sizes.4, sizes.5, sizes.6);
            sample.uptime = uptime.map(Duration::from_secs);
            sample.gauges = vec![("gauge".to_owned(), gauge)];
            (kind, at, sample)
        },
    )
}
