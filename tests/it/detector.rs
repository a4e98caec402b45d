//! The detector through its public interface: stories of made-up processes.

use std::time::Duration;

use heapwatch::clock::Timestamp;
use heapwatch::leak::event::{Change, PairPart, RestartCause};
use heapwatch::leak::verdict::State;
use heapwatch::leak::{Detector, GaugeRule, LeakEvent, Observation, Options};
use heapwatch::sample::{Sample, Signal};
use heapwatch::units::ByteSize;

const MIB: f64 = 1_048_576.0;
pub(crate) const POLL: i64 = 30_000;

/// A process whose memory is a function of its age.
pub(crate) struct Process {
    born_ms: i64,
    live: Box<dyn Fn(f64) -> f64>,
}

impl Process {
    pub(crate) fn new(born_ms: i64, live: impl Fn(f64) -> f64 + 'static) -> Self {
        Self { born_ms, live: Box::new(live) }
    }

    /// What a poll at `at_ms` reads: the live set in MiB by age in hours, under teeth of 15 MiB and 20 minutes.
    pub(crate) fn poll(&self, at_ms: i64) -> Sample {
        let age = (at_ms - self.born_ms) as f64 / 3_600_000.0;
        let tooth = 15.0 * (age * 3.0).fract();
        let noise = ((at_ms / POLL).rem_euclid(7)) as f64 * 0.1;
        let used = (self.live)(age) + tooth + noise;
        let mut sample = Sample::empty(Timestamp::from_unix_ms(at_ms));
        sample.heap_used = Some(bytes(used));
        sample.heap_total = Some(bytes((self.live)(age) + 20.0));
        sample.external = Some(bytes(2.0));
        sample.rss = Some(bytes((self.live)(age) + 62.0));
        sample.uptime = Some(Duration::from_millis((at_ms - self.born_ms).unsigned_abs()));
        sample
    }
}

pub(crate) fn bytes(mebibytes: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
    let bytes = (mebibytes * MIB) as u64;
    bytes
}

pub(crate) fn options() -> Options {
    Options { memory_limit: Some(ByteSize::mib(512)), ..Options::default() }
}

/// Polls a process from `from` to `to` hours and returns what the detector made of it.
pub(crate) fn watch(detector: &mut Detector, process: &Process, from: f64, to: f64) -> Vec<LeakEvent> {
    #[expect(clippy::cast_possible_truncation, reason = "hours")]
    let ms = |hours: f64| (hours * 3_600_000.0) as i64;
    let polls = (ms(from)..ms(to)).step_by(30_000);
    polls.flat_map(|at| detector.observe(Observation::Sample(&process.poll(at)))).collect()
}

pub(crate) fn hours(event: &LeakEvent) -> f64 {
    event.at.unix_seconds() / 3600.0
}

pub(crate) fn confirmed(events: &[LeakEvent]) -> Option<(&LeakEvent, Signal)> {
    events.iter().find_map(|event| match event.change {
        Change::LeakConfirmed { signal, .. } => Some((event, signal)),
        _ => None,
    })
}

pub(crate) fn snapshots(events: &[LeakEvent]) -> Vec<(PairPart, f64)> {
    let due = |event: &LeakEvent| match event.change {
        Change::SnapshotDue { part } => Some((part, hours(event))),
        _ => None,
    };
    events.iter().filter_map(due).collect()
}

/// What is told where a target has only `heapUsed` and `rss`: a Go service, or a body that somebody wrote by hand.
fn with_nothing_finer(process: &Process, detector: &mut Detector, hours: i64) -> Vec<LeakEvent> {
    let polls = (0..hours * 3_600_000).step_by(30_000);
    let sample = |at| Sample { heap_total: None, external: None, ..process.poll(at) };
    polls.flat_map(|at| detector.observe(Observation::Sample(&sample(at)))).collect()
}

