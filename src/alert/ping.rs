//! The dead-man ping: tells an outside monitor after each complete round of polls that heapwatch is alive.
//!
//! A service such as healthchecks.io alerts when the pings stay away; nothing else can tell that heapwatch, or the
//! machine under it, is dead.

use std::time::Duration;

use url::Url;

use crate::http::{self, ClientOptions, RequestError, ShownUrl};

/// Where to ping.
#[derive(Clone)]
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
    options: Options,
    client: reqwest::Client,
}

/// Why a ping did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// Any answer but 2xx.
    #[error("{origin} answered {status} to the ping")]
    Status {
        /// Scheme, host and port.
        origin: String,
        /// HTTP status.
        status: u16,
    },
    /// No answer.
    #[error("{origin} did not answer the ping")]
    NoAnswer {
        /// Scheme, host and port.
        origin: String,
        /// What the client says.
        #[source]
        source: RequestError,
    },
}

impl Pinger {
    /// Makes the client.
    pub fn new(options: Options) -> Result<Self, http::ClientError> {
        let client = http::client_for(&options.url, &options.client)?;
        Ok(Self { options, client })
    }

    /// Pings once. A failed ping is not tried again: the next round's will do.
    pub async fn ping(&self) -> Result<(), PingError> {
        let origin = ShownUrl::origin(&self.options.url).to_string();
        let answered = self.client.get(self.options.url.clone()).timeout(self.options.timeout).send().await;
        match answered {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(PingError::Status { origin, status: response.status().as_u16() }),
            Err(problem) => Err(PingError::NoAnswer { origin, source: problem.into() }),
        }
    }
}

/// Origin only.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Options({})", ShownUrl::origin(&self.url))
    }
}
