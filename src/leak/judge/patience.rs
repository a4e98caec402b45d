//! The gates of patience: how much growth, and for how long, before it can be nothing else.
//!
//! A young process has not yet shown what it gives back. Until it has, its rise is held against what young processes
//! do: a daily cycle adds about half of the base, the first tooth of a heap nearly doubles it. The nearer the limit, the
//! less is asked for.

use super::{ROUNDING, Run};
use crate::leak::gate::{Gate, GateKind};

impl Run<'_> {
    /// The window must cover a share of the time left, but no more than it takes to outlast a daily cycle.
    pub(super) fn patience_gate(&self, seconds: f64, rise: f64, outlasts: bool, left: f64) -> Gate {
        let enough = match () {
            () if outlasts => self.hours(LEAST_EVEN),
            () if rise > PLAIN_RISE * self.subject.base => self.hours(HALF_DAY),
            () => f64::INFINITY,
        };
        Gate::at_least(GateKind::Patience, seconds, (self.options.patience * left).min(enough))
    }

    /// Hours that there are to wait and see until the limit is reached at `slope`.
    pub(super) fn hours_left(&self, slope: f64) -> f64 {
        (self.subject.limit_room / slope).clamp(0.0, f64::MAX) / self.hours(1.0)
    }

    /// True where growth under collections is more even, for as long, than the flank of a daily cycle is.
    pub(super) fn outlasts_cycle(&self, seconds: f64, evenness: f64) -> bool {
        let flank = flank_evenness(seconds / self.options.day.as_secs_f64());
        let even = (self.subject.collected || self.collections >= COLLECTIONS_SEEN)
            && seconds >= self.hours(LEAST_EVEN)
            && evenness >= (flank + MORE_EVEN).clamp(EVEN_GAIN, MOST_EVEN);
        even || self.lasts_half_a_day(seconds, evenness)
    }

    /// True where growth lasts longer than any flank of a daily cycle, about evenly.
    pub(super) fn lasts_half_a_day(&self, seconds: f64, evenness: f64) -> bool {
        seconds >= self.hours(HALF_DAY) && evenness >= EVEN_GAIN
    }

    /// A process may be on the first rise of its cycle, on a busier day, or fill a cache. Growth is none of it when it is
    /// higher than such rises are, lasts evenly for longer than they do, or goes on while traffic falls.
    pub(super) fn cycle_gate(&self, start: usize, rise: f64, outlasts: bool, slope: f64) -> Gate {
        let likely = CYCLE_BASE + CYCLE_PER_HOUR * self.hours_left(slope);
        self.cycle_gate_of(start, rise, outlasts, likely.clamp(CYCLE_LEAST, CYCLE_MOST))
    }

    /// The same for a rise of which collections have shown that it is no garbage.
    pub(super) fn live_cycle_gate(&self, start: usize, rise: f64, outlasts: bool, slope: f64) -> Gate {
        let likely = LIVE_CYCLE_BASE + CYCLE_PER_HOUR * self.hours_left(slope);
        self.cycle_gate_of(start, rise, outlasts, likely.clamp(LIVE_CYCLE_LEAST, CYCLE_MOST))
    }

    /// False where the gate of the cycle fails for any slope, because a rise of at most `most_rise` is too small for it.
    pub(super) fn may_be_no_cycle(&self, start: usize, most_rise: f64, outlasts: bool) -> bool {
        // The least that is asked for grows with the rise, but slower than it.
        let gate = self.cycle_gate_of(start, most_rise, outlasts, CYCLE_LEAST);
        gate.value >= gate.threshold * (1.0 - ROUNDING)
    }

    fn cycle_gate_of(&self, start: usize, rise: f64, outlasts: bool, likely: f64) -> Gate {
        let needed = match self.traffic_change(start) {
            // More traffic explains as much more memory, however near the limit.
            Some(change) if change > 1.0 + TRAFFIC_CHANGE => (change - 1.0).clamp(1.0, MOST_EXPLAINED),
            _ if outlasts => 0.0,
            Some(change) if change < 1.0 - TRAFFIC_CHANGE => self.share_of_way(rise, DEAR).min(FALLING_TRAFFIC),
            _ => self.share_of_way(rise, DEAR).min(likely),
        };
        Gate::at_least(GateKind::Cycle, rise / self.subject.base, needed)
    }

    /// The rise that nobody can afford to wait for, as a share of the base: so much of the way to the limit.
    fn share_of_way(&self, rise: f64, share: f64) -> f64 {
        // What the process has gained elsewhere or before the window is a part of the way as well.
        let whole = if rise >= MAIN_PART * self.subject.grown { self.subject.grown.max(rise) } else { rise };
        let part = if whole > 0.0 { rise / whole } else { 1.0 };
        share * (self.subject.limit_room + whole) * part / self.subject.base
    }

    /// Until collections have been seen, all growth may be garbage; a heap rarely doubles without one.
    pub(super) fn tooth_gate(&self, rise: f64, slope: f64) -> Gate {
        let old = self.subject.age >= self.options.longest_tooth.as_secs_f64();
        let gave_back = self.subject.floors.give_back_from(self.number) >= SEEN_TOOTH * rise;
        let seen = self.collections >= COLLECTIONS_SEEN || gave_back;
        let likely = (TOOTH_BASE + TOOTH_PER_HOUR * self.hours_left(slope)).clamp(TOOTH_LEAST, TOOTH_MOST);
        let likely = if self.collections > 0 { likely.min(TOOTH_AFTER_ONE) } else { likely };
        let none = old || seen || self.subject.collected;
        let needed = if none { 0.0 } else { likely.min(self.share_of_way(rise, DEAR)) };
        Gate::at_least(GateKind::Tooth, rise / self.subject.base, needed)
    }

    /// Requests of the last quarter of the window over those of its first, by the time that was watched; `None` where
    /// they are not known.
    fn traffic_change(&self, start: usize) -> Option<f64> {
        let scale = self.subject.traffic?.scales().get(self.number)?;
        let parts: Vec<f64> = scale.parts().collect();
        let window = parts.get(parts.len().checked_sub(self.floors.len() - start)?..)?;
        let quarter = window.len() / 4;
        let mean = |parts: &[f64]| {
            let known: Vec<f64> = parts.iter().copied().filter(|requests| requests.is_finite()).collect();
            known.iter().sum::<f64>() / known.len() as f64
        };
        let (first, last) = (mean(window.get(..quarter)?), mean(window.get(window.len() - quarter..)?));
        (first > 0.0).then_some(last / first)
    }
}

