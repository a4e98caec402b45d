//! Whatever stands in the file, it is refused in sentences and never by a panic.

use heapwatch::config::{Config, Problems, Sources, load};
use proptest::prelude::*;

use super::case::Case;

fn load_bytes(bytes: &[u8]) -> Result<Config, Problems> {
    let case = Case::new(bytes);
    let sources = Sources { file: Some(case.path().join("x.toml")), ..Default::default() };
    load(&sources)
}

/// The reference with one line replaced: nearer to what people get wrong than bytes are.
fn damaged() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = include_str!("../../../config/heapwatch.toml").lines().collect();
    let count = lines.len();
    (0..count, 0..count, "[ -~]{0,12}").prop_map(move |(at, from, extra)| {
        let mut lines: Vec<String> = lines.iter().map(|line| line.trim_start_matches('#').to_owned()).collect();
        lines[at] = format!("{}{extra}", lines[from]);
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn no_bytes_are_too_strange_to_be_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let problems = load_bytes(&bytes).expect_err("nothing of this names a target");
        prop_assert!(!problems.to_string().is_empty());
    }

    #[test]
    fn a_damaged_file_is_refused_in_full_sentences(text in damaged()) {
        if let Err(problems) = load_bytes(text.as_bytes()) {
            for line in problems.to_string().lines() {
                prop_assert!(line.contains(": ") && !line.chars().any(char::is_control), "{line:?}");
            }
        }
    }
}
