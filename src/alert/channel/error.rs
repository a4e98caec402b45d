//! Why an alert was not delivered, and what that means for the next attempt.

use std::time::Duration;

use crate::alert::signature::SecretError;
use crate::http::{ClientError, RequestError};

/// Why a channel cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Certificates or headers.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A secret that cannot sign.
    #[error("the webhook's secret {0}")]
    Secret(#[from] SecretError),
}

/// The receiver has not taken the alert, as far as is known. Receivers appear by origin only: their paths are secrets.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Name resolution, TCP or TLS failed: nothing was sent.
    #[error("cannot connect to {origin}")]
    Connect {
        /// Scheme, host and port.
        origin: String,
        /// What the client says.
        #[source]
        source: RequestError,
    },
    /// No answer in time; the alert may have arrived.
    #[error("{origin} did not answer within {seconds} s", seconds = deadline.as_secs_f64())]
    Timeout {
        /// Scheme, host and port.
        origin: String,
        /// The deadline.
        deadline: Duration,
    },
    /// The connection broke before the answer; the alert may have arrived.
    #[error("lost the connection to {origin} before the answer")]
    Lost {
        /// Scheme, host and port.
        origin: String,
        /// What the client says.
        #[source]
        source: RequestError,
    },
    /// Any status but 2xx; redirects are not followed.
    #[error("{origin} answered {status} {answer:?}")]
    Refused {
        /// Scheme, host and port.
        origin: String,
        /// HTTP status.
        status: u16,
        /// What it said, capped and cleaned.
        answer: String,
        /// What the status means on this kind of channel.
        disposition: Disposition,
    },
    /// A 2xx whose body is not the one that means success.
    #[error("{origin} answered {answer:?} where only \"ok\" means delivered")]
    NotOk {
        /// Scheme, host and port.
        origin: String,
        /// What it said, capped and cleaned.
        answer: String,
    },
    /// The request cannot be put together, as with a header that HTTP does not allow.
    #[error("cannot make the request to {origin}")]
    Unsendable {
        /// Scheme, host and port.
        origin: String,
        /// What the client says.
        #[source]
        source: RequestError,
    },
    /// A defect of heapwatch: this alert cannot be sent, and must not hold up the others.
    #[error("heapwatch itself failed over this alert")]
    Panicked,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Try again.
    Retry {
        /// Not before this time has passed, as the receiver asked.
        after: Option<Duration>,
        /// The answer was lost: the receiver may have taken it all the same.
        maybe_taken: bool,
    },
    /// This alert will never be taken; others may.
    Permanent,
    /// 401, 403, 404 or a redirect: try again, and take the channel for broken when it goes on.
    ChannelRefuses,
    /// The receiver is gone for good.
    ChannelBroken,
}

impl Disposition {
    /// Orders from the most to the least hopeful.
    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::Retry { .. } => 0,
            Self::ChannelRefuses => 1,
            Self::ChannelBroken => 2,
            Self::Permanent => 3,
        }
    }
}

impl SendError {
    /// Sorts what the client says.
    pub(super) fn of_request(source: RequestError, origin: &str, deadline: Duration) -> Self {
        let origin = origin.to_owned();
        match () {
            () if source.is_builder() => Self::Unsendable { origin, source },
            () if source.is_connect() => Self::Connect { origin, source },
            () if source.is_timeout() => Self::Timeout { origin, deadline },
            () => Self::Lost { origin, source },
        }
    }

    /// What to do now.
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::Connect { .. } => Disposition::Retry { after: None, maybe_taken: false },
            Self::Timeout { .. } | Self::Lost { .. } => Disposition::Retry { after: None, maybe_taken: true },
            Self::Refused { disposition, .. } => *disposition,
            Self::NotOk { .. } => Disposition::ChannelRefuses,
            Self::Unsendable { .. } | Self::Panicked => Disposition::Permanent,
        }
    }

    /// A word for metrics, one of few, named as Alertmanager names its own where it has one.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Timeout { .. } => "timeout",
            Self::Lost { .. } => "connection_lost",
            Self::NotOk { .. } => "not_ok",
            Self::Unsendable { .. } => "unsendable",
            Self::Panicked => "panicked",
            Self::Refused { status, .. } => match status {
                300..=399 => "redirect",
                401 | 403 => "auth_error",
                429 => "rate_limited",
                400..=499 => "client_error",
                _ => "server_error",
            },
        }
    }
}

/// What a status other than 2xx means. Slack's 403 and 404 are the API's own words for a hook that is gone; any other
/// receiver may say so for a minute while it is deployed.
pub(super) const fn disposition_of(status: u16, after: Option<Duration>, is_slack: bool) -> Disposition {
    match status {
        410 => Disposition::ChannelBroken,
        403 | 404 if is_slack => Disposition::ChannelBroken,
        300..=399 | 401 | 403 | 404 => Disposition::ChannelRefuses,
        408 | 425 | 429 => Disposition::Retry { after, maybe_taken: false },
        400..=499 => Disposition::Permanent,
        // A gateway that lost its upstream cannot say whether the alert went through.
        502 | 504 => Disposition::Retry { after, maybe_taken: true },
        _ => Disposition::Retry { after, maybe_taken: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Disposition = Disposition::Retry { after: None, maybe_taken: false };

    fn check(status: u16, is_slack: bool, expected: Disposition) {
        assert_eq!(disposition_of(status, None, is_slack), expected, "{status}");
    }

    #[test]
    fn statuses_mean_what_the_services_document() {
        for status in [408, 425, 429, 500, 503, 599] {
            check(status, false, RETRY);
            check(status, true, RETRY);
        }
        for status in [400, 405, 413, 415, 422] {
            check(status, false, Disposition::Permanent);
        }
        for status in [301, 302, 307, 308, 401, 403, 404] {
            check(status, false, Disposition::ChannelRefuses);
        }
        for status in [403, 404, 410] {
            check(status, true, Disposition::ChannelBroken);
        }
        check(410, false, Disposition::ChannelBroken);
        check(504, false, Disposition::Retry { after: None, maybe_taken: true });
    }

    #[test]
    fn the_wait_that_a_receiver_asks_for_is_handed_on() {
        let after = Some(Duration::from_secs(30));
        assert_eq!(disposition_of(429, after, true), Disposition::Retry { after, maybe_taken: false });
    }
}
