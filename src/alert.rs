//! Alerts: what becomes one, how it reads, and the channels that carry it until it is delivered.
//!
//! `policy` decides which happening becomes which [`message::Alert`]; `outbox` keeps, for each channel, what is owed,
//! in order; `channel` sends one alert once and says what came of it. `policy`, `outbox`, `wording`, `body` and the
//! renderers of the channels are pure: time and chance are arguments.

pub mod alertmanager;
pub mod body;
pub mod channel;
#[cfg(test)]
pub(crate) mod examples;
mod fingerprint;
pub mod message;
pub mod outbox;
pub mod pagerduty;
pub mod ping;
pub mod policy;
pub mod route;
pub mod signature;
pub mod slack;
pub mod template;
pub mod wording;

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use self::message::{Alert, News, Severity};
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
    pub min_severity: Severity,
    /// Labels that a target must have, each with this value; empty: every target.
    pub labels: Labels,
}

impl Channel {
    /// Whether this channel is told of `alert`. A resolve carries the severity of what it resolves, so that it goes
    /// wherever that went; heapwatch's own trouble concerns every team.
    pub fn wants(&self, alert: &Alert) -> bool {
        let is_own = matches!(alert.news, News::Trouble { .. } | News::Test { .. });
        let has_labels = || self.labels.iter().all(|(name, value)| alert.labels.get(name) == Some(value));
        alert.severity >= self.min_severity && (is_own || has_labels())
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

    /// Whether it posts to `https:` URLs.
    pub fn needs_tls(&self) -> bool {
        let is_plain = |url: &Url| url.scheme() == "http";
        match self {
            Self::Log => false,
            Self::Webhook { url, .. } | Self::PagerDuty { url, .. } | Self::Slack { url } => !is_plain(url),
            Self::Alertmanager { peers, .. } => !peers.iter().all(is_plain),
        }
    }
}

/// Kind and origin only: neither paths nor secrets.
impl fmt::Debug for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::examples::{alert, leak};

    fn channel(min_severity: Severity, labels: &[(&str, &str)]) -> Channel {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (client, timeout) = (ClientOptions::default(), Duration::from_secs(15));
        Channel { name: "ops".to_owned(), kind: ChannelKind::Log, client, timeout, min_severity, labels }
    }

    #[test]
    fn a_channel_is_told_of_its_labels_and_severities_only() {
        let warning = alert(News::LeakConfirmed(leak()));
        for (min_severity, labels, expected) in [
            (Severity::Warning, &[][..], true),
            (Severity::Critical, &[], false),
            (Severity::Info, &[("env", "prod")], true),
            (Severity::Info, &[("env", "staging")], false),
            (Severity::Info, &[("env", "prod"), ("team", "payments")], false),
        ] {
            assert_eq!(channel(min_severity, labels).wants(&warning), expected, "{min_severity:?} {labels:?}");
        }
    }

    #[test]
    fn heapwatchs_own_trouble_concerns_every_team() {
        let trouble = policy::trouble("channel ops", "410 Gone", message::Status::Firing, examples::NOW);
        assert!(channel(Severity::Warning, &[("team", "payments")]).wants(&trouble));
    }

    #[test]
    fn neither_paths_nor_secrets_show_in_debug() {
        let url = Url::parse("https://user:pw@hooks.slack.com/services/T0/B0/secret?token=x").expect("a URL");
        let kinds = [
            ChannelKind::Slack { url: url.clone() },
            ChannelKind::PagerDuty { url: url.clone(), routing_key: "secret".into() },
            ChannelKind::Alertmanager { peers: vec![url.clone()], resend: alertmanager::RESEND },
            ChannelKind::Webhook { url, secrets: vec!["secret".into()], format: WebhookFormat::Standard },
        ];
        for kind in kinds {
            assert_eq!(format!("{kind:?}"), format!("{}(https://hooks.slack.com)", kind.name()));
        }
    }
}
