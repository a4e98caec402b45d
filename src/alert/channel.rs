//! Sends one alert over one channel once, and says what came of it. Whether and when to try again is the outbox's.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::alert::Channel;
use crate::alert::message::Alert;
use crate::clock::Timestamp;
use crate::http;

/// Who sends: shown to receivers that want to know or to link back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Name of this heapwatch among several (`prod-eu`).
    pub instance: String,
    /// Its status page, for links.
    pub url: Option<Url>,
}

impl Default for Origin {
    fn default() -> Self {
        Self { instance: "heapwatch".to_owned(), url: None }
    }
}

/// A channel ready to send: its client, connected or not.
#[derive(Debug)]
pub struct Sender {
    channel: Channel,
    #[expect(dead_code, reason = "thin: HTTP channels follow")]
    origin: Origin,
    #[expect(dead_code, reason = "thin: HTTP channels follow")]
    client: reqwest::Client,
}

/// One attempt of one entry of the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The time of this attempt.
    pub now: Timestamp,
    /// Counts from 1.
    pub attempt: u32,
    /// What the incident was opened with, where the receipt of its trigger said so.
    pub opened_with: Option<RoutingKey>,
}

/// The routing key that an incident was opened with. `PagerDuty` knows an incident under that key only, so it is
/// kept, in the state database and only while the incident is open, for the case that the configuration changes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoutingKey(String);

/// Shows nothing.
impl fmt::Debug for RoutingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoutingKey")
    }
}

/// The receiver has taken the alert.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    /// HTTP status; none for the log.
    pub status: Option<u16>,
    /// What the receiver said, capped and cleaned.
    pub answer: String,
    /// To be handed back in [`Delivery::opened_with`] for the rest of the incident.
    pub opened_with: Option<RoutingKey>,
    /// Send the same alert again after this time, for receivers that forget (Alertmanager).
    pub resend_after: Option<Duration>,
}

/// The receiver has not taken the alert.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Name resolution, TCP or TLS failed: nothing was sent.
    #[error("cannot connect to {origin}")]
    Connect {
        /// Scheme, host and port.
        origin: String,
        /// What the client says.
        #[source]
        source: reqwest::Error,
    },
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Try again.
    Retry {
        /// Not before this time has passed, as the receiver asked.
        after: Option<Duration>,
        /// The answer was lost: the receiver may have taken it all the same.
        maybe_taken: bool,
    },
    /// This alert will never be taken; others may.
    Permanent,
    /// 401, 403, 404: try again, and take the channel for broken when it goes on.
    ChannelRefuses,
    /// The receiver is gone for good.
    ChannelBroken,
}

impl Sender {
    /// Makes the client of a channel.
    pub fn new(channel: Channel, origin: Origin) -> Result<Self, http::ClientError> {
        let client = http::client(&channel.client)?;
        Ok(Self { channel, origin, client })
    }

    /// The channel it sends over.
    pub const fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Sends `alert` once.
    #[expect(clippy::unused_async, reason = "thin: HTTP channels follow")]
    pub async fn send(&self, _alert: &Alert, _delivery: &Delivery) -> Result<Receipt, SendError> {
        Ok(Receipt::default())
    }
}

impl SendError {
    /// What to do now.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Connect { .. } => Disposition::Retry { after: None, maybe_taken: false },
        }
    }

    /// A word for metrics: `refused`, `timeout`, `rate_limited` ...
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
        }
    }
}
