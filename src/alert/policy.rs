//! Which happening becomes which alert: once per episode, with reminders, a severity, and an id that is the same
//! when the same thing is seen again after a crash. Pure; the state is the caller's to keep.

mod agreement;
mod episode;
mod fact;
mod id;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::episode::Episode;
pub use self::fact::Fact;
pub use self::id::{test, trouble};
use crate::alert::message::{Alert, Culprit, GaugeGrowth, Leak, News, Severity, StoredSnapshot};
use crate::alert::wording::evidence;
use crate::clock::Timestamp;
use crate::evidence::CaptureKind;
use crate::leak::event::{Change, LeakEvent, PairPart, Resolution, RestartCause};
use crate::leak::verdict::{Growth, Reason, Verdict};
use crate::sample::Signal;
use crate::target::{Labels, Life, TargetName};

/// From this likely kill within a week on, a restart is critical: it has become a pattern.
const KILLS_OF_A_PATTERN: u32 = 3;

/// When to speak, and how loud.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Time between two reminders of an open episode; none: no reminders.
    pub repeat_interval: Option<Duration>,
    /// A leak that reaches the memory limit within this time is critical, any other a warning.
    pub critical_within: Duration,
}

/// What has been said of one target. Keep it with the target's other state, in the same transaction as the alerts
/// it returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetAlerts {
    target: TargetName,
    labels: Labels,
    /// Boxed: most targets have none, and it is large.
    episode: Option<Box<Episode>>,
    is_down: bool,
    /// Gauges over their maximum.
    exceeded: BTreeSet<String>,
    /// Gauges that grow steadily.
    growing: BTreeSet<String>,
}

impl TargetAlerts {
    /// Nothing has been said of this target yet.
    pub fn new(target: TargetName, labels: Labels) -> Self {
        Self { target, labels, episode: None, is_down: false, exceeded: BTreeSet::new(), growing: BTreeSet::new() }
    }

    /// Labels from a changed configuration; they show from the next alert on.
    pub fn relabel(&mut self, labels: Labels) {
        self.labels = labels;
    }

    /// The id of the open episode, for snapshots and the status page.
    pub fn episode(&self) -> Option<&str> {
        self.episode.as_ref().map(|episode| episode.id.as_str())
    }

    /// The first culprit of the open episode, as one line.
    pub fn culprit(&self) -> Option<String> {
        self.episode.as_ref()?.leak.culprits.first().map(|culprit| culprit.headline.clone())
    }

    /// The best evidence of the open episode, as in its alerts.
    pub fn evidence(&self) -> Option<String> {
        self.episode.as_ref().map(|episode| evidence(&episode.leak))
    }

    /// How much the open episode matters.
    pub fn severity(&self) -> Option<Severity> {
        self.episode.as_ref().map(|episode| episode.severity)
    }

    /// Takes in a fact; returns the alerts it gives rise to, in order.
    #[must_use = "alerts are to be put into the outboxes"]
    pub fn observe(&mut self, fact: Fact, options: &Options) -> Vec<Alert> {
        let alert = match fact {
            Fact::Detector { event, refusals } => self.on_change(event, refusals, options),
            Fact::Down { at, why, failed_polls } => self.on_down(at, why, failed_polls),
            Fact::Up { at, down } => self.on_up(at, down),
            Fact::Stored { at, snapshot } => Some(self.on_stored(at, snapshot)),
            Fact::Skipped { at, part, refusals, advice } => self.on_skipped(at, part, refusals, advice),
            Fact::Failed { at, kind, part, why, disarmed } => {
                Some(self.on_failed(at, News::SnapshotFailed { capture: kind, part, why, disarmed }))
            }
            Fact::ProfileStored { profile } => return self.note(|episode| episode.on_profile_stored(profile)),
            Fact::ProfileMissing { why } => return self.note(|episode| episode.leak.missing_profiles = vec![why]),
            Fact::ProfilesCompared { at, culprits } => self.on_profiles_compared(at, culprits),
            Fact::Analysed { at, culprits } => self.on_analysed(at, culprits),
            Fact::NotAnalysed { at, why } => Some(self.in_episode(at, Severity::Info, News::AnalysisFailed { why })),
            Fact::Tick { at, verdict } => self.on_tick(at, &verdict, options),
            Fact::Removed { at } => return self.on_removed(at),
        };
        alert.into_iter().collect()
    }

