//! `[alerts]`: what is told, how often, and how hard it is tried.

use std::time::Duration;

use super::AlertOptions;
use crate::alert::{outbox, policy};

/// Every kind of news but the test of a channel, which always goes out.
const KINDS: [&str; 16] = [
    "leak_suspected",
    "leak_confirmed",
    "leak_reminder",
    "still_leaking",
    "leak_resolved",
    "analysis_ready",
    "analysis_failed",
    "target_restarted",
    "target_down",
    "target_up",
    "snapshot_stored",
    "snapshot_skipped",
    "snapshot_failed",
    "gauge",
    "misconfigured",
    "trouble",
];

/// What is told where the configuration says nothing.
pub(super) fn defaults() -> AlertOptions {
    AlertOptions {
        policy: policy::Options {
            repeat_interval: Some(Duration::from_hours(24)),
            critical_within: Duration::from_hours(6),
        },
        outbox: outbox::Options {
            first_retry: Duration::from_secs(5),
            longest_retry: Duration::from_mins(30),
            alert_ttl: Duration::from_hours(24),
            min_gap: Duration::from_secs(1),
            capacity: 1000,
        },
        // A suspicion is for the log: most of them pass.
        notify: KINDS.into_iter().filter(|kind| *kind != "leak_suspected").collect(),
        pings: Vec::new(),
    }
}
