//! Standard Webhooks 1.0.0 signatures: signing, and the verification that receivers do.
//!
//! Signed is `{id}.{timestamp}.{body}`; the header holds one `v1,<base64 of HMAC-SHA256>` for each secret, separated
//! by spaces, so that a receiver may know the old or the new one while a secret is rotated.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// A secret that can sign.
#[derive(Clone, Debug)]
pub struct SigningKey(SecretSlice<u8>);

/// Why a secret cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not base64 after the optional `whsec_`.
    #[error("is not base64 (make one with: echo whsec_$(head -c 32 /dev/urandom | base64))")]
    NotBase64,
    /// Standard Webhooks wants 24 to 64 bytes.
    #[error("holds {0} bytes, must hold 24 to 64 (make one with: echo whsec_$(head -c 32 /dev/urandom | base64))")]
    Length(usize),
}

/// Why a request is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The timestamp is not a number.
    #[error("webhook-timestamp is not a number of seconds")]
    Timestamp,
    /// Too old or too far ahead: a replay, or a clock that is wrong.
    #[error("webhook-timestamp is {0} s away from this clock")]
    Stale(u64),
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

impl SigningKey {
    /// Reads a secret: base64 of 24 to 64 bytes, with or without `whsec_` before it.
    pub fn parse(secret: &SecretString) -> Result<Self, SecretError> {
        let text = secret.expose_secret().trim();
        let encoded = text.strip_prefix("whsec_").unwrap_or(text);
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::NotBase64)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes.into())) } else { Err(SecretError::Length(bytes.len())) }
    }

    /// `v1,<base64>` of one message; `timestamp` is in Unix seconds.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Checks a secret as the configuration does: with or without `whsec_`.
pub fn check_secret(secret: &SecretString) -> Result<(), SecretError> {
    SigningKey::parse(secret).map(drop)
}

/// The value of `webhook-signature`, one signature for each key; `timestamp` is that of this attempt.
pub fn sign(keys: &[SigningKey], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(id, timestamp, body)).collect();
    signatures.join(" ")
}

/// Checks a request as a receiver does; `unix_seconds` is the receiver's clock, `tolerance` is 5 minutes by custom.
pub fn verify(
    key: &SigningKey,
    headers: SignedHeaders<'_>,
    body: &[u8],
    unix_seconds: i64,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    let timestamp: i64 = headers.timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    let distance = timestamp.abs_diff(unix_seconds);
    if distance > tolerance.as_secs() {
        return Err(VerifyError::Stale(distance));
    }
    let expected = key.sign(headers.id, timestamp, body);
    let matches = headers.signature.split(' ').any(|given| given.as_bytes().ct_eq(expected.as_bytes()).into());
    if matches { Ok(()) } else { Err(VerifyError::NoMatch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answer of the Standard Webhooks libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn key(secret: &str) -> SigningKey {
        SigningKey::parse(&secret.into()).expect("a good secret")
    }

    fn other_key() -> SigningKey {
        key(&STANDARD.encode([7; 32]))
    }

    fn check(signature: &str, timestamp: &str, body: &[u8]) -> Result<(), VerifyError> {
        let headers = SignedHeaders { id: ID, timestamp, signature };
        verify(&key(SECRET), headers, body, TIMESTAMP + 60, Duration::from_mins(5))
    }

    #[test]
    fn signs_the_known_answer() {
        assert_eq!(sign(&[key(SECRET)], ID, TIMESTAMP, BODY), SIGNATURE);
        assert_eq!(sign(&[key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")], ID, TIMESTAMP, BODY), SIGNATURE, "no prefix");
    }

    #[test]
    fn while_a_secret_is_rotated_the_old_and_the_new_one_both_verify() {
        let signatures = sign(&[other_key(), key(SECRET)], ID, TIMESTAMP, BODY);
        assert_eq!(signatures.split(' ').count(), 2);
        assert_eq!(check(&signatures, "1614265330", BODY), Ok(()));
        let headers = SignedHeaders { id: ID, timestamp: "1614265330", signature: &signatures };
        assert_eq!(verify(&other_key(), headers, BODY, TIMESTAMP, Duration::ZERO), Ok(()));
    }

    #[test]
    fn a_changed_request_does_not_verify() {
        assert_eq!(check(SIGNATURE, "1614265330", BODY), Ok(()));
        assert_eq!(check(SIGNATURE, "1614265330", b"{}"), Err(VerifyError::NoMatch));
        assert_eq!(check(SIGNATURE, "1614265331", BODY), Err(VerifyError::NoMatch));
        assert_eq!(check("", "1614265330", BODY), Err(VerifyError::NoMatch));
        assert_eq!(check(SIGNATURE, "1614265029", BODY), Err(VerifyError::Stale(361)));
        assert_eq!(check(SIGNATURE, "9614265330", BODY), Err(VerifyError::Stale(7_999_999_940)));
        assert_eq!(check(SIGNATURE, "now", BODY), Err(VerifyError::Timestamp));
    }

    #[test]
    fn secrets_that_cannot_sign_are_refused() {
        assert_eq!(check_secret(&"whsec_not base64!".into()), Err(SecretError::NotBase64));
        assert_eq!(check_secret(&"whsec_c2hvcnQ=".into()), Err(SecretError::Length(5)));
        assert_eq!(check_secret(&STANDARD.encode([0; 65]).into()), Err(SecretError::Length(65)));
        assert_eq!(check_secret(&STANDARD.encode([0; 64]).into()), Ok(()));
    }

    #[test]
    fn a_key_does_not_show_in_debug() {
        assert_eq!(format!("{:?}", key(SECRET)), "SigningKey(SecretBox<[u8]>([REDACTED]))");
    }
}
