//! What a person asks for through the API.

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tracing::info;

use super::{Batch, Dispatcher};
use crate::capture::gate::Refusal;
use crate::daemon::ledger::Write;
use crate::leak::Picture;
use crate::leak::event::PairPart;
use crate::status::trail::Topic;
use crate::store::record::AuditEvent;
use crate::target::TargetName;
use crate::web::{Asker, Request, SnapshotAnswer};

impl Dispatcher {
    // Whoever asked may have gone away meanwhile; what was asked for is done all the same.
    pub(super) async fn on_request(&mut self, request: Request, batch: &mut Batch) {
        match request {
            Request::Snapshot { target, by, reply } => {
                let answer = self.snapshot_now(&target, &by, batch).await;
                reply.send(answer).ok();
            }
            Request::Rearm { target, by, reply } => drop(reply.send(self.rearm(&target, &by, batch))),
            // A reload changes watchers and channels, which are the assembly's to start and stop.
            Request::Reload { by, reply } => {
                let says = format!("a reload was asked for by {by}");
                batch.record(AuditEvent::new(self.tools.clock.now(), Topic::Daemon, "reload_asked", says));
                self.reload(reply);
            }
            Request::Picture { target, reply } => self.picture(&target, reply),
            Request::Silence { ask, by, reply } => {
                let answer = self.add_silence(ask, &by, batch).await;
                reply.send(answer).ok();
            }
            Request::EndSilence { id, name, by, reply } => {
                let answer = self.end_silence(&id, name, &by, batch).await;
                reply.send(answer).ok();
            }
            Request::Events { query, reply } => self.events(query, reply),
            Request::MendChannel { channel, by, reply } => drop(reply.send(self.mend_channel(&channel, &by, batch))),
        }
    }

    async fn snapshot_now(&mut self, name: &TargetName, by: &Asker, batch: &mut Batch) -> SnapshotAnswer {
        let now = self.tools.clock.now();
        let has_first = self.cares.get(name).is_some_and(|care| care.memory.first().is_some());
        let part = if has_first { PairPart::Second } else { PairPart::First };
        let says = format!("{name}: a snapshot was asked for by {by}");
        batch.record(AuditEvent::new(now, Topic::Capture, "snapshot_asked", says).about(name));
        match self.ask_gate(name, part, true, now).await {
            Some(Ok(permit)) if self.start_capture(name, part, permit, now, batch).await => {
                SnapshotAnswer::Started { part }
            }
            Some(Ok(_)) => {
                SnapshotAnswer::Refused { refusals: vec![Refusal::Unrecorded.to_string()], advice: Vec::new() }
            }
            Some(Err(refused)) => SnapshotAnswer::Refused {
                refusals: refused.refusals.iter().map(ToString::to_string).collect(),
                advice: refused.advice,
            },
            None => SnapshotAnswer::Off { why: format!("snapshots of {name} are off in the configuration") },
        }
    }

    fn rearm(&mut self, name: &TargetName, by: &Asker, batch: &mut Batch) -> bool {
        let Some(care) = self.cares.get_mut(name) else { return false };
        let was_disarmed = care.disarmed.take().is_some();
        if was_disarmed {
            info!(target.name = %name, "captures of {name} are allowed again by {by}");
            batch.touched.insert(name.clone());
            batch.writes.push(Write::Rearm(name.clone()));
            let says = format!("{name}: captures are allowed again by {by}");
            batch.record(AuditEvent::new(self.tools.clock.now(), Topic::Capture, "rearmed", says).about(name));
        }
        was_disarmed
    }

    /// Never waits: the assembly may itself be waiting for the dispatcher to take in a new configuration.
    fn reload(&self, reply: oneshot::Sender<Result<(), Vec<String>>>) {
        if let Err(TrySendError::Full(reply)) = self.tools.reloads.try_send(reply) {
            reply.send(Err(vec!["too many reloads are waiting already".to_owned()])).ok();
        }
    }

    fn picture(&self, name: &TargetName, reply: oneshot::Sender<Option<Picture>>) {
        reply.send(self.tools.board.picture(name)).ok();
    }
}
