//! `heapwatch demo`, the first thing that a person tries.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process_group};
use tempfile::TempDir;

use crate::support::polling::wait_for;

/// A demo in a process group of its own, with a place of its own for what is temporary.
struct Demo {
    child: Child,
    lines: Receiver<String>,
    temporary: TempDir,
}

impl Demo {
    fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
        command.args(["demo", "--built-in", "--timeout", "2m"]).env("TMPDIR", temporary.path());
        let mut child = command.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, temporary }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap()).unwrap()
    }

    /// The next line that contains `text`.
    fn line(&self, text: &str) -> String {
        const DEADLINE: Duration = Duration::from_mins(2);
        loop {
            let line = self.lines.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("the demo never says {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for its end and for that of every process it has started, and looks that nothing is left of it.
    async fn leaves_nothing_behind(mut self) {
        let status = wait_for("the demo ends", async || self.child.try_wait().unwrap()).await;
        assert_eq!(status.code(), Some(0));
        let group = self.pid();
        wait_for("its processes are gone", async || test_kill_process_group(group).err()).await;
        let left: Vec<_> = self.temporary.path().read_dir().unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn the_demo_ends_with_the_guilty_line_in_a_verified_webhook() {
    let demo = Demo::start();
    for event in ["leak_confirmed", "analysis_ready"] {
        demo.line("webhook received, signature verified");
        let mut body: serde_json::Value = serde_json::from_str(&demo.line("{")).unwrap();
        while body["data"]["event"] != event {
            assert_eq!(body["data"]["event"], "snapshot_stored", "{body}");
            body = serde_json::from_str(&demo.line("{")).unwrap();
        }
        if event == "analysis_ready" {
            let location = body["data"]["culprits"][0]["location"].as_str().unwrap();
            assert!(location.contains("logging"), "{body}");
        }
    }
    demo.leaves_nothing_behind().await;
}

#[tokio::test]
async fn an_interrupted_demo_leaves_no_process_and_no_file_behind() {
    let demo = Demo::start();
    demo.line("poll ");
    kill_process(demo.pid(), Signal::INT).unwrap();
    demo.leaves_nothing_behind().await;
}
