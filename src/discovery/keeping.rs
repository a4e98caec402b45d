//! What is kept of a source: the last list that was good, part by part, and how long it has been in trouble.
//!
//! A source has a part for each file, name or address that it asks. A part that fails keeps what it had; so does, for a
//! while, one that had several targets and suddenly has none. Pure: no sockets, no files, no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::list::Instance;
use crate::clock::Timestamp;

/// Lists that shrink from this many to none are not believed at once; a service of one process ends every day.
const MANY: usize = 2;

/// Instances by the part of the source that lists them.
pub type Parts = BTreeMap<String, Vec<Instance>>;
/// What one look at a source has brought: for each part a list, `None` where it is as it was, or why there is none.
pub type Look = BTreeMap<String, Result<Option<Vec<Instance>>, String>>;

/// What a source is believed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Keeper {
    /// The lists in force.
    pub parts: Parts,
    /// When all parts were last good.
    pub last_success: Option<Timestamp>,
    /// Looks in a row that have failed.
    pub failures: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// Somebody has been told of it.
    pub told: bool,
    /// Since when parts that had targets have none.
    #[serde(default)]
    empty_since: BTreeMap<String, Timestamp>,
}

/// How patient a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A list that is suddenly empty is believed after this time.
    pub empty_after: Duration,
    /// Looks that fail in a row until somebody is told.
    pub alert_after: u32,
}

/// What a look has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The lists are others now.
    pub of_lists: bool,
    /// It has failed for the first time.
    pub began_to_fail: bool,
    /// It has failed often enough to be told.
    pub in_trouble: bool,
    /// It is well after it had failed so many times; the flag says whether somebody had been told.
    pub recovered: Option<(u32, bool)>,
}

impl Keeper {
    /// Lists that were good, of a source that is new.
    pub fn of(parts: Parts) -> Self {
        Self { parts, ..Self::default() }
    }

