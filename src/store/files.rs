//! Private directories and files that appear whole: what the database and the snapshot directory both need.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::store::StoreError;

/// Only the daemon's user may look into what it stores.
const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// The end of the name of every file that is not whole yet.
pub(super) const PARTIAL: &str = "partial";

/// Names what failed, for `map_err`.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { action, path: path.into(), source }
}

/// Makes a directory that a person named, mode 0700. One that is there already keeps its mode, which may be shared
/// on purpose, but others must not be able to put files into it.
pub(super) fn open_root(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(dir).map_err(failed("create", dir))?;
    let mode = fs::metadata(dir).map_err(failed("look at", dir))?.permissions().mode();
    if mode & 0o022 == 0 { Ok(()) } else { Err(StoreError::WritableByOthers { dir: dir.into(), mode: mode & 0o7777 }) }
}

/// Makes one of our own directories below a root, mode 0700 whatever it was before.
pub(super) fn open_own(dir: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(PRIVATE_DIR).create(dir) {
        Ok(()) => return dir.parent().map_or(Ok(()), sync_dir),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("create", dir)(error)),
    }
    let found = fs::symlink_metadata(dir).map_err(failed("look at", dir))?;
    if !found.is_dir() {
        return Err(failed("use as a directory", dir)(io::ErrorKind::NotADirectory.into()));
    }
    if found.permissions().mode() & 0o777 == PRIVATE_DIR {
        return Ok(());
    }
    fs::set_permissions(dir, Permissions::from_mode(PRIVATE_DIR)).map_err(failed("make private", dir))
}

/// Creates a file that must not exist yet, mode 0600.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(PRIVATE_FILE).open(path)
}

/// Writes a small file whole or not at all: beside its final name, synced, then renamed over it.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".");
    partial.push(PARTIAL);
    let partial = Path::new(&partial);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE_FILE).open(partial)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(partial, path)
    })();
    if written.is_err() {
        // The sweep at the next start takes what cannot be removed now.
        fs::remove_file(partial).ok();
    }
    written.map_err(failed("write", path))
}

/// Free bytes that a process without privileges may use; none where no file can be made for want of inodes.
pub(super) fn free_disk(dir: &Path) -> Result<u64, StoreError> {
    let disk = rustix::fs::statvfs(dir).map_err(|error| failed("look at", dir)(error.into()))?;
    // File systems that make inodes as they need them announce a total of zero.
    let no_inodes = disk.f_files > 0 && disk.f_favail == 0;
    Ok(if no_inodes { 0 } else { disk.f_bavail.saturating_mul(disk.f_frsize) })
}

/// Makes the names in a directory as durable as the files behind them.
pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("sync", dir))
}

/// Removes a file; one that is gone already is fine. True when there was one.
pub(super) fn remove(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("delete", path)(error)),
    }
}
