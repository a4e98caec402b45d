//! What a comparison of two profiles found, in the wire shape of `heapwatch heap diff --json`. A reader skips members
//! that it does not know.

use serde::{Deserialize, Serialize};

use crate::heap::report::Location;

/// The comparison of two profiles of one process. Sizes are bytes, estimated from samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProfileReport {
    /// One sentence that says what was found, also when that is nothing.
    pub headline: String,
    /// Which functions made what stayed, the most first; empty where nothing stayed beyond chance.
    pub culprits: Vec<ProfileCulprit>,
    /// Stacks by what they added, the most first.
    pub stacks: Vec<StackGrowth>,
    /// What was alive in the first profile.
    pub before_bytes: u64,
    /// What was alive in the second.
    pub after_bytes: u64,
    /// What a reader should know before trusting the rest.
    pub notes: Vec<String>,
}

/// One function whose objects stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProfileCulprit {
    /// The line for a person: how much, made by whom, called by whom.
    pub headline: String,
    /// The program's function nearest to the allocations.
    pub function: String,
    /// Where that function is defined.
    pub location: Option<Location>,
    /// The place in the script that really ran, where `location` is the one in its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<Location>,
    /// Who called it, the nearest first, along the stacks that added most.
    pub callers: Vec<Caller>,
    /// What it called that made the objects, where that is not itself: the runtime's or a dependency's function.
    pub through: Vec<String>,
    /// Bytes that its stacks have more in the second profile than in the first.
    pub bytes_delta: i64,
    /// `bytes_delta` as a part of the growth of all, 0 to 1.
    pub share_of_growth: f64,
    /// Samples that the figure rests on.
    pub samples: u64,
}

/// A function of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Caller {
    /// Its name.
    pub function: String,
    /// Where it is defined, where it stands in a script.
    pub location: Option<Location>,
}

/// One stack, as the profiles have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StackGrowth {
    /// From the outermost call to the innermost.
    pub frames: Vec<Caller>,
    /// Alive in the first profile.
    pub before_bytes: u64,
    /// Alive in the second.
    pub after_bytes: u64,
}
