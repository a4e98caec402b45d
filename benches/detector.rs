//! Samples a second and core through the whole detector, for lives of a day and of two weeks, and the bytes that a
//! target takes in memory and in the state database: `cargo bench --bench detector`.
#![expect(clippy::print_stdout, reason = "the size is an output of the bench")]

#[expect(dead_code, reason = "the labels are for the scorecard")]
mod corpus;

use divan::Bencher;
use divan::counter::ItemsCount;
use heapwatch::leak::{Detector, Observation, Options};
use heapwatch::sample::Sample;

/// Counts what a copy of a detector allocates, which is what a target takes besides the fixed part.
#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    let mut detector = Detector::new(Options::default());
    feed(&mut detector, &samples(14));
    println!("a target between two polls, after two weeks: {} bytes", detector.pack().as_bytes().len());
    println!("fixed part of a detector: {} bytes; `copy` prints the rest", size_of::<Detector>());
    divan::main();
}

/// A healthy process with daily and weekly cycles, repeated to `days` days.
fn samples(days: i64) -> Vec<Sample> {
    let traces = corpus::corpus(1, 1);
    let weekly = traces.into_iter().find(|trace| trace.family == "weekly cycle").expect("a family of that name");
    let one_life = weekly.samples;
    let period = 10 * 86_400_000;
    let copies = (days * 86_400_000).div_euclid(period) + 1;
    let shifted = |copy: i64| {
        one_life.iter().cloned().map(move |mut sample| {
            sample.at = sample.at.plus(std::time::Duration::from_millis((copy * period).unsigned_abs()));
            (sample.requests, sample.uptime) = (None, None);
            sample
        })
    };
    let count = usize::try_from(days * 2880).unwrap_or(usize::MAX);
    (0..copies).flat_map(shifted).take(count).collect()
}

fn feed(detector: &mut Detector, samples: &[Sample]) {
    for sample in samples {
        divan::black_box(detector.observe(Observation::Sample(sample)));
    }
}

/// The last day of a life of that many days.
#[divan::bench(args = [1, 14])]
fn a_day_of_polls(bencher: Bencher<'_, '_>, days: i64) {
    let samples = samples(days);
    let (past, day) = samples.split_at(samples.len() - 2880);
    let mut detector = Detector::new(Options::default());
    feed(&mut detector, past);
    bencher
        .counter(ItemsCount::new(day.len()))
        .with_inputs(|| detector.clone())
        .bench_values(|mut detector| feed(&mut detector, day));
}

/// What a target takes on the heap after that many days: the bytes that a copy allocates.
#[divan::bench(args = [1, 14])]
fn copy(bencher: Bencher<'_, '_>, days: i64) {
    let mut detector = Detector::new(Options::default());
    feed(&mut detector, &samples(days));
    bencher.bench(|| detector.clone());
}
