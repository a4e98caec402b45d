//! What went wrong with a request, in the words of whoever knows.

use std::error::Error;
use std::fmt;

use crate::errors::causes;

/// A request that failed. The client's layers each say that they passed an error on; this says what the innermost said:
/// `Connection refused (os error 111)`. The URL, which may hold a secret, is cut out.
#[derive(Debug)]
pub struct RequestError(reqwest::Error);

impl RequestError {
    /// Whether the connection did not come about.
    pub fn is_connect(&self) -> bool {
        self.0.is_connect()
    }

    /// Whether a deadline passed.
    pub fn is_timeout(&self) -> bool {
        self.0.is_timeout()
    }

    /// Whether the request could not even be made.
    pub fn is_builder(&self) -> bool {
        self.0.is_builder()
    }

    /// Whether the host's name has no address.
    pub fn is_dns(&self) -> bool {
        self.0.is_dns()
    }

    /// Whether any of its causes is of a kind.
    pub fn has_cause(&self, is_it: fn(&(dyn Error + 'static)) -> bool) -> bool {
        causes(&self.0).any(is_it)
    }
}

impl From<reqwest::Error> for RequestError {
    fn from(error: reqwest::Error) -> Self {
        Self(error.without_url())
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes(&self.0).last().map_or(Ok(()), |innermost| fmt::Display::fmt(innermost, f))
    }
}

/// Its causes are in its own text.
impl Error for RequestError {}
