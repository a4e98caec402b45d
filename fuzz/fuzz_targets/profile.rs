//! Two sampling heap profiles, with a zero byte between them, read and compared.
#![no_main]

use heapwatch::heap::profile::{compare_profiles, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|documents: &[u8]| {
    let (before, after) = match documents.iter().position(|&byte| byte == 0) {
        Some(at) => (&documents[..at], &documents[at + 1..]),
        None => (documents, documents),
    };
    if let (Ok(before), Ok(after)) = (read(before), read(after)) {
        _ = compare_profiles(&before, &after);
    }
});
