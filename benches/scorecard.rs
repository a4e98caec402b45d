//! The scorecard: the detector and the rules that people run today, on the same made-up processes.
//!
//! `cargo bench --bench scorecard -- --seed 1 --count 8 [--no-limit]` adds the recordings of real processes and prints
//! for each family how many traces were judged rightly, the false alarms, and how far on the way to their limit leaks were confirmed; then a line of totals
//! for the detector and for each rule.
#![expect(clippy::print_stdout, reason = "the scorecard is its output")]

mod corpus;
mod rules;

use std::thread;

use corpus::recordings::{RECORDINGS, recordings};
use corpus::{FAMILIES, Trace, corpus};
use heapwatch::leak::event::Change;
use heapwatch::leak::{Detector, Observation, Options};
use heapwatch::sample::Sample;
use heapwatch::units::ByteSize;
use rules::RULES;

/// How the alarms on one trace compare with its label.
struct Judged {
    family: &'static str,
    leaks: bool,
    false_alarms: usize,
    /// Share of the way from the start of the leak to the limit, where it was found.
    lead: Option<f64>,
    healthy_days: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u64| {
        let position = arguments.iter().position(|argument| argument == name);
        position.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let with_limit = !arguments.iter().any(|argument| argument == "--no-limit");
    let mut traces = corpus(number("--seed", 1), number("--count", 8));
    traces.extend(recordings());
    let detector = judge_all(&traces, &|trace| detector_alarms(trace, with_limit));
    print_families(&detector);
    println!();
    println!("{:<56} {:>6} {:>9} {:>6} {:>13} {:>9}", "rule", "recall", "precision", "F1", "false/100days", "lead");
    print_total("heapwatch", &detector);
    for rule in &RULES {
        let judged = judge_all(&traces, &|trace| rule.alarms(&trace.samples, trace.limit as f64));
        print_total(rule.name, &judged);
    }
}

fn judge_all(traces: &[Trace], alarms: &(impl Fn(&Trace) -> Vec<f64> + Sync)) -> Vec<Judged> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = traces.len().div_ceil(workers).max(1);
    let run = |traces: &[Trace]| traces.iter().map(|trace| judged(trace, &alarms(trace))).collect::<Vec<_>>();
    thread::scope(|scope| {
        let workers: Vec<_> = traces.chunks(share).map(|traces| scope.spawn(move || run(traces))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("judging does not panic")).collect()
    })
}

fn detector_alarms(trace: &Trace, with_limit: bool) -> Vec<f64> {
    let memory_limit = with_limit.then(|| ByteSize::new(trace.limit));
    let mut detector = Detector::new(paced(Options { memory_limit, ..Options::default() }, &trace.samples));
    let events = trace.samples.iter().flat_map(|sample| detector.observe(Observation::Sample(sample)));
    let confirmed = events.filter(|event| matches!(event.change, Change::LeakConfirmed { .. }));
    confirmed.map(|event| event.at.unix_seconds()).collect()
}

/// The options with the interval of the trace, as `replay` takes them: some recordings have a sample a minute.
fn paced(options: Options, samples: &[Sample]) -> Options {
    let mut gaps: Vec<_> = samples.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect();
    gaps.sort_unstable();
    match gaps.get(gaps.len() / 2) {
        Some(typical) if *typical > options.interval * 3 / 2 => {
            Options { interval: *typical, block: options.block.max(*typical * 6), ..options }
        }
        _ => options,
    }
}

fn judged(trace: &Trace, alarms: &[f64]) -> Judged {
    let start = trace.leak_start.unwrap_or(f64::INFINITY);
    let right = alarms.iter().find(|alarm| **alarm >= start);
    Judged {
        family: trace.family,
        leaks: trace.leak_start.is_some(),
        false_alarms: alarms.iter().filter(|alarm| **alarm < start).count(),
        lead: right.map(|alarm| (alarm - start) / (trace.limit_time - start).max(1.0)),
        healthy_days: trace.healthy_days(),
    }
}

fn print_families(judged: &[Judged]) {
    println!("{:<28} {:>7} {:>12} {:>11} {:>11}", "family", "right", "false alarms", "lead median", "lead worst");
    for family in FAMILIES.iter().map(|family| family.name).chain([RECORDINGS]) {
        let own: Vec<&Judged> = judged.iter().filter(|judged| judged.family == family).collect();
        let right =
            own.iter().filter(|judged| judged.false_alarms == 0 && judged.leaks == judged.lead.is_some()).count();
        let false_alarms: usize = own.iter().map(|judged| judged.false_alarms).sum();
        let leads = leads(own.iter().copied());
        let (median, worst) = (percent(leads.get(leads.len() / 2)), percent(leads.last()));
        println!("{:<28} {:>7} {false_alarms:>12} {median:>11} {worst:>11}", family, format!("{right}/{}", own.len()));
    }
}

fn print_total(name: &str, judged: &[Judged]) {
    let leaks = judged.iter().filter(|judged| judged.leaks).count() as f64;
    let found = judged.iter().filter(|judged| judged.lead.is_some()).count() as f64;
    let wrong = judged.iter().filter(|judged| judged.false_alarms > 0).count() as f64;
    let alarms: usize = judged.iter().map(|judged| judged.false_alarms).sum();
    let days: f64 = judged.iter().map(|judged| judged.healthy_days).sum();
    let (recall, precision) = (found / leaks.max(1.0), found / (found + wrong).max(1.0));
    let f1 = 2.0 * recall * precision / (recall + precision).max(f64::MIN_POSITIVE);
    let rate = 100.0 * alarms as f64 / days.max(f64::MIN_POSITIVE);
    let found_after = leads(judged.iter());
    let lead = percent(found_after.get(found_after.len() / 2));
    println!("{name:<56} {recall:>6.3} {precision:>9.3} {f1:>6.3} {rate:>13.2} {lead:>9}");
}

fn leads<'a>(judged: impl Iterator<Item = &'a Judged>) -> Vec<f64> {
    let mut leads: Vec<f64> = judged.filter_map(|judged| judged.lead).collect();
    leads.sort_by(f64::total_cmp);
    leads
}

fn percent(share: Option<&f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}
