//! The judge: whether a series grows like a leak, window by window, gate by gate.
//!
//! One thought runs through the gates: *what came back down before is expected to come back again*. A rise counts only
//! once it is higher than anything the series has given back on its time scale, and while the series is too young to
//! have shown what it gives back, once it is higher than a young process can be expected to.

mod collections;
mod patience;

use serde::{Deserialize, Serialize};

use crate::growth::blocks::{Blocks, SCALES, Scale};
use crate::growth::shape::{Quarters, dents, falls, largest_step};
use crate::growth::theil_sen;
use crate::leak::gate::{Gate, GateKind};
use crate::leak::options::Options;

/// A series and what the judge must know besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Its floors.
    pub(crate) floors: &'a Blocks,
    /// Requests served in each part, where the target counts them.
    pub(crate) traffic: Option<&'a Blocks>,
    /// Age of the process, seconds.
    pub(crate) age: f64,
    /// What the series may be expected to give back is a multiple of this.
    pub(crate) base: f64,
    /// How much more it can grow before the process is in trouble: several times its size, or at its limit.
    pub(crate) room: f64,
    /// The same to the limit itself, however far that is; where none is known, as above.
    pub(crate) limit_room: f64,
    /// How much all signals of the process together have grown since it was at its lowest.
    pub(crate) grown: f64,
    /// A rise below this is nothing.
    pub(crate) least_rise: f64,
    /// A slope below this is nothing, per second.
    pub(crate) least_slope: f64,
    /// Readings are levels after a collection, so there are no teeth.
    pub(crate) collected: bool,
    /// Collections seen in parts shorter than a floor.
    pub(crate) falls: usize,
}

/// One window of a series, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// Rise per second.
    pub(crate) slope: f64,
    /// Level at the start of the window and at its end.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Start and end of the window on the steady line.
    pub(crate) since_ms: i64,
    pub(crate) until_ms: i64,
    /// Seconds until the limit at this slope.
    pub(crate) left: f64,
    /// Share of the floors' variance that the line explains; for people only.
    #[serde(default)]
    pub(crate) r2: Option<f64>,
    /// When this judgement is stale: a part and a half of its scale later.
    pub(crate) valid_ms: i64,
    /// Where levels are told, a part of its scale: as long as the next judgement may be away.
    #[serde(default)]
    next_ms: i64,
    pub(crate) gates: Vec<Gate>,
}

/// Windows that are tried, in parts of a scale.
const WINDOWS: [usize; 15] = [6, 7, 8, 10, 12, 14, 15, 16, 17, 18, 20, 24, 28, 32, 36];
/// Parts of the shortest window where there is time for it.
const SHORTEST: usize = 8;
/// Hours to the limit from which there is not.
const NO_TIME: f64 = 2.0;
/// Hours of the shortest window on the finest scale for a process that is no longer young: a batch may grow for three
/// quarters of one.
const LEAST_OF_OLD: f64 = 1.5;
/// Hours for which a process is young in this sense.
const YOUNG: f64 = 3.0;
/// What sums of sizes and times may lose to rounding.
const ROUNDING: f64 = 1e-9;
/// Scales on which troughs are looked for; on coarser ones teeth have vanished.
const TROUGH_SCALES: usize = 3;

/// A fall of this share of the height, or of this much of the least rise, is a collection. Measured on Node.js 20: a
/// major collection takes 10 to 14 MB of 60; minor ones move the floors of five minutes by less than half a percent.
const FALL_SHARE: f64 = 0.01;
const FALL_OF_LEAST_RISE: f64 = 2.0 / 3.0;

/// A dent of this share of the height is a collection: twice a fall, because what it is held against wavers as well.
const DENT_SHARE: f64 = 0.02;

/// How far floors fall at least where a collection took something from that height.
pub(crate) fn fall_depth(height: f64, least_rise: f64) -> f64 {
    (FALL_SHARE * height).max(FALL_OF_LEAST_RISE * least_rise)
}

