//! What goes over the wire for one alert on one channel: pure, given the time of the attempt.

use url::Url;

use super::{Delivery, Sender};
use crate::alert::message::Alert;
use crate::alert::{ChannelKind, WebhookFormat, alertmanager, body, pagerduty, signature, slack};

/// One POST.
pub(super) struct Request {
    pub(super) url: Url,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

const JSON: &str = "application/json";

impl Sender {
    /// What to post for `alert`: nothing for the log, one request for each peer of Alertmanager.
    pub(super) fn requests(&self, alert: &Alert, delivery: &Delivery) -> Vec<Request> {
        let plain =
            |url: &Url, body: String| Request { url: url.clone(), content_type: JSON, headers: Vec::new(), body };
        match &self.channel.kind {
            ChannelKind::Log => Vec::new(),
            ChannelKind::Webhook { url, format, .. } => vec![self.webhook(url, format, alert, delivery)],
            ChannelKind::PagerDuty { url, .. } => {
                let key = self.routing_key(delivery);
                vec![plain(url, pagerduty::event(alert, &self.origin, key.expose()).to_string())]
            }
            ChannelKind::Slack { url } => vec![plain(url, slack::message(alert).to_string())],
            ChannelKind::Alertmanager { peers, resend } => {
                let body = alertmanager::alerts(alert, &self.origin, *resend, delivery.now).to_string();
                peers.iter().map(|peer| plain(&alertmanager::post_url(peer), body.clone())).collect()
            }
        }
    }

    /// A webhook's request: the id stays the same over all attempts, timestamp and signature are of this one.
    fn webhook(&self, url: &Url, format: &WebhookFormat, alert: &Alert, delivery: &Delivery) -> Request {
        let (content_type, body) = match format {
            WebhookFormat::Standard => (JSON, body::standard(alert).to_string()),
            WebhookFormat::CloudEvents => {
                ("application/cloudevents+json", body::cloud_event(alert, &self.origin).to_string())
            }
            WebhookFormat::Template(template) => (template.content_type(), template.render(alert)),
        };
        let timestamp = delivery.now.wall_ms().div_euclid(1000);
        let mut headers = vec![("webhook-id", alert.id.clone()), ("webhook-timestamp", timestamp.to_string())];
        if !self.keys.is_empty() {
            let signatures = signature::sign(&self.keys, &alert.id, timestamp, body.as_bytes());
            headers.push(("webhook-signature", signatures));
        }
        Request { url: url.clone(), content_type, headers, body }
    }
}
