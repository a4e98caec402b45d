//! Falls: collections too small for the floors to show.
//!
//! Where a live set climbs by four megabytes a block, a collection that takes five leaves the floors rising; over half a
//! block it still shows. Shorter parts would show what minor collections take, which come at most every minute or two.

use serde::{Deserialize, Serialize};

/// The falls of a series from one short part to the next: only that they happened, and about when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Falls {
    /// The part that is open, and the lowest of its readings.
    open: i64,
    low: f32,
    readings: u32,
    /// The low of the part before, where it has enough readings.
    before: Option<f32>,
    /// One bit a part, the newest lowest: whether it fell.
    seen: u64,
}

/// A part with fewer readings has a low that is no floor.
const LEAST_READINGS: u32 = 4;

impl Falls {
    /// Takes in a reading of the part `index`. A part falls where it lies under the one before by more than
    /// `depth(height)`.
    pub fn push(&mut self, index: i64, reading: f32, depth: impl Fn(f64) -> f64) {
        if index != self.open {
            self.close(index.saturating_sub(self.open), depth);
            self.open = index;
        }
        self.low = if self.readings == 0 { reading } else { self.low.min(reading) };
        self.readings = self.readings.saturating_add(1);
    }

    fn close(&mut self, parts: i64, depth: impl Fn(f64) -> f64) {
        let low = (self.readings >= LEAST_READINGS).then_some(self.low);
        let fell = self.before.zip(low).is_some_and(|(before, low)| {
            let (before, low) = (f64::from(before), f64::from(low));
            before - low > depth(before)
        });
        self.seen = self.seen << 1 | u64::from(fell);
        self.before = low;
        self.readings = 0;
        let missed = u32::try_from(parts.saturating_sub(1)).unwrap_or(u32::MAX);
        if missed > 0 {
            self.before = None;
            self.seen = self.seen.checked_shl(missed).unwrap_or(0);
        }
    }

    /// What comes next is not to be compared with what was.
    pub fn forget_level(&mut self) {
        self.before = None;
        self.readings = 0;
    }

    /// How many of the last 64 parts fell.
    pub fn count(&self) -> usize {
        self.seen.count_ones() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Falls of more than 2 of a series that is read five times a part, once the last part has closed.
    fn count(parts: &[(i64, f32)]) -> usize {
        let mut falls = Falls::default();
        for (index, low) in parts {
            (0..5_u8).for_each(|reading| falls.push(*index, low + f32::from(reading), |_| 2.0));
        }
        falls.count()
    }

    #[test]
    fn only_a_fall_between_neighbours_that_is_deep_enough_counts() {
        assert_eq!(
            count(&[(0, 10.0), (1, 12.0), (2, 9.0), (3, 11.0), (4, 8.0), (5, 20.0)]),
            2,
            "small teeth on a climb"
        );
        assert_eq!(count(&[(0, 10.0), (1, 9.0), (2, 8.0), (3, 7.0)]), 0, "shallow ones");
        assert_eq!(count(&[(0, 10.0), (2, 1.0), (3, 1.0)]), 0, "nobody looked between the two");
        assert_eq!(count(&[(0, 10.0), (1, 1.0), (100, 1.0)]), 0, "all of it is longer ago than is remembered");
    }

    #[test]
    fn a_part_with_few_readings_has_no_low() {
        let mut falls = Falls::default();
        for index in 0..10_i64 {
            let low = if index % 2 == 0 { 10.0 } else { 1.0 };
            (0..LEAST_READINGS - 1).for_each(|_| falls.push(index, low, |_| 2.0));
        }
        assert_eq!(falls.count(), 0);
    }

    #[test]
    fn a_level_that_is_forgotten_is_compared_with_nothing() {
        let mut falls = Falls::default();
        for (index, low) in [(0, 10.0), (1, 1.0), (2, 1.0)] {
            (0..5).for_each(|_| falls.push(index, low, |_| 2.0));
            falls.forget_level();
        }
        assert_eq!(falls.count(), 0);
    }
}
