//! Understands a health body: which of its members are the figures we want, and in which unit.
//!
//! Names are compared without case and separators, at any depth of nesting; `names` lists them, `choose` states which of
//! several is meant. Sizes with a unit (`"123 MB"`) count 1024 of the smaller unit to the greater, as services do that
//! divide by 1024; plain numbers are bytes unless the name says otherwise (`rss_mb`). Nothing is assumed between
//! fields. An absurd heapUsed or rss (negative, above 8 PiB) refuses the whole body; any other absurd member is left
//! out and listed in [`Reading::ignored`]. Figures of several processes (arrays, members named by a number) are never
//! taken by name. Pure: no sockets, no clock.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::http;
use crate::sample::Sample;
use crate::units::ByteSize;

mod choose;
pub mod exposition;
mod field;
mod figure;
mod names;
mod walk;

pub use field::Field;

/// Where the configuration overrides the search by name.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    pointers: Vec<Pointer>,
    gauges: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
struct Pointer {
    field: Field,
    unit: Option<names::Unit>,
    at: String,
}

impl Mapping {
    /// JSON pointers (RFC 6901) by field name, and numbers to watch besides by name and pointer.
    ///
    /// A unit after the field's name scales a plain number: `heapUsedMB = "/mem/heap"`. Names that
    /// [`Field::named`] does not know are left out.
    pub fn new(pointers: &BTreeMap<String, String>, gauges: &[(String, String)]) -> Self {
        let pointers = pointers.iter().filter_map(|(name, at)| {
            let (field, unit) = names::pointer_key(name)?;
            Some(Pointer { field, unit, at: at.clone() })
        });
        Self { pointers: pointers.collect(), gauges: gauges.to_vec() }
    }
}

/// Why a body gives no reading.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// No JSON, or nested deeper than 128 levels.
    #[error("is not JSON but `{start}`")]
    NotJson {
        /// How the body begins, one line of printable text.
        start: String,
        /// Where the reading stopped.
        source: serde_json::Error,
    },
    /// No line of it is a metric.
    #[error("is no page of metrics but `{start}`")]
    NotMetrics {
        /// How the body begins, one line of printable text.
        start: String,
    },
    /// Neither JSON nor metrics have any figure of memory.
    #[error("has no memory figures (looked for heapUsed, heapTotal, external, arrayBuffers and rss); {hint}")]
    NoMemoryFields {
        /// What was there instead.
        hint: String,
    },
    /// Memory figures in an array or under numbers, one element a process; or a metric with several series.
    #[error("lists memory by process ({count} here): make each a target of its own, with a URL that reaches only it")]
    SeveralProcesses {
        /// Elements with memory figures.
        count: usize,
    },
    /// A figure that cannot be true: negative or larger than 8 PiB.
    #[error("says {field} is {raw} at `{pointer}`, which cannot be true")]
    AbsurdNumber {
        /// Which figure.
        field: Field,
        /// Where it stands.
        pointer: String,
        /// What it says, capped.
        raw: String,
    },
}

/// What a health body says, and how it was understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The fields found, in the order of [`Field::ALL`], each once.
    pub found: Vec<Found>,
    /// The gauges asked for, in the order of the configuration.
    pub gauges: Vec<Gauge>,
    /// Members that carry a field's name and could not be used, with the reason.
    pub ignored: Vec<Ignored>,
    /// Numbers of a JSON body that are no field's and may be watched as gauges, by their pointers; a few dozen at most.
    pub others: Vec<(String, f64)>,
}

/// One field of a reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Which field.
    pub field: Field,
    /// Where it stands: a JSON pointer, or the metric.
    pub pointer: String,
    /// The text of the body, capped.
    pub raw: String,
    /// What it means.
    pub figure: Figure,
    /// How the text became the figure, for people: `MB read as 1048576 bytes`.
    pub understood: Cow<'static, str>,
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// Bytes.
    Bytes(u64),
    /// A number of something.
    Count(u64),
    /// A span of time.
    Span(Duration),
    /// A point in time.
    Instant(Timestamp),
}

