//! Alerts: what becomes one, how it reads, and the channels that carry it until it is delivered.
//!
//! `policy` decides which happening becomes which [`message::Alert`]; `outbox` keeps, for each channel, what is owed,
//! in order; `channel` sends one alert once and says what came of it. `policy`, `outbox`, `wording`, `body` and the
//! renderers of the channels are pure: time and chance are arguments.

pub mod alertmanager;
pub mod body;
pub mod channel;
#[cfg(test)]
mod examples;
pub mod message;
pub mod outbox;
pub mod pagerduty;
pub mod ping;
pub mod policy;
pub mod signature;
pub mod slack;
pub mod template;
pub mod text;
pub mod wording;

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::http::{ClientOptions, ShownUrl};
use crate::target::Labels;

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
    /// Lowest severity it is told of. Suspicions and stored snapshots are `Info`.
    pub min_severity: message::Severity,
    /// Labels that a target must have, each with this value; empty: every target.
    pub labels: Labels,
}

impl Channel {
    /// Whether this channel is told of `alert`. A resolve carries the severity of what it resolves, so that it goes
    /// wherever that went.
    pub fn wants(&self, alert: &message::Alert) -> bool {
        alert.severity >= self.min_severity
            && self.labels.iter().all(|(name, value)| alert.labels.get(name) == Some(value))
    }
}

/// What a channel speaks, with its address and secrets.
#[derive(Clone)]
pub enum ChannelKind {
    /// The daemon's own log.
    Log,
    /// Standard Webhooks 1.0.0.
    Webhook {
        /// Where to post.
        url: Url,
        /// Signing secrets, newest first; more than one while a secret is rotated. Empty: unsigned.
        secrets: Vec<SecretString>,
        /// Shape of the body.
        format: WebhookFormat,
    },
    /// `PagerDuty` Events API v2.
    PagerDuty {
        /// Where to post; [`pagerduty::ENQUEUE_URL`] unless the account is in the EU.
        url: Url,
        /// The integration key of a service, 32 characters.
        routing_key: SecretString,
    },
    /// Slack incoming webhook.
    Slack {
        /// Where to post; its path is the secret.
        url: Url,
    },
    /// Alertmanager API v2.
    Alertmanager {
        /// Base URL of every peer of the cluster: all are posted to.
        peers: Vec<Url>,
        /// How often a firing alert is sent again, so that Alertmanager does not take it for resolved.
        resend: Duration,
    },
}

/// Shape of a webhook's body.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum WebhookFormat {
    /// `{"type", "timestamp", "data"}`, see [`body`].
    #[default]
    Standard,
    /// `CloudEvents` 1.0, structured mode, with the same `data`.
    CloudEvents,
    /// A text of the receiver's own shape.
    Template(template::Template),
}

impl ChannelKind {
    /// The word for it in the configuration, logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Webhook { .. } => "webhook",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Slack { .. } => "slack",
            Self::Alertmanager { .. } => "alertmanager",
        }
    }

    /// Where it posts, as far as that may be shown: paths of receivers are often secrets.
    pub fn shown(&self) -> String {
        match self {
            Self::Log => "the log".to_owned(),
            Self::Webhook { url, .. } | Self::PagerDuty { url, .. } | Self::Slack { url } => {
                ShownUrl::origin(url).to_string()
            }
            Self::Alertmanager { peers, .. } => {
                let origins: Vec<String> = peers.iter().map(|peer| ShownUrl::origin(peer).to_string()).collect();
                origins.join(", ")
            }
        }
    }
}

/// Kind and origin only: neither paths nor secrets.
impl fmt::Debug for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.shown())
    }
}
