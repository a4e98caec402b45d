//! What a comparison found, in the wire shape of `heapwatch heap diff --json`. Plain data: the daemon runs the analysis
//! in a process of its own and reads this back, and a reader skips members that it does not know.

use serde::{Deserialize, Serialize};

/// The comparison of two snapshots of one process. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// One sentence that says what was found, also when that is nothing.
    pub headline: String,
    /// `DevTools`' Comparison view: every class with objects that appeared or went.
    pub classes: Vec<ClassRow>,
    /// What leaks, the heaviest first; empty when nothing does.
    pub culprits: Vec<Culprit>,
    /// Objects that are in both snapshots and retain more in the second, the most grown first.
    pub survivors: Vec<Survivor>,
    /// Sizes of the two heaps.
    pub heap: HeapGrowth,
    /// What a reader should know before trusting the rest, such as growth that warm-up may explain.
    pub notes: Vec<String>,
}

/// One row of the Comparison view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassRow {
    /// The constructor's name, as `DevTools` writes it.
    pub name: String,
    /// Objects only in the second snapshot.
    pub new: u64,
    /// Objects only in the first snapshot.
    pub deleted: u64,
    /// `new` less `deleted`.
    pub delta: i64,
    /// Shallow size of the new objects.
    pub alloc_size: u64,
    /// Shallow size of the deleted objects.
    pub freed_size: u64,
    /// `alloc_size` less `freed_size`.
    pub size_delta: i64,
}

/// One leak: objects that piled up, where they are made and what holds them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Culprit {
    /// The line for a person: how many of what, how much, from where, held by what.
    pub headline: String,
    /// The class of the objects that piled up.
    pub class: String,
    /// The function whose closures piled up, or that made the objects, where the heap tells.
    pub function: String,
    /// Where that function stands, where the heap tells.
    pub location: Option<Location>,
    /// The place in the script that really ran, where `location` is the one in its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<Location>,
    /// Objects of the class that appeared less those that went.
    pub count_delta: i64,
    /// Growth of their shallow size.
    pub shallow_delta: i64,
    /// Growth of what the holder retains.
    pub retained_delta: i64,
    /// `retained_delta` as a part of the growth of the whole heap, 0 to 1.
    pub share_of_growth: f64,
    /// The holder as a person would write it: `process._events.uncaughtException[]`.
    pub held_by: String,
    /// From the object that owns the chain down to one of the new objects.
    pub path: Vec<PathStep>,
    /// Names of variables or properties of the new objects that hold something, the heaviest first; never values.
    pub captured: Vec<String>,
    /// Why this may be no leak, where there is such a reason.
    pub caution: Option<String>,
}

/// A place in a script; line and column count from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Location {
    /// The script's path or URL as the process names it, or the original source where a source map was found.
    pub script: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

/// One step of a retaining path: the edge that leads to a node. The first step has no edge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PathStep {
    /// The property, variable or index.
    pub edge: String,
    /// V8's type of the edge: `property`, `element`, `context`, `internal`, `hidden`, `shortcut` or `weak`; or `chain`
    /// where there are too many objects between to list them, and then there is no one edge.
    pub edge_type: String,
    /// The class of the node, with its name where it has one of its own.
    pub node: String,
    /// The id of the node, as `DevTools` shows it after `@`.
    pub id: u64,
}

/// An object in both snapshots that retains more in the second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Survivor {
    /// The id that the two snapshots share.
    pub id: u64,
    /// Its class.
    pub class: String,
    /// How it is reached, as a person would write it.
    pub path: String,
    /// What it retained in the first snapshot.
    pub retained_before: u64,
    /// What it retains in the second.
    pub retained_after: u64,
}

/// The heap as a whole, before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeapGrowth {
    /// Shallow size of all nodes in the first snapshot.
    pub before_bytes: u64,
    /// Shallow size of all nodes in the second snapshot.
    pub after_bytes: u64,
    /// Nodes in the first snapshot.
    pub before_nodes: u64,
    /// Nodes in the second snapshot.
    pub after_nodes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_a_later_version_still_reads() {
        let json = r#"{"classes":[{"name":"Map","delta":2,"colour":1}],"weather":[],"culprits":[{"class":"Map"}]}"#;
        let report: Report = serde_json::from_str(json).unwrap();
        assert_eq!(report.classes[0].delta, 2);
        assert_eq!(report.culprits[0].class, "Map");
    }
}
