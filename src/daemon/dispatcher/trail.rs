//! The audit trail: what each happening writes into it, and pages of it for people.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::oneshot;

use super::lanes::Change;
use super::{Batch, Dispatcher};
use crate::alert::message::{Alert, News};
use crate::alert::wording;
use crate::clock::Timestamp;
use crate::daemon::ledger::{self, Write};
use crate::leak::verdict::State;
use crate::status::trail::{Topic, TrailPage, TrailQuery};
use crate::store::record::AuditEvent;

impl Batch {
    /// Adds a line to the audit trail.
    pub(super) fn record(&mut self, event: AuditEvent) {
        self.writes.push(Write::Audit(event));
    }

    /// Writes what has changed in an outbox, with what that means to people.
    pub(super) fn settle(&mut self, changes: Vec<Change>) {
        for Change { letter, event } in changes {
            self.writes.push(Write::Letter(letter));
            self.writes.extend(event.map(Write::Audit));
        }
    }
}

/// An alert as the trail has it, whoever is told of it.
pub(super) fn of_alert(alert: &Alert) -> AuditEvent {
    let headline = wording::headline(alert);
    let says = match &alert.silenced {
        Some(mark) => format!("{headline} ({mark})"),
        None => headline,
    };
    let topic = match &alert.news {
        News::SnapshotStored(_)
        | News::SnapshotSkipped { .. }
        | News::SnapshotFailed { .. }
        | News::AnalysisReady(_)
        | News::AnalysisFailed { .. } => Topic::Capture,
        _ => Topic::Alert,
    };
    AuditEvent::new(alert.at, topic, alert.news.kind(), says).about(&alert.target).with(alert)
}

impl Dispatcher {
    /// The daemon begins: what holds from before it is known before anything is said.
    pub(super) async fn begin(&mut self) {
        self.recall_silences().await;
        self.recall_broken_channels().await;
        let mut batch = Batch::default();
        let (version, now) = (env!("CARGO_PKG_VERSION"), self.tools.clock.now());
        let how = if self.tools.store.stopped_cleanly() { "" } else { "; the run before did not stop in order" };
        let event = AuditEvent::new(now, Topic::Daemon, "started", format!("heapwatch {version} started{how}"));
        let store = &self.tools.store;
        let facts = json!({ "stopped_cleanly": store.stopped_cleanly(), "last_alive": store.last_alive() });
        batch.record(event.with(&facts));
        self.commit(batch).await;
    }

    /// The daemon ends in order.
    pub(super) async fn end(&mut self, owed: usize) {
        let mut batch = Batch::default();
        let says = format!("heapwatch stopped; {owed} alerts stay in the outbox");
        batch.record(AuditEvent::new(self.tools.clock.now(), Topic::Daemon, "stopped", says));
        self.commit(batch).await;
    }

    /// Records verdicts that have changed: those that lead to alerts at once, any other when it has held for a block, so
    /// that a target which answers now and then does not fill the trail.
    pub(super) fn observe_verdicts(&mut self, now: Timestamp, batch: &mut Batch) {
        let cares = &self.cares;
        let changed = self.tools.board.survey(|status| {
            let verdict = status.watch.verdict.as_ref()?;
            let care = cares.get(&status.name)?;
            let is_urgent = matches!(verdict.state, State::Suspected | State::Leaking | State::Recovering);
            let holds = is_urgent || now.since(verdict.since) >= care.target.leak.block;
            (holds && care.memory.verdict != Some(verdict.state)).then(|| status.name.clone())
        });
        for name in changed {
            let Some(verdict) = self.tools.board.get(&name).and_then(|status| status.watch.verdict) else { continue };
            let Some(care) = self.cares.get_mut(&name) else { continue };
            let (before, state) = (care.memory.verdict.replace(verdict.state), verdict.state);
            let from = before.map_or_else(String::new, |before| format!(", was {before}"));
            let event = AuditEvent::new(now, Topic::Verdict, state.name(), format!("{name}: {state}{from}"));
            batch.record(event.about(&name).with(&verdict));
            batch.touched.insert(name);
        }
    }

    /// Answers with a page of the trail. Reading takes as long as the disk does, so the loop does not wait for it.
    pub(super) fn events(&mut self, query: TrailQuery, reply: oneshot::Sender<Option<TrailPage>>) {
        let (store, now) = (Arc::clone(&self.tools.store), self.tools.clock.now());
        self.housekeeping.spawn(async move {
            let page = ledger::read(&store, "the audit trail", move |reader| reader.events(&query, now)).await;
            // Whoever asked may have gone away.
            reply.send(page).ok();
        });
    }
}
