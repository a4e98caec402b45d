//! What the state database costs: `cargo bench --bench store`.
//!
//! Ten thousand targets (`HEAPWATCH_BENCH_TARGETS`) polled every 30 s for 48 hours, written as the daemon writes
//! them: every five minutes ten samples and the detector's state of each target. Prints samples written a second,
//! bytes a sample on disk, the time to come up again and the memory that takes.
//!
//! The samples are made up, with more noise than processes have; `HEAPWATCH_BENCH_TRACES=DIR` takes recorded ones
//! from the CSV files there, in the columns of `heapwatch replay`.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench times things and says what it found")]
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench that fails has nothing to say")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use heapwatch::clock::Timestamp;
use heapwatch::sample::Sample;
use heapwatch::store::Store;
use heapwatch::target::TargetName;

const POLLS_IN_48_HOURS: u64 = 5_760;
/// Five minutes: what a kill may lose.
const POLLS_A_FLUSH: u64 = 10;
/// About what a detector's state takes as JSON.
const STATE_BYTES: usize = 4_000;
const POLL: Duration = Duration::from_secs(30);

fn main() {
    let targets = std::env::var("HEAPWATCH_BENCH_TARGETS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let names: Vec<TargetName> =
        (0..targets).map(|number| TargetName::new(format!("service-{number}")).unwrap()).collect();
    let dir = tempfile::tempdir().unwrap();
    let crashed = tempfile::tempdir().unwrap();
    history(dir.path(), crashed.path(), &names, &mut source());
    restart(dir.path(), &names);
    let began = Instant::now();
    let (store, _) = Store::open(crashed.path(), at(POLLS_IN_48_HOURS)).unwrap();
    assert!(!store.stopped_cleanly());
    println!("opened after a kill        {:.2?}, all pages checked", began.elapsed());
}

fn at(poll: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_760_000_000_000).plus(POLL * u32::try_from(poll).unwrap())
}

/// Makes the sample of a target at a poll; every poll comes some milliseconds late.
fn source() -> Box<dyn FnMut(u64, u64) -> Sample> {
    let mut random = fastrand::Rng::with_seed(1);
    let Some(recorded) = std::env::var_os("HEAPWATCH_BENCH_TRACES").map(|dir| traces(Path::new(&dir))) else {
        return Box::new(move |target, poll| invented(target, poll, &mut random));
    };
    Box::new(move |_, poll| {
        let row = usize::try_from(poll).unwrap() % recorded.len();
        let late = Duration::from_millis(random.u64(0..40));
        let requests = poll * 1_000 + random.u64(0..60);
        Sample { at: at(poll).plus(late), requests: Some(requests), ..recorded[row].clone() }
    })
}

fn traces(dir: &Path) -> Vec<Sample> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    files.sort();
    let rows = files.iter().flat_map(|path| csv::Reader::from_path(path).unwrap().into_deserialize());
    rows.map(|row: Result<BTreeMap<String, f64>, csv::Error>| {
        let row = row.unwrap();
        let bytes = |column: &str| row.get(column).map(|bytes| format!("{bytes:.0}").parse().unwrap());
        Sample {
            heap_used: bytes("heapUsed"),
            heap_total: bytes("heapTotal"),
            external: bytes("external"),
            array_buffers: bytes("arrayBuffers"),
            rss: bytes("rss"),
            ..Sample::empty(at(0))
        }
    })
    .collect()
}

/// A heap with a sawtooth and a restless rss.
fn invented(target: u64, poll: u64, random: &mut fastrand::Rng) -> Sample {
    let tooth = (poll * 3 + target) % 24;
    let now = at(poll).plus(Duration::from_millis(random.u64(0..40)));
    Sample {
        heap_used: Some(80_000_000 + tooth * 1_000_000 + random.u64(0..400_000)),
        heap_total: Some(120_000_000 + poll / 40 % 7 * 262_144),
        external: Some(2_100_000 + random.u64(0..4) * 1_024),
        array_buffers: Some(10_475),
        rss: Some((170_000_000 + random.u64(0..300_000)) / 4_096 * 4_096),
        requests: Some(poll * 1_000 + random.u64(0..60)),
        pid: Some(4_127),
        uptime: Some(now.since(at(0))),
        ..Sample::empty(now)
    }
}

/// All but the last flush in large steps, which makes the same blocks; the last one as the daemon does it.
/// Leaves what a kill would have left in `crashed`.
fn history(dir: &Path, crashed: &Path, names: &[TargetName], sample: &mut dyn FnMut(u64, u64) -> Sample) {
    let (store, _) = Store::open(dir, at(0)).unwrap();
    let last_flush = POLLS_IN_48_HOURS - POLLS_A_FLUSH;
    for (target, name) in (0..).zip(names) {
        let samples: Vec<Sample> = (0..last_flush).map(|poll| sample(target, poll)).collect();
        store.transaction(at(last_flush), |writer| writer.append_samples(name, &samples)).unwrap();
    }
    let flush: Vec<Vec<Sample>> = (0..names.len() as u64)
        .map(|target| (last_flush..POLLS_IN_48_HOURS).map(|poll| sample(target, poll)).collect())
        .collect();
    let state = vec![b'7'; STATE_BYTES];
    let began = Instant::now();
    store
        .transaction(at(POLLS_IN_48_HOURS), |writer| {
            names.iter().zip(&flush).try_for_each(|(name, samples)| {
                writer.append_samples(name, samples)?;
                writer.put_state(name, "detector", &state)
            })
        })
        .unwrap();
    let took = began.elapsed();
    for name in ["heapwatch.db", "heapwatch.db-wal"] {
        std::fs::copy(dir.join(name), crashed.join(name)).unwrap();
    }
    let written = names.len() as u64 * POLLS_A_FLUSH;
    println!("targets                    {}", names.len());
    println!("one flush of all targets   {took:.2?}, {:.0} samples a second", written as f64 / took.as_secs_f64());
}

fn restart(dir: &Path, names: &[TargetName]) {
    let bytes = std::fs::metadata(dir.join("heapwatch.db")).unwrap().len();
    let states = (names.len() * STATE_BYTES) as u64;
    let samples = names.len() as u64 * POLLS_IN_48_HOURS;
    println!("database                   {:.1} MB", bytes as f64 / 1e6);
    println!("bytes a sample on disk     {:.2}", bytes.saturating_sub(states) as f64 / samples as f64);
    let before = resident();
    let began = Instant::now();
    let (store, notes) = Store::open(dir, at(POLLS_IN_48_HOURS)).unwrap();
    let opened = began.elapsed();
    let states = store.read(|reader| reader.states("detector")).unwrap();
    assert!(notes.is_empty() && states.len() == names.len());
    println!("opened and states read     {:.2?}, of which opening {opened:.2?}", began.elapsed());
    println!("resident memory for it     {:.1} MB", resident().saturating_sub(before) as f64 / 1e6);
    let began = Instant::now();
    let read = store.read(|reader| reader.samples(&names[0], at(0))).unwrap();
    println!("48 h of one target read    {:.2?} for {} samples", began.elapsed(), read.len());
}

/// Bytes of this process in memory now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
