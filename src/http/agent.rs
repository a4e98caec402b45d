//! Requests on connections that whoever asks holds himself, for polls: thousands of targets are asked each half minute, and
//! what one costs while it rests is a socket and nothing else.
//!
//! [`Agent::connect`] opens a [`Wire`], [`Exchange`] puts a request on it, and [`Exchange::rest`] lays the wire by.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream as Chunks, stream};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, Parts, SendRequest};
use hyper::header::{ACCEPT_ENCODING, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, getrlimit};
use rustls::ClientConfig;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower_service::Service;
use url::{Position, Url};

use super::{ClientError, ClientOptions, RequestError};

/// Opens connections, and knows what every request on them begins with. It keeps no connection.
pub struct Agent {
    connector: HttpsConnector<HttpConnector<Lookup>>,
    headers: HeaderMap,
    connect_timeout: Duration,
}

impl Agent {
    /// The agent for this URL and others of its scheme; one for all with the same options.
    pub fn of(url: &Url, options: &ClientOptions) -> Result<Arc<Self>, ClientError> {
        let is_plain = url.scheme() == "http";
        options.trust.agent(options, is_plain, |tls| Self::new(options, tls))
    }

    fn new(options: &ClientOptions, tls: ClientConfig) -> Result<Self, ClientError> {
        let mut connector = HttpConnector::new_with_resolver(Lookup);
        connector.enforce_http(false);
        connector.set_nodelay(true);
        // So that of several addresses one that swallows everything leaves time for the others.
        connector.set_connect_timeout(Some(options.connect_timeout));
        let mut headers = super::headers(options)?;
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(super::AGENT_NAME));
        if options.gzip {
            headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
        }
        Ok(Self { connector: (connector, tls).into(), headers, connect_timeout: options.connect_timeout })
    }

    /// Resolves the name, connects and, for `https:`, shakes hands.
    pub async fn connect(&self, url: &Url) -> Result<Wire, ConnectError> {
        let whole = format!("{}/", &url[..Position::AfterPort]);
        let uri = Uri::try_from(whole).map_err(|error| ConnectError::Failed(RequestError::new(error)))?;
        let connecting = self.connector.clone().call(uri);
        match timeout(self.connect_timeout, connecting).await {
            Ok(Ok(stream)) => Ok(Wire::of(stream)),
            Ok(Err(error)) => Err(ConnectError::Failed(RequestError::from(error))),
            Err(_) => Err(ConnectError::Timeout),
        }
    }

    /// A GET of `url` with what every request has.
    pub fn get(&self, url: &Url) -> Result<Request<Empty<Bytes>>, RequestError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() =
            Uri::try_from(&url[Position::BeforePath..Position::AfterQuery]).map_err(RequestError::new)?;
        let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).map_err(RequestError::new)?;
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.entry(HOST).or_insert(host);
        Ok(request)
    }
}

/// What it adds to requests may be secret.
impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").finish_non_exhaustive()
    }
}

/// Why no connection came about.
#[derive(Debug)]
pub enum ConnectError {
    /// It took longer than the options allow.
    Timeout,
    /// Anything else.
    Failed(RequestError),
}

/// A host whose name has no address.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UnknownHost(io::Error);

/// Asks the system for the addresses of a name.
#[derive(Clone, Copy, Debug)]
struct Lookup;

impl Service<Name> for Lookup {
    type Response = std::vec::IntoIter<std::net::SocketAddr>;
    type Error = UnknownHost;
    type Future = BoxFuture<'static, Result<Self::Response, UnknownHost>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), UnknownHost>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        async move {
            // The connector puts the port of the URL in its place.
            let found = lookup_host((name.as_str(), 0)).await.map_err(UnknownHost)?;
            Ok(found.collect::<Vec<_>>().into_iter())
        }
        .boxed()
    }
}

type Plain = TokioIo<TcpStream>;
type Stream = MaybeHttpsStream<Plain>;

