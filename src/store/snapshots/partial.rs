//! A snapshot while it is being written: under a name that says so, locked, and gone unless it is finished.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::clock::Timestamp;
use crate::leak::event::PairPart;
use crate::store::StoreError;
use crate::store::files::{self, PARTIAL, failed};
use crate::store::record::part_name;
use crate::store::sidecar::Sidecar;
use crate::store::snapshots::{SIDECAR, SNAPSHOT, Stored, read};
use crate::target::TargetName;

/// A snapshot being written. Dropped unfinished, it goes away.
#[derive(Debug)]
pub struct PartialFile {
    dir: PathBuf,
    stem: String,
    name: String,
    /// Holds a lock, by which a sweep tells a live file from a leftover.
    file: File,
}

impl PartialFile {
    pub(super) fn begin(root: &Path, target: &TargetName, part: PairPart, at: Timestamp) -> Result<Self, StoreError> {
        /// Two captures of one part within a second happen only when a clock steps back.
        const MOST_OF_ONE_SECOND: u32 = 100;
        let dir = root.join(target.as_str());
        files::open_own(&dir)?;
        for turn in 1..=MOST_OF_ONE_SECOND {
            let suffix = if turn == 1 { String::new() } else { format!("-{turn}") };
            let stem = format!("{}_{}{suffix}", at.to_compact(), part_name(part));
            let path = partial_path(&dir, &stem);
            let is_taken = [SNAPSHOT, SIDECAR].iter().any(|kind| dir.join(format!("{stem}.{kind}")).exists());
            if is_taken {
                continue;
            }
            match files::create_new(&path) {
                Ok(file) => {
                    let name = format!("{target}/{stem}");
                    let partial = Self { dir, stem, name, file };
                    partial.file.try_lock().map_err(|error| failed("lock", &path)(error.into()))?;
                    return Ok(partial);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed("create", &path)(error)),
            }
        }
        Err(failed("name a snapshot in", &dir)(io::ErrorKind::AlreadyExists.into()))
    }

    /// `<target>/<time>_<part>`
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A handle to write the snapshot through, from its start.
    pub fn writer(&self) -> Result<File, StoreError> {
        self.file.try_clone().map_err(failed("open", &partial_path(&self.dir, &self.stem)))
    }

    /// Syncs the snapshot, writes its sidecar and gives it its final name. Where any of it fails, nothing stays.
    pub fn finish(self, sidecar: &Sidecar) -> Result<Stored, StoreError> {
        let stored = self.publish(sidecar);
        if stored.is_err() {
            for kind in [SNAPSHOT, SIDECAR] {
                // Whatever cannot be removed on a failing disk, the sweep at the next start takes.
                files::remove(&self.dir.join(format!("{}.{kind}", self.stem))).ok();
            }
        }
        stored
    }

    fn publish(&self, sidecar: &Sidecar) -> Result<Stored, StoreError> {
        let partial = partial_path(&self.dir, &self.stem);
        self.file.sync_all().map_err(failed("sync", &partial))?;
        let facts = serde_json::to_vec_pretty(sidecar)
            .map_err(|_| StoreError::Unreadable { what: format!("sidecar of {}", self.name) })?;
        files::write_whole(&self.dir.join(format!("{}.{SIDECAR}", self.stem)), &facts)?;
        files::sync_dir(&self.dir)?;
        let snapshot = self.dir.join(format!("{}.{SNAPSHOT}", self.stem));
        fs::rename(&partial, &snapshot).map_err(failed("rename", &partial))?;
        files::sync_dir(&self.dir)?;
        read(&self.dir, &self.stem)
            .map_err(|why| StoreError::Unreadable { what: format!("snapshot {}: {why}", self.name) })
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // Finished, there is none. Whatever cannot be removed on a failing disk, the sweep at the next start takes.
        files::remove(&partial_path(&self.dir, &self.stem)).ok();
    }
}

fn partial_path(dir: &Path, stem: &str) -> PathBuf {
    dir.join(format!("{stem}.{SNAPSHOT}.{PARTIAL}"))
}
