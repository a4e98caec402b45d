//! What a crash leaves in the snapshot directory, told apart from snapshots and from files of somebody else.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::store::StoreError;
use crate::store::files::{self, PARTIAL, failed};
use crate::store::snapshots::partial::partial_path;
use crate::store::snapshots::{AnalysisForm, PIN, SIDECAR, capture_of, captures, read, stems, target_dirs};

/// What a sweep found and did, one each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swept {
    /// A leftover of a crash was removed.
    Removed(PathBuf),
    /// A file that is not ours, or a snapshot that contradicts its sidecar: left alone, and not in the inventory.
    LeftAlone {
        /// Where it is.
        path: PathBuf,
        /// Why it is no snapshot of ours.
        why: String,
    },
}

pub(super) fn sweep(root: &Path) -> Result<Vec<Swept>, StoreError> {
    let mut swept = Vec::new();
    for dir in target_dirs(root)? {
        for stem in stems(&dir)? {
            if !is_being_written(&dir, &stem) {
                sweep_one(&dir, &stem, &mut swept)?;
            }
        }
    }
    Ok(swept)
}

/// A live process holds a lock on the partial file it writes; a dead one's lock is gone with it.
fn is_being_written(dir: &Path, stem: &str) -> bool {
    captures().any(|extension| {
        let partial = partial_path(dir, stem, extension);
        File::open(partial).is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
    })
}

fn sweep_one(dir: &Path, stem: &str, swept: &mut Vec<Swept>) -> Result<(), StoreError> {
    let capture = capture_of(dir, stem);
    let is_there = capture.is_some();
    let analyses = AnalysisForm::ALL.map(AnalysisForm::suffix);
    let is_companion = |suffix: &str| [SIDECAR, PIN].contains(&suffix) || analyses.contains(&suffix);
    for file in files_of(dir, stem)? {
        let suffix = file.to_string_lossy();
        let Some(suffix) = suffix.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let path = dir.join(&file);
        let unfinished = suffix.strip_suffix(PARTIAL).and_then(|rest| rest.strip_suffix('.'));
        let is_ours = |suffix: &str| captures().any(|capture| capture == suffix) || is_companion(suffix);
        if unfinished.is_some_and(is_ours) || (!is_there && is_companion(suffix)) {
            files::remove(&path)?;
            swept.push(Swept::Removed(path));
        } else if !is_ours(suffix) {
            swept.push(Swept::LeftAlone { path, why: "it is no file of heapwatch".into() });
        }
    }
    if let Some(path) = capture
        && let Err(why) = read(dir, stem)
    {
        swept.push(Swept::LeftAlone { path, why });
    }
    Ok(())
}

/// Names of the files of one stem, in order.
fn files_of(dir: &Path, stem: &str) -> Result<Vec<std::ffi::OsString>, StoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        let name = entry.map_err(failed("list", dir))?.file_name();
        if name.to_str().is_some_and(|name| name.split('.').next() == Some(stem)) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
