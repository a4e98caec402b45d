//! Where the bytes of a capture go: decoded, counted against the cap, checked, written and hashed, in this order.
//!
//! Knows nothing of HTTP or time; blocks on the file.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Seek, SeekFrom, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;

use crate::capture::digest::Digest;
use crate::capture::failure::CaptureError;
use crate::errors;
use crate::evidence::CaptureKind;
use crate::heap::verify::{Verifier, VerifyError};
use crate::heap::{Problem, profile};
use crate::text::line;
use crate::units::ByteSize;

/// How the bytes on the wire stand for those of the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

/// Takes a body from its first byte to its last.
#[derive(Debug)]
pub(super) struct Sink {
    decoder: Decoder,
    wire_bytes: u64,
}

#[derive(Debug)]
enum Decoder {
    Identity(Box<Checked>),
    Gzip(Box<MultiGzDecoder<Checked>>),
}

/// The capture's own bytes.
#[derive(Debug)]
struct Checked {
    file: File,
    check: Check,
    digest: Digest,
    bytes: u64,
    limit: ByteSize,
    /// It takes no more, though the decoder in front of it may offer what it still has when it is dropped.
    over: bool,
    /// Why: the decoder passes on an `io::Error` only.
    failure: Option<CaptureError>,
}

/// How they are checked to be whole.
#[derive(Debug)]
enum Check {
    /// On the way, in constant memory.
    Snapshot(Box<Verifier>),
    /// At the end, from the file: it is small, and its reader bounds what it takes.
    Profile,
}

/// What a whole capture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) nodes: u64,
    pub(super) edges: u64,
}

/// A body that was a whole capture.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: u64,
    pub(super) wire_bytes: u64,
    pub(super) sha256: String,
    pub(super) facts: Contents,
}

impl Sink {
    pub(super) fn new(kind: CaptureKind, file: File, encoding: Encoding, limit: ByteSize) -> io::Result<Self> {
        let check = match kind {
            CaptureKind::HeapSnapshot => Check::Snapshot(Box::new(Verifier::new())),
            CaptureKind::HeapProfile => Check::Profile,
        };
        let digest = Digest::begin()?;
        let checked = Checked { file, check, digest, bytes: 0, limit, over: false, failure: None };
        let decoder = match encoding {
            Encoding::Identity => Decoder::Identity(Box::new(checked)),
            Encoding::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(checked))),
        };
        Ok(Self { decoder, wire_bytes: 0 })
    }

    /// Takes the next bytes off the wire. After an error the sink is of no more use.
    pub(super) fn take(&mut self, chunk: Bytes) -> Result<(), CaptureError> {
        self.wire_bytes = self.wire_bytes.saturating_add(chunk.len() as u64);
        match &mut self.decoder {
            Decoder::Identity(checked) => checked.take(chunk),
            Decoder::Gzip(decoder) => {
                let outcome = decoder.write_all(&chunk);
                outcome.map_err(|error| undecodable(decoder.get_mut(), error))
            }
        }
    }

    /// The body is over: it must have been a whole capture.
    pub(super) fn finish(self) -> Result<Received, CaptureError> {
        let wire_bytes = self.wire_bytes;
        let checked = match self.decoder {
            Decoder::Identity(checked) => *checked,
            Decoder::Gzip(mut decoder) => {
                let outcome = decoder.try_finish();
                outcome.map_err(|error| undecodable(decoder.get_mut(), error))?;
                decoder.finish().map_err(CaptureError::Disk)?
            }
        };
        checked.finish(wire_bytes)
    }
}

/// Whose error it is: that of the snapshot's own bytes, or that of the encoding around them.
fn undecodable(checked: &mut Checked, error: io::Error) -> CaptureError {
    let bytes = checked.bytes;
    match checked.failure.take() {
        Some(failure) => failure,
        None if error.kind() == ErrorKind::UnexpectedEof => {
            CaptureError::NotWhole { bytes, why: "its gzip stream ends early".into() }
        }
        None => CaptureError::Encoding { encoding: "gzip".into(), source: Some(error) },
    }
}

impl Checked {
    fn take(&mut self, part: Bytes) -> Result<(), CaptureError> {
        self.bytes = self.bytes.saturating_add(part.len() as u64);
        if self.bytes > self.limit.bytes() {
            return Err(CaptureError::TooLarge { limit: self.limit });
        }
        if let Check::Snapshot(verifier) = &mut self.check {
            verifier.feed(&part).map_err(|wrong| unwhole(wrong, self.bytes))?;
        }
        self.file.write_all(&part).and_then(|()| self.digest.update(part)).map_err(CaptureError::Disk)
    }

    fn finish(self, wire_bytes: u64) -> Result<Received, CaptureError> {
        let bytes = self.bytes;
        let facts = match self.check {
            Check::Snapshot(verifier) => {
                let facts = verifier.finish().map_err(|wrong| unwhole(wrong, bytes))?;
                Contents { nodes: facts.node_count, edges: facts.edge_count }
            }
            Check::Profile => read_profile(self.file)?,
        };
        let sha256 = self.digest.finish().map_err(CaptureError::Disk)?;
        Ok(Received { bytes, wire_bytes, sha256, facts })
    }
}

/// A profile is whole when it reads as one.
fn read_profile(mut file: File) -> Result<Contents, CaptureError> {
    /// Enough to recognize what came instead.
    const LONGEST_SHOWN: usize = 200;
    file.seek(SeekFrom::Start(0)).map_err(CaptureError::Disk)?;
    let profile = profile::read(BufReader::new(file));
    // The reader's errors quote what they met.
    let why = |wrong| line(&errors::one_line(&wrong), LONGEST_SHOWN);
    let profile = profile.map_err(|wrong| CaptureError::NotAProfile { why: why(wrong) })?;
    Ok(Contents { nodes: profile.calls() as u64, edges: 0 })
}

fn unwhole(wrong: VerifyError, bytes: u64) -> CaptureError {
    match wrong.problem {
        Problem::NotASnapshot { begins_with } => CaptureError::NotASnapshot { start: begins_with },
        _ => CaptureError::NotWhole { bytes, why: wrong.to_string() },
    }
}

/// For the decoder in front; the real reason waits in `failure`.
impl Write for Checked {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if !self.over {
            match self.take(Bytes::copy_from_slice(part)) {
                Ok(()) => return Ok(part.len()),
                Err(failure) => (self.over, self.failure) = (true, Some(failure)),
            }
        }
        Err(io::Error::other("the capture was refused"))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