/// A leak beside the heap was not seen at all where neither heapTotal nor external was told: rss was left out as the sum
/// of finer signals, of which there was but one.
#[test]
fn a_leak_beside_the_heap_shows_in_rss_where_nothing_finer_is_told() {
    let polls = (0..12 * 3_600_000).step_by(30_000);
    let (steady, mut detector) = (Process::new(0, |_| 80.0), Detector::new(options()));
    let sample = |at: i64| Sample {
        rss: Some(bytes(140.0 + 30.0 * at as f64 / 3_600_000.0)),
        heap_total: None,
        external: None,
        ..steady.poll(at)
    };
    let events: Vec<_> = polls.flat_map(|at| detector.observe(Observation::Sample(&sample(at)))).collect();
    assert_eq!(confirmed(&events).map(|(_, signal)| signal), Some(Signal::Rss));
}

#[test]
fn a_heap_that_leaks_is_blamed_and_not_the_rss_that_goes_with_it() {
    let (process, mut detector) = (Process::new(0, |age| 80.0 + 40.0 * age), Detector::new(options()));
    let events = with_nothing_finer(&process, &mut detector, 10);
    assert_eq!(confirmed(&events).map(|(_, signal)| signal), Some(Signal::HeapUsed));
}

/// Within two hours of the limit half an hour has to do, where two thirds of one were waited for.
#[test]
fn a_leak_that_fills_its_memory_within_two_hours_is_found_in_the_first_third() {
    let (process, mut detector) = (Process::new(0, |age| 80.0 + 200.0 * age), Detector::new(options()));
    let events = watch(&mut detector, &process, 0.0, 1.8);
    let (event, _) = confirmed(&events).unwrap();
    assert!(hours(event) < 0.68, "after {:.2} h", hours(event));
}

#[test]
fn the_story_is_confirmed_within_90_minutes_and_snapshots_are_30_minutes_apart() {
    let mut detector = Detector::new(options());
    let events = watch(&mut detector, &Process::new(0, |age| 80.0 + 50.0 * age), 0.0, 3.0);
    let (event, signal) = confirmed(&events).expect("a leak of 50 MB an hour");
    assert!(hours(event) <= 1.5, "confirmed after {} h", hours(event));
    assert_eq!(signal, Signal::HeapUsed);
    let due = snapshots(&events);
    assert_eq!(due.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [PairPart::First, PairPart::Second]);
    assert!((due[1].1 - due[0].1 - 0.5).abs() < 0.02, "{due:?}");
    let verdict = detector.verdict();
    assert_eq!(verdict.state, State::Leaking);
    let growth = verdict.growth.expect("a slope");
    assert!((growth.slope.bytes_per_hour() / MIB - 50.0).abs() < 5.0, "{growth:?}");
}

#[test]
fn healthy_shapes_are_never_leaks() {
    type Live = fn(f64) -> f64;
    let shapes: [(&str, Live); 6] = [
        ("flat", |_| 80.0),
        ("a cache that fills", |age| 80.0 + 150.0 * (1.0 - (-age / 0.5).exp())),
        ("a cache with a cap", |age| 80.0 + 60.0 * (age / 0.4).min(1.0)),
        ("a daily cycle", |age| 100.0 + 20.0 * (age * std::f64::consts::TAU / 24.0).sin()),
        ("a batch every 6 h", |age| 80.0 + if age % 6.0 < 0.5 { 200.0 * (age % 6.0) } else { 0.0 }),
        ("a step", |age| if age > 20.0 { 120.0 } else { 80.0 }),
    ];
    for (name, live) in shapes {
        let mut detector = Detector::new(options());
        let events = watch(&mut detector, &Process::new(0, live), 0.0, 72.0);
        assert!(confirmed(&events).is_none(), "{name}: {:?}", confirmed(&events));
        assert!(snapshots(&events).is_empty(), "{name}");
    }
}

