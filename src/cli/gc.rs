//! `heapwatch gc`: shows what retention would delete now, and deletes it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::trail;
use crate::clock::Timestamp;
use crate::retention::{self, Deletion, Item, Policy};
use crate::store::record::AuditEvent;
use crate::store::snapshots::SnapshotDir;
use crate::store::{Store, StoreError};
use crate::units::ByteSize;

/// Delete the snapshots that retention gives up now, and say why each; the daemon does the same every now and then.
///
/// Pinned snapshots stay, and so does the newest pair of every leak that is not resolved.
#[derive(Clone, Debug, Default, Args)]
pub struct GcArgs {
    /// Only show what would go.
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Why the command ended early.
#[derive(Debug, thiserror::Error)]
pub enum GcError {
    /// The snapshot directory cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Standard output is gone.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

/// Where the command works.
#[derive(Clone, Copy, Debug)]
pub struct Directories<'a> {
    /// Where snapshots are stored.
    pub snapshots: &'a Path,
    /// Knows which episodes are open, and what has been done.
    pub state: &'a Path,
}

/// Runs the command.
pub fn run(
    args: &GcArgs,
    directories: Directories<'_>,
    policy: &Policy,
    now: Timestamp,
    out: &mut impl Write,
) -> Result<(), GcError> {
    let snapshots = SnapshotDir::attach(directories.snapshots)?;
    let items = items(&snapshots, directories.state)?;
    let deletions = retention::plan(policy, &items, snapshots.free_disk().ok(), now);
    if !args.dry_run {
        let by = trail::user();
        for deletion in &deletions {
            snapshots.delete(&deletion.name)?;
            trail::record(directories.state, &AuditEvent::deleted(deletion, &by, now), now);
        }
    }
    let report = Report { of: items.len(), deletions, dry_run: args.dry_run };
    Ok(writeln!(out, "{}", if args.json { report.as_json() } else { report.as_text() })?)
}

fn items(snapshots: &SnapshotDir, state: &Path) -> Result<Vec<Item>, StoreError> {
    let inventory = snapshots.inventory()?;
    let open_episodes = open_episodes(state).unwrap_or_else(|_| {
        // What nobody knows to be resolved is kept.
        inventory.iter().filter_map(|stored| stored.sidecar.episode.clone()).collect()
    });
    Ok(inventory.iter().map(|stored| stored.item(&open_episodes)).collect())
}

fn open_episodes(state: &Path) -> Result<BTreeSet<String>, StoreError> {
    let store = Store::attach(state)?;
    store.read(|state| Ok(state.open_episodes()?.into_iter().map(|episode| episode.id).collect()))
}

struct Report {
    deletions: Vec<Deletion>,
    /// Snapshots that there were before.
    of: usize,
    dry_run: bool,
}

impl Report {
    fn freed(&self) -> u64 {
        self.deletions.iter().fold(0, |sum, deletion| sum.saturating_add(deletion.bytes))
    }

    fn as_text(&self) -> String {
        let (verb, total) = if self.dry_run { ("would delete", "would free") } else { ("deleted", "freed") };
        let mut lines: Vec<String> = self
            .deletions
            .iter()
            .map(|Deletion { name, bytes, why }| format!("{verb} {name} ({}): {why}", ByteSize::new(*bytes)))
            .collect();
        let freed = ByteSize::new(self.freed());
        lines.push(format!("{total} {freed} in {} of {} snapshots", self.deletions.len(), self.of));
        lines.join("\n")
    }

    fn as_json(&self) -> String {
        let deleted: Vec<_> = self
            .deletions
            .iter()
            .map(|Deletion { name, bytes, why }| json!({ "id": name, "bytes": bytes, "why": why.name() }))
            .collect();
        let kept = self.of.saturating_sub(self.deletions.len());
        let report = json!({ "dry_run": self.dry_run, "deleted": deleted, "freed_bytes": self.freed(), "kept": kept });
        format!("{report:#}")
    }
}
