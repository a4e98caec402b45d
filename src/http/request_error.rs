//! What went wrong with a request, in the words of whoever knows.

use std::error::Error;
use std::{fmt, io};

use super::agent::UnknownHost;
use crate::errors::causes;

/// A request that failed. The client's layers each say that they passed an error on; this says what the innermost said:
/// `Connection refused (os error 111)`. The URL, which may hold a secret, is cut out.
#[derive(Debug)]
pub struct RequestError(Box<dyn Error + Send + Sync>);

impl RequestError {
    /// Of an error that knows no URL.
    pub(super) fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }

    /// Whether the connection did not come about.
    pub fn is_connect(&self) -> bool {
        self.of_client().is_some_and(reqwest::Error::is_connect)
    }

    /// Whether a deadline passed.
    pub fn is_timeout(&self) -> bool {
        self.of_client().is_some_and(reqwest::Error::is_timeout)
    }

    /// Whether the request could not even be made.
    pub fn is_builder(&self) -> bool {
        self.of_client().is_some_and(reqwest::Error::is_builder)
    }

    /// Whether the host's name has no address.
    pub fn is_dns(&self) -> bool {
        self.has_cause(<dyn Error>::is::<UnknownHost>)
    }

    fn of_client(&self) -> Option<&reqwest::Error> {
        self.0.downcast_ref()
    }

    /// Whether any of its causes is of a kind.
    pub fn has_cause(&self, is_it: fn(&(dyn Error + 'static)) -> bool) -> bool {
        causes(self.0.as_ref()).any(is_it)
    }
}

impl From<reqwest::Error> for RequestError {
    fn from(error: reqwest::Error) -> Self {
        Self::new(error.without_url())
    }
}

impl From<io::Error> for RequestError {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

impl From<Box<dyn Error + Send + Sync>> for RequestError {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        Self(error)
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes(self.0.as_ref()).last().map_or(Ok(()), |innermost| fmt::Display::fmt(innermost, f))
    }
}

/// Its causes are in its own text.
impl Error for RequestError {}
