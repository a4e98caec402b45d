//! A reading as a table for people and as JSON for programs.

use std::fmt;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::http::ShownUrl;
use crate::probe::Reading;
use crate::probe::health::{Field, Figure};
use crate::text::line;

/// What `heapwatch probe` prints.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Report<'a> {
    url: String,
    fields: Vec<FieldRow<'a>>,
    gauges: Vec<GaugeRow<'a>>,
    ignored: Vec<IgnoredRow<'a>>,
    missing: Vec<MissingRow>,
    others: Vec<OtherRow>,
}

#[derive(Debug, Serialize)]
struct FieldRow<'a> {
    field: &'static str,
    #[serde(flatten)]
    value: Value,
    #[serde(skip)]
    shown: String,
    pointer: &'a str,
    raw: &'a str,
    understood: &'a str,
}

/// One member, named by its unit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Value {
    Bytes(u64),
    Count(u64),
    Seconds(f64),
    Time(String),
}

#[derive(Debug, Serialize)]
struct GaugeRow<'a> {
    name: &'a str,
    pointer: &'a str,
    number: Option<f64>,
}

#[derive(Debug, Serialize)]
struct IgnoredRow<'a> {
    field: &'static str,
    pointer: &'a str,
    raw: &'a str,
    reason: &'a str,
}

#[derive(Debug, Serialize)]
struct OtherRow {
    pointer: String,
    number: f64,
}

#[derive(Debug, Serialize)]
struct MissingRow {
    field: &'static str,
    cost: &'static str,
}

impl<'a> Report<'a> {
    pub(in crate::cli) fn new(url: &ShownUrl, reading: &'a Reading) -> Self {
        let fields = reading.found.iter().map(|found| FieldRow {
            field: found.field.name(),
            value: value_of(found.figure),
            shown: found.figure.to_string(),
            pointer: &found.pointer,
            raw: &found.raw,
            understood: &found.understood,
        });
        let gauges = reading.gauges.iter();
        let ignored = reading.ignored.iter().map(|ignored| IgnoredRow {
            field: ignored.field.name(),
            pointer: &ignored.pointer,
            raw: &ignored.raw,
            reason: &ignored.reason,
        });
        let missing = reading.missing().filter_map(|field| {
            let cost = cost_of_missing(field, |other| reading.get(other).is_some())?;
            Some(MissingRow { field: field.name(), cost })
        });
        Self {
            url: url.to_string(),
            fields: fields.collect(),
            gauges: gauges
                .map(|gauge| GaugeRow { name: &gauge.name, pointer: &gauge.pointer, number: gauge.number })
                .collect(),
            ignored: ignored.collect(),
            missing: missing.collect(),
            others: others_of(reading),
        }
    }
}

/// Numbers besides, those left out that are watched already. A pointer is the target's text.
fn others_of(reading: &Reading) -> Vec<OtherRow> {
    /// As long as a line of a terminal can be.
    const LONGEST: usize = 120;
    let is_watched = |pointer: &str| reading.gauges.iter().any(|gauge| gauge.pointer == pointer);
    let others = reading.others.iter().filter(|(pointer, _)| !is_watched(pointer));
    others.map(|(pointer, number)| OtherRow { pointer: line(pointer, LONGEST), number: *number }).collect()
}

fn value_of(figure: Figure) -> Value {
    match figure {
        Figure::Bytes(bytes) => Value::Bytes(bytes),
        Figure::Count(count) => Value::Count(count),
        Figure::Span(span) => Value::Seconds(span.as_secs_f64()),
        Figure::Instant(at) => Value::Time(at.to_string()),
    }
}

/// What heapwatch cannot do without this field; `None` where another one stands in for it.
fn cost_of_missing(field: Field, has: impl Fn(Field) -> bool) -> Option<&'static str> {
    let cost = match field {
        Field::HeapUsed => "growth of the heap is not seen, and no snapshot is taken: its cost cannot be reckoned",
        Field::HeapTotal => "growth of native memory (rss - heapTotal - external) is not seen",
        Field::External => "growth of buffers and of native memory is not seen",
        Field::ArrayBuffers => "array buffers are not told apart from other external memory",
        Field::Rss => "growth outside of the heap is not seen, and no snapshot is taken: its cost cannot be reckoned",
        Field::HeapLimit if !has(Field::MemoryLimit) => {
            "no time to the limit is told unless memory_limit is configured"
        }
        Field::HeapUsedAfterGc => "the live heap is estimated from the lows of heapUsed, which takes longer",
        Field::MajorGcs => "whether a low of heapUsed follows a major collection is not known",
        Field::Requests => "growth is not related to the load",
        Field::Pid => "several processes behind this URL are harder to tell from restarts",
        Field::Uptime if !has(Field::StartTime) => "a restart is seen by its drop and gap only",
        // Either of the two limits will do, and either uptime or start time; the first of them tells for both.
        Field::HeapLimit | Field::MemoryLimit | Field::Uptime | Field::StartTime => return None,
    };
    Some(cost)
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.url)?;
        let mut found = table(&["FIELD", "VALUE", "FOUND AT", "WRITTEN AS", "READ AS"]);
        for row in &self.fields {
            found.add_row([row.field, row.shown.as_str(), row.pointer, row.raw, row.understood]);
        }
        print(f, &found)?;
        if !self.gauges.is_empty() {
            let mut gauges = table(&["GAUGE", "VALUE", "LOOKED FOR AT"]);
            for row in &self.gauges {
                let number = row.number.map_or_else(|| "no number there".to_owned(), |number| number.to_string());
                gauges.add_row([row.name, number.as_str(), row.pointer]);
            }
            writeln!(f)?;
            print(f, &gauges)?;
        }
        if !self.ignored.is_empty() {
            let mut ignored = table(&["LEFT OUT", "AT", "WRITTEN AS", "WHY"]);
            for row in &self.ignored {
                ignored.add_row([row.field, row.pointer, row.raw, row.reason]);
            }
            writeln!(f)?;
            print(f, &ignored)?;
        }
        if !self.missing.is_empty() {
            let mut missing = table(&["MISSING", "WHAT THAT COSTS"]);
            for row in &self.missing {
                missing.add_row([row.field, row.cost]);
            }
            writeln!(f)?;
            print(f, &missing)?;
        }
        if let Some(first) = self.others.first() {
            let mut others = table(&["ALSO THERE", "NUMBER"]);
            for row in &self.others {
                others.add_row([row.pointer.clone(), row.number.to_string()]);
            }
            writeln!(f)?;
            print(f, &others)?;
            let example = format!("{{ name = \"watched\", pointer = {:?}, growth = true }}", first.pointer);
            writeln!(f, "\nAny of these can be watched: gauges = [{example}]")?;
        }
        Ok(())
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table
}

/// Without the blanks that the columns leave at the end of lines.
fn print(f: &mut fmt::Formatter<'_>, table: &Table) -> fmt::Result {
    for line in table.lines() {
        writeln!(f, "{}", line.trim())?;
    }
    Ok(())
}
