//! Reading whole, wide, damaged and lying files.

use proptest::prelude::*;

use super::*;
use crate::heap::Snapshot;
use crate::heap::graph::Edge;
use crate::heap::synthetic::{ARRAY, ELEMENT, Heap, INTERNAL, OBJECT, PROPERTY};

fn sample() -> Heap {
    let mut heap = Heap::new();
    let object = heap.node(OBJECT, "Object", 24);
    let array = heap.node(ARRAY, "", 160);
    heap.edge(0, ELEMENT, "1", object);
    heap.edge(object, PROPERTY, "items", array);
    heap.edge(array, INTERNAL, "4294967294", object);
    heap.edge(array, ELEMENT, "4294967294", object);
    heap
}

fn read(json: &str) -> Result<Snapshot, String> {
    Snapshot::read(json.as_bytes(), LoadOptions::default()).map_err(|error| error.to_string())
}

#[test]
fn wide_indices_and_sizes_survive() {
    let json = sample().to_json().replace(",160,2,", ",17179869184,2,");
    let graph = load(json.as_bytes(), LoadOptions::default()).unwrap();
    assert_eq!(graph.edge_index(Edge(3)), 4_294_967_294);
    assert_eq!(graph.edge_name(Edge(3)), "4294967294");
    assert_eq!(graph.size(Node(2)), 16 << 30);
}

#[test]
fn lying_files_are_refused_with_the_place() {
    let checks = [
        ("\"node_count\":3", "\"node_count\":1000000000000", "nodes number more than"),
        ("\"node_count\":3", "\"node_count\":4", "the header announces 4 nodes, the file holds 3"),
        ("\"edge_count\":4", "\"edge_count\":3", "the header announces 3 edges of nodes, the file holds 4"),
        (",7\n", ",700\n", "reference to a node is 700, which is not below 21"),
        (",7\n", ",8\n", "the snapshot header is unusable: a reference to 8"),
        ("[9,", "[99,", "node type is 99, which is not below 15"),
        ("[1,1,7", "[9,1,7", "edge type is 9, which is not below 7"),
        ("\"(root)\",", "", "string index is 4, which is not below 4"),
        ("160", "18446744073709551616", "unexpected byte"),
        ("160", "-160", "unexpected byte 0x2d in nodes"),
        ("160", "1 60", "unexpected byte 0x36 in nodes"),
        ("\"locations\":[]", "\"locations\":[7,1,2]", "the header announces 4 locations, the file holds 3"),
        ("\"locations\":[]", "\"locations\":[70,1,2,3]", "reference to a node is 70"),
    ];
    for (was, now, expected) in checks {
        let json = sample().to_json();
        assert!(json.contains(was), "{was}");
        let error = read(&json.replacen(was, now, 1)).unwrap_err();
        assert!(error.starts_with(expected), "{now}: {error}");
        assert!(error.contains("(at byte "), "{error}");
    }
}

#[test]
fn a_budget_is_kept_before_anything_is_allocated() {
    let budget = Some(ByteSize::new(100));
    let error = load(sample().to_json().as_bytes(), LoadOptions { budget, ..LoadOptions::default() }).unwrap_err();
    assert!(matches!(error, HeapError::OverBudget { nodes: 3, edges: 4, .. }), "{error}");
}

#[test]
fn strings_beyond_the_usual_count_against_the_budget() {
    let json = sample().to_json().replace("\"(root)\"", &format!("\"{}\"", "x".repeat(100_000)));
    let read = |kilobytes: u64| {
        let budget = Some(ByteSize::new(kilobytes * 1000));
        load(json.as_bytes(), LoadOptions { budget, ..LoadOptions::default() })
    };
    assert!(read(101).is_ok());
    let error = read(99).unwrap_err();
    assert!(matches!(error, HeapError::OverBudget { needed, .. } if needed.bytes() > 100_000), "{error}");
}

#[test]
fn tables_stop_growing_where_the_header_ends_them() {
    // Far more rows than announced: the first one too many is told, and not the end of the table.
    for (section, row) in [("\"nodes\":[", "9,0,1,0,0,0,0,"), ("\"edges\":[", "1,1,7,")] {
        let json = sample().to_json().replacen(section, &format!("{section}{}", row.repeat(100)), 1);
        let Err(HeapError::Format(error)) = load(json.as_bytes(), LoadOptions::default()) else { panic!("{section}") };
        let begin = json.find(section).unwrap() + section.len();
        let rows_read = (error.offset - begin as u64) / row.len() as u64;
        assert!(rows_read < 5, "{section}: {error}");
    }
}

proptest! {
    #[test]
    fn reading_in_any_pieces_gives_the_same(piece in 1usize..200) {
        struct Pieces<'a>(&'a [u8], usize);
        impl Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let length = self.1.min(self.0.len()).min(buffer.len());
                let (now, later) = self.0.split_at(length);
                buffer[..length].copy_from_slice(now);
                self.0 = later;
                Ok(length)
            }
        }
        let json = sample().to_json();
        let whole = load(json.as_bytes(), LoadOptions::default()).unwrap();
        let pieces = load(Pieces(json.as_bytes(), piece), LoadOptions::default()).unwrap();
        prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    }

    #[test]
    fn damaged_files_never_panic(at in 0usize..1400, soup in proptest::collection::vec(any::<u8>(), 0..12)) {
        let mut bytes = sample().to_json().into_bytes();
        let at = at.min(bytes.len());
        let end = (at + soup.len()).min(bytes.len());
        bytes.splice(at..end, soup);
        if let Ok(snapshot) = Snapshot::read(bytes.as_slice(), LoadOptions::default()) {
            prop_assert_eq!(snapshot.graph.node_count(), 3);
        }
    }

    #[test]
    fn damaged_digits_never_panic(at in 0usize..1400, digit in b'0'..=b'9') {
        let mut bytes = sample().to_json().into_bytes();
        if let Some(byte) = bytes.get_mut(at).filter(|byte| byte.is_ascii_digit()) {
            *byte = digit;
        }
        if let Ok(report) = crate::heap::compare_snapshots(
            sample().to_json().as_bytes(),
            bytes.as_slice(),
            LoadOptions::default(),
        ) {
            prop_assert_eq!(report.heap.after_nodes, 3);
        }
    }
}
