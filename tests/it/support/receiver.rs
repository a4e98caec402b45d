//! A receiver of alerts on loopback: it records what it gets, judges it as a real service would, and misbehaves by
//! script. It speaks HTTP/1.1 itself, since no well-kept server can be made to hang or to cut its answer.

pub(crate) mod services;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The status that was answered; none where nothing was.
    pub(crate) answered: Option<u16>,
}

/// What the receiver does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Reply {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Reads the request and says nothing.
    Hang,
    /// Reads the request and cuts the connection.
    Cut,
    /// Says 200, sends the begin of a body and cuts the connection.
    CutInBody,
    /// Says 200 and sends the body in so many parts, with a pause before each.
    Slowly {
        body: String,
        parts: usize,
        pause: Duration,
    },
    /// Says 200 and sends a body that never ends, some bytes after each pause.
    Endless {
        pause: Duration,
    },
}

type Judge = Box<dyn Fn(&Received) -> Answer + Send + Sync>;

struct Shared {
    judge: Judge,
    script: Mutex<VecDeque<Answer>>,
    received: Mutex<Vec<Received>>,
}

/// A running receiver; it stops when dropped.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self::text(status, "")
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self::Reply { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with_header(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::Reply { status, mut headers, body } => {
                headers.push((name, value.into()));
                Self::Reply { status, headers, body }
            }
            other => other,
        }
    }
}

impl Received {
    /// The value of a header, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|problem| panic!("the body is no JSON: {problem}"))
    }
}

impl Receiver {
    /// Starts a receiver that answers as `judge` says.
    pub(crate) async fn start(judge: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared { judge: Box::new(judge), script: Mutex::default(), received: Mutex::default() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    /// Starts a receiver that takes everything with 204.
    pub(crate) async fn willing() -> Self {
        Self::start(|_| Answer::status(204)).await
    }

    /// What to do with the next requests, before the judge has its say again.
    pub(crate) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.script.lock().unwrap().extend(answers);
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).expect("a URL of numbers")
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// The requests that were answered with 2xx.
    pub(crate) fn taken(&self) -> Vec<Received> {
        let is_taken = |request: &Received| request.answered.is_some_and(|status| (200..300).contains(&status));
        self.received().into_iter().filter(is_taken).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

/// Serves requests of one connection until the client closes it or an answer ends it.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = read_request(&mut stream).await {
        let scripted = shared.script.lock().unwrap().pop_front();
        let answer = scripted.unwrap_or_else(|| (shared.judge)(&request));
        request.answered = match &answer {
            Answer::Reply { status, .. } => Some(*status),
            Answer::Slowly { .. } | Answer::Endless { .. } | Answer::CutInBody => Some(200),
            Answer::Hang | Answer::Cut => None,
        };
        shared.received.lock().unwrap().push(request);
        if !reply(stream.get_mut(), answer).await {
            return;
        }
    }
}

/// Returns whether the connection may be used again.
async fn reply(stream: &mut TcpStream, answer: Answer) -> bool {
    match answer {
        Answer::Reply { status, headers, body } => {
            let length = body.len();
            let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let head = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {length}\r\n{}\r\n", headers.concat());
            stream.write_all(format!("{head}{body}").as_bytes()).await.is_ok()
        }
        Answer::Hang => std::future::pending().await,
        Answer::Cut => false,
        Answer::CutInBody => {
            let head = b"HTTP/1.1 200 Scripted\r\ncontent-length: 100\r\n\r\nwell";
            // Whether it was read or not, the connection ends here.
            stream.write_all(head).await.ok();
            false
        }
        Answer::Slowly { body, parts, pause } => {
            let head = format!("HTTP/1.1 200 Scripted\r\ncontent-length: {}\r\n\r\n", body.len());
            let mut alive = stream.write_all(head.as_bytes()).await.is_ok();
            for part in body.as_bytes().chunks(body.len().div_ceil(parts).max(1)) {
                tokio::time::sleep(pause).await;
                alive = alive && stream.write_all(part).await.is_ok();
            }
            alive
        }
        Answer::Endless { pause } => {
            let head = b"HTTP/1.1 200 Scripted\r\ncontent-length: 1000000000000\r\n\r\n";
            let mut alive = stream.write_all(head).await.is_ok();
            while alive {
                tokio::time::sleep(pause).await;
                alive = stream.write_all(&[b'.'; 512]).await.is_ok();
            }
            false
        }
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: Vec<_> = lines.filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Ok(0), |(_, value)| value.parse()).ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received { method, path, headers, body, answered: None })
}
