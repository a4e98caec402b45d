//! What the dispatcher holds of one target: the part that is written to the database, and the part that is not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::profiling::Profiling;
use crate::alert::policy::TargetAlerts;
use crate::capture::gate::{LearnedCost, Occasion, Situation};
use crate::clock::Timestamp;
use crate::config::Target;
use crate::evidence::CaptureKind;
use crate::leak::event::PairPart;
use crate::leak::verdict::State;
use crate::status::{CareStatus, EpisodeStatus, WaitingCapture, WatchStatus};
use crate::store::record::Disarmed;

/// Attempts count against the budget for this long.
pub(super) const BUDGET_WINDOW: Duration = Duration::from_hours(24);

/// Everything about one target.
#[derive(Debug)]
pub(super) struct Care {
    pub(super) target: Arc<Target>,
    pub(super) memory: Memory,
    pub(super) attempts: Vec<Timestamp>,
    pub(super) disarmed: Option<Disarmed>,
    pub(super) running: Option<Running>,
    /// The profile that is being taken.
    pub(super) profile: Option<Box<RunningProfile>>,
    /// A capture of which the target may have died.
    pub(super) doubt: Option<Box<Doubt>>,
    /// The comparison of its pair runs.
    pub(super) analysing: bool,
}

/// What survives a kill, as JSON in the database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// What has been said, and the open episode.
    pub(super) alerts: TargetAlerts,
    /// When that episode was confirmed.
    pub(super) confirmed: Option<Timestamp>,
    /// The pair being taken in this life.
    pub(super) pair: Option<Box<Pair>>,
    /// The capture that is due.
    pub(super) wanted: Option<Box<Wanted>>,
    /// The second was due while its first was still held back.
    #[serde(default)]
    pub(super) second_is_due: bool,
    /// When the last pair was complete.
    pub(super) last_pair: Option<Timestamp>,
    /// What a capture of this target costs.
    pub(super) learned: Option<LearnedCost>,
    /// Names of the open episode's snapshots, oldest first.
    pub(super) snapshots: Vec<String>,
    /// The first snapshot whose summary is owed.
    #[serde(default)]
    pub(super) to_summarise: Option<Box<Kept>>,
    /// The pair whose comparison is owed.
    pub(super) to_analyse: Option<Box<(Kept, Kept)>>,
    /// The pair of profiles.
    #[serde(default)]
    pub(super) profiling: Profiling,
    /// The first culprit, as one line.
    pub(super) culprit: Option<String>,
    /// Likely kills of the last 7 days, as the last restart reported them.
    pub(super) kills_this_week: u32,
    /// The last capture, until its cost is known.
    #[serde(default)]
    pub(super) settling: Option<Box<Settling>>,
    /// When the polls began to fail that it was called down for; it is down still.
    #[serde(default)]
    pub(super) down_since: Option<Timestamp>,
    /// The verdict that the audit trail has last.
    #[serde(default)]
    pub(super) verdict: Option<State>,
}

/// Two snapshots of one life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pair {
    pub(super) id: String,
    pub(super) first: Option<Kept>,
}

/// A snapshot on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// A capture that is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Wanted {
    pub(super) part: PairPart,
    pub(super) since: Timestamp,
    /// Not before this time, after a failure.
    pub(super) not_before: Timestamp,
    /// Rules that have said no already, so that nobody is told twice.
    pub(super) told: Vec<String>,
    /// What they say, with their numbers.
    pub(super) refusals: Vec<String>,
}

/// A capture that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) part: PairPart,
    pub(super) began: Timestamp,
    pub(super) heap_used: Option<u64>,
    pub(super) rss: Option<u64>,
    /// The process was seen to have restarted since.
    pub(super) died: bool,
}

/// A profile that is being taken.
#[derive(Clone, Debug)]
pub(super) struct RunningProfile {
    pub(super) part: PairPart,
    pub(super) began: Timestamp,
    pub(super) pair: String,
    /// Number of the life that it is of.
    pub(super) life: Option<u64>,
    /// The process was seen to have restarted since.
    pub(super) died: bool,
}

/// A capture that ended so that the target may have died of it. Polls that began after its end tell; until then its
/// attempt stays open in the database, so that a stop in between forgets nothing.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    pub(super) kind: CaptureKind,
    pub(super) part: PairPart,
    pub(super) began: Timestamp,
    /// Polls counted when it ended.
    pub(super) polls_before: u64,
    /// How it failed; `None` where heapwatch was stopped while it ran.
    pub(super) failure: Option<Failure>,
}

