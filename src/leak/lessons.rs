//! Lessons: what lives that have ended taught of a leak. A process that is killed before its leak is confirmed, or whose
//! leak comes back after it was over, is not new to whoever watched it before.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::event::RestartCause;
use crate::leak::memory::Memory;
use crate::leak::verdict::Reason;
use crate::sample::Signal;

/// What is known of each signal from earlier lives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lessons(Vec<Lesson>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Lesson {
    signal: Signal,
    /// The slowest growth that was seen, bytes per second.
    slope: f64,
    /// Lives in a row that taught it.
    lives: u32,
    /// It was a leak for certain: only time makes one forget it.
    confirmed: bool,
    /// When it was taught last.
    at: Timestamp,
}

/// Lives in a row that grew to their ends. One may be a deploy into a cache that was still filling.
const ENOUGH: u32 = 2;
/// Growth from this share of the slope of earlier lives is the same leak.
const SAME_SLOPE: f64 = 0.4;
/// A lesson is good for a week.
const LASTS_MS: i64 = 7 * 24 * 3_600_000;

impl Lessons {
    /// A life has ended: what still grew at its end is learned, what had its time to grow and did not is forgotten. A
    /// kill at the limit is the plainest end that growth can come to.
    pub(crate) fn on_life_ended(&mut self, memory: &Memory, cause: RestartCause, now: Timestamp) {
        for (signal, watch) in memory.watches() {
            match watch.trial().filter(|trial| trial.is_suspect()) {
                Some(trial) => {
                    let lives = if cause == RestartCause::AtMemoryLimit { ENOUGH } else { 1 };
                    self.learn(Lesson { signal, slope: trial.slope, lives, confirmed: false, at: now });
                }
                None if watch.is_warm() => self.0.retain(|lesson| lesson.signal != signal || lesson.confirmed),
                None => {}
            }
        }
    }

    /// A confirmed leak is over.
    pub(crate) fn on_resolved(&mut self, signal: Signal, slope: f64, now: Timestamp) {
        self.learn(Lesson { signal, slope, lives: ENOUGH, confirmed: true, at: now });
    }

    /// What earlier lives say for growth of `signal` with this slope being their leak.
    pub(crate) fn known(&self, signal: Signal, slope: f64, now: Timestamp) -> Option<Reason> {
        let is_known = |lesson: &&Lesson| lesson.signal == signal && lesson.is_fresh(now);
        let lesson = self.0.iter().find(is_known)?;
        (lesson.lives >= ENOUGH && slope >= SAME_SLOPE * lesson.slope).then(|| Reason {
            gate: "known".to_owned(),
            passed: true,
            value: slope * 3600.0,
            threshold: SAME_SLOPE * lesson.slope * 3600.0,
            unit: "bytes_per_hour".to_owned(),
            says: "grows as earlier lives did until they ended".to_owned(),
        })
    }

    fn learn(&mut self, mut lesson: Lesson) {
        if let Some(before) = self.0.iter().find(|before| before.signal == lesson.signal && before.is_fresh(lesson.at))
        {
            lesson.slope = lesson.slope.min(before.slope);
            lesson.lives = lesson.lives.saturating_add(before.lives);
            lesson.confirmed |= before.confirmed;
        }
        self.0.retain(|before| before.signal != lesson.signal);
        self.0.push(lesson);
    }
}

impl Lesson {
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.steady_ms().saturating_sub(self.at.steady_ms()) < LASTS_MS
    }
}
