//! A list that a server gives, as Prometheus' `http_sd` has it.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ETAG, HeaderValue, IF_NONE_MATCH};
use url::Url;

use super::keeping::Look;
use super::list::{self, Form, Instance};
use crate::errors;
use crate::http::{self, ClientError, ClientOptions, Credentials, ShownUrl};

/// 100,000 targets with a dozen labels each take 30 MB.
const LONGEST: usize = 64 << 20;

/// How to ask for a list.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it is.
    pub url: Url,
    /// What the server asks for.
    pub credentials: Credentials,
    /// Connection settings.
    pub client: ClientOptions,
    /// Deadline for the whole answer.
    pub timeout: Duration,
}

/// Asks one server.
#[derive(Debug)]
pub(super) struct Server {
    options: Options,
    refresh: Duration,
    client: reqwest::Client,
    /// Of the list that was taken last.
    tag: Option<HeaderValue>,
}

impl Server {
    pub(super) fn new(options: Options, refresh: Duration) -> Result<Self, ClientError> {
        let client = match options.url.scheme() {
            "http" => http::plain_client(&options.client),
            _ => http::client(&options.client),
        }?;
        Ok(Self { options, refresh, client, tag: None })
    }

    /// Asks once.
    pub(super) async fn look(&mut self) -> Look {
        let part = ShownUrl::of(&self.options.url).to_string();
        let asked = tokio::time::timeout(self.options.timeout, self.ask()).await;
        let outcome = asked.unwrap_or_else(|_| Err(format!("has not answered in {:?}", self.options.timeout)));
        Look::from([(part.clone(), outcome.map_err(|problem| format!("{part} {problem}")))])
    }

    async fn ask(&mut self) -> Result<Option<Vec<Instance>>, String> {
        let request = self
            .client
            .get(self.options.url.clone())
            .header(ACCEPT, "application/json")
            .header("X-Prometheus-Refresh-Interval-Seconds", self.refresh.as_secs_f64().to_string());
        let request = match &self.tag {
            Some(tag) => request.header(IF_NONE_MATCH, tag.clone()),
            None => request,
        };
        let sent = http::authorize(request, &self.options.credentials).send().await;
        let response = sent.map_err(|error| format!("cannot be asked: {}", http::RequestError::from(error)))?;
        match response.status() {
            StatusCode::NOT_MODIFIED if self.tag.is_some() => return Ok(None),
            StatusCode::OK => {}
            status => return Err(format!("answers with status {}", status.as_u16())),
        }
        let tag = response.headers().get(ETAG).cloned();
        let body = http::read_capped(response, LONGEST).await.map_err(|error| errors::one_line(&error))?;
        let text = std::str::from_utf8(&body).map_err(|_| "answers with what is no UTF-8 text".to_owned())?;
        let list = list::parse(text, Form::Json).map_err(|error| format!("answers with what {error}"))?;
        self.tag = tag;
        Ok(Some(list))
    }
}
