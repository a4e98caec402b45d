//! Judging by collections: what lies under a tooth was really alive, however long the teeth.
//!
//! Two kinds of evidence: *troughs*, several collections in a row that each left more than the one before; and,
//! in a young process, growth *resumed* after its first collection as it went on before it.

use super::{LARGEST_STEP, LAST_GAIN, LEAST_OF_OLD, LEVELLING, NOISE_FACTOR, ROUNDING, Run, Trial, YOUNG, fall_depth};
use crate::growth::shape::{largest_step, wavering};
use crate::growth::theil_sen;
use crate::growth::troughs::{Trough, levels, troughs};
use crate::leak::gate::{Gate, GateKind};

/// A fall before a trough is this many times what floors waver by: evenly spread noise makes falls of 3.4 times that. Where a
/// young generation as large as the heap is collected within each floor, as that of a JVM is, floors fall time and again,
/// and no such fall shows what is alive.
const TROUGH_NOISE: f64 = 4.0;
/// Troughs in the shortest row of a young process, and of one that has run for long enough to have been changed.
const LEAST_TROUGHS: usize = 3;
const LEAST_TROUGHS_OF_OLD: usize = 4;
/// The shortest window of troughs, in parts of a scale: three teeth within less are young garbage.
const LEAST_TROUGH_SPAN: usize = 6;
/// The same for levels that are told: they come as often as floors do, so a row of them takes as long as the windows.
const LEAST_LEVEL_SPAN: usize = 9;
/// Most troughs that are looked at together.
const MOST_TROUGHS: usize = 16;
/// Of the collections seen over a row of troughs this share leaves more than all before: under a leak nearly all do,
/// over a daily cycle only those of its rising flank.
const TROUGHS_LASTING: f64 = 0.5;
/// Floors before a collection and from it on that are enough to compare the slopes.
const RESUMED_BEFORE: usize = 5;
const RESUMED_AFTER: usize = 4;
/// Parts after warm-up from which growth before the first collection is counted.
const RESUMED_AFTER_WARM_UP: usize = 1;
/// No trough of a row is further off the line from its first to its last, as a share of the rise.
const TROUGH_OFF: f64 = 0.25;
/// The largest step from one trough to the next, as a multiple of an even one; two features that are switched on make
/// two steps among many troughs.
const TROUGH_STEP: f64 = 1.3;
/// The same as a share of the rise, which steps among many troughs may always have.
const TROUGH_STEP_LEAST: f64 = 0.4;
/// The two largest steps together, as a share of the rise, where there are more: growth goes on without them.
const TWO_STEPS: f64 = 0.8;

