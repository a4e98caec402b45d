//! What a plot shows, in its own units: hours or days across, MiB or GiB upwards.

use crate::clock::Timestamp;
use crate::leak::LeakEvent;
use crate::leak::event::{Change, PairPart};
use crate::leak::verdict::{Growth, State, Verdict};
use crate::sample::Signal;

use super::super::Replay;

/// A point on the plot.
pub(super) type Point = (f64, f64);

/// Everything that is drawn.
pub(super) struct Scene {
    pub(super) signal: Signal,
    /// Where the plot ends: at the last sample, or at the end of the forecast.
    pub(super) width: f64,
    pub(super) height: f64,
    /// What the numbers on the axes are.
    pub(super) across: String,
    pub(super) upwards: &'static str,
    /// One run of points a life.
    pub(super) samples: Vec<Vec<Point>>,
    pub(super) floors: Vec<Vec<Point>>,
    /// The line of each growth that was reported.
    pub(super) fits: Vec<[Point; 2]>,
    /// From the last floor onwards, while it grows.
    pub(super) forecast: Option<[Point; 2]>,
    /// Where it is near enough to be drawn.
    pub(super) limit: Option<f64>,
    pub(super) marks: Vec<Mark>,
    /// Before and after, where the last leak has ended.
    pub(super) ended: Option<String>,
}

/// An event on the plot.
pub(super) struct Mark {
    pub(super) at: f64,
    pub(super) label: String,
    pub(super) kind: MarkKind,
}

/// How much an event matters: labels of the first kinds find a place before those of the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MarkKind {
    Alarm,
    Relief,
    Warning,
    Doing,
    Restart,
}

/// The forecast runs this far beyond the last sample at most, as a share of the recording.
const AHEAD: f64 = 0.35;
/// A limit further up than this multiple of all else is left out: it would press the rest flat.
const LIMIT_IN_SIGHT: f64 = 3.0;
/// Recordings longer than this are shown in days.
const LONG_HOURS: f64 = 72.0;
/// Sizes from here on are shown in GiB.
const LARGE_MIB: f64 = 8192.0;

impl Scene {
    /// Lays out the signal that leaked, else the one that the last verdict is about.
    pub(super) fn of(replay: &Replay, verdict: &Verdict) -> Self {
        let signal = replay.events.iter().find_map(|event| leaking(&event.change)).or(verdict.signal);
        let signal = signal.unwrap_or(Signal::HeapUsed);
        let axes = Axes::of(replay, signal);
        let growth = verdict.growth.filter(|_| matches!(verdict.state, State::Suspected | State::Leaking));
        let growth = growth.filter(|_| verdict.signal == Some(signal));
        let samples = samples(replay, signal, &axes);
        let end = samples.iter().flatten().map(|(at, _)| *at).fold(0.0, f64::max);
        let forecast = growth.map(|growth| axes.forecast(&growth, end));
        let reported = replay.events.iter().filter_map(|event| growth_of(&event.change, signal));
        let fits: Vec<_> = reported.chain(growth).map(|growth| axes.fit(&growth)).collect();
        let tops = samples.iter().flatten().chain(fits.iter().flatten()).chain(forecast.iter().flatten());
        let top = tops.map(|(_, size)| *size).fold(axes.size(1_048_576.0), f64::max);
        let limit = replay.detector.picture().limit_bytes.map(|limit| axes.size(limit as f64));
        let limit = limit.filter(|limit| *limit <= LIMIT_IN_SIGHT * top);
        Self {
            signal,
            width: forecast.map_or(end, |[_, (at, _)]| at.max(end)).max(axes.across(360.0)) * 1.01,
            height: limit.map_or(top, |limit| limit.max(top)) * 1.06,
            across: axes.name(),
            upwards: axes.size_name,
            samples,
            floors: replay.floors_of(signal).iter().map(|floors| axes.floors(floors)).collect(),
            fits,
            forecast,
            limit,
            marks: replay.events.iter().filter_map(|event| axes.mark(event)).collect(),
            ended: replay.events.iter().rev().find_map(|event| ended(&event.change)),
        }
    }
}

/// From times and bytes to the units of the plot.
struct Axes {
    start: Timestamp,
    unit_seconds: f64,
    unit_name: &'static str,
    unit_bytes: f64,
    size_name: &'static str,
}

impl Axes {
    fn of(replay: &Replay, signal: Signal) -> Self {
        let start = replay.samples.first().map_or(Timestamp::from_unix_ms(0), |sample| sample.at);
        let end = replay.samples.last().map_or(start, |sample| sample.at);
        let largest = replay.samples.iter().filter_map(|sample| sample.signal(signal)).max().unwrap_or(0) as f64;
        let long = end.since(start).as_secs_f64() > LONG_HOURS * 3600.0;
        let large = largest / 1_048_576.0 > LARGE_MIB;
        Self {
            start,
            unit_seconds: if long { 86_400.0 } else { 3600.0 },
            unit_name: if long { "days" } else { "hours" },
            unit_bytes: if large { 1_073_741_824.0 } else { 1_048_576.0 },
            size_name: if large { "GiB" } else { "MiB" },
        }
    }

