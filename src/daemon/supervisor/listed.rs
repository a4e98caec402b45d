//! Targets that sources list: which watchers there should be, and what becomes of a target that is listed no more.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::info;

use super::Supervisor;
use crate::daemon::dispatcher::{Order, recall};
use crate::daemon::event::Event;
use crate::daemon::sources::{News, Told};
use crate::target::TargetName;

/// Targets of which what is known is held at a time.
const AT_A_TIME: usize = 1_024;

impl Supervisor {
    /// Watches what is listed now, and nothing else.
    pub(super) async fn follow_targets(&mut self) {
        let wanted = self.sources.wanted(&self.configured, &self.discovery);
        let names: BTreeSet<&TargetName> = wanted.iter().map(|(target, _)| &target.name).collect();
        let gone: Vec<TargetName> = self.watched.keys().filter(|name| !names.contains(name)).cloned().collect();
        for name in gone {
            self.depart(name).await;
        }
        for some in wanted.chunks(AT_A_TIME) {
            let is_new = |name: &&TargetName| !self.watched.contains_key(*name);
            let new: Vec<TargetName> = some.iter().map(|(target, _)| &target.name).filter(is_new).cloned().collect();
            let mut known = recall(&self.parts.store, new, self.parts.clock.now()).await;
            for (target, source) in some.iter().cloned() {
                let known = known.remove(&target.name).unwrap_or_default();
                self.watch(target, source, known).await;
            }
        }
        self.show_sources();
    }

    pub(super) async fn on_source_news(&mut self, news: News) {
        let (is_other, told) = self.sources.take(news).await;
        if let Some(told) = told {
            self.tell(told).await;
        }
        if is_other {
            self.follow_targets().await;
        }
        self.show_sources();
    }

    pub(super) async fn tell(&self, told: Told) {
        let (source, why, is_over) = match told {
            Told::Trouble { source, why } => (source, format!("{why}; the last good list stays in force"), false),
            Told::Recovered { source, why } => (source, why, true),
        };
        let event = Event::Trouble { subject: format!("discovery {source}"), why, is_over };
        // Without a dispatcher the daemon is going down.
        self.parts.events.send(event).await.ok();
    }

    fn show_sources(&self) {
        let sources = self.sources.statuses(&self.discovery);
        self.parts.board.keep_house(|house| house.sources = sources);
    }

    /// Of a target that its source lists no more, an open incident is kept for a while: lists flap, and a pod that is
    /// replaced tells nothing of its leak. It is not polled meanwhile.
    async fn depart(&mut self, name: TargetName) {
        let Some(watched) = self.watched.get(&name) else { return };
        let has_episode = self.parts.board.look(&name, |status| status.care.episode.is_some()).unwrap_or_default();
        let (source, target) = (watched.source.clone(), Arc::clone(&watched.target));
        let Some(source) = source.filter(|_| has_episode && !self.discovery.hold.is_zero()) else {
            return self.release(name).await;
        };
        if !self.sources.leave(&source, &target).await {
            return self.release(name).await;
        }
        // First, as in `release`: the watcher, when it ends, knows that nobody watches any more.
        self.parts.board.remove(&name);
        if let Some(watched) = self.watched.remove(&name) {
            self.parts.fleet.release(&watched.target.name).await;
        }
        let hold = humantime::format_duration(self.discovery.hold);
        info!(target.name = %name, "{source} lists {name} no more; its incident is closed after {hold} unless it comes back");
    }

    /// Incidents that an earlier run has kept.
    pub(super) async fn adopt_leaving(&mut self) {
        let targets = self.sources.leaving_targets();
        let names: Vec<TargetName> = targets.iter().map(|target| target.name.clone()).collect();
        let mut known = recall(&self.parts.store, names, self.parts.clock.now()).await;
        for target in targets {
            let known = Box::new(known.remove(&target.name).unwrap_or_default());
            self.order(Order::Adopt { target, known }).await;
        }
    }

    pub(super) async fn on_departures(&mut self) {
        for name in self.sources.departed(&self.discovery) {
            self.release(name).await;
        }
        self.sources.keep_all().await;
        self.show_sources();
    }
}
