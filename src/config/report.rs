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
struct Unknown {
    section: String,
    path: String,
    key: String,
    source: Option<String>,
}

impl Report {
    pub(super) fn new(layers: Layers) -> Self {
        Self {
            layers,
            problems: RefCell::default(),
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
    pub(super) fn unknown(&self, section: &str, path: &str, key: &str, origin: Option<Origin>) {
        self.unknown.borrow_mut().push(Unknown {
            section: section.to_owned(),
            path: path.to_owned(),
            key: key.to_owned(),
            source: origin.map(|origin| origin.name().to_owned()),
        });
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
        let advice = advice(&self.section, &self.key, sections);
        Problem {
            key: join(&self.path, &self.key),
            value: None,
            source: self.source,
            problem: format!("is no key of heapwatch; {advice}"),
            example: None,
        }
    }
}

/// What may have been meant by `key` in `section`.
fn advice(section: &str, key: &str, sections: &BTreeMap<String, BTreeSet<&'static str>>) -> String {
    let none = BTreeSet::new();
    let here = sections.get(section).unwrap_or(&none);
    if here.contains(format!("{key}_file").as_str()) {
        return format!("secrets do not stand in the configuration: write the path of a file as `{key}_file`");
    }
    if let Some(nearest) = nearest(key, here.iter().copied()) {
        return format!("did you mean `{nearest}`?");
    }
    let elsewhere = sections.iter().find(|(_, keys)| keys.contains(key)).map(|(section, _)| join(section, key));
    if let Some(elsewhere) = elsewhere {
        return format!("it belongs elsewhere: `{elsewhere}`");
    }
    let known: Vec<String> = here.iter().map(|key| format!("`{key}`")).collect();
    format!("known here are {}", known.join(", "))
}

/// The word that is nearest to `key`, where one is near enough to be a slip of the finger.
pub(super) fn nearest<'a>(key: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let slips = 1 + key.chars().count() / 4;
    let folded = key.to_ascii_lowercase().replace('-', "_");
    words
        .map(|word| (strsim::damerau_levenshtein(&folded, word), word))
        .filter(|(distance, _)| *distance <= slips)
        .min()
        .map(|(_, word)| word)
}

/// `key` within `section`; the topmost section has no name.
pub(super) fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}
