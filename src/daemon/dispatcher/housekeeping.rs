//! Retention: what the policy chooses is deleted, off the async threads.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::{info, warn};

use super::Dispatcher;
use crate::retention::{self, Item};
use crate::store::snapshots::Stored;

impl Dispatcher {
    /// Deletes what retention chooses, off the async threads.
    pub(super) fn keep_house(&mut self) {
        let open: BTreeSet<String> =
            self.cares.values().filter_map(|care| care.memory.alerts.episode()).map(str::to_owned).collect();
        let (directory, policy, metrics) =
            (self.tools.directory.clone(), self.rules.retention.clone(), Arc::clone(&self.tools.metrics));
        let now = self.tools.clock.now();
        self.housekeeping.spawn_blocking(move || {
            let inventory = match directory.inventory() {
                Ok(inventory) => inventory,
                Err(problem) => return warn!(error = %problem, "cannot list the snapshots"),
            };
            let items: Vec<Item> = inventory.iter().map(|stored| item(stored, &open)).collect();
            for deletion in retention::plan(&policy, &items, directory.free_disk().ok(), now) {
                match directory.delete(&deletion.name) {
                    Ok(()) => {
                        metrics.pruned(deletion.why.name());
                        info!(snapshot = %deletion.name, freed_bytes = deletion.bytes, "deleted snapshot {}: {}", deletion.name, deletion.why);
                    }
                    Err(problem) => warn!(snapshot = %deletion.name, error = %problem, "cannot delete a snapshot"),
                }
            }
        });
    }
}

fn item(stored: &Stored, open: &BTreeSet<String>) -> Item {
    let sidecar = &stored.sidecar;
    Item {
        name: stored.name.clone(),
        target: sidecar.target.clone(),
        at: sidecar.at,
        bytes: stored.disk_bytes,
        pair: sidecar.pair.clone(),
        episode: sidecar.episode.clone(),
        episode_open: sidecar.episode.as_ref().is_some_and(|episode| open.contains(episode)),
        pinned: stored.pinned,
    }
}
