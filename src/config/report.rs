//! Where problems are collected while the configuration is read on to its end.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use figment::value::Tag;

use super::layers::{Layers, Origin};
use super::problem::Problem;

/// The problems found so far, with what is needed to word them. Readers share it, so it is filled through `&self`.
pub(super) struct Report {
    layers: Layers,
    problems: RefCell<Vec<Problem>>,
    /// What is in `problems`: the same trouble in `[defaults]` is met again by every target.
    seen: RefCell<BTreeSet<(String, String)>>,
    warnings: RefCell<Vec<String>>,
    unknown: RefCell<Vec<Unknown>>,
    /// The keys of each section, by its name without those of targets: `targets.snapshot`.
    sections: RefCell<BTreeMap<String, BTreeSet<&'static str>>>,
}

/// A key that nobody asked for. It is worded at the end, when all that could have been meant is known.
pub(super) struct Unknown {
    pub(super) section: String,
    pub(super) path: String,
    pub(super) key: String,
    pub(super) source: Option<String>,
    /// What was asked for in this very section; channels of another type have other keys.
    pub(super) known: BTreeSet<&'static str>,
}

impl Report {
    pub(super) fn new(mut layers: Layers) -> Self {
        Self {
            problems: RefCell::new(std::mem::take(&mut layers.refused)),
            layers,
            seen: RefCell::default(),
            warnings: RefCell::default(),
            unknown: RefCell::default(),
            sections: RefCell::default(),
        }
    }

    pub(super) fn layers(&self) -> &Layers {
        &self.layers
    }

    pub(super) fn origin(&self, tag: Tag) -> Option<Origin> {
        self.layers.origin(tag)
    }

    /// Where a value was set, for people: the file with the line, or the variable.
    pub(super) fn source(&self, tag: Tag, place: &str) -> Option<String> {
        match self.origin(tag)? {
            Origin::File(_) => self.layers.place_in_file(place),
            Origin::Variable(name) => Some(name),
        }
    }

    pub(super) fn add(&self, problem: Problem) {
        if self.seen.borrow_mut().insert((problem.key.clone(), problem.problem.clone())) {
            self.problems.borrow_mut().push(problem);
        }
    }

    pub(super) fn warn(&self, sentence: String) {
        self.warnings.borrow_mut().push(sentence);
    }

    /// True where `key` has a problem already, and comparing it with others would only repeat it.
    pub(super) fn blames(&self, key: &str) -> bool {
        self.problems.borrow().iter().any(|problem| problem.key == key)
    }

    /// Remembers which keys a section can have.
    pub(super) fn note_keys(&self, section: &str, keys: &BTreeSet<&'static str>) {
        let mut sections = self.sections.borrow_mut();
        match sections.get_mut(section) {
            Some(known) => known.extend(keys),
            None => drop(sections.insert(section.to_owned(), keys.clone())),
        }
    }

    /// Remembers a key that nobody asked for.
    pub(super) fn unknown(&self, unknown: Unknown) {
        self.unknown.borrow_mut().push(unknown);
    }

    /// Every key that was asked for, with its section: `targets.snapshot.gap`.
    #[cfg(test)]
    pub(super) fn known_keys(&self) -> Vec<String> {
        let sections = self.sections.borrow();
        sections.iter().flat_map(|(section, keys)| keys.iter().map(move |key| join(section, key))).collect()
    }

    /// The problems, unknown keys last, and the warnings.
    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<String>) {
        let sections = self.sections.into_inner();
        let mut problems = self.problems.into_inner();
        problems.extend(self.unknown.into_inner().into_iter().map(|unknown| unknown.worded(&sections)));
        (problems, self.warnings.into_inner())
    }
}

impl Unknown {
    fn worded(self, sections: &BTreeMap<String, BTreeSet<&'static str>>) -> Problem {
        let advice = self.advice(sections);
        Problem {
            key: join(&self.path, &self.key),
            value: None,
            source: self.source,
            problem: format!("is no key of heapwatch; {advice}"),
            example: None,
        }
    }

    /// What may have been meant.
    fn advice(&self, sections: &BTreeMap<String, BTreeSet<&'static str>>) -> String {
        let key = &self.key;
        if self.known.contains(format!("{key}_file").as_str()) {
            return format!("secrets do not stand in the configuration: write the path of a file as `{key}_file`");
        }
        // A key that is spelled right is rather in the wrong place than another one spelled wrong.
        if let Some(elsewhere) = self.elsewhere(sections) {
            return elsewhere;
        }
        if let Some(nearest) = nearest(key, self.known.iter().copied()) {
            return format!("did you mean `{nearest}`?");
        }
        let known: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
        format!("known here are {}", known.join(", "))
    }

    /// Where a key of this name is known, beneath this section if it can be.
    fn elsewhere(&self, sections: &BTreeMap<String, BTreeSet<&'static str>>) -> Option<String> {
        // A key of a channel of another type is of no use in this one.
        if self.section == "channels" {
            return None;
        }
        let beneath = format!("{}.", self.section);
        let mut with_key: Vec<&str> = sections
            .iter()
            .filter(|(_, keys)| keys.contains(self.key.as_str()))
            .map(|(name, _)| name.as_str())
            .collect();
        // A section within this one comes first, and channels last: what they have, others rather have.
        with_key.sort_by_key(|section| (!section.starts_with(&beneath), *section == "channels"));
        let section = with_key.first()?;
        Some(match section.strip_prefix(&beneath).unwrap_or(section) {
            "" => format!("write `{}` before the first [section]", self.key),
            section => format!("it belongs elsewhere: `{}`", join(section, &self.key)),
        })
    }
}

/// The word that is nearest to `key`, where one is near enough to be a slip of the finger or a word cut short.
pub(super) fn nearest<'a>(key: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let slips = 1 + key.chars().count() / 4;
    let folded = key.to_ascii_lowercase().replace('-', "_");
    let distance = |word: &str| match folded.len() {
        3.. if word.starts_with(&folded) => 0,
        _ => strsim::damerau_levenshtein(&folded, word),
    };
    words.map(|word| (distance(word), word)).filter(|(distance, _)| *distance <= slips).min().map(|(_, word)| word)
}

/// `key` within `section`; the topmost section has no name.
pub(super) fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}