/// Between the middles of the outer quarters lies three quarters of a rise.
const LEAST_CLIMB: f64 = 0.75;
/// The rise must be this many times the noise of the floors.
const NOISE_FACTOR: f64 = 5.0;
/// Least gain of a quarter, as a share of an even one.
const LEAST_GAIN: f64 = 0.45;
/// Least gain of the last quarter, as a share of an even one.
const LAST_GAIN: f64 = 0.5;
/// The largest step, as a share of the rise.
const LARGEST_STEP: f64 = 0.5;
/// The later half must grow at least this much as fast as the earlier one: a cache of time constant T shows 0.8 over a
/// window of 0.45 T, and less over each longer one; of a leak the two halves differ by noise alone.
const LEVELLING: f64 = 0.8;
/// The rise as a multiple of the largest give-back. V8 lets a heap grow by a factor that it chooses anew after each
/// collection, so that teeth of one process differ by up to 1.7, and its load wavers besides; near the limit 1.75 has
/// to do.
const GIVE_BACK: f64 = 2.0;
const GIVE_BACK_LEAST: f64 = 1.75;
const GIVE_BACK_BASE: f64 = 1.0;
const GIVE_BACK_PER_HOUR: f64 = 0.15;

impl Trial {
    /// Every gate lets it through.
    pub(crate) fn passes(&self) -> bool {
        self.gates.iter().all(|gate| gate.passed)
    }

    /// Growth is plain; what is missing is only time.
    pub(crate) fn is_suspect(&self) -> bool {
        self.gates.iter().all(|gate| gate.passed || gate.kind.is_patience())
    }

    /// How many gates it fails.
    pub(crate) fn failed(&self) -> usize {
        self.gates.iter().filter(|gate| !gate.passed).count()
    }

    /// Every gate lets it through but those that a known leak need not pass again.
    pub(crate) fn is_evident_again(&self) -> bool {
        let known = |gate: &Gate| matches!(gate.kind, GateKind::Patience | GateKind::Cycle);
        self.gates.iter().all(|gate| gate.passed || known(gate))
    }

    /// How long the next judgement may be away, where judgements come `every` so many seconds.
    pub(crate) fn next_seconds(&self, every: f64) -> f64 {
        every.max(self.next_ms as f64 / 1000.0)
    }

    fn length_ms(&self) -> i64 {
        self.until_ms - self.since_ms
    }
}

/// The most convincing window that ends with a part closed just now on the `closed` finest scales.
pub(crate) fn judge(subject: &Subject<'_>, options: &Options, closed: usize) -> Option<Trial> {
    let mut best = Best(None);
    let mut collections = None;
    for (number, scale) in subject.floors.scales().iter().enumerate().take(closed.min(SCALES)) {
        if !may_grow(scale, subject.least_rise) {
            continue;
        }
        let collections = *collections.get_or_insert_with(|| collections_seen(subject));
        let run = Run::of(subject, options, number, scale, collections);
        // Longest first, because a shorter one has to be better to be chosen.
        for parts in WINDOWS.into_iter().rev() {
            best.offer(run.window(parts, &best));
        }
        if number < TROUGH_SCALES {
            run.collection_windows().into_iter().for_each(|trial| best.offer(Some(trial)));
        }
    }
    let mut best = best.0?;
    best.gates.shrink_to_fit();
    Some(best)
}

/// The most convincing trial so far: it fails the fewest gates, and of those that fail as few it lasts longest.
struct Best(Option<Trial>);

impl Best {
    /// True where a trial of this length that fails so many gates is more convincing.
    fn is_beaten_by(&self, failed: usize, length_ms: i64) -> bool {
        self.0.as_ref().is_none_or(|best| (failed, -length_ms) < (best.failed(), -best.length_ms()))
    }

    fn offer(&mut self, trial: Option<Trial>) {
        self.0 = trial.filter(|trial| self.is_beaten_by(trial.failed(), trial.length_ms())).or(self.0.take());
    }
}

/// False where the newest floor is so near the lowest that no window can have risen enough: most judgements end here.
fn may_grow(scale: &Scale, least_rise: f64) -> bool {
    let mut finite = scale.parts().rev().filter(|floor| floor.is_finite());
    let Some(newest) = finite.next() else { return false };
    let lowest = finite.fold(newest, f64::min);
    newest - lowest >= LEAST_CLIMB * least_rise
}