/// Least gain of a quarter of the steepest flank of a sine that lasts this share of its period, as a share of an even
/// gain: from the sines at the bounds of the quarters. 0.89 for a quarter of the period, 0.52 for half of it.
fn flank_evenness(share_of_period: f64) -> f64 {
    let half = std::f64::consts::PI * share_of_period.clamp(0.0, 0.5);
    let (outer, inner) = (half.sin() - (half / 2.0).sin(), (half / 2.0).sin());
    3.0 * outer / (outer + 2.0 * inner)
}

/// Growth has to be more even than the flank of a sine by this much, which no noise of floors makes up for.
const MORE_EVEN: f64 = 0.15;
/// So even is growth at most that is measured by floors.
const MOST_EVEN: f64 = 0.95;
/// Hours from which evenness says anything: a launch ramps up in a straight line for up to six.
const LEAST_EVEN: f64 = 6.0;
/// Collections seen in the last four hours that show that floors hold no garbage.
const COLLECTIONS_SEEN: usize = 2;
/// Least gain of a quarter of growth that lasts for more than half a day.
const EVEN_GAIN: f64 = 0.72;
/// Traffic that has changed by this share over the window explains growth, or rules it out as an explanation.
const TRAFFIC_CHANGE: f64 = 0.15;
/// Growth beside falling traffic, as a share of the base, that garbage does not explain: the less there is to do, the
/// longer a collection is put off.
const FALLING_TRAFFIC: f64 = 0.35;
/// The most growth, as a share of the base, that traffic may explain.
const MOST_EXPLAINED: f64 = 3.0;
/// Share of the way to the limit by when a person wants to know, sure or not.
const DEAR: f64 = 0.34;
/// A rise that is at least this share of all that the process has grown is what takes it to its limit.
const MAIN_PART: f64 = 0.65;
/// Hours of growth after which it is no daily cycle, whose rise lasts about twelve.
const HALF_DAY: f64 = 13.0;
/// Growth by this share of the base is plain enough not to wait longer than half a day.
const PLAIN_RISE: f64 = 0.15;
/// What a daily cycle, a launch or a cache that fills adds to the base of a process besides its garbage: half of it at
/// least, more the more time there is to wait and see. A real daily cycle was seen to add 0.74.
const CYCLE_LEAST: f64 = 0.5;
const CYCLE_MOST: f64 = 0.8;
const CYCLE_BASE: f64 = 0.2;
const CYCLE_PER_HOUR: f64 = 0.05;
/// The same where collections vouch for the rise, of which no garbage is taken off.
const LIVE_CYCLE_LEAST: f64 = 0.4;
const LIVE_CYCLE_BASE: f64 = 0.1;
/// How far a heap grows before its first major collection, as a share of the base, by the hours left to the limit.
const TOOTH_BASE: f64 = 0.5;
const TOOTH_PER_HOUR: f64 = 0.055;
const TOOTH_LEAST: f64 = 0.85;
const TOOTH_MOST: f64 = 0.9;
/// The same where one collection has been seen, which noise may have been.
const TOOTH_AFTER_ONE: f64 = 0.7;
/// A give-back of this share of the rise shows that collections do happen.
const SEEN_TOOTH: f64 = 0.1;
