//! What the detector says of what it knows: the state of the target, the verdict with its reasons, and the picture.

use crate::clock::Timestamp;
use crate::leak::detector::Detector;
use crate::leak::episode::bytes;
use crate::leak::gate::Gate;
use crate::leak::judge::Trial;
use crate::leak::picture::{FloorSeries, Outline, Picture};
use crate::leak::verdict::{Reason, State, Verdict};
use crate::leak::watch::on_lines_of;
use crate::sample::Signal;

impl Detector {
    /// What it says now.
    pub fn verdict(&self) -> Verdict {
        let now = self.known.last.unwrap_or(Timestamp::from_unix_ms(0));
        let judged = self.judged();
        let mut reasons: Vec<Reason> =
            judged.map_or_else(Vec::new, |(_, trial)| trial.gates.iter().map(Gate::reason).collect());
        if reasons.is_empty() || self.known.state == State::NotJudged {
            reasons = vec![self.without_judgement(now)];
        }
        if self.known.processes.are_several(now.steady_ms()) {
            reasons = vec![several_processes()];
        }
        Verdict {
            state: self.known.state,
            since: self.known.since.unwrap_or(now),
            signal: self.known.episode.as_ref().map(|episode| episode.signal).or(judged.map(|(signal, _)| signal)),
            growth: judged.map(|(_, trial)| self.growth_of(trial, now)),
            reasons,
        }
    }

    /// What a chart shows.
    pub fn picture(&self) -> Picture {
        let now = self.known.last.unwrap_or(Timestamp::from_unix_ms(0));
        let series = |(signal, watch): (Signal, &crate::leak::watch::Watch)| FloorSeries {
            signal,
            points: watch.points().iter().map(|(at, floor)| (on_lines_of(now, *at), bytes(*floor))).collect(),
        };
        Picture {
            floors: self.known.memory.iter().flat_map(|memory| memory.watches().map(series)).collect(),
            growth: self.judged().map(|(_, trial)| self.growth_of(trial, now)),
            limit_bytes: self.limit(),
            events: self.known.history.clone(),
        }
    }

    /// The floors of the verdict's signal over the last hours of this life; `None` before there are two.
    pub fn outline(&self) -> Option<Outline> {
        let memory = self.known.memory.as_ref()?;
        let judged =
            self.known.episode.as_ref().map(|episode| episode.signal).or(self.judged().map(|(signal, _)| signal));
        let (signal, watch) = match judged {
            Some(signal) => (signal, memory.watch(signal)?),
            None => memory.watches().next()?,
        };
        watch.outline(signal, self.known.last?)
    }

    /// Seconds that a fix has been watched for, while one is; it is held after `options().verify`.
    pub fn verified_seconds(&self) -> Option<f64> {
        self.known.episode.as_ref()?.watched_seconds()
    }

    /// The signal of the episode, else the one nearest to a leak, with its judgement.
    fn judged(&self) -> Option<(Signal, &Trial)> {
        let memory = self.known.memory.as_ref()?;
        match &self.known.episode {
            Some(episode) => Some((episode.signal, memory.watch(episode.signal)?.trial()?)),
            None => memory.nearest(),
        }
    }

    /// The reason of a verdict for which no window was judged.
    fn without_judgement(&self, now: Timestamp) -> Reason {
        let age = self.known.memory.as_ref().map_or(0.0, |memory| memory.age(now.steady_ms()));
        let first_window = self.options.warm_up + self.options.block * 8;
        let (gate, value, threshold, unit, says) = match self.known.state {
            State::WarmingUp => {
                ("warm_up", age, first_window.as_secs_f64(), "seconds", "too early in this life to say anything")
            }
            State::NotJudged => ("coverage", 0.0, 0.5, "ratio", "too few polls were answered lately to say anything"),
            _ => ("size", 0.0, self.options.min_rise.bytes() as f64, "bytes", "nothing has grown enough to matter"),
        };
        Reason { gate: gate.to_owned(), passed: false, value, threshold, unit: unit.to_owned(), says: says.to_owned() }
    }

    /// Brings the state up to date after an observation at `at`.
    pub(super) fn settle_state(&mut self, at: Timestamp) {
        let state = self.state(at);
        if self.known.since.is_none() || state != self.known.state {
            self.known.state = state;
            self.known.since = Some(at);
        }
    }

    fn state(&self, at: Timestamp) -> State {
        if self.known.processes.are_several(at.steady_ms()) {
            return State::NotJudged;
        }
        if let Some(episode) = &self.known.episode {
            return if episode.is_watching() { State::Recovering } else { State::Leaking };
        }
        let silent = self.known.last.is_some_and(|last| at.since(last) > self.options.block * 2);
        match &self.known.memory {
            Some(memory) if silent || !memory.is_covered() => State::NotJudged,
            Some(memory) if !memory.is_warm() => State::WarmingUp,
            Some(memory) if memory.is_suspected() => State::Suspected,
            Some(_) => State::Steady,
            None => State::WarmingUp,
        }
    }
}

fn several_processes() -> Reason {
    Reason {
        gate: "one_process".to_owned(),
        passed: false,
        value: 2.0,
        threshold: 1.0,
        unit: "processes".to_owned(),
        says: "several processes answer behind this URL; list each instance as a target of its own".to_owned(),
    }
}
