//! What the state database costs: `cargo bench --bench store`.
//!
//! Ten thousand targets (`HEAPWATCH_BENCH_TARGETS`) polled every 30 s for 48 hours, written as the daemon writes
//! them: every five minutes ten samples and the detector's state of each target. Prints samples written a second,
//! bytes a sample on disk, how long the whole daemon takes to come up again on all of it, and the memory of that.
//! Times are by the clock and of the processor, which a busy machine does not stretch.
//!
//! The samples are made up, with more noise than processes have; `HEAPWATCH_BENCH_TRACES=DIR` takes recorded ones
//! from the CSV files there, in the columns of `heapwatch replay`.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench times things and says what it found")]
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench that fails has nothing to say")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use heapwatch::alert::policy::TargetAlerts;
use heapwatch::clock::Timestamp;
use heapwatch::config::{self, Sources};
use heapwatch::daemon::{self, Launch};
use heapwatch::leak::{Detector, Observation, Options};
use heapwatch::sample::Sample;
use heapwatch::store::{Store, Writer};
use heapwatch::target::{Labels, TargetName};

const POLLS_IN_48_HOURS: u64 = 5_760;
/// Five minutes: what a kill may lose.
const POLLS_A_FLUSH: u64 = 10;
const POLL: Duration = Duration::from_secs(30);

/// Names the directory to a further process of this bench, which is the daemon: its memory is its own.
const START: &str = "HEAPWATCH_BENCH_START";

fn main() {
    let targets = std::env::var("HEAPWATCH_BENCH_TARGETS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let names: Vec<TargetName> =
        (0..targets).map(|number| TargetName::new(format!("service-{number}")).unwrap()).collect();
    if let Some(dir) = std::env::var_os(START) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(start(Path::new(&dir), &names));
    }
    let dir = tempfile::tempdir().unwrap();
    let crashed = tempfile::tempdir().unwrap();
    let known = What { detector: detector(&mut source()), care: care() };
    history(dir.path(), crashed.path(), &names, &known, &mut source());
    on_disk(dir.path(), &names, &known);
    let daemon = Command::new(std::env::current_exe().unwrap()).env(START, dir.path()).status().unwrap();
    assert!(daemon.success());
    let watch = Stopwatch::start();
    let (store, _) = Store::open(crashed.path(), at(POLLS_IN_48_HOURS)).unwrap();
    assert!(!store.stopped_cleanly());
    println!("opened after a kill        {watch}, all pages checked");
}

/// What is stored of each target besides its samples.
struct What {
    detector: Vec<u8>,
    care: Vec<u8>,
}

/// Time by the clock, and of the processor on all cores.
struct Stopwatch {
    began: Instant,
    cpu_ticks: u64,
}

impl Stopwatch {
    fn start() -> Self {
        Self { began: Instant::now(), cpu_ticks: cpu_ticks() }
    }

    fn cpu_seconds(&self) -> f64 {
        (cpu_ticks() - self.cpu_ticks) as f64 / rustix::param::clock_ticks_per_second() as f64
    }
}

impl std::fmt::Display for Stopwatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} s ({:.2} s of processor)", self.began.elapsed().as_secs_f64(), self.cpu_seconds())
    }
}

fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: utime and stime, 14 and 15 of which 2 are cut off.
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// A detector that has seen 48 hours.
fn detector(sample: &mut dyn FnMut(u64, u64) -> Sample) -> Vec<u8> {
    let mut detector = Detector::new(Options::default());
    for poll in 0..POLLS_IN_48_HOURS {
        detector.observe(Observation::Sample(&sample(0, poll)));
    }
    detector.pack().as_bytes().to_vec()
}

