//! `[alerts]`: what is told, how often, and how hard it is tried.

use std::collections::BTreeSet;
use std::time::Duration;

use super::AlertOptions;
use super::found::{Found, Wrong};
use super::report::nearest;
use super::routes;
use super::table::Table;
use super::values::{quoted, show_duration};
use crate::alert::message::KINDS;
use crate::alert::{Channel, outbox, ping, policy};

/// A week: what is silenced for longer is rather taken out of the configuration.
const LONGEST_SILENCE: Duration = Duration::from_hours(7 * 24);

/// Reads `[alerts]`.
pub(super) fn read(root: &mut Table<'_>, pings: Vec<ping::Options>, channels: &[Channel]) -> AlertOptions {
    let mut table = root.section("alerts");
    let (policy, outbox) = (policy::Options::default(), outbox::Options::default());
    let second = Duration::from_secs(1);
    let longest = Duration::from_hours(365 * 24);
    let repeat_interval =
        table.duration("reminder_interval", policy.repeat_interval.unwrap_or_default(), Duration::ZERO..=longest);
    let policy = policy::Options {
        repeat_interval: Some(repeat_interval).filter(|interval| !interval.is_zero()),
        critical_within: table.duration("critical_within", policy.critical_within, Duration::ZERO..=longest),
    };
    let moment = Duration::from_millis(10);
    let longest_retry = table.duration("longest_retry", outbox.longest_retry, moment..=Duration::from_hours(24));
    let first_retry =
        table.duration("first_retry", outbox.first_retry.min(longest_retry), moment..=Duration::from_hours(24));
    if first_retry > longest_retry {
        let problem = format!("must be at most `longest_retry`, {}", show_duration(longest_retry));
        table.contradiction("first_retry", "", &["longest_retry"], Wrong::with_example(problem, "\"5s\""));
    }
    let outbox = outbox::Options {
        first_retry,
        longest_retry,
        alert_ttl: table.duration("ttl", outbox.alert_ttl, second..=longest),
        broken_after: table.duration("broken_after", outbox.broken_after, moment..=longest),
        min_gap: table.duration("min_gap", outbox.min_gap, Duration::ZERO..=Duration::from_hours(1)),
        capacity: table.count("capacity", outbox.capacity, 16..=1_000_000),
    };
    let notify = notify(&mut table);
    let longest_silence = table.duration("longest_silence", LONGEST_SILENCE, Duration::from_mins(1)..=longest);
    let default_channels = table.read("default_channels", |found| routes::names(found, channels));
    table.finish();
    let routes = routes::read(root, channels, default_channels);
    AlertOptions { policy, outbox, notify, pings, routes, longest_silence }
}

fn notify(table: &mut Table<'_>) -> BTreeSet<&'static str> {
    // A suspicion is for the log: most of them pass.
    table.read("notify", kinds).unwrap_or_else(|| KINDS.into_iter().filter(|kind| *kind != "leak_suspected").collect())
}

/// Kinds of news, by their names.
pub(super) fn kinds(found: &Found<'_>) -> Result<BTreeSet<&'static str>, Wrong> {
    let wrong = |problem| Wrong::with_example(problem, "[\"leak_confirmed\", \"leak_resolved\"]");
    let texts = found.texts().map_err(wrong)?;
    let known = |text: &String| KINDS.into_iter().find(|kind| kind == text).ok_or_else(|| unknown_kind(text));
    texts.iter().map(known).collect::<Result<_, _>>().map_err(wrong)
}

fn unknown_kind(text: &str) -> String {
    match nearest(text, KINDS.into_iter()) {
        Some(nearest) => format!("has {} in it; did you mean \"{nearest}\"?", quoted(text)),
        None => format!("has {} in it; known are {}", quoted(text), KINDS.join(", ")),
    }
}
