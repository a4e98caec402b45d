//! Sampling heap profiles that the installed Node really writes: the function that made what stayed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use heapwatch::heap::profile::ProfileReport;

use super::{node, node_is_there};

/// Two profiles of one process that ran a case.
struct Profiles {
    directory: tempfile::TempDir,
}

impl Profiles {
    fn make(case: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        node("tests/services/heap-cases/make-profiles.js", &[case, directory.path().to_str().unwrap()]);
        Self { directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn heapwatch(&self, command: &str, more: &[&str]) -> Output {
        let files = [self.file("before.heapprofile"), self.file("after.heapprofile")];
        let mut program = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
        program.args(["heap", command]).args(files).args(more).stdin(Stdio::null()).output().unwrap()
    }

    fn report(&self) -> ProfileReport {
        let output = self.heapwatch("diff", &["--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Checks that the first culprit of a case is this function of this file, defined on this line.
fn check(case: &str, (function, file, line): (&str, &str, u32)) {
    if !node_is_there() {
        return;
    }
    let report = Profiles::make(case).report();
    let first = report.culprits.first().unwrap_or_else(|| panic!("{case}: {}", report.headline));
    let at = first.location.as_ref().unwrap();
    assert_eq!((first.function.as_str(), at.script.rsplit('/').next().unwrap(), at.line), (function, file, line));
    assert!(first.bytes_delta > 0 && first.share_of_growth > 0.4, "{case}: {first:?}");
    assert_eq!(report.headline, first.headline);
}

#[test]
fn a_listener_for_every_request() {
    check("process-listener", ("handle", "process-listener.js", 8));
}

#[test]
fn sessions_in_a_map() {
    check("session-map", ("SessionEntry", "session-map.js", 7));
}

#[test]
fn promises_that_never_settle() {
    check("pending-promises", ("handle", "pending-promises.js", 12));
}

#[test]
fn listeners_on_another_emitter() {
    check("emitter", ("Connection", "emitter.js", 10));
}

#[test]
fn healthy_services_have_no_culprit_and_that_is_said() {
    if !node_is_there() {
        return;
    }
    for case in ["healthy", "lru", "bounded-ring"] {
        let report = Profiles::make(case).report();
        assert_eq!(report.culprits, [], "{case}");
        assert!(report.headline.starts_with("no culprit"), "{case}: {}", report.headline);
    }
}

#[test]
fn the_culprit_is_told_and_drawn() {
    if !node_is_there() {
        return;
    }
    let profiles = Profiles::make("session-map");
    let picture = profiles.file("growth.svg");
    let output = profiles.heapwatch("diff", &["--flamegraph", picture.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("made by SessionEntry at session-map.js:7") && text.contains("Stacks that grew most"),
        "{text}"
    );
    assert!(fs::read_to_string(&picture).unwrap().contains("login (session-map.js:16)"));
}

#[test]
fn profiles_of_two_runs_are_refused() {
    if !node_is_there() {
        return;
    }
    let (one, other) = (Profiles::make("session-map"), Profiles::make("session-map"));
    fs::copy(other.file("before.heapprofile"), one.file("before.heapprofile")).unwrap();
    let output = one.heapwatch("diff", &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("not of one run of one process"), "{stderr}");
}

#[test]
fn options_of_snapshots_are_refused_by_name() {
    if !node_is_there() {
        return;
    }
    let profiles = Profiles::make("session-map");
    let third = profiles.file("after.heapprofile");
    let output = profiles.heapwatch("culprit", &["--final", third.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--final is for snapshots"));
}
