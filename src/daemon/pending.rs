//! Samples that wait to be written, packed: most of what a quiet target holds would be these.

use tracing::error;

use crate::sample::Sample;

/// Samples in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Pending(Vec<u8>);

impl Pending {
    pub(super) fn push(&mut self, sample: &Sample) {
        // Small steps: doubling would leave half of it empty at thousands of targets.
        const STEP: usize = 128;
        if self.0.capacity() - self.0.len() < STEP {
            self.0.reserve_exact(STEP);
        }
        rmp_serde::encode::write(&mut self.0, sample).expect("plain data of known length, written to memory");
    }

    /// All of them; none are left.
    pub(super) fn take(&mut self) -> Vec<Sample> {
        let packed = std::mem::take(&mut self.0);
        let mut rest = packed.as_slice();
        let mut samples = Vec::new();
        while !rest.is_empty() {
            match rmp_serde::from_read(&mut rest) {
                Ok(sample) => samples.push(sample),
                Err(problem) => {
                    error!(error = %problem, "samples were packed in a way that cannot be unpacked; please report it");
                    break;
                }
            }
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn samples_come_back_once_and_in_their_order() {
        let sample = |number: u64| Sample {
            heap_used: Some(number << 40),
            pid: Some(number),
            uptime: Some(Duration::new(number, 7)),
            gauges: vec![("listeners".into(), 0.1), ("é".into(), f64::INFINITY)],
            ..Sample::empty(Timestamp::from_lines(-7, i64::MAX))
        };
        let mut pending = Pending::default();
        let samples: Vec<Sample> = (0..20).map(sample).collect();
        for sample in &samples {
            pending.push(sample);
        }
        assert_eq!(pending.take(), samples);
        assert_eq!(pending.take(), []);
    }
}
