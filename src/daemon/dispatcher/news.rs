//! News of the watchers: what changed, and what it means for episodes and captures.

use super::{Batch, DETECTOR_KEY, Dispatcher};
use crate::alert::policy::Fact;
use crate::clock::Timestamp;
use crate::daemon::event::WatchNews;
use crate::daemon::ledger::Write;
use crate::leak::Packed;
use crate::leak::event::{Change, LeakEvent};
use crate::sample::Sample;
use crate::store::record::{Episode, Restart};
use crate::target::TargetName;

impl Dispatcher {
    pub(super) async fn on_news(&mut self, name: &TargetName, news: WatchNews, batch: &mut Batch) {
        if !self.cares.contains_key(name) {
            return Self::keep_samples_alone(name, news, batch);
        }
        match news {
            WatchNews::Changes { changes, state, samples } => {
                Self::keep_watch_state(name, &state, samples, batch);
                self.on_changes(name, changes, batch).await;
            }
            // Before what the same target has said last, nothing newer may be written.
            WatchNews::Checkpoint { state, samples } if batch.writes.is_empty() => {
                let mut later = Batch::default();
                Self::keep_watch_state(name, &state, samples, &mut later);
                self.ledger.defer(later.writes);
            }
            WatchNews::Checkpoint { state, samples } => Self::keep_watch_state(name, &state, samples, batch),
            WatchNews::Down { at, since, why, failed_polls } => {
                self.disarm_if_in_doubt(name, at, batch);
                let Some(care) = self.cares.get_mut(name) else { return };
                care.memory.down_since.get_or_insert(since);
                self.say(name, Fact::Down { at, why, failed_polls }, batch);
            }
            WatchNews::Up { at, since } => {
                let Some(care) = self.cares.get_mut(name) else { return };
                let since = care.memory.down_since.take().unwrap_or(since);
                self.say(name, Fact::Up { at, down: at.since(since) }, batch);
            }
        }
    }

    /// The last report of a watcher whose target is no longer configured: its verdict is forgotten already.
    fn keep_samples_alone(name: &TargetName, news: WatchNews, batch: &mut Batch) {
        if let WatchNews::Changes { samples, .. } | WatchNews::Checkpoint { samples, .. } = news
            && !samples.is_empty()
        {
            batch.writes.push(Write::Samples { target: name.clone(), samples });
        }
    }

    pub(super) fn keep_watch_state(name: &TargetName, state: &Packed, samples: Vec<Sample>, batch: &mut Batch) {
        let body = state.as_bytes().to_vec();
        batch.writes.push(Write::State { target: name.clone(), key: DETECTOR_KEY, body });
        if !samples.is_empty() {
            batch.writes.push(Write::Samples { target: name.clone(), samples });
        }
    }

    /// Detector news, in their order. The gate is asked before anything is said, so that a confirmed leak says at
    /// once why no snapshot is coming.
    pub(super) async fn on_changes(&mut self, name: &TargetName, changes: Vec<LeakEvent>, batch: &mut Batch) {
        for event in &changes {
            self.take_in(name, event, batch);
        }
        let now = self.tools.clock.now();
        let refusals = self.ask_gate_early(name, now).await;
        for event in changes {
            let confirmed = matches!(event.change, Change::LeakConfirmed { .. });
            let resolved = matches!(event.change, Change::LeakResolved { .. });
            let is_evident = confirmed || matches!(event.change, Change::StillLeaking { .. });
            let at = event.at;
            let before = self.episode_of(name);
            let told = if confirmed { refusals.clone() } else { Vec::new() };
            self.say(name, Fact::Detector { event, refusals: told }, batch);
            if confirmed {
                self.open_episode(name, at, batch);
            }
            if let (true, Some(care)) = (is_evident, self.cares.get_mut(name)) {
                care.memory.profiling.on_leak(at);
            }
            if let (true, Some(id)) = (resolved, before) {
                self.close_episode(name, id, at, batch);
            }
        }
        self.try_profile(name, now, batch).await;
        self.try_capture(name, now, batch).await;
    }

    pub(super) fn take_in(&mut self, name: &TargetName, event: &LeakEvent, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        batch.touched.insert(name.clone());
        match &event.change {
            Change::Restarted { cause, kills_this_week, .. } => {
                care.memory.begin_life();
                care.memory.kills_this_week = *kills_this_week;
                if let Some(running) = &mut care.running {
                    running.died = true;
                }
                if let Some(profile) = &mut care.profile {
                    profile.died = true;
                }
                batch.writes.push(Write::Restart(Restart { target: name.clone(), at: event.at, cause: *cause }));
                self.disarm_if_in_doubt(name, event.at, batch);
            }
            Change::SnapshotDue { part } if care.target.capture.is_some() => care.memory.on_due(*part, event.at),
            _ => {}
        }
    }

    pub(super) fn open_episode(&mut self, name: &TargetName, at: Timestamp, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        care.memory.begin_episode(at);
        if let Some(id) = care.memory.alerts.episode() {
            let row = Episode { id: id.to_owned(), target: name.clone(), opened: at, closed: None, json: "{}".into() };
            batch.writes.push(Write::Episode(row));
        }
    }

    pub(super) fn close_episode(&mut self, name: &TargetName, id: String, at: Timestamp, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        let opened = care.memory.confirmed.unwrap_or(at);
        care.memory.end_episode();
        let row = Episode { id, target: name.clone(), opened, closed: Some(at), json: "{}".into() };
        batch.writes.push(Write::Episode(row));
    }

    pub(super) fn episode_of(&self, name: &TargetName) -> Option<String> {
        self.cares.get(name).and_then(|care| care.memory.alerts.episode()).map(str::to_owned)
    }

    pub(super) fn remind(&mut self, now: Timestamp, batch: &mut Batch) {
        let open: Vec<TargetName> = self
            .cares
            .iter()
            .filter(|(_, care)| care.memory.alerts.episode().is_some())
            .map(|(name, _)| name.clone())
            .collect();
        for name in open {
            if let Some(verdict) = self.tools.board.get(&name).and_then(|status| status.watch.verdict) {
                self.say(&name, Fact::Tick { at: now, verdict }, batch);
            }
        }
    }
}