/// A connection on which nothing is under way.
#[derive(Debug)]
pub enum Wire {
    /// Without TLS.
    Plain(Plain),
    /// With it; what it remembers takes kilobytes.
    Secure(Box<Stream>),
}

impl Wire {
    fn of(stream: Stream) -> Self {
        match stream {
            MaybeHttpsStream::Http(plain) => Self::Plain(plain),
            secure @ MaybeHttpsStream::Https(_) => Self::Secure(Box::new(secure)),
        }
    }

    fn into_stream(self) -> Stream {
        match self {
            Self::Plain(plain) => MaybeHttpsStream::Http(plain),
            Self::Secure(secure) => *secure,
        }
    }
}

/// A wire that waits for its next request.
#[derive(Debug)]
pub struct Resting {
    wire: Wire,
    _place: OwnedSemaphorePermit,
}

impl Resting {
    /// Takes it up again.
    pub fn wake(self) -> Wire {
        self.wire
    }
}

/// Places for wires at rest: half of the files that this process may have open, since all else needs some as well.
static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let places = usize::try_from(files / 2).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)))
});

/// Requests and answers on one connection, which moves only while one of these futures is awaited.
pub struct Exchange {
    sender: SendRequest<Empty<Bytes>>,
    /// Boxed: futures that hold it are moved about.
    connection: Box<http1::Connection<Stream, Empty<Bytes>>>,
    is_over: bool,
}

impl Exchange {
    /// Takes the wire into use.
    pub async fn on(wire: Wire) -> Result<Self, RequestError> {
        let (sender, connection) = http1::handshake(wire.into_stream()).await.map_err(RequestError::new)?;
        Ok(Self { sender, connection: Box::new(connection), is_over: false })
    }

    /// Sends the request, and waits for the head of the answer.
    pub async fn send(&mut self, request: Request<Empty<Bytes>>) -> Result<Response<Incoming>, RequestError> {
        let answer = self.sender.send_request(request);
        self.drive(answer).await.map_err(RequestError::new)
    }

    /// The body of the answer, piece by piece.
    pub fn chunks<'a>(&'a mut self, body: &'a mut Incoming) -> impl Chunks<Item = Result<Bytes, RequestError>> + 'a {
        stream::unfold((self, body), async |(exchange, body)| {
            loop {
                let frame = exchange.drive(body.frame()).await?.map(Frame::into_data);
                let chunk = match frame {
                    Ok(Ok(data)) => Ok(data),
                    // Trailers.
                    Ok(Err(_)) => continue,
                    Err(error) => Err(RequestError::new(error)),
                };
                return Some((chunk, (exchange, body)));
            }
        })
    }

    /// The wire for another request; `None` where one of the two ends is done with it, an answer has not been read, or too
    /// many rest already.
    pub fn rest(mut self) -> Option<Resting> {
        // The socket keeps whoever last waited for it, and with him all that the poll took: now nobody does.
        self.advance(&mut Context::from_waker(Waker::noop()));
        let is_idle = self.sender.is_ready() && !self.is_over;
        let Parts { io, read_buf, .. } = self.connection.into_parts();
        // What comes without having been asked for would be taken for the next answer.
        let place = Arc::clone(&PLACES).try_acquire_owned().ok()?;
        (is_idle && read_buf.is_empty()).then(|| Resting { wire: Wire::of(io), _place: place })
    }

    /// Awaits something that the connection brings, in one task with the connection.
    async fn drive<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = pin!(awaited);
        poll_fn(|context| {
            if let Poll::Ready(done) = awaited.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            self.advance(context);
            awaited.as_mut().poll(context)
        })
        .await
    }

    /// Errors reach whoever awaits the answer or its body.
    fn advance(&mut self, context: &mut Context<'_>) {
        self.is_over = self.is_over || self.connection.poll_without_shutdown(context).is_ready();
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}