#[test]
fn a_slow_leak_is_found_in_a_day() {
    let mut detector = Detector::new(options());
    let events = watch(&mut detector, &Process::new(0, |age| 80.0 + 5.0 * age), 0.0, 30.0);
    let (event, _) = confirmed(&events).expect("a leak of 5 MB an hour");
    assert!(hours(event) <= 24.0, "confirmed after {} h", hours(event));
}

#[test]
fn a_leak_of_buffers_asks_for_no_heap_snapshot() {
    let mut detector = Detector::new(options());
    let process = Process::new(0, |_| 80.0);
    let mut events = Vec::new();
    for at in (0..6 * 3_600_000_i32).step_by(30_000) {
        let mut sample = process.poll(i64::from(at));
        let leaked = bytes(f64::from(at) / 3_600_000.0 * 40.0);
        sample.external = sample.external.map(|external| external + leaked);
        sample.rss = sample.rss.map(|rss| rss + leaked);
        events.extend(detector.observe(Observation::Sample(&sample)));
    }
    assert_eq!(confirmed(&events).map(|(_, signal)| signal), Some(Signal::External));
    assert!(snapshots(&events).is_empty());
}

#[test]
fn a_restart_between_the_snapshots_starts_the_pair_anew() {
    let mut detector = Detector::new(options());
    let leak = |age: f64| 80.0 + 50.0 * age;
    let events = watch(&mut detector, &Process::new(0, leak), 0.0, 1.4);
    assert_eq!(snapshots(&events).len(), 1, "{:?}", snapshots(&events));
    let second_life = Process::new(5_040_000, leak);
    let events = watch(&mut detector, &second_life, 1.4, 5.0);
    assert!(events.iter().any(|event| matches!(event.change, Change::StillLeaking { .. })), "growth is back");
    assert!(confirmed(&events).is_none(), "the episode is known");
    let parts: Vec<_> = snapshots(&events).into_iter().map(|(part, _)| part).collect();
    assert_eq!(parts, [PairPart::First, PairPart::Second]);
}

#[test]
fn a_fix_that_holds_for_two_days_resolves_the_episode() {
    let mut detector = Detector::new(options());
    watch(&mut detector, &Process::new(0, |age| 80.0 + 50.0 * age), 0.0, 5.0);
    let fixed = Process::new(5 * 3_600_000, |_| 80.0);
    let events = watch(&mut detector, &fixed, 5.0, 18.0);
    assert_eq!(detector.verdict().state, State::Recovering);
    assert!(detector.verified_seconds().is_some_and(|seconds| (40_000.0..48_000.0).contains(&seconds)));
    let kill = events.iter().find_map(|event| match event.change {
        Change::Restarted { cause, kills_this_week, .. } => Some((cause, kills_this_week)),
        _ => None,
    });
    assert_eq!(kill, Some((RestartCause::Unknown, 0)), "it was at 392 of 512 MiB");
    let events = watch(&mut detector, &fixed, 18.0, 54.0);
    let resolution = events.iter().find_map(|event| match &event.change {
        Change::LeakResolved { resolution, .. } => Some(resolution.clone()),
        _ => None,
    });
    let says = resolution.expect("48 h have passed").says;
    assert!(says.ends_with("fix held"), "{says}");
    assert_eq!(detector.verdict().state, State::Steady);
}

#[test]
fn a_kill_at_the_limit_is_counted() {
    let mut detector = Detector::new(options());
    let leak = |age: f64| 80.0 + 50.0 * age;
    let mut kills = Vec::new();
    for life in 0..3 {
        let born = f64::from(life) * 7.4;
        #[expect(clippy::cast_possible_truncation, reason = "hours")]
        let process = Process::new((born * 3_600_000.0) as i64, leak);
        kills.extend(watch(&mut detector, &process, born, born + 7.4).into_iter().filter_map(
            |event| match event.change {
                Change::Restarted { cause, kills_this_week, .. } => Some((cause, kills_this_week)),
                _ => None,
            },
        ));
    }
    assert_eq!(kills, [(RestartCause::AtMemoryLimit, 1), (RestartCause::AtMemoryLimit, 2)]);
}

