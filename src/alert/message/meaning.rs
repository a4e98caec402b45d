//! What an alert means to a receiver: its names, its place in an incident, and which incident that is.

use super::{Alert, Leak, News, Severity, Status};

impl Status {
    /// The word in bodies and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Note => "note",
        }
    }
}

impl Severity {
    /// The word in bodies and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Alert {
    /// Where this alert stands in its incident. Whatever is told of an open episode is `Firing`.
    pub fn status(&self) -> Status {
        match &self.news {
            News::LeakConfirmed(_)
            | News::LeakReminder(_)
            | News::StillLeaking(_)
            | News::TargetDown { .. }
            | News::GaugeGrows { .. } => Status::Firing,
            News::LeakResolved { .. }
            | News::TargetUp { .. }
            | News::GaugeSteady { .. }
            | News::NoLongerWatched { .. } => Status::Resolved,
            News::Gauge { exceeded, .. } => match exceeded {
                true => Status::Firing,
                false => Status::Resolved,
            },
            News::Trouble { status, .. } | News::Test { status } => *status,
            News::LeakSuspected(_) | News::Misconfigured { .. } => Status::Note,
            News::AnalysisReady(_)
            | News::AnalysisFailed { .. }
            | News::TargetRestarted { .. }
            | News::SnapshotStored(_)
            | News::SnapshotSkipped { .. }
            | News::SnapshotFailed { .. } => match self.episode {
                Some(_) => Status::Firing,
                None => Status::Note,
            },
        }
    }

    /// Whether this alert begins an incident, so that a resolve right behind it leaves nothing to tell.
    pub fn opens(&self) -> bool {
        match &self.news {
            News::LeakConfirmed(_) | News::TargetDown { .. } | News::GaugeGrows { .. } => true,
            News::Gauge { .. } | News::Trouble { .. } | News::Test { .. } => self.status() == Status::Firing,
            _ => false,
        }
    }

    /// Whether it is still worth telling when the silence that held it back is over: what lasts, unlike what merely
    /// happened meanwhile.
    pub fn outlasts_silence(&self) -> bool {
        self.opens() || matches!(&self.news, News::Misconfigured { .. } | News::SnapshotFailed { disarmed: true, .. })
    }

    /// Whether it tells how an open leak stands, so that of several the newest says it all.
    pub fn tells_of_open_leak(&self) -> bool {
        matches!(&self.news, News::LeakReminder(_) | News::StillLeaking(_) | News::AnalysisReady(_))
    }

    /// The key that a trigger, what follows it and its resolve have in common, and that nothing else has:
    /// `heapwatch/checkout-api/leak/<episode>`. It survives restarts of heapwatch.
    pub fn incident(&self) -> String {
        let target = &self.target;
        if let News::NoLongerWatched { incident } = &self.news {
            return incident.clone();
        }
        if let Some(episode) = &self.episode {
            return format!("heapwatch/{target}/leak/{episode}");
        }
        match &self.news {
            News::TargetDown { .. } | News::TargetUp { .. } => format!("heapwatch/{target}/down"),
            News::Gauge { gauge, .. } => format!("heapwatch/{target}/gauge/{gauge}"),
            News::GaugeGrows { gauge, .. } | News::GaugeSteady { gauge, .. } => {
                format!("heapwatch/{target}/gauge_growth/{gauge}")
            }
            News::Trouble { subject, status: Status::Firing | Status::Resolved, .. } => {
                format!("heapwatch/{target}/trouble/{subject}")
            }
            News::Test { .. } => format!("heapwatch/{target}/test"),
            _ => format!("heapwatch/{target}/{}/{}", self.news.kind(), self.id),
        }
    }
}

/// Every kind of news but the test of a channel, which always goes out.
pub const KINDS: [&str; 19] = [
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
    "gauge_grows",
    "gauge_steady",
    "misconfigured",
    "no_longer_watched",
    "trouble",
];

impl News {
    /// The name of the event, as everywhere else in heapwatch: `leak_confirmed`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::LeakSuspected(_) => "leak_suspected",
            Self::LeakConfirmed(_) => "leak_confirmed",
            Self::LeakReminder(_) => "leak_reminder",
            Self::StillLeaking(_) => "still_leaking",
            Self::LeakResolved { .. } => "leak_resolved",
            Self::AnalysisReady(_) => "analysis_ready",
            Self::AnalysisFailed { .. } => "analysis_failed",
            Self::TargetRestarted { .. } => "target_restarted",
            Self::TargetDown { .. } => "target_down",
            Self::TargetUp { .. } => "target_up",
            Self::SnapshotStored(_) => "snapshot_stored",
            Self::SnapshotSkipped { .. } => "snapshot_skipped",
            Self::SnapshotFailed { .. } => "snapshot_failed",
            Self::Gauge { .. } => "gauge",
            Self::GaugeGrows { .. } => "gauge_grows",
            Self::GaugeSteady { .. } => "gauge_steady",
            Self::Misconfigured { .. } => "misconfigured",
            Self::NoLongerWatched { .. } => "no_longer_watched",
            Self::Trouble { .. } => "trouble",
            Self::Test { .. } => "test",
        }
    }

    /// The type of a webhook event: dot-separated, as Standard Webhooks wants it.
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::LeakSuspected(_) => "memory.growth.suspected",
            Self::LeakConfirmed(_) => "memory.growth.detected",
            Self::LeakReminder(_) => "memory.growth.reminder",
            Self::StillLeaking(_) => "memory.growth.persists",
            Self::LeakResolved { .. } => "memory.growth.resolved",
            Self::AnalysisReady(_) => "memory.growth.explained",
            Self::AnalysisFailed { .. } => "analysis.failed",
            Self::TargetRestarted { .. } => "target.restarted",
            Self::TargetDown { .. } => "target.down",
            Self::TargetUp { .. } => "target.up",
            Self::SnapshotStored(_) => "snapshot.stored",
            Self::SnapshotSkipped { .. } => "snapshot.skipped",
            Self::SnapshotFailed { .. } => "snapshot.failed",
            Self::Gauge { .. } => "gauge.changed",
            Self::GaugeGrows { .. } => "gauge.growth.detected",
            Self::GaugeSteady { .. } => "gauge.growth.resolved",
            Self::Misconfigured { .. } => "target.misconfigured",
            Self::NoLongerWatched { .. } => "target.removed",
            Self::Trouble { .. } => "heapwatch.trouble",
            Self::Test { .. } => "channel.test",
        }
    }

    /// The leak in numbers, where this news is about one.
    pub const fn leak(&self) -> Option<&Leak> {
        match self {
            Self::LeakSuspected(leak)
            | Self::LeakConfirmed(leak)
            | Self::LeakReminder(leak)
            | Self::StillLeaking(leak)
            | Self::AnalysisReady(leak) => Some(leak),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::alert::examples;

    #[test]
    fn every_kind_of_news_is_listed() {
        let kinds: BTreeSet<&str> = examples::all().iter().map(|alert| alert.news.kind()).collect();
        assert_eq!(kinds, KINDS.into_iter().chain(["test"]).collect());
    }
}
