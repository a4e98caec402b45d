//! What a capture has done to its target: its cost in memory, and whether the process survived it.

use tracing::{error, info};

use super::care::{Doubt, Failure};
use super::{Batch, Dispatcher, captures};
use crate::alert::policy::Fact;
use crate::capture::gate::{LearnedCost, Refusal};
use crate::clock::Timestamp;
use crate::daemon::ledger::Write;
use crate::evidence::CaptureKind;
use crate::status::TargetStatus;
use crate::status::trail::Topic;
use crate::store::record::{AuditEvent, Disarmed};
use crate::target::TargetName;

/// Polls after a capture until its cost is taken as settled.
const SETTLING_POLLS: u64 = 3;

impl Dispatcher {
    /// The process has gone while or right after we captured it: no further captures until a person says so.
    pub(super) fn disarm_if_in_doubt(&mut self, name: &TargetName, at: Timestamp, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        let Some(doubt) = care.doubt.take() else { return };
        let began = doubt.began;
        let why = format!(
            "its process died while a {} was being taken at {began}; find out why, give it more memory if that is what it lacked, then \
             `heapwatch rearm {name}`",
            doubt.kind.noun()
        );
        error!(target.name = %name, "captures of {name} are off: {why}");
        let disarmed = Disarmed { at, why };
        care.disarmed = Some(disarmed.clone());
        // It stays due in this life; that captures are off is said below.
        if let Some(wanted) = &mut care.memory.wanted {
            wanted.told.push(Refusal::Disarmed { why: disarmed.why.clone() }.name().to_owned());
        }
        batch.touched.insert(name.clone());
        let says = format!("{name}: captures are off: {}", disarmed.why);
        batch.record(AuditEvent::new(at, Topic::Capture, "disarmed", says).about(name));
        batch.writes.push(Write::Disarm { target: name.clone(), disarmed });
        let failure = doubt.failure.unwrap_or_else(interrupted);
        if doubt.kind == CaptureKind::HeapSnapshot {
            batch.writes.push(captures::attempt(name, doubt.part, began, failure.reason));
        }
        let (kind, part) = (doubt.kind, doubt.part);
        self.say(name, Fact::Failed { at, kind, part, why: failure.why, disarmed: true }, batch);
    }

    /// A process that answers again in the same life has survived the failed capture.
    pub(super) fn settle_doubt(&mut self, name: &TargetName, now: Timestamp, batch: &mut Batch) {
        /// The first poll may have begun before the capture ended, and the news of the second may still be queued.
        const LEAST_POLLS: u64 = 3;
        let Some(care) = self.cares.get_mut(name) else { return };
        let Some(doubt) = &care.doubt else { return };
        let seen = self.tools.board.look(name, |status| (status.watch.polls, status.watch.healthy_polls));
        let Some((polls, healthy_polls)) = seen else { return };
        let demanded = care.target.capture.as_ref().map_or(1, |capture| capture.gate.healthy_polls);
        let polls = polls.saturating_sub(doubt.polls_before);
        if polls < LEAST_POLLS.max(demanded.into()) || healthy_polls < demanded.max(1) {
            return;
        }
        let Some(doubt) = care.doubt.take() else { return };
        let Doubt { kind, part, began, failure, .. } = *doubt;
        // What became of a profile was told when it failed.
        if kind == CaptureKind::HeapProfile {
            return;
        }
        let reason = failure.as_ref().map_or_else(|| interrupted().reason, |failure| failure.reason);
        batch.writes.push(captures::attempt(name, part, began, reason));
        // A capture that our own stop has cut off is taken again, which is no news.
        if let Some(Failure { why, .. }) = failure {
            self.say(name, Fact::Failed { at: now, kind, part, why, disarmed: false }, batch);
        }
    }

    /// Learns what a capture has cost from the polls right after it.
    pub(super) fn observe_cost(&mut self, name: &TargetName, now: Timestamp, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        let Some(settling) = &mut care.memory.settling else { return };
        let rss_of = |status: &TargetStatus| status.watch.sample.as_ref().and_then(|sample| sample.rss);
        let seen = self.tools.board.look(name, |status| (status.watch.polls, rss_of(status)));
        let Some((polls, rss)) = seen else { return };
        if let Some(rss) = rss.filter(|rss| *rss > settling.rss_peak) {
            settling.rss_peak = rss;
            batch.touched.insert(name.clone());
        }
        if polls < settling.polls_before + SETTLING_POLLS {
            return;
        }
        let learned = LearnedCost::measured(settling.heap_used, settling.rss_before, settling.rss_peak, now);
        if let Some(cost) = learned {
            info!(target.name = %name, factor = cost.factor, "a snapshot of {name} costs {:.1} bytes for each byte of heap", cost.factor);
            // A later capture finds memory that the first one has left behind and looks cheaper than it was.
            let dearest = care.memory.learned.is_none_or(|known| known.factor < cost.factor);
            care.memory.learned = if dearest { Some(cost) } else { care.memory.learned };
        }
        care.memory.settling = None;
        batch.touched.insert(name.clone());
    }
}

fn interrupted() -> Failure {
    Failure { reason: "interrupted", why: "heapwatch was stopped while the snapshot was being taken".to_owned() }
}
