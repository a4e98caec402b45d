//! Captures: what is due, what the gate says, what became of it.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::care::{Care, Doubt, Failure, Kept, Pair, Running, Settling};
use super::{Batch, Dispatcher};
use crate::alert::message::StoredSnapshot;
use crate::alert::policy::Fact;
use crate::capture::download::Capturer;
use crate::capture::gate::{self, Permit, Refused, Situation};
use crate::clock::Timestamp;
use crate::config::Target;
use crate::daemon::capturing::{self, CaptureFailure, Finished, Job};
use crate::daemon::event::Event;
use crate::daemon::ledger::Write;
use crate::daemon::watcher::Command;
use crate::errors;
use crate::evidence::CaptureKind;
use crate::leak::event::PairPart;
use crate::status::TargetStatus;
use crate::status::trail::Topic;
use crate::store::record::{Attempt, AuditEvent};
use crate::store::snapshots::Stored;
use crate::target::TargetName;

/// The outcome of an attempt that has none yet.
pub(super) const STARTED: &str = "started";
/// A failed capture is tried again after this part of the pair's gap.
const RETRY_PART: u32 = 6;

impl Dispatcher {
    /// What the gate would say of the capture that is due, as sentences, before anything is started.
    pub(super) async fn ask_gate_early(&mut self, name: &TargetName, now: Timestamp) -> Vec<String> {
        let Some(part) = self.cares.get(name).and_then(|care| care.memory.wanted.as_ref()).map(|wanted| wanted.part)
        else {
            return Vec::new();
        };
        match self.ask_gate(name, part, false, now).await {
            Some(Err(refused)) => refused.refusals.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }

    /// Asks the gate; `None` where the target has no captures or is not known.
    pub(super) async fn ask_gate(
        &mut self,
        name: &TargetName,
        part: PairPart,
        by_person: bool,
        now: Timestamp,
    ) -> Option<Result<Permit, Refused>> {
        let directory = self.tools.directory.clone();
        let free_disk = tokio::task::spawn_blocking(move || directory.free_disk().ok()).await.ok().flatten();
        if let Some(bytes) = free_disk {
            self.tools.metrics.storage_free(bytes);
        }
        let status = self.tools.board.get(name)?;
        let running = self.cares.values().filter(|care| care.running.is_some()).count();
        let group_busy = self.group_is_busy(name);
        let max_running = self.rules.limits.max_captures;
        let unrecorded = self.ledger.is_failing();
        let care = self.cares.get_mut(name)?;
        care.target.capture.as_ref()?;
        care.forget_old_attempts(now);
        let situation = Situation {
            free_disk,
            unrecorded,
            group_busy,
            running,
            max_running,
            ..care.situation(part, by_person, &status.watch)
        };
        let options = &care.target.capture.as_ref()?.gate;
        Some(gate::decide(&situation, options, now))
    }

    /// Attempts stop counting a day after they were made.
    pub(super) fn free_budgets(&mut self, now: Timestamp, batch: &mut Batch) {
        for (name, care) in &mut self.cares {
            if care.forget_old_attempts(now) {
                batch.touched.insert(name.clone());
            }
        }
    }

    fn group_is_busy(&self, name: &TargetName) -> bool {
        if self.cares.get(name).is_some_and(|care| care.profile.is_some()) {
            return true;
        }
        let Some(group) = self.cares.get(name).and_then(|care| care.target.group.clone()) else {
            return self.cares.get(name).is_some_and(|care| care.running.is_some());
        };
        self.cares.values().any(|care| care.running.is_some() && care.target.group.as_ref() == Some(&group))
    }

    /// Starts the capture that is due, or says once why it may not be.
    pub(super) async fn try_capture(&mut self, name: &TargetName, now: Timestamp, batch: &mut Batch) {
        let Some(care) = self.cares.get(name) else { return };
        let Some(wanted) = &care.memory.wanted else { return };
        // A profile takes a moment, and a process that is paused by its snapshot would not answer it.
        let is_busy = care.running.is_some() || care.profile.is_some() || care.doubt.is_some();
        if self.stopping || is_busy || now.is_before(wanted.not_before) {
            return;
        }
        let part = wanted.part;
        match self.ask_gate(name, part, false, now).await {
            Some(Ok(permit)) => drop(self.start_capture(name, part, permit, now, batch).await),
            Some(Err(refused)) => self.on_refused(name, part, &refused, now, batch),
            None => {}
        }
    }

    fn on_refused(&mut self, name: &TargetName, part: PairPart, refused: &Refused, now: Timestamp, batch: &mut Batch) {
        let Some(wanted) = self.cares.get_mut(name).and_then(|care| care.memory.wanted.as_mut()) else { return };
        let sentences: Vec<String> = refused.refusals.iter().map(ToString::to_string).collect();
        if wanted.refusals != sentences {
            wanted.refusals.clone_from(&sentences);
            batch.touched.insert(name.clone());
        }
        let lasting: Vec<_> = refused.refusals.iter().filter(|refusal| !refusal.is_passing()).collect();
        let news = lasting.iter().any(|refusal| !wanted.told.iter().any(|told| told == refusal.name()));
        if !news {
            return;
        }
        wanted.told = lasting.iter().map(|refusal| refusal.name().to_owned()).collect();
        for refusal in &lasting {
            self.tools.metrics.capture_refused(refusal.name());
        }
        warn!(target.name = %name, refusals = ?sentences, "no snapshot of {name}: {}", sentences.join("; "));
        let fact = Fact::Skipped { at: now, part, refusals: sentences, advice: refused.advice.clone() };
        self.say(name, fact, batch);
    }

    /// Writes the attempt, tells the watcher, and starts the download. Whether it runs: not where the attempt could not
    /// be written.
    pub(super) async fn start_capture(
        &mut self,
        name: &TargetName,
        part: PairPart,
        permit: Permit,
        now: Timestamp,
        batch: &mut Batch,
    ) -> bool {
        let Some(status) = self.tools.board.get(name) else { return false };
        let Some(care) = self.cares.get_mut(name) else { return false };
        let Some(capturer) = Self::make_capturer(&care.target) else { return false };
        let job = prepare(care, capturer, part, now, &status, &self.tools);
        let sample = status.watch.sample.as_ref();
        care.running = Some(Running {
            part,
            began: now,
            heap_used: sample.and_then(|sample| sample.heap_used),
            rss: sample.and_then(|sample| sample.rss),
            died: false,
        });
        care.attempts.push(now);
        care.memory.settling = None;
        batch.touched.insert(name.clone());
        batch.writes.push(attempt(name, part, now, STARTED));
        let says = format!("{name}: taking the {} snapshot", format!("{part:?}").to_lowercase());
        batch.record(AuditEvent::new(now, Topic::Capture, "snapshot_started", says).about(name));
        // The attempt is on disk before the request goes out: a budget that a kill resets is no budget.
        let written = std::mem::take(batch);
        self.commit(written).await;
        if self.ledger.is_failing() {
            self.call_off(name, part, now, batch);
            return false;
        }
        info!(
            target.name = %name, needed_bytes = permit.needed_memory, allowed_bytes = permit.allowed_memory,
            "taking a heap snapshot of {name}"
        );
        self.tools.fleet.tell(name, Command::CaptureBegan).await;
        let events = self.tools.events.clone();
        self.captures.spawn(async move {
            events.send(Event::Captured(Box::new(capturing::run(job).await))).await.ok();
        });
        true
    }

    /// A capture that nobody would remember is not begun; the gate says why when it is asked again.
    fn call_off(&mut self, name: &TargetName, part: PairPart, began: Timestamp, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        care.running = None;
        care.attempts.retain(|attempt| *attempt != began);
        batch.touched.insert(name.clone());
        batch.writes.push(attempt(name, part, began, "unrecorded"));
    }

    pub(super) async fn on_captured(&mut self, finished: Finished, batch: &mut Batch) {
        let name = finished.target.clone();
        let outcome = finished.outcome.as_ref().map_or_else(CaptureFailure::reason, |_| "stored");
        self.tools.metrics.capture(&name, outcome);
        let Some(running) = self.cares.get_mut(&name).and_then(|care| care.running.take()) else {
            // The target has left the configuration meanwhile; its budget is kept for the case that it comes back.
            return batch.writes.push(attempt(&name, finished.part, finished.began, outcome));
        };
        batch.touched.insert(name.clone());
        let stored = finished.outcome.is_ok();
        if let Ok(Stored { sidecar, .. }) = &finished.outcome {
            self.tools.metrics.stored(sidecar.seconds, sidecar.bytes);
        }
        // A snapshot of a process that has since gone is of no use to the pair of the new one.
        let counts = stored && !running.died;
        self.tools.fleet.tell(&name, Command::CaptureEnded { part: finished.part, stored: counts }).await;
        if !finished.outcome.as_ref().is_err_and(CaptureFailure::may_have_killed) {
            batch.writes.push(attempt(&name, finished.part, finished.began, outcome));
        }
        match finished.outcome {
            Ok(snapshot) => self.on_stored(&name, running, &snapshot, finished.ended, batch),
            Err(failure) => self.on_capture_failed(&name, running, &failure, finished.ended, batch),
        }
    }

    fn on_stored(
        &mut self,
        name: &TargetName,
        running: Running,
        snapshot: &Stored,
        ended: Timestamp,
        batch: &mut Batch,
    ) {
        let polls_before = self.tools.board.look(name, |status| status.watch.polls).unwrap_or_default();
        let Some(care) = self.cares.get_mut(name) else { return };
        let gap = care.target.capture.as_ref().map_or(Duration::ZERO, |capture| capture.pair_gap);
        let memory = &mut care.memory;
        memory.wanted = memory.wanted.take().filter(|wanted| wanted.part != running.part);
        // Outside an episode nobody asks for them, and the next one begins with an empty list.
        if memory.alerts.episode().is_some() {
            memory.snapshots.push(snapshot.name.clone());
        }
        let at = snapshot.sidecar.at;
        let kept = Kept { name: snapshot.name.clone(), path: snapshot.path.clone() };
        match running.part {
            // Taken so that a leak that is confirmed soon after has something to be compared with: no cooldown.
            PairPart::Baseline => memory.to_summarise = Some(Box::new(kept)),
            // A restart has begun the pair anew, so this one is of a life that is over.
            _ if running.died => {}
            PairPart::First => {
                memory.to_summarise = Some(Box::new(kept.clone()));
                memory.on_first_stored(kept, ended, gap);
            }
            PairPart::Second => {
                let first = memory.pair.take().and_then(|pair| pair.first);
                memory.to_analyse = first.map(|first| Box::new((first, kept)));
                memory.last_pair = Some(at);
            }
        }
        if let (Some(heap_used), Some(rss_before)) = (running.heap_used, running.rss) {
            let settling = Settling { heap_used, rss_before, rss_peak: rss_before, polls_before };
            care.memory.settling = Some(Box::new(settling));
        }
        let sidecar = &snapshot.sidecar;
        let snapshot = StoredSnapshot {
            path: snapshot.path.display().to_string(),
            part: sidecar.part,
            at,
            bytes: sidecar.bytes,
            sha256: sidecar.sha256.clone(),
            seconds: sidecar.seconds,
        };
        self.say(name, Fact::Stored { at: ended, snapshot }, batch);
        self.keep_house();
    }

    fn on_capture_failed(
        &mut self,
        name: &TargetName,
        running: Running,
        failure: &CaptureFailure,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        let why = errors::one_line(failure);
        let Some(care) = self.cares.get_mut(name) else { return };
        let gap = care.target.capture.as_ref().map_or(Duration::ZERO, |capture| capture.pair_gap);
        if let Some(wanted) = &mut care.memory.wanted {
            wanted.not_before = at.plus(gap / RETRY_PART);
        }
        warn!(target.name = %name, reason = failure.reason(), "the snapshot of {name} failed: {why}");
        if !failure.may_have_killed() {
            let kind = CaptureKind::HeapSnapshot;
            self.say(name, Fact::Failed { at, kind, part: running.part, why, disarmed: false }, batch);
            return;
        }
        let polls_before = self.tools.board.look(name, |status| status.watch.polls).unwrap_or_default();
        let failure = Some(Failure { reason: failure.reason(), why });
        let (kind, part, began) = (CaptureKind::HeapSnapshot, running.part, running.began);
        care.doubt = Some(Box::new(Doubt { kind, part, began, polls_before, failure }));
        if running.died {
            self.disarm_if_in_doubt(name, at, batch);
        }
    }

    fn make_capturer(target: &Target) -> Option<Arc<Capturer>> {
        match Capturer::new(*target.capture.clone()?) {
            Ok(capturer) => Some(Arc::new(capturer)),
            Err(problem) => {
                // `config` has built the same client before it let the file through.
                warn!(target.name = %target.name, error = %problem, "no captures of {}", target.name);
                None
            }
        }
    }
}

/// One row for each capture that was asked for; its end replaces its begin.
pub(super) fn attempt(name: &TargetName, part: PairPart, at: Timestamp, outcome: &str) -> Write {
    Write::Attempt(Attempt { target: name.clone(), at, part, outcome: outcome.to_owned() })
}

fn prepare(
    care: &mut Care,
    capturer: Arc<Capturer>,
    part: PairPart,
    now: Timestamp,
    status: &TargetStatus,
    tools: &super::Tools,
) -> Job {
    if part != PairPart::Second || care.memory.pair.is_none() {
        let pair = Pair { id: format!("{}-{}", care.target.name, now.to_compact()), first: None };
        care.memory.pair = Some(Box::new(pair));
    }
    let pair = care.memory.pair.as_ref().map_or_else(String::new, |pair| pair.id.clone());
    Job {
        target: Arc::clone(&care.target),
        capturer,
        directory: tools.directory.clone(),
        clock: tools.clock,
        began: now,
        part,
        pair,
        episode: care.memory.alerts.episode().map(str::to_owned),
        life: status.watch.life,
        sample: status.watch.sample.clone(),
        verdict: status.watch.verdict.clone(),
    }
}