impl Run<'_> {
    /// Judges by collections, where any were seen on this scale.
    pub(super) fn collection_windows(&self) -> Vec<Trial> {
        let collected = self.subject.collected;
        // A young process has hardly shown yet how much its floors waver, and levels are not looked at for falls.
        let may_waver = !collected && self.subject.age > self.hours(YOUNG);
        let noise = may_waver.then(|| wavering(&self.floors)).flatten().unwrap_or_default();
        let depth = |height: f64| fall_depth(height, self.subject.least_rise).max(TROUGH_NOISE * noise);
        let all = if collected { levels(&self.floors) } else { troughs(&self.floors, self.is_from_start(), depth) };
        let lasting: Vec<Trough> = all.iter().copied().filter(|trough| trough.lasts).collect();
        let rows = (self.least_troughs()..=lasting.len().min(MOST_TROUGHS))
            .filter_map(|count| self.trough_window(lasting.get(lasting.len() - count..)?, &all));
        let resumed = (!collected).then(|| self.resumed_window(&lasting)).flatten();
        rows.chain(resumed).collect()
    }

    fn is_from_start(&self) -> bool {
        self.scale.dropped() == 0
    }

    /// Troughs in a row, each higher than the one before.
    fn trough_window(&self, troughs: &[Trough], all: &[Trough]) -> Option<Trial> {
        let (first, last) = (troughs.first()?, troughs.last()?);
        let span = last.index - first.index;
        let rise = last.height - first.height;
        if span < self.least_trough_span() || rise < self.least_rise() {
            return None;
        }
        let middle = first.index + span / 2;
        let inner = troughs.get(1..troughs.len() - 1)?;
        let centre = inner.iter().min_by_key(|trough| trough.index.abs_diff(middle))?;
        let pace = |a: &Trough, b: &Trough| (b.height - a.height) / (b.index - a.index) as f64;
        let (early, late) = (pace(first, centre), pace(centre, last));
        let line = |trough: &Trough| first.height + rise * (trough.index - first.index) as f64 / span as f64;
        let off = troughs.iter().map(|trough| (trough.height - line(trough)).abs()).fold(0.0, f64::max) / rise;
        let seen = all.iter().filter(|trough| (first.index..=last.index).contains(&trough.index)).count();
        let lasting = troughs.len() as f64 / seen as f64;

        let mut trial = self.trial(rise / span as f64, first.index, last.index + 1);
        trial.from = first.height;
        trial.to = last.height;
        let seconds = span as f64 * self.scale.part_seconds();
        let outlasts = self.lasts_half_a_day(seconds, 1.0 - 2.0 * off);
        trial.gates = vec![
            self.slope_gate(trial.slope),
            Gate::at_least(GateKind::Size, rise, self.least_rise()),
            Gate::at_most(GateKind::Spread, off, TROUGH_OFF),
            Gate::at_least(GateKind::Lasting, lasting, TROUGHS_LASTING),
            trough_step_gate(troughs, rise),
            Gate::at_least(GateKind::Levelling, late / early, LEVELLING),
            // Teeth are what troughs look under; only what comes back on coarser scales is left to fear.
            self.give_back_gate(rise, self.number + if self.subject.collected { 0 } else { 2 }, trial.left),
            self.patience_gate(seconds, rise, outlasts, trial.left),
            self.live_cycle_gate(first.index, rise, outlasts, trial.slope),
        ];
        if self.subject.collected {
            // A level that is told again and again is one that no longer grows.
            let longest = troughs.windows(2).map(|pair| pair[1].index - pair[0].index).max()?;
            let since = (self.floors.len() - 1).saturating_sub(last.index);
            trial.gates.push(Gate::at_least(GateKind::Tail, longest as f64 / since.max(1) as f64, LAST_GAIN));
        }
        Some(trial)
    }

    /// Two features that are switched on make two steps, which is all that three troughs show of growth.
    fn least_troughs(&self) -> usize {
        if self.subject.age > self.hours(YOUNG) { LEAST_TROUGHS_OF_OLD } else { LEAST_TROUGHS }
    }

    /// Levels that are told come as often as floors; and a batch may lift a row of troughs or levels.
    fn least_trough_span(&self) -> usize {
        let old = self.number == 0 && self.subject.age >= self.hours(YOUNG);
        let least = if self.subject.collected { LEAST_LEVEL_SPAN } else { LEAST_TROUGH_SPAN };
        let parts = self.hours(LEAST_OF_OLD) * (1.0 - ROUNDING) / self.scale.part_seconds();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few parts; `as` saturates")]
        let least_of_old = parts.ceil() as usize;
        if old { least.max(least_of_old) } else { least }
    }

    /// Growth that goes on after a collection as it did before it. The first collection tells garbage from live set: what
    /// it left grew by `kept`; the rest of the slope before it was garbage, which the slope after it holds as well.
    fn resumed_window(&self, lasting: &[Trough]) -> Option<Trial> {
        let young = self.subject.age <= self.hours(YOUNG) && self.is_from_start();
        let collected = |trough: &&Trough| trough.index > self.warming + RESUMED_AFTER_WARM_UP;
        let last = lasting.last().filter(collected).filter(|_| young)?;
        let before = lasting.iter().rev().nth(1).filter(collected);
        // Without an earlier collection the live set counts from the end of warm-up, garbage from the start.
        let start = before.map_or(self.warming + RESUMED_AFTER_WARM_UP, |before| before.index);
        let garbage_parts = if before.is_some() { 0.0 } else { start as f64 };
        let first = *self.floors.get(start).filter(|floor| floor.is_finite())?;
        let (earlier, later) = (rising(self.floors.get(start..last.index)?), self.floors.get(last.index..)?);
        if earlier.len() < RESUMED_BEFORE || later.len() < RESUMED_AFTER {
            return None;
        }
        let kept = last.height - first;
        let (earlier, later_fit) = (theil_sen(earlier)?, theil_sen(later)?);
        let live_before = (kept + earlier.slope * garbage_parts) / ((last.index - start) as f64 + garbage_parts);
        let live_after = later_fit.slope - (earlier.slope - live_before).max(0.0);
        let slope = live_before.min(live_after);
        let rise = kept + slope * (later.len() - 1) as f64;
        if kept <= 0.0 || slope <= 0.0 || rise < self.least_rise() {
            return None;
        }

        let step = largest_step(self.floors.get(start..)?) / rise;
        let noise = NOISE_FACTOR * earlier.noise.max(later_fit.noise);
        let seconds = (self.floors.len() - start) as f64 * self.scale.part_seconds();
        let mut trial = self.trial(slope, start, self.floors.len());
        trial.from = first;
        trial.to = first + rise;
        trial.gates = vec![
            self.slope_gate(trial.slope),
            Gate::at_least(GateKind::Size, rise, self.least_rise()),
            Gate::at_least(GateKind::Noise, rise, noise),
            Gate::at_most(GateKind::Step, step, LARGEST_STEP),
            Gate::at_least(GateKind::Levelling, live_after / live_before, LEVELLING),
            self.give_back_gate(rise, self.number + 2, trial.left),
            self.patience_gate(seconds, rise, false, trial.left),
            self.live_cycle_gate(start, rise, false, trial.slope),
        ];
        Some(trial)
    }
}

/// No step of a feature that is switched on makes up most of the rise, and no two do.
fn trough_step_gate(troughs: &[Trough], rise: f64) -> Gate {
    let mut steps: Vec<f64> = troughs.windows(2).map(|pair| (pair[1].height - pair[0].height) / rise).collect();
    steps.sort_by(|one, other| other.total_cmp(one));
    let even = 1.0 / steps.len() as f64;
    let two: f64 = steps.iter().take(2).sum();
    if steps.len() > 2 && two > TWO_STEPS {
        return Gate::at_most(GateKind::Step, two, TWO_STEPS);
    }
    let largest = steps.first().copied().unwrap_or(f64::NAN);
    Gate::at_most(GateKind::Step, largest, (TROUGH_STEP * even).max(TROUGH_STEP_LEAST))
}

/// The floors up to their highest: a tooth before its collection.
fn rising(tooth: &[f64]) -> &[f64] {
    let finite = tooth.iter().enumerate().filter(|(_, floor)| floor.is_finite());
    let peak = finite.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(index, _)| index + 1);
    tooth.get(..peak).unwrap_or_default()
}

#[cfg(test)]
mod tests;
