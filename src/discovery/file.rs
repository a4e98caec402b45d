//! Lists in files, looked at every few seconds: that works on every file system, for links that are swapped (as
//! Kubernetes does for its config maps) and for directories that come later, where notification of changes does not.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keeping::Look;
use super::list::{self, Form, Instance};

/// 100,000 targets with a dozen labels each take 30 MB.
const LONGEST: u64 = 64 << 20;
/// A file that changes within this time after it was read is being written.
const SETTLING: Duration = Duration::from_millis(100);

/// Looks at the files, and reads those that have changed.
#[derive(Debug, Default)]
pub(super) struct Files {
    patterns: Vec<PathBuf>,
    /// What the files looked like when they were last read well.
    seen: BTreeMap<PathBuf, Stamp>,
}

/// Tells a file that was written since from one that was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
        }
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl Files {
    pub(super) fn new(patterns: Vec<PathBuf>) -> Self {
        Self { patterns, seen: BTreeMap::new() }
    }

    /// One look at all files. Blocks.
    pub(super) fn look(&mut self) -> Look {
        let mut look = Look::new();
        for pattern in self.patterns.clone() {
            self.look_at(&pattern, &mut look);
        }
        self.seen.retain(|path, _| look.contains_key(&path.display().to_string()));
        look
    }

    fn look_at(&mut self, pattern: &Path, look: &mut Look) {
        let shown = pattern.display().to_string();
        let paths = match glob::glob(&shown) {
            Ok(paths) => paths,
            Err(error) => return drop(look.insert(shown, Err(format!("is no pattern: {}", error.msg)))),
        };
        let mut paths: Vec<_> = paths.collect();
        if paths.is_empty() && !shown.contains(['*', '?', '[']) {
            paths.push(Ok(pattern.to_owned()));
        }
        for path in paths {
            match path {
                Ok(path) => {
                    let part = path.display().to_string();
                    let outcome = self.read(&path).map_err(|problem| format!("{part} {problem}"));
                    look.insert(part, outcome);
                }
                Err(error) => {
                    let part = error.path().display().to_string();
                    let problem = format!("{part} cannot be read: {}", error.error());
                    look.insert(part, Err(problem));
                }
            }
        }
    }

    /// The list in a file; `None` where it is the one that was read before.
    fn read(&mut self, path: &Path) -> Result<Option<Vec<Instance>>, String> {
        let cannot = |error: io::Error| format!("cannot be read: {error}");
        let stamp = Stamp::of(path).map_err(cannot)?;
        if self.seen.get(path) == Some(&stamp) {
            return Ok(None);
        }
        let text = read_text(path).map_err(cannot)?;
        std::thread::sleep(SETTLING);
        if Stamp::of(path).map_err(cannot)? != stamp {
            // Half of a list can look like a whole one. The next look finds it as it then is.
            return Ok(None);
        }
        let list = list::parse(&text, form_of(path)).map_err(|error| error.to_string())?;
        self.seen.insert(path.to_owned(), stamp);
        Ok(Some(list))
    }
}

/// Reads the lists once, for those who want to know what they say: part by part, whole or why not.
pub fn read_once(patterns: &[PathBuf]) -> Look {
    Files::new(patterns.to_vec()).look()
}

fn form_of(path: &Path) -> Form {
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if is_json { Form::Json } else { Form::Yaml }
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 64 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(look: &Look) -> Vec<(String, Result<Option<usize>, ()>)> {
        let name = |part: &String| part.rsplit('/').next().unwrap_or_default().to_owned();
        look.iter()
            .map(|(part, found)| (name(part), found.as_ref().map(|list| list.as_ref().map(Vec::len)).map_err(|_| ())))
            .collect()
    }

    #[test]
    fn only_what_has_changed_is_read_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("a.json"), r#"[{"targets":["h:1","h:2"]}]"#).expect("room");
        fs::write(path("b.yml"), "- targets: [h:3]\n").expect("room");
        let mut files = Files::new(vec![path("*.json"), path("b.yml"), path("c.yml")]);
        let (a, b, c) = ("a.json".to_owned(), "b.yml".to_owned(), "c.yml".to_owned());
        let missing = (c, Err(()));
        assert_eq!(addresses(&files.look()), [(a.clone(), Ok(Some(2))), (b.clone(), Ok(Some(1))), missing.clone()]);
        assert_eq!(addresses(&files.look()), [(a.clone(), Ok(None)), (b.clone(), Ok(None)), missing.clone()]);
        fs::write(path("b.yml"), "- targets: [").expect("room");
        assert_eq!(addresses(&files.look()), [(a.clone(), Ok(None)), (b.clone(), Err(())), missing.clone()]);
        assert_eq!(addresses(&files.look())[1], (b.clone(), Err(())), "garbage stays garbage");
        fs::remove_file(path("a.json")).expect("it is there");
        fs::write(path("b.yml"), "- targets: [h:4]\n").expect("room");
        assert_eq!(addresses(&files.look()), [(b, Ok(Some(1))), missing]);
    }
}
