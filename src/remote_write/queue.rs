//! What waits for a receiver: bounded, in order, and sent again later each time it is not taken.

use std::collections::VecDeque;
use std::time::Duration;

use super::series::Sample;

/// After the first failure, and the longest; Prometheus' own goes from 30 ms to 5 s, for hundreds of times the samples.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Samples of one receiver that were not yet taken.
#[derive(Debug)]
pub struct Queue {
    samples: VecDeque<Sample>,
    capacity: usize,
    failures: u32,
}

impl Queue {
    /// An empty one for so many samples.
    pub fn new(capacity: usize) -> Self {
        Self { samples: VecDeque::new(), capacity, failures: 0 }
    }

    /// Puts samples in; says how many older ones had to make room.
    pub fn push(&mut self, samples: impl IntoIterator<Item = Sample>) -> u64 {
        self.samples.extend(samples);
        let surplus = self.samples.len().saturating_sub(self.capacity);
        self.samples.drain(..surplus);
        surplus as u64
    }

    /// The oldest samples, at most so many, taken out.
    pub fn take(&mut self, most: usize) -> Vec<Sample> {
        let count = most.min(self.samples.len());
        self.samples.drain(..count).collect()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The receiver took something, or refused it for good: the next may go at once.
    pub fn settled(&mut self) {
        self.failures = 0;
    }

    /// The receiver could not take it now. How long to wait before it is tried again: longer each time, between half and
    /// all of it by `jitter` (0 to 1), and as long as the receiver asks for at least.
    pub fn failed(&mut self, asked: Option<Duration>, jitter: f64) -> Duration {
        let doubled = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        let wait = doubled.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        asked.map_or(wait, |asked| wait.max(asked))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::remote_write::series::Series;

    fn samples(times: std::ops::Range<i64>) -> Vec<Sample> {
        let series = Arc::new(Series::new([]));
        times.map(|at_ms| Sample { series: Arc::clone(&series), at_ms, value: 0.0 }).collect()
    }

    #[test]
    fn a_full_queue_drops_the_oldest() {
        let mut queue = Queue::new(5);
        assert_eq!(queue.push(samples(0..4)), 0);
        assert_eq!(queue.push(samples(4..8)), 3);
        let times = |samples: Vec<Sample>| samples.iter().map(|sample| sample.at_ms).collect::<Vec<_>>();
        assert_eq!(times(queue.take(2)), [3, 4]);
        assert_eq!(times(queue.take(9)), [5, 6, 7]);
        assert!(queue.is_empty());
    }

    #[test]
    fn waits_double_up_to_a_minute_and_heed_the_receiver() {
        let mut queue = Queue::new(1);
        let waits: Vec<u64> = (0..8).map(|_| queue.failed(None, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(queue.failed(None, 0.0), Duration::from_secs(30));
        assert_eq!(queue.failed(Some(Duration::from_mins(5)), 0.0), Duration::from_mins(5));
        queue.settled();
        assert_eq!(queue.failed(None, 1.0), Duration::from_secs(1));
    }
}
