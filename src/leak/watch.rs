//! The watch over one signal in one life: its floors, the last judgement and how long that has held.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::growth::Falls;
use crate::growth::blocks::{Blocks, Fold};
use crate::leak::judge::{Subject, Trial, fall_depth, judge};
use crate::leak::options::Options;
use crate::leak::picture::Outline;
use crate::sample::Signal;

/// Floors and judgement of one signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watch {
    pub(crate) floors: Blocks,
    /// The lowest floor after warm-up.
    base: Option<f32>,
    /// The last judgement, until it is stale.
    trial: Option<Trial>,
    /// When a judgement passed last.
    passed_ms: Option<i64>,
    /// Since when judgements have been passing without one growing stale.
    passing_since_ms: Option<i64>,
    /// The floor before a step with a known cause, which the next floor will show.
    before_step: Option<f32>,
    /// Part of the finest scale at which to look for that step.
    step_at: i64,
    /// Collections that the floors do not show.
    #[serde(default)]
    falls: Falls,
}

/// What the detector knows about a signal that the watch over it does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) traffic: Option<&'a Blocks>,
    pub(crate) age: f64,
    /// How much more the process can grow before it is in trouble, and before it reaches the limit itself.
    pub(crate) room: f64,
    pub(crate) limit_room: f64,
    /// How much all its signals have grown.
    pub(crate) grown: f64,
    /// Share of the whole process that counts as base where the signal itself is small.
    pub(crate) least_base: f64,
    pub(crate) least_rise: f64,
    pub(crate) least_slope: f64,
    pub(crate) collected: bool,
}

/// A suspicion is confirmed after this share of the time left to the limit.
const HOLD_OF_TIME_LEFT: f64 = 0.007;

impl Watch {
    /// A watch that begins at `origin_ms`.
    pub(crate) fn new(origin_ms: i64, options: &Options) -> Self {
        Self {
            floors: new_blocks(Fold::Low, origin_ms, options),
            base: None,
            trial: None,
            passed_ms: None,
            passing_since_ms: None,
            before_step: None,
            step_at: 0,
            falls: Falls::default(),
        }
    }

