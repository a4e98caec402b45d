//! Lives: telling that a process was restarted, by what the target says of itself or by its readings.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::event::RestartCause;
use crate::leak::options::Options;
use crate::sample::Sample;
use crate::target::Life;

/// The lives of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lives {
    current: Option<Life>,
    last: Option<Reading>,
    /// A poll was refused since the last sample: nothing listened there for a moment.
    refused: bool,
    /// A capture of ours has ended since the last sample.
    after_capture: bool,
    /// Readings in a row whose rss was above the limit.
    #[serde(default)]
    above_limit: u32,
    /// The limit that a life has shown to be one of the heap alone.
    #[serde(default)]
    heap_limit: Option<u64>,
    /// Likely kills of the last week, oldest first.
    kills: Vec<Timestamp>,
}

/// What of the last sample tells a restart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    at: Timestamp,
    heap_used: Option<u64>,
    heap_total: Option<u64>,
    rss: Option<u64>,
    requests: Option<u64>,
    uptime_ms: Option<i64>,
}

/// A restart: the two lives, and why one ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Restart {
    pub(crate) ended: Life,
    pub(crate) began: Life,
    pub(crate) cause: RestartCause,
    pub(crate) kills_this_week: u32,
}

/// A gap of this many intervals in which nobody answered may hide a restart.
const GAP_IN_INTERVALS: f64 = 1.5;
/// Over such a gap a process that falls by this share in all it holds is a new one: a heap gives pages back to the
/// system slowly, and a collection that happens to fall into a gap seldom shrinks rss and heapTotal at once.
const DROP_OVER_GAP: f64 = 0.08;
/// Without a gap only a fall this deep in rss and heapTotal at once is a restart: a large structure that is dropped
/// frees heapUsed at once, but not the pages.
const DROP_AT_ONCE: f64 = 0.5;
/// The same where heapUsed alone is known.
const DROP_OF_HEAP_ALONE: f64 = 0.5;
/// Start times that differ by this much are the same: uptimes come in whole seconds, and answers take a while.
const CLOCK_SLACK_SECONDS: f64 = 5.0;
const CLOCK_SLACK_SHARE: f64 = 0.1;
/// Within this share of the limit when last seen, a process that is gone was likely killed for it.
const AT_LIMIT: f64 = 0.85;
/// A process that has lived for so many readings with an rss above the limit is not killed for it: the limit is one of
/// the heap alone. Who watches rss from outside looks more often than that.
const LIVES_ABOVE_LIMIT: u32 = 10;
/// Kills remembered; a process that dies more often in a week does so every quarter of an hour.
const MOST_KILLS: usize = 700;

impl Lives {
    /// The life that is running.
    pub(crate) fn current(&self) -> Option<Life> {
        self.current
    }

    /// True where this or an earlier life went on above that limit with its rss: it is one of the heap alone.
    pub(crate) fn is_of_heap(&self, limit: Option<u64>) -> bool {
        limit.is_some() && self.heap_limit == limit
    }

    /// A poll failed.
    pub(crate) fn on_missed(&mut self, refused: bool) {
        self.refused |= refused;
    }

    /// A capture of ours is over: the gap it left and the collection it made are no signs of a restart.
    pub(crate) fn on_captured(&mut self) {
        self.after_capture = true;
    }

    /// Takes in a sample; tells of a restart since the last one.
    pub(crate) fn on_sample(&mut self, sample: &Sample, limit: Option<u64>, options: &Options) -> Option<Restart> {
        let reading = Reading::of(sample);
        let last = self.last.replace(reading);
        let refused = std::mem::take(&mut self.refused);
        let after_capture = std::mem::take(&mut self.after_capture);
        let began = sample.uptime.map_or(sample.at, |uptime| sample.at.minus(uptime));
        let elapsed = last.map_or(0.0, |last| sample.at.since(last.at).as_secs_f64());
        let gap = refused || (elapsed > GAP_IN_INTERVALS * options.interval.as_secs_f64() && !after_capture);
        let (Some(last), Some(ended)) = (last, self.current) else {
            self.current = Some(Life { number: 1, began, pid: sample.pid });
            return None;
        };
        if !restarted(ended.pid, sample.pid, &last, &reading, gap) {
            if let Some(life) = &mut self.current {
                life.pid = sample.pid.or(life.pid);
            }
            self.count_above_limit(sample.rss, limit);
            return None;
        }
        let life = Life { number: ended.number.saturating_add(1), began, pid: sample.pid };
        self.current = Some(life);
        let cause = last.cause(limit, self.is_of_heap(limit));
        self.above_limit = 0;
        self.count_above_limit(sample.rss, limit);
        Some(Restart { ended, began: life, cause, kills_this_week: self.count_kill(sample.at, cause) })
    }

    fn count_above_limit(&mut self, rss: Option<u64>, limit: Option<u64>) {
        let is_above = rss.zip(limit).is_some_and(|(rss, limit)| rss > limit);
        self.above_limit = if is_above { self.above_limit.saturating_add(1) } else { 0 };
        if self.above_limit >= LIVES_ABOVE_LIMIT {
            self.heap_limit = limit;
        }
    }

