//! The services of `tests/services` as child processes: started on a free port, put under load, killed, started again.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::cgroup::MemoryGroup;

/// How long a service may take to say where it listens, on a machine that is busy with other tests.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// The variable that names the file of a control group.
const GROUP: &str = "MEMORY_GROUP";

/// A running service. Dropping it kills the service and its load; where a test fails, it prints what the service had to say.
pub(crate) struct NodeService {
    script: String,
    environment: Vec<(String, String)>,
    process: ServiceProcess,
    loads: Vec<Child>,
    /// On 127.0.0.1; the same after a restart.
    pub(crate) port: u16,
    /// Another one after a restart.
    pub(crate) pid: u32,
    /// What `GET /admin/heap-snapshot` asks for.
    pub(crate) token: String,
}

/// One run of the service.
struct ServiceProcess {
    child: Child,
    /// The service ends when this is closed.
    stdin: Option<ChildStdin>,
    complaints: Option<JoinHandle<String>>,
}

/// What a service prints when it listens.
#[derive(serde::Deserialize)]
struct Announcement {
    port: u16,
    pid: u32,
}

impl NodeService {
    /// Starts `script` with settings that its comments list, and waits until it listens.
    pub(crate) fn start(script: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_in(None, script, environment)
    }

    /// The same within a memory control group, where there is one.
    pub(crate) fn start_in(group: Option<&MemoryGroup>, script: &str, environment: &[(&str, &str)]) -> Self {
        let token = format!("token-{:016x}", fastrand::u64(..));
        let mut environment: Vec<_> = environment.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        environment.push(("ADMIN_TOKEN".to_owned(), token.clone()));
        environment.extend(group.map(|group| (GROUP.to_owned(), group.procs().display().to_string())));
        let (process, Announcement { port, pid }) = ServiceProcess::spawn(script, &environment);
        Self { script: script.to_owned(), environment, process, loads: Vec::new(), port, pid, token }
    }

    /// The URL of `path` on the service.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Makes `rate` requests a second from now on, also to a later life of the service.
    pub(crate) fn load(&mut self, rate: f64) {
        let arguments = ["--port", &self.port.to_string(), "--rate", &rate.to_string()].map(str::to_owned);
        let load = node("load.js").args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        self.loads.push(load.expect("node started the service, so it starts its load"));
    }

    /// Kills the service at once, as the kernel does at a memory limit. Its load goes on and meets a closed port.
    pub(crate) fn kill9(&mut self) {
        self.process.kill();
    }

    /// Puts another script in the place of this one, as a deploy does: a new life on the same port.
    pub(crate) fn deploy(&mut self, script: &str) {
        script.clone_into(&mut self.script);
        self.restart();
    }

    /// A new life on the same port, after [`NodeService::kill9`] or instead of it.
    pub(crate) fn restart(&mut self) {
        self.process.kill();
        let mut environment = self.environment.clone();
        environment.push(("PORT".to_owned(), self.port.to_string()));
        let (process, Announcement { pid, .. }) = ServiceProcess::spawn(&self.script, &environment);
        (self.process, self.pid) = (process, pid);
    }

    /// Closes the standard input of the service, as its parent's death would.
    pub(crate) fn close_stdin(&mut self) {
        self.process.stdin = None;
    }

    /// Whether the service still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.child.try_wait().expect("the child is ours").is_none()
    }
}

impl Drop for NodeService {
    fn drop(&mut self) {
        for load in &mut self.loads {
            kill(load);
        }
        let complaints = self.process.kill();
        if thread::panicking() {
            eprintln!("{} (pid {}, port {}) said:\n{complaints}", self.script, self.pid, self.port);
        }
    }
}

impl ServiceProcess {
    fn spawn(script: &str, environment: &[(String, String)]) -> (Self, Announcement) {
        let mut command =
            if environment.iter().any(|(name, _)| name == GROUP) { confined(script) } else { node(script) };
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|problem| {
            panic!("cannot start `node` ({problem}): `tests/run` installs Node.js 18 or newer, or says how to")
        });
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let complaints = stderr.map(|stderr| thread::spawn(move || read_all(stderr)));
        let mut process = Self { child, stdin, complaints };
        match stdout.and_then(first_line).and_then(|line| serde_json::from_str(&line).ok()) {
            Some(announcement) => (process, announcement),
            None => panic!("{script} did not start, it said:\n{}", process.kill()),
        }
    }

    /// Ends the process, where it has not ended by itself, and gives what it printed to standard error.
    fn kill(&mut self) -> String {
        kill(&mut self.child);
        self.complaints.take().and_then(|complaints| complaints.join().ok()).unwrap_or_default()
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `node SCRIPT`, of the scripts in `tests/services`.
fn node(script: &str) -> Command {
    let directory = services();
    assert!(
        directory.join("node_modules/express").is_dir(),
        "the modules of the test services are missing: `tests/run` installs them, or `npm ci` in {}",
        directory.display()
    );
    let mut command = Command::new("node");
    command.arg(directory.join(script)).current_dir(directory);
    command
}

/// The same in the control group whose file is in the environment: the shell enters it and becomes the service, which so
/// is in it from its first instruction.
fn confined(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$ > \"$MEMORY_GROUP\" && exec node \"$0\""]);
    command.arg(services().join(script)).current_dir(services());
    command
}

/// Where the services are.
fn services() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services")
}

fn kill(child: &mut Child) {
    // A child that has ended cannot be killed, and that is as good.
    child.kill().ok();
    child.wait().ok();
}

/// The first line of the service's standard output, which is read to its end, so that the service never waits for us.
fn first_line(stdout: ChildStdout) -> Option<String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        if let Some(line) = lines.next() {
            // The receiver is gone only where the test has given up already.
            sender.send(line).ok();
        }
        lines.for_each(drop);
    });
    receiver.recv_timeout(START_DEADLINE).ok()
}

fn read_all(mut stderr: ChildStderr) -> String {
    let mut text = Vec::new();
    // What could be read until the pipe broke is what there is.
    stderr.read_to_end(&mut text).ok();
    String::from_utf8_lossy(&text).into_owned()
}