/// Collections seen on the finest scale, as falls or as dents, or between its floors.
fn collections_seen(subject: &Subject<'_>) -> usize {
    let floors: Vec<f64> = subject.floors.scales().first().map_or_else(Vec::new, |finest| finest.parts().collect());
    let by_falls = falls(floors.iter().copied(), |height| fall_depth(height, subject.least_rise));
    let by_dents = dents(&floors, |height| (DENT_SHARE * height).max(subject.least_rise));
    by_falls.max(by_dents).max(subject.falls)
}

/// The floors of one scale, at hand for all windows.
struct Run<'a> {
    subject: &'a Subject<'a>,
    options: &'a Options,
    number: usize,
    scale: &'a Scale,
    floors: Vec<f64>,
    /// Floors at the start that belong to the warm-up.
    warming: usize,
    /// Collections seen on the finest scale.
    collections: usize,
}

impl<'a> Run<'a> {
    fn of(subject: &'a Subject<'a>, options: &'a Options, number: usize, scale: &'a Scale, collections: usize) -> Self {
        let floors: Vec<f64> = scale.parts().collect();
        let observed = scale.closed() as f64 * scale.part_seconds();
        let warm_up_left = options.warm_up.as_secs_f64() - (subject.age - observed).max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the parts kept")]
        let warming = ((warm_up_left / scale.part_seconds()).ceil() - scale.dropped() as f64).clamp(0.0, 48.0) as usize;
        Self { subject, options, number, scale, floors, warming, collections }
    }

    /// Hours of the options' day, in seconds: all times of the judge shrink together in a demo.
    fn hours(&self, hours: f64) -> f64 {
        self.options.day.as_secs_f64() * hours / 24.0
    }

    /// Judges the last `parts` floors; `None` where there are not as many, they plainly do not grow, or they cannot beat
    /// what is known already.
    fn window(&self, parts: usize, best: &Best) -> Option<Trial> {
        // Between the finest windows there is little time to win on the coarser scales.
        let tried = self.number == 0 || parts.is_multiple_of(4) || (self.number == 2 && parts == 18);
        let seconds = parts as f64 * self.scale.part_seconds();
        let young = self.subject.age < self.hours(YOUNG);
        let long_enough = self.number > 0 || young || seconds >= self.hours(LEAST_OF_OLD) * (1.0 - ROUNDING);
        let start =
            self.floors.len().checked_sub(parts).filter(|start| tried && long_enough && *start >= self.warming)?;
        let floors = self.floors.get(start..)?;
        let void = floors.iter().filter(|floor| !floor.is_finite()).count();
        let quarters = Quarters::of(floors).filter(|quarters| void * 5 <= parts && quarters.climb() > 0.0)?;
        if quarters.climb() < LEAST_CLIMB * self.least_rise() {
            return None;
        }
        let climb = climb_between_ends(floors);
        let garbage = self.subject.floors.give_back_from(self.number);
        let most_rise = (quarters.climb() * 4.0 / 3.0).min(climb);
        let step = largest_step(floors);
        let outlasts = self.outlasts_cycle(seconds, quarters.least_gain());
        // The line is the dear part: none is drawn where its slope cannot matter.
        let may_pass = [
            most_rise >= self.least_rise(),
            quarters.least_gain() >= LEAST_GAIN,
            quarters.last_gain() >= LAST_GAIN,
            step <= LARGEST_STEP * most_rise,
            climb >= GIVE_BACK_LEAST * garbage,
            self.may_be_no_cycle(start, (most_rise - garbage).max(0.0), outlasts),
        ];
        let failed = may_pass.into_iter().filter(|passed| !passed).count();
        if !best.is_beaten_by(failed, self.part_ms() * i64::try_from(parts).unwrap_or(i64::MAX)) {
            return None;
        }
        let fit = theil_sen(floors).filter(|fit| fit.slope > 0.0)?;
        let span = parts as f64;
        let has_time = self.number > 0 || !young || self.hours_left(fit.slope / self.scale.part_seconds()) > NO_TIME;
        if parts < SHORTEST && has_time {
            return None;
        }
        let rise = most_rise.min(fit.slope * span);

        let mut trial = self.trial(fit.slope, start, self.floors.len());
        trial.r2 = fit.r_squared(floors);
        trial.from = fit.intercept.max(0.0);
        trial.to = (fit.intercept + fit.slope * span).max(0.0);
        let young = self.subject.age < self.options.filling.as_secs_f64();
        trial.gates = vec![
            self.slope_gate(trial.slope),
            Gate::at_least(GateKind::Size, rise, self.least_rise()),
            Gate::at_least(GateKind::Noise, rise, NOISE_FACTOR * fit.noise),
            Gate::at_least(GateKind::Spread, quarters.least_gain(), LEAST_GAIN),
            Gate::at_least(GateKind::Tail, quarters.last_gain(), LAST_GAIN),
            Gate::at_most(GateKind::Step, step / rise, LARGEST_STEP),
            self.give_back_gate((fit.slope * (span - 1.0)).min(climb), self.number, trial.left),
            self.patience_gate(seconds, rise, outlasts, trial.left),
            // The tooth that grows now is as high as one that came down before: the rest is what was kept.
            self.cycle_gate(start, (rise - garbage).max(0.0), outlasts, trial.slope),
            self.tooth_gate(rise, trial.slope),
        ];
        if !best.is_beaten_by(trial.failed(), trial.length_ms()) {
            return None;
        }
        let levelling = || {
            let (early, late) = floors.split_at(parts / 2);
            let slope = |half| theil_sen(half).map_or(f64::NAN, |fit| fit.slope);
            (slope(early), slope(late))
        };
        if let Some((early, late)) = young.then(levelling).filter(|(early, _)| *early > 0.0) {
            trial.gates.push(Gate::at_least(GateKind::Levelling, late / early, LEVELLING));
        }
        Some(trial)
    }

