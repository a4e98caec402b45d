//! The asking: one GET under two deadlines and a cap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::{ACCEPT, CONNECTION, LOCATION};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::health::exposition::{self, Selection};
use super::health::{self, HealthError, Mapping, Reading};
use super::{Format, Options, ProbeError, Stage};
use crate::http::{self, ClientError, ShownUrl};

/// No answer is worth more waiting, and no deadline overflows the clock.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

/// Polls one target, one poll at a time.
#[derive(Debug)]
pub struct Prober {
    options: Arc<Options>,
    reader: Reader,
    client: reqwest::Client,
    may_reuse: AtomicBool,
}

/// What is left of a prober between two polls.
#[derive(Clone, Debug)]
pub struct Connection {
    client: reqwest::Client,
    /// Whether the last answer may have left an idle connection behind, which the target may have closed since.
    may_reuse: bool,
}

impl Connection {
    /// Sets up the client; connects to nothing.
    pub fn new(options: &Options) -> Result<Self, ClientError> {
        Ok(Self { client: http::client_for(&options.url, &options.client)?, may_reuse: false })
    }
}

/// Understands the answers.
#[derive(Debug)]
enum Reader {
    Json(Mapping),
    Prometheus(Selection),
}

impl Reader {
    fn of(options: &Options) -> Self {
        match options.format {
            Format::Json => Self::Json(Mapping::new(&options.pointers, &options.gauges)),
            Format::Prometheus => Self::Prometheus(Selection::new(&options.pointers, &options.gauges)),
        }
    }

    const fn accepts(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Prometheus(_) => {
                "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5, */*;q=0.1"
            }
        }
    }

    fn read(&self, body: &[u8]) -> Result<Reading, HealthError> {
        match self {
            Self::Json(mapping) => health::read(body, mapping),
            Self::Prometheus(selection) => exposition::read(body, selection),
        }
    }
}

impl Prober {
    /// Sets up the client; connects to nothing.
    pub fn new(options: Options) -> Result<Self, ClientError> {
        let connection = Connection::new(&options)?;
        Ok(Self::on(Arc::new(options), connection))
    }

    /// Goes on with what is left of the poll before.
    pub fn on(options: Arc<Options>, connection: Connection) -> Self {
        let Connection { client, may_reuse } = connection;
        Self { reader: Reader::of(&options), options, client, may_reuse: AtomicBool::new(may_reuse) }
    }

    /// What the next poll can go on with.
    pub fn into_connection(self) -> Connection {
        Connection { client: self.client, may_reuse: self.may_reuse.into_inner() }
    }

    /// One GET and its reading.
    ///
    /// Node closes idle connections after 5 s, so the one left from the last poll may be closing while the request is
    /// sent; then the request goes out once more on a new connection. A new connection that breaks is a failed poll.
    ///
    /// Cancel-safe: dropping it closes the connection and leaves nothing behind.
    pub async fn probe(&self) -> Result<Reading, ProbeError> {
        let deadline = Instant::now() + self.options.timeout.min(LONGEST_TIMEOUT);
        let response = timeout_at(deadline, self.ask()).await.map_err(|_| ProbeError::Timeout(Stage::Waiting))??;
        let response = self.accept(response, deadline).await?;
        let limit = usize::try_from(self.options.body_limit.bytes()).unwrap_or(usize::MAX);
        let body: Bytes = timeout_at(deadline, http::read_capped(response, limit))
            .await
            .map_err(|_| ProbeError::Timeout(Stage::Reading))??;
        Ok(self.reader.read(&body)?)
    }

    async fn ask(&self) -> Result<Response, ProbeError> {
        let may_reuse = self.may_reuse.swap(false, Ordering::Relaxed);
        let response = match self.send().await {
            Err(ProbeError::Broken(_)) if may_reuse => self.send().await?,
            outcome => outcome?,
        };
        self.may_reuse.store(true, Ordering::Relaxed);
        Ok(response)
    }

    async fn send(&self) -> Result<Response, ProbeError> {
        let mut request = self.client.get(self.options.url.clone()).header(ACCEPT, self.reader.accepts());
        if self.options.client.keep_alive.is_zero() {
            // The target learns at once that nobody will wait on this connection.
            request = request.header(CONNECTION, "close");
        }
        http::authorize(request, &self.options.credentials)
            .send()
            .await
            .map_err(|error| ProbeError::of_request(error.into()))
    }

    /// Lets 2xx pass; an error's body is read as far as it is shown.
    async fn accept(&self, response: Response, deadline: Instant) -> Result<Response, ProbeError> {
        /// A status is told at once, with what has come of its body by then.
        const BODY_WAIT: Duration = Duration::from_secs(1);
        let status = response.status();
        let code = status.as_u16();
        if status.is_success() {
            return Ok(response);
        }
        if let Some(location) = response.headers().get(LOCATION).filter(|_| status.is_redirection()) {
            let location = shown_location(&self.options.url, &String::from_utf8_lossy(location.as_bytes()));
            return Err(ProbeError::Redirected { code, location });
        }
        let deadline = deadline.min(Instant::now() + BODY_WAIT);
        let start = timeout_at(deadline, http::read_start(response)).await.unwrap_or_default();
        Err(ProbeError::Status { code, body: health::start_of(&start) })
    }
}

/// Where a redirect points, without what may be secret.
fn shown_location(asked: &Url, location: &str) -> String {
    /// Enough for the host and most paths.
    const LONGEST: usize = 120;
    match asked.join(location) {
        Ok(url) => http::excerpt(&ShownUrl::of(&url).to_string(), LONGEST),
        Err(_) => String::from("no URL"),
    }
}
