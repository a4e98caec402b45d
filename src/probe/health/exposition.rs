//! Understands a page of metrics in the Prometheus text format, or in OpenMetrics: which of its series are our figures.
//!
//! One pass over the lines, no tree: a line that is nobody's costs its name. Names are those that the client libraries
//! of Node.js, Go, Java, .NET and Python give, also behind a prefix (`shop_nodejs_heap_size_used_bytes`). A figure of
//! the process has one series; several are several processes, and refused, but for pools that only their sum tells of.
//! Lines that are no metrics are passed over, so that one bad line of somebody's collector does not hide the memory.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::field::{Field, Kind};
use super::figure::{Outcome, Scalar, append, interpret};
use super::names::{Unit, pointer_key};
use super::{Found, Gauge, HealthError, Ignored, Reading, start_of};
use crate::http;

/// Longest series that is shown, in characters.
const LONGEST_SHOWN: usize = 120;
/// Names that are shown where a page has nothing for us.
const MOST_NAMES: usize = 8;

/// One way in which a client library tells of a figure.
struct Known {
    field: Field,
    name: &'static str,
    /// What the series must be labelled with.
    label: Option<(&'static str, &'static str)>,
    /// Several series are parts of one figure.
    is_sum: bool,
}

const fn single(field: Field, name: &'static str) -> Known {
    Known { field, name, label: None, is_sum: false }
}

const fn sum(field: Field, name: &'static str) -> Known {
    Known { field, name, label: None, is_sum: true }
}

const fn heap_pools(field: Field, name: &'static str) -> Known {
    Known { field, name, label: Some(("area", "heap")), is_sum: true }
}

/// The pool of objects that have lived for long, as each collector of the JVM calls it.
const fn old_pool(pool: &'static str) -> Known {
    let name = "jvm_memory_pool_collection_used_bytes";
    Known { field: Field::HeapUsedAfterGc, name, label: Some(("pool", pool)), is_sum: false }
}

/// Of one field, the earlier is preferred.
const KNOWN: [Known; 30] = [
    single(Field::HeapUsed, "nodejs_heap_size_used_bytes"),
    single(Field::HeapUsed, "go_memstats_heap_alloc_bytes"),
    heap_pools(Field::HeapUsed, "jvm_memory_used_bytes"),
    heap_pools(Field::HeapUsed, "jvm_memory_bytes_used"),
    single(Field::HeapUsed, "dotnet_total_memory_bytes"),
    single(Field::HeapTotal, "nodejs_heap_size_total_bytes"),
    single(Field::HeapTotal, "go_memstats_heap_sys_bytes"),
    heap_pools(Field::HeapTotal, "jvm_memory_committed_bytes"),
    heap_pools(Field::HeapTotal, "jvm_memory_bytes_committed"),
    single(Field::External, "nodejs_external_memory_bytes"),
    sum(Field::External, "jvm_buffer_memory_used_bytes"),
    sum(Field::External, "jvm_buffer_pool_used_bytes"),
    single(Field::Rss, "process_resident_memory_bytes"),
    single(Field::Rss, "process_working_set_bytes"),
    heap_pools(Field::HeapLimit, "jvm_memory_max_bytes"),
    heap_pools(Field::HeapLimit, "jvm_memory_bytes_max"),
    single(Field::MemoryLimit, "go_gc_gomemlimit_bytes"),
    single(Field::HeapUsedAfterGc, "jvm_gc_live_data_size_bytes"),
    old_pool("G1 Old Gen"),
    old_pool("PS Old Gen"),
    old_pool("Tenured Gen"),
    Known {
        field: Field::MajorGcs,
        name: "nodejs_gc_duration_seconds_count",
        label: Some(("kind", "major")),
        is_sum: false,
    },
    single(Field::MajorGcs, "go_gc_duration_seconds_count"),
    sum(Field::Requests, "http_requests_total"),
    sum(Field::Requests, "http_request_duration_seconds_count"),
    sum(Field::Requests, "http_server_requests_seconds_count"),
    sum(Field::Requests, "promhttp_metric_handler_requests_total"),
    single(Field::Uptime, "process_uptime_seconds"),
    single(Field::StartTime, "process_start_time_seconds"),
    single(Field::StartTime, "process_start_time"),
];

/// Where the configuration overrides the names, and what it watches besides.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    fields: Vec<(Field, Option<Unit>, Selector)>,
    gauges: Vec<(String, Selector)>,
}

/// A metric by its name, with labels that its series must have: `nodejs_active_handles{type="Socket"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
    name: String,
    labels: Vec<(String, String)>,
}

impl Selector {
    /// Parses a name, with labels in braces perhaps.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, labels, rest) = series(text.trim())?;
        let labels: Option<Vec<_>> =
            Labels(labels).map(|label| label.map(|(name, value)| (name.to_owned(), value.into_owned()))).collect();
        rest.trim()
            .is_empty()
            .then(|| Some(Self { text: text.trim().to_owned(), name: name.to_owned(), labels: labels? }))?
    }

    fn takes(&self, line: &Line<'_>) -> bool {
        self.name == line.name && self.labels.iter().all(|(name, value)| line.has(name, value))
    }
}