    fn on_change(&mut self, event: LeakEvent, refusals: Vec<String>, options: &Options) -> Option<Alert> {
        let at = event.at;
        match event.change {
            Change::LeakSuspected { signal, growth, reasons } if self.episode.is_none() => {
                let leak = episode::leak(signal, growth, reasons, Vec::new());
                Some(self.alone(at, Severity::Info, News::LeakSuspected(leak)))
            }
            Change::LeakConfirmed { signal, growth, reasons } => {
                self.on_confirmed(at, episode::leak(signal, growth, reasons, refusals), options)
            }
            Change::LeakResolved { signal, resolution } => Some(self.on_resolved(at, signal, resolution)),
            Change::StillLeaking { signal, growth } => Some(self.on_still_leaking(at, signal, growth, options)),
            Change::Restarted { ended, began, cause, kills_this_week } => {
                Some(self.on_restarted(at, ended, began, cause, kills_this_week))
            }
            Change::GaugeExceeded { gauge, value, maximum } => self.on_gauge(at, gauge, value, maximum, true),
            Change::GaugeRecovered { gauge, value, maximum } => self.on_gauge(at, gauge, value, maximum, false),
            Change::GaugeGrows { gauge, slope_per_hour, from, to, since } => {
                let growth = GaugeGrowth { slope_per_hour, from, to, since };
                self.on_gauge_grows(at, gauge, growth)
            }
            Change::GaugeSteady { gauge, value } => self.on_gauge_steady(at, gauge, value),
            Change::SeveralProcesses { evidence } => {
                let why = format!("several processes answer behind this URL ({evidence}); list them as targets each");
                Some(self.alone(at, Severity::Warning, News::Misconfigured { why }))
            }
            Change::LeakSuspected { .. } | Change::SnapshotDue { .. } => None,
        }
    }

    /// An episode alerts once: when it is confirmed again, only its numbers change.
    fn on_confirmed(&mut self, at: Timestamp, leak: Leak, options: &Options) -> Option<Alert> {
        if let Some(open) = &mut self.episode {
            open.update(leak.signal, leak.growth, leak.reasons, options);
            return None;
        }
        let episode = Episode::open(id::of_episode(&self.target, at), at, leak, options);
        let (severity, news) = (episode.severity, News::LeakConfirmed(episode.leak.clone()));
        self.episode = Some(Box::new(episode));
        Some(self.in_episode(at, severity, news))
    }

    fn on_still_leaking(&mut self, at: Timestamp, signal: Signal, growth: Growth, options: &Options) -> Alert {
        let id = id::of_episode(&self.target, at);
        let begin = || Box::new(Episode::open(id, at, episode::leak(signal, growth, Vec::new(), Vec::new()), options));
        let episode = self.episode.get_or_insert_with(begin);
        episode.update(signal, growth, Vec::new(), options);
        episode.last_said = at;
        let (severity, news) = (episode.severity, News::StillLeaking(episode.leak.clone()));
        self.in_episode(at, severity, news)
    }

    /// The resolve carries the severity of the episode, so that it goes wherever its alerts went.
    fn on_resolved(&mut self, at: Timestamp, signal: Signal, resolution: Resolution) -> Alert {
        let id = id::of_episode(&self.target, resolution.confirmed);
        let (episode, severity) =
            self.episode.take().map_or((id, Severity::Warning), |episode| (episode.id, episode.severity));
        self.alert(at, Some(episode), severity, News::LeakResolved { signal, resolution })
    }

    fn on_restarted(
        &mut self,
        at: Timestamp,
        ended: Life,
        began: Life,
        cause: RestartCause,
        kills_this_week: u32,
    ) -> Alert {
        let severity = match cause {
            RestartCause::Unknown => Severity::Info,
            RestartCause::AtMemoryLimit if kills_this_week >= KILLS_OF_A_PATTERN => Severity::Critical,
            RestartCause::AtMemoryLimit => Severity::Warning,
        };
        if let Some(episode) = &mut self.episode {
            episode.on_new_life();
        }
        self.in_episode(at, severity, News::TargetRestarted { ended, began, cause, kills_this_week })
    }

    fn on_gauge(&mut self, at: Timestamp, gauge: String, value: f64, maximum: f64, exceeded: bool) -> Option<Alert> {
        let is_news = if exceeded { self.exceeded.insert(gauge.clone()) } else { self.exceeded.remove(&gauge) };
        let alert = || self.alone(at, Severity::Warning, News::Gauge { gauge, value, maximum, exceeded });
        is_news.then(alert)
    }

    fn on_gauge_grows(&mut self, at: Timestamp, gauge: String, growth: GaugeGrowth) -> Option<Alert> {
        let is_news = self.growing.insert(gauge.clone());
        is_news.then(|| self.alone(at, Severity::Warning, News::GaugeGrows { gauge, growth }))
    }

    fn on_gauge_steady(&mut self, at: Timestamp, gauge: String, value: f64) -> Option<Alert> {
        let is_news = self.growing.remove(&gauge);
        is_news.then(|| self.alone(at, Severity::Warning, News::GaugeSteady { gauge, value }))
    }

    fn on_down(&mut self, at: Timestamp, why: String, failed_polls: u32) -> Option<Alert> {
        let is_news = !std::mem::replace(&mut self.is_down, true);
        is_news.then(|| self.alone(at, Severity::Warning, News::TargetDown { why, failed_polls }))
    }

    fn on_up(&mut self, at: Timestamp, down: Duration) -> Option<Alert> {
        let is_news = std::mem::replace(&mut self.is_down, false);
        is_news.then(|| self.alone(at, Severity::Warning, News::TargetUp { down_seconds: down.as_secs_f64() }))
    }