/// What the dispatcher remembers of a target that has never leaked.
fn care() -> Vec<u8> {
    let alerts = TargetAlerts::new(TargetName::new("service-0").unwrap(), Labels::new());
    let care = serde_json::json!({
        "alerts": alerts, "confirmed": null, "pair": null, "wanted": null, "last_pair": null, "learned": null,
        "snapshots": [], "to_analyse": null, "culprit": null, "kills_this_week": 0, "verdict": "steady",
    });
    serde_json::to_vec(&care).unwrap()
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
fn history(dir: &Path, crashed: &Path, names: &[TargetName], known: &What, sample: &mut dyn FnMut(u64, u64) -> Sample) {
    let (store, _) = Store::open(dir, at(0)).unwrap();
    let last_flush = POLLS_IN_48_HOURS - POLLS_A_FLUSH;
    for (target, name) in (0..).zip(names) {
        let samples: Vec<Sample> = (0..last_flush).map(|poll| sample(target, poll)).collect();
        store.transaction(at(last_flush), |writer| writer.append_samples(name, &samples)).unwrap();
    }
    let flush: Vec<Vec<Sample>> = (0..names.len() as u64)
        .map(|target| (last_flush..POLLS_IN_48_HOURS).map(|poll| sample(target, poll)).collect())
        .collect();
    let watch = Stopwatch::start();
    store
        .transaction(at(POLLS_IN_48_HOURS), |writer| {
            names.iter().zip(&flush).try_for_each(|(name, samples)| {
                writer.append_samples(name, samples)?;
                writer.put_state(name, "detector", &known.detector)
            })
        })
        .unwrap();
    let written = names.len() as u64 * POLLS_A_FLUSH;
    let (rate, of_cpu) = (written as f64 / watch.began.elapsed().as_secs_f64(), written as f64 / watch.cpu_seconds());
    println!("targets                    {}", names.len());
    println!("one flush of all targets   {watch}");
    println!("samples written a second   {rate:.0} ({of_cpu:.0} a second of processor)");
    let care = |writer: &Writer<'_>| names.iter().try_for_each(|name| writer.put_state(name, "care", &known.care));
    store.transaction(at(POLLS_IN_48_HOURS), care).unwrap();
    for name in ["heapwatch.db", "heapwatch.db-wal"] {
        std::fs::copy(dir.join(name), crashed.join(name)).unwrap();
    }
}

fn on_disk(dir: &Path, names: &[TargetName], known: &What) {
    let bytes = std::fs::metadata(dir.join("heapwatch.db")).unwrap().len();
    let states = (names.len() * (known.detector.len() + known.care.len())) as u64;
    let samples = names.len() as u64 * POLLS_IN_48_HOURS;
    println!(
        "database                   {:.1} MB, of which verdicts {:.1} MB",
        bytes as f64 / 1e6,
        states as f64 / 1e6
    );
    println!("bytes a sample on disk     {:.2}", bytes.saturating_sub(states) as f64 / samples as f64);
}

/// The whole daemon, until it has put its configuration in force: every target with its verdict as it was.
async fn start(dir: &Path, names: &[TargetName]) {
    let file = dir.join("heapwatch.toml");
    let state = dir.display();
    // Nobody listens there, and no poll is due before the daemon is ready.
    let tables = names.iter().map(|name| format!("[[targets]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:1\"\n"));
    let text = format!(
        "state_directory = \"{state}\"\nsnapshot_directory = \"{state}/snapshots\"\n[web]\nlisten = \"unix:{state}/socket\"\n{}",
        tables.collect::<String>()
    );
    std::fs::write(&file, text).unwrap();
    let watch = Stopwatch::start();
    let config = config::load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
    println!("configuration read         {watch}");
    let watch = Stopwatch::start();
    let launch = Launch { sources: None, executable: "heapwatch".into() };
    let daemon = daemon::start(config, launch).await.unwrap();
    println!("daemon ready               {watch}");
    println!("resident memory after it   {:.1} MB, at most {:.1} MB", memory("VmRSS:"), memory("VmHWM:"));
    let judged = daemon.board.all().iter().filter(|target| target.watch.verdict.is_some()).count();
    println!("verdicts as they were      {judged}");
    daemon.stop().await;
    let (store, _) = Store::open(dir, at(POLLS_IN_48_HOURS)).unwrap();
    let watch = Stopwatch::start();
    let read = store.read(|reader| reader.samples(&names[0], at(0))).unwrap();
    println!("48 h of one target read    {watch} for {} samples", read.len());
}

/// Megabytes of this process in memory.
fn memory(what: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
}