impl Selection {
    /// Selectors by the name of a field, and of gauges; what is no selector, a JSON pointer for example, is left out.
    pub fn new(fields: &BTreeMap<String, String>, gauges: &[(String, String)]) -> Self {
        let fields = fields.iter().filter_map(|(name, text)| {
            let (field, unit) = pointer_key(name)?;
            Some((field, unit, Selector::parse(text)?))
        });
        let gauges = gauges.iter().filter_map(|(name, text)| Some((name.clone(), Selector::parse(text)?)));
        Self { fields: fields.collect(), gauges: gauges.collect() }
    }
}

/// What has been seen of one figure.
#[derive(Clone, Debug, Default)]
struct Tally {
    series: usize,
    sum: f64,
    /// The first series as it stands in the page.
    shown: String,
}

impl Tally {
    fn add(&mut self, line: &Line<'_>) {
        if self.series == 0 {
            self.shown = http::excerpt(line.series, LONGEST_SHOWN);
        }
        self.series += 1;
        self.sum += line.value;
    }

    fn note(&self) -> String {
        if self.series > 1 { format!("; the sum of {} series", self.series) } else { String::new() }
    }
}

/// Reads a page of metrics.
pub fn read(body: &[u8], selection: &Selection) -> Result<Reading, HealthError> {
    // Names as the libraries have them come before those with a prefix, which may be of something within the process.
    let mut known = vec![[Tally::default(), Tally::default()]; KNOWN.len()];
    let mut fields = vec![Tally::default(); selection.fields.len()];
    let mut gauges = vec![Tally::default(); selection.gauges.len()];
    let mut names: Vec<&str> = Vec::new();
    for line in body.split(|byte| *byte == b'\n').filter_map(parse) {
        if names.len() < MOST_NAMES && names.last() != Some(&line.name) {
            names.push(line.name);
        }
        for (tally, (_, _, selector)) in fields.iter_mut().zip(&selection.fields) {
            if selector.takes(&line) {
                tally.add(&line);
            }
        }
        for (tally, (_, selector)) in gauges.iter_mut().zip(&selection.gauges) {
            if selector.takes(&line) {
                tally.add(&line);
            }
        }
        if let Some((place, is_prefixed)) = recognise(&line) {
            known[place][usize::from(is_prefixed)].add(&line);
        }
    }
    if names.is_empty() {
        return Err(HealthError::NotMetrics { start: start_of(body) });
    }
    let mut reading = Reading::default();
    for field in Field::ALL {
        match selection.fields.iter().zip(&fields).find(|((selected, _, _), _)| *selected == field) {
            Some(((_, unit, selector), tally)) => pointed(&mut reading, field, *unit, selector, tally)?,
            None => search(&mut reading, field, &known)?,
        }
    }
    if !reading.found.iter().any(|found| found.field.kind() == Kind::Memory) {
        let names: Vec<String> = names.iter().map(|name| http::excerpt(name, 40)).collect();
        return Err(HealthError::NoMemoryFields { hint: format!("the page has {}", names.join(", ")) });
    }
    let gauge_of = |((name, selector), tally): (&(String, Selector), Tally)| Gauge {
        name: name.clone(),
        pointer: http::excerpt(&selector.text, LONGEST_SHOWN),
        number: Some(tally.sum).filter(|sum| tally.series > 0 && sum.is_finite()),
    };
    reading.gauges = selection.gauges.iter().zip(gauges).map(gauge_of).collect();
    Ok(reading)
}

/// Which of the known ways this line is, and whether its name has a prefix.
fn recognise(line: &Line<'_>) -> Option<(usize, bool)> {
    let place = KNOWN.iter().position(|known| {
        let before = line.name.strip_suffix(known.name);
        let is_name = before.is_some_and(|before| before.is_empty() || before.ends_with(['_', ':']));
        is_name && known.label.is_none_or(|(name, value)| line.has(name, value))
    })?;
    Some((place, line.name != KNOWN[place].name))
}

fn pointed(
    reading: &mut Reading,
    field: Field,
    unit: Option<Unit>,
    selector: &Selector,
    tally: &Tally,
) -> Result<(), HealthError> {
    if tally.series == 0 {
        reading.ignored.push(Ignored {
            field,
            pointer: http::excerpt(&selector.text, LONGEST_SHOWN),
            raw: String::new(),
            reason: "no series is what the configuration names".to_owned(),
        });
        return Ok(());
    }
    settle(reading, field, unit, tally, &format!("{}; named by the configuration", tally.note()))
}

