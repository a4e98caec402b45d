//! Levels after collections, from the health body through the probe to the verdict: where a target tells what is left
//! after a major collection, that is the truth, and the teeth above it are not.

use heapwatch::clock::Timestamp;
use heapwatch::leak::event::{Change, PairPart};
use heapwatch::leak::verdict::State;
use heapwatch::leak::{Detector, GaugeRule, LeakEvent, Observation, Options};
use heapwatch::probe::health::{Mapping, read};
use heapwatch::sample::{Sample, Signal};
use heapwatch::units::ByteSize;
use serde_json::{Value, json};

const POLLS_AN_HOUR: i64 = 120;

/// A process whose major collections are eight hours apart: the garbage between them grows by 20 MiB an hour over a live
/// set of 90 MiB that grows by `leak` MiB an hour.
struct Process {
    leak: f64,
    /// What the body tells of collections.
    tells: fn(collections: u64, level: u64) -> Value,
}

const TELLS_NOTHING: fn(u64, u64) -> Value = |_, _| json!({});
const TELLS_LEVELS: fn(u64, u64) -> Value = |collections, level| {
    // There is no level before the first collection.
    let level = (collections > 0).then_some(level);
    json!({"heapUsedAfterGc": level, "majorGcs": collections})
};
const TELLS_COUNTS: fn(u64, u64) -> Value = |collections, _| json!({"gc": {"major": {"count": collections}}});

impl Process {
    fn body(&self, poll: i64) -> Vec<u8> {
        let hours = poll as f64 / POLLS_AN_HOUR as f64;
        let since = hours % 8.0;
        let live = |hours: f64| mib(90.0 + self.leak * hours);
        let used = live(hours) + mib(20.0 * since);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few collections")]
        let collections = (hours / 8.0) as u64;
        let mut body = json!({
            "memory": {"heapUsed": used, "heapTotal": mib(320.0) + live(hours), "external": mib(2.0), "rss": mib(380.0) + live(hours)},
            "uptime": poll * 30,
        });
        let told = (self.tells)(collections, live(hours - since));
        body.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
        body.to_string().into_bytes()
    }

    fn watch(&self, hours: i64) -> (Vec<LeakEvent>, Detector) {
        let options = Options { memory_limit: Some(ByteSize::mib(2048)), ..Options::default() };
        let mut detector = Detector::new(options);
        let mut events = Vec::new();
        for poll in 0..hours * POLLS_AN_HOUR {
            let at = Timestamp::from_unix_ms(poll * 30_000);
            let sample = read(&self.body(poll), &Mapping::default()).unwrap().into_sample(at);
            events.extend(detector.observe(Observation::Sample(&sample)));
        }
        (events, detector)
    }
}

fn mib(mebibytes: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
    let bytes = (mebibytes * 1_048_576.0) as u64;
    bytes
}

fn leaks(events: &[LeakEvent]) -> Vec<Signal> {
    let confirmed = |event: &LeakEvent| match event.change {
        Change::LeakConfirmed { signal, .. } => Some(signal),
        _ => None,
    };
    events.iter().filter_map(confirmed).collect()
}

#[test]
fn teeth_above_a_level_that_is_told_are_nothing() {
    for tells in [TELLS_LEVELS, TELLS_COUNTS] {
        let (events, detector) = Process { leak: 0.0, tells }.watch(72);
        assert_eq!(events, [], "not even a suspicion");
        assert_eq!(detector.verdict().state, State::Steady);
        let picture = detector.picture();
        let floors = &picture.floors.iter().find(|series| series.signal == Signal::HeapUsed).unwrap().points;
        let last = floors.last().unwrap().1;
        assert!(last <= mib(91.0), "the floors are the levels that were told, not the teeth: {last}");
    }
    // The same process raises a suspicion where it tells nothing, so the test above shows what the level is worth.
    let (events, _) = Process { leak: 0.0, tells: TELLS_NOTHING }.watch(72);
    assert!(!events.is_empty());
}

#[test]
fn a_leak_under_teeth_is_found_by_the_levels_that_are_told() {
    for tells in [TELLS_LEVELS, TELLS_COUNTS] {
        let (events, detector) = Process { leak: 4.0, tells }.watch(96);
        assert_eq!(leaks(&events), [Signal::HeapUsed]);
        let growth = detector.verdict().growth.unwrap();
        let slope = growth.slope.bytes_per_hour() / 1_048_576.0;
        assert!((3.0..5.0).contains(&slope), "the leak's 4 MiB/h, not the teeth's 24: {slope}");
    }
}

