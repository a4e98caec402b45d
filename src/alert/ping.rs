//! The dead-man ping: tells an outside monitor after each complete round of polls that heapwatch is alive.

use std::time::Duration;

use url::Url;

use crate::http::{self, ClientOptions};

/// Where to ping.
#[derive(Clone, Debug)]
pub struct Options {
    /// The ping URL; its path is the secret.
    pub url: Url,
    /// Connection settings.
    pub client: ClientOptions,
    /// Deadline for one ping.
    pub timeout: Duration,
}

/// A ping ready to be sent.
#[derive(Debug)]
pub struct Pinger {
    #[expect(dead_code, reason = "thin: the ping follows")]
    options: Options,
    #[expect(dead_code, reason = "thin: the ping follows")]
    client: reqwest::Client,
}

/// Why a ping did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// Any answer but 2xx.
    #[error("{origin} answered {status}")]
    Status {
        /// Scheme, host and port.
        origin: String,
        /// HTTP status.
        status: u16,
    },
}

impl Pinger {
    /// Makes the client.
    pub fn new(options: Options) -> Result<Self, http::ClientError> {
        let client = http::client(&options.client)?;
        Ok(Self { options, client })
    }

    /// Pings once. A failed ping is not tried again: the next round's will do.
    #[expect(clippy::unused_async, reason = "thin: the ping follows")]
    pub async fn ping(&self) -> Result<(), PingError> {
        Ok(())
    }
}
