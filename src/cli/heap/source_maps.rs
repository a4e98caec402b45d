//! Finds the source maps of scripts that a heap names.
//!
//! A script's name comes from the process that was watched. It leads only to a file whose name ends in `.map`, and of
//! that nothing is shown but names of sources.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::heap::source_map::SourceMap;

/// Larger maps are not worth their memory.
const LARGEST_BYTES: u64 = 256 << 20;

/// The map of a script: in `directory`, where one is given, else beside the script.
pub(super) fn find(script: &str, directory: Option<&Path>) -> Option<SourceMap> {
    let script = Path::new(script.strip_prefix("file://").unwrap_or(script));
    let name = script.file_name()?.to_str()?;
    let map_name = format!("{name}.map");
    let given = directory.map(|directory| directory.join(&map_name));
    let beside = script.is_absolute().then(|| script.with_file_name(&map_name));
    [given, beside].into_iter().flatten().find_map(|path| read(&path))
}

fn read(path: &PathBuf) -> Option<SourceMap> {
    let file = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|facts| facts.is_file()))?;
    let mut json = Vec::new();
    file.take(LARGEST_BYTES).read_to_end(&mut json).ok()?;
    SourceMap::parse(&json).ok()
}
