//! Two snapshots, with a zero byte between them, through the whole comparison.
#![no_main]

use heapwatch::heap::settle::settle;
use heapwatch::heap::{LoadOptions, compare_snapshots};
use heapwatch::units::ByteSize;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|documents: &[u8]| {
    let options = LoadOptions { budget: Some(ByteSize::new(64 << 20)), without_edges: false };
    let (before, after) = match documents.iter().position(|&byte| byte == 0) {
        Some(at) => (&documents[..at], &documents[at + 1..]),
        None => (documents, documents),
    };
    let Ok(mut report) = compare_snapshots(before, after, options) else { return };
    for culprit in &report.culprits {
        assert!((0.0..=1.0).contains(&culprit.share_of_growth), "{culprit:?}");
        assert!(!culprit.path.is_empty(), "{culprit:?}");
    }
    let later = report.clone();
    settle(&mut report, &later);
    assert_eq!(report.culprits.len(), later.culprits.len(), "what goes on stays");
    _ = compare_snapshots(before, after, LoadOptions { without_edges: true, ..options });
});