    fn least_rise(&self) -> f64 {
        self.subject.least_rise.max(self.options.min_growth * self.subject.base)
    }

    fn trial(&self, slope_per_part: f64, start: usize, end: usize) -> Trial {
        let slope = slope_per_part / self.scale.part_seconds();
        let part_ms = self.part_ms();
        let origin = self.subject.floors.origin_ms();
        let start_of = |index| self.scale.middle_ms(index) - part_ms / 2;
        Trial {
            slope,
            from: 0.0,
            to: 0.0,
            since_ms: origin.saturating_add(start_of(start)),
            until_ms: origin.saturating_add(start_of(end)),
            left: (self.subject.room / slope).clamp(0.0, f64::MAX),
            r2: None,
            valid_ms: origin.saturating_add(start_of(self.floors.len())).saturating_add(part_ms * 3 / 2),
            // Floors waver, so that one judgement on a coarse scale is too few; levels do not.
            next_ms: if self.subject.collected { part_ms } else { 0 },
            gates: Vec::new(),
        }
    }

    fn part_ms(&self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "parts last from milliseconds to days")]
        let part_ms = (self.scale.part_seconds() * 1000.0) as i64;
        part_ms
    }

    fn slope_gate(&self, slope: f64) -> Gate {
        let mut gate = Gate::at_least(GateKind::Slope, slope, self.subject.least_slope);
        gate.value *= 3600.0;
        gate.threshold *= 3600.0;
        gate
    }

    fn give_back_gate(&self, climb: f64, scale: usize, left: f64) -> Gate {
        let factor = (GIVE_BACK_BASE + GIVE_BACK_PER_HOUR * left / self.hours(1.0)).clamp(GIVE_BACK_LEAST, GIVE_BACK);
        Gate::at_least(GateKind::GiveBack, climb, factor * self.subject.floors.give_back_from(scale))
    }
}

/// From the lower of the first two floors to the lower of the last two.
fn climb_between_ends(floors: &[f64]) -> f64 {
    let low = |pair: &[f64]| pair.iter().copied().filter(|floor| floor.is_finite()).fold(f64::INFINITY, f64::min);
    let (head, tail) = (floors.get(..2).unwrap_or_default(), floors.get(floors.len().saturating_sub(2)..));
    low(tail.unwrap_or_default()) - low(head)
}

#[cfg(test)]
mod tests;