    fn name(&self) -> String {
        format!("{} since {}", self.unit_name, self.start)
    }

    fn across(&self, seconds: f64) -> f64 {
        seconds / self.unit_seconds
    }

    fn at(&self, at: Timestamp) -> f64 {
        self.across(at.unix_seconds() - self.start.unix_seconds())
    }

    fn size(&self, bytes: f64) -> f64 {
        bytes / self.unit_bytes
    }

    fn floors(&self, floors: &[(Timestamp, u64)]) -> Vec<Point> {
        floors.iter().map(|(at, floor)| (self.at(*at), self.size(*floor as f64))).collect()
    }

    fn fit(&self, growth: &Growth) -> [Point; 2] {
        let ends = [(growth.since, growth.from_bytes), (growth.until, growth.to_bytes)];
        ends.map(|(at, bytes)| (self.at(at), self.size(bytes as f64)))
    }

    /// On from the fit, until the limit or as far as there is room.
    fn forecast(&self, growth: &Growth, end: f64) -> [Point; 2] {
        let from = self.fit(growth)[1];
        let room = (end * (1.0 + AHEAD) - from.0).max(0.0);
        let to_limit = growth.limit_in_seconds.map_or(room, |seconds| self.across(seconds));
        let ahead = room.min(to_limit.max(0.02 * end));
        let rise = self.size(growth.slope.bytes_per_second() * ahead * self.unit_seconds);
        [from, (from.0 + ahead, from.1 + rise)]
    }

    fn mark(&self, event: &LeakEvent) -> Option<Mark> {
        let (label, kind) = label(&event.change)?;
        Some(Mark { at: self.at(event.at), label, kind })
    }
}

/// The readings of a signal, life by life.
fn samples(replay: &Replay, signal: Signal, axes: &Axes) -> Vec<Vec<Point>> {
    let restarts: Vec<Timestamp> = replay
        .events
        .iter()
        .filter(|event| matches!(event.change, Change::Restarted { .. }))
        .map(|event| event.at)
        .collect();
    let life = |at: Timestamp| restarts.iter().filter(|restart| !at.is_before(**restart)).count();
    let mut lives = vec![Vec::new(); restarts.len() + 1];
    for sample in &replay.samples {
        let point = sample.signal(signal).map(|bytes| (axes.at(sample.at), axes.size(bytes as f64)));
        if let Some(points) = lives.get_mut(life(sample.at)) {
            points.extend(point);
        }
    }
    lives
}

fn leaking(change: &Change) -> Option<Signal> {
    match change {
        Change::LeakConfirmed { signal, .. } => Some(*signal),
        _ => None,
    }
}

fn ended(change: &Change) -> Option<String> {
    match change {
        Change::LeakResolved { resolution, .. } => Some(resolution.says.clone()),
        _ => None,
    }
}

fn growth_of(change: &Change, wanted: Signal) -> Option<Growth> {
    match change {
        Change::LeakConfirmed { signal, growth, .. } | Change::StillLeaking { signal, growth } if *signal == wanted => {
            Some(*growth)
        }
        _ => None,
    }
}

fn label(change: &Change) -> Option<(String, MarkKind)> {
    let plain = |label: &str, kind| Some((label.to_owned(), kind));
    match change {
        Change::LeakSuspected { signal, .. } => Some((format!("{signal} suspected"), MarkKind::Warning)),
        Change::LeakConfirmed { signal, .. } => Some((format!("{signal} leak confirmed"), MarkKind::Alarm)),
        Change::StillLeaking { .. } => plain("still leaking", MarkKind::Alarm),
        Change::LeakResolved { .. } => plain("resolved", MarkKind::Relief),
        Change::Restarted { cause: crate::leak::event::RestartCause::AtMemoryLimit, .. } => {
            plain("restarted at its limit", MarkKind::Restart)
        }
        Change::Restarted { .. } => plain("restarted", MarkKind::Restart),
        Change::SnapshotDue { part: PairPart::Baseline } => plain("baseline snapshot", MarkKind::Doing),
        Change::SnapshotDue { part: PairPart::First } => plain("first snapshot", MarkKind::Doing),
        Change::SnapshotDue { part: PairPart::Second } => plain("second snapshot", MarkKind::Doing),
        Change::GaugeExceeded { gauge, maximum, .. } => Some((format!("{gauge} over {maximum}"), MarkKind::Warning)),
        Change::GaugeRecovered { gauge, .. } => Some((format!("{gauge} recovered"), MarkKind::Relief)),
        Change::GaugeGrows { gauge, .. } => Some((format!("{gauge} grows"), MarkKind::Warning)),
        Change::GaugeSteady { gauge, .. } => Some((format!("{gauge} steady"), MarkKind::Relief)),
        Change::SeveralProcesses { .. } => plain("several processes", MarkKind::Alarm),
    }
}
