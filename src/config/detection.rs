//! `interval`, `memory_limit` and `[detection]`: how a target is judged.

use std::time::Duration;

use super::found::Wrong;
use super::table::Table;
use crate::leak::{GaugeRule, OptionError, Options};
use crate::units::ByteSize;

/// A day is longer than anybody waits between two polls, and a year longer than any window.
const YEAR: Duration = Duration::from_hours(365 * 24);

/// What polling, judging and capturing have in common.
pub(super) struct Judged {
    pub(super) interval: Duration,
    pub(super) memory_limit: Option<ByteSize>,
    pub(super) gauges: Vec<GaugeRule>,
    pub(super) pair_gap: Duration,
    pub(super) baseline: bool,
}

/// Reads what the target itself and its `[snapshot]` say.
pub(super) fn judged(table: &mut Table<'_>, snapshot: &mut Table<'_>, gauges: Vec<GaugeRule>) -> Judged {
    let usual = Options::default();
    let interval = table.duration("interval", usual.interval, Duration::from_millis(100)..=Duration::from_hours(24));
    let smallest = ByteSize::mib(1);
    let memory_limit = table.maybe_size("memory_limit", ByteSize::mib(512), smallest..=ByteSize::mib(64 * 1024 * 1024));
    let pair_gap = snapshot.duration("gap", usual.pair_gap, Duration::from_millis(100)..=YEAR);
    let baseline = snapshot.flag("baseline", usual.baseline);
    Judged { interval, memory_limit, gauges, pair_gap, baseline }
}

/// Reads `[detection]`.
pub(super) fn read(table: &mut Table<'_>, judged: Judged) -> Options {
    let usual = Options::default();
    let mut detection = table.section("detection");
    let none = Duration::ZERO;
    let moment = Duration::from_millis(10);
    // A longer interval alone must not make the configuration contradict itself, so the defaults give way to it.
    let block = detection.duration("block", usual.block.max(judged.interval.saturating_mul(4)), moment..=YEAR);
    let options = Options {
        interval: judged.interval,
        block,
        warm_up: detection.duration("warm_up", usual.warm_up, none..=YEAR),
        hold: detection.duration("hold", usual.hold, none..=YEAR),
        patience: detection.number("patience", usual.patience, 0.0..=1.0),
        filling: detection.duration("filling", usual.filling, moment..=YEAR),
        longest_tooth: detection.duration("longest_tooth", usual.longest_tooth, moment..=YEAR),
        day: detection.duration("day", usual.day.max(block.saturating_mul(24)), moment..=YEAR),
        verify: detection.duration("verify", usual.verify.max(block.saturating_mul(8)), moment..=YEAR),
        pair_gap: judged.pair_gap,
        min_slope: detection.rate("min_slope", usual.min_slope, "512 KiB/h"),
        min_rise: detection.size("min_rise", usual.min_rise, ByteSize::new(0)..=ByteSize::mib(1 << 20)),
        min_growth: detection.number("min_growth", usual.min_growth, 0.0..=1.0),
        memory_limit: judged.memory_limit,
        baseline: judged.baseline,
        gauges: judged.gauges,
    };
    for error in options.clone().checked().err().unwrap_or_default() {
        report(table, &mut detection, error);
    }
    detection.finish();
    options
}

/// The detector knows what contradicts what; here are the keys that hold it. Each has been checked for itself before,
/// so what is left is told only where nothing else is.
fn report(table: &mut Table<'_>, detection: &mut Table<'_>, error: OptionError) {
    let wrong = Wrong::with_example(error.problem, error.example);
    match error.key {
        "interval" | "memory_limit" => table.contradiction(error.key, &error.value, &[], wrong),
        "block" if table.is_wrong("interval") => {}
        "gauges.maximum" | "pair_gap" => {}
        key => detection.contradiction(key, &error.value, &["block"], wrong),
    }
}
