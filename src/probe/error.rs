//! Why a poll failed, as a value with a reason that metrics can count.

use std::error::Error;
use std::{fmt, io};

use super::health::HealthError;
use crate::http::{BodyError, ConnectError, RequestError};

/// Why a poll brought no reading. Text that came from the target is capped and free of control characters; no
/// message holds the URL, since its query may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing listens at the address.
    #[error("connection refused")]
    Refused,
    /// The host's name has no address.
    #[error("cannot resolve the host name")]
    Dns(#[source] RequestError),
    /// The certificate is not trusted, or client and server share no version of TLS.
    #[error("TLS handshake failed")]
    Tls(#[source] RequestError),
    /// Any other way in which no connection came about: no route, reset, no permission.
    #[error("cannot connect")]
    Unreachable(#[source] RequestError),
    /// A deadline passed.
    #[error("timed out while {0}")]
    Timeout(Stage),
    /// The connection broke, or what came was no HTTP, or its encoding was damaged.
    #[error("answer broke off")]
    Broken(#[source] RequestError),
    /// An answer other than 2xx and 3xx.
    #[error("answered with status {code}{}", excerpt_of(.body))]
    Status {
        /// The HTTP status.
        code: u16,
        /// The start of the body, one line of printable text; empty where there was none.
        body: String,
    },
    /// An answer of 3xx: what answers must be what was configured, so it is not followed.
    #[error("answered with status {code}, a redirect to `{location}`, which is not followed")]
    Redirected {
        /// The HTTP status.
        code: u16,
        /// The `Location` header, without its query.
        location: String,
    },
    /// The body exceeds its cap, counted after decompression.
    #[error("body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The cap.
        limit_bytes: usize,
    },
    /// The body came whole but gives no reading.
    #[error("cannot use the body")]
    Health(#[from] HealthError),
}

fn excerpt_of(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!(": {body}") }
}

/// What was going on when a deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Name resolution, TCP and TLS.
    Connecting,
    /// The request is sent and no status line has come.
    Waiting,
    /// The body has begun and not ended.
    Reading,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Waiting => "waiting for the answer",
            Self::Reading => "reading the body",
        })
    }
}

/// The kind of a failed poll: the value of a metric's `reason` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// See [`ProbeError::Refused`].
    Refused,
    /// See [`ProbeError::Dns`].
    Dns,
    /// See [`ProbeError::Tls`].
    Tls,
    /// See [`ProbeError::Unreachable`].
    Unreachable,
    /// See [`ProbeError::Timeout`].
    Timeout,
    /// See [`ProbeError::Broken`].
    Broken,
    /// See [`ProbeError::Status`].
    Status,
    /// See [`ProbeError::Redirected`].
    Redirected,
    /// See [`ProbeError::TooLarge`].
    TooLarge,
    /// See [`HealthError::NotJson`].
    NotJson,
    /// See [`HealthError::NotMetrics`].
    NotMetrics,
    /// See [`HealthError::NoMemoryFields`].
    NoMemoryFields,
    /// See [`HealthError::SeveralProcesses`].
    SeveralProcesses,
    /// See [`HealthError::AbsurdNumber`].
    AbsurdNumber,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::Refused,
        Self::Dns,
        Self::Tls,
        Self::Unreachable,
        Self::Timeout,
        Self::Broken,
        Self::Status,
        Self::Redirected,
        Self::TooLarge,
        Self::NotJson,
        Self::NotMetrics,
        Self::NoMemoryFields,
        Self::SeveralProcesses,
        Self::AbsurdNumber,
    ];

    /// The label's value: `too_large`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Status => "status",
            Self::Redirected => "redirected",
            Self::TooLarge => "too_large",
            Self::NotJson => "not_json",
            Self::NotMetrics => "not_metrics",
            Self::NoMemoryFields => "no_memory_fields",
            Self::SeveralProcesses => "several_processes",
            Self::AbsurdNumber => "absurd_number",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ProbeError {
    /// The kind of this failure.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Refused => Reason::Refused,
            Self::Dns(_) => Reason::Dns,
            Self::Tls(_) => Reason::Tls,
            Self::Unreachable(_) => Reason::Unreachable,
            Self::Timeout(_) => Reason::Timeout,
            Self::Broken(_) => Reason::Broken,
            Self::Status { .. } => Reason::Status,
            Self::Redirected { .. } => Reason::Redirected,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::Health(HealthError::NotJson { .. }) => Reason::NotJson,
            Self::Health(HealthError::NotMetrics { .. }) => Reason::NotMetrics,
            Self::Health(HealthError::NoMemoryFields { .. }) => Reason::NoMemoryFields,
            Self::Health(HealthError::SeveralProcesses { .. }) => Reason::SeveralProcesses,
            Self::Health(HealthError::AbsurdNumber { .. }) => Reason::AbsurdNumber,
        }
    }
}

impl ProbeError {
    /// Of a connection that brought no answer: who wants a certificate of ours says so after the handshake.
    pub(super) fn unanswered(error: RequestError) -> Self {
        if error.has_cause(is_tls) { Self::Tls(error) } else { Self::Broken(error) }
    }
}

impl From<ConnectError> for ProbeError {
    /// Tells apart why no connection came about.
    fn from(error: ConnectError) -> Self {
        let ConnectError::Failed(error) = error else { return Self::Timeout(Stage::Connecting) };
        if error.is_dns() {
            Self::Dns(error)
        } else if error.has_cause(is_tls) {
            Self::Tls(error)
        } else if error.has_cause(|cause| is_io(cause, io::ErrorKind::TimedOut)) {
            Self::Timeout(Stage::Connecting)
        } else if error.has_cause(|cause| is_io(cause, io::ErrorKind::ConnectionRefused)) {
            Self::Refused
        } else {
            Self::Unreachable(error)
        }
    }
}

fn is_io(error: &(dyn Error + 'static), kind: io::ErrorKind) -> bool {
    error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == kind)
}

/// rustls hides its errors within those of I/O, once or twice, and their `source` passes over what they wrap.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    match error.downcast_ref().and_then(io::Error::get_ref) {
        Some(wrapped) => is_tls(wrapped),
        None => error.is::<rustls::Error>(),
    }
}

impl From<BodyError> for ProbeError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit_bytes } => Self::TooLarge { limit_bytes },
            BodyError::Broken(source) => Self::Broken(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn reasons_are_labels_of_their_own() {
        let names: BTreeSet<&str> = Reason::ALL.into_iter().map(Reason::name).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }
}
