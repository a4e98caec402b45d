//! Properties of the detector: what it sees decides, not how often or in which order it is told or when it is restored.

use std::time::Duration;

use heapwatch::clock::Timestamp;
use heapwatch::leak::event::{Change, PairPart};
use heapwatch::leak::{Detector, DetectorState, GaugeRule, LeakEvent, Observation, Options};
use heapwatch::sample::Sample;
use heapwatch::units::{ByteRate, ByteSize};
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

/// What a watcher sees in a day: a leak, a gauge, levels after collections, outages, captures of ours and a restart.
fn eventful_day() -> (Options, Vec<Seen>) {
    let gauge = GaugeRule { name: "listeners".to_owned(), maximum: Some(300.0), growth: true };
    let options =
        Options { gauges: vec![gauge], baseline: true, memory_limit: Some(ByteSize::mib(512)), ..Options::default() };
    let lives = [Process::new(0, |age| 80.0 + 40.0 * age), Process::new(21_600_000, |age| 80.0 + 40.0 * age)];
    let seen = (0..1440_i32).map(|poll| {
        let at_ms = i64::from(poll) * 30_000;
        let at = Timestamp::from_unix_ms(at_ms);
        match poll {
            200 | 360 => Seen::CaptureBegan { at },
            204 | 364 => Seen::CaptureEnded { at, stored: poll == 204 },
            201..204 | 361..364 | 500..510 | 715..725 => Seen::Missed { at, refused: poll >= 715 },
            _ => {
                let mut sample = lives[usize::from(poll > 720)].poll(at_ms);
                let age = poll % 720;
                sample.gauges = vec![("listeners".to_owned(), f64::from(age))];
                sample.major_gcs = Some(u64::try_from(age / 40).expect("an age"));
                sample.heap_used_after_gc =
                    (poll % 720 > 100).then_some((80 << 20) + u64::from(age.unsigned_abs()) / 40 * (14 << 20));
                Seen::Sample(Box::new(sample))
            }
        }
    });
    (options, seen.collect())
}

/// An observation that can be kept.
enum Seen {
    Sample(Box<Sample>),
    Missed { at: Timestamp, refused: bool },
    CaptureBegan { at: Timestamp },
    CaptureEnded { at: Timestamp, stored: bool },
}

impl Seen {
    fn tell(&self, detector: &mut Detector) -> Vec<LeakEvent> {
        detector.observe(match self {
            Self::Sample(sample) => Observation::Sample(sample),
            Self::Missed { at, refused } => Observation::Missed { at: *at, refused: *refused },
            Self::CaptureBegan { at } => Observation::CaptureBegan { at: *at },
            Self::CaptureEnded { at, stored } => {
                Observation::CaptureEnded { at: *at, part: PairPart::First, stored: *stored }
            }
        })
    }
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
    fn restoring_amid_captures_outages_and_gauges_changes_nothing(
        instants in proptest::collection::vec(0usize..1440, 1..6),
    ) {
        let (options, day) = eventful_day();
        let mut whole = Detector::new(options.clone());
        let expected: Vec<_> = day.iter().flat_map(|seen| seen.tell(&mut whole)).collect();
        let has = |wanted: fn(&Change) -> bool| expected.iter().any(|event| wanted(&event.change));
        prop_assert!(has(|change| matches!(change, Change::LeakConfirmed { .. })), "the day has it");
        prop_assert!(has(|change| matches!(change, Change::Restarted { .. })), "the day has it");
        prop_assert!(has(|change| matches!(change, Change::GaugeExceeded { .. })), "the day has it");
        prop_assert!(has(|change| matches!(change, Change::SnapshotDue { .. })), "the day has it");
        let mut detector = Detector::new(options);
        let mut events = Vec::new();
        for (number, seen) in day.iter().enumerate() {
            if instants.contains(&number) {
                detector = restored(&detector);
            }
            events.extend(seen.tell(&mut detector));
        }
        prop_assert_eq!(events, expected);
        prop_assert_eq!(
            serde_json::to_string(&detector.to_state()).unwrap(),
            serde_json::to_string(&whole.to_state()).unwrap()
        );
    }

    #[test]
    fn other_units_change_no_verdict(power in -3i32..4) {
        let unit = |bytes: u64| if power < 0 { bytes >> -power } else { bytes << power };
        let in_units = |options: Options| Options {
            memory_limit: Some(ByteSize::new(unit(512 << 20))),
            min_rise: ByteSize::new(unit(options.min_rise.bytes())),
            min_slope: ByteRate::per_second(options.min_slope.bytes_per_second() * 2f64.powi(power)),
            ..options
        };
        let process = Process::new(0, |age| 80.0 + 50.0 * age);
        let run = |options: Options, unit: &dyn Fn(u64) -> u64| {
            let mut detector = Detector::new(options);
            let polls = (0..4 * 3_600_000_i64).step_by(30_000).map(|at| process.poll(at));
            polls.flat_map(|mut sample| {
                for size in [&mut sample.heap_used, &mut sample.heap_total, &mut sample.external, &mut sample.rss] {
                    // A multiple of 8, so that no digit is lost on the way.
                    *size = size.map(|bytes| unit(bytes & !7));
                }
                let events = detector.observe(Observation::Sample(&sample));
                events.into_iter().map(|event| (event.at, std::mem::discriminant(&event.change)))
            }).collect::<Vec<_>>()
        };
        let plain = run(Options { memory_limit: Some(ByteSize::mib(512)), ..Options::default() }, &|bytes| bytes);
        prop_assert!(plain.len() > 2, "the story has events");
        prop_assert_eq!(run(in_units(Options::default()), &unit), plain);
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
        const PART: [PairPart; 3] = [PairPart::Baseline, PairPart::First, PairPart::Second];
        let gauge = GaugeRule { name: "gauge".to_owned(), maximum: Some(5.0), growth: true };
        let options = Options { gauges: vec![gauge], baseline: true, ..Options::default().scaled(0.001) };
        let mut detector = Detector::new(options);
        for (number, (kind, at, sample)) in inputs.iter().enumerate() {
            let at = Timestamp::from_unix_ms(*at);
            match kind {
                0 => detector.observe(Observation::Missed { at, refused: number % 2 == 0 }),
                1 => detector.observe(Observation::CaptureBegan { at }),
                2 => detector.observe(Observation::CaptureEnded { at, part: PART[number % PART.len()], stored: number % 2 == 0 }),
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
