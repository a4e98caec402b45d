//! The HTTP client that probes, captures and alerts share: TLS, credentials, bounded bodies, redacted URLs.
//!
//! No redirect is ever followed: what answers must be what was configured.

mod agent;
mod request_error;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::clock::Timestamp;

pub use agent::{Agent, ConnectError, Exchange, Resting, Wire};
pub use request_error::RequestError;
pub use tls::Trust;

/// How to connect, apart from what is asked.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Longest time for name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// How long a connection may wait for the next request; it is closed then.
    pub keep_alive: Duration,
    /// Further certificate authorities, as PEM; the system's are trusted besides.
    pub ca_pem: Option<Vec<u8>>,
    /// Client certificate chain and key in one PEM.
    pub identity_pem: Option<SecretString>,
    /// Sent with every request.
    pub headers: Vec<(String, SecretString)>,
    /// Whether the body's `Content-Encoding: gzip` is asked for and undone.
    pub gzip: bool,
    /// A Unix socket to connect to whatever the URL's host is, as the daemon's own API may listen on one.
    pub unix_socket: Option<PathBuf>,
    /// What TLS needs, shared by all clients of one configuration.
    pub trust: Trust,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(90),
            ca_pem: None,
            identity_pem: None,
            headers: Vec::new(),
            gzip: true,
            unix_socket: None,
            trust: Trust::default(),
        }
    }
}

/// What a request proves itself with.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// RFC 7617.
    Basic {
        /// Sent in the clear within TLS; no secret of its own.
        user: String,
        /// The secret half.
        password: SecretString,
    },
    /// RFC 6750.
    Bearer(SecretString),
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The PEM of the certificate authorities does not parse.
    #[error("cannot read the certificate authorities")]
    Ca(#[source] rustls::pki_types::pem::Error),
    /// The PEM holds no certificate at all.
    #[error("the certificate authorities' file holds no certificate (expected is PEM, `-----BEGIN CERTIFICATE-----`)")]
    NoAuthority,
    /// The PEM of the client certificate does not parse.
    #[error("cannot read the client certificate and key")]
    Identity(#[source] rustls::pki_types::pem::Error),
    /// The PEM has a key and no certificate.
    #[error("the client certificate's file holds no certificate besides its key")]
    NoIdentity,
    /// A header name or value that HTTP does not allow.
    #[error("header `{0}` is not one that HTTP allows")]
    Header(String),
    /// TLS could not be set up: the system has no authorities, say.
    #[error("cannot set up TLS")]
    Build(#[source] rustls::Error),
    /// Anything else.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed, counted after decompression.
    #[error("body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The cap that was exceeded.
        limit_bytes: usize,
    },
    /// The connection broke or the encoding was damaged.
    #[error("body ended early")]
    Broken(#[source] RequestError),
}

/// Makes a client for this URL and others of its scheme; see [`ClientOptions`].
pub fn client_for(url: &Url, options: &ClientOptions) -> Result<reqwest::Client, ClientError> {
    if url.scheme() == "http" { plain_client(options) } else { client(options) }
}

/// Makes a client for any URL.
pub fn client(options: &ClientOptions) -> Result<reqwest::Client, ClientError> {
    build(options, options.trust.checked(options)?)
}

/// Makes a client for `http:` URLs only, which reads no certificates and trusts none.
pub fn plain_client(options: &ClientOptions) -> Result<reqwest::Client, ClientError> {
    build(options, options.trust.plain(options)?)
}

/// How every request says who asks.
const AGENT_NAME: &str = concat!("heapwatch/", env!("CARGO_PKG_VERSION"));

fn build(options: &ClientOptions, tls: rustls::ClientConfig) -> Result<reqwest::Client, ClientError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(AGENT_NAME)
        .default_headers(headers(options)?)
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(options.keep_alive)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .gzip(options.gzip);
    if let Some(path) = &options.unix_socket {
        builder = builder.unix_socket(path.clone());
    }
    builder.build().map_err(ClientError::Client)
}

fn headers(options: &ClientOptions) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let refused = || ClientError::Header(name.clone());
        let name = name.parse::<reqwest::header::HeaderName>().map_err(|_| refused())?;
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| refused())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// Adds credentials to a request, marked so that no log shows them.
pub fn authorize(request: reqwest::RequestBuilder, credentials: &Credentials) -> reqwest::RequestBuilder {
    match credentials.header() {
        Some(value) => request.header(AUTHORIZATION, value),
        None => request,
    }
}

