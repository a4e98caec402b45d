//! What an alert says to a person, in full sentences: the same for the log, Slack, `PagerDuty` and the webhook.

use crate::alert::message::Alert;

/// One line: what happened to whom, how bad it is.
pub fn headline(alert: &Alert) -> String {
    format!("{}: {}", alert.target, alert.news.kind())
}

/// The facts behind the headline, one sentence each.
pub fn details(_alert: &Alert) -> Vec<String> {
    Vec::new()
}

/// What a person can do now, most useful first.
pub fn next_steps(_alert: &Alert) -> Vec<String> {
    Vec::new()
}
