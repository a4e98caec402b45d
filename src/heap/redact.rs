//! Takes the data out of a snapshot, so that it can be shown to others: every text that is not the name of a class,
//! property, variable, function or script becomes its length and a keyed hash. Equal texts stay equal, the graph stays
//! as it is, and `DevTools` still loads the file.

use std::io::{self, Read, Write};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::bits::Bits;
use super::error::{FormatError, HeapError, Problem};
use super::graph::{Graph, NodeKind};
use super::load::{LoadOptions, load_with_strings_at};

/// The key of the hashes; who knows it can test guesses.
pub type Key = [u8; 32];

/// Copies a snapshot from `again`, the same bytes as `first`, to `output` with its texts redacted.
///
/// # Errors
/// Those of [`super::load()`], and [`HeapError::Read`] where reading or writing fails.
pub fn redact(first: impl Read, again: impl Read, output: &mut impl Write, key: &Key) -> Result<u64, HeapError> {
    let (graph, strings_at) = load_with_strings_at(first, LoadOptions::default())?;
    let copied = io::copy(&mut again.take(strings_at), output)?;
    if copied != strings_at {
        let problem = Problem::Truncated { inside: "the second reading" };
        return Err(HeapError::Format(FormatError { offset: copied, problem }));
    }
    let names = names(&graph);
    let mut redacted = 0;
    for (index, at) in (0u32..).zip(0..graph.strings().len()) {
        let comma = if at == 0 { "" } else { ",\n" };
        if names.has(at) {
            output.write_all(comma.as_bytes())?;
            output.write_all(b"\"")?;
            output.write_all(graph.strings().raw(index))?;
            output.write_all(b"\"")?;
        } else {
            redacted += 1;
            write!(output, "{comma}\"{}\"", stand_in(&graph.strings().get(index), key))?;
        }
    }
    output.write_all(b"]}")?;
    output.flush()?;
    Ok(redacted)
}

/// Strings that name something. What is a name anywhere stays, even where it is data elsewhere.
fn names(graph: &Graph) -> Bits {
    let mut names = Bits::new(graph.strings().len());
    for node in graph.nodes() {
        let holds_data = graph.kind(node).is_string()
            || matches!(graph.kind(node), NodeKind::Number | NodeKind::BigInt | NodeKind::RegExp | NodeKind::Other);
        if !holds_data {
            names.set(graph.names[node.index()] as usize);
        }
        for edge in graph.edges(node).filter(|&edge| !graph.edge_kind(edge).is_indexed()) {
            if let Ok(name) = usize::try_from(graph.edge_index(edge)) {
                names.set(name);
            }
        }
    }
    names
}

/// Enough of a hash, in digits of four bits, for equal ones to mean equal texts within one heap.
const HASH_DIGITS: usize = 12;

fn stand_in(text: &str, key: &Key) -> String {
    let mut hash = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    hash.update(text.as_bytes());
    let bytes = hash.finalize().into_bytes();
    let first = bytes.iter().take(size_of::<u64>()).fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    format!("<{} chars, {:0digits$x}>", text.chars().count(), first >> (64 - 4 * HASH_DIGITS), digits = HASH_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::synthetic::{Heap, OBJECT, PROPERTY};
    use crate::heap::{Snapshot, load};

    /// V8's number of the type `string`.
    const STRING: u64 = 2;

    fn sample() -> String {
        let mut heap = Heap::new();
        let user = heap.node(OBJECT, "User", 24);
        let copies = ["hunter2", "hunter2", "name", "a \"quoted\" \\ text"].map(|text| heap.node(STRING, text, 16));
        heap.edge(0, PROPERTY, "user", user);
        for (name, copy) in ["password", "repeated", "name", "note"].into_iter().zip(copies) {
            heap.edge(user, PROPERTY, name, copy);
        }
        heap.to_json()
    }

    fn redacted(json: &str, key: u8) -> String {
        let mut output = Vec::new();
        redact(json.as_bytes(), json.as_bytes(), &mut output, &[key; 32]).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn secrets_go_and_names_stay() {
        let output = redacted(&sample(), 1);
        assert!(!output.contains("hunter2") && !output.contains("quoted"), "{output}");
        for name in ["User", "password", "name", "(root)"] {
            assert!(output.contains(&format!("\"{name}\"")), "{name}");
        }
        assert!(output.contains("\"<7 chars, "), "{output}");
        assert_ne!(output, redacted(&sample(), 2), "the hash depends on the key");
    }

    #[test]
    fn the_graph_stays_the_same() {
        let (before, after) = (sample(), redacted(&sample(), 1));
        let read = |json: &str| {
            let snapshot = Snapshot::read(json.as_bytes(), LoadOptions::default()).unwrap();
            let line = |node| (snapshot.graph.id(node), snapshot.tree.retained(node), snapshot.tree.parent(node));
            (snapshot.graph.nodes().map(line).collect::<Vec<_>>(), snapshot.graph.edge_count())
        };
        assert_eq!(read(&before), read(&after));
        let graph = load(after.as_bytes(), LoadOptions::default()).unwrap();
        let names: Vec<_> = graph.nodes().map(|node| graph.name(node).into_owned()).collect();
        assert_eq!(names[2], names[3], "equal texts stay equal");
    }
}
