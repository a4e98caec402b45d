//! Small documents beside the database, each a file of its own that is there as a whole or not at all.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::StoreError;
use super::files;

/// Writes a document, and the directory that it stands in.
pub fn write(path: &Path, body: &[u8]) -> Result<(), StoreError> {
    if let Some(directory) = path.parent() {
        files::open_own(directory)?;
    }
    files::write_whole(path, body)
}

/// Reads a document; `None` where there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let found = |body: io::Result<Vec<u8>>| match body {
        Ok(body) => Ok(Some(body)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    found(fs::read(path)).map_err(files::failed("read", path))
}

/// Removes a document; whether there was one.
pub fn remove(path: &Path) -> Result<bool, StoreError> {
    files::remove(path)
}
