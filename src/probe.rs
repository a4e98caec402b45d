//! One GET of a target's health endpoint: its outcome is a reading or a named failure.
//!
//! [`Prober::probe`] does the asking, [`health::read`] understands the answer and is pure. Nothing here keeps a
//! history: a failed poll is a value, and what it means is the detector's business.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::http::{ClientOptions, Credentials};
use crate::units::ByteSize;

mod error;
pub mod health;
mod prober;

pub use error::{ProbeError, Reason, Stage};
pub use health::exposition::{Selection, Selector};
pub use health::{HealthError, Mapping, Reading};
pub use prober::{Connection, Prober};

/// What a target answers with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    #[default]
    Json,
    /// Metrics in the Prometheus text format, or in OpenMetrics.
    Prometheus,
}

impl Format {
    /// Where services answer with it unless they say otherwise.
    pub const fn usual_path(self) -> &'static str {
        match self {
            Self::Json => "/health/debug",
            Self::Prometheus => "/metrics",
        }
    }
}

/// How to poll one target.
#[derive(Clone, Debug)]
pub struct Options {
    /// The health endpoint, path and query included.
    pub url: Url,
    /// What it answers with.
    pub format: Format,
    /// What the endpoint asks for.
    pub credentials: Credentials,
    /// Connection settings; its `connect_timeout` is the deadline for connecting.
    pub client: Arc<ClientOptions>,
    /// How long a connection may wait for the next poll; zero: each poll has its own.
    pub rest: Duration,
    /// Deadline for the whole answer, connection included.
    pub timeout: Duration,
    /// Cap on the body, counted after decompression.
    pub body_limit: ByteSize,
    /// JSON pointers (RFC 6901) for fields that are not found by name, `heapUsed = "/data/mem/heap"`; or metrics, where
    /// those are what it answers with.
    pub pointers: BTreeMap<String, String>,
    /// Numbers to watch besides, each by JSON pointer or metric, in the order of the configuration.
    pub gauges: Vec<(String, String)>,
}
