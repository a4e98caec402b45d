//! The files of the configuration: the main one and those that it includes, each parsed, with the places of its keys.
//!
//! An included file holds what there can be many of: targets, groups, channels, routes and sources. What holds for
//! heapwatch as a whole stands in the main file, where everybody looks for it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};
use glob::{MatchOptions, Pattern};

use super::places::Places;
use super::problem::Problem;
use super::report::join;
use super::values::kind_of;

/// What files share: lists that each of them adds to, and the tables of groups.
pub(super) const SHARED: [&str; 7] = ["targets", "channels", "routes", "file_sd", "http_sd", "dns_sd", GROUPS];
const GROUPS: &str = "groups";
/// What is included where the main file does not say.
pub(super) const USUALLY_INCLUDED: &str = "conf.d/*.toml";
/// 10,000 targets of a dozen lines each take 4 MiB.
const LONGEST_FILE: u64 = 16 << 20;
/// All included files together: a hundred thousand such targets take 40 MiB.
const LONGEST_INCLUDED: usize = 64 << 20;

/// One file.
pub(super) struct ConfigFile {
    pub(super) name: String,
    text: String,
    /// Where the keys stand in it: found only where there is something to be said of one.
    places: OnceCell<Places>,
    is_main: bool,
    /// Which items of the shared lists are its own.
    items: BTreeMap<&'static str, Range<usize>>,
    groups: BTreeSet<String>,
}

impl ConfigFile {
    /// Reads the main file.
    pub(super) fn read(path: &Path) -> Result<(Self, Dict), Problem> {
        let name = path.display().to_string();
        let text = decode(read(path).map_err(|error| unreadable(&name, &error))?, &name)?;
        let dict = parse(&text, &name)?;
        let mut file = Self {
            name,
            text,
            places: OnceCell::new(),
            is_main: true,
            items: BTreeMap::new(),
            groups: BTreeSet::new(),
        };
        file.note(&dict, &[]);
        Ok((file, dict))
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Makes `dict` of this included file fit to be merged with what the files before hold: keys of the main file and
    /// groups that are there already are taken out and told.
    pub(super) fn claim(&mut self, dict: &mut Dict, before: &[Self], refused: &mut Vec<Problem>) {
        self.is_main = false;
        let problem = |file: &Self, key: String, problem: String| Problem {
            source: Some(file.place(&key)),
            key,
            value: None,
            problem,
            example: None,
        };
        for key in dict.keys().filter(|key| !SHARED.contains(&key.as_str())) {
            let says = format!("belongs into the main file; an included file holds {}", SHARED.join(", "));
            refused.push(problem(self, key.clone(), says));
        }
        dict.retain(|key, value| {
            let wanted = match (key.as_str(), &*value) {
                (GROUPS, Value::Dict(..)) => return true,
                (GROUPS, _) => "must be tables, such as [groups.checkout]".to_owned(),
                (list, Value::Array(..)) => return SHARED.contains(&list),
                (list, _) if SHARED.contains(&list) => format!("must be a list of tables, written as [[{list}]]"),
                _ => return false,
            };
            refused.push(problem(self, key.clone(), format!("{wanted}, and is {}", kind_of(value))));
            false
        });
        if let Some(Value::Dict(_, groups)) = dict.get_mut(GROUPS) {
            groups.retain(|name, _| {
                let Some(first) = before.iter().find(|file| file.groups.contains(name)) else { return true };
                let key = join(GROUPS, name);
                let says = format!("stands in {} already; every group stands in one file", first.place(&key));
                refused.push(problem(self, key, says));
                false
            });
        }
        self.note(dict, before);
    }

    fn note(&mut self, dict: &Dict, before: &[Self]) {
        for list in SHARED {
            if let Some(Value::Array(_, items)) = dict.get(list) {
                let start = before.iter().filter_map(|file| Some(file.items.get(list)?.end)).max().unwrap_or(0);
                self.items.insert(list, start..start + items.len());
            }
        }
        if let Some(Value::Dict(_, groups)) = dict.get(GROUPS) {
            self.groups = groups.keys().cloned().collect();
        }
    }

    /// A place in the merged configuration as it is in this file; `None` where it is in another one.
    pub(super) fn own_place(&self, place: &str) -> Option<String> {
        if let Some((list, number, rest)) = item(place) {
            let items = self.items.get(list)?;
            return items.contains(&number).then(|| format!("{list}[{}]{rest}", number - items.start));
        }
        if let Some(rest) = place.strip_prefix("groups.") {
            let is_own = |name: &String| {
                rest.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            return self.groups.iter().any(is_own).then(|| place.to_owned());
        }
        self.is_main.then(|| place.to_owned())
    }

    /// The line of a place in this file.
    pub(super) fn line(&self, own_place: &str) -> Option<usize> {
        self.places.get_or_init(|| Places::of(&self.text)).line(own_place)
    }

    fn place(&self, own_place: &str) -> String {
        self.line(own_place).map_or_else(|| self.name.clone(), |line| format!("{}:{line}", self.name))
    }
}

/// `targets[7].interval` as list, number and rest.
fn item(place: &str) -> Option<(&'static str, usize, &str)> {
    let (list, rest) = place.split_once('[')?;
    let list = SHARED.into_iter().find(|shared| *shared == list)?;
    let (number, rest) = rest.split_once(']')?;
    Some((list, number.parse().ok()?, rest))
}

/// Reads what the main file at `main` includes, in the order of the patterns and of the names; what cannot be read is
/// told, and the others are read all the same.
pub(super) fn included(main: &Path, patterns: &[String], refused: &mut Vec<Problem>) -> Vec<(ConfigFile, Dict)> {
    let mut files = Vec::new();
    let mut bytes = 0;
    for path in matching(main, patterns, refused) {
        match ConfigFile::read(&path) {
            Ok((file, dict)) => {
                bytes += file.text.len();
                files.push((file, dict));
            }
            Err(problem) => refused.push(problem),
        }
        if bytes > LONGEST_INCLUDED {
            let says = "and the files before it are larger than 64 MiB together".to_owned();
            refused.push(Problem::of_source(path.display().to_string(), says));
            break;
        }
    }
    files
}

fn matching(main: &Path, patterns: &[String], refused: &mut Vec<Problem>) -> Vec<PathBuf> {
    // What editors and packages leave behind begins with a dot.
    let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    let directory = main.parent().unwrap_or(Path::new(""));
    let mut seen = BTreeSet::from([main.to_owned()]);
    let mut paths = Vec::new();
    for pattern in patterns {
        let beneath = Path::new(&Pattern::escape(&directory.display().to_string())).join(pattern);
        let mut refuse = |says: String| {
            refused.push(Problem { key: "include".to_owned(), ..Problem::of_source(main.display().to_string(), says) });
        };
        let found = match glob::glob_with(&beneath.display().to_string(), options) {
            Ok(found) => found,
            Err(error) => {
                refuse(format!("has `{pattern}` in it, which is no pattern: {}", error.msg));
                continue;
            }
        };
        let before = paths.len();
        for path in found {
            match path {
                Ok(path) if path.is_dir() => {
                    refuse(format!("names the directory {}: write \"{pattern}/*.toml\"", path.display()));
                }
                Ok(path) => paths.extend(Some(path).filter(|path| seen.insert(path.clone()))),
                Err(error) => {
                    refuse(format!("names {}, which cannot be read: {}", error.path().display(), error.error()));
                }
            }
        }
        let is_one = !pattern.contains(['*', '?', '[']);
        if is_one && paths.len() == before && !beneath.exists() {
            refuse(format!("names {}, which is not there", beneath.display()));
        }
    }
    paths
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 16 MiB"));
    }
    Ok(bytes)
}

fn unreadable(name: &str, error: &io::Error) -> Problem {
    Problem::of_source(name, format!("cannot be read: {error}"))
}

fn decode(bytes: Vec<u8>, name: &str) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|error| {
        let place = Place::of(error.as_bytes(), error.utf8_error().valid_up_to());
        Problem::of_source(format!("{name}:{}:{}", place.line, place.column), "is not UTF-8 text".to_owned())
    })
}