    /// Every instance in force, part by part.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.parts.values().flatten()
    }

    /// The same without the lists.
    #[must_use]
    pub fn without_lists(&self) -> Self {
        Self {
            parts: Parts::new(),
            last_success: self.last_success,
            failures: self.failures,
            last_error: self.last_error.clone(),
            told: self.told,
            empty_since: self.empty_since.clone(),
        }
    }

    /// Takes in a look. A part that is not in it is gone, which is as good as an empty one.
    pub fn take(&mut self, look: Look, now: Timestamp, patience: Patience) -> Change {
        let (mut problems, mut of_lists) = (Vec::new(), false);
        let gone: Vec<String> = self.parts.keys().filter(|part| !look.contains_key(*part)).cloned().collect();
        let gone = gone.into_iter().map(|part| (part, None));
        let mut lists: Vec<(String, Option<Vec<Instance>>)> = gone.collect();
        for (part, outcome) in look {
            match outcome {
                Ok(Some(list)) => lists.push((part, Some(list))),
                // As it was: empty still, where it was empty.
                Ok(None) if self.empty_since.contains_key(&part) => lists.push((part, Some(Vec::new()))),
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        for (part, list) in lists {
            match self.take_list(&part, list, now, patience.empty_after) {
                Ok(is_other) => of_lists |= is_other,
                Err(problem) => problems.push(problem),
            }
        }
        self.judge(&problems, now, patience.alert_after, of_lists)
    }

    /// Whether the list is another one than before; why it is not believed.
    fn take_list(
        &mut self,
        part: &str,
        list: Option<Vec<Instance>>,
        now: Timestamp,
        empty_after: Duration,
    ) -> Result<bool, String> {
        let had = self.parts.get(part).map_or(0, Vec::len);
        let is_empty = list.as_ref().is_none_or(Vec::is_empty);
        if is_empty && had >= MANY {
            let since = *self.empty_since.entry(part.to_owned()).or_insert(now);
            if now.since(since) < empty_after {
                let what = if list.is_some() { "lists no target" } else { "is gone" };
                let patience = humantime::format_duration(empty_after);
                return Err(format!("{part} {what} and had {had}, which is believed after {patience}"));
            }
        }
        self.empty_since.remove(part);
        Ok(match list {
            Some(list) if self.parts.get(part) == Some(&list) => false,
            Some(list) => {
                self.parts.insert(part.to_owned(), list);
                true
            }
            None => self.parts.remove(part).is_some(),
        })
    }

    fn judge(&mut self, problems: &[String], now: Timestamp, alert_after: u32, of_lists: bool) -> Change {
        if problems.is_empty() {
            let told = std::mem::take(&mut self.told);
            let failures = std::mem::take(&mut self.failures);
            self.last_error = None;
            self.last_success = Some(now);
            return Change { of_lists, recovered: (failures > 0).then_some((failures, told)), ..Change::default() };
        }
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(problems.join("; "));
        let in_trouble = !self.told && self.failures >= alert_after;
        self.told |= in_trouble;
        Change { of_lists, began_to_fail: self.failures == 1, in_trouble, recovered: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { empty_after: Duration::from_mins(10), alert_after: 3 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_760_000_000_000 + seconds * 1000)
    }

    fn list(addresses: &[&str]) -> Vec<Instance> {
        let instance = |address: &&str| Instance { address: (*address).to_owned(), labels: BTreeMap::new() };
        addresses.iter().map(instance).collect()
    }

    fn look(parts: &[(&str, Result<&[&str], &str>)]) -> Look {
        let outcome = |outcome: &Result<&[&str], &str>| match outcome {
            Ok(addresses) => Ok(Some(list(addresses))),
            Err(problem) => Err((*problem).to_owned()),
        };
        parts.iter().map(|(part, found)| ((*part).to_owned(), outcome(found))).collect()
    }

    fn addresses(keeper: &Keeper) -> Vec<&str> {
        keeper.instances().map(|instance| instance.address.as_str()).collect()
    }

    #[test]
    fn a_part_that_fails_keeps_its_list_and_the_others_go_on() {
        let mut keeper = Keeper::default();
        assert!(keeper.take(look(&[("a", Ok(&["1"])), ("b", Ok(&["2"]))]), at(0), PATIENCE).of_lists);
        let change = keeper.take(look(&[("a", Err("a is garbage")), ("b", Ok(&["3"]))]), at(5), PATIENCE);
        assert_eq!(change, Change { of_lists: true, began_to_fail: true, ..Change::default() });
        assert_eq!(addresses(&keeper), ["1", "3"]);
        assert_eq!((keeper.last_error.as_deref(), keeper.last_success), (Some("a is garbage"), Some(at(0))));
    }

    #[test]
    fn trouble_is_told_once_and_its_end_too() {
        let mut keeper = Keeper::default();
        let failed = || look(&[("a", Err("no"))]);
        let told: Vec<bool> = (0..5).map(|second| keeper.take(failed(), at(second), PATIENCE).in_trouble).collect();
        assert_eq!(told, [false, false, true, false, false]);
        // A heapwatch that is started anew knows that it has told.
        let stored = serde_json::to_string(&keeper).expect("plain data");
        let mut keeper: Keeper = serde_json::from_str(&stored).expect("what was written");
        let change = keeper.take(look(&[("a", Ok(&["1"]))]), at(9), PATIENCE);
        assert_eq!(change, Change { of_lists: true, recovered: Some((5, true)), ..Change::default() });
        assert_eq!(keeper.take(look(&[("a", Ok(&["1"]))]), at(10), PATIENCE), Change::default());
    }

    #[test]
    fn many_that_become_none_are_believed_later() {
        for empty in [look(&[("a", Ok(&[]))]), look(&[])] {
            let mut keeper = Keeper::default();
            keeper.take(look(&[("a", Ok(&["1", "2"]))]), at(0), PATIENCE);
            assert!(!keeper.take(empty.clone(), at(10), PATIENCE).of_lists);
            assert_eq!(addresses(&keeper), ["1", "2"]);
            assert!(keeper.last_error.as_ref().is_some_and(|why| why.contains("had 2, which is believed after 10m")));
            assert!(keeper.take(empty, at(10 + 600), PATIENCE).of_lists);
            assert_eq!((addresses(&keeper).len(), keeper.last_error.clone()), (0, None));
        }
    }

    #[test]
    fn an_empty_file_that_does_not_change_is_believed_in_time_too() {
        let mut keeper = Keeper::default();
        keeper.take(look(&[("a", Ok(&["1", "2"]))]), at(0), PATIENCE);
        keeper.take(look(&[("a", Ok(&[]))]), at(1), PATIENCE);
        let unchanged = || Look::from([("a".to_owned(), Ok(None))]);
        assert!(!keeper.take(unchanged(), at(300), PATIENCE).of_lists);
        assert!(keeper.take(unchanged(), at(601), PATIENCE).of_lists);
    }

    #[test]
    fn one_that_becomes_none_is_believed_at_once() {
        let mut keeper = Keeper::default();
        keeper.take(look(&[("a", Ok(&["1"]))]), at(0), PATIENCE);
        assert!(keeper.take(look(&[("a", Ok(&[]))]), at(1), PATIENCE).of_lists);
        assert_eq!(addresses(&keeper).len(), 0);
    }
}
