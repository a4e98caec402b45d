//! What is watched: a target's name and labels, and the identity of one life of its process.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Labels of a target, as written in the configuration.
pub type Labels = BTreeMap<String, String>;

/// The name of a target: 1 to 64 of `a-z A-Z 0-9 . _ -`, starting with a letter or digit.
///
/// The alphabet makes a name safe as a directory, a metric label and a line of a log without any escaping. Clones share
/// the text: a name stands in a dozen places of a daemon that watches thousands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetName(Arc<str>);

/// Why a text is no target name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to 64 of letters, digits, `.`, `_` and `-`, starting with a letter or digit (for example \"checkout-api\")"
)]
pub struct InvalidTargetName;

impl TargetName {
    /// Checks `name` and wraps it.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidTargetName> {
        /// Leaves room for a time, a life and a suffix within the 255 bytes of a file name.
        const LONGEST: usize = 64;
        let name = name.into();
        let starts_well = name.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
        let spelled_well = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if starts_well && spelled_well && name.len() <= LONGEST {
            Ok(Self(name.into()))
        } else {
            Err(InvalidTargetName)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TargetName {
    type Err = InvalidTargetName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for TargetName {
    type Error = InvalidTargetName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<TargetName> for String {
    fn from(name: TargetName) -> Self {
        name.0.as_ref().to_owned()
    }
}

/// One run of a target's process, from start to restart.
///
/// The number counts the lives heapwatch has seen of this target; `began` is when the process started where the
/// target says so, else when its first sample arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Counts from 1; grows at each restart seen.
    pub number: u64,
    /// Start of the process as far as it is known.
    pub began: Timestamp,
    /// Process id, where the target reports it.
    pub pid: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_file_names() {
        for good in ["a", "checkout-api", "api.eu-1_b", "9"] {
            assert!(TargetName::new(good).is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for bad in ["", ".", "..", "-x", "a/b", "a b", "a\0", "é", "../x", long.as_str()] {
            assert_eq!(TargetName::new(bad), Err(InvalidTargetName), "{bad:?}");
        }
    }
}