/// A failure that is told once it is known whether the target has survived it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The name in the database.
    pub(super) reason: &'static str,
    /// One line for people.
    pub(super) why: String,
}

/// The polls right after a capture, which show what it has cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Settling {
    pub(super) heap_used: u64,
    pub(super) rss_before: u64,
    pub(super) rss_peak: u64,
    /// Polls counted when the capture ended; a later run of the daemon counts from zero again.
    #[serde(skip)]
    pub(super) polls_before: u64,
}

impl Memory {
    pub(super) fn new(target: &Target) -> Self {
        Self::of(TargetAlerts::new(target.name.clone(), target.labels.clone()))
    }

    pub(super) fn of(alerts: TargetAlerts) -> Self {
        Self {
            alerts,
            confirmed: None,
            pair: None,
            wanted: None,
            second_is_due: false,
            last_pair: None,
            learned: None,
            snapshots: Vec::new(),
            to_summarise: None,
            to_analyse: None,
            profiling: Profiling::default(),
            culprit: None,
            kills_this_week: 0,
            settling: None,
            down_since: None,
            verdict: None,
        }
    }

    /// Marks a capture as due.
    pub(super) fn want(&mut self, part: PairPart, at: Timestamp) {
        let wanted = Wanted { part, since: at, not_before: at, told: Vec::new(), refusals: Vec::new() };
        self.wanted = Some(Box::new(wanted));
    }

    /// The detector asks for a snapshot. A second one waits for its first, which the gate may hold back for hours. One
    /// that is due already keeps what has been said of it.
    pub(super) fn on_due(&mut self, part: PairPart, at: Timestamp) {
        self.second_is_due = part == PairPart::Second && self.first().is_none();
        let is_due = self.wanted.as_ref().is_some_and(|wanted| wanted.part == part);
        if !self.second_is_due && !is_due {
            self.want(part, at);
        }
    }

    /// A first snapshot is stored; where its second was due before it, that is due one gap later.
    pub(super) fn on_first_stored(&mut self, kept: Kept, ended: Timestamp, gap: Duration) {
        if let Some(pair) = &mut self.pair {
            pair.first = Some(kept);
        }
        if std::mem::take(&mut self.second_is_due) {
            self.want(PairPart::Second, ended.plus(gap));
        }
    }

    /// The first snapshot of the pair that is being taken.
    pub(super) fn first(&self) -> Option<&Kept> {
        self.pair.as_ref()?.first.as_ref()
    }

    /// A new life: a pair is of one life, so what was begun is begun anew when it is due again.
    pub(super) fn begin_life(&mut self) {
        self.pair = None;
        self.wanted = None;
        self.second_is_due = false;
        self.settling = None;
        self.profiling.begin_life();
    }

    /// An episode begins.
    pub(super) fn begin_episode(&mut self, at: Timestamp) {
        self.confirmed = Some(at);
        self.snapshots.clear();
        self.profiling.forget_pair();
        self.profiling.profiles.clear();
        self.culprit = None;
    }

    /// Nothing has been said and nothing is open; what captures have cost stays known.
    pub(super) fn forget_episode(&mut self, target: &Target) {
        let (last_pair, learned) = (self.last_pair, self.learned);
        let profiling = std::mem::take(&mut self.profiling).budget_only();
        *self = Self { last_pair, learned, profiling, ..Self::new(target) };
    }

    /// The episode is over; captures that were due for it are no more.
    pub(super) fn end_episode(&mut self) {
        self.confirmed = None;
        self.pair = None;
        self.wanted = None;
        self.profiling.forget_pair();
        self.second_is_due = false;
    }
}

impl Care {
    /// True where a tick has something to look at: a capture that is due, in doubt or not yet counted in its cost.
    pub(super) fn is_busy(&self) -> bool {
        self.memory.wanted.is_some() || self.memory.settling.is_some() || self.doubt.is_some()
    }

    /// Drops attempts that no longer count; whether there were any.
    pub(super) fn forget_old_attempts(&mut self, now: Timestamp) -> bool {
        let before = self.attempts.len();
        self.attempts.retain(|at| now.since(*at) < BUDGET_WINDOW);
        self.attempts.len() < before
    }

