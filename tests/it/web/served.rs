//! The pages on a port of their own, asked with raw sockets: no client library sends what a hostile client sends.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heapwatch::clock::Timestamp;
use heapwatch::status::board::Board;
use heapwatch::status::dossier::Dossier;
use heapwatch::web::{self, Access, Limits, Listener, Request, Service, Site};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Served pages; they end when dropped.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    /// Who is let in from now on.
    pub(super) access: watch::Sender<Arc<Access>>,
    /// What `/metrics` shows.
    pub(super) metrics: Arc<Mutex<String>>,
    /// What was asked for and is not answered.
    pub(super) requests: mpsc::Receiver<Request>,
    stop: CancellationToken,
    _ready: watch::Sender<bool>,
}

/// A connection that a test writes to as it likes.
pub(super) struct Client {
    pub(super) stream: TcpStream,
}

/// An answer as it arrived.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Served {
    pub(super) async fn start(access: Access, limits: Limits) -> Self {
        Self::start_with(access, limits, false).await
    }

    pub(super) async fn start_with(access: Access, limits: Limits, only_metrics: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (access, who) = watch::channel(Arc::new(access));
        let (asked, requests) = mpsc::channel(16);
        let (ready, is_ready) = watch::channel(true);
        let metrics = Arc::new(Mutex::new("# EOF\n".to_owned()));
        let page = Arc::clone(&metrics);
        let site = Site {
            board: Board::default(),
            metrics: Arc::new(move || page.lock().unwrap().clone()),
            requests: asked,
            ready: is_ready,
            now: Arc::new(|| Timestamp::from_unix_ms(1_760_000_000_000)),
            archive: web::Archive {
                series: Arc::new(|_| Err("nothing is kept here".to_owned())),
                snapshots: Arc::new(|_| Ok(Vec::new())),
                flame_graph: Arc::new(|_| Ok(None)),
            },
            dossier: Arc::new(|_| Dossier::default()),
        };
        let stop = CancellationToken::new();
        let service = Service { access: who, limits, only_metrics };
        tokio::spawn(web::serve(Listener::Tcp(listener), site, service, stop.clone()));
        Self { address, access, metrics, requests, stop, _ready: ready }
    }

    pub(super) async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap() }
    }

    /// One request of these lines on a connection of its own; `Host` is added unless it is among them.
    pub(super) async fn ask(&self, request: &str, headers: &[&str]) -> Answer {
        let mut client = self.connect().await;
        client.send(&self.head(request, headers)).await;
        client.answer().await
    }

    /// The head of a request, with the empty line after it.
    pub(super) fn head(&self, request: &str, headers: &[&str]) -> String {
        let mut lines = vec![format!("{request} HTTP/1.1")];
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            lines.push(format!("Host: {}", self.address));
        }
        lines.extend(headers.iter().map(|header| (*header).to_owned()));
        lines.join("\r\n") + "\r\n\r\n"
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Client {
    /// What does not go out because the server has closed is no matter of the test's: the answer tells.
    pub(super) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.ok();
    }

    /// Reads one answer with its length.
    pub(super) async fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = within(self.stream.read_u8()).await;
            head.push(byte.unwrap_or_else(|_| panic!("closed after {:?}", String::from_utf8_lossy(&head))));
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        within(self.stream.read_exact(&mut body)).await.unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    /// Everything that comes until the server closes, which it must.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end, too.
        within(self.stream.read_to_end(&mut rest)).await.ok();
        rest
    }
}

impl Answer {
    /// The first value of a header, by its lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(super) fn headers(&self, name: &str) -> Vec<&str> {
        self.head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
    }
}

/// A hang is a failure, and says so.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future).await.expect("the server neither answers nor closes")
}
