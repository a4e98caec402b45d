//! Several processes behind one URL: a load balancer, a cluster module, a name that resolves to many. Their readings
//! mixed make no series, so the target is refused a verdict.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::leak::options::Options;
use crate::sample::Sample;

/// What gives several processes away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Processes {
    /// The last processes seen, newest last.
    seen: Vec<Identity>,
    /// Returns to a process seen before, milliseconds on the steady line.
    returns: Vec<i64>,
    last_size: Option<u64>,
    /// One bit a sample, newest lowest: a jump up, a jump down.
    ups: u64,
    downs: u64,
    /// Judged as several until then.
    until_ms: Option<i64>,
}

/// A process as it tells itself apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Identity {
    pid: Option<u64>,
    /// Start on the steady line.
    start_ms: Option<i64>,
}

/// Identities remembered: more instances than these behind one URL still return often enough.
const REMEMBERED: usize = 8;
/// Returns to an old process within a day that prove several; a process never comes back from the dead.
const RETURNS: usize = 3;
/// Starts this close are one: uptimes come in whole seconds, and answers take a while.
const SAME_START_MS: i64 = 5_000;
/// rss or heapTotal of one process does not change by this share within one poll, up and down again and again.
const JUMP: f64 = 0.2;
/// Jumps each way among the last 64 samples that prove several.
const JUMPS: u32 = 10;

impl Processes {
    /// Takes in a sample; says what gives several processes away, once, when it becomes plain.
    pub(crate) fn observe(&mut self, sample: &Sample, options: &Options) -> Option<String> {
        let now = sample.at.steady_ms();
        let milliseconds = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let day = milliseconds(options.day);
        self.note_identity(sample, now, day);
        self.note_jump(sample.rss.or(sample.heap_total));
        let evidence = self.evidence()?;
        let news = !self.are_several(now);
        // Who polls more rarely than each hour learns it once as well.
        self.until_ms = Some(now.saturating_add((day / 24).max(milliseconds(options.interval.saturating_mul(2)))));
        news.then_some(evidence)
    }

    /// True while readings of several processes are mixed.
    pub(crate) fn are_several(&self, now_ms: i64) -> bool {
        self.until_ms.is_some_and(|until| now_ms < until)
    }

    fn note_identity(&mut self, sample: &Sample, now: i64, day: i64) {
        let start_ms = sample.uptime.map(|uptime| sample.at.minus(uptime).steady_ms());
        let identity = Identity { pid: sample.pid, start_ms };
        if identity == Identity::default_none() {
            return;
        }
        let position = self.seen.iter().position(|seen| seen.is(identity));
        if position.is_some_and(|position| position + 1 < self.seen.len()) {
            self.returns.push(now);
        }
        if let Some(position) = position {
            self.seen.remove(position);
        }
        self.seen.push(identity);
        if self.seen.len() > REMEMBERED {
            self.seen.remove(0);
        }
        self.returns.retain(|at| now.saturating_sub(*at) < day);
        let surplus = self.returns.len().saturating_sub(RETURNS);
        self.returns.drain(..surplus);
    }

    fn note_jump(&mut self, size: Option<u64>) {
        let (Some(before), Some(now)) = (self.last_size, size) else {
            self.last_size = size;
            return;
        };
        let share = (now as f64 - before as f64) / before.max(now).max(1) as f64;
        self.ups = self.ups << 1 | u64::from(share > JUMP);
        self.downs = self.downs << 1 | u64::from(share < -JUMP);
        self.last_size = size;
    }

    fn evidence(&self) -> Option<String> {
        if self.returns.len() >= RETURNS {
            let count = self.seen.len();
            return Some(format!("{count} processes answer in turn; list each instance as a target of its own"));
        }
        let (ups, downs) = (self.ups.count_ones(), self.downs.count_ones());
        (ups.min(downs) >= JUMPS).then(|| {
            format!(
                "memory jumps by more than {:.0} % up and down again ({ups} and {downs} times in 64 polls), as if \
                 several processes answered in turn; list each instance as a target of its own",
                JUMP * 100.0
            )
        })
    }
}

impl Identity {
    const fn default_none() -> Self {
        Self { pid: None, start_ms: None }
    }

    fn is(self, other: Self) -> bool {
        let same_start = match (self.start_ms, other.start_ms) {
            (Some(one), Some(two)) => one.abs_diff(two) <= SAME_START_MS.unsigned_abs(),
            (one, two) => one == two,
        };
        self.pid == other.pid && same_start
    }
}

#[cfg(test)]
mod tests;