    /// Takes in a reading of a signal whose rises matter from `least_rise` on; returns how many scales closed a floor by
    /// it, and with any of them the signal should be judged.
    pub(crate) fn push(&mut self, at_ms: i64, reading: f64, least_rise: f64) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "floors are kept in single precision")]
        let reading = reading.clamp(-LARGEST, LARGEST) as f32;
        self.falls.push(self.floors.half_part(at_ms), reading, |height| fall_depth(height, least_rise));
        let closed = self.floors.push(at_ms, reading);
        if closed > 0 {
            self.take_out_step();
            self.note_base();
        }
        closed
    }

    /// Judges the signal after a floor was closed on the `closed` finest scales.
    pub(crate) fn judge(&mut self, at_ms: i64, closed: usize, context: &Context<'_>, options: &Options) {
        let Some(base) = self.base else { return };
        let subject = Subject {
            floors: &self.floors,
            traffic: context.traffic,
            age: context.age,
            base: f64::from(base).max(context.least_base).max(1.0),
            room: context.room,
            limit_room: context.limit_room,
            grown: context.grown,
            least_rise: context.least_rise,
            least_slope: context.least_slope,
            collected: context.collected,
            falls: self.falls.count(),
        };
        let found = judge(&subject, options, closed);
        let passes_now = found.as_ref().is_some_and(Trial::passes);
        let stale = self.trial.as_ref().is_none_or(|trial| trial.valid_ms < at_ms || !trial.passes());
        if stale || passes_now {
            self.trial = found;
        }
        let passes = self.trial.as_ref().is_some_and(Trial::passes);
        self.passed_ms = if passes_now { Some(at_ms) } else { self.passed_ms };
        self.passing_since_ms = if passes { self.passing_since_ms.or(Some(at_ms)) } else { None };
    }

    /// The last judgement, where there is one that is not stale.
    pub(crate) fn trial(&self) -> Option<&Trial> {
        self.trial.as_ref()
    }

    /// True when a judgement passes just now and such have for long enough.
    pub(crate) fn is_confirmed(&self, at_ms: i64, options: &Options) -> bool {
        let (Some(since), Some(trial)) = (self.passing_since_ms, &self.trial) else { return false };
        let hold = (HOLD_OF_TIME_LEFT * trial.left).min(options.hold.as_secs_f64());
        // To the nearest judgement, because they come one a block.
        let hold = hold - trial.next_seconds(options.block.as_secs_f64()) / 2.0;
        self.passed_ms == Some(at_ms) && at_ms.saturating_sub(since) as f64 >= hold * 1000.0
    }

    /// True once the shortest window after warm-up is full.
    pub(crate) fn is_warm(&self) -> bool {
        self.floors.scales().first().is_some_and(|finest| finest.closed() >= WARMING_PARTS + SHORTEST_WINDOW)
    }

    /// True where one of the two newest floors is there.
    pub(crate) fn is_covered(&self) -> bool {
        let Some(finest) = self.floors.scales().first() else { return false };
        finest.is_empty() || finest.parts().rev().take(2).any(f64::is_finite)
    }

    /// The newest floor.
    pub(crate) fn newest(&self) -> Option<f64> {
        self.floors.scales().first()?.parts().next_back().filter(|floor| floor.is_finite())
    }

    /// The lowest floor after warm-up.
    pub(crate) fn base(&self) -> Option<f64> {
        self.base.map(f64::from)
    }

    /// How far the newest floor lies above the lowest.
    pub(crate) fn grown(&self) -> f64 {
        self.newest().zip(self.base()).map_or(0.0, |(newest, base)| (newest - base).max(0.0))
    }

    /// How far its lows rose over a span: from that of the first quarter to that of the last one.
    pub(crate) fn climb_over(&self, since_ms: i64, until_ms: i64) -> Option<f64> {
        let quarter = until_ms.saturating_sub(since_ms) / 4;
        let points = self.points();
        let low = |from: i64, to: i64| {
            let within = points.iter().filter(|(at, _)| (from..=to).contains(at));
            within.map(|(_, floor)| *floor).min_by(f64::total_cmp)
        };
        Some(low(until_ms - quarter, until_ms)? - low(since_ms, since_ms + quarter)?)
    }

    /// Our own doing may lift the level now (a capture): what the next floors show of it is no growth.
    pub(crate) fn expect_step(&mut self) {
        let Some(finest) = self.floors.scales().first() else { return };
        self.step_at = finest.closed() + 1;
        if self.before_step.is_none() {
            #[expect(clippy::cast_possible_truncation, reason = "floors are kept in single precision")]
            let last = finest.parts().rev().find(|floor| floor.is_finite()).map(|floor| floor as f32);
            self.before_step = last;
        }
        self.floors.forget_open();
        self.falls.forget_level();
    }

    /// Moves everything before the step up by it, once the first whole floor after it is known.
    fn take_out_step(&mut self) {
        let (Some(before), Some(finest)) = (self.before_step, self.floors.scales().first()) else { return };
        let newest = finest.parts().next_back().filter(|floor| floor.is_finite());
        let Some(after) = newest.filter(|_| finest.closed() > self.step_at) else { return };
        self.before_step = None;
        #[expect(clippy::cast_possible_truncation, reason = "floors are kept in single precision")]
        let step = after as f32 - before;
        if step > 0.0 {
            self.floors.shift_before_newest(step);
            self.base = self.base.map(|base| base + step);
        }
    }

    fn note_base(&mut self) {
        let Some(finest) = self.floors.scales().first() else { return };
        let newest = finest.parts().next_back().filter(|floor| floor.is_finite());
        if let Some(floor) = newest.filter(|_| finest.closed() > WARMING_PARTS) {
            #[expect(clippy::cast_possible_truncation, reason = "floors are kept in single precision")]
            let floor = floor as f32;
            self.base = Some(self.base.map_or(floor, |base| base.min(floor)));
        }
    }

    /// The floors on the finest scale that reaches back to the start of the watch, or for as long as the second one
    /// does: twelve hours of quarters where blocks are five minutes.
    pub(crate) fn outline(&self, signal: Signal, now: Timestamp) -> Option<Outline> {
        /// As many as a line of an inch can show.
        const MOST: usize = 24;
        let scales = self.floors.scales();
        let scale = scales.iter().take(2).find(|scale| scale.dropped() == 0).or(scales.get(1))?;
        let floors: Vec<Option<u64>> =
            scale.parts().map(|floor| floor.is_finite().then(|| crate::leak::episode::bytes(floor))).collect();
        let last = floors.len().checked_sub(1).filter(|last| *last > 0)?;
        let at = |index| on_lines_of(now, self.floors.origin_ms().saturating_add(scale.middle_ms(index)));
        let folded = floors.len().div_ceil(MOST);
        let floors = floors.chunks(folded).map(|chunk| chunk.iter().flatten().min().copied()).collect();
        Some(Outline { signal, since: at(0), until: at(last), floors })
    }

    /// Middle of each floor of the finest scale that still covers it, and its height, oldest first.
    pub(crate) fn points(&self) -> Vec<(i64, f64)> {
        let mut points: Vec<(i64, f64)> = Vec::new();
        let mut until = i64::MAX;
        for scale in self.floors.scales() {
            let older = scale.parts().enumerate().map(|(index, floor)| (scale.middle_ms(index), floor));
            let older: Vec<_> = older.filter(|(at, floor)| *at < until && floor.is_finite()).collect();
            until = older.first().map_or(until, |(at, _)| *at);
            points.splice(0..0, older);
        }
        points.iter().map(|(at, floor)| (self.floors.origin_ms().saturating_add(*at), *floor)).collect()
    }
}

