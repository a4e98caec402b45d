//! The gates of patience: how much growth, and for how long, before it can be nothing else.
//!
//! A young process has not yet shown what it gives back. Until it has, its rise is held against what young processes
//! do: a daily cycle adds about half of the base, the first tooth of a heap three quarters. The nearer the limit, the
//! less is asked for.

use super::Run;
use crate::leak::gate::{Gate, GateKind};

impl Run<'_> {
    /// The window must cover a share of the time left, but not more than half a day of plain growth.
    pub(super) fn patience_gate(&self, seconds: f64, rise: f64, left: f64) -> Gate {
        let wanted = self.options.patience * left;
        let plain = rise > PLAIN_RISE * self.subject.base;
        Gate::at_least(GateKind::Patience, seconds, if plain { wanted.min(self.hours(HALF_DAY)) } else { wanted })
    }

    /// A process that has not lived through a day may be on the first rise of its cycle. Growth is none when it is
    /// higher than such rises are, lasts evenly for longer than they do, or goes on while traffic falls.
    pub(super) fn cycle_gate(&self, start: usize, seconds: f64, rise: f64, least_gain: f64, left: f64) -> Gate {
        let traffic = self.traffic_change(start);
        let outlasts = seconds >= self.hours(HALF_DAY) && least_gain >= EVEN_GAIN;
        let known = self.subject.age >= self.hours(DAY_AND_MORE);
        let needed = match traffic {
            Some(change) if change > 1.0 + TRAFFIC_CHANGE => 1.0,
            Some(change) if change < 1.0 - TRAFFIC_CHANGE => 0.0,
            _ if outlasts => 0.0,
            _ if known => CYCLE_KNOWN,
            _ => (CYCLE_BASE + CYCLE_PER_HOUR * left / self.hours(1.0)).clamp(CYCLE_LEAST, CYCLE_MOST),
        };
        Gate::at_least(GateKind::Cycle, rise / self.subject.base, needed.min(self.dear(rise)))
    }

    /// The rise that nobody can afford to wait for, as a share of the base: this much of the way to the limit.
    fn dear(&self, rise: f64) -> f64 {
        DEAR * (self.subject.room + rise) / self.subject.base
    }

    pub(super) fn trough_cycle_gate(&self, start: usize, rise: f64, left: f64) -> Gate {
        let busier = self.traffic_change(start).is_some_and(|change| change > 1.0 + TRAFFIC_CHANGE);
        let needed = match () {
            () if busier => 1.0,
            () if self.subject.age >= self.hours(DAY_AND_MORE) => CYCLE_KNOWN,
            () if left < self.hours(NEAR) => CYCLE_OF_TROUGHS_NEAR,
            () => CYCLE_LEAST,
        };
        Gate::at_least(GateKind::Cycle, rise / self.subject.base, needed.min(self.dear(rise)))
    }

    /// Until collections have been seen, all growth may be garbage; a heap rarely doubles without one.
    pub(super) fn tooth_gate(&self, rise: f64, left: f64) -> Gate {
        let old = self.subject.age >= self.options.longest_tooth.as_secs_f64();
        let seen = self.collections >= 2 || self.subject.floors.give_back_from(self.number) >= SEEN_TOOTH * rise;
        let needed = (TOOTH_BASE + TOOTH_PER_HOUR * left / self.hours(1.0)).clamp(TOOTH_LEAST, TOOTH_MOST);
        let needed = if old || seen || self.subject.collected { 0.0 } else { needed };
        Gate::at_least(GateKind::Tooth, rise / self.subject.base, needed)
    }

    /// Requests of the last quarter of the window over those of its first; `None` where they are not known.
    fn traffic_change(&self, start: usize) -> Option<f64> {
        let scale = self.subject.traffic?.scales().get(self.number)?;
        let parts: Vec<f64> = scale.parts().collect();
        let window = parts.get(parts.len().checked_sub(self.floors.len() - start)?..)?;
        let quarter = window.len() / 4;
        let sum = |parts: &[f64]| parts.iter().filter(|requests| requests.is_finite()).sum::<f64>();
        let (first, last) = (sum(window.get(..quarter)?), sum(window.get(window.len() - quarter..)?));
        (first > 0.0).then_some(last / first)
    }
}

/// Least gain of a quarter that lets a rise of more than half a day pass as no daily cycle: the flanks of a sine are
/// at most 0.35 of its middle.
const EVEN_GAIN: f64 = 0.66;
/// Traffic that has changed by this share over the window explains growth, or rules it out as an explanation.
const TRAFFIC_CHANGE: f64 = 0.15;
/// Share of the way to the limit by when a person wants to know, sure or not.
const DEAR: f64 = 0.28;
/// Hours of even growth after which it is no daily cycle, whose rise lasts about twelve.
const HALF_DAY: f64 = 13.0;
/// Hours after which a daily cycle has shown itself.
const DAY_AND_MORE: f64 = 26.0;
/// Growth by this share of the base is plain enough not to wait longer than half a day.
const PLAIN_RISE: f64 = 0.2;
/// What a daily cycle adds to the base of a process: half of it at least, more the more time there is to wait and see.
const CYCLE_LEAST: f64 = 0.5;
const CYCLE_MOST: f64 = 0.7;
const CYCLE_BASE: f64 = 0.3;
const CYCLE_PER_HOUR: f64 = 0.03;
/// A process that has lived through a day has shown its cycle; what is left is a busier day, of this share of the base.
const CYCLE_KNOWN: f64 = 0.25;
/// Troughs that rise towards a limit less than this many hours away need less.
const NEAR: f64 = 10.0;
const CYCLE_OF_TROUGHS_NEAR: f64 = 0.35;
/// How far a heap grows before its first major collection, as a share of the base, by the hours left to the limit.
const TOOTH_BASE: f64 = 0.25;
const TOOTH_PER_HOUR: f64 = 0.055;
const TOOTH_LEAST: f64 = 0.6;
const TOOTH_MOST: f64 = 0.8;
/// A give-back of this share of the rise shows that collections do happen.
const SEEN_TOOTH: f64 = 0.1;
