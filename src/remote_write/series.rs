//! Samples of targets for a receiver, and the mark at the end of each series.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::status::TargetStatus;
use crate::status::figures::FAMILIES;
use crate::target::{Labels, TargetName};

/// Prometheus' own kind of "not a number", which ends a series: without it, queries would show the last number for
/// another five minutes.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A series by its labels, sorted by name as the protocol asks for, none of them empty.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series(Vec<(String, String)>);

/// One number at one time.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Whose.
    pub series: Arc<Series>,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The number.
    pub value: f64,
}

/// What was sent of each target before, so that what has ended can be marked.
#[derive(Debug)]
pub struct Book {
    /// Labels that every series gets.
    labels: Labels,
    open: BTreeMap<TargetName, Page>,
}

/// The series of one target.
#[derive(Debug, Default)]
struct Page {
    last_ms: i64,
    /// The target's own labels; another configuration makes other series.
    labels: Labels,
    series: BTreeMap<Key, Arc<Series>>,
}

/// A family by its number, and the value of its label.
type Key = (usize, String);

impl Series {
    /// Of labels in any order.
    pub fn new(labels: impl IntoIterator<Item = (String, String)>) -> Self {
        let labels: BTreeMap<String, String> = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self(labels.into_iter().collect())
    }

    /// Names and values, sorted by name.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Book {
    /// Nothing was sent yet.
    pub fn new(labels: Labels) -> Self {
        Self { labels, open: BTreeMap::new() }
    }

    /// What a poll that ended at `at` has shown; empty where the wall clock went back, as receivers take no older sample.
    pub fn on_poll(&mut self, status: &TargetStatus, at: Timestamp) -> Vec<Sample> {
        let page = self.open.entry(status.name.clone()).or_default();
        let at_ms = at.wall_ms();
        if at_ms <= page.last_ms {
            return Vec::new();
        }
        let mut samples = Vec::new();
        if page.labels != status.labels {
            samples.extend(page.close(at_ms - 1));
            page.labels.clone_from(&status.labels);
        }
        page.last_ms = at_ms;
        let mut before = std::mem::take(&mut page.series);
        let answers = status.watch.is_answering();
        for (number, family) in FAMILIES.iter().enumerate().filter(|(_, family)| answers || !family.is_read) {
            family.read(status, |label, value| {
                let key = (number, label.into_owned());
                let series = before.remove(&key).unwrap_or_else(|| Arc::new(series_of(&key, status, &self.labels)));
                samples.push(Sample { series: Arc::clone(&series), at_ms, value });
                page.series.insert(key, series);
            });
        }
        samples.extend(before.into_values().map(|series| end(series, at_ms)));
        samples
    }

    /// The target is no longer watched.
    pub fn on_gone(&mut self, target: &TargetName, at: Timestamp) -> Vec<Sample> {
        let Some(mut page) = self.open.remove(target) else { return Vec::new() };
        page.close(at.wall_ms().max(page.last_ms + 1))
    }
}

impl Page {
    fn close(&mut self, at_ms: i64) -> Vec<Sample> {
        std::mem::take(&mut self.series).into_values().map(|series| end(series, at_ms)).collect()
    }
}

fn end(series: Arc<Series>, at_ms: i64) -> Sample {
    Sample { series, at_ms, value: f64::from_bits(STALE) }
}

/// Ours come before the target's labels, and those before the receiver's: a label that is hidden so keeps its value
/// under `exported_`, as Prometheus does it.
fn series_of(key: &Key, status: &TargetStatus, common: &Labels) -> Series {
    let (number, value) = key;
    let family = &FAMILIES[*number];
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    labels.insert("__name__".to_owned(), format!("heapwatch_{}", family.full_name()));
    labels.insert("target".to_owned(), status.name.to_string());
    if let Some(name) = family.label {
        labels.insert(name.to_owned(), value.clone());
    }
    for (name, value) in status.labels.iter().chain(common) {
        let mut name = name.clone();
        while labels.contains_key(&name) {
            name.insert_str(0, "exported_");
        }
        labels.insert(name, value.clone());
    }
    Series::new(labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use crate::status::{CareStatus, WatchStatus};

    fn status(labels: &[(&str, &str)], answers: bool) -> TargetStatus {
        let sample = sample::Sample {
            heap_used: Some(5),
            rss: Some(9),
            gauges: vec![("listeners".to_owned(), 3.0)],
            ..sample::Sample::empty(at(0))
        };
        let watch = WatchStatus { sample: Some(sample), failed_polls: u32::from(!answers), ..WatchStatus::default() };
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TargetStatus { name: "api".parse().unwrap(), labels, url: String::new(), watch, care: CareStatus::default() }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_760_000_000_000 + ms)
    }

    /// `name{labels} value` of each, `end` for the mark.
    fn shown(samples: &[Sample]) -> Vec<String> {
        let show = |sample: &Sample| {
            let labels: Vec<String> = sample.series.labels().map(|(name, value)| format!("{name}={value}")).collect();
            let value = if sample.value.to_bits() == STALE { "end".to_owned() } else { sample.value.to_string() };
            format!("{} {value}", labels.join(","))
        };
        samples.iter().map(show).collect()
    }

    #[test]
    fn a_target_has_its_labels_in_order_and_no_two_of_one_name() {
        let common = [("cluster".to_owned(), "eu".to_owned()), ("target".to_owned(), "all".to_owned())].into();
        let samples = Book::new(common).on_poll(&status(&[("team", "pay"), ("empty", "")], true), at(1));
        let rss = shown(&samples).into_iter().find(|line| line.contains("signal=rss")).unwrap();
        let expected = "__name__=heapwatch_target_memory_bytes,cluster=eu,exported_target=all,signal=rss,\
                        target=api,team=pay 9";
        assert_eq!(rss, expected);
        assert!(shown(&samples).iter().any(|line| line.contains("gauge=listeners")), "{:?}", shown(&samples));
    }

    #[test]
    fn series_end_where_a_target_falls_silent_and_where_it_goes() {
        let mut book = Book::new(Labels::new());
        let first = book.on_poll(&status(&[], true), at(1)).len();
        let silent = shown(&book.on_poll(&status(&[], false), at(2)));
        assert!(silent.contains(&"__name__=heapwatch_target_up,target=api 0".to_owned()), "{silent:?}");
        assert!(silent.contains(&"__name__=heapwatch_target_memory_bytes,signal=rss,target=api end".to_owned()));
        assert_eq!(silent.len(), first, "each goes on or ends");
        let gone = book.on_gone(&"api".parse().unwrap(), at(3));
        assert!(!gone.is_empty() && shown(&gone).iter().all(|line| line.ends_with(" end")), "{:?}", shown(&gone));
        assert!(book.on_gone(&"api".parse().unwrap(), at(4)).is_empty(), "once");
    }

    #[test]
    fn other_labels_are_other_series_and_time_never_goes_back() {
        let mut book = Book::new(Labels::new());
        book.on_poll(&status(&[("env", "a")], true), at(10));
        assert!(book.on_poll(&status(&[("env", "a")], true), at(10)).is_empty());
        let moved = book.on_poll(&status(&[("env", "b")], true), at(20));
        let ended = moved.iter().filter(|sample| sample.value.is_nan()).count();
        assert_eq!(ended * 2, moved.len(), "{:?}", shown(&moved));
        assert!(moved.iter().all(|sample| sample.at_ms > at(10).wall_ms()));
    }
}