#[test]
fn silence_is_not_judged() {
    let mut detector = Detector::new(options());
    watch(&mut detector, &Process::new(0, |_| 80.0), 0.0, 3.0);
    assert_eq!(detector.verdict().state, State::Steady);
    let at = Timestamp::from_unix_ms(3 * 3_600_000 + 900_000);
    detector.observe(Observation::Missed { at, refused: false });
    assert_eq!(detector.verdict().state, State::NotJudged);
    assert_eq!(detector.verdict().reasons[0].gate, "coverage");
}

#[test]
fn several_processes_behind_one_url_are_refused_a_verdict() {
    let mut detector = Detector::new(options());
    let processes = [Process::new(-9_000_000, |_| 80.0), Process::new(-500_000, |_| 200.0)];
    let mut events = Vec::new();
    for (number, at) in (0..7_200_000).step_by(30_000).enumerate() {
        events.extend(detector.observe(Observation::Sample(&processes[number % 2].poll(at))));
    }
    let told = events.iter().filter(|event| matches!(event.change, Change::SeveralProcesses { .. })).count();
    assert_eq!(told, 1);
    let restarts = events.iter().filter(|event| matches!(event.change, Change::Restarted { .. })).count();
    assert!(restarts < 10, "{restarts} restarts before it was plain");
    assert_eq!(detector.verdict().state, State::NotJudged);
    assert_eq!(detector.verdict().reasons[0].gate, "one_process");
}

/// After a stop in the middle of a capture, the next daemon took nothing that the target said for evidence until half an
/// hour had passed.
#[test]
fn a_capture_that_ended_with_its_daemon_is_over() {
    let mut detector = Detector::new(options());
    let pid = |at_ms: i64, pid| Sample { pid: Some(pid), ..Process::new(0, |_| 80.0).poll(at_ms) };
    detector.observe(Observation::Sample(&pid(0, 7)));
    detector.observe(Observation::CaptureBegan { at: Timestamp::from_unix_ms(30_000) });
    let mut next = Detector::restore(options(), detector.to_state());
    assert_eq!(next.observe(Observation::Sample(&pid(60_000, 8))), [], "said while a capture is under way");
    let mut next = Detector::restore(options(), detector.to_state());
    next.give_up_capture();
    assert_eq!(next.observe(Observation::Sample(&pid(60_000, 8))).len(), 1, "a restart");
}

#[test]
fn the_step_that_our_capture_leaves_is_not_growth() {
    let mut detector = Detector::new(Options { baseline: true, ..options() });
    let process = Process::new(0, |_| 80.0);
    let events = watch(&mut detector, &process, 0.0, 4.0);
    assert_eq!(snapshots(&events).iter().map(|(part, _)| *part).collect::<Vec<_>>(), [PairPart::Baseline]);
    detector.observe(Observation::CaptureBegan { at: Timestamp::from_unix_ms(4 * 3_600_000) });
    detector.observe(Observation::CaptureEnded {
        at: Timestamp::from_unix_ms(4 * 3_600_000 + 20_000),
        part: PairPart::Baseline,
        stored: true,
    });
    let floors_before = detector.picture();
    let mut events = Vec::new();
    for at in (4 * 3_600_000 + 60_000..6 * 3_600_000).step_by(30_000) {
        let mut sample = process.poll(at);
        sample.rss = sample.rss.map(|rss| rss + (60 << 20));
        events.extend(detector.observe(Observation::Sample(&sample)));
    }
    assert_eq!(events, []);
    let native = |picture: &heapwatch::leak::Picture| {
        let series = picture.floors.iter().find(|series| series.signal == Signal::Native).unwrap();
        (series.points[0].1, series.points.last().unwrap().1)
    };
    let ((before, _), (first, last)) = (native(&floors_before), native(&detector.picture()));
    assert!(first.abs_diff(last) < 1 << 20, "the step is taken out of what was before: {first} {last}");
    assert!(first > before + (50 << 20));
}