    /// What the gate is asked about this target itself; what runs elsewhere is the caller's to fill in.
    pub(super) fn situation(&self, part: PairPart, by_person: bool, watch: &WatchStatus) -> Situation {
        let sample = watch.sample.as_ref();
        // Of a target that may have died of a capture, only polls since then show that it is well.
        let polls = self.doubt.as_ref().map_or(watch.polls, |doubt| watch.polls.saturating_sub(doubt.polls_before));
        let second = part == PairPart::Second && self.memory.first().is_some();
        Situation {
            heap_used: sample.and_then(|sample| sample.heap_used),
            rss: sample.and_then(|sample| sample.rss),
            reported_limit: sample.and_then(|sample| sample.memory_limit),
            learned_cost: self.memory.learned,
            free_disk: None,
            unrecorded: false,
            last_pair: self.memory.last_pair,
            captures_last_day: u32::try_from(self.attempts.len()).unwrap_or(u32::MAX),
            healthy_polls: watch.healthy_polls.min(u32::try_from(polls).unwrap_or(u32::MAX)),
            warming_up: watch.verdict.as_ref().is_none_or(|verdict| verdict.state == State::WarmingUp),
            disarmed: self.disarmed.as_ref().map(|disarmed| disarmed.why.clone()),
            group_busy: false,
            running: 0,
            max_running: usize::MAX,
            occasion: match (by_person, second) {
                (true, _) => Occasion::Person,
                (false, true) => Occasion::CompletesPair,
                (false, false) => Occasion::Detected,
            },
        }
    }

    /// What pages and API show of it; whether it is silenced is the dispatcher's to fill in.
    pub(super) fn status(&self) -> CareStatus {
        let memory = &self.memory;
        let episode = memory.alerts.episode().map(|id| EpisodeStatus {
            id: id.to_owned(),
            confirmed: memory.confirmed.unwrap_or(Timestamp::from_unix_ms(0)),
            snapshots: memory.snapshots.clone(),
            profiles: memory.profiling.profiles.clone(),
            culprit: memory.culprit.clone(),
            evidence: memory.alerts.evidence(),
        });
        let waiting = memory.wanted.as_ref().filter(|_| self.running.is_none()).map(|wanted| WaitingCapture {
            part: wanted.part,
            since: wanted.since,
            refusals: wanted.refusals.clone(),
        });
        let capture = self.target.capture.as_ref();
        CareStatus {
            episode: episode.map(Box::new),
            capturing: self.running.map(|running| running.part),
            profiles: match &self.target.profile {
                Some(_) => memory.profiling.says(),
                None => Some("off in the configuration".to_owned()),
            },
            waiting: waiting.map(Box::new),
            disarmed: self.disarmed.as_ref().map(|disarmed| disarmed.why.clone()),
            captures_last_day: u32::try_from(self.attempts.len()).unwrap_or(u32::MAX),
            daily_budget: capture.map_or(0, |capture| capture.gate.daily_budget),
            kills_this_week: memory.kills_this_week,
            budget_frees_at: self.attempts.first().map(|oldest| oldest.plus(BUDGET_WINDOW)),
            cooldown_until: capture.zip(memory.last_pair).map(|(capture, last)| last.plus(capture.gate.cooldown)),
            cost_factor: memory.learned.map(|cost| cost.factor),
            analysing: self.analysing,
            silenced: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::policy::TargetAlerts;
    use crate::target::TargetName;

    fn memory() -> Memory {
        Memory::of(TargetAlerts::new(TargetName::new("api").unwrap(), crate::target::Labels::new()))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_760_000_000_000).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_second_that_is_due_before_its_first_comes_one_gap_after_it() {
        let mut memory = memory();
        memory.on_due(PairPart::First, at(0));
        memory.on_due(PairPart::Second, at(60));
        assert_eq!(memory.wanted.as_ref().map(|wanted| wanted.part), Some(PairPart::First), "still held back");
        memory.wanted = None;
        memory.pair = Some(Box::new(Pair { id: "p".into(), first: None }));
        let kept = Kept { name: "first".into(), path: "first".into() };
        memory.on_first_stored(kept, at(300), Duration::from_mins(1));
        let wanted = memory.wanted.clone().unwrap();
        assert_eq!((wanted.part, wanted.not_before), (PairPart::Second, at(360)));
    }

    #[test]
    fn a_new_life_forgets_half_a_pair() {
        let mut memory = memory();
        memory.pair = Some(Box::new(Pair { id: "p".into(), first: Some(Kept { name: "f".into(), path: "f".into() }) }));
        memory.on_due(PairPart::Second, at(0));
        memory.begin_life();
        assert_eq!((memory.first(), memory.wanted.is_none(), memory.second_is_due), (None, true, false));
    }
}
