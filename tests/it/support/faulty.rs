//! A target of bad manners on loopback: every way in which an HTTP server can fail its client, and a good one.
//!
//! It speaks HTTP/1.1 byte by byte, since no well-kept server can be made to misbehave like this.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// How a server treats its clients.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Answers with this JSON and keeps the connection.
    Answers(String),
    /// The same, with this `Keep-Alive` header.
    Announces { json: String, keep_alive: String },
    /// The same, compressed.
    AnswersGzip(String),
    /// The same to who brings this `Authorization` header, and 401 to all others.
    Guards { authorization: String, json: String },
    /// As Node does: answers, and closes a connection that stayed idle for so long.
    ClosesIdle { json: String, after: Duration },
    /// Answers the first request of a connection and closes it instead of answering the second.
    ClosesOnSecondRequest(String),
    /// Answers the first request of a connection with this status and closes it instead of answering the second.
    RefusesThenCloses(u16),
    /// Closes every connection after reading the request.
    ClosesUnanswered,
    /// Reads the request and never answers.
    Hangs,
    /// Sends the head and the start of a body, and nothing more.
    HangsInBody,
    /// Sends a body that never ends, one byte in each pause.
    Trickles(Duration),
    /// Sends a body that never ends, as fast as it can.
    EndlessBody,
    /// Sends headers that never end.
    EndlessHead,
    /// A small gzip body that unpacks to this many bytes.
    GzipBomb(usize),
    /// Promises more bytes than it sends, and closes.
    Truncates,
    /// Sends these bytes for an answer, and closes.
    Says(&'static [u8]),
    /// Sends these bytes for an answer, and keeps the connection.
    SaysAndStays(&'static [u8]),
    /// Answers with this status and text.
    Refuses(u16, &'static str),
    /// Answers 302 with this location.
    Redirects(String),
}

/// What a server has seen so far.
#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    closed: AtomicUsize,
    requests: AtomicUsize,
    last_head: Mutex<String>,
}

/// A running server; it stops when dropped.
pub(crate) struct Faulty {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Faulty {
    pub(crate) async fn start(manner: Manner) -> Self {
        Self::listen(manner, None).await
    }

    pub(crate) async fn start_tls(manner: Manner, acceptor: TlsAcceptor) -> Self {
        Self::listen(manner, Some(acceptor)).await
    }

    async fn listen(manner: Manner, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let seen = Arc::new(Seen::default());
        Self {
            address: listener.local_addr().unwrap(),
            scheme: if acceptor.is_some() { "https" } else { "http" },
            accepting: tokio::spawn(accept(listener, manner, acceptor, Arc::clone(&seen))),
            seen,
        }
    }

    /// The address of `path` on this server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Connections that have ended, from either side.
    pub(crate) fn closed(&self) -> usize {
        self.seen.closed.load(Ordering::SeqCst)
    }

    /// Requests read so far.
    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// The head of the last request, as it came.
    pub(crate) fn last_head(&self) -> String {
        self.seen.last_head.lock().unwrap().clone()
    }
}

/// An address on loopback where nothing listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn accept(listener: TcpListener, manner: Manner, acceptor: Option<TlsAcceptor>, seen: Arc<Seen>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let (manner, acceptor, seen) = (manner.clone(), acceptor.clone(), Arc::clone(&seen));
        connections.spawn(async move {
            // That a client hangs up is what many tests want.
            greet(stream, &manner, acceptor, &seen).await.ok();
            seen.closed.fetch_add(1, Ordering::SeqCst);
        });
    }
}