fn search(reading: &mut Reading, field: Field, known: &[[Tally; 2]]) -> Result<(), HealthError> {
    let ways = KNOWN.iter().zip(known).filter(|(way, _)| way.field == field);
    let exact = ways.clone().map(|(way, tallies)| (way, &tallies[0]));
    let prefixed = ways.map(|(way, tallies)| (way, &tallies[1]));
    let Some((way, tally)) = exact.chain(prefixed).find(|(_, tally)| tally.series > 0) else { return Ok(()) };
    match (way.is_sum, tally.series) {
        (true, _) | (_, 1) => settle(reading, field, None, tally, &tally.note()),
        (false, count) if matches!(field, Field::HeapUsed | Field::Rss) => Err(HealthError::SeveralProcesses { count }),
        (false, count) => {
            reading.ignored.push(Ignored {
                field,
                pointer: tally.shown.clone(),
                raw: String::new(),
                reason: format!("{count} series have this name, and which is the process's own is not known"),
            });
            Ok(())
        }
    }
}

fn settle(
    reading: &mut Reading,
    field: Field,
    unit: Option<Unit>,
    tally: &Tally,
    note: &str,
) -> Result<(), HealthError> {
    let scalar = Scalar::Number(tally.sum);
    let (pointer, raw) = (tally.shown.clone(), scalar.shown());
    let reason = match interpret(field, unit.or_else(|| usual_unit(field)), &scalar) {
        Outcome::Figure { figure, mut understood, .. } => {
            append(&mut understood, note);
            reading.found.push(Found { field, pointer, raw, figure, understood });
            return Ok(());
        }
        Outcome::Absurd if matches!(field, Field::HeapUsed | Field::Rss) => {
            return Err(HealthError::AbsurdNumber { field, pointer, raw });
        }
        Outcome::Absurd => "cannot be true: negative or larger than 8 PiB".to_owned(),
        Outcome::Unusable(why) => why,
    };
    reading.ignored.push(Ignored { field, pointer, raw, reason });
    Ok(())
}

/// Metrics are in base units, and say so in their names.
fn usual_unit(field: Field) -> Option<Unit> {
    matches!(field.kind(), Kind::Memory | Kind::Limit).then_some(Unit::BYTES)
}

/// One line that is a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line<'a> {
    /// Name and labels as they stand there.
    series: &'a str,
    name: &'a str,
    /// What stands between the braces.
    labels: &'a str,
    value: f64,
}

impl Line<'_> {
    fn has(&self, name: &str, value: &str) -> bool {
        Labels(self.labels).map_while(|label| label).any(|(own, text)| own == name && text == value)
    }
}

/// `name{labels} value [timestamp] [# exemplar]`; `None` for comments and for what is no metric.
fn parse(line: &[u8]) -> Option<Line<'_>> {
    let text = std::str::from_utf8(line).ok()?.trim();
    let (name, labels, rest) = series(text)?;
    let series = text.get(..text.len() - rest.len())?.trim_end();
    let mut words = rest.split_ascii_whitespace();
    let value = words.next()?.parse().ok()?;
    // A time in milliseconds or, in OpenMetrics, in seconds; then whatever an exemplar says.
    let is_whole = words.next().is_none_or(|word| word == "#" || word.parse::<f64>().is_ok());
    is_whole.then_some(Line { series, name, labels, value })
}

/// The name, what stands between the braces, and what comes after them.
fn series(text: &str) -> Option<(&str, &str, &str)> {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let end = text.find(|c: char| !is_inside(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let Some(inside) = rest.trim_start().strip_prefix('{') else { return Some((name, "", rest)) };
    let end = closing_brace(inside)?;
    let (labels, rest) = inside.split_at_checked(end)?;
    Some((name, labels, rest.strip_prefix('}')?))
}

/// The brace that ends the labels: one within quotes does not.
fn closing_brace(inside: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (offset, byte) in inside.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'}' if !is_quoted => return Some(offset),
            _ => {}
        }
    }
    None
}

/// The labels between the braces, one by one; a label that is none ends them as `None`.
struct Labels<'a>(&'a str);

impl<'a> Iterator for Labels<'a> {
    type Item = Option<(&'a str, Cow<'a, str>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_start();
        if rest.is_empty() {
            return None;
        }
        let label = label(rest);
        self.0 = label.as_ref().map_or("", |(_, _, rest)| rest);
        Some(label.map(|(name, value, _)| (name, value)))
    }
}

/// `name="value",` and what follows.
fn label(text: &str) -> Option<(&str, Cow<'_, str>, &str)> {
    let (name, rest) = text.split_once('=')?;
    let quoted = rest.trim_start().strip_prefix('"')?;
    let mut is_escaped = false;
    let end = quoted.bytes().position(|byte| match byte {
        _ if is_escaped => {
            is_escaped = false;
            false
        }
        b'\\' => {
            is_escaped = true;
            false
        }
        byte => byte == b'"',
    })?;
    let (value, rest) = quoted.split_at_checked(end)?;
    let rest = rest.strip_prefix('"')?.trim_start();
    let rest = if rest.is_empty() { rest } else { rest.strip_prefix(',')? };
    Some((name.trim(), unescaped(value), rest))
}

/// `\\`, `\"` and `\n` undone.
fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            (c, false) => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests;
