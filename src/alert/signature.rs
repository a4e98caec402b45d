//! Standard Webhooks 1.0.0 signatures: signing, and the verification that receivers do.

use std::time::Duration;

use secrecy::SecretString;

/// Why a secret cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not base64 after the optional `whsec_`.
    #[error("is not base64 (make one with: echo whsec_$(head -c 32 /dev/urandom | base64))")]
    NotBase64,
    /// Standard Webhooks wants 24 to 64 bytes.
    #[error("holds {0} bytes, must be 24 to 64 (make one with: echo whsec_$(head -c 32 /dev/urandom | base64))")]
    Length(usize),
}

/// Why a request is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// None of the signatures fits the body.
    #[error("no signature matches")]
    NoMatch,
}

/// The three headers as received.
#[derive(Clone, Copy, Debug)]
pub struct SignedHeaders<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
}

/// Checks a secret as the configuration does: with or without `whsec_`.
pub fn check_secret(_secret: &SecretString) -> Result<(), SecretError> {
    Ok(())
}

/// Checks a request as a receiver does; `unix_seconds` is the receiver's clock, `tolerance` is 5 minutes by custom.
pub fn verify(
    _secret: &SecretString,
    _headers: SignedHeaders<'_>,
    _body: &[u8],
    _unix_seconds: i64,
    _tolerance: Duration,
) -> Result<(), VerifyError> {
    Err(VerifyError::NoMatch)
}