/// Parses TOML; a syntax error is reported as `file:line:column`, with the line up to the error.
fn parse(text: &str, name: &str) -> Result<Dict, Problem> {
    Toml::from_str(text).map_err(|error| {
        let place = Place::of(text.as_bytes(), error.span().map_or(0, |span| span.start));
        let message = error.message().trim().replace('\n', ", ");
        let shown = place.shown();
        Problem::of_source(format!("{name}:{}:{}", place.line, place.column), format!("{message}: `{shown}`"))
    })
}

/// A place in a text, lines and columns counted from 1.
struct Place<'a> {
    line: usize,
    column: usize,
    content: &'a [u8],
}

impl<'a> Place<'a> {
    fn of(text: &'a [u8], offset: usize) -> Self {
        let offset = offset.min(text.len());
        let (before, after) = text.split_at(offset);
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let end = after.iter().position(|byte| *byte == b'\n').map_or(text.len(), |newline| offset + newline);
        let line = before.split(|byte| *byte == b'\n').count();
        let column = String::from_utf8_lossy(&text[start..offset]).chars().count() + 1;
        Self { line, column, content: &text[start..end] }
    }

    /// The line as far as it takes to see the error, and not so far that an unquoted address gives its secret away.
    fn shown(&self) -> String {
        const BEYOND: usize = 16;
        let line = String::from_utf8_lossy(self.content);
        let mut shown: String = line.chars().take(self.column + BEYOND).filter(|c| !c.is_control()).collect();
        if line.chars().count() > self.column + BEYOND {
            shown.push('…');
        }
        shown.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syntax_error(text: &[u8]) -> String {
        let parsed = decode(text.to_vec(), "x.toml").and_then(|text| parse(&text, "x.toml"));
        parsed.expect_err("this is no TOML").to_string()
    }

    #[test]
    fn syntax_errors_name_line_column_and_line() {
        let message = syntax_error(b"state_directory = \"/var\"\nlisten = 127.0.0.1:80\n");
        assert!(message.starts_with("x.toml:2:"), "{message}");
        assert!(message.contains("`listen = 127.0"), "{message}");
        assert!(
            syntax_error(b"a = 1\na = 2\n").starts_with("x.toml:2:1: duplicate key"),
            "{}",
            syntax_error(b"a=1\na=2")
        );
        assert_eq!(syntax_error(b"a = 1\nb\xff = 2\n"), "x.toml:2:2: is not UTF-8 text");
    }

    #[test]
    fn an_unquoted_address_does_not_give_its_secret_away() {
        let message = syntax_error(b"url = https://hooks.slack.com/services/T0/B0/hunter2\n");
        assert!(!message.contains("hunter2"), "{message}");
    }
}
