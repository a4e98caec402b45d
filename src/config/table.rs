//! One section of the configuration, read key by key: each getter takes the default and what is allowed, and reports
//! what is wrong instead of failing, so that one run finds everything.
//!
//! The keys of a section are those that were asked for; there is no second list of them to forget.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use figment::value::{Dict, Value};

use super::found::{Found, Wrong};
use super::problem::Problem;
use super::report::{Report, Unknown, join, nearest};
use super::values::{kind_of, parse_duration, parse_rate, parse_size, quoted, show_duration, within};
use crate::units::{ByteRate, ByteSize};

/// One section.
#[derive(Clone)]
pub(super) struct Table<'a> {
    pub(super) report: &'a Report,
    /// Its name in messages, with the name of the target or channel that it belongs to: `targets.api.snapshot`.
    path: String,
    /// Its name without: `targets.snapshot`.
    section: String,
    /// The section itself where it is written, then what stands in for the keys that it leaves out.
    levels: Vec<Level<'a>>,
    known: BTreeSet<&'static str>,
}

#[derive(Clone)]
struct Level<'a> {
    path: String,
    /// The same with numbers for names: where it stands in the file.
    place: String,
    dict: &'a Dict,
}

impl<'a> Table<'a> {
    /// The whole configuration.
    pub(super) fn root(report: &'a Report) -> Self {
        let level = Level { path: String::new(), place: String::new(), dict: &report.layers().root };
        Self::new(report, String::new(), String::new(), vec![level])
    }

    fn new(report: &'a Report, path: String, section: String, levels: Vec<Level<'a>>) -> Self {
        Self { report, path, section, levels, known: BTreeSet::new() }
    }

    /// The same section with the values of `defaults` for the keys that it leaves out.
    pub(super) fn or_else(mut self, defaults: &Self) -> Self {
        self.levels.extend(defaults.levels.iter().cloned());
        self
    }

    /// Knows the keys that were asked for in `other`, the same section with something standing in for it.
    pub(super) fn learn(&mut self, other: &Self) {
        self.known.extend(&other.known);
    }

    /// Says which keys of this section nobody asked for.
    pub(super) fn finish(self) {
        self.report.note_keys(&self.section, &self.known);
        let Some(own) = self.levels.first().filter(|level| level.path == self.path) else { return };
        for (key, value) in own.dict {
            if !self.known.contains(key.as_str()) {
                self.report.unknown(Unknown {
                    section: self.section.clone(),
                    path: own.path.clone(),
                    key: key.clone(),
                    source: self.report.source(value.tag(), &join(&own.place, key)),
                    known: self.known.clone(),
                });
            }
        }
    }

    /// True where `key` of this section has a problem.
    pub(super) fn is_blamed(&self, key: &str) -> bool {
        self.report.blames(&join(&self.path, key))
    }

    /// True where the section itself is written, or stands in `defaults`.
    pub(super) fn is_written(&self) -> bool {
        !self.levels.is_empty()
    }

    /// True where `key` is written, here or in what stands in for this section.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    /// What is written nearest with any of `keys` in it: keys that only make sense together are not mixed from the
    /// section and what stands in for it.
    pub(super) fn nearest_with(&mut self, keys: &[&'static str]) -> Option<Self> {
        self.known.extend(keys);
        let level = self.levels.iter().find(|level| keys.iter().any(|key| level.dict.contains_key(*key)))?;
        Some(Self::new(self.report, level.path.clone(), self.section.clone(), vec![level.clone()]))
    }

    // -- sections within --

    /// The section `key`, empty where it is not written.
    pub(super) fn section(&mut self, key: &'static str) -> Self {
        self.known.insert(key);
        let mut levels = Vec::new();
        for level in &self.levels {
            let Some(value) = level.dict.get(key) else { continue };
            let found = self.found(level, key, value);
            match value {
                Value::Dict(_, dict) => levels.push(Level { path: found.key, place: found.place, dict }),
                _ => self.blame(&found, Wrong::new(format!("must be a table, and is {}", kind_of(value)))),
            }
        }
        Self::new(self.report, join(&self.path, key), join(&self.section, key), levels)
    }

    /// The sections of the list `key`, each called by its `name_key` where it has one, else by its number.
    pub(super) fn rows(&mut self, key: &'static str, name_key: &str) -> Vec<Self> {
        let Some(found) = self.find(key) else { return Vec::new() };
        let Value::Array(_, values) = found.value else {
            let written = format!("must be a list of tables, written as [[{}]]", join(&self.section, key));
            self.blame(&found, Wrong::new(written));
            return Vec::new();
        };
        let section = join(&self.section, key);
        let mut rows = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let place = format!("{}[{index}]", found.place);
            let Value::Dict(_, dict) = value else {
                let key = format!("{}[{index}]", found.key);
                let found = Found { key, place, value, origin: self.report.origin(value.tag()) };
                self.blame(&found, Wrong::new(format!("must be a table, and is {}", kind_of(value))));
                continue;
            };
            let name = dict.get(name_key).and_then(Value::as_str).filter(|name| is_plain(name));
            let path = match name {
                Some(name) => format!("{}.{name}", found.key),
                None => format!("{}[{index}]", found.key),
            };
            let level = Level { path: path.clone(), place, dict };
            rows.push(Self::new(self.report, path, section.clone(), vec![level]));
        }
        rows
    }

