//! Fetches one snapshot or profile over HTTP into a file, checked on the way to be whole; a snapshot in constant memory.
//!
//! Does not decide whether it may (`gate`), nor where the file lives or what it is called (`store`).

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use reqwest::{Response, StatusCode};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

use crate::capture::failure::{CaptureError, Phase};
use crate::capture::sink::{Encoding, Received, Sink};
use crate::capture::{Deadlines, Options, ProfileOptions};
use crate::clock::Timestamp;
use crate::evidence::CaptureKind;
use crate::http::{self, ClientError, ClientOptions, Credentials, RequestError};

/// A client for the captures of one kind from one target.
#[derive(Debug)]
pub struct Capturer {
    endpoint: Endpoint,
    client: reqwest::Client,
}

/// What is asked, and how patiently.
#[derive(Debug)]
struct Endpoint {
    kind: CaptureKind,
    url: Url,
    credentials: Credentials,
    connect_timeout: Duration,
    /// Whether an encoded answer is welcome.
    gzip: bool,
    deadlines: Deadlines,
}

/// A capture that arrived whole; its bytes are written but not yet synced to the disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Downloaded {
    /// Bytes of the capture, as they are in the file.
    pub bytes: u64,
    /// Bytes that came over the wire: fewer where the target compresses.
    pub wire_bytes: u64,
    /// Of the file, lower-case hex.
    pub sha256: String,
    /// From the request to the first byte of the body: how long V8 built a snapshot, its event loop blocked.
    pub first_byte: Duration,
    /// From the request to the last byte.
    pub total: Duration,
    /// Nodes that a snapshot says it has, which were counted; calls of a profile.
    pub node_count: u64,
    /// Edges that a snapshot says it has, which were counted; none of a profile.
    pub edge_count: u64,
}

/// Chunks between the network and the disk. A chunk is at most what hyper reads at once (some 400 KiB), so a capture
/// holds a few megabytes whatever the size of the snapshot; when the disk is slower, the target waits.
const CHUNKS_IN_FLIGHT: usize = 6;

impl Capturer {
    /// Prepares the client for snapshots; connects nowhere yet.
    pub fn new(options: Options) -> Result<Self, ClientError> {
        let Options { url, credentials, client, deadlines, .. } = options;
        Self::prepare(CaptureKind::HeapSnapshot, url, (credentials, client), deadlines)
    }

    /// Prepares the client for profiles; connects nowhere yet.
    pub fn of_profiles(options: ProfileOptions) -> Result<Self, ClientError> {
        let ProfileOptions { url, credentials, client, deadlines, .. } = options;
        Self::prepare(CaptureKind::HeapProfile, url, (credentials, client), deadlines)
    }

    fn prepare(
        kind: CaptureKind,
        url: Url,
        (credentials, client): (Credentials, Arc<ClientOptions>),
        deadlines: Deadlines,
    ) -> Result<Self, ClientError> {
        let (connect_timeout, gzip) = (client.connect_timeout, client.gzip);
        let endpoint = Endpoint { kind, url, credentials, connect_timeout, gzip, deadlines };
        // Encodings are undone here, where a damaged or exploding one has a name. A connection is never used twice:
        // two captures are far apart, and a request that a stale connection swallows would look like a death.
        let client =
            ClientOptions { gzip: false, keep_alive: Duration::from_millis(1), ..ClientOptions::clone(&client) };
        Ok(Self { client: http::client_for(&endpoint.url, &client)?, endpoint })
    }

    /// What it fetches.
    pub fn kind(&self) -> CaptureKind {
        self.endpoint.kind
    }

    /// Fetches one capture into `file`, which is empty. `clock` tells the time; the durations come from it.
    ///
    /// Dropping the future ends the request and the writing; what the file holds then is not whole and goes away
    /// with its `PartialFile`.
    pub async fn download(&self, file: File, clock: impl Fn() -> Timestamp + Send) -> Result<Downloaded, CaptureError> {
        let allowed = self.endpoint.deadlines.total;
        let whole = timeout(allowed, self.fetch(file, clock)).await;
        whole.unwrap_or(Err(CaptureError::Timeout { phase: Phase::Total, allowed }))
    }

