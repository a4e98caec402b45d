//! Labelled traces of made-up processes: leaks of several kinds, and healthy processes that look like leaks for a while.
//!
//! Made independently of the traces that the detector's thresholds were chosen on, so that the scorecard shows what the
//! detector does where nobody looked. The same seed gives the same traces.

mod families;
mod later;
mod process;
pub(crate) mod recordings;
mod runtimes;

use heapwatch::sample::Sample;

pub(crate) use families::FAMILIES;

/// One trace with its label.
pub(crate) struct Trace {
    /// Name of its family.
    pub(crate) family: &'static str,
    /// What a poller saw.
    pub(crate) samples: Vec<Sample>,
    /// Unix seconds at which the leak starts; `None` for a healthy process.
    pub(crate) leak_start: Option<f64>,
    /// Unix seconds at which the process hits its limit, or would.
    pub(crate) limit_time: f64,
    /// Memory limit in bytes.
    pub(crate) limit: u64,
    /// Unix seconds of the first and after the last sample.
    pub(crate) span: (f64, f64),
}

impl Trace {
    /// Days in which nothing leaks: all of a healthy trace, else those before the leak.
    pub(crate) fn healthy_days(&self) -> f64 {
        let (start, end) = self.span;
        (self.leak_start.unwrap_or(end) - start).max(0.0) / 86_400.0
    }
}

/// `count` traces of every family.
pub(crate) fn corpus(seed: u64, count: u64) -> Vec<Trace> {
    let mut traces = Vec::new();
    for (number, family) in FAMILIES.iter().enumerate() {
        for index in 0..count {
            let mut rng = fastrand::Rng::with_seed(seed.wrapping_mul(1_000_003) ^ (number as u64) << 32 ^ index);
            let spec = (family.make)(&mut rng);
            traces.push(process::run(family.name, spec, &mut rng));
        }
    }
    traces
}
