//! Blocks: a series cut into equal parts of time on five scales at once, each part reduced to one number.
//!
//! Of memory that number is the *floor*, the lowest reading of the part: garbage comes and goes above the live set,
//! so the low of a part that saw a collection is the live set, and nothing else in the series is. Each scale keeps
//! the last [`KEPT`] parts, and its parts are [`RATIO`] times as long as those of the scale below: with blocks of five
//! minutes that is four hours in fine detail and two weeks in all, in about a kilobyte.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Parts kept on each scale.
pub const KEPT: usize = 48;
/// Scales.
pub const SCALES: usize = 5;
/// How much longer the parts of a scale are than those of the one below.
pub const RATIO: i64 = 3;

/// What is known of a series: see the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blocks {
    fold: Fold,
    origin_ms: i64,
    scales: Vec<Scale>,
}

/// How the readings of a part become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fold {
    /// The lowest of them: a floor.
    Low,
    /// Their sum: requests served.
    Sum,
}

/// The parts of one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    part_ms: i64,
    /// Readings that a whole part holds.
    expected: f32,
    /// Parts closed since the origin; the next one is open.
    closed: i64,
    open: Open,
    #[serde(with = "voids")]
    parts: VecDeque<f32>,
    /// The highest that anything came back down, fading by [`FADING`] a part.
    give_back: f32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Open {
    readings: u32,
    folded: f32,
}

/// A part with fewer readings than this share of the expected ones is void: its low is no floor.
const COVERAGE: f32 = 0.5;

/// The next reading comes after this many intervals at the latest, or it is missed.
const POLLS_WAVER: f64 = 1.1;

/// What is left of a give-back after another part: half of it after 864 (three days of five-minute blocks). It has to
/// outlive the ring, because a batch job that runs twice a day is known to end only by having ended before.
const FADING: f32 = 0.999_198_1;

impl Blocks {
    /// An empty series that starts at `origin_ms`, with parts of `part_ms` on the finest scale, read every `poll_ms`.
    pub fn new(fold: Fold, origin_ms: i64, part_ms: i64, poll_ms: i64) -> Self {
        let scales = (0..SCALES).scan(part_ms.max(1), |part_ms, _| {
            let scale = Scale::new(*part_ms, poll_ms.max(1));
            *part_ms = part_ms.saturating_mul(RATIO);
            Some(scale)
        });
        Self { fold, origin_ms, scales: scales.collect() }
    }

    /// Takes in one reading and returns the highest number of scales, finest first, that closed a part by it.
    ///
    /// The last poll of a part closes it, not the first of the next one: nothing more is to come.
    /// A reading before the origin or of a closed part is ignored.
    pub fn push(&mut self, at_ms: i64, reading: f32) -> usize {
        let Some(since_origin) = at_ms.checked_sub(self.origin_ms).filter(|elapsed| *elapsed >= 0) else { return 0 };
        let closed = self.close_until(since_origin);
        let Some(finest) = self.scales.first_mut() else { return closed };
        finest.open.take(self.fold, Open { readings: 1, folded: reading });
        let next = since_origin.saturating_add(finest.poll_ms());
        closed.max(self.close_until(next))
    }

    /// Closes all parts that end by then, each handing its readings up to the scale above.
    fn close_until(&mut self, since_origin: i64) -> usize {
        let mut handed_up = Open::default();
        for (number, scale) in self.scales.iter_mut().enumerate() {
            scale.open.take(self.fold, handed_up);
            handed_up = scale.open;
            if !scale.advance(since_origin / scale.part_ms) {
                return number;
            }
        }
        self.scales.len()
    }

    /// The scales, finest first.
    pub fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// Start of the first part, milliseconds.
    pub fn origin_ms(&self) -> i64 {
        self.origin_ms
    }

    /// Number of the half of a finest part that this time falls into.
    pub fn half_part(&self, at_ms: i64) -> i64 {
        let half_ms = self.scales.first().map_or(1, |finest| (finest.part_ms / 2).max(1));
        at_ms.saturating_sub(self.origin_ms) / half_ms
    }

    /// The highest give-back on record on this scale or a coarser one.
    pub fn give_back_from(&self, scale: usize) -> f64 {
        self.scales.iter().skip(scale).map(|scale| f64::from(scale.give_back)).fold(0.0, f64::max)
    }

    /// Adds `step` to everything kept but the newest part of the finest scale, which shows the step already: takes a
    /// step with a known cause out of the series.
    pub fn shift_before_newest(&mut self, step: f32) {
        for (number, scale) in self.scales.iter_mut().enumerate() {
            let newest = usize::from(number == 0);
            let older = scale.parts.len().saturating_sub(newest);
            for part in scale.parts.iter_mut().take(older) {
                *part += step;
            }
            if number > 0 && scale.open.readings > 0 {
                scale.open.folded += step;
            }
        }
    }

