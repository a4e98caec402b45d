//! The layers of the configuration: the file below, each `HEAPWATCH_` variable above it, each value with its origin.
//!
//! Defaults are no layer here: they are the `Default` of the options that the checked configuration is made of.

use std::cell::OnceCell;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::util::nest;
use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};
use sha2::{Digest, Sha256};

use super::places::Places;
use super::problem::Problem;

/// What the names of our variables begin with.
const PREFIX: &str = "HEAPWATCH_";
/// Lists of sections have no names that a variable could spell.
const LISTS: [&str; 2] = ["targets", "channels"];
const LISTS_STAND_IN_THE_FILE: &str =
    "targets and channels can only stand in the file; what targets have in common is HEAPWATCH_DEFAULTS__...";
/// 10,000 targets of a dozen lines each take 4 MiB.
const LONGEST_FILE: u64 = 16 << 20;

/// File and variables merged, and where each value came from.
pub(super) struct Layers {
    merged: Figment,
    /// SHA-256 of the file.
    pub(super) hash: Option<[u8; 32]>,
    /// The whole tree.
    pub(super) root: Dict,
    /// The file's name, for what is missing in it.
    file: Option<String>,
    /// Its text, and where the keys stand in it: found only where there is something to be said of one.
    text: String,
    places: OnceCell<Places>,
    /// Variables that cannot be keys.
    pub(super) refused: Vec<Problem>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    File(String),
    Variable(String),
}

impl Layers {
    /// Reads the file and lays the variables over it.
    pub(super) fn read(file: Option<&Path>, env: &[(String, String)]) -> Result<Self, Problem> {
        let mut merged = Figment::new();
        let mut reserved = Vec::new();
        let mut hash = None;
        let name = file.map(|path| path.display().to_string());
        let mut text = String::new();
        if let (Some(path), Some(name)) = (file, &name) {
            text = decode(read(path).map_err(|error| unreadable(name, &error))?, name)?;
            let dict = parse(&text, name)?;
            hash = Some(Sha256::digest(&text).into());
            note_named_variables(&dict, &mut reserved);
            merged = merged.merge(Layer { name: name.clone(), dict });
        }
        let mut refused = Vec::new();
        for (variable, text) in env {
            let Some(key) = variable.strip_prefix(PREFIX).filter(|key| !belongs_to_others(key)) else { continue };
            if reserved.contains(variable) {
                continue;
            }
            let path = key.to_ascii_lowercase().replace("__", ".");
            // Text stays text: whoever asks for a number parses it, and a token of digits keeps its zeros.
            match nest(&path, Value::from(text.as_str())) {
                Value::Dict(_, dict) if LISTS.iter().any(|list| dict.contains_key(*list)) => {
                    refused.push(Problem::of_source(variable, LISTS_STAND_IN_THE_FILE.to_owned()));
                }
                Value::Dict(_, dict) => merged = merged.merge(Layer { name: variable.clone(), dict }),
                _ => {}
            }
        }
        let root = merged.find_value("").ok().and_then(Value::into_dict).unwrap_or_default();
        Ok(Self { merged, hash, root, file: name, text, places: OnceCell::new(), refused })
    }

    /// The file with the line of a key, where that is known.
    pub(super) fn place_in_file(&self, place: &str) -> Option<String> {
        let file = self.file.as_ref()?;
        let places = self.places.get_or_init(|| Places::of(&self.text));
        Some(places.line(place).map_or_else(|| file.clone(), |line| format!("{file}:{line}")))
    }

    /// Where the value with this tag came from.
    pub(super) fn origin(&self, tag: Tag) -> Option<Origin> {
        let name = self.merged.get_metadata(tag)?.name.to_string();
        let is_file = self.file.as_ref() == Some(&name);
        Some(if is_file { Origin::File(name) } else { Origin::Variable(name) })
    }
}

/// One layer for figment to merge: its name comes back as the origin of each value.
struct Layer {
    name: String,
    dict: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

/// `HEAPWATCH_CONFIG` names the file itself, `HEAPWATCH_SERVER` the daemon that commands ask. The others are what
/// Kubernetes sets in every container beside a service that is called `heapwatch`.
fn belongs_to_others(key: &str) -> bool {
    matches!(key, "CONFIG" | "SERVER" | "TOKEN" | "TOKEN_FILE" | "PORT")
        || key.starts_with("PORT_")
        || key.starts_with("SERVICE_")
}

/// A `token_env = "HEAPWATCH_API_TOKEN"` names a secret, which is no key of the configuration.
fn note_named_variables(dict: &Dict, named: &mut Vec<String>) {
    let mut rest: Vec<(&str, &Value)> = dict.iter().map(|(key, value)| (key.as_str(), value)).collect();
    while let Some((key, value)) = rest.pop() {
        match value {
            Value::String(_, text) if key == "env" || key.ends_with("_env") => named.push(text.clone()),
            Value::Dict(_, dict) => rest.extend(dict.iter().map(|(key, value)| (key.as_str(), value))),
            Value::Array(_, values) => rest.extend(values.iter().map(|value| (key, value))),
            _ => {}
        }
    }
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
