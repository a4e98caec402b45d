//! What people run today, as baselines: alert rules over the same samples, evaluated every five minutes.
//!
//! Each rule sees one life at a time (a restart clears it, which is kinder than Prometheus is) and fires when it comes
//! to hold; while it goes on holding it does not fire again.

mod statistics;

use heapwatch::sample::Sample;

use statistics::{Line, mann_kendall_z, sen_slope};

const MIB: f64 = 1_048_576.0;
const HOUR: f64 = 3600.0;

/// A rule: the samples of one life so far and the limit in, whether it holds out.
pub(crate) struct Rule {
    /// Its name on the scorecard.
    pub(crate) name: &'static str,
    /// For how many evaluations it must hold before it fires.
    hold: usize,
    holds: fn(&[Sample], f64) -> bool,
}

/// The rules, as users write them.
pub(crate) const RULES: [Rule; 5] = [
    Rule { name: "predict_linear(rss[1h], 4h) > limit for 10m", hold: 2, holds: predict_linear },
    Rule { name: "deriv(heap[1h]) > 0, floor above an hour ago, for 30m", hold: 6, holds: derivative },
    Rule { name: "least squares over 1h, > 1 MB/h, R2 > 0.8", hold: 1, holds: least_squares },
    Rule { name: "Mann-Kendall p < 0.001, Sen > 1 MB/h over 2h", hold: 1, holds: mann_kendall },
    Rule { name: "Precog-like: life-long, R2 > 0.85, limit in 7d", hold: 1, holds: precog },
];

impl Rule {
    /// Unix seconds at which the rule fires.
    pub(crate) fn alarms(&self, samples: &[Sample], limit: f64) -> Vec<f64> {
        let mut alarms = Vec::new();
        let (mut life, mut held, mut next) = (0, 0, f64::NEG_INFINITY);
        for (index, sample) in samples.iter().enumerate() {
            let now = sample.at.unix_seconds();
            if index > 0 && restarted(&samples[index - 1], sample) {
                (life, held) = (index, 0);
            }
            if now < next {
                continue;
            }
            next = now + 300.0;
            held = if (self.holds)(&samples[life..=index], limit) { held + 1 } else { 0 };
            if held == self.hold {
                alarms.push(now);
            }
        }
        alarms
    }
}

fn restarted(before: &Sample, now: &Sample) -> bool {
    let fell = |before: Option<u64>, now: Option<u64>| now.zip(before).is_some_and(|(now, before)| now < before);
    let gap = now.at.unix_seconds() - before.at.unix_seconds() > 45.0;
    let dropped = now.rss.zip(before.rss).is_some_and(|(now, before)| (now as f64) < 0.92 * before as f64);
    fell(before.requests, now.requests) || (gap && dropped)
}

fn heap(sample: &Sample) -> Option<f64> {
    sample.heap_used.or(sample.rss).map(|bytes| bytes as f64)
}

/// The samples of the last `seconds`; empty where the life is younger.
fn last(samples: &[Sample], seconds: f64) -> &[Sample] {
    let Some(end) = samples.last().map(|sample| sample.at.unix_seconds()) else { return &[] };
    let start = samples.partition_point(|sample| sample.at.unix_seconds() < end - seconds);
    if start == 0 { &[] } else { &samples[start..] }
}

fn line(samples: &[Sample], signal: fn(&Sample) -> Option<f64>) -> Option<Line> {
    let points = samples.iter().filter_map(|sample| Some((sample.at.unix_seconds(), signal(sample)?)));
    Line::through(&points.collect::<Vec<_>>())
}

fn predict_linear(life: &[Sample], limit: f64) -> bool {
    let rss = |sample: &Sample| sample.rss.map(|bytes| bytes as f64);
    line(last(life, HOUR), rss).is_some_and(|line| line.end + line.slope * 4.0 * HOUR > limit)
}

fn derivative(life: &[Sample], _limit: f64) -> bool {
    let rises = line(last(life, HOUR), heap).is_some_and(|line| line.slope > 0.0);
    let floor = |samples: &[Sample]| samples.iter().filter_map(heap).min_by(f64::total_cmp);
    let recent = last(life, HOUR / 2.0);
    let before = last(life, 1.5 * HOUR);
    let before = &before[..before.len().saturating_sub(2 * recent.len())];
    rises && floor(recent).zip(floor(before)).is_some_and(|(now, then)| now > then)
}

fn least_squares(life: &[Sample], _limit: f64) -> bool {
    line(last(life, HOUR), heap).is_some_and(|line| line.slope * HOUR > MIB && line.r_squared > 0.8)
}

fn mann_kendall(life: &[Sample], _limit: f64) -> bool {
    /// The normal quantile of a two-sided p of 0.001.
    const Z: f64 = 3.29;
    let points: Vec<(f64, f64)> = last(life, 2.0 * HOUR)
        .chunks(10)
        .filter_map(|chunk| Some((chunk[0].at.unix_seconds(), chunk.iter().filter_map(heap).min_by(f64::total_cmp)?)))
        .collect();
    mann_kendall_z(&points) > Z && sen_slope(&points).is_some_and(|slope| slope * HOUR > MIB)
}

fn precog(life: &[Sample], limit: f64) -> bool {
    if last(life, HOUR).is_empty() {
        return false;
    }
    line(life, heap).is_some_and(|line| {
        let left = (limit - line.end) / line.slope;
        line.r_squared > 0.85 && line.slope > 0.0 && left < 7.0 * 24.0 * HOUR
    })
}
