//! The daemon as a child process: started on a configuration of its own, asked over its socket, stopped as systemd does.

use std::fs::{self, File};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use heapwatch::http::{self, ClientOptions};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::polling::wait_for;

/// A running `heapwatch run`. Dropping it kills it; where a test fails, it prints what the daemon was told and said.
pub(crate) struct Daemon {
    home: TempDir,
    child: Child,
    client: reqwest::Client,
}

impl Daemon {
    /// Starts the daemon with these tables besides its directories and socket, and waits until it is ready.
    pub(crate) async fn start(tables: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        configure(&home, tables);
        Self::start_at(home).await
    }

    async fn start_at(home: TempDir) -> Self {
        let at = |name: &str| home.path().join(name);
        let socket = at("socket");
        let log = File::options().create(true).append(true).open(at("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
        command.args(["run", "--config"]).arg(at("heapwatch.toml")).stdout(log.try_clone().unwrap()).stderr(log);
        let options = ClientOptions { unix_socket: Some(socket), ..ClientOptions::default() };
        let client = http::plain_client(&options).unwrap();
        let daemon = Self { home, child: command.spawn().unwrap(), client };
        wait_for("the daemon is ready", async || daemon.get("/-/ready").await).await;
        daemon
    }

    /// Stops it and starts it again on what it has kept.
    pub(crate) async fn restart(mut self) -> Self {
        self.end().await;
        let home = std::mem::replace(&mut self.home, tempfile::tempdir().unwrap());
        Self::start_at(home).await
    }

    /// Asks for a reload with these tables instead, and says whether it was accepted.
    pub(crate) async fn reload(&self, tables: &str) -> bool {
        configure(&self.home, tables);
        let request = self.client.post("http://localhost/-/reload").header("content-type", "application/json");
        request.send().await.unwrap().status().is_success()
    }

    /// The body of a page, where it answers with 200.
    pub(crate) async fn get(&self, path: &str) -> Option<String> {
        let response = self.client.get(format!("http://localhost{path}")).send().await.ok()?.error_for_status().ok()?;
        let body = http::read_capped(response, 10 << 20).await.ok()?;
        String::from_utf8(body.into()).ok()
    }

    /// The most memory it has had resident so far, in kB.
    pub(crate) fn peak_rss_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.end().await
    }

    async fn end(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        for _ in 0..500 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the daemon does not stop");
    }
}

fn configure(home: &TempDir, tables: &str) {
    let at = |name: &str| home.path().join(name);
    let config = format!(
        "state_directory = \"{}\"\nsnapshot_directory = \"{}\"\n[web]\nlisten = \"unix:{}\"\n{tables}",
        at("state").display(),
        at("snapshots").display(),
        at("socket").display()
    );
    fs::write(at("heapwatch.toml"), config).unwrap();
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            for name in ["heapwatch.toml", "log"] {
                eprintln!("--- {name}\n{}", fs::read_to_string(self.home.path().join(name)).unwrap_or_default());
            }
        }
    }
}
