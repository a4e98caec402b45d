//! The process model: a live set, garbage of two generations above it, and what the system gives it.

use std::time::Duration;

use fastrand::Rng;
use heapwatch::clock::Timestamp;
use heapwatch::sample::Sample;

use super::Trace;

/// Bytes in a MiB.
const MIB: f64 = 1_048_576.0;
/// Seconds between polls.
const POLL: f64 = 30.0;
/// First sample of every trace, Unix seconds.
const START: f64 = 1_770_000_000.0;

/// A size in MiB as a function of seconds since the start of the trace and since the start of the process.
pub(crate) type Size = Box<dyn FnMut(f64, f64) -> f64>;

/// What a trace is made of.
pub(crate) struct Spec {
    /// Length of the trace in hours.
    pub(crate) hours: f64,
    /// JavaScript objects alive.
    pub(crate) live: Size,
    /// Buffers.
    pub(crate) external: Size,
    /// Memory outside of both.
    pub(crate) native: Size,
    /// Traffic, 1 being ordinary.
    pub(crate) load: Size,
    /// Seconds at which the process is restarted.
    pub(crate) restarts: Vec<f64>,
    /// Memory limit in MiB; 0 for a healthy process picks one with room.
    pub(crate) limit: f64,
    /// Seconds since the start at which the leak begins.
    pub(crate) leak_start: Option<f64>,
    /// The collector.
    pub(crate) collector: Collector,
    /// What the target reports.
    pub(crate) report: Report,
}

/// How garbage piles up and goes.
#[derive(Clone, Copy)]
pub(crate) struct Collector {
    /// MiB allocated between two polls at ordinary traffic.
    pub(crate) allocated: f64,
    /// Share of it that outlives the minor collections.
    pub(crate) promoted: f64,
    /// The heap may grow to this multiple of what the last major collection left.
    pub(crate) factor: f64,
    /// Size of the young generation, MiB.
    pub(crate) young: f64,
    /// Hours after which it collects a heap that hardly grows.
    pub(crate) patience: f64,
}

/// What the target reports and how well it answers.
#[derive(Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that a service reports or not, apart from the others"
)]
pub(crate) struct Report {
    /// rss alone.
    pub(crate) rss_only: bool,
    /// Whole MiB.
    pub(crate) rounded: bool,
    /// Requests and uptime.
    pub(crate) counters: bool,
    /// The level of the heap after the last major collection, and how many there were.
    pub(crate) levels: bool,
    /// Outages a day, each of 1 to 40 polls.
    pub(crate) outages: f64,
}

/// A state of the process that is running.
struct Running {
    born: f64,
    old: f64,
    trigger: f64,
    collected: f64,
    total: f64,
    rss: f64,
    requests: f64,
    /// Major collections, and what the last one left.
    collections: u64,
    level: f64,
}

/// Runs a process and labels what a poller saw of it.
pub(crate) fn run(family: &'static str, mut spec: Spec, rng: &mut Rng) -> Trace {
    let mut samples: Vec<Sample> = Vec::new();
    let mut hit_limit = None;
    let mut running = Running::start(0.0, &mut spec);
    let mut restarts = std::mem::take(&mut spec.restarts);
    restarts.sort_by(f64::total_cmp);
    let mut silent_until = 0.0;
    let mut time = 0.0;
    while time < spec.hours * 3600.0 {
        let sample = running.poll(time, &mut spec, rng);
        if rng.f64() < spec.report.outages * POLL / 86_400.0 {
            silent_until = time + POLL * f64::from(rng.u32(1..40));
        }
        let rss = running.rss;
        if time >= silent_until {
            samples.push(sample);
        }
        let killed = spec.limit > 0.0 && rss > spec.limit;
        let deployed = restarts.first().is_some_and(|at| time >= *at);
        if killed {
            hit_limit = hit_limit.or(Some(START + time));
        }
        if deployed {
            restarts.remove(0);
        }
        if killed || deployed {
            time += 20.0 + 60.0 * rng.f64();
            running = Running::start(time, &mut spec);
        }
        time += POLL + rng.f64() * 0.2 - 0.1;
    }
    let span = (START, START + time);
    let limit = if spec.limit > 0.0 { spec.limit } else { roomy_limit(&samples, rng) };
    let leak_start = spec.leak_start.map(|start| START + start);
    let limit_time = hit_limit.unwrap_or_else(|| projected(&samples, leak_start, limit));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand MiB")]
    Trace { family, samples, leak_start, limit_time, limit: (limit * MIB) as u64, span }
}

