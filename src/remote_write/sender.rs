//! One request to a receiver, and what its failure means.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::series::Sample;
use super::{Options, wire};
use crate::clock::Timestamp;
use crate::http::{self, ClientError, RequestError, ShownUrl};

/// Posts samples.
#[derive(Debug)]
pub struct Sender {
    options: Options,
    client: reqwest::Client,
}

/// Why samples were not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// To be tried again: 429, 5xx.
    #[error("{origin} answered {status}")]
    Busy {
        /// Scheme, host and port.
        origin: String,
        /// HTTP status.
        status: u16,
        /// How long the receiver asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// To be tried again: nothing came back.
    #[error("{origin} did not answer")]
    NoAnswer {
        /// Scheme, host and port.
        origin: String,
        /// What the client says.
        #[source]
        source: RequestError,
    },
    /// Not to be tried again: any other answer but 2xx.
    #[error("{origin} answered {status}: {says}")]
    Refused {
        /// Scheme, host and port.
        origin: String,
        /// HTTP status.
        status: u16,
        /// The start of the answer, cleaned.
        says: String,
    },
    /// Not to be tried again: a request beyond 4 GiB.
    #[error("the samples cannot be compressed")]
    TooLarge(#[source] snap::Error),
}

impl SendError {
    /// How long to wait at least where the same samples are to be sent again; `None` where they are not.
    pub fn retry(&self) -> Option<Option<Duration>> {
        match self {
            Self::Busy { retry_after, .. } => Some(*retry_after),
            Self::NoAnswer { .. } => Some(None),
            Self::Refused { .. } | Self::TooLarge(_) => None,
        }
    }
}

impl Sender {
    /// Makes the client; connects nowhere yet.
    pub fn new(options: Options) -> Result<Self, ClientError> {
        let client = http::client_for(&options.url, &options.client)?;
        Ok(Self { options, client })
    }

    /// Who is sent to, and how.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Posts these samples once.
    pub async fn send(&self, samples: &[Sample], now: Timestamp) -> Result<(), SendError> {
        /// Longest that a receiver may ask to be left alone: the queue is dropping what is old meanwhile.
        const LONGEST_WAIT: Duration = Duration::from_mins(10);
        /// Prometheus names the series that it refuses, with all labels.
        const LONGEST_ANSWER: usize = 300;
        let Options { url, credentials, timeout, .. } = &self.options;
        let body = wire::encode(samples).map_err(SendError::TooLarge)?;
        let origin = || ShownUrl::origin(url).to_string();
        let request = self
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(CONTENT_ENCODING, "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .timeout(*timeout)
            .body(body);
        let answer = http::authorize(request, credentials).send().await;
        let answer = answer.map_err(|source| SendError::NoAnswer { origin: origin(), source: source.into() })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            let retry_after = http::retry_after(answer.headers(), now).map(|wait| wait.min(LONGEST_WAIT));
            return Err(SendError::Busy { origin: origin(), status: status.as_u16(), retry_after });
        }
        let says = http::excerpt(&String::from_utf8_lossy(&http::read_start(answer).await), LONGEST_ANSWER);
        Err(SendError::Refused { origin: origin(), status: status.as_u16(), says })
    }
}
