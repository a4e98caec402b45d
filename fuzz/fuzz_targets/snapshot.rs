//! Any bytes as a snapshot: read in pieces and at once alike, summarised, explained and redacted without a panic.
#![no_main]

use heapwatch::heap::redact::redact;
use heapwatch::heap::retaining::retaining;
use heapwatch::heap::summary::summarise;
use heapwatch::heap::verify::Verifier;
use heapwatch::heap::{LoadOptions, Snapshot, load};
use heapwatch::units::ByteSize;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    let options = LoadOptions { budget: Some(ByteSize::new(64 << 20)), without_edges: false };
    let counted = verify(document);
    let Ok(snapshot) = Snapshot::read(document, options) else {
        _ = load(document, LoadOptions { without_edges: true, ..options });
        return;
    };
    let facts = counted.expect("the verifier refuses what loads");
    assert_eq!(facts.node_count, snapshot.graph.node_count() as u64);
    assert_eq!(facts.edge_count, snapshot.graph.edge_count() as u64);
    let whole = summarise(&snapshot);
    for node in snapshot.graph.nodes().take(4) {
        retaining(&snapshot, snapshot.graph.id(node)).expect("an object that is there");
    }
    let mut copy = Vec::new();
    redact(document, document, &mut copy, &[7; 32]).expect("what loads can be redacted");
    let again = Snapshot::read(copy.as_slice(), LoadOptions::default()).expect("a redacted copy loads");
    assert_eq!((whole.nodes, whole.edges, whole.bytes), {
        let copied = summarise(&again);
        (copied.nodes, copied.edges, copied.bytes)
    });
});

/// In pieces of a length that cuts numbers and words.
fn verify(document: &[u8]) -> Result<heapwatch::heap::verify::Facts, heapwatch::heap::verify::VerifyError> {
    let mut verifier = Verifier::new();
    for piece in document.chunks(13) {
        verifier.feed(piece)?;
    }
    verifier.finish()
}
