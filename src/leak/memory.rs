//! Memory: the watches over the signals of one life, and how a sample reaches them.

use serde::{Deserialize, Serialize};

use crate::growth::blocks::{Blocks, Fold};
use crate::leak::judge::Trial;
use crate::leak::options::Options;
use crate::leak::watch::{Context, Watch, new_blocks};
use crate::sample::{Sample, Signal};

/// The watches of one life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    origin_ms: i64,
    /// When the process started as far as it is known, on the steady line.
    began_ms: i64,
    watches: Vec<(Signal, Watch)>,
    traffic: Option<Blocks>,
    last_requests: Option<u64>,
    last_major_gcs: Option<u64>,
    /// Heap level right after the last major collection, where the target tells when those are.
    after_collection: Option<u64>,
    /// The target itself has told a level after a collection.
    #[serde(default)]
    told_levels: bool,
    /// What the process held when it had warmed up.
    settled: Option<u64>,
    /// The limit is one of the heap alone.
    #[serde(default)]
    limit_of_heap: bool,
    /// What it holds now, and its heap.
    held: Option<u64>,
    heap_used: Option<u64>,
}

/// Without a limit the process is taken to be in trouble at this multiple of what it held after warm-up, or at
/// [`ASSUMED_LEAST`] bytes if that is more.
const ASSUMED_LIMIT: f64 = 4.0;
const ASSUMED_LEAST: f64 = 512.0 * 1_048_576.0;
/// A signal that is a small part of the process may be expected to vary with the whole of it.
const LEAST_BASE_SHARE: f64 = 0.25;

impl Memory {
    /// The watches of a life whose first sample was seen at `origin_ms`.
    pub(crate) fn new(origin_ms: i64, began_ms: i64) -> Self {
        Self {
            origin_ms,
            began_ms: began_ms.min(origin_ms),
            watches: Vec::new(),
            traffic: None,
            last_requests: None,
            last_major_gcs: None,
            after_collection: None,
            told_levels: false,
            settled: None,
            limit_of_heap: false,
            held: None,
            heap_used: None,
        }
    }

    /// Age of the process, seconds.
    pub(crate) fn age(&self, now_ms: i64) -> f64 {
        now_ms.saturating_sub(self.began_ms) as f64 / 1000.0
    }

    /// What the limit counts, as far as it is known.
    pub(crate) fn count_heap_alone(&mut self, limit_of_heap: bool) {
        self.limit_of_heap = limit_of_heap;
    }

    /// Takes in a sample; returns the signals of which a floor was closed.
    pub(crate) fn observe(&mut self, sample: &Sample, limit: Option<u64>, options: &Options) -> Vec<Signal> {
        let now_ms = sample.at.steady_ms();
        self.count_traffic(sample, now_ms, options);
        self.held = held_by(sample);
        self.heap_used = sample.heap_used;
        if self.settled.is_none() && self.age(now_ms) >= options.warm_up.as_secs_f64() {
            self.settled = self.held;
        }
        let room = self.room(limit);
        let context = Context {
            traffic: None,
            age: self.age(now_ms),
            room,
            limit_room: limit.map_or(room, |limit| self.room_to(limit)),
            grown: self.watches().map(|(_, watch)| watch.grown()).sum(),
            least_base: LEAST_BASE_SHARE * self.settled.unwrap_or(0) as f64,
            least_rise: options.min_rise.bytes() as f64,
            least_slope: options.min_slope.bytes_per_second(),
            collected: false,
        };
        let mut closed_signals = Vec::new();
        for signal in Signal::ALL {
            let Some((reading, collected)) = self.reading(signal, sample) else { continue };
            if self.on_reading(signal, (now_ms, reading as f64), Context { collected, ..context }, options) {
                closed_signals.push(signal);
            }
        }
        closed_signals
    }

    fn on_reading(
        &mut self,
        signal: Signal,
        (now_ms, reading): (i64, f64),
        context: Context<'_>,
        options: &Options,
    ) -> bool {
        let origin_ms = self.origin_ms;
        let position = self.watches.iter().position(|(known, _)| *known == signal).unwrap_or_else(|| {
            self.watches.push((signal, Watch::new(origin_ms, options)));
            self.watches.len() - 1
        });
        let watch = &mut self.watches[position].1;
        let closed = watch.push(now_ms, reading, context.least_rise);
        if closed > 0 {
            watch.judge(now_ms, closed, &Context { traffic: self.traffic.as_ref(), ..context }, options);
        }
        closed > 0
    }

    /// The reading that a signal is judged by, and whether it is a level after a collection.
    fn reading(&mut self, signal: Signal, sample: &Sample) -> Option<(u64, bool)> {
        match signal {
            Signal::HeapUsed => self.heap_level(sample),
            // Where all finer signals are known, rss is only their sum.
            Signal::Rss if sample.signal(Signal::Native).is_some() => None,
            _ => Some((sample.signal(signal)?, false)),
        }
    }

