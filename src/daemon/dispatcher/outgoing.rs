//! What goes out: facts become alerts, alerts become letters, and all of it is written before it is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::warn;

use super::lanes::Lane;
use super::{Batch, CARE_KEY, Dispatcher};
use crate::alert::Channel;
use crate::alert::message::Alert;
use crate::alert::policy::Fact;
use crate::daemon::ledger::Write;
use crate::store::record::AuditEvent;
use crate::target::TargetName;

impl Dispatcher {
    /// Turns a fact into alerts, and alerts into letters of every channel that wants them.
    pub(super) fn say(&mut self, name: &TargetName, fact: Fact, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        let before = care.memory.alerts.clone();
        let alerts = care.memory.alerts.observe(fact, &self.rules.alerts.policy);
        if care.memory.alerts != before {
            batch.touched.insert(name.clone());
        }
        for alert in alerts {
            self.post(&alert, batch);
        }
    }

    pub(super) fn post(&mut self, alert: &Alert, batch: &mut Batch) {
        let now = self.tools.clock.now();
        batch.writes.push(Write::Audit(AuditEvent {
            at: alert.at,
            target: Some(alert.target.clone()),
            kind: alert.news.kind().to_owned(),
            // An alert is plain data with text keys, which JSON can always hold.
            json: serde_json::to_string(alert).unwrap_or_default(),
        }));
        let notify = self.rules.alerts.notify.contains(alert.news.kind());
        for lane in self.lanes.values_mut().filter(|lane| lane.wants(alert, notify)) {
            let letters = lane.push(alert.clone(), now);
            batch.writes.extend(letters.into_iter().map(Write::Letter));
        }
    }

    /// Writes what an event gave rise to, and shows it on the board.
    pub(super) async fn commit(&mut self, mut batch: Batch) {
        for name in &batch.touched {
            let Some(care) = self.cares.get(name) else { continue };
            if let Ok(body) = serde_json::to_vec(&care.memory) {
                batch.writes.push(Write::State { target: name.clone(), key: CARE_KEY, body });
            }
            let status = care.status();
            self.tools.board.care(name, |shown| *shown = status);
        }
        self.ledger.commit(batch.writes, self.tools.clock.now()).await;
    }

    /// Starts every delivery that is due.
    pub(super) fn pump(&mut self) {
        let now = self.tools.clock.now();
        for lane in self.lanes.values_mut() {
            if let Some(attempt) = lane.pump(now) {
                let events = self.tools.events.clone();
                self.deliveries.spawn(async move {
                    // Without a dispatcher the entry stays in the database and is sent after the next start.
                    events.send(attempt.run().await).await.ok();
                });
            }
        }
    }

    /// Lanes for the configured channels; a channel that stays keeps its outbox in the database.
    pub(super) async fn open_lanes(&mut self, channels: Vec<Channel>) {
        // An attempt under way belongs to the old lane; its outcome would be taken for the new one's.
        self.deliveries.abort_all();
        while self.deliveries.join_next().await.is_some() {}
        let mut lanes = BTreeMap::new();
        for channel in channels {
            let (store, name) = (Arc::clone(&self.tools.store), channel.name.clone());
            let left = tokio::task::spawn_blocking({
                let name = name.clone();
                move || store.read(|reader| reader.pending_letters(&name))
            })
            .await;
            let left = match left {
                Ok(Ok(letters)) => letters,
                Ok(Err(problem)) => {
                    warn!(channel = %name, error = %problem, "cannot read what channel {name} is owed");
                    Vec::new()
                }
                Err(_) => Vec::new(),
            };
            match Lane::open(channel, self.rules.alerts.outbox.clone(), &left) {
                Ok(lane) => drop(lanes.insert(name, lane)),
                Err(problem) => warn!(channel = %name, error = %problem, "channel {name} cannot be used"),
            }
        }
        self.lanes = lanes;
    }
}