/// Readings beyond this are cut: sums and differences of floors stay finite in single precision.
const LARGEST: f64 = 1e30;

/// Floors at the start of a watch that say nothing about the level of the process.
const WARMING_PARTS: i64 = 2;

/// Floors in the shortest window that is judged.
const SHORTEST_WINDOW: i64 = 8;

/// Blocks as the options want them.
pub(crate) fn new_blocks(fold: Fold, origin_ms: i64, options: &Options) -> Blocks {
    let ms = |time: std::time::Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Blocks::new(fold, origin_ms, ms(options.block), ms(options.interval))
}

/// Milliseconds as a timestamp on the lines of `now`.
pub(crate) fn on_lines_of(now: Timestamp, steady_ms: i64) -> Timestamp {
    let ago = now.steady_ms().saturating_sub(steady_ms);
    Timestamp::from_lines(steady_ms, now.wall_ms().saturating_sub(ago))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A watch over a signal that is read every 30 s for `hours` and rises by a byte a second.
    fn watched(hours: i64) -> Option<Outline> {
        let mut watch = Watch::new(0, &Options::default());
        let seconds = hours * 3600;
        for second in (0..=seconds).step_by(30) {
            #[expect(clippy::cast_precision_loss, reason = "seconds of a test")]
            watch.push(second * 1000, 1e6 + second as f64, 3e6);
        }
        watch.outline(Signal::HeapUsed, Timestamp::from_unix_ms(seconds * 1000))
    }

    #[test]
    fn an_outline_covers_half_a_day_in_a_few_floors() {
        assert_eq!(watched(0), None);
        for (hours, oldest_hour) in [(1, 0), (4, 0), (9, 0), (48, 36)] {
            let outline = watched(hours).unwrap();
            let floors: Vec<u64> = outline.floors.iter().copied().flatten().collect();
            assert!((2..=24).contains(&floors.len()) && floors.is_sorted(), "{hours} h: {outline:?}");
            let since = outline.since.steady_ms() / 60_000;
            assert!((oldest_hour * 60..oldest_hour * 60 + 30).contains(&since), "{hours} h: {outline:?}");
            let behind = hours * 60 - outline.until.steady_ms() / 60_000;
            assert!((0..=30).contains(&behind), "{hours} h: {outline:?}");
        }
    }
}
