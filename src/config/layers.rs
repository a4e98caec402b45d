//! The layers of the configuration: the file below, those that it includes beside it, each `HEAPWATCH_` variable above
//! them, each value with its origin.
//!
//! Defaults are no layer here: they are the `Default` of the options that the checked configuration is made of.

use std::collections::HashSet;
use std::path::Path;

use figment::util::nest;
use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};
use sha2::{Digest, Sha256};

use super::files::{self, ConfigFile};
use super::problem::Problem;

/// What the names of our variables begin with.
const PREFIX: &str = "HEAPWATCH_";
const LISTS_STAND_IN_THE_FILE: &str =
    "lists and groups can only stand in the file; what targets have in common is HEAPWATCH_DEFAULTS__...";

/// Files and variables merged, and where each value came from.
pub(super) struct Layers {
    merged: Figment,
    /// SHA-256 of the files.
    pub(super) hash: Option<[u8; 32]>,
    /// The whole tree.
    pub(super) root: Dict,
    /// The main file first, then the others in the order of their names.
    files: Vec<ConfigFile>,
    names: HashSet<String>,
    /// Variables that cannot be keys, and included files that cannot be read.
    pub(super) refused: Vec<Problem>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    File(String),
    Variable(String),
}

impl Layers {
    /// Reads the file, whatever it includes, and lays the variables over them.
    pub(super) fn read(file: Option<&Path>, env: &[(String, String)]) -> Result<Self, Problem> {
        let mut layers = Self {
            merged: Figment::new(),
            hash: None,
            root: Dict::new(),
            files: Vec::new(),
            names: HashSet::new(),
            refused: Vec::new(),
        };
        let mut reserved = Vec::new();
        if let Some(path) = file {
            layers.take_in_files(path, env, &mut reserved)?;
        }
        for (variable, text) in env {
            layers.take_in_variable(variable, text, &reserved);
        }
        layers.root = layers.merged.find_value("").ok().and_then(Value::into_dict).unwrap_or_default();
        Ok(layers)
    }

    fn take_in_files(
        &mut self,
        path: &Path,
        env: &[(String, String)],
        reserved: &mut Vec<String>,
    ) -> Result<(), Problem> {
        let (main, dict) = ConfigFile::read(path)?;
        let included = files::included(path, &patterns(&dict, env), &mut self.refused);
        let mut digest = Sha256::new();
        digest.update(main.text());
        note_named_variables(&dict, reserved);
        self.add(main, dict);
        for (mut file, mut dict) in included {
            digest.update(file.text());
            file.claim(&mut dict, &self.files, &mut self.refused);
            note_named_variables(&dict, reserved);
            self.add(file, dict);
        }
        self.hash = Some(digest.finalize().into());
        Ok(())
    }

    fn add(&mut self, file: ConfigFile, dict: Dict) {
        let layer = Layer { name: file.name.clone(), dict };
        // Lists go on where those of the files before end.
        self.merged = std::mem::take(&mut self.merged).admerge(layer);
        self.names.insert(file.name.clone());
        self.files.push(file);
    }

    fn take_in_variable(&mut self, variable: &str, text: &str, reserved: &[String]) {
        let Some(key) = variable.strip_prefix(PREFIX).filter(|key| !belongs_to_others(key)) else { return };
        if reserved.iter().any(|name| name == variable) {
            return;
        }
        let path = key.to_ascii_lowercase().replace("__", ".");
        // Text stays text: whoever asks for a number parses it, and a token of digits keeps its zeros.
        match nest(&path, Value::from(text)) {
            Value::Dict(_, dict) if files::SHARED.iter().any(|shared| dict.contains_key(*shared)) => {
                self.refused.push(Problem::of_source(variable, LISTS_STAND_IN_THE_FILE.to_owned()));
            }
            Value::Dict(_, dict) => {
                let layer = Layer { name: variable.to_owned(), dict };
                self.merged = std::mem::take(&mut self.merged).merge(layer);
            }
            _ => {}
        }
    }

    /// The file with the line of a key, where that is known.
    pub(super) fn place_in_file(&self, place: &str) -> Option<String> {
        let first = self.files.first()?;
        let mut found = self.files.iter().filter_map(|file| Some((file, file.own_place(place)?)));
        let (file, own) = found.next().unwrap_or_else(|| (first, place.to_owned()));
        Some(file.line(&own).map_or_else(|| file.name.clone(), |line| format!("{}:{line}", file.name)))
    }

    /// The files beside the main one.
    pub(super) fn included(&self) -> impl Iterator<Item = &str> {
        self.files.iter().skip(1).map(|file| file.name.as_str())
    }

    /// Where the value with this tag came from.
    pub(super) fn origin(&self, tag: Tag) -> Option<Origin> {
        let name = self.merged.get_metadata(tag)?.name.to_string();
        Some(if self.names.contains(&name) { Origin::File(name) } else { Origin::Variable(name) })
    }
}

/// Which files to include: what a variable says, else the file, else what everybody expects.
fn patterns(dict: &Dict, env: &[(String, String)]) -> Vec<String> {
    if let Some((_, text)) = env.iter().find(|(name, _)| name.strip_prefix(PREFIX) == Some("INCLUDE")) {
        return text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    }
    match dict.get("include") {
        // Whatever is no text in the list is told when the key is read.
        Some(Value::Array(_, values)) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(_) => Vec::new(),
        None => vec![files::USUALLY_INCLUDED.to_owned()],
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
