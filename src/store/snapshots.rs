//! The snapshot directory: `<target>/<UTC time>_<part>.heapsnapshot` and `<target>/<UTC time>_profile-<part>.heapprofile`,
//! each with its sidecar and its analysis beside it. The directory itself is the inventory.
//!
//! A capture under its final name is whole: it appears by rename after it and its sidecar were synced to the disk.
//! No part of a path comes from a target's answer.

mod partial;
mod sweep;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::clock::Timestamp;
use crate::evidence::CaptureKind;
use crate::leak::event::PairPart;
use crate::retention::Item;
use crate::store::StoreError;
use crate::store::files::{self, failed};
use crate::store::sidecar::{self, Sidecar};
use crate::target::TargetName;

pub use partial::PartialFile;
pub use sweep::Swept;

/// The directory, mode 0700.
#[derive(Clone, Debug)]
pub struct SnapshotDir {
    root: PathBuf,
}

/// A capture that is on the disk, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// `<target>/<time>_<part>`: what `delete`, `pin` and `heapwatch snapshots` call it.
    pub name: String,
    /// Where the capture is.
    pub path: PathBuf,
    /// Its facts.
    pub sidecar: Sidecar,
    /// Size of all its files together.
    pub disk_bytes: u64,
    /// A person wants it kept.
    pub pinned: bool,
    /// Its analysis is there.
    pub analysed: bool,
}

/// The forms of an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnalysisForm {
    /// `.analysis.json`
    Json,
    /// `.analysis.txt`
    Text,
    /// `.flamegraph.svg`, of two profiles.
    FlameGraph,
}

/// The files of one capture besides its own, by the end of their names.
const SIDECAR: &str = "json";
const PIN: &str = "pinned";

impl AnalysisForm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Json, Self::Text, Self::FlameGraph];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Json => "analysis.json",
            Self::Text => "analysis.txt",
            Self::FlameGraph => "flamegraph.svg",
        }
    }
}

impl SnapshotDir {
    /// Opens the directory and creates it with mode 0700 where it is missing.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        files::open_root(root)?;
        Ok(Self { root: root.into() })
    }

    /// The directory of a disk that cannot be written now, whether it is there or not.
    pub fn unopened(root: &Path) -> Self {
        Self { root: root.into() }
    }

    /// Opens the directory of a daemon that has run: for commands, which must not create it as another user.
    pub fn attach(root: &Path) -> Result<Self, StoreError> {
        fs::metadata(root).map_err(failed("open", root))?;
        Self::open(root)
    }

    /// Begins a snapshot: creates its partial file, mode 0600, in its final directory.
    pub fn begin(&self, target: &TargetName, part: PairPart, at: Timestamp) -> Result<PartialFile, StoreError> {
        PartialFile::begin(&self.root, target, (CaptureKind::HeapSnapshot, part), at)
    }

    /// Begins a profile in the same way.
    pub fn begin_profile(&self, target: &TargetName, part: PairPart, at: Timestamp) -> Result<PartialFile, StoreError> {
        PartialFile::begin(&self.root, target, (CaptureKind::HeapProfile, part), at)
    }

    /// Removes what a crash left behind. Files that another live process is writing are not touched.
    pub fn sweep(&self) -> Result<Vec<Swept>, StoreError> {
        sweep::sweep(&self.root)
    }

    /// All whole snapshots, oldest first. What [`Self::sweep`] reports as left alone is not among them.
    pub fn inventory(&self) -> Result<Vec<Stored>, StoreError> {
        whole_snapshots(&target_dirs(&self.root)?)
    }

    /// The whole snapshots of one target, oldest first; none where it has no directory yet.
    pub fn inventory_of(&self, target: &TargetName) -> Result<Vec<Stored>, StoreError> {
        let dir = self.root.join(target.as_str());
        if dir.exists() { whole_snapshots(&[dir]) } else { Ok(Vec::new()) }
    }

    /// Free bytes that a process without privileges may use.
    pub fn free_disk(&self) -> Result<u64, StoreError> {
        files::free_disk(&self.root)
    }

    /// Deletes a snapshot with all that belongs to it. What is gone already is fine.
    pub fn delete(&self, name: &str) -> Result<(), StoreError> {
        let (dir, stem) = self.locate(name)?;
        // The sidecar goes last: until then a crash leaves an orphan that the sweep can tell from a snapshot.
        for suffix in captures().chain(AnalysisForm::ALL.map(AnalysisForm::suffix)).chain([PIN, SIDECAR]) {
            files::remove(&dir.join(format!("{stem}.{suffix}")))?;
        }
        files::sync_dir(&dir)
    }

    /// Marks a snapshot so that retention never deletes it, or takes the mark away. True when that changed anything.
    pub fn set_pinned(&self, name: &str, pinned: bool) -> Result<bool, StoreError> {
        let (dir, stem) = self.locate(name)?;
        let mark = dir.join(format!("{stem}.{PIN}"));
        if !pinned {
            return files::remove(&mark);
        }
        let is_new = !mark.exists();
        files::write_whole(&mark, b"")?;
        files::sync_dir(&dir)?;
        Ok(is_new)
    }

    /// Writes an analysis beside a snapshot. Gives its path.
    pub fn put_analysis(&self, name: &str, form: AnalysisForm, text: &str) -> Result<PathBuf, StoreError> {
        let (dir, stem) = self.locate(name)?;
        let path = dir.join(format!("{stem}.{}", form.suffix()));
        files::write_whole(&path, text.as_bytes())?;
        files::sync_dir(&dir)?;
        Ok(path)
    }

    /// Reads an analysis; `None` where there is none.
    pub fn analysis(&self, name: &str, form: AnalysisForm) -> Result<Option<String>, StoreError> {
        let (dir, stem) = self.locate(name)?;
        let path = dir.join(format!("{stem}.{}", form.suffix()));
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// The directory and stem of a stored snapshot. A name that is not of our making is never a path.
    fn locate<'n>(&self, name: &'n str) -> Result<(PathBuf, &'n str), StoreError> {
        let unknown = || StoreError::NoSuchSnapshot { name: name.chars().take(120).collect() };
        let (target, stem) = name.split_once('/').ok_or_else(unknown)?;
        let target = TargetName::new(target).map_err(|_| unknown())?;
        let well_spelled = stem.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        let dir = self.root.join(target.as_str());
        if well_spelled && dir.join(format!("{stem}.{SIDECAR}")).exists() { Ok((dir, stem)) } else { Err(unknown()) }
    }
}

