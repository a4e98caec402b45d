//! Alerts: the message about an episode, its wording, and the channels that carry it.

pub mod message;

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::http::ClientOptions;

/// One place where alerts go.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name in the configuration, in logs and in metrics.
    pub name: String,
    /// What it speaks.
    pub kind: ChannelKind,
    /// Connection settings.
    pub client: ClientOptions,
    /// Deadline for one attempt.
    pub timeout: Duration,
    /// Lowest severity it is told of.
    pub min_severity: message::Severity,
}

/// What a channel speaks, with its address and secrets.
#[derive(Clone, Debug)]
pub enum ChannelKind {
    /// The daemon's own log.
    Log,
    /// Standard Webhooks 1.0.0.
    Webhook {
        /// Where to post.
        url: Url,
        /// Signing secrets, newest first; more than one while a secret is rotated. Empty: unsigned.
        secrets: Vec<SecretString>,
    },
}
