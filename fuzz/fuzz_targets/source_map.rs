//! Any bytes as a source map, asked for many places.
#![no_main]

use heapwatch::heap::source_map::SourceMap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let Ok(map) = SourceMap::parse(json) else { return };
    for line in [0, 1, 2, 3, 100, u32::MAX] {
        for column in [0, 1, 2, 30, u32::MAX] {
            if let Some(original) = map.lookup(line, column) {
                assert!(original.location.line > 0 && original.location.column > 0, "{original:?}");
            }
        }
    }
});
