//! A megabyte put by, so that the database can come up on a disk that others have filled.
//!
//! Opening a database takes a little space for its log; without it a daemon that is restarted while the disk is full
//! would watch nothing until somebody cleans up.

use std::io::Write;
use std::path::Path;

use crate::store::StoreError;
use crate::store::files::{self, failed};

/// The file that holds the space.
const NAME: &str = "heapwatch.reserve";
const RESERVE_BYTES: usize = 1 << 20;
/// Space is put by only where this many times as much is free: on a disk that is nearly full it is needed elsewhere.
const PLENTY: u64 = 64;

/// Gives the space back to a disk that has less than that left. True when there is some now.
pub(super) fn release(dir: &Path) -> Result<bool, StoreError> {
    if files::free_disk(dir)? >= RESERVE_BYTES as u64 {
        return Ok(false);
    }
    files::remove(&dir.join(NAME))
}

/// Puts the space by, where the disk has plenty and it is not there yet.
pub(super) fn put_by(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(NAME);
    if path.exists() || files::free_disk(dir)? < PLENTY * RESERVE_BYTES as u64 {
        return Ok(());
    }
    let mut file = files::create_new(&path).map_err(failed("create", &path))?;
    let written = file.write_all(&vec![0; RESERVE_BYTES]).and_then(|()| file.sync_all());
    if written.is_err() {
        files::remove(&path)?;
    }
    written.map_err(failed("write", &path))
}