#[test]
fn gauges_are_held_against_a_maximum_and_watched_for_growth() {
    let rule = |maximum, growth| GaugeRule { name: "listeners".to_owned(), maximum, growth };
    let mut detector = Detector::new(Options { gauges: vec![rule(Some(100.0), true)], ..options() });
    let process = Process::new(0, |_| 80.0);
    let mut events = Vec::new();
    for at in (0..4 * 3_600_000_i32).step_by(30_000) {
        let mut sample = process.poll(i64::from(at));
        sample.gauges = vec![("listeners".to_owned(), 10.0 + f64::from(at) / 60_000.0)];
        events.extend(detector.observe(Observation::Sample(&sample)));
    }
    let exceeded = events.iter().filter(|event| matches!(event.change, Change::GaugeExceeded { .. })).count();
    let grows = events.iter().filter(|event| matches!(event.change, Change::GaugeGrows { .. })).count();
    assert_eq!((exceeded, grows), (1, 1), "{events:?}");
    let mut sample = process.poll(4 * 3_600_000);
    sample.gauges = vec![("listeners".to_owned(), 3.0)];
    let events = detector.observe(Observation::Sample(&sample));
    assert!(matches!(events[0].change, Change::GaugeRecovered { .. }));
}

#[test]
fn a_shrunk_story_takes_a_minute() {
    let factor = 0.2 / 30.0;
    let mut detector = Detector::new(options().scaled(factor));
    let process = Process::new(0, |age| 80.0 + 50.0 * age);
    let mut due = Vec::new();
    for poll in 0..600_i64 {
        let mut sample = process.poll(poll * POLL);
        sample.at = Timestamp::from_unix_ms(poll * 200);
        sample.uptime = None;
        due.extend(snapshots(&detector.observe(Observation::Sample(&sample))));
    }
    let seconds: Vec<f64> = due.iter().map(|(_, hours)| hours * 3600.0).collect();
    assert_eq!(due.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [PairPart::First, PairPart::Second]);
    assert!(seconds[0] < 45.0 && (seconds[1] - seconds[0] - 12.0).abs() < 1.0, "{seconds:?}");
}

/// A daemon that was off for a weekend came back to a leak that had gone on, and called it over: nothing had grown
/// before its eyes for 48 hours, which were closed.
#[test]
fn a_leak_is_not_over_because_nobody_looked() {
    let slow = |age: f64| 80.0 + 2.0 * age;
    let process = Process::new(0, slow);
    let mut detector = Detector::new(options());
    let before = watch(&mut detector, &process, 0.0, 26.0);
    assert!(confirmed(&before).is_some());
    let state = detector.to_state();
    let mut later = Detector::restore(options(), state);
    let after = watch(&mut later, &process, 26.0 + 60.0, 26.0 + 60.0 + 12.0);
    let ended = after.iter().any(|event| matches!(event.change, Change::LeakResolved { .. }));
    assert!(!ended && confirmed(&after).is_none(), "{after:#?}");

    let level = Process::new(0, move |age| slow(age.min(26.0 + 60.0 + 12.0)));
    let after = watch(&mut later, &level, 98.0, 98.0 + 70.0);
    let ended = after.iter().find(|event| matches!(event.change, Change::LeakResolved { .. }));
    assert!(ended.is_some_and(|event| hours(event) > 98.0 + 40.0), "two days without growth end it: {after:#?}");
}

