//! `heapwatch snapshots`: what is stored, and what a person wants to keep.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde_json::json;

use super::gc::Directories;
use super::trail;
use crate::clock::Timestamp;
use crate::status::trail::Topic;
use crate::store::StoreError;
use crate::store::record::AuditEvent;
use crate::store::snapshots::{SnapshotDir, Stored};
use crate::units::ByteSize;

/// List the stored snapshots, or pin one so that it is never deleted.
#[derive(Clone, Debug, Default, Args)]
pub struct SnapshotsArgs {
    /// What to do; lists them where nothing is said.
    #[command(subcommand)]
    pub action: Option<SnapshotsAction>,
    /// Print one JSON array.
    #[arg(long)]
    pub json: bool,
}

/// What can be done to a stored snapshot.
#[derive(Clone, Debug, Subcommand)]
pub enum SnapshotsAction {
    /// Keep a snapshot whatever retention says.
    Pin {
        /// As `heapwatch snapshots` lists it, for example `api/20261122T102431Z_first`.
        id: String,
    },
    /// Leave a snapshot to retention again.
    Unpin {
        /// As `heapwatch snapshots` lists it.
        id: String,
    },
}

/// Why the command ended early.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotsError {
    /// The snapshot directory cannot be read or written, or holds no such snapshot.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Standard output is gone.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

/// Runs the command on a snapshot directory.
pub fn run(
    args: &SnapshotsArgs,
    directories: Directories<'_>,
    now: Timestamp,
    out: &mut impl Write,
) -> Result<(), SnapshotsError> {
    let snapshots = SnapshotDir::attach(directories.snapshots)?;
    let record = |id: &str, kind: &str, done: &str| {
        let says = format!("snapshot {id} {done} by {}", trail::user());
        let event = AuditEvent::new(now, Topic::Capture, kind, says).about_snapshot(id);
        trail::record(directories.state, &event, now);
    };
    let said = match &args.action {
        Some(SnapshotsAction::Pin { id }) if snapshots.set_pinned(id, true)? => {
            record(id, "snapshot_pinned", "was pinned");
            format!("{id} is pinned now")
        }
        Some(SnapshotsAction::Pin { id }) => format!("{id} was pinned already"),
        Some(SnapshotsAction::Unpin { id }) if snapshots.set_pinned(id, false)? => {
            record(id, "snapshot_unpinned", "was left to retention");
            format!("{id} is left to retention now")
        }
        Some(SnapshotsAction::Unpin { id }) => format!("{id} was not pinned"),
        None if args.json => as_json(&snapshots.inventory()?),
        None => as_text(&snapshots.inventory()?),
    };
    Ok(writeln!(out, "{said}")?)
}

fn as_text(inventory: &[Stored]) -> String {
    if inventory.is_empty() {
        return "no snapshots are stored".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["ID", "KIND", "TAKEN", "SIZE", "EPISODE", "NOTES"]);
    for stored in inventory {
        let notes = [(stored.pinned, "pinned"), (stored.analysed, "analysed")];
        let notes: Vec<&str> = notes.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note).collect();
        table.add_row([
            stored.name.clone(),
            stored.sidecar.kind.noun().to_owned(),
            stored.sidecar.at.to_string(),
            ByteSize::new(stored.disk_bytes).to_string(),
            stored.sidecar.episode.clone().unwrap_or_default(),
            notes.join(", "),
        ]);
    }
    table.to_string()
}

fn as_json(inventory: &[Stored]) -> String {
    let all: Vec<_> = inventory
        .iter()
        .map(|Stored { name, path, sidecar, disk_bytes, pinned, analysed }| {
            json!({
                "id": name,
                "path": path,
                "disk_bytes": disk_bytes,
                "pinned": pinned,
                "analysed": analysed,
                "facts": sidecar,
            })
        })
        .collect();
    format!("{:#}", serde_json::Value::from(all))
}
