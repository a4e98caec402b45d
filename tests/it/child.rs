//! Tests that need a process of their own: for its limits, its peak of memory, or its death.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::path::Path;
use std::process::{Command, Output};

/// A command that runs one `#[ignore]`d test of this binary, through `wrapper` (a shell line that ends in `exec "$@"`).
pub(crate) fn test_alone(test: &str, wrapper: &str) -> Command {
    let itself = std::env::current_exe().expect("the test binary has a path");
    let mut command = Command::new("/bin/bash");
    command.args(["-ec", wrapper, "wrapper"]).arg(itself);
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    command
}

/// Waits for it and shows what it said where it failed.
pub(crate) fn must_pass(mut command: Command) -> Output {
    let output = command.output().expect("bash runs");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A shell line that runs the rest on a file system of `size`, mounted at `dir` in a mount namespace of its own.
/// `None` where this user may not mount anything.
pub(crate) fn on_small_disk(dir: &Path, size: &str) -> Option<String> {
    let dir = dir.display();
    [["unshare", "-m"], ["unshare", "-Urm"]].into_iter().find_map(|unshare| {
        let mount = format!("mount -t tmpfs -o size={size} tmpfs {dir}");
        let works = Command::new(unshare[0]).args([unshare[1], "sh", "-c", &mount]).output();
        works
            .is_ok_and(|output| output.status.success())
            .then(|| format!("exec {} {} sh -ec '{mount}; exec \"$@\"' inner \"$@\"", unshare[0], unshare[1]))
    })
}

/// The most memory that this process has ever had resident, in bytes.
pub(crate) fn peak_resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux reports VmHWM");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
