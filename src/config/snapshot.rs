//! `[snapshot]`: whether, when and how captures of a target are taken.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::detection::Judged;
use super::found::Wrong;
use super::secret::Vault;
use super::table::Table;
use super::target::beneath;
use super::values::{quoted, show_duration};
use crate::capture::{Deadlines, GateOptions, Options};
use crate::http::{ClientOptions, Credentials};
use crate::units::ByteSize;

/// Where services hand out snapshots unless they say otherwise.
const SNAPSHOT_PATH: &str = "/admin/heap-snapshot";
const YEAR: Duration = Duration::from_hours(365 * 24);
const MOMENT: Duration = Duration::from_millis(10);
const PEBIBYTE: ByteSize = ByteSize::mib(1 << 30);

/// Reads `[snapshot]`; `None` where there is none, where it is off, or where the target has no address. The credentials
/// are for the target's other captures, too.
///
/// `shared` is how the target is polled: certificates and headers are its own, and so are the credentials where
/// `[snapshot]` has none.
pub(super) fn read(
    table: &mut Table<'_>,
    vault: &Vault<'_>,
    base: Option<&Url>,
    judged: &Judged,
    shared: (&Arc<ClientOptions>, &Credentials),
) -> (Option<Options>, Credentials) {
    // A snapshot can cost a process its life, so nobody gets one without asking.
    let wanted = table.is_written();
    let enabled = table.flag("enabled", true);
    let gate = gate(table, judged);
    let deadlines = deadlines(table);
    let credentials = vault.credentials(table).unwrap_or_else(|| shared.1.clone());
    let url = table
        .parsed("path", "\"/admin/heap-snapshot\"", "a path in quotes", |path| beneath(base, path))
        .or_else(|| beneath(base, SNAPSHOT_PATH).ok())
        .flatten();
    let Some(url) = url.filter(|_| wanted && enabled) else { return (None, credentials) };
    let (client, pair_gap, baseline) = (Arc::clone(shared.0), judged.pair_gap, judged.baseline);
    let options = Options { url, credentials: credentials.clone(), client, gate, deadlines, pair_gap, baseline };
    (Some(options), credentials)
}

fn gate(table: &mut Table<'_>, judged: &Judged) -> GateOptions {
    let usual = GateOptions::default();
    let cooldown = table.duration("cooldown", usual.cooldown.max(judged.pair_gap), Duration::ZERO..=YEAR);
    if judged.pair_gap > cooldown {
        let problem = format!(
            "must be at most `cooldown`, {}: a pair has to be complete before the next one may begin",
            show_duration(cooldown)
        );
        let shown = quoted(&show_duration(judged.pair_gap));
        table.contradiction("gap", &shown, &["cooldown"], Wrong::with_example(problem, "\"30m\""));
    }
    GateOptions {
        headroom_factor: table.number("headroom_factor", usual.headroom_factor, 1.0..=1000.0),
        margin: table.size("margin", usual.margin, ByteSize::new(0)..=PEBIBYTE),
        memory_limit: judged.memory_limit,
        max_heap: table.size("max_heap", usual.max_heap, ByteSize::mib(1)..=PEBIBYTE),
        disk_factor: table.number("disk_factor", usual.disk_factor, 0.0..=1000.0),
        disk_reserve: table.size("disk_reserve", usual.disk_reserve, ByteSize::new(0)..=PEBIBYTE),
        cooldown,
        daily_budget: table.count("daily_budget", usual.daily_budget, 0..=1000),
        healthy_polls: table.count("healthy_polls", usual.healthy_polls, 0..=1000),
    }
}

fn deadlines(table: &mut Table<'_>) -> Deadlines {
    let usual = Deadlines::default();
    let total = table.duration("total_timeout", usual.total, MOMENT..=Duration::from_hours(24));
    let first_byte = step(table, "first_byte_timeout", usual.first_byte, total);
    let idle = step(table, "idle_timeout", usual.idle, total);
    let max_bytes = table.size("max_bytes", usual.max_bytes, ByteSize::mib(1)..=PEBIBYTE);
    Deadlines { first_byte, idle, total, max_bytes }
}

/// A step of a download, which cannot take longer than all of it.
fn step(table: &mut Table<'_>, key: &'static str, usual: Duration, total: Duration) -> Duration {
    let default = usual.min(total);
    let step = table.duration(key, default, MOMENT..=Duration::from_hours(24));
    if step > total {
        let problem = format!("must be at most `total_timeout`, {}", show_duration(total));
        let example = quoted(&show_duration(default));
        table.contradiction(key, "", &["total_timeout"], Wrong::with_example(problem, example));
    }
    step
}