    fn count_kill(&mut self, at: Timestamp, cause: RestartCause) -> u32 {
        const WEEK_MS: i64 = 7 * 24 * 3_600_000;
        self.kills.retain(|kill| at.steady_ms().saturating_sub(kill.steady_ms()) < WEEK_MS);
        if cause == RestartCause::AtMemoryLimit && self.kills.len() < MOST_KILLS {
            self.kills.push(at);
        }
        u32::try_from(self.kills.len()).unwrap_or(u32::MAX)
    }
}

impl Reading {
    fn of(sample: &Sample) -> Self {
        Self {
            at: sample.at,
            heap_used: sample.heap_used,
            heap_total: sample.heap_total,
            rss: sample.rss,
            requests: sample.requests,
            uptime_ms: sample.uptime.and_then(|uptime| i64::try_from(uptime.as_millis()).ok()),
        }
    }

    fn cause(&self, limit: Option<u64>, of_heap_alone: bool) -> RestartCause {
        let held = if of_heap_alone { self.heap_used.or(self.heap_total) } else { self.rss.or(self.heap_used) };
        match (held, limit) {
            (Some(held), Some(limit)) if held as f64 >= AT_LIMIT * limit as f64 => RestartCause::AtMemoryLimit,
            _ => RestartCause::Unknown,
        }
    }
}

fn restarted(pid_before: Option<u64>, pid_now: Option<u64>, before: &Reading, now: &Reading, gap: bool) -> bool {
    if let (Some(before), Some(now)) = (pid_before, pid_now)
        && before != now
    {
        return true;
    }
    if let (Some(before), Some(now)) = (before.requests, now.requests)
        && now < before
    {
        return true;
    }
    let elapsed = now.at.since(before.at).as_secs_f64();
    let slack = CLOCK_SLACK_SECONDS.max(CLOCK_SLACK_SHARE * elapsed);
    // Many an uptime is reckoned from a start time by our own wall clock: across a step of that one it says nothing.
    let wall_elapsed = now.at.wall_ms().saturating_sub(before.at.wall_ms()) as f64 / 1000.0;
    let clock_was_set = (wall_elapsed - elapsed).abs() > slack;
    if let (Some(uptime_before), Some(uptime_now), false) = (before.uptime_ms, now.uptime_ms, clock_was_set) {
        let start_moved = elapsed - (uptime_now - uptime_before) as f64 / 1000.0;
        return uptime_now < uptime_before || start_moved > slack;
    }
    fell(before, now, if gap { DROP_OVER_GAP } else { DROP_AT_ONCE })
}

