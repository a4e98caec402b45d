//! Understands a health body: which of its members are the figures we want, and in which unit.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::sample::Sample;

mod field;

pub use field::Field;

/// Where the configuration overrides the search by name.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// JSON pointers (RFC 6901) by field.
    pub pointers: BTreeMap<Field, String>,
    /// Numbers to watch besides, by name and JSON pointer.
    pub gauges: Vec<(String, String)>,
}

/// Why a body gives no reading.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// No JSON, or nested deeper than 128 levels.
    #[error("is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// JSON without any figure of memory.
    #[error("has no memory figures (looked for heapUsed, heapTotal, external, arrayBuffers and rss); {hint}")]
    NoMemoryFields {
        /// What was there instead, or what to do.
        hint: String,
    },
    /// Memory figures in an array, one element a process.
    #[error("answers for {count} processes: list each process as a target of its own, with a URL that reaches only it")]
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
}

/// One field of a reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Which field.
    pub field: Field,
    /// Where it stands: a JSON pointer.
    pub pointer: String,
    /// The text of the body, capped.
    pub raw: String,
    /// What it means.
    pub figure: Figure,
    /// How the text became the figure, for people: `MB read as 1048576 bytes`.
    pub understood: String,
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
    pub fn into_sample(self, at: Timestamp) -> Sample {
        Sample::empty(at)
    }
}

/// Reads a health body.
pub fn read(body: &[u8], mapping: &Mapping) -> Result<Reading, HealthError> {
    let _: serde_json::Value = serde_json::from_slice(body).map_err(HealthError::NotJson)?;
    let gauges = mapping.gauges.iter().map(|(name, pointer)| Gauge {
        name: name.clone(),
        pointer: pointer.clone(),
        number: None,
    });
    Ok(Reading { gauges: gauges.collect(), ..Reading::default() })
}