impl Running {
    fn start(time: f64, spec: &mut Spec) -> Self {
        let live = (spec.live)(time, 0.0);
        Self {
            born: time,
            old: 0.0,
            trigger: live * 1.2 + 4.0,
            collected: time,
            total: live,
            rss: 0.0,
            requests: 0.0,
            collections: 0,
            level: 0.0,
        }
    }

    fn poll(&mut self, time: f64, spec: &mut Spec, rng: &mut Rng) -> Sample {
        let age = time - self.born;
        let load = (spec.load)(time, age).max(0.0);
        let live = (spec.live)(time, age);
        let Collector { allocated, promoted, factor, young, patience } = spec.collector;
        let garbage = allocated * load * (0.7 + 0.6 * rng.f64());
        self.old += garbage * promoted;
        // V8's memory reducer collects a heap that hardly grows, sooner or later.
        let reduce = time - self.collected > patience * 3600.0;
        if live + self.old > self.trigger || reduce {
            self.collected = time;
            self.old *= 0.05 * rng.f64();
            let grow = 1.0 + (factor - 1.0) * (0.7 + 0.6 * rng.f64());
            self.trigger = (live * grow).max(live + 6.0);
            self.collections += 1;
            self.level = live + self.old;
        }
        let used = live + self.old + (young * rng.f64()).min(young * 0.1 + garbage * 2.0);
        let wanted = used * 1.06 + 6.0;
        self.total = if wanted > self.total { wanted } else { self.total + (wanted - self.total) * 0.02 };
        let external = (spec.external)(time, age);
        let resident = self.total + external + (spec.native)(time, age) + rng.f64();
        self.rss = if resident > self.rss { resident } else { self.rss + (resident - self.rss) * 0.05 };
        self.requests += (load * 900.0 * (0.9 + 0.2 * rng.f64())).floor();
        self.sample(time, age, used, external, spec.report)
    }

    fn sample(&self, time: f64, age: f64, used: f64, external: f64, report: Report) -> Sample {
        let step = if report.rounded { MIB } else { 1.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and far below 2^63")]
        let bytes = |mebibytes: f64| Some(((mebibytes * MIB / step).round() * step) as u64);
        let at = Timestamp::from_unix_seconds(START + time).expect("a time of this century");
        let mut sample = Sample::empty(at);
        sample.rss = bytes(self.rss);
        if !report.rss_only {
            sample.heap_used = bytes(used);
            sample.heap_total = bytes(self.total);
            sample.external = bytes(external);
        }
        if report.levels {
            sample.heap_used_after_gc = (self.collections > 0).then(|| bytes(self.level)).flatten();
            sample.major_gcs = Some(self.collections);
        }
        if report.counters {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count")]
            let requests = self.requests as u64;
            sample.requests = Some(requests);
            sample.uptime = Some(Duration::from_secs_f64(age.floor()));
        }
        sample
    }
}

/// A limit that a healthy process stays clear of.
fn roomy_limit(samples: &[Sample], rng: &mut Rng) -> f64 {
    let peak = samples.iter().filter_map(|sample| sample.rss).max().unwrap_or(0) as f64 / MIB;
    let fitting: Vec<f64> = [256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0]
        .into_iter()
        .filter(|limit| *limit > 1.2 * peak)
        .take(2)
        .collect();
    fitting.get(rng.usize(0..fitting.len().max(1))).copied().unwrap_or(16_384.0)
}

/// When a leak that the trace is too short for would hit the limit, at the pace that the trace shows.
pub(crate) fn projected(samples: &[Sample], leak_start: Option<f64>, limit: f64) -> f64 {
    let Some(start) = leak_start else { return f64::INFINITY };
    let low = |from: f64, to: f64| {
        let within = samples.iter().filter(|sample| (from..to).contains(&sample.at.unix_seconds()));
        within.filter_map(|sample| sample.rss).min().unwrap_or(0) as f64 / MIB
    };
    let end = samples.last().map_or(start, |sample| sample.at.unix_seconds());
    let (first, last) = (low(start, start + 3600.0), low(end - 3600.0, end + 1.0));
    start + (limit - first).max(0.0) / (last - first).max(1.0) * (end - start - 3600.0).max(1.0)
}