    fn heap_level(&mut self, sample: &Sample) -> Option<(u64, bool)> {
        if let Some(level) = sample.heap_used_after_gc {
            if !self.told_levels {
                // Until now plain readings were watched, and their teeth say nothing of the levels.
                self.told_levels = true;
                self.watches.retain(|(signal, _)| *signal != Signal::HeapUsed);
            }
            return Some((level, true));
        }
        let heap_used = sample.heap_used?;
        let Some(major_gcs) = sample.major_gcs else { return Some((heap_used, false)) };
        let collected = self.last_major_gcs.replace(major_gcs).is_some_and(|before| major_gcs > before);
        if collected {
            self.after_collection = Some(heap_used);
        }
        Some((self.after_collection?, true))
    }

    fn count_traffic(&mut self, sample: &Sample, now_ms: i64, options: &Options) {
        let Some(requests) = sample.requests else { return };
        let served = self.last_requests.replace(requests).map_or(0, |before| requests.saturating_sub(before));
        let origin_ms = self.origin_ms;
        let traffic = self.traffic.get_or_insert_with(|| new_blocks(Fold::Sum, origin_ms, options));
        traffic.push(now_ms, served as f32);
    }

    /// How much more the process can grow: to its limit, or to a multiple of what it held after warm-up if that is
    /// nearer, because a process several times its size is in trouble wherever its limit is.
    fn room(&self, limit: Option<u64>) -> f64 {
        let held = self.held.unwrap_or(0) as f64;
        let settled = self.settled.map_or(held, |settled| settled as f64);
        let assumed = ((settled * ASSUMED_LIMIT).max(ASSUMED_LEAST) - held).max(0.0);
        limit.map_or(assumed, |limit| assumed.min(self.room_to(limit)))
    }

    /// How much more the process can grow before it reaches `limit`.
    pub(crate) fn room_to(&self, limit: u64) -> f64 {
        let held = self.held.unwrap_or(0);
        // A limit below rss is one of the heap alone.
        let counted = if self.limit_of_heap || held > limit { self.heap_used.unwrap_or(held) } else { held };
        limit.saturating_sub(counted) as f64
    }

    /// The watch over a signal.
    pub(crate) fn watch(&self, signal: Signal) -> Option<&Watch> {
        self.watches.iter().find(|(known, _)| *known == signal).map(|(_, watch)| watch)
    }

    /// The watches, in the order their signals were first seen.
    pub(crate) fn watches(&self) -> impl Iterator<Item = (Signal, &Watch)> {
        self.watches.iter().map(|(signal, watch)| (*signal, watch))
    }

    /// True where growth of `signal` is what growth of finer ones brings with it. A heap takes memory besides its own, to
    /// mark it by and in pages that it has not filled, and that rises without teeth, so that it would pass first.
    pub(crate) fn follows_finer(&self, signal: Signal, trial: &Trial) -> bool {
        let climb = |signal| self.watch(signal)?.climb_over(trial.since_ms, trial.until_ms);
        let finer: f64 = match signal {
            Signal::HeapUsed | Signal::External => return false,
            Signal::Native => climb(Signal::HeapUsed).unwrap_or(0.0),
            Signal::Rss => [Signal::HeapUsed, Signal::External].into_iter().filter_map(climb).sum(),
        };
        // rss holds what the finer ones hold, and besides.
        let besides = climb(signal).map(|all| if signal == Signal::Rss { all - finer } else { all });
        finer > 0.0 && besides.is_some_and(|besides| finer >= besides)
    }

    /// The signal nearest to a leak, with its judgement.
    pub(crate) fn nearest(&self) -> Option<(Signal, &Trial)> {
        let trials = self.watches().filter_map(|(signal, watch)| Some((signal, watch.trial()?)));
        trials.min_by_key(|(_, trial)| (!trial.passes(), !trial.is_suspect(), trial.failed()))
    }

    /// True where the growth of a signal lacks nothing but time.
    pub(crate) fn is_suspected(&self) -> bool {
        self.watches().any(|(_, watch)| watch.trial().is_some_and(Trial::is_suspect))
    }

    /// Our own capture may lift levels now.
    pub(crate) fn expect_step(&mut self) {
        for (_, watch) in &mut self.watches {
            watch.expect_step();
        }
    }

    /// True once a window can have been judged.
    pub(crate) fn is_warm(&self) -> bool {
        self.watches().any(|(_, watch)| watch.is_warm())
    }

    /// True where the newest floors are there.
    pub(crate) fn is_covered(&self) -> bool {
        self.watches().any(|(_, watch)| watch.is_covered())
    }
}

/// What the process holds as its limit counts it.
fn held_by(sample: &Sample) -> Option<u64> {
    sample.rss.or(sample.heap_total).or(sample.heap_used)
}
