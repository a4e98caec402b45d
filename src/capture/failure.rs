//! Why a capture did not arrive whole.

use std::time::Duration;

use crate::http::RequestError;
use crate::units::ByteSize;

/// The outcome of a capture that failed. No text in it comes from the target unescaped, no credential is in it.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// No connection: refused, unreachable, unresolved or not trusted.
    #[error("cannot connect")]
    Connect(#[source] RequestError),
    /// A deadline passed.
    #[error("{phase} took longer than {}", humantime::format_duration(*.allowed))]
    Timeout {
        /// What was waited for.
        phase: Phase,
        /// The deadline.
        allowed: Duration,
    },
    /// 401 or 403: the credentials are missing, wrong or not enough.
    #[error("the endpoint answered {status}: check the credentials of the capture endpoint")]
    Unauthorized {
        /// 401 or 403.
        status: u16,
    },
    /// Any other status than 200.
    #[error("the endpoint answered {status}")]
    Status {
        /// The status code.
        status: u16,
    },
    /// A body that is something else from its first bytes on: an HTML page, a JSON error.
    #[error("the answer is no heap snapshot: it starts with {start:?}")]
    NotASnapshot {
        /// Its first printable characters.
        start: String,
    },
    /// A body that is no sampling heap profile, or not a whole one.
    #[error("the answer is no whole heap profile: {why}")]
    NotAProfile {
        /// What is wrong with it, and where.
        why: String,
    },
    /// The body ended early although HTTP says it is complete, or its parts contradict one another.
    #[error("the snapshot is not whole after {}: {why}", ByteSize::new(*.bytes))]
    NotWhole {
        /// Bytes received, after decompression.
        bytes: u64,
        /// What is missing or contradictory.
        why: String,
    },
    /// The connection broke within the body.
    #[error("the connection broke after {}", ByteSize::new(*.bytes))]
    Broken {
        /// Bytes received, after decompression.
        bytes: u64,
        /// What the connection said.
        #[source]
        source: RequestError,
    },
    /// The connection broke before an answer: the target may have died of the request.
    #[error("the connection broke before an answer came")]
    NoAnswer(#[source] RequestError),
    /// An encoding that was not asked for or is damaged.
    #[error("cannot undo the Content-Encoding {encoding:?}")]
    Encoding {
        /// The header, capped.
        encoding: String,
        /// What is wrong with the bytes; nothing where the encoding is not supported.
        #[source]
        source: Option<std::io::Error>,
    },
    /// More bytes than allowed.
    #[error("the answer is larger than {limit}")]
    TooLarge {
        /// The cap.
        limit: ByteSize,
    },
    /// The file could not be written.
    #[error("cannot write what arrives")]
    Disk(#[source] std::io::Error),
}

/// The steps of a download, each with a deadline of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Name resolution, TCP and TLS.
    Connecting,
    /// From the request to the status line.
    FirstByte,
    /// Between two chunks of the body.
    NextByte,
    /// Everything together.
    Total,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::FirstByte => "the wait for the first byte",
            Self::NextByte => "the wait for the next bytes",
            Self::Total => "the download",
        })
    }
}

/// A failed capture's reason without its details, for metrics and budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureReason {
    /// No connection.
    Connect,
    /// A deadline passed.
    Timeout,
    /// 401 or 403.
    Unauthorized,
    /// Another status.
    Status,
    /// Something else than a snapshot.
    NotASnapshot,
    /// Something else than a profile.
    NotAProfile,
    /// Ended early or contradictory.
    NotWhole,
    /// The connection broke.
    Broken,
    /// A Content-Encoding that cannot be undone.
    Encoding,
    /// Over the cap.
    TooLarge,
    /// Our own disk.
    Disk,
}

impl FailureReason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::Connect,
        Self::Timeout,
        Self::Unauthorized,
        Self::Status,
        Self::NotASnapshot,
        Self::NotAProfile,
        Self::NotWhole,
        Self::Broken,
        Self::Encoding,
        Self::TooLarge,
        Self::Disk,
    ];

    /// The name in metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::Status => "status",
            Self::NotASnapshot => "not_a_snapshot",
            Self::NotAProfile => "not_a_profile",
            Self::NotWhole => "not_whole",
            Self::Broken => "broken",
            Self::Encoding => "encoding",
            Self::TooLarge => "too_large",
            Self::Disk => "disk",
        }
    }
}

impl CaptureError {
    /// The reason without its details.
    pub const fn reason(&self) -> FailureReason {
        match self {
            Self::Connect(_) => FailureReason::Connect,
            Self::Timeout { .. } => FailureReason::Timeout,
            Self::Unauthorized { .. } => FailureReason::Unauthorized,
            Self::Status { .. } => FailureReason::Status,
            Self::NotASnapshot { .. } => FailureReason::NotASnapshot,
            Self::NotAProfile { .. } => FailureReason::NotAProfile,
            Self::NotWhole { .. } => FailureReason::NotWhole,
            Self::Broken { .. } | Self::NoAnswer(_) => FailureReason::Broken,
            Self::Encoding { .. } => FailureReason::Encoding,
            Self::TooLarge { .. } => FailureReason::TooLarge,
            Self::Disk(_) => FailureReason::Disk,
        }
    }

    /// Whether the target says that it has no such endpoint.
    pub const fn is_absence(&self) -> bool {
        matches!(self, Self::Status { status: 404 | 405 | 410 | 501 })
    }

    /// Whether what was asked answers, but with something else altogether: a page, a redirect, an error.
    pub const fn is_stranger(&self) -> bool {
        matches!(self, Self::Status { status: 200..=499 } | Self::NotAProfile { .. })
    }

    /// Whether the target may have died of it: a request went out, and the connection broke or nothing came.
    /// Polls right after tell for sure.
    pub const fn may_have_killed(&self) -> bool {
        matches!(
            self,
            Self::NoAnswer(_)
                | Self::Broken { .. }
                | Self::NotWhole { .. }
                | Self::Timeout { phase: Phase::FirstByte | Phase::NextByte | Phase::Total, .. }
        )
    }
}