/// Everything that the process holds fell by at least `share`.
fn fell(before: &Reading, now: &Reading, share: f64) -> bool {
    let below =
        |before: Option<u64>, now: Option<u64>, share: f64| Some((now? as f64) < before? as f64 * (1.0 - share));
    match (below(before.rss, now.rss, share), below(before.heap_total, now.heap_total, share)) {
        (Some(rss), Some(total)) => rss && total,
        (Some(one), None) | (None, Some(one)) => one && share >= DROP_OVER_GAP,
        (None, None) => below(before.heap_used, now.heap_used, share.max(DROP_OF_HEAP_ALONE)).unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A sample `second` seconds in, of a process that holds `size`.
    fn sample(second: i64, size: u64) -> Sample {
        let mut sample = Sample::empty(Timestamp::from_unix_ms(second * 1000));
        (sample.rss, sample.heap_total) = (Some(size), Some(size));
        sample
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better at its calls")]
    fn check(change: impl Fn(&mut Sample), before: Sample, mut after: Sample, expected: bool, why: &str) {
        change(&mut after);
        let mut lives = Lives::default();
        let options = Options::default();
        assert_eq!(lives.on_sample(&before, None, &options), None, "{why}: the first life is no restart");
        assert_eq!(lives.on_sample(&after, None, &options).is_some(), expected, "{why}");
    }

    #[test]
    fn what_the_target_says_of_itself_tells_a_restart() {
        let with = |second: i64, uptime: u64| Sample {
            uptime: Some(Duration::from_secs(uptime)),
            requests: Some(100),
            pid: Some(7),
            ..sample(second, 100)
        };
        check(|_| {}, with(0, 500), with(30, 530), false, "it goes on");
        check(|after| after.pid = Some(8), with(0, 500), with(30, 530), true, "another pid");
        check(|after| after.requests = Some(3), with(0, 500), with(30, 530), true, "a counter starts over");
        check(|_| {}, with(0, 500), with(30, 4), true, "uptime starts over");
        check(|_| {}, with(0, 300), with(3600, 3000), true, "uptime passed the old one during an outage");
        check(|after| after.rss = Some(1), with(0, 500), with(60, 560), false, "uptime knows better than a drop");
    }

    /// An uptime that is reckoned from a start time went back by the hours that the clock was set back, and a process
    /// that lived on was called restarted.
    #[test]
    fn a_step_of_the_clock_is_no_restart() {
        const HOUR_MS: i64 = 3_600_000;
        let stepped = |second: i64, step_ms: i64, uptime: i64| Sample {
            at: Timestamp::from_lines(second * 1000, second * 1000 + step_ms),
            uptime: Some(Duration::from_secs(uptime.unsigned_abs())),
            ..sample(second, 100)
        };
        let before = || stepped(0, 0, 20_000);
        check(|_| {}, before(), stepped(30, -5 * HOUR_MS, 20_030 - 18_000), false, "set back");
        check(|_| {}, before(), stepped(30, 5 * HOUR_MS, 20_030 + 18_000), false, "set forward");
        check(
            |after| after.pid = Some(8),
            Sample { pid: Some(7), ..before() },
            stepped(30, -5 * HOUR_MS, 4),
            true,
            "pid",
        );
    }

    #[test]
    fn readings_tell_a_restart_only_by_a_drop_with_a_gap() {
        check(|_| {}, sample(0, 100), sample(60, 85), true, "a drop over a gap");
        check(|_| {}, sample(0, 100), sample(30, 85), false, "a drop alone");
        check(|_| {}, sample(0, 100), sample(600, 99), false, "a gap alone");
        check(|after| after.rss = Some(99), sample(0, 100), sample(60, 85), false, "heapTotal alone fell");
        check(|_| {}, sample(0, 100), sample(30, 20), true, "nearly everything is gone at once");
    }

    #[test]
    fn a_collection_during_our_capture_is_no_restart() {
        let (mut lives, options) = (Lives::default(), Options::default());
        lives.on_sample(&sample(0, 100), None, &options);
        lives.on_captured();
        assert_eq!(lives.on_sample(&sample(90, 85), None, &options), None);
        lives.on_missed(true);
        assert!(lives.on_sample(&sample(120, 70), None, &options).is_some(), "a refused poll and a drop");
    }

    /// What was last seen is `rss` and `heap_used` of a process with a limit of 100, for so many polls.
    #[track_caller]
    fn check_cause(rss: u64, heap_used: u64, polls: i64, expected: RestartCause) {
        let (mut lives, options) = (Lives::default(), Options::default());
        for poll in 0..polls {
            let seen = Sample { rss: Some(rss), heap_used: Some(heap_used), ..sample(poll * 30, rss) };
            assert_eq!(lives.on_sample(&Sample { pid: Some(7), ..seen }, Some(100), &options), None);
        }
        let next = Sample { pid: Some(8), ..sample(polls * 30, 20) };
        let restart = lives.on_sample(&next, Some(100), &options).unwrap();
        assert_eq!(restart.cause, expected, "rss {rss} and heap {heap_used} of 100 for {polls} polls");
    }

    /// rss was held against a limit of the heap alone: every deploy of a process that had lived above it for days was
    /// called a kill.
    #[test]
    fn a_process_that_lives_above_its_limit_is_judged_by_its_heap() {
        check_cause(95, 60, 100, RestartCause::AtMemoryLimit);
        check_cause(60, 50, 100, RestartCause::Unknown);
        check_cause(150, 60, 100, RestartCause::Unknown);
        check_cause(150, 95, 100, RestartCause::AtMemoryLimit);
        check_cause(104, 60, 3, RestartCause::AtMemoryLimit);
    }

    /// Each deploy of a process that came near the limit with its rss, before it went above it anew, was called a kill.
    #[test]
    fn what_a_limit_counts_is_known_from_earlier_lives() {
        let (mut lives, options) = (Lives::default(), Options::default());
        let seen = |poll: i64, pid, rss| Sample {
            pid: Some(pid),
            rss: Some(rss),
            heap_used: Some(50),
            ..sample(poll * 30, rss)
        };
        (0..20).for_each(|poll| assert_eq!(lives.on_sample(&seen(poll, 7, 120), Some(100), &options), None));
        let mut cause = |poll, pid, limit| lives.on_sample(&seen(poll, pid, 95), Some(limit), &options).unwrap().cause;
        assert_eq!(cause(20, 8, 100), RestartCause::Unknown);
        assert_eq!(cause(21, 9, 100), RestartCause::Unknown, "95 of 100, but of rss");
        assert_eq!(cause(22, 10, 96), RestartCause::AtMemoryLimit, "another limit is another matter");
    }

    #[test]
    fn kills_are_counted_for_a_week() {
        const DAY: i64 = 86_400;
        let (mut lives, options) = (Lives::default(), Options::default());
        lives.on_sample(&sample(0, 95), Some(100), &options);
        let mut counts = Vec::new();
        for day in [1, 3, 9] {
            lives.on_sample(&sample(day * DAY - 60, 95), Some(100), &options);
            let restart = lives.on_sample(&sample(day * DAY, 20), Some(100), &options).unwrap();
            counts.push((restart.cause, restart.kills_this_week));
        }
        let kill = RestartCause::AtMemoryLimit;
        assert_eq!(counts, [(kill, 1), (kill, 2), (kill, 2)], "the first is more than a week ago");
    }
}