    /// Forgets the readings of the open parts, as though they had not been made.
    pub fn forget_open(&mut self) {
        if let Some(finest) = self.scales.first_mut() {
            finest.open = Open::default();
        }
    }
}

impl Scale {
    fn new(part_ms: i64, poll_ms: i64) -> Self {
        let expected = part_ms as f64 / poll_ms as f64;
        #[expect(clippy::cast_possible_truncation, reason = "a count of readings; f32 is exact enough for a share")]
        let expected = expected as f32;
        Self { part_ms, expected, closed: 0, open: Open::default(), parts: VecDeque::new(), give_back: 0.0 }
    }

    /// Time until the next reading at most, as polls waver.
    fn poll_ms(&self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "a share of a part")]
        let poll_ms = (POLLS_WAVER * self.part_ms as f64 / f64::from(self.expected)) as i64;
        poll_ms
    }

    /// Closes parts until the part `index` is the open one; false where it is open already.
    fn advance(&mut self, index: i64) -> bool {
        if index <= self.closed {
            return false;
        }
        self.close(self.open.number(self.expected));
        let missed = (index - self.closed).min(count(KEPT));
        for _ in 0..missed {
            self.close(f32::NAN);
        }
        self.closed = index;
        self.open = Open::default();
        true
    }

    fn close(&mut self, part: f32) {
        if self.parts.len() == KEPT {
            self.parts.pop_front();
        }
        // A queue that grows by itself takes room for 64; most of what a target takes is these.
        self.parts.reserve_exact(KEPT - self.parts.len());
        self.parts.push_back(part);
        self.closed += 1;
        // The first part is left out: what start-up takes and gives back says nothing of later.
        let after_start = self.parts.iter().skip(usize::from(self.dropped() == 0)).copied();
        self.give_back = (self.give_back * FADING).max(given_back_at_the_end(after_start));
    }

    /// The closed parts, oldest first; a void one is NaN.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = f64> + ExactSizeIterator + '_ {
        self.parts.iter().map(|part| f64::from(*part))
    }

    /// Number of closed parts kept.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// True while no part has been closed.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Parts closed since the origin, kept or not.
    pub fn closed(&self) -> i64 {
        self.closed
    }

    /// Parts closed since the origin that are no longer kept.
    pub fn dropped(&self) -> i64 {
        self.closed - count(self.parts.len())
    }

    /// Length of a part, seconds.
    pub fn part_seconds(&self) -> f64 {
        self.part_ms as f64 / 1000.0
    }

    /// Milliseconds from the origin to the middle of the kept part `index`.
    pub fn middle_ms(&self, index: usize) -> i64 {
        let number = self.dropped() + count(index);
        number.saturating_mul(self.part_ms).saturating_add(self.part_ms / 2)
    }
}

impl Open {
    fn take(&mut self, fold: Fold, more: Self) {
        self.folded = match fold {
            _ if more.readings == 0 => self.folded,
            Fold::Low if self.readings > 0 => self.folded.min(more.folded),
            Fold::Low => more.folded,
            Fold::Sum => self.folded + more.folded,
        };
        self.readings = self.readings.saturating_add(more.readings);
    }

    fn number(self, expected: f32) -> f32 {
        let covered = self.readings as f32 >= expected * COVERAGE;
        if covered && self.readings > 0 { self.folded } else { f32::NAN }
    }
}

/// A number of parts as it is counted from the origin.
fn count(parts: usize) -> i64 {
    i64::try_from(parts).unwrap_or(i64::MAX)
}

/// How far the last part lies under the highest before it; zero where it is void or the highest itself.
fn given_back_at_the_end(parts: impl DoubleEndedIterator<Item = f32>) -> f32 {
    let mut newest_first = parts.rev();
    let Some(last) = newest_first.next().filter(|last| last.is_finite()) else { return 0.0 };
    let highest = newest_first.filter(|part| part.is_finite()).fold(last, f32::max);
    highest - last
}

/// Void parts as `null` for people, because JSON has no NaN; packed where nobody reads them.
mod voids {
    use std::collections::VecDeque;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::KEPT;
    use crate::growth::column::Column;