    fn on_stored(&mut self, at: Timestamp, snapshot: StoredSnapshot) -> Alert {
        if let Some(episode) = &mut self.episode {
            episode.on_stored(snapshot.clone());
        }
        self.in_episode(at, Severity::Info, News::SnapshotStored(snapshot))
    }

    /// The gate may be asked at each poll; it is told once until something is stored or the process restarts.
    fn on_skipped(
        &mut self,
        at: Timestamp,
        part: PairPart,
        refusals: Vec<String>,
        advice: Vec<String>,
    ) -> Option<Alert> {
        if let Some(episode) = &mut self.episode
            && !episode.on_skipped(part, &refusals)
        {
            return None;
        }
        Some(self.in_episode(at, Severity::Info, News::SnapshotSkipped { part, refusals, advice }))
    }

    /// A capture that coincided with the death of its target is for a person to look into; any other is tried again.
    fn on_failed(&mut self, at: Timestamp, news: News) -> Alert {
        let is_disarmed = matches!(&news, News::SnapshotFailed { disarmed: true, .. });
        if let (Some(episode), News::SnapshotFailed { capture: CaptureKind::HeapSnapshot, why, .. }) =
            (&mut self.episode, &news)
        {
            episode.leak.missing_snapshots = vec![why.clone()];
            episode.leak.snapshot_refused = false;
        }
        let severity = if is_disarmed { Severity::Warning } else { Severity::Info };
        self.in_episode(at, severity, news)
    }

    fn on_analysed(&mut self, at: Timestamp, culprits: Vec<Culprit>) -> Option<Alert> {
        self.episode.as_mut()?.on_snapshots_compared(culprits).then(|| self.explained(at))?
    }

    /// Told where the snapshots have not told more already.
    fn on_profiles_compared(&mut self, at: Timestamp, culprits: Vec<Culprit>) -> Option<Alert> {
        self.episode.as_mut()?.on_profiles_compared(culprits).then(|| self.explained(at))?
    }

    fn explained(&mut self, at: Timestamp) -> Option<Alert> {
        let episode = self.episode.as_mut()?;
        episode.last_said = at;
        let (severity, news) = (episode.severity, News::AnalysisReady(episode.leak.clone()));
        Some(self.in_episode(at, severity, news))
    }

    /// Something to know of the open episode that is no news by itself.
    fn note(&mut self, take_in: impl FnOnce(&mut Episode)) -> Vec<Alert> {
        self.episode.as_deref_mut().map(take_in);
        Vec::new()
    }

    fn on_tick(&mut self, at: Timestamp, verdict: &Verdict, options: &Options) -> Option<Alert> {
        let episode = self.episode.as_mut()?;
        let leak = episode.remind(at, verdict, options)?;
        let (severity, news) = (episode.severity, News::LeakReminder(leak));
        Some(self.in_episode(at, severity, news))
    }

    /// Whatever is open on the receivers is closed there, and says why.
    fn on_removed(&mut self, at: Timestamp) -> Vec<Alert> {
        let target = &self.target;
        let episode = self.episode.take();
        let severity = episode.as_ref().map_or(Severity::Warning, |episode| episode.severity);
        let leak = episode.map(|episode| format!("heapwatch/{target}/leak/{}", episode.id));
        let down = self.is_down.then(|| format!("heapwatch/{target}/down"));
        let exceeded = self.exceeded.iter().map(|gauge| format!("heapwatch/{target}/gauge/{gauge}"));
        let growing = self.growing.iter().map(|gauge| format!("heapwatch/{target}/gauge_growth/{gauge}"));
        let open: Vec<String> = leak.into_iter().chain(down).chain(exceeded).chain(growing).collect();
        let close = |incident| self.alone(at, severity, News::NoLongerWatched { incident });
        open.into_iter().map(close).collect()
    }

    /// An alert of the open episode, or of none where none is open.
    fn in_episode(&self, at: Timestamp, severity: Severity, news: News) -> Alert {
        self.alert(at, self.episode().map(str::to_owned), severity, news)
    }

    fn alone(&self, at: Timestamp, severity: Severity, news: News) -> Alert {
        self.alert(at, None, severity, news)
    }

    fn alert(&self, at: Timestamp, episode: Option<String>, severity: Severity, news: News) -> Alert {
        let id = id::of_alert(&self.target, episode.as_deref(), &news, at);
        Alert {
            id,
            at,
            target: self.target.clone(),
            labels: self.labels.clone(),
            episode,
            severity,
            news,
            silenced: None,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { repeat_interval: Some(Duration::from_hours(4)), critical_within: Duration::from_hours(6) }
    }
}

/// Critical where the memory limit is near, else a warning.
fn severity_of(growth: &Growth, options: &Options) -> Severity {
    let is_near = |seconds: f64| seconds <= options.critical_within.as_secs_f64();
    if growth.limit_in_seconds.is_some_and(is_near) { Severity::Critical } else { Severity::Warning }
}

#[cfg(test)]
mod tests;
