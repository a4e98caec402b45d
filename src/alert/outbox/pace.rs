//! How fast a channel may be used: its rate limit, its back-off, and whether it is broken.

use std::time::Duration;

use super::{Health, Options};
use crate::alert::channel::Disposition;
use crate::clock::Timestamp;

/// While a channel fails it is tried at least this often, whatever the back-off of single entries: so that its
/// recovery is noticed soon when many entries wait.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A channel that failed this many times in a row was down, and its recovery lets everything go at once.
const OUTAGE: u32 = 2;

/// The condition of one channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// Attempts that failed in a row.
    failures: u32,
    /// No attempt before this time.
    not_before: Option<Timestamp>,
    /// Since when every answer is a refusal of the channel as such.
    refuses_since: Option<Timestamp>,
    broken: Option<Broken>,
}

#[derive(Clone, Debug)]
struct Broken {
    why: String,
    /// Whether it is tried again now and then; not after a 410.
    is_probed: bool,
}

impl Pace {
    /// The earliest time for an attempt; `None`: the channel is gone for good.
    pub(super) fn not_before(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.broken {
            Some(Broken { is_probed: false, .. }) => None,
            _ => Some(self.not_before.unwrap_or(now)),
        }
    }

    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_ref().map(|broken| broken.why.as_str())
    }

    pub(super) fn stay_broken(&mut self, why: &str, for_good: bool) {
        self.broken = Some(Broken { why: why.to_owned(), is_probed: !for_good });
    }

    pub(super) fn began(&mut self, now: Timestamp, min_gap: Duration) {
        self.not_before = Some(now.plus(min_gap));
    }

    /// Returns the news, and whether an outage is over.
    pub(super) fn succeeded(&mut self) -> (Option<Health>, bool) {
        let was_down = self.failures >= OUTAGE;
        self.failures = 0;
        self.refuses_since = None;
        (self.broken.take().map(|_| Health::Mended), was_down)
    }

    pub(super) fn failed(
        &mut self,
        disposition: Disposition,
        why: &str,
        now: Timestamp,
        jitter: f64,
        options: &Options,
    ) -> Option<Health> {
        self.failures = self.failures.saturating_add(1);
        let pause = match disposition {
            // The receiver is well and does not like this one alert.
            Disposition::Permanent => {
                self.failures = 0;
                self.refuses_since = None;
                return None;
            }
            Disposition::Retry { after: Some(after), .. } => after.min(options.longest_retry),
            _ if self.broken.is_some() => options.longest_retry,
            _ => backoff(self.failures, jitter, options).min(LONGEST_PAUSE),
        };
        let not_before = now.plus(pause);
        if self.not_before.is_none_or(|current| current.is_before(not_before)) {
            self.not_before = Some(not_before);
        }
        self.break_if_hopeless(disposition, why, now, options)
    }

    fn break_if_hopeless(
        &mut self,
        disposition: Disposition,
        why: &str,
        now: Timestamp,
        options: &Options,
    ) -> Option<Health> {
        let is_probed = match disposition {
            Disposition::ChannelBroken => false,
            Disposition::ChannelRefuses => {
                let since = *self.refuses_since.get_or_insert(now);
                if now.since(since) < options.broken_after {
                    return None;
                }
                true
            }
            Disposition::Retry { .. } | Disposition::Permanent => {
                self.refuses_since = None;
                return None;
            }
        };
        let is_news = self.broken.is_none();
        self.broken = Some(Broken { why: why.to_owned(), is_probed });
        is_news.then(|| Health::Broke { why: why.to_owned(), for_good: !is_probed })
    }
}

/// How long an entry waits for its next attempt; `None`: it will never be taken.
pub(super) fn entry_wait(disposition: Disposition, attempts: u32, jitter: f64, options: &Options) -> Option<Duration> {
    let own = backoff(attempts, jitter, options);
    match disposition {
        Disposition::Retry { after, .. } => Some(own.max(after.unwrap_or_default()).min(options.longest_retry)),
        Disposition::ChannelRefuses | Disposition::ChannelBroken => Some(own),
        Disposition::Permanent => None,
    }
}

/// Whether the receiver may have taken the alert although the attempt counts as failed.
pub(super) const fn may_have_arrived(disposition: Disposition) -> bool {
    matches!(disposition, Disposition::Retry { maybe_taken: true, .. })
}

/// Doubles from `first_retry` with each failure, up to `longest_retry`; `jitter` 0..1 takes off up to half of it, so
/// that entries and instances that failed together do not come back together.
fn backoff(failures: u32, jitter: f64, options: &Options) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let full = options.first_retry.saturating_mul(1 << doublings).min(options.longest_retry);
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    full.mul_f64(1.0 - 0.5 * jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_jitter_halves_them_at_most() {
        let options = Options::default();
        for (failures, jitter, expected_ms) in [
            (1, 0.0, 5_000),
            (2, 0.0, 10_000),
            (5, 0.0, 80_000),
            (8, 0.0, 600_000),
            (99, 0.0, 600_000),
            (1, 1.0, 2_500),
            (8, 0.5, 450_000),
            (1, f64::NAN, 5_000),
        ] {
            assert_eq!(backoff(failures, jitter, &options).as_millis(), expected_ms, "{failures} {jitter}");
        }
    }
}