    pub(super) fn serialize<S: Serializer>(parts: &VecDeque<f32>, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_seq(parts.iter().map(|part| part.is_finite().then_some(*part)));
        }
        serializer.serialize_bytes(&Column::pack(parts.iter().copied()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VecDeque<f32>, D::Error> {
        if !deserializer.is_human_readable() {
            return Ok(Column::<KEPT>::deserialize(deserializer)?.0);
        }
        let parts = VecDeque::<Option<f32>>::deserialize(deserializer)?;
        Ok(parts.into_iter().rev().take(KEPT).rev().map(|part| part.unwrap_or(f32::NAN)).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Blocks of ten readings, one a second.
    fn blocks(fold: Fold) -> Blocks {
        Blocks::new(fold, 0, 10_000, 1000)
    }

    fn feed(blocks: &mut Blocks, readings: &[f32]) {
        for (second, reading) in readings.iter().enumerate() {
            blocks.push(count(second) * 1000, *reading);
        }
    }

    #[test]
    fn floors_are_the_lows_of_parts_on_every_scale() {
        let readings: Vec<f32> = (0..91_u8).map(|second| 100.0 + f32::from(second)).collect();
        let mut low = blocks(Fold::Low);
        feed(&mut low, &readings);
        let parts = |scale: usize| low.scales()[scale].parts().collect::<Vec<_>>();
        assert_eq!(parts(0), [100., 110., 120., 130., 140., 150., 160., 170., 180.]);
        assert_eq!(parts(1), [100., 130., 160.]);
        assert_eq!(parts(2), [100.]);
        let mut sum = blocks(Fold::Sum);
        feed(&mut sum, &[1.0; 31]);
        assert_eq!(sum.scales()[1].parts().collect::<Vec<_>>(), [30.0]);
    }

    #[test]
    fn a_part_with_too_few_readings_is_void() {
        let mut blocks = blocks(Fold::Low);
        feed(&mut blocks, &[5.0; 4]);
        blocks.push(25_000, 6.0);
        let parts: Vec<f64> = blocks.scales()[0].parts().collect();
        assert!(parts.iter().all(|part| part.is_nan()) && parts.len() == 2, "{parts:?}");
    }

    #[test]
    fn what_came_back_down_is_remembered_on_its_scale_and_finer_ones() {
        let mut blocks = blocks(Fold::Low);
        let teeth: Vec<f32> = (0..400_u16).map(|second| f32::from(second % 40)).collect();
        feed(&mut blocks, &teeth);
        assert!((29.0..31.0).contains(&blocks.give_back_from(0)), "{}", blocks.give_back_from(0));
        assert!(blocks.give_back_from(2) < 5.0, "teeth of 40 s vanish in parts of 90 s");
    }

    #[test]
    fn the_last_poll_of_a_part_closes_it() {
        let mut blocks = blocks(Fold::Low);
        let closed: Vec<usize> = (0..91).map(|second| blocks.push(second * 1000 + second % 2 * 90, 1.0)).collect();
        let at = |scales: usize| closed.iter().position(|closed| *closed == scales);
        assert_eq!((at(1), at(2), at(3)), (Some(9), Some(29), Some(89)));
        assert_eq!(closed.iter().filter(|closed| **closed > 0).count(), 9);
        assert!(blocks.scales()[0].parts().all(f64::is_finite), "none is closed before its polls have come");
    }

    #[test]
    fn a_give_back_fades_by_half() {
        assert_eq!(FADING.to_bits(), 0.5f32.powf(1.0 / 864.0).to_bits());
    }

    #[test]
    fn a_long_gap_leaves_nothing_but_void_parts() {
        let mut blocks = blocks(Fold::Low);
        feed(&mut blocks, &[5.0; 30]);
        blocks.push(i64::MAX / 2, 7.0);
        assert_eq!(blocks.scales()[0].len(), KEPT);
        assert!(blocks.scales()[0].parts().all(f64::is_nan));
        assert_eq!(blocks.push(1000, 1.0), 0, "a reading of a closed part changes nothing that is closed");
    }

    proptest! {
        #[test]
        fn a_constant_shifts_every_floor_by_itself(
            readings in proptest::collection::vec(0u16..1000, 20..200),
            shift in 0u16..1000,
        ) {
            let (mut plain, mut shifted) = (blocks(Fold::Low), blocks(Fold::Low));
            feed(&mut plain, &readings.iter().map(|reading| f32::from(*reading)).collect::<Vec<_>>());
            feed(&mut shifted, &readings.iter().map(|reading| f32::from(*reading + shift)).collect::<Vec<_>>());
            for (one, two) in plain.scales().iter().zip(shifted.scales()) {
                let expected: Vec<f64> = one.parts().map(|part| part + f64::from(shift)).collect();
                prop_assert_eq!(expected, two.parts().collect::<Vec<_>>());
            }
            prop_assert!((plain.give_back_from(0) - shifted.give_back_from(0)).abs() < 1e-3);
        }
    }
}
