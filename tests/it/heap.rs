//! Heap analysis on snapshots that the installed Node really writes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli;
mod culprits;
mod damage;
mod oracle;
mod profiles;
mod sources;

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use heapwatch::heap::report::Report;
use heapwatch::heap::{LoadOptions, compare_snapshots};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether there is a Node to test with; on a machine that checks changes there must be one.
fn node_is_there() -> bool {
    let there = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(there || std::env::var_os("CI").is_none(), "no `node` on the PATH");
    if !there {
        say_skipped();
    }
    there
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn say_skipped() {
    eprintln!("skipped: no `node` on the PATH");
}

fn node(script: &str, arguments: &[&str]) -> Vec<u8> {
    run("node".as_ref(), script, arguments)
}

fn run(program: &OsStr, script: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).arg(repository(script)).args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "node {script} {arguments:?}: {}\n{stderr}", output.status);
    output.stdout
}

/// A pair of snapshots of one process that ran a case.
struct Pair {
    directory: tempfile::TempDir,
}

impl Pair {
    fn make(case: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Another Node than the installed one, to test the files of other majors.
        let program = std::env::var_os("HEAPWATCH_TEST_NODE").unwrap_or_else(|| "node".into());
        run(&program, "tests/services/heap-cases/make.js", &[case, directory.path().to_str().unwrap()]);
        Self { directory }
    }

    fn before(&self) -> PathBuf {
        self.directory.path().join("before.heapsnapshot")
    }

    fn after(&self) -> PathBuf {
        self.directory.path().join("after.heapsnapshot")
    }

    fn report(&self) -> Report {
        let open = |file: PathBuf| File::open(file).unwrap();
        compare_snapshots(open(self.before()), open(self.after()), LoadOptions::default()).unwrap()
    }
}
