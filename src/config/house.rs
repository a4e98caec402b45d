//! What concerns heapwatch itself: `[log]`, `[retention]` and `[limits]`.

use std::time::Duration;

use super::found::Wrong;
use super::table::Table;
use super::{Limits, LogFormat, LogLevel, LogOptions, Target};
use crate::retention;
use crate::store::Keep;
use crate::units::ByteSize;

const LEVELS: [(&str, LogLevel); 5] = [
    ("info", LogLevel::Info),
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];
const FORMATS: [(&str, LogFormat); 4] = [
    ("auto", LogFormat::Auto),
    ("text", LogFormat::Text),
    ("json", LogFormat::Json),
    ("journald", LogFormat::Journald),
];

/// `[log]`.
pub(super) fn log(root: &mut Table<'_>) -> LogOptions {
    let mut table = root.section("log");
    let format = table.choice("format", LogFormat::Auto, &FORMATS);
    let level = table.choice("level", LogLevel::Info, &LEVELS);
    table.finish();
    LogOptions { format, level }
}

/// `[retention]`, which must leave room for the pair of a leak.
pub(super) fn retention<'t>(
    root: &mut Table<'_>,
    targets: impl Iterator<Item = &'t Target>,
) -> (retention::Policy, Keep) {
    let mut table = root.section("retention");
    let usual = retention::Policy::default();
    let largest = ByteSize::mib(1 << 30);
    let policy = retention::Policy {
        // A pair is two.
        per_target: table.count("per_target", usual.per_target, 2..=10_000),
        max_age: table.duration("max_age", usual.max_age, Duration::from_mins(1)..=Duration::from_hours(10 * 365 * 24)),
        total: table.size("total", usual.total, ByteSize::mib(1)..=largest),
        min_free: table.size("min_free", usual.min_free, ByteSize::new(0)..=largest),
    };
    let largest_capture = targets.filter_map(|target| Some(target.capture.as_ref()?.deadlines.max_bytes)).max();
    if let Some(max_bytes) = largest_capture.filter(|max_bytes| *max_bytes > policy.total) {
        let problem = format!(
            "must be at least the largest `snapshot.max_bytes`, {max_bytes}, or a snapshot would not outlive its arrival"
        );
        let shown = format!("\"{}\"", policy.total);
        table.contradiction("total", &shown, &[], Wrong::with_example(problem, format!("\"{}\"", usual.total)));
    }
    let usual = Keep::default();
    let keep = Keep {
        events: table.duration(
            "event_age",
            usual.events,
            Duration::from_hours(1)..=Duration::from_hours(10 * 365 * 24),
        ),
        most_events: table.count("events", usual.most_events, 1_000..=10_000_000),
        ..usual
    };
    table.finish();
    (policy, keep)
}

/// `[limits]`.
pub(super) fn limits(root: &mut Table<'_>) -> Limits {
    let mut table = root.section("limits");
    let usual = Limits::default();
    let limits = Limits {
        max_captures: table.count("max_captures", usual.max_captures, 1..=100),
        max_analyses: table.count("max_analyses", usual.max_analyses, 1..=16),
        analysis_memory: table.size(
            "analysis_memory",
            usual.analysis_memory,
            ByteSize::mib(64)..=ByteSize::mib(1024 * 1024),
        ),
        analysis_timeout: table.duration(
            "analysis_timeout",
            usual.analysis_timeout,
            Duration::from_secs(1)..=Duration::from_hours(24),
        ),
    };
    table.finish();
    limits
}
