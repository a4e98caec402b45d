//! Retention: what the policy chooses is deleted, off the async threads.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::{info, warn};

use super::Dispatcher;
use crate::daemon::event::Event;
use crate::retention;
use crate::store::record::AuditEvent;

impl Dispatcher {
    /// Deletes what retention chooses, off the async threads.
    pub(super) fn keep_house(&mut self) {
        // Before that, the pair of an open episode would look like one that nobody needs.
        if !self.settled {
            return;
        }
        let open: BTreeSet<String> =
            self.cares.values().filter_map(|care| care.memory.alerts.episode()).map(str::to_owned).collect();
        let (directory, policy, metrics) =
            (self.tools.directory.clone(), self.rules.retention.clone(), Arc::clone(&self.tools.metrics));
        let (now, events) = (self.tools.clock.now(), self.tools.events.clone());
        self.housekeeping.spawn_blocking(move || {
            let inventory = match directory.inventory() {
                Ok(inventory) => inventory,
                Err(problem) => return warn!(error = %problem, "cannot list the snapshots"),
            };
            let items: Vec<_> = inventory.iter().map(|stored| stored.item(&open)).collect();
            let free = directory.free_disk().ok();
            metrics.storage_free(free.unwrap_or(0));
            let mut bytes: u64 = inventory.iter().map(|stored| stored.disk_bytes).sum();
            for deletion in retention::plan(&policy, &items, free, now) {
                match directory.delete(&deletion.name) {
                    Ok(()) => {
                        metrics.pruned(deletion.why.name());
                        bytes = bytes.saturating_sub(deletion.bytes);
                        let event = AuditEvent::deleted(&deletion, "retention", now);
                        // Without a dispatcher the daemon is going down.
                        events.blocking_send(Event::Recorded(Box::new(event))).ok();
                        info!(snapshot = %deletion.name, freed_bytes = deletion.bytes, "deleted snapshot {}: {}", deletion.name, deletion.why);
                    }
                    Err(problem) => warn!(snapshot = %deletion.name, error = %problem, "cannot delete a snapshot"),
                }
            }
            metrics.kept(bytes, now.unix_seconds());
        });
    }
}
