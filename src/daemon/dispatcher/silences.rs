//! Silences: made and ended by people, ended by time, and what they hold back on every channel.

use tracing::info;

use super::{Batch, Dispatcher};
use crate::alert::message::{Alert, News};
use crate::clock::Timestamp;
use crate::daemon::ledger::{self, Write};
use crate::silence::{self, Ask, Ended, Mark, Refusal, Silence};
use crate::status::trail::Topic;
use crate::store::record::AuditEvent;
use crate::target::{Labels, TargetName};
use crate::web::Asker;

impl Dispatcher {
    /// Those that an earlier run has left in the database.
    pub(super) async fn recall_silences(&mut self) {
        let now = self.tools.clock.now();
        let known = ledger::read(&self.tools.store, "the silences", move |reader| reader.silences(now)).await;
        self.silences = known.unwrap_or_default();
        let silences = self.silences.clone();
        self.tools.board.keep_house(|house| house.silences = silences);
    }

    /// Makes the silence that is asked for. It is on disk before the answer.
    pub(super) async fn add_silence(&mut self, ask: Ask, by: &Asker, batch: &mut Batch) -> Result<Silence, Refusal> {
        let (now, longest) = (self.tools.clock.now(), self.rules.alerts.longest_silence);
        let targets = self.cares.iter().map(|(name, care)| (name, &care.target.labels));
        let silence = ask.checked(self.free_id(), now, longest, targets)?;
        info!(silence = %silence.id, "{} is {}", silence.scope, silence.mark());
        let says = format!("{} is {}; asked for by {by}", silence.scope, silence.mark());
        batch.record(about(AuditEvent::new(now, Topic::Silence, "silence_added", says), &silence));
        batch.writes.push(Write::Silence(silence.clone()));
        self.silences.push(silence.clone());
        self.silences.sort_by_key(|silence| silence.until.steady_ms());
        self.apply_silences(now, batch);
        self.commit(std::mem::take(batch)).await;
        Ok(silence)
    }

    /// Ends a silence before its time; the start of an id is enough where it is the start of one only.
    pub(super) async fn end_silence(
        &mut self,
        id: &str,
        name: String,
        by: &Asker,
        batch: &mut Batch,
    ) -> Result<Silence, Refusal> {
        let now = self.tools.clock.now();
        let mut meant = self.silences.iter().filter(|silence| !id.is_empty() && silence.id.starts_with(id));
        let (Some(silence), None) = (meant.next().cloned(), meant.next()) else {
            return Err(Refusal::UnknownId(id.to_owned()));
        };
        let name = silence::person(&name)?;
        let says = format!("the silence of {} was ended by {name}: {}; asked for by {by}", silence.scope, silence.why);
        let silence = Silence { ended: Some(Ended { at: now, by: name }), ..silence };
        self.on_silence_over(&silence, now, says, batch);
        batch.writes.push(Write::Silence(silence.clone()));
        self.apply_silences(now, batch);
        self.commit(std::mem::take(batch)).await;
        Ok(silence)
    }

    /// Ends those whose time is over.
    pub(super) fn expire_silences(&mut self, now: Timestamp, batch: &mut Batch) {
        let over: Vec<Silence> = self.silences.iter().filter(|silence| !silence.is_active(now)).cloned().collect();
        if over.is_empty() {
            return;
        }
        for silence in &over {
            let says = format!("the silence of {} by {} is over: {}", silence.scope, silence.by, silence.why);
            self.on_silence_over(silence, now, says, batch);
        }
        self.apply_silences(now, batch);
    }

    fn on_silence_over(&mut self, silence: &Silence, now: Timestamp, says: String, batch: &mut Batch) {
        info!(silence = %silence.id, "{says}");
        self.silences.retain(|known| known.id != silence.id);
        batch.record(about(AuditEvent::new(now, Topic::Silence, "silence_ended", says), silence));
    }

    /// Holds back and lets go on every channel as the silences in force say, and shows them.
    pub(super) fn apply_silences(&mut self, now: Timestamp, batch: &mut Batch) {
        let silences = &self.silences;
        for lane in self.lanes.values_mut() {
            batch.settle(lane.silence(|alert| mark_of(silences, alert), now));
        }
        self.tools.metrics.silences(silences.len());
        self.tools.board.keep_house(|house| house.silences.clone_from(silences));
        for (name, care) in &self.cares {
            let mark = covering(silences, name, &care.target.labels);
            self.tools.board.care(name, |shown| shown.silenced = mark.map(Box::new));
        }
    }

    /// The silence that an alert meets.
    pub(super) fn mark_of(&self, alert: &Alert) -> Option<Mark> {
        mark_of(&self.silences, alert)
    }

    /// Shows what was decided about a target.
    pub(super) fn show_care(&self, name: &TargetName) {
        let Some(care) = self.cares.get(name) else { return };
        let mut status = care.status();
        status.silenced = covering(&self.silences, name, &care.target.labels).map(Box::new);
        self.tools.board.care(name, |shown| *shown = status);
    }

    /// An id that no silence in force has. Six digits are enough for people to tell the few apart.
    fn free_id(&self) -> String {
        loop {
            let id = format!("{:06x}", fastrand::u32(..1 << 24));
            if !self.silences.iter().any(|silence| silence.id == id) {
                return id;
            }
        }
    }
}

/// heapwatch's own trouble is no target's, so no silence covers it.
fn mark_of(silences: &[Silence], alert: &Alert) -> Option<Mark> {
    match alert.news {
        News::Trouble { .. } | News::Test { .. } => None,
        _ => covering(silences, &alert.target, &alert.labels),
    }
}

fn covering(silences: &[Silence], target: &TargetName, labels: &Labels) -> Option<Mark> {
    silence::longest(silences.iter().filter(|silence| silence.scope.covers(target, labels)))
}

/// With the target where the silence names one, so that the trail of that target has it.
fn about(event: AuditEvent, silence: &Silence) -> AuditEvent {
    let event = event.with(silence);
    match silence.scope.target().and_then(|name| TargetName::new(name).ok()) {
        Some(target) => event.about(&target),
        None => event,
    }
}