/// As people read it: `123 MiB`, `8h 3m 20s`, `2025-10-09T08:53:20Z`.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => ByteSize::new(*bytes).fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Span(span) => humantime::format_duration(Duration::from_secs(span.as_secs())).fmt(f),
            Self::Instant(at) => at.fmt(f),
        }
    }
}

/// One gauge of a reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    /// Its name in the configuration.
    pub name: String,
    /// Where it was looked for.
    pub pointer: String,
    /// The number there; `None` where there is none.
    pub number: Option<f64>,
}

/// A member that looked like a field and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The field whose name it carries.
    pub field: Field,
    /// Where it stands.
    pub pointer: String,
    /// The text of the body, capped.
    pub raw: String,
    /// Why it was not used.
    pub reason: String,
}

impl Reading {
    /// Fields that the body does not give.
    pub fn missing(&self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(|field| self.get(*field).is_none())
    }

    /// One field, where it was found.
    pub fn get(&self, field: Field) -> Option<&Found> {
        self.found.iter().find(|found| found.field == field)
    }

    /// The figures alone, as taken `at` this time.
    ///
    /// The lower of the two limits is the limit. A start time serves as uptime where none is given, unless it lies in
    /// the future.
    pub fn into_sample(self, at: Timestamp) -> Sample {
        let limits = [self.bytes(Field::HeapLimit), self.bytes(Field::MemoryLimit)];
        Sample {
            at,
            heap_used: self.bytes(Field::HeapUsed),
            heap_total: self.bytes(Field::HeapTotal),
            external: self.bytes(Field::External),
            array_buffers: self.bytes(Field::ArrayBuffers),
            rss: self.bytes(Field::Rss),
            memory_limit: limits.into_iter().flatten().min(),
            // Nothing is what the JVM tells before its first collection.
            heap_used_after_gc: self.bytes(Field::HeapUsedAfterGc).filter(|level| *level > 0),
            major_gcs: self.count(Field::MajorGcs),
            requests: self.count(Field::Requests),
            pid: self.count(Field::Pid),
            uptime: self.uptime(at),
            gauges: self.gauges.into_iter().filter_map(|gauge| Some((gauge.name, gauge.number?))).collect(),
        }
    }

    fn bytes(&self, field: Field) -> Option<u64> {
        match self.get(field)?.figure {
            Figure::Bytes(bytes) => Some(bytes),
            Figure::Count(_) | Figure::Span(_) | Figure::Instant(_) => None,
        }
    }

    fn count(&self, field: Field) -> Option<u64> {
        match self.get(field)?.figure {
            Figure::Count(count) => Some(count),
            Figure::Bytes(_) | Figure::Span(_) | Figure::Instant(_) => None,
        }
    }

    fn uptime(&self, at: Timestamp) -> Option<Duration> {
        if let Some(Figure::Span(span)) = self.get(Field::Uptime).map(|found| found.figure) {
            return Some(span);
        }
        // Start times and the wall line are both Unix time; the steady line of `at` has another origin.
        match self.get(Field::StartTime)?.figure {
            Figure::Instant(start) => {
                u64::try_from(at.wall_ms().saturating_sub(start.wall_ms())).ok().map(Duration::from_millis)
            }
            Figure::Bytes(_) | Figure::Count(_) | Figure::Span(_) => None,
        }
    }
}

/// Reads a health body.
pub fn read(body: &[u8], mapping: &Mapping) -> Result<Reading, HealthError> {
    let findings =
        walk::walk(body, mapping).map_err(|source| HealthError::NotJson { start: start_of(body), source })?;
    choose::choose(findings, mapping)
}

/// How a body begins, as it may be shown.
pub(super) fn start_of(body: &[u8]) -> String {
    /// Enough to know an error page by; the rest is cut before it is looked at.
    const BYTES: usize = 512;
    http::excerpt(&String::from_utf8_lossy(body.get(..BYTES).unwrap_or(body)), 100)
}

#[cfg(test)]
mod tests;
