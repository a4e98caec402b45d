//! The recordings of real Node.js processes in `tests/fixtures/recordings`, with the labels from their first lines.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use heapwatch::cli::replay::read_trace;

use super::Trace;
use super::process::projected;

/// The name that they share on the scorecard.
pub(crate) const RECORDINGS: &str = "recordings of Node.js";

const MIB: f64 = 1_048_576.0;

/// Every recording, in the order of their names.
pub(crate) fn recordings() -> Vec<Trace> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings");
    let entries = fs::read_dir(&directory).expect("the recordings are in the repository");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a directory that can be read").path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "gz"));
    files.sort();
    files.iter().map(|path| recording(path)).collect()
}

/// `# leaks: heapUsed, from hour: 50, limit: 512 MiB` is the second line of each.
fn recording(path: &Path) -> Trace {
    let mut text = String::new();
    let packed = File::open(path).expect("a file that was just listed");
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("text that was packed by gzip");
    let label = text.lines().nth(1).unwrap_or_default().trim_start_matches("# ");
    let label: BTreeMap<_, _> = label.split(", ").filter_map(|part| part.split_once(": ")).collect();
    let number = |key: &str| -> f64 {
        let text = label.get(key).and_then(|value| value.split(' ').next());
        text.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{}: no `{key}`", path.display()))
    };
    let samples = read_trace(path).expect("a trace that replay reads");
    let at = |sample: Option<&heapwatch::sample::Sample>| sample.map_or(0.0, |sample| sample.at.unix_seconds());
    let span = (at(samples.first()), at(samples.last()));
    let leaks = label.get("leaks").is_some_and(|signal| *signal != "nothing");
    let leak_start = leaks.then(|| span.0 + 3600.0 * number("from hour"));
    let limit = number("limit");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred MiB")]
    Trace {
        family: RECORDINGS,
        limit_time: projected(&samples, leak_start, limit),
        samples,
        leak_start,
        limit: (limit * MIB) as u64,
        span,
    }
}
