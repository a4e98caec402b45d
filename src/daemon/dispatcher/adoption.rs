//! Targets that come into care, with what the database knows of them.

use std::sync::Arc;

use super::care::{Care, Doubt, Memory};
use super::recall::Known;
use super::{Batch, DETECTOR_KEY, Dispatcher, captures};
use crate::alert::policy::Fact;
use crate::config::Target;
use crate::daemon::ledger::Write;
use crate::evidence::CaptureKind;
use crate::target::TargetName;

impl Dispatcher {
    /// `known` is what the database knows of a target that is new.
    pub(super) fn adopt(&mut self, target: Arc<Target>, known: Known) {
        let name = target.name.clone();
        let labels = target.labels.clone();
        let mut care = match self.cares.remove(&name) {
            Some(care) => Care { target, ..*care },
            None => Self::care_of(target, known),
        };
        care.memory.alerts.relabel(labels);
        self.cares.insert(name.clone(), Box::new(care));
        self.show_care(&name);
    }

    /// Whatever is open on the receivers is closed there. Verdict and episode go with it: a target that comes back is
    /// judged anew, so that a leak that goes on is confirmed, and told, once more. Without an episode the verdict stays.
    pub(super) async fn release(&mut self, name: &TargetName) {
        let (mut batch, at) = (Batch::default(), self.tools.clock.now());
        let has_episode = self.episode_of(name).is_some();
        self.say(name, Fact::Removed { at }, &mut batch);
        if let Some(care) = self.cares.get_mut(name) {
            care.memory.forget_episode(&care.target);
            batch.touched.insert(name.clone());
        }
        if has_episode {
            batch.writes.push(Write::State { target: name.clone(), key: DETECTOR_KEY, body: Vec::new() });
        }
        self.commit(batch).await;
        self.cares.remove(name);
    }

    fn care_of(target: Arc<Target>, known: Known) -> Care {
        let Known { detector: _, memory, attempts, disarmed } = known;
        // A capture that had begun and has no end was cut off with the daemon; whether the target survived it is
        // for the next polls to say.
        let cut_off = attempts.iter().rev().find(|attempt| attempt.outcome == captures::STARTED);
        let doubt = cut_off.map(|attempt| {
            Box::new(Doubt {
                kind: CaptureKind::HeapSnapshot,
                part: attempt.part,
                began: attempt.at,
                polls_before: 0,
                failure: None,
            })
        });
        Care {
            memory: memory.unwrap_or_else(|| Memory::new(&target)),
            target,
            attempts: attempts.into_iter().map(|attempt| attempt.at).collect(),
            disarmed,
            running: None,
            profile: None,
            doubt,
            analysing: false,
        }
    }
}