impl Credentials {
    /// The `Authorization` header that proves them.
    pub fn header(&self) -> Option<HeaderValue> {
        let text = match self {
            Self::None => return None,
            Self::Basic { user, password } => {
                format!("Basic {}", BASE64.encode(format!("{user}:{}", password.expose_secret())))
            }
            Self::Bearer(token) => format!("Bearer {}", token.expose_secret()),
        };
        // One that cannot be sent at all `config` refuses by name; the target will answer 401.
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Reads a body of at most `limit_bytes`, counted after decompression, and stops at the first byte beyond.
pub async fn read_capped(response: reqwest::Response, limit_bytes: usize) -> Result<Bytes, BodyError> {
    gather(chunks_of(response), limit_bytes).await
}

/// The first few kilobytes of a body, for messages; whatever came before it broke, where it broke.
pub async fn read_start(response: reqwest::Response) -> Bytes {
    let mut start = BytesMut::new();
    gather_start(chunks_of(response), &mut start).await;
    start.freeze()
}

fn chunks_of(response: reqwest::Response) -> impl Stream<Item = Result<Bytes, RequestError>> {
    response.bytes_stream().map_err(RequestError::from)
}

/// Puts a body of at most `limit_bytes` together, and stops at the first byte beyond.
pub async fn gather(
    chunks: impl Stream<Item = Result<Bytes, RequestError>>,
    limit_bytes: usize,
) -> Result<Bytes, BodyError> {
    let (mut body, mut chunks) = (BytesMut::new(), pin!(chunks));
    while let Some(chunk) = chunks.try_next().await.map_err(BodyError::Broken)? {
        if body.len().saturating_add(chunk.len()) > limit_bytes {
            return Err(BodyError::TooLarge { limit_bytes });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// More of a body than any message shows.
pub const LONGEST_START: usize = 4 << 10;

/// Puts the first [`LONGEST_START`] bytes of a body into `start`, which has what came so far where this is cut off.
pub async fn gather_start(chunks: impl Stream<Item = Result<Bytes, RequestError>>, start: &mut BytesMut) {
    let mut chunks = pin!(chunks);
    while let Some(Ok(chunk)) = chunks.next().await {
        let room = LONGEST_START.saturating_sub(start.len());
        start.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if start.len() == LONGEST_START {
            break;
        }
    }
}

/// How long a receiver asks to be left alone: the `Retry-After` header (RFC 9110, 10.2.3) as seconds or as an HTTP
/// date, at most one day; a date in the past is no wait at all. `None` where the header is absent or says neither.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    /// A receiver that wants more than this has made a mistake, and an outbox must not stand still for it.
    const LONGEST: Duration = Duration::from_hours(24);
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds still means "very long".
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        // The weekday adds nothing to a date, so a receiver that gets it wrong is still understood.
        let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
        let date = parser.parse_timestamp(text).ok()?.as_millisecond();
        Duration::from_millis(u64::try_from(date.saturating_sub(now.wall_ms())).unwrap_or(0))
    };
    Some(wait.min(LONGEST))
}

/// Foreign text as it may be shown: one line without control and direction characters, at most `longest` characters.
pub fn excerpt(text: &str, longest: usize) -> String {
    if text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    let printable = text.chars().filter_map(|c| match c {
        c if c.is_whitespace() => Some(' '),
        // Direction overrides and invisible characters can make a line read as another one.
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => None,
        c if c.is_control() => None,
        c => Some(c),
    });
    let mut shown = String::new();
    let mut length = 0;
    for c in printable {
        if c == ' ' && (shown.is_empty() || shown.ends_with(' ')) {
            continue;
        }
        if length == longest {
            shown.push('…');
            break;
        }
        shown.push(c);
        length += 1;
    }
    shown.truncate(shown.trim_end().len());
    shown
}

/// A URL as it may be shown: scheme, host, port and path, without user, password, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownUrl(String);

impl ShownUrl {
    /// Strips everything that may be a secret.
    pub fn of(url: &Url) -> Self {
        let mut shown = url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        // These fail only for URLs that cannot have a user at all.
        shown.set_username("").ok();
        shown.set_password(None).ok();
        Self(shown.into())
    }

    /// Only scheme, host and port: for receivers whose path is itself the secret (Slack, `PagerDuty`, ping URLs).
    pub fn origin(url: &Url) -> Self {
        Self(url.origin().ascii_serialization())
    }
}

impl fmt::Display for ShownUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(header: &str, expected: Option<u64>) {
        let now = Timestamp::from_unix_ms(1_760_000_000_000); // Thu, 09 Oct 2025 08:53:20 GMT
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(header).expect("a header"));
        assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{header:?}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Thu, 09 Oct 2025 08:54:20 GMT", Some(60));
        check("Thu, 09 Oct 2025 08:00:00 GMT", Some(0));
        check("Sun, 09 Oct 2025 08:54:20 GMT", Some(60));
        check("Wed, 10 Oct 2125 08:00:00 GMT", Some(86_400));
        check("99999999999999999999999", Some(86_400));
        for nonsense in ["", "-1", "1.5", "soon", "+5", "Thu, 99 Oct 2025 08:54:20 GMT"] {
            check(nonsense, None);
        }
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::from_unix_ms(0)), None);
    }

    #[test]
    fn shown_urls_keep_no_secret() {
        for (url, shown, origin) in [
            ("https://user:word@host:8443/a/b?key=1#top", "https://host:8443/a/b", "https://host:8443"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/", "http://127.0.0.1:3000"),
            ("http://[::1]/x", "http://[::1]/x", "http://[::1]"),
        ] {
            let url: Url = url.parse().expect("a URL");
            assert_eq!(ShownUrl::of(&url).to_string(), shown);
            assert_eq!(ShownUrl::origin(&url).to_string(), origin);
        }
    }

    #[test]
    fn excerpts_are_one_line_that_cannot_deceive() {
        for (text, longest, shown) in [
            ("  plain  text\r\n\tin lines ", 40, "plain text in lines"),
            ("\u{1b}[31mred\u{7}", 40, "[31mred"),
            ("abc\u{202e}gpj.exe\u{200b}", 40, "abcgpj.exe"),
            ("12345678", 8, "12345678"),
            ("123456789", 8, "12345678…"),
            ("éééé", 3, "ééé…"),
            ("", 8, ""),
        ] {
            assert_eq!(excerpt(text, longest), shown);
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_short_printable_excerpt(text in any::<String>(), longest in 0_usize..50) {
            let shown = excerpt(&text, longest);
            prop_assert!(shown.chars().count() <= longest + 1, "the ellipsis comes on top");
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert_eq!(excerpt(&shown, longest + 1), shown.clone(), "a second time changes nothing");
        }
    }

    #[test]
    fn pem_that_holds_nothing_is_refused() {
        let with_ca = |pem: &str| ClientOptions { ca_pem: Some(pem.into()), ..ClientOptions::default() };
        for make in [client, plain_client] {
            assert!(matches!(make(&with_ca("junk")), Err(ClientError::NoAuthority)));
            let options = ClientOptions { identity_pem: Some("junk".into()), ..ClientOptions::default() };
            assert!(matches!(make(&options), Err(ClientError::Identity(_))));
            let options = ClientOptions { headers: vec![("bad name".into(), "x".into())], ..ClientOptions::default() };
            assert!(matches!(make(&options), Err(ClientError::Header(name)) if name == "bad name"));
        }
    }
}