/// Lives of `hours` each, one after the other; the hour within its life and the number of the one whose leak is confirmed.
fn confirmed_in_life(hours_each: f64, lives: u32, live: fn(f64) -> f64) -> Option<(u32, f64)> {
    let mut detector = Detector::new(Options { memory_limit: Some(ByteSize::mib(1024)), ..Options::default() });
    (0..lives).find_map(|life| {
        let born = f64::from(life) * hours_each;
        #[expect(clippy::cast_possible_truncation, reason = "hours")]
        let process = Process::new((born * 3_600_000.0) as i64, live);
        let events = watch(&mut detector, &process, born, born + hours_each);
        confirmed(&events).map(|(event, _)| (life, hours(event) - born))
    })
}

/// A process that was restarted every hour was never confirmed, however it grew: each life began from nothing.
#[test]
fn lives_that_all_grow_to_their_ends_are_a_leak_though_each_is_too_short() {
    let leak = |age: f64| 100.0 + 40.0 * age;
    assert_eq!(confirmed_in_life(1.2, 2, leak), None, "two short lives are two deploys into a cache that fills");
    let (life, hour) = confirmed_in_life(1.2, 3, leak).expect("the third grows as the two before it");
    assert_eq!(life, 2);
    let alone = confirmed_in_life(9.0, 1, leak).expect("a life that is long enough").1;
    assert!(hour < 0.7 * alone, "{hour} h instead of {alone} h");
}

#[test]
fn lives_that_level_off_teach_nothing() {
    assert_eq!(confirmed_in_life(1.2, 12, |age| 100.0 + 30.0 * (age / 0.3).min(1.0)), None, "a cache that fills");
    assert_eq!(confirmed_in_life(1.2, 12, |_| 100.0), None, "flat");
}

/// A leak that came back after its fix had held had to be found as though it were new.
#[test]
fn a_leak_that_comes_back_is_known() {
    let mut detector = Detector::new(Options { verify: Duration::from_hours(6), ..options() });
    let leak = |age: f64| 80.0 + 20.0 * age;
    let first = watch(&mut detector, &Process::new(0, leak), 0.0, 10.0);
    let alone = hours(confirmed(&first).expect("a leak").0);
    let fixed = watch(&mut detector, &Process::new(36_000_000, |_| 80.0), 10.0, 20.0);
    assert!(fixed.iter().any(|event| matches!(event.change, Change::LeakResolved { .. })));
    let again = watch(&mut detector, &Process::new(72_000_000, leak), 20.0, 30.0);
    let again = hours(confirmed(&again).expect("the same leak").0) - 20.0;
    assert!(again < 0.7 * alone, "{again} h instead of {alone} h");
}

/// What a heap takes besides itself rises without teeth, so that it looked like a leak before the heap did.
#[test]
fn a_leak_of_the_heap_is_not_blamed_on_what_comes_with_it() {
    let mut detector = Detector::new(Options { memory_limit: Some(ByteSize::mib(1024)), ..options() });
    let process = Process::new(0, |age| 300.0 + 30.0 * (2.0 * age).floor());
    let polls = (0..8 * 3_600_000).step_by(30_000).flat_map(|at| {
        let mut sample = process.poll(at);
        let age = at as f64 / 3_600_000.0;
        sample.rss = sample.rss.map(|rss| rss + bytes(45.0 * age));
        detector.observe(Observation::Sample(&sample))
    });
    let events: Vec<_> = polls.collect();
    assert_eq!(confirmed(&events).map(|(_, signal)| signal), Some(Signal::HeapUsed));
}

#[test]
fn a_leak_of_native_memory_beside_a_level_heap_is_told_as_such() {
    let mut detector = Detector::new(options());
    let process = Process::new(0, |_| 80.0);
    let polls = (0..4 * 3_600_000).step_by(30_000).flat_map(|at| {
        let mut sample = process.poll(at);
        sample.rss = sample.rss.map(|rss| rss + bytes(40.0 * at as f64 / 3_600_000.0));
        detector.observe(Observation::Sample(&sample))
    });
    let events: Vec<_> = polls.collect();
    assert_eq!(confirmed(&events).map(|(_, signal)| signal), Some(Signal::Native));
    assert!(snapshots(&events).is_empty());
}
