//! The asking: one GET under two deadlines and a cap.

use std::io::Read as _;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use hyper::{Request, Response};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::health::exposition::{self, Selection};
use super::health::{self, HealthError, Mapping, Reading};
use super::{Format, Options, ProbeError, Stage};
use crate::http::{self, Agent, ClientError, Exchange, RequestError, Resting, ShownUrl, Wire};

/// No answer is worth more waiting, and no deadline overflows the clock.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

/// Polls one target, one poll at a time.
#[derive(Debug)]
pub struct Prober {
    options: Arc<Options>,
    connection: Connection,
}

impl Prober {
    /// Sets up what connects; connects to nothing.
    pub fn new(options: Options) -> Result<Self, ClientError> {
        Ok(Self { connection: Connection::new(&options)?, options: Arc::new(options) })
    }

    /// One GET and its reading; see [`Connection::probe`].
    pub async fn probe(&mut self) -> Result<Reading, ProbeError> {
        self.connection.probe(&self.options).await
    }
}

/// What is left of a poll for the next one.
///
/// A connection is kept where it lives until the next poll. A target that announces to close it earlier
/// (`Keep-Alive: timeout=5`, as Node does), or closed two in a row without a word, is asked on a new connection each time
/// from then on, with `Connection: close`.
#[derive(Debug)]
pub struct Connection {
    agent: Arc<Agent>,
    idle: Option<Resting>,
    /// Kept connections in a row that were closed by the next poll; the most where that is announced.
    short_lived: u8,
}

/// So many may be chance: a target that is started anew closes its connections, too.
const CHANCE: u8 = 1;

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

impl Connection {
    /// Sets up what connects; connects to nothing.
    pub fn new(options: &Options) -> Result<Self, ClientError> {
        Ok(Self { agent: Agent::of(&options.url, &options.client)?, idle: None, short_lived: 0 })
    }

    /// One GET and its reading.
    ///
    /// Where the connection left from the last poll is closed, or closes while the request is sent, the request goes out
    /// once more on a new one. A new connection that breaks is a failed poll.
    ///
    /// Cancel-safe: dropping it closes the connection and leaves nothing behind.
    pub async fn probe(&mut self, options: &Options) -> Result<Reading, ProbeError> {
        let deadline = Instant::now() + options.timeout.min(LONGEST_TIMEOUT);
        let reader = Reader::of(options);
        let mut asked = timeout_at(deadline, self.ask(options, &reader))
            .await
            .map_err(|_| ProbeError::Timeout(Stage::Waiting))??;
        let read = asked.read(options, deadline).await;
        if !is_kept(asked.answer.headers(), options.rest) {
            self.short_lived = u8::MAX;
        }
        self.idle = if self.keeps(options) { asked.exchange.rest() } else { None };
        Ok(reader.read(&read?)?)
    }

    /// Whether a connection is worth keeping for the next poll.
    fn keeps(&self, options: &Options) -> bool {
        !options.rest.is_zero() && self.short_lived <= CHANCE
    }

    async fn ask(&mut self, options: &Options, reader: &Reader) -> Result<Asked, ProbeError> {
        if let Some(wire) = self.idle.take().map(Resting::wake) {
            if let Ok(asked) = Asked::on(wire, self.request(options, reader)?).await {
                self.short_lived = 0;
                return Ok(asked);
            }
            self.short_lived = self.short_lived.saturating_add(1);
        }
        let request = self.request(options, reader)?;
        let wire = self.agent.connect(&options.url).await?;
        Asked::on(wire, request).await.map_err(ProbeError::unanswered)
    }

    fn request(&self, options: &Options, reader: &Reader) -> Result<Request<Empty<Bytes>>, ProbeError> {
        let mut request = self.agent.get(&options.url).map_err(ProbeError::Broken)?;
        let headers = request.headers_mut();
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static(reader.accepts()));
        if let Some(value) = options.credentials.header() {
            headers.insert(AUTHORIZATION, value);
        }
        if !self.keeps(options) {
            // The target learns at once that nobody will wait on this connection.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(request)
    }
}

/// False where an answer announces that its connection is closed before `rest` is over: `Keep-Alive: timeout=5, max=1000`
/// (RFC 2068, 19.7.1.1, which later ones left to custom).
fn is_kept(headers: &HeaderMap, rest: Duration) -> bool {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    let announced = headers.get(KEEP_ALIVE).and_then(|value| value.to_str().ok());
    let parameter = |name: &str| {
        let parameters = announced?.split(',').filter_map(|parameter| parameter.split_once('='));
        let (_, value) = parameters
            .map(|(key, value)| (key.trim(), value.trim()))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        u64::from_str(value.trim_matches('"')).ok()
    };
    parameter("timeout").is_none_or(|seconds| Duration::from_secs(seconds) > rest) && parameter("max") != Some(0)
}

/// An answer whose head is here.
struct Asked {
    exchange: Exchange,
    answer: Response<Incoming>,
}

impl Asked {
    async fn on(wire: Wire, request: Request<Empty<Bytes>>) -> Result<Self, RequestError> {
        let mut exchange = Exchange::on(wire).await?;
        let answer = exchange.send(request).await?;
        Ok(Self { exchange, answer })
    }

    /// Lets 2xx pass with its whole body; an error's is read as far as it is shown.
    async fn read(&mut self, options: &Options, deadline: Instant) -> Result<Bytes, ProbeError> {
        /// A status is told at once, with what has come of its body by then.
        const BODY_WAIT: Duration = Duration::from_secs(1);
        let status = self.answer.status();
        let code = status.as_u16();
        if status.is_success() {
            let limit = usize::try_from(options.body_limit.bytes()).unwrap_or(usize::MAX);
            let body = http::gather(self.exchange.chunks(self.answer.body_mut()), limit);
            let body = timeout_at(deadline, body).await.map_err(|_| ProbeError::Timeout(Stage::Reading))??;
            return self.unpack(body, limit);
        }
        if let Some(location) = self.answer.headers().get(LOCATION).filter(|_| status.is_redirection()) {
            let location = shown_location(&options.url, &String::from_utf8_lossy(location.as_bytes()));
            return Err(ProbeError::Redirected { code, location });
        }
        let patience = BODY_WAIT.min(deadline.saturating_duration_since(Instant::now()));
        let mut start = BytesMut::new();
        // What came before it broke is shown, too.
        let chunks = self.exchange.chunks(self.answer.body_mut());
        timeout(patience, http::gather_start(chunks, &mut start)).await.ok();
        let start = self.unpack(start.freeze(), http::LONGEST_START).unwrap_or_default();
        Err(ProbeError::Status { code, body: health::start_of(&start) })
    }

    /// Undoes `Content-Encoding: gzip`.
    fn unpack(&self, body: Bytes, limit: usize) -> Result<Bytes, ProbeError> {
        let encoding = self.answer.headers().get(CONTENT_ENCODING);
        if encoding.is_none_or(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"gzip")) || body.is_empty() {
            return Ok(body);
        }
        let mut unpacked = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        MultiGzDecoder::new(body.as_ref())
            .take(most)
            .read_to_end(&mut unpacked)
            .map_err(|error| ProbeError::Broken(error.into()))?;
        if unpacked.len() > limit { Err(ProbeError::TooLarge { limit_bytes: limit }) } else { Ok(unpacked.into()) }
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
