//! Profiles: the cheap kind of capture, taken of every confirmed leak where the target has them. No gate reckons with
//! the target's memory; what could hurt heapwatch or its disk is checked here.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::care::{Doubt, Failure, Kept, RunningProfile};
use super::profiling::retry;
use super::{Batch, Dispatcher};
use crate::alert::message::StoredSnapshot;
use crate::alert::policy::Fact;
use crate::capture::download::Capturer;
use crate::clock::Timestamp;
use crate::config::Target;
use crate::daemon::capturing::{self, CaptureFailure, Finished, Job};
use crate::daemon::event::Event;
use crate::errors;
use crate::evidence::CaptureKind;
use crate::leak::event::PairPart;
use crate::status::TargetStatus;
use crate::status::trail::Topic;
use crate::store::record::AuditEvent;
use crate::store::snapshots::Stored;
use crate::target::TargetName;
use crate::units::ByteSize;

/// Profiles at once over all targets: each holds a connection, and a few megabytes while it is checked.
const MOST_AT_ONCE: usize = 4;

impl Dispatcher {
    /// Starts the profile that is due.
    pub(super) async fn try_profile(&mut self, name: &TargetName, now: Timestamp, batch: &mut Batch) {
        let running = self.cares.values().filter(|care| care.profile.is_some()).count();
        let Some(status) = self.tools.board.get(name) else { return };
        let Some(care) = self.cares.get_mut(name) else { return };
        // Of a target that is paused by a snapshot, or does not answer, there is none now.
        let is_free = care.profile.is_none() && care.running.is_none() && care.doubt.is_none();
        if self.stopping || !is_free || running >= MOST_AT_ONCE || !status.watch.is_answering() {
            return;
        }
        if care.target.profile.is_none() {
            return;
        }
        let life = status.watch.life.map(|life| life.number);
        let Some(part) = care.memory.profiling.due(life, now) else { return };
        if let Some(why) = self.why_no_profile(name, now).await {
            self.tools.metrics.profile(name, "refused");
            return self.put_off(name, &why, now, batch);
        }
        let Some(profiler) = self.cares.get(name).and_then(|care| Self::make_profiler(&care.target)) else { return };
        self.start_profile(name, profiler, part, &status, batch).await;
    }

    /// What is in the way, besides the target.
    async fn why_no_profile(&mut self, name: &TargetName, now: Timestamp) -> Option<String> {
        let directory = self.tools.directory.clone();
        let free = tokio::task::spawn_blocking(move || directory.free_disk().ok()).await.ok().flatten();
        let unrecorded = self.ledger.is_failing();
        let care = self.cares.get_mut(name)?;
        let options = care.target.profile.as_ref()?;
        let (allowed, used) = (options.daily_budget, care.memory.profiling.asked_last_day(now));
        let needed = ByteSize::new(options.deadlines.max_bytes.bytes().saturating_add(options.disk_reserve.bytes()));
        if let Some(disarmed) = &care.disarmed {
            return Some(format!("captures of this target are off: {}", disarmed.why));
        }
        if unrecorded {
            return Some("the state database cannot be written, so the capture could not be recorded".to_owned());
        }
        if used >= allowed {
            return Some(format!("{used} profiles within 24 h, {allowed} allowed"));
        }
        let is_full = free.is_none_or(|free| free < needed.bytes());
        is_full.then(|| format!("needs {needed} of free disk, has {}", ByteSize::new(free.unwrap_or(0))))
    }

    /// It is tried again later; the first time, and whenever the reason changes, that is said.
    fn put_off(&mut self, name: &TargetName, why: &str, now: Timestamp, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        let again = now.plus(retry(gap_of(&care.target)));
        batch.touched.insert(name.clone());
        if !care.memory.profiling.on_failed(why, again) {
            return;
        }
        warn!(target.name = %name, "no profile of {name}: {why}");
        batch.record(
            AuditEvent::new(now, Topic::Capture, "profile_failed", format!("{name}: no profile: {why}")).about(name),
        );
        self.say(name, Fact::ProfileMissing { why: why.to_owned() }, batch);
    }

    async fn start_profile(
        &mut self,
        name: &TargetName,
        profiler: Arc<Capturer>,
        part: PairPart,
        status: &TargetStatus,
        batch: &mut Batch,
    ) {
        let began = self.tools.clock.now();
        let Some(care) = self.cares.get_mut(name) else { return };
        let pair = care.memory.profiling.pair_id(name.as_str(), began);
        let job = Job {
            target: Arc::clone(&care.target),
            capturer: profiler,
            directory: self.tools.directory.clone(),
            clock: self.tools.clock,
            began,
            part,
            pair: pair.clone(),
            episode: care.memory.alerts.episode().map(str::to_owned),
            life: status.watch.life,
            sample: status.watch.sample.clone(),
            verdict: status.watch.verdict.clone(),
        };
        let life = status.watch.life.map(|life| life.number);
        care.profile = Some(Box::new(RunningProfile { part, began, pair, life, died: false }));
        care.memory.profiling.on_asked(began);
        batch.touched.insert(name.clone());
        let says = format!("{name}: taking the {} profile", word(part));
        batch.record(AuditEvent::new(began, Topic::Capture, "profile_started", says).about(name));
        // As with snapshots: a budget that a kill resets is no budget.
        let written = std::mem::take(batch);
        self.commit(written).await;
        if self.ledger.is_failing() {
            let Some(care) = self.cares.get_mut(name) else { return };
            care.profile = None;
            care.memory.profiling.call_off(began);
            batch.touched.insert(name.clone());
            return;
        }
        info!(target.name = %name, "taking the {} heap profile of {name}", word(part));
        let events = self.tools.events.clone();
        self.captures.spawn(async move {
            events.send(Event::Captured(Box::new(capturing::run(job).await))).await.ok();
        });
    }