    /// The sections within the section `key`, by their names: `[groups.checkout]`.
    pub(super) fn named_sections(&mut self, key: &'static str) -> Vec<(String, Self)> {
        let within = self.section(key);
        let mut sections = Vec::new();
        for level in &within.levels {
            for (name, value) in level.dict {
                let found = within.found(level, name, value);
                match value {
                    Value::Dict(_, dict) => {
                        let level = Level { path: found.key.clone(), place: found.place, dict };
                        let section = Self::new(self.report, found.key, within.section.clone(), vec![level]);
                        sections.push((name.clone(), section));
                    }
                    _ => within.blame(&found, Wrong::new(format!("must be a table, and is {}", kind_of(value)))),
                }
            }
        }
        sections
    }

    // -- values --

    /// A duration, such as `30s`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        allowed: RangeInclusive<Duration>,
    ) -> Duration {
        let example = quoted(&show_duration(default));
        let parse = |text: &str| within(parse_duration(text)?, &allowed, |end| show_duration(*end));
        self.parsed(key, &example, "a duration in quotes, with a unit", parse).unwrap_or(default)
    }

    /// A size, such as `64MiB`.
    pub(super) fn size(&mut self, key: &'static str, default: ByteSize, allowed: RangeInclusive<ByteSize>) -> ByteSize {
        self.maybe_size(key, default, allowed).unwrap_or(default)
    }

    /// A size that may be left out.
    pub(super) fn maybe_size(
        &mut self,
        key: &'static str,
        example: ByteSize,
        allowed: RangeInclusive<ByteSize>,
    ) -> Option<ByteSize> {
        let example = quoted(&example.to_string());
        let parse = |text: &str| within(parse_size(text)?, &allowed, ToString::to_string);
        self.parsed(key, &example, "a size in quotes, with a unit", parse)
    }

    /// A growth, such as `700 KB/h`.
    pub(super) fn rate(&mut self, key: &'static str, default: ByteRate, example: &str) -> ByteRate {
        self.parsed(key, &quoted(example), "a growth in quotes, with units", parse_rate).unwrap_or(default)
    }

    /// A number.
    pub(super) fn number(&mut self, key: &'static str, default: f64, allowed: RangeInclusive<f64>) -> f64 {
        self.maybe_number(key, default, allowed).unwrap_or(default)
    }

    /// A number that may be left out.
    pub(super) fn maybe_number(
        &mut self,
        key: &'static str,
        example: f64,
        allowed: RangeInclusive<f64>,
    ) -> Option<f64> {
        self.read(key, |found| {
            let wrong = |problem| Wrong::with_example(problem, example.to_string());
            let number = found.number().ok_or_else(|| wrong(format!("must be a number{}", found.instead())))?;
            if !number.is_finite() {
                return Err(wrong("must be a finite number".to_owned()));
            }
            within(number, &allowed, ToString::to_string).map_err(wrong)
        })
    }

    /// A whole number.
    pub(super) fn count<T>(&mut self, key: &'static str, default: T, allowed: RangeInclusive<T>) -> T
    where
        T: Copy + Display + PartialOrd + TryFrom<i128>,
    {
        let read = self.read(key, |found| {
            let wrong = |problem| Wrong::with_example(problem, default.to_string());
            let instead = || if found.number().is_some() { String::new() } else { found.instead() };
            let whole = found.whole().ok_or_else(|| wrong(format!("must be a whole number{}", instead())))?;
            let past = || if whole < 0 { allowed.start() } else { allowed.end() };
            let edge = || format!("must be at {} {}", if whole < 0 { "least" } else { "most" }, past());
            let count = T::try_from(whole).map_err(|_| wrong(edge()))?;
            within(count, &allowed, ToString::to_string).map_err(wrong)
        });
        read.unwrap_or(default)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let read = self.read(key, |found| {
            let wrong =
                || Wrong::with_example(format!("must be true or false{}", found.instead()), default.to_string());
            found.flag().ok_or_else(wrong)
        });
        read.unwrap_or(default)
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, default: T, words: &[(&str, T)]) -> T {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let example = quoted(names.first().copied().unwrap_or_default());
        let parse = |text: &str| {
            let word = words.iter().find(|(name, _)| *name == text).map(|(_, word)| *word);
            word.ok_or_else(|| match nearest(text, names.iter().copied()) {
                Some(nearest) => format!("must be one of {}; did you mean \"{nearest}\"?", names.join(", ")),
                None => format!("must be one of {}", names.join(", ")),
            })
        };
        self.parsed(key, &example, "a word in quotes", parse).unwrap_or(default)
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str, example: &str) -> Option<String> {
        self.parsed(key, example, "text in quotes", |text| Ok(text.to_owned()))
    }

    /// A text that is checked or understood by `parse`, whose error says what it must be.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        example: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.read(key, |found| {
            let text = found.value.as_str().ok_or_else(|| format!("must be {what}{}", found.instead()));
            text.and_then(parse).map_err(|problem| Wrong::with_example(problem, example))
        })
    }

    /// A path; in the file, a relative one counts from the directory of the file.
    pub(super) fn path_to(&mut self, key: &'static str, example: &str) -> Option<PathBuf> {
        self.read(key, |found| match found.value.as_str() {
            Some("") => Err(Wrong::with_example("is empty", example)),
            Some(text) => Ok(found.resolve(text)),
            None => Err(Wrong::with_example(format!("must be a path in quotes{}", found.instead()), example)),
        })
    }

    /// Names with their values, those of `defaults` among them.
    pub(super) fn entries(&mut self, key: &'static str) -> BTreeMap<String, Found<'a>> {
        self.known.insert(key);
        let mut entries = BTreeMap::new();
        for level in &self.levels {
            let Some(value) = level.dict.get(key) else { continue };
            let found = self.found(level, key, value);
            let Value::Dict(_, dict) = value else {
                self.blame(&found, Wrong::new(format!("must be a table, and is {}", kind_of(value))));
                continue;
            };
            for (name, value) in dict {
                let (key, place) = (join(&found.key, name), join(&found.place, name));
                let origin = self.report.origin(value.tag());
                entries.entry(name.clone()).or_insert(Found { key, place, value, origin });
            }
        }
        entries
    }

    /// The value of `key`, and whatever `parse` makes of it.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Found<'a>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let found = self.find(key)?;
        parse(&found).map_err(|wrong| self.blame(&found, wrong)).ok()
    }

    /// The value of `key`: the section's own, or one that stands in for it.
    pub(super) fn find(&mut self, key: &'static str) -> Option<Found<'a>> {
        self.known.insert(key);
        let (level, value) = self.levels.iter().find_map(|level| Some((level, level.dict.get(key)?)))?;
        Some(self.found(level, key, value))
    }

    fn found(&self, level: &Level<'a>, key: &str, value: &'a Value) -> Found<'a> {
        let (path, place) = (join(&level.path, key), join(&level.place, key));
        Found { key: path, place, value, origin: self.report.origin(value.tag()) }
    }

    // -- problems --

    /// Reports what is wrong with a value.
    pub(super) fn blame(&self, found: &Found<'_>, wrong: Wrong) {
        self.report.add(found.problem(wrong, self.report.source(found.value.tag(), &found.place)));
    }

    /// Reports what is wrong with a value that may be a secret.
    pub(super) fn blame_hidden(&self, found: &Found<'_>, wrong: Wrong) {
        self.report.add(found.hidden_problem(wrong, self.report.source(found.value.tag(), &found.place)));
    }

    /// Reports what is wrong with the value of `key` as it is in force: found, or `default`. Quiet where `key` or one
    /// of `others` is wrong by itself.
    pub(super) fn contradiction(&mut self, key: &'static str, default: &str, others: &[&'static str], wrong: Wrong) {
        if others.iter().any(|other| *other != key && self.is_wrong(other)) {
            return;
        }
        match self.find(key) {
            Some(found) if self.report.blames(&found.key) => {}
            Some(found) => self.blame(&found, wrong),
            None => self.report.add(Problem {
                key: join(&self.path, key),
                value: Some(format!("{default} by default")),
                source: None,
                problem: wrong.problem,
                example: wrong.example,
            }),
        }
    }

    /// The file and the line of this section, for people.
    pub(super) fn source(&self) -> Option<String> {
        self.report.layers().place_in_file(self.own_place())
    }

    /// Where this section stands in the file; nowhere, where only others stand in for it.
    fn own_place(&self) -> &str {
        self.levels.first().filter(|level| level.path == self.path).map_or("", |level| &level.place)
    }

    /// True where the value of `key` that is in force has been found wrong.
    pub(super) fn is_wrong(&self, key: &str) -> bool {
        let level = self.levels.iter().find(|level| level.dict.contains_key(key));
        level.is_some_and(|level| self.report.blames(&join(&level.path, key)))
    }

    /// Reports a key that must be there.
    pub(super) fn missing(&mut self, key: &'static str, example: &str) {
        self.missing_because(key, "is missing", example);
    }

    /// Reports a key that must be there, and why.
    pub(super) fn missing_because(&mut self, key: &'static str, problem: &str, example: &str) {
        self.known.insert(key);
        self.report.add(Problem {
            key: join(&self.path, key),
            value: None,
            source: self.source(),
            problem: problem.to_owned(),
            example: Some(example.to_owned()),
        });
    }
}

/// Fit to stand in a path of keys as it is.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
