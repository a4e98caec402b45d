//! Who may ask: tokens, kept as hashes, and the names under which the listener is reached.
//!
//! A token is 256 random bits, so a single SHA-256 of it is as good as a slow password hash: there is no dictionary to
//! try, and each request is checked in a microsecond. What leaks with the configuration file cannot be presented.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Who is answered. A reload replaces it whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Without any, whoever reaches the listener may do everything; that is allowed on this machine only.
    pub tokens: Vec<Token>,
    /// Names besides those of this machine that a `Host` header may have, lower case; with a port or for any.
    pub allowed_hosts: Vec<String>,
}

/// A token as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What people call it.
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    /// What it must hash to.
    pub hash: TokenHash,
}

/// What a token allows; the later includes the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything that changes nothing.
    Read,
    /// Everything.
    Admin,
}

/// SHA-256 of a token: `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

/// A text is no hash of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `sha256:` and 64 hexadecimal digits, as `heapwatch token` prints it")]
pub struct InvalidHash;

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// No token, or none that is known.
    Unknown,
    /// A token of a lesser scope.
    Lesser,
}

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Lets people and scanners for leaked secrets tell what a token is for.
const PREFIX: &str = "hwt_";

impl Access {
    /// Whether a request with this `Authorization` may do what needs `scope`: by the token of this name, or by none where
    /// none is demanded.
    pub(super) fn admits(&self, authorization: Option<&str>, scope: Scope) -> Result<Option<&str>, Denied> {
        if self.tokens.is_empty() {
            return Ok(None);
        }
        let presented = authorization.and_then(presented).ok_or(Denied::Unknown)?;
        let hash = TokenHash::of(&presented);
        // Every token is compared, so that the time taken tells nothing of which one it was like.
        let granted = self.tokens.iter().filter(|token| bool::from(token.hash.matches(&hash)));
        match granted.max_by_key(|token| token.scope) {
            None => Err(Denied::Unknown),
            Some(granted) if granted.scope < scope => Err(Denied::Lesser),
            Some(granted) => Ok(Some(&granted.name)),
        }
    }
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 2] = [Self::Read, Self::Admin];

    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    fn matches(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl FromStr for TokenHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64).ok_or(InvalidHash)?;
        let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.ok_or(InvalidHash)?.chunks_exact(2)) {
            let value = pair.iter().fold(0, |value, digit| value * 16 + digit);
            *byte = u8::try_from(value).map_err(|_| InvalidHash)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The beginning only: enough to tell two apart.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{:02x}{:02x}…", self.0[0], self.0[1])
    }
}

/// A new token from the system's random numbers: `hwt_` and 43 characters.
///
/// # Errors
/// Where the system has no random numbers.
pub fn new_token() -> Result<SecretString, getrandom::Error> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into())
}

/// The hash that a configuration holds of a token.
pub fn hash(token: &SecretString) -> TokenHash {
    TokenHash::of(token.expose_secret())
}

/// The token of a bearer, or the password of any user: browsers ask people for the latter.
fn presented(authorization: &str) -> Option<String> {
    let (scheme, rest) = authorization.trim().split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let token = |name: &str, scope, text| Token { name: name.to_owned(), scope, hash: TokenHash::of(text) };
        Access {
            tokens: vec![token("grafana", Scope::Read, "r"), token("ops", Scope::Admin, "a")],
            ..Access::default()
        }
    }

    #[test]
    fn a_token_opens_what_its_scope_says() {
        let access = access();
        let check = |authorization, scope, expected| {
            assert_eq!(access.admits(authorization, scope), expected, "{authorization:?} {scope:?}");
        };
        check(Some("Bearer r"), Scope::Read, Ok(Some("grafana")));
        check(Some("bearer  a "), Scope::Read, Ok(Some("ops")));
        check(Some("Bearer a"), Scope::Admin, Ok(Some("ops")));
        check(Some("Bearer r"), Scope::Admin, Err(Denied::Lesser));
        check(Some("Basic YW55Ym9keTph"), Scope::Admin, Ok(Some("ops")));
        for wrong in ["", "Bearer", "Bearer ", "Bearer x", "Basic", "Basic !!", "Basic YQ==", "Digest a", "a"] {
            check(Some(wrong), Scope::Read, Err(Denied::Unknown));
        }
        check(None, Scope::Read, Err(Denied::Unknown));
    }

    #[test]
    fn without_tokens_everybody_who_gets_there_is_let_in() {
        assert_eq!(Access::default().admits(None, Scope::Admin), Ok(None));
    }

    #[test]
    fn hashes_are_written_and_read() {
        // SHA-256 of "abc", FIPS 180-2, B.1.
        let known = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenHash::of("abc").to_string(), known);
        assert_eq!(known.parse(), Ok(TokenHash::of("abc")));
        assert_eq!(format!("{:?}", TokenHash::of("abc")), "sha256:ba78…", "no more than tells it from others");
        for wrong in [
            "",
            "sha256:",
            "abc",
            known.trim_end_matches('d'),
            &known.replace('b', "g"),
            &format!("{known}0"),
            "sha1:00",
        ] {
            assert_eq!(wrong.parse::<TokenHash>(), Err(InvalidHash), "{wrong}");
        }
    }

    #[test]
    fn new_tokens_are_long_and_differ() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert_eq!(one.expose_secret().len(), PREFIX.len() + 43);
        assert!(access().admits(Some(&format!("Bearer {}", one.expose_secret())), Scope::Read).is_err());
    }
}