impl Stored {
    /// What retention needs to know of it. `open_episodes` are the ids of those that have not ended.
    pub fn item(&self, open_episodes: &BTreeSet<String>) -> Item {
        let Sidecar { target, kind, at, pair, episode, .. } = &self.sidecar;
        Item {
            name: self.name.clone(),
            target: target.clone(),
            kind: *kind,
            at: *at,
            bytes: self.disk_bytes,
            pair: pair.clone(),
            episode: episode.clone(),
            episode_open: episode.as_ref().is_some_and(|id| open_episodes.contains(id)),
            pinned: self.pinned,
        }
    }
}

/// The ends of captures' own names.
fn captures() -> impl Iterator<Item = &'static str> {
    CaptureKind::ALL.into_iter().map(CaptureKind::extension)
}

/// The capture of this stem, whole or not.
fn capture_of(dir: &Path, stem: &str) -> Option<PathBuf> {
    captures().map(|extension| dir.join(format!("{stem}.{extension}"))).find(|path| path.exists())
}

fn whole_snapshots(dirs: &[PathBuf]) -> Result<Vec<Stored>, StoreError> {
    let mut stored = Vec::new();
    for dir in dirs {
        for stem in stems(dir)? {
            if capture_of(dir, &stem).is_some() {
                stored.extend(read(dir, &stem).ok());
            }
        }
    }
    stored.sort_by(|a, b| (a.sidecar.at.steady_ms(), &a.name).cmp(&(b.sidecar.at.steady_ms(), &b.name)));
    Ok(stored)
}

/// The directories below the root whose names are those of targets.
fn target_dirs(root: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut dirs = Vec::new();
    for entry in fs::read_dir(root).map_err(failed("list", root))? {
        let entry = entry.map_err(failed("list", root))?;
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_target = entry.file_name().to_str().is_some_and(|name| TargetName::new(name).is_ok());
        if is_dir && is_target {
            dirs.push(entry.path());
        }
    }
    dirs.sort();
    Ok(dirs)
}

/// File names of a directory up to their first dot: one for each snapshot, whole or not.
fn stems(dir: &Path) -> Result<BTreeSet<String>, StoreError> {
    let mut stems = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        let name = entry.map_err(failed("list", dir))?.file_name();
        stems.extend(name.to_str().and_then(|name| name.split('.').next()).map(str::to_owned));
    }
    Ok(stems)
}

/// Reads one snapshot's facts; the text says why it is not one of ours.
fn read(dir: &Path, stem: &str) -> Result<Stored, String> {
    /// Far above any sidecar of ours: a verdict has a few kilobytes of reasons.
    const LARGEST_SIDECAR: u64 = 1 << 20;
    let file = |suffix: &str| dir.join(format!("{stem}.{suffix}"));
    let mut text = String::new();
    let sidecar = fs::File::open(file(SIDECAR)).map_err(|_| "it has no sidecar".to_owned())?;
    sidecar.take(LARGEST_SIDECAR).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let sidecar: Sidecar =
        serde_json::from_str(&text).map_err(|error| format!("its sidecar does not parse: {error}"))?;
    if sidecar.schema > sidecar::SCHEMA {
        return Err(format!("its sidecar has schema {}, this heapwatch knows {}", sidecar.schema, sidecar::SCHEMA));
    }
    if dir.file_name().and_then(OsStr::to_str) != Some(sidecar.target.as_str()) {
        return Err(format!("its sidecar says it is of target {}", sidecar.target));
    }
    let size_of = |suffix: &str| fs::metadata(file(suffix)).map_or(0, |found| found.len());
    let bytes = size_of(sidecar.kind.extension());
    if bytes != sidecar.bytes {
        return Err(format!("it has {bytes} bytes, its sidecar says {}", sidecar.bytes));
    }
    let analyses = AnalysisForm::ALL.map(|form| size_of(form.suffix()));
    Ok(Stored {
        name: format!("{}/{stem}", sidecar.target),
        path: file(sidecar.kind.extension()),
        disk_bytes: bytes + size_of(SIDECAR) + analyses.iter().sum::<u64>(),
        pinned: file(PIN).exists(),
        analysed: file(AnalysisForm::Json.suffix()).exists(),
        sidecar,
    })
}
