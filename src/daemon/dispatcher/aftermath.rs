//! What a capture has done to its target: its cost in memory, and whether the process survived it.

use tracing::{error, info};

use super::{Batch, Dispatcher};
use crate::capture::gate::LearnedCost;
use crate::clock::Timestamp;
use crate::daemon::ledger::Write;
use crate::store::record::Disarmed;
use crate::target::TargetName;

/// Polls after a capture until its cost is taken as settled.
const SETTLING_POLLS: u64 = 3;

impl Dispatcher {
    /// The process has gone while or right after we captured it: no further captures until a person says so.
    pub(super) fn disarm_if_in_doubt(&mut self, name: &TargetName, at: Timestamp, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        if !care.end_doubt(batch) || care.disarmed.is_some() {
            return;
        }
        let why = format!(
            "its process died while a snapshot was being taken at {at}; give it more memory, then `heapwatch rearm {name}`"
        );
        error!(target.name = %name, "captures of {name} are off: {why}");
        let disarmed = Disarmed { at, why };
        care.disarmed = Some(disarmed.clone());
        care.memory.wanted = None;
        batch.touched.insert(name.clone());
        batch.writes.push(Write::Disarm { target: name.clone(), disarmed });
    }

    /// A process that answers again in the same life has survived the failed capture.
    pub(super) fn settle_doubt(&mut self, name: &TargetName, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name).filter(|care| care.doubt.is_some()) else { return };
        let Some(status) = self.tools.board.get(name) else { return };
        let demanded = care.target.capture.as_ref().map_or(1, |capture| capture.gate.healthy_polls);
        if care.running.is_none() && status.watch.healthy_polls >= demanded {
            care.end_doubt(batch);
        }
    }

    /// Learns what a capture has cost from the polls right after it.
    pub(super) fn observe_cost(&mut self, name: &TargetName, now: Timestamp, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        let Some(settling) = &mut care.settling else { return };
        let Some(status) = self.tools.board.get(name) else { return };
        if let Some(rss) = status.watch.sample.as_ref().and_then(|sample| sample.rss) {
            settling.rss_peak = settling.rss_peak.max(rss);
        }
        if status.watch.polls < settling.polls_before + SETTLING_POLLS {
            return;
        }
        let learned = LearnedCost::measured(settling.heap_used, settling.rss_before, settling.rss_peak, now);
        if let Some(cost) = learned {
            info!(target.name = %name, factor = cost.factor, "a snapshot of {name} costs {:.1} bytes for each byte of heap", cost.factor);
            // A later capture finds memory that the first one has left behind and looks cheaper than it was.
            let dearest = care.memory.learned.is_none_or(|known| known.factor < cost.factor);
            care.memory.learned = if dearest { Some(cost) } else { care.memory.learned };
        }
        care.settling = None;
        batch.touched.insert(name.clone());
    }
}
