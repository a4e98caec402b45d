//! Whether the facts that the daemon stored beside two snapshots say that they are of one process.
//!
//! Where a file has none beside it, only what is in the heaps can tell.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::HeapCliError;
use crate::store::sidecar::Sidecar;

/// Refuses two snapshots of which the sidecars disagree.
pub(super) fn check(before: &Path, after: &Path) -> Result<(), HeapCliError> {
    let (Some(first), Some(second)) = (beside(before), beside(after)) else { return Ok(()) };
    match disagreement(&first, &second) {
        Some(why) => Err(HeapCliError::NoPair { before: before.to_owned(), after: after.to_owned(), why }),
        None => Ok(()),
    }
}

/// The sidecar of a snapshot, where there is one that reads.
fn beside(snapshot: &Path) -> Option<Sidecar> {
    /// Far above any sidecar of ours.
    const LARGEST_BYTES: u64 = 1 << 20;
    let mut json = Vec::new();
    File::open(snapshot.with_extension("json")).ok()?.take(LARGEST_BYTES).read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

/// What keeps two sidecars from being those of a pair, with the figures.
fn disagreement(first: &Sidecar, second: &Sidecar) -> Option<String> {
    if first.target != second.target {
        return Some(format!("they are of the targets {} and {}", first.target, second.target));
    }
    let (life, later) = (first.life?, second.life?);
    if life.number != later.number {
        return Some(format!("they are of the lives {} and {} of {}", life.number, later.number, first.target));
    }
    let pids = life.pid.zip(later.pid);
    pids.filter(|(pid, later)| pid != later)
        .map(|(pid, later)| format!("they are of the processes {pid} and {later} of {}", first.target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sidecar(target: &str, life: u64, pid: Option<u64>) -> Sidecar {
        let began = serde_json::json!(crate::clock::Timestamp::from_unix_ms(1_000));
        serde_json::from_value(serde_json::json!({
            "schema": 1, "target": target, "labels": {}, "life": {"number": life, "began": began, "pid": pid},
            "at": began, "part": "first", "pair": null, "episode": null, "bytes": 1, "sha256": "", "first_byte_seconds": 0.0,
            "seconds": 0.0, "node_count": 1, "edge_count": 1, "heap_used": null, "rss": null, "verdict": null,
        }))
        .unwrap()
    }

    #[test]
    fn only_one_life_of_one_target_makes_a_pair() {
        let first = sidecar("api", 3, Some(70));
        for (second, expected) in [
            (sidecar("api", 3, Some(70)), None),
            (sidecar("api", 3, None), None),
            (sidecar("web", 3, Some(70)), Some("they are of the targets api and web")),
            (sidecar("api", 4, Some(70)), Some("they are of the lives 3 and 4 of api")),
            (sidecar("api", 3, Some(71)), Some("they are of the processes 70 and 71 of api")),
            (Sidecar { life: None, ..sidecar("api", 9, Some(71)) }, None),
        ] {
            assert_eq!(disagreement(&first, &second).as_deref(), expected);
        }
    }
}