    pub(super) async fn on_profiled(&mut self, finished: Finished, batch: &mut Batch) {
        let name = finished.target.clone();
        let Some(care) = self.cares.get_mut(&name) else { return };
        let Some(running) = care.profile.take() else { return };
        let is_promised = care.target.profile.as_ref().is_some_and(|profile| profile.is_promised);
        batch.touched.insert(name.clone());
        let now = finished.ended;
        let result = match finished.outcome {
            Ok(stored) => self.on_profile_stored(&name, *running, &stored, now, batch),
            Err(failure) if failure.is_absence(is_promised) => self.on_profile_absent(&name, &failure, now, batch),
            Err(failure) => self.on_profile_failed(&name, &running, &failure, now, batch),
        };
        self.tools.metrics.profile(&name, result);
        // A snapshot that is due has waited for it.
        self.try_capture(&name, now, batch).await;
    }

    fn on_profile_stored(
        &mut self,
        name: &TargetName,
        running: RunningProfile,
        stored: &Stored,
        ended: Timestamp,
        batch: &mut Batch,
    ) -> &'static str {
        const STORED: &str = "stored";
        let Some(care) = self.cares.get_mut(name) else { return STORED };
        let gap = gap_of(&care.target);
        let in_episode = care.memory.alerts.episode().is_some();
        if in_episode {
            care.memory.profiling.profiles.push(stored.name.clone());
        }
        let sidecar = &stored.sidecar;
        let size = ByteSize::new(sidecar.bytes);
        let says = format!("{name}: {} profile stored, {size}, {}", word(sidecar.part), stored.path.display());
        batch.record(AuditEvent::new(ended, Topic::Capture, "profile_stored", says).about(name));
        // A restart has begun the pair anew, so this one is of a life that is over.
        if !running.died && in_episode {
            let kept = Kept { name: stored.name.clone(), path: stored.path.clone() };
            care.memory.profiling.on_stored(kept, running.pair, running.life, ended.plus(gap));
            let profile = StoredSnapshot {
                path: stored.path.display().to_string(),
                part: sidecar.part,
                at: sidecar.at,
                bytes: sidecar.bytes,
                sha256: sidecar.sha256.clone(),
                seconds: sidecar.seconds,
            };
            self.say(name, Fact::ProfileStored { profile }, batch);
        }
        self.keep_house();
        STORED
    }

    /// Neither an error nor an alert: most services have no such endpoint.
    fn on_profile_absent(
        &mut self,
        name: &TargetName,
        failure: &CaptureFailure,
        now: Timestamp,
        batch: &mut Batch,
    ) -> &'static str {
        if let Some(care) = self.cares.get_mut(name) {
            let why = failure.cause();
            care.memory.profiling.on_absent(&why);
            info!(target.name = %name, "{name} gives no heap profiles: {why}");
            let says = format!("{name}: gives no heap profiles ({why}); not asked again in this life");
            batch.record(AuditEvent::new(now, Topic::Capture, "profile_absent", says).about(name));
        }
        "absent"
    }

    fn on_profile_failed(
        &mut self,
        name: &TargetName,
        running: &RunningProfile,
        failure: &CaptureFailure,
        now: Timestamp,
        batch: &mut Batch,
    ) -> &'static str {
        let why = errors::one_line(failure);
        self.put_off(name, &why, now, batch);
        if failure.may_have_killed() {
            let polls_before = self.tools.board.look(name, |status| status.watch.polls).unwrap_or_default();
            let reason = failure.reason();
            if let Some(care) = self.cares.get_mut(name) {
                let failure = Some(Failure { reason, why });
                let (part, began) = (running.part, running.began);
                let kind = CaptureKind::HeapProfile;
                care.doubt = Some(Box::new(Doubt { kind, part, began, polls_before, failure }));
            }
            if running.died {
                self.disarm_if_in_doubt(name, now, batch);
            }
        }
        failure.reason()
    }

    fn make_profiler(target: &Target) -> Option<Arc<Capturer>> {
        match Capturer::of_profiles(*target.profile.clone()?) {
            Ok(profiler) => Some(Arc::new(profiler)),
            Err(problem) => {
                // `config` has built the same client before it let the file through.
                warn!(target.name = %target.name, error = %problem, "no profiles of {}", target.name);
                None
            }
        }
    }
}

fn gap_of(target: &Target) -> Duration {
    target.profile.as_ref().map_or(Duration::ZERO, |profile| profile.pair_gap)
}

const fn word(part: PairPart) -> &'static str {
    match part {
        PairPart::Baseline => "baseline",
        PairPart::First => "first",
        PairPart::Second => "second",
    }
}
