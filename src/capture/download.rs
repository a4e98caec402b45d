//! Fetches one snapshot over HTTP into a file, in constant memory, checked on the way to be whole.
//!
//! Does not decide whether it may (`gate`), nor where the file lives or what it is called (`store`).

use std::fs::File;
use std::time::Duration;

use crate::capture::Options;
use crate::capture::failure::CaptureError;
use crate::clock::Timestamp;
use crate::http::{self, ClientError};

/// A client for the captures of one target.
#[derive(Debug)]
pub struct Capturer {
    options: Options,
    client: reqwest::Client,
}

/// A snapshot that arrived whole; its bytes are written but not yet synced to the disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Downloaded {
    /// Bytes of the snapshot, as they are in the file.
    pub bytes: u64,
    /// Bytes that came over the wire: fewer where the target compresses.
    pub wire_bytes: u64,
    /// Of the file, lower-case hex.
    pub sha256: String,
    /// From the request to the first byte of the answer: how long V8 built the snapshot, its event loop blocked.
    pub first_byte: Duration,
    /// From the request to the last byte.
    pub total: Duration,
    /// Nodes that the snapshot says it has, which were counted.
    pub node_count: u64,
    /// Edges that the snapshot says it has, which were counted.
    pub edge_count: u64,
}

impl Capturer {
    /// Prepares the client; connects nowhere yet.
    pub fn new(options: Options) -> Result<Self, ClientError> {
        let client = http::client(&http::ClientOptions { gzip: false, ..options.client.clone() })?;
        Ok(Self { options, client })
    }

    /// How captures of this target are taken.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Fetches one snapshot into `file`, which is empty. `clock` tells the time; the durations come from it.
    ///
    /// Cancel-safe in that dropping the future ends the request and the writing; what the file holds then is not
    /// whole and goes away with its `PartialFile`.
    #[expect(clippy::unused_async, reason = "the body comes next")]
    pub async fn download(&self, file: File, clock: impl Fn() -> Timestamp + Send) -> Result<Downloaded, CaptureError> {
        let _ = (file, clock, &self.client);
        Err(CaptureError::Status { status: 0 })
    }
}