async fn greet(stream: TcpStream, manner: &Manner, acceptor: Option<TlsAcceptor>, seen: &Seen) -> io::Result<()> {
    match acceptor {
        Some(acceptor) => serve(acceptor.accept(stream).await?, manner, seen).await,
        None => serve(stream, manner, seen).await,
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, manner: &Manner, seen: &Seen) -> io::Result<()> {
    let patience = if let Manner::ClosesIdle { after, .. } = manner { *after } else { Duration::from_hours(1) };
    for turn in 1.. {
        let head = timeout(patience, read_head(&mut stream)).await??;
        seen.requests.fetch_add(1, Ordering::SeqCst);
        seen.last_head.lock().unwrap().clone_from(&head);
        let is_over = turn == 2 && matches!(manner, Manner::ClosesOnSecondRequest(_) | Manner::RefusesThenCloses(_));
        if is_over || !answer(&mut stream, manner, &head).await? {
            break;
        }
    }
    stream.shutdown().await
}

/// Reads up to the empty line, or up to the first byte where it is no HTTP that comes, but for example TLS.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = vec![stream.read_u8().await?];
    while head.starts_with(b"G") && !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Answers one request; says whether the connection goes on.
async fn answer(stream: &mut (impl AsyncWrite + Unpin), manner: &Manner, head: &str) -> io::Result<bool> {
    match manner {
        Manner::Answers(json) | Manner::ClosesIdle { json, .. } | Manner::ClosesOnSecondRequest(json) => {
            stream.write_all(&whole(200, "", json.as_bytes())).await?;
            return Ok(true);
        }
        Manner::Announces { json, keep_alive } => {
            stream.write_all(&whole(200, &format!("keep-alive: {keep_alive}\r\n"), json.as_bytes())).await?;
            return Ok(true);
        }
        Manner::SaysAndStays(bytes) => {
            stream.write_all(bytes).await?;
            return Ok(true);
        }
        Manner::AnswersGzip(json) => {
            stream.write_all(&whole(200, GZIP, &gzip(json.as_bytes()))).await?;
            return Ok(true);
        }
        Manner::Guards { authorization, json } => {
            let is_known =
                head.lines().any(|line| line.eq_ignore_ascii_case(&format!("authorization: {authorization}")));
            let (code, body) = if is_known { (200, json.as_str()) } else { (401, "who are you?") };
            stream.write_all(&whole(code, "", body.as_bytes())).await?;
            return Ok(true);
        }
        Manner::RefusesThenCloses(code) => {
            stream.write_all(&whole(*code, "", b"not now")).await?;
            return Ok(true);
        }
        Manner::ClosesUnanswered => {}
        Manner::Hangs => std::future::pending().await,
        Manner::HangsInBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"heapUsed\":1").await?;
            stream.flush().await?;
            std::future::pending::<()>().await;
        }
        Manner::Trickles(pause) => {
            stream.write_all(CHUNKED).await?;
            loop {
                stream.write_all(b"1\r\n \r\n").await?;
                stream.flush().await?;
                sleep(*pause).await;
            }
        }
        Manner::EndlessBody => {
            stream.write_all(CHUNKED).await?;
            endless(stream, format!("1000\r\n{}\r\n", " ".repeat(0x1000)).as_bytes()).await?;
        }
        Manner::EndlessHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            endless(stream, format!("x-header: {}\r\n", "x".repeat(1000)).as_bytes()).await?;
        }
        Manner::GzipBomb(size) => stream.write_all(&whole(200, GZIP, &gzip(&vec![b' '; *size]))).await?,
        Manner::Truncates => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"heapUsed\":1}").await?;
        }
        Manner::Says(bytes) => stream.write_all(bytes).await?,
        Manner::Refuses(code, body) => stream.write_all(&whole(*code, "", body.as_bytes())).await?,
        Manner::Redirects(location) => stream.write_all(&whole(302, &format!("location: {location}\r\n"), b"")).await?,
    }
    stream.flush().await?;
    Ok(false)
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const GZIP: &str = "content-encoding: gzip\r\n";

fn whole(code: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {code} Whatever\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Writes until the client hangs up.
async fn endless(stream: &mut (impl AsyncWrite + Unpin), piece: &[u8]) -> io::Result<()> {
    loop {
        stream.write_all(piece).await?;
    }
}