    async fn fetch(&self, file: File, clock: impl Fn() -> Timestamp + Send) -> Result<Downloaded, CaptureError> {
        let began = clock();
        let deadlines = &self.endpoint.deadlines;
        let response = self.request().await?;
        let encoding = accept(&response, deadlines)?;
        let mut body = response.bytes_stream().boxed();
        let first = next_chunk(&mut body, deadlines.first_byte, Phase::FirstByte, 0).await?;
        let first_byte = clock().since(began);
        let sink = Sink::new(self.endpoint.kind, file, encoding, deadlines.max_bytes).map_err(CaptureError::Disk)?;
        let received = pour(first, body, sink, deadlines.idle).await?;
        let Received { bytes, wire_bytes, sha256, facts } = received;
        Ok(Downloaded {
            bytes,
            wire_bytes,
            sha256,
            first_byte,
            total: clock().since(began),
            node_count: facts.nodes,
            edge_count: facts.edges,
        })
    }

    async fn request(&self) -> Result<Response, CaptureError> {
        let Endpoint { url, credentials, connect_timeout, gzip, deadlines, .. } = &self.endpoint;
        let encodings = if *gzip { "gzip, identity;q=0.5" } else { "identity" };
        let request = self.client.get(url.clone()).header(ACCEPT_ENCODING, encodings);
        let request = http::authorize(request, credentials);
        let allowed = connect_timeout.saturating_add(deadlines.first_byte);
        match timeout(allowed, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unanswered(error.into(), *connect_timeout)),
            Err(_) => Err(CaptureError::Timeout { phase: Phase::FirstByte, allowed: deadlines.first_byte }),
        }
    }
}

/// Names the failure of a request.
fn unanswered(error: RequestError, allowed: Duration) -> CaptureError {
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => CaptureError::Timeout { phase: Phase::Connecting, allowed },
        (true, false) => CaptureError::Connect(error),
        (false, _) => CaptureError::NoAnswer(error),
    }
}

/// Checks the head of an answer and tells how its body is encoded.
fn accept(response: &Response, deadlines: &Deadlines) -> Result<Encoding, CaptureError> {
    /// Enough to recognize a header that came from the target.
    const LONGEST_SHOWN: usize = 40;
    match response.status() {
        StatusCode::OK => {}
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            return Err(CaptureError::Unauthorized { status: status.as_u16() });
        }
        status => return Err(CaptureError::Status { status: status.as_u16() }),
    }
    let limit = deadlines.max_bytes;
    if response.content_length().is_some_and(|announced| announced > limit.bytes()) {
        return Err(CaptureError::TooLarge { limit });
    }
    let Some(header) = response.headers().get(CONTENT_ENCODING) else { return Ok(Encoding::Identity) };
    let name = String::from_utf8_lossy(header.as_bytes()).trim().to_ascii_lowercase();
    match name.as_str() {
        "" | "identity" => Ok(Encoding::Identity),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        _ => Err(CaptureError::Encoding { encoding: name.chars().take(LONGEST_SHOWN).collect(), source: None }),
    }
}

/// Passes a body to its sink, which works on a blocking thread: decoding, hashing and writing a gigabyte must not
/// hold up the async threads, and the clock of the idle deadline must not run while the disk is slow.
async fn pour(
    first: Option<Bytes>,
    mut body: impl Stream<Item = reqwest::Result<Bytes>> + Unpin,
    mut sink: Sink,
    idle: Duration,
) -> Result<Received, CaptureError> {
    // Full: the network waits for the disk. Closed: the body is over, or the sink has seen enough.
    let (to_sink, mut chunks) = mpsc::channel::<Bytes>(CHUNKS_IN_FLIGHT);
    let writing = tokio::task::spawn_blocking(move || {
        while let Some(chunk) = chunks.blocking_recv() {
            sink.take(chunk)?;
        }
        sink.finish()
    });
    let mut received: u64 = 0;
    let mut next = first;
    while let Some(chunk) = next {
        received = received.saturating_add(chunk.len() as u64);
        if to_sink.send(chunk).await.is_err() {
            break;
        }
        next = next_chunk(&mut body, idle, Phase::NextByte, received).await?;
    }
    drop(to_sink);
    written(writing).await
}

async fn written(writing: JoinHandle<Result<Received, CaptureError>>) -> Result<Received, CaptureError> {
    match writing.await {
        Ok(outcome) => outcome,
        Err(stopped) => Err(CaptureError::Disk(std::io::Error::other(stopped))),
    }
}

/// The next part of a body, `None` at its end. `received` are the bytes before it.
async fn next_chunk(
    body: &mut (impl Stream<Item = reqwest::Result<Bytes>> + Unpin),
    allowed: Duration,
    phase: Phase,
    received: u64,
) -> Result<Option<Bytes>, CaptureError> {
    match timeout(allowed, body.next()).await {
        Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        Ok(Some(Err(error))) => Err(CaptureError::Broken { bytes: received, source: error.into() }),
        Ok(None) => Ok(None),
        Err(_) => Err(CaptureError::Timeout { phase, allowed }),
    }
}
