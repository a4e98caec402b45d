//! A capture while it is being written: under a name that says so, locked, and gone unless it is finished.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::clock::Timestamp;
use crate::evidence::CaptureKind;
use crate::leak::event::PairPart;
use crate::store::StoreError;
use crate::store::files::{self, PARTIAL, failed};
use crate::store::record::part_name;
use crate::store::sidecar::Sidecar;
use crate::store::snapshots::{SIDECAR, Stored, captures, read};
use crate::target::TargetName;

/// A capture being written. Dropped unfinished, it goes away.
#[derive(Debug)]
pub struct PartialFile {
    dir: PathBuf,
    extension: &'static str,
    stem: String,
    name: String,
    /// Holds a lock, by which a sweep tells a live file from a leftover.
    file: File,
}

impl PartialFile {
    pub(super) fn begin(
        root: &Path,
        target: &TargetName,
        (kind, part): (CaptureKind, PairPart),
        at: Timestamp,
    ) -> Result<Self, StoreError> {
        /// Two captures of one part within a second happen only when a clock steps back.
        const MOST_OF_ONE_SECOND: u32 = 100;
        let dir = root.join(target.as_str());
        files::open_own(&dir)?;
        let extension = kind.extension();
        // Both kinds may be taken within a second, and a sidecar belongs to one of them.
        let mark = if kind == CaptureKind::HeapProfile { "profile-" } else { "" };
        for turn in 1..=MOST_OF_ONE_SECOND {
            let suffix = if turn == 1 { String::new() } else { format!("-{turn}") };
            let stem = format!("{}_{mark}{}{suffix}", at.to_compact(), part_name(part));
            let path = partial_path(&dir, &stem, extension);
            let is_taken = [extension, SIDECAR].iter().any(|end| dir.join(format!("{stem}.{end}")).exists());
            if is_taken {
                continue;
            }
            match files::create_new(&path) {
                Ok(file) => {
                    let name = format!("{target}/{stem}");
                    let partial = Self { dir, extension, stem, name, file };
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

    /// A handle to write the capture through, from its start.
    pub fn writer(&self) -> Result<File, StoreError> {
        self.file.try_clone().map_err(failed("open", &self.path()))
    }

    /// Syncs the capture, writes its sidecar and gives it its final name. Where any of it fails, nothing stays.
    pub fn finish(self, sidecar: &Sidecar) -> Result<Stored, StoreError> {
        let stored = self.publish(sidecar);
        if stored.is_err() {
            for end in captures().chain([SIDECAR]) {
                // Whatever cannot be removed on a failing disk, the sweep at the next start takes.
                files::remove(&self.dir.join(format!("{}.{end}", self.stem))).ok();
            }
        }
        stored
    }

    fn publish(&self, sidecar: &Sidecar) -> Result<Stored, StoreError> {
        let partial = self.path();
        self.file.sync_all().map_err(failed("sync", &partial))?;
        let facts = serde_json::to_vec_pretty(sidecar)
            .map_err(|_| StoreError::Unreadable { what: format!("sidecar of {}", self.name) })?;
        files::write_whole(&self.dir.join(format!("{}.{SIDECAR}", self.stem)), &facts)?;
        files::sync_dir(&self.dir)?;
        let whole = self.dir.join(format!("{}.{}", self.stem, self.extension));
        fs::rename(&partial, &whole).map_err(failed("rename", &partial))?;
        files::sync_dir(&self.dir)?;
        read(&self.dir, &self.stem)
            .map_err(|why| StoreError::Unreadable { what: format!("capture {}: {why}", self.name) })
    }

    fn path(&self) -> PathBuf {
        partial_path(&self.dir, &self.stem, self.extension)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // Finished, there is none. Whatever cannot be removed on a failing disk, the sweep at the next start takes.
        files::remove(&self.path()).ok();
    }
}

pub(super) fn partial_path(dir: &Path, stem: &str, extension: &str) -> PathBuf {
    dir.join(format!("{stem}.{extension}.{PARTIAL}"))
}
