//! The SHA-256 of bytes that pass, on a thread of its own: it takes as long as all else that a capture does to a byte.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::text::hex;

/// Chunks that wait to be hashed.
const WAITING: usize = 3;

/// Takes bytes and tells their digest at the end. Its thread ends when it is dropped.
#[derive(Debug)]
pub(super) struct Digest {
    chunks: SyncSender<Bytes>,
    thread: JoinHandle<Sha256>,
}

impl Digest {
    /// The digest of nothing yet; an error where the system gives no thread.
    pub(super) fn begin() -> io::Result<Self> {
        let (chunks, waiting) = sync_channel::<Bytes>(WAITING);
        let thread = Builder::new().name("capture-digest".into()).spawn(move || {
            let mut hash = Sha256::new();
            for chunk in waiting {
                hash.update(chunk);
            }
            hash
        })?;
        Ok(Self { chunks, thread })
    }

    /// Waits where the hash is behind.
    pub(super) fn update(&self, chunk: Bytes) -> io::Result<()> {
        self.chunks.send(chunk).map_err(|_| stopped())
    }

    /// Lower-case hex.
    pub(super) fn finish(self) -> io::Result<String> {
        drop(self.chunks);
        let hash = self.thread.join().map_err(|_| stopped())?;
        Ok(hex(&hash.finalize()))
    }
}

fn stopped() -> io::Error {
    io::Error::other("the thread that hashes has stopped")
}
