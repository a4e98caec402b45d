//! The log channel: one readable line with everything a person wants, and the same as fields for queries.

use tracing::{error, info, warn};

use crate::alert::message::{Alert, Severity, Status};
use crate::alert::wording;

/// Writes `alert` at the level of its urgency: error when somebody must act, warn when somebody should look.
pub(super) fn write(alert: &Alert, channel: &str) {
    let mut message = wording::headline(alert);
    for sentence in wording::details(alert).into_iter().chain(wording::next_steps(alert)) {
        message.push_str(if message.ends_with(['.', '!', '?', '…']) { " " } else { ". " });
        message.push_str(&sentence);
    }
    let leak = alert.news.leak();
    // The macros take the level as a constant, and absent values leave no field behind.
    macro_rules! write_at {
        ($level:ident) => {
            $level!(
                channel,
                event = alert.news.kind(),
                target.name = %alert.target,
                alert.id = alert.id,
                alert.status = alert.status().name(),
                alert.severity = alert.severity.name(),
                episode = alert.episode,
                signal = leak.map(|leak| leak.signal.name()),
                slope_bytes_per_hour = leak.map(|leak| leak.growth.slope.bytes_per_hour()),
                from_bytes = leak.map(|leak| leak.growth.from_bytes),
                to_bytes = leak.map(|leak| leak.growth.to_bytes),
                limit_in_seconds = leak.and_then(|leak| leak.growth.limit_in_seconds),
                "{message}"
            )
        };
    }
    match (alert.status(), alert.severity) {
        (Status::Resolved, _) | (_, Severity::Info) => write_at!(info),
        (_, Severity::Warning) => write_at!(warn),
        (_, Severity::Critical) => write_at!(error),
    }
}
