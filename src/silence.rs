//! Silences: whom they cover, until when, by whom and why.
//!
//! A silence holds back what is told of a target, never what is seen, judged or captured, and never the end of something
//! that was told. It always has a reason and an end. Pure: the daemon keeps them and knows the time.

mod ask;
mod scope;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

pub use self::ask::{Ask, Refusal, person};
pub use self::scope::{InvalidPattern, Scope};

/// One silence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Six hexadecimal digits, for people to type.
    pub id: String,
    /// Whom it covers.
    pub scope: Scope,
    /// When it was made.
    pub from: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Who made it.
    pub by: String,
    /// The reason.
    pub why: String,
    /// Its end before its time, where a person ended it.
    pub ended: Option<Ended>,
}

/// How a silence was ended before its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}

/// What an alert says of the silence that it met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which silence.
    pub id: String,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Who made it.
    pub by: String,
    /// The reason.
    pub why: String,
}

impl Silence {
    /// Whether it holds anything back at `now`. Its end is reckoned on the steady line, as every other interval.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now.is_before(self.until)
    }

    /// What an alert says of it.
    pub fn mark(&self) -> Mark {
        Mark { id: self.id.clone(), until: self.until, by: self.by.clone(), why: self.why.clone() }
    }
}

/// `silenced until 2026-11-22T12:00:00Z by alice because of a deploy`, without a full stop.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "silenced until {} by {} because: {}", self.until, self.by, self.why)
    }
}

/// The mark of the silence that covers a target longest, of those that are active.
pub fn longest<'a>(covering: impl Iterator<Item = &'a Silence>) -> Option<Mark> {
    covering.max_by_key(|silence| silence.until.steady_ms()).map(Silence::mark)
}