/// A target that tells of no count is judged by its readings until the first level comes. What these showed must not be
/// held against the levels: a tooth that came down is nothing that a level gives back.
#[test]
fn readings_before_the_first_level_are_forgotten_with_it() {
    let tells = |collections: u64, level: u64| json!({"heapUsedAfterGc": (collections > 0).then_some(level)});
    let (_, detector) = Process { leak: 4.0, tells }.watch(9);
    let picture = detector.picture();
    let floors = picture.floors.iter().find(|series| series.signal == Signal::HeapUsed).unwrap();
    assert!(floors.points.iter().all(|(_, floor)| *floor <= mib(123.0)), "{:?}", floors.points);
}

/// Our own snapshot collects twice. What is left then is a level of the live set like any other floor, and the fall to
/// it is neither a restart nor a plateau: the leak below goes on.
#[test]
fn a_leak_is_followed_across_the_collection_that_our_snapshot_makes() {
    let leaking = |hours: f64, garbage: f64| {
        let mut sample = Sample::empty(Timestamp::from_unix_ms(0));
        sample.heap_used = Some(mib(80.0 + 30.0 * hours + garbage));
        sample.heap_total = Some(mib(140.0 + 30.0 * hours));
        sample.external = Some(mib(2.0));
        sample.rss = Some(mib(200.0 + 30.0 * hours));
        sample
    };
    let mut detector = Detector::new(Options { memory_limit: Some(ByteSize::mib(1024)), ..Options::default() });
    let mut events = Vec::new();
    for poll in 0..6 * POLLS_AN_HOUR {
        let at = Timestamp::from_unix_ms(poll * 30_000);
        let captured = 3 * POLLS_AN_HOUR;
        let observation = match poll - captured {
            0 => Observation::CaptureBegan { at },
            1..=2 => Observation::Missed { at, refused: false },
            3 => Observation::CaptureEnded { at, part: PairPart::First, stored: true },
            since => {
                let hours = poll as f64 / POLLS_AN_HOUR as f64;
                let sample = leaking(hours, if since < 0 { 25.0 } else { 0.0 });
                events.extend(detector.observe(Observation::Sample(&Sample { at, ..sample })));
                continue;
            }
        };
        events.extend(detector.observe(observation));
    }
    assert_eq!(leaks(&events), [Signal::HeapUsed]);
    assert!(!events.iter().any(|event| matches!(event.change, Change::Restarted { .. })), "{events:?}");
    assert_eq!(detector.verdict().state, State::Leaking);
    let slope = detector.verdict().growth.unwrap().slope.bytes_per_hour() / 1_048_576.0;
    // It grows by 30 MiB/h; the garbage that goes in the middle takes some of the slope with it.
    assert!((20.0..35.0).contains(&slope), "{slope} MiB/h across the snapshot");
}

#[test]
fn a_gauge_is_read_by_its_pointer_and_held_against_its_maximum() {
    let pointers = [("listeners".to_owned(), "/process/listeners/uncaughtException".to_owned())];
    let mapping = Mapping::new(&std::collections::BTreeMap::new(), &pointers);
    let rule = GaugeRule { name: "listeners".to_owned(), maximum: Some(5.0), growth: false };
    let mut detector = Detector::new(Options { gauges: vec![rule], ..Options::default() });
    let mut told = Vec::new();
    for (poll, listeners) in
        [(0, json!(1)), (1, json!(5)), (2, json!(6)), (3, json!(9)), (4, json!("none")), (5, json!(5))]
    {
        let body =
            json!({"heapUsed": mib(80.0), "process": {"listeners": {"uncaughtException": listeners}}}).to_string();
        let sample = read(body.as_bytes(), &mapping).unwrap().into_sample(Timestamp::from_unix_ms(poll * 30_000));
        told.extend(detector.observe(Observation::Sample(&sample)).into_iter().map(|event| (poll, event.change)));
    }
    let gauge = || "listeners".to_owned();
    assert_eq!(
        told,
        [
            (2, Change::GaugeExceeded { gauge: gauge(), value: 6.0, maximum: 5.0 }),
            (5, Change::GaugeRecovered { gauge: gauge(), value: 5.0, maximum: 5.0 }),
        ]
    );
}
