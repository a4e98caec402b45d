//! Sends one alert over one channel once, and says what came of it. Whether and when to try again is the outbox's.

mod error;
mod log;
mod request;

use std::fmt;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::error::{Disposition, SendError, SetupError};
use self::request::Request;
use crate::alert::message::{Alert, Status};
use crate::alert::signature::SigningKey;
use crate::alert::{Channel, ChannelKind, alertmanager};
use crate::clock::Timestamp;
use crate::http::{self, ShownUrl};
use crate::text::line;

/// Longest answer that is kept, in characters; answers say what is wrong in a few words.
const ANSWER: usize = 200;
/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 4096;
/// How long a receiver that has already said yes may take for the rest of its answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// Who sends: shown to receivers that want to know or to link back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Name of this heapwatch among several (`prod-eu`).
    pub instance: String,
    /// Its status page, for links.
    pub url: Option<Url>,
}

/// A channel ready to send. Dropping the future of [`Sender::send`] leaves open whether the receiver has the alert;
/// sending it again is always safe, because its id stays the same.
#[derive(Debug)]
pub struct Sender {
    channel: Channel,
    origin: Origin,
    client: reqwest::Client,
    /// Of a webhook, newest first.
    keys: Vec<SigningKey>,
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

impl Sender {
    /// Makes the client of a channel and checks its secrets.
    pub fn new(channel: Channel, origin: Origin) -> Result<Self, SetupError> {
        let make = if channel.kind.needs_tls() { http::client } else { http::plain_client };
        let client = make(&channel.client)?;
        let keys = match &channel.kind {
            ChannelKind::Webhook { secrets, .. } => secrets.iter().map(SigningKey::parse).collect::<Result<_, _>>()?,
            _ => Vec::new(),
        };
        Ok(Self { channel, origin, client, keys })
    }

    /// The channel it sends over.
    pub const fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Sends `alert` once.
    pub async fn send(&self, alert: &Alert, delivery: &Delivery) -> Result<Receipt, SendError> {
        let requests = self.requests(alert, delivery);
        if requests.is_empty() {
            log::write(alert, &self.channel.name);
            return Ok(Receipt::default());
        }
        let outcomes = join_all(requests.into_iter().map(|request| self.post(request, delivery.now))).await;
        let receipt = merge(outcomes)?;
        Ok(Receipt {
            opened_with: self.opened_with(alert, delivery),
            resend_after: self.resend_after(alert, delivery.now),
            ..receipt
        })
    }

    /// The bodies of [`Sender::send`] as they go out, for people: secrets within are masked.
    pub fn shown_bodies(&self, alert: &Alert, delivery: &Delivery) -> Vec<String> {
        let mask = |body: String| match &self.channel.kind {
            ChannelKind::PagerDuty { .. } => body.replace(&self.routing_key(delivery).0, "***"),
            _ => body,
        };
        self.requests(alert, delivery).into_iter().map(|request| mask(request.body)).collect()
    }

    fn opened_with(&self, alert: &Alert, delivery: &Delivery) -> Option<RoutingKey> {
        let is_kept = matches!(self.channel.kind, ChannelKind::PagerDuty { .. }) && alert.status() == Status::Firing;
        is_kept.then(|| self.routing_key(delivery))
    }

    fn resend_after(&self, alert: &Alert, now: Timestamp) -> Option<Duration> {
        match self.channel.kind {
            ChannelKind::Alertmanager { resend, .. } => alertmanager::resend_after(alert, resend, now),
            _ => None,
        }
    }

    /// The key that opened the incident, or the configured one for a new incident.
    fn routing_key(&self, delivery: &Delivery) -> RoutingKey {
        let configured = || match &self.channel.kind {
            ChannelKind::PagerDuty { routing_key, .. } => RoutingKey::new(routing_key),
            _ => RoutingKey(String::new()),
        };
        delivery.opened_with.clone().unwrap_or_else(configured)
    }

    async fn post(&self, request: Request, now: Timestamp) -> Result<Receipt, SendError> {
        let origin = ShownUrl::origin(&request.url).to_string();
        let mut post = self.client.post(request.url).timeout(self.channel.timeout);
        post = post.header(CONTENT_TYPE, request.content_type);
        for (name, value) in request.headers {
            post = post.header(name, value);
        }
        let answered = post.body(request.body).send().await;
        let response =
            answered.map_err(|problem| SendError::of_request(problem.into(), &origin, self.channel.timeout))?;
        self.judge(response, origin, now).await
    }

    /// Tells success from failure by what the receiver answered.
    async fn judge(&self, response: Response, origin: String, now: Timestamp) -> Result<Receipt, SendError> {
        let status = response.status();
        let retry_after = http::retry_after(response.headers(), now);
        let answer = read_answer(response).await;
        let is_slack = matches!(self.channel.kind, ChannelKind::Slack { .. });
        if !status.is_success() {
            let disposition = error::disposition_of(status.as_u16(), retry_after, is_slack);
            return Err(SendError::Refused { origin, status: status.as_u16(), answer, disposition });
        }
        // Slack says `ok`; a proxy's page with status 200 is no delivery.
        if is_slack && answer != "ok" {
            return Err(SendError::NotOk { origin, answer });
        }
        Ok(Receipt { status: Some(status.as_u16()), answer, ..Receipt::default() })
    }
}

/// Some of the answer's text; its failure to arrive whole does not undo what the status said.
async fn read_answer(response: Response) -> String {
    match tokio::time::timeout(ANSWER_PATIENCE, http::read_capped(response, ANSWER_BYTES)).await {
        Ok(Ok(bytes)) => line(&String::from_utf8_lossy(&bytes), ANSWER),
        Ok(Err(_)) | Err(_) => String::new(),
    }
}

/// The outcome of all peers together: taken if one took it (the others get it with the next re-send), else the
/// failure that leaves most hope.
fn merge(outcomes: Vec<Result<Receipt, SendError>>) -> Result<Receipt, SendError> {
    let peers = outcomes.len();
    let (taken, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    let count = taken.len();
    let mut receipts = taken.into_iter().flatten();
    if let Some(receipt) = receipts.next() {
        let answer = if peers > 1 { format!("{count} of {peers} peers took it") } else { receipt.answer };
        return Ok(Receipt { answer, ..receipt });
    }
    let hope = |error: &SendError| error.disposition().rank();
    failed.into_iter().filter_map(Result::err).min_by_key(hope).map_or_else(|| Ok(Receipt::default()), Err)
}

impl RoutingKey {
    fn new(key: &SecretString) -> Self {
        Self(key.expose_secret().to_owned())
    }

    fn expose(&self) -> &str {
        &self.0
    }
}

/// Shows nothing.
impl fmt::Debug for RoutingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoutingKey")
    }
}

impl Origin {
    /// Named after the host, which tells one heapwatch from another.
    pub fn of_this_host() -> Self {
        let instance = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { instance, url: None }
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self { instance: "heapwatch".to_owned(), url: None }
    }
}
