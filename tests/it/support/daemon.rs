//! The daemon as a child process: started on a configuration of its own, asked over its socket, signalled, killed, and
//! started again on the same directories.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output};
use std::thread;

use heapwatch::http::{self, ClientOptions};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::openapi;
use super::polling::wait_for;

/// What outlives the process: its directories, its configuration, its secrets and its environment.
pub(crate) struct Home {
    directory: TempDir,
    environment: Vec<(String, String)>,
    /// Most files that the daemon may have open, where a test says so.
    files: Option<usize>,
}

/// A running `heapwatch run`. Dropping it kills it; where a test fails, it prints what the daemon was told and said.
pub(crate) struct Daemon {
    pub(crate) home: Home,
    child: Child,
    client: reqwest::Client,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), environment: Vec::new(), files: None }
    }

    /// A file or directory in it: `state`, `snapshots`, `socket`, `log`, or a secret.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a secret, which the configuration can name as `./NAME`.
    pub(crate) fn secret(self, name: &str, text: &str) -> Self {
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self
    }

    /// Sets a variable of the daemon's environment.
    pub(crate) fn environment(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Lets the daemon have so many files open, and no more.
    pub(crate) fn files(mut self, most: usize) -> Self {
        self.files = Some(most);
        self
    }

    /// Writes a configuration of these tables besides the directories and the socket.
    pub(crate) fn configure(&self, tables: &str) {
        let config = format!(
            "state_directory = \"{}\"\nsnapshot_directory = \"{}\"\nstop_timeout = \"2s\"\n[web]\nlisten = \"unix:{}\"\n{tables}",
            self.path("state").display(),
            self.path("snapshots").display(),
            self.path("socket").display()
        );
        fs::write(self.path("heapwatch.toml"), config).unwrap();
    }

    /// Starts the daemon on the configuration as written, and waits until it is ready.
    pub(crate) async fn start(self) -> Daemon {
        let options = ClientOptions { unix_socket: Some(self.path("socket")), ..ClientOptions::default() };
        let client = http::plain_client(&options).unwrap();
        let child = self.spawn();
        let mut daemon = Daemon { home: self, child, client };
        daemon.is_ready().await;
        daemon
    }

    fn spawn(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        // `tests/soak` names another one: the release build.
        let executable = std::env::var("SOAK_EXECUTABLE");
        let executable = executable.as_deref().unwrap_or(env!("CARGO_BIN_EXE_heapwatch"));
        let mut command = match self.files {
            None => Command::new(executable),
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\""), executable]);
                shell
            }
        };
        command.args(["run", "--config"]).arg(self.path("heapwatch.toml"));
        // Settings of the tests themselves are no keys of the configuration.
        let ours = env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("HEAPWATCH_"));
        for name in ours {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }
}

impl Daemon {
    /// Starts the daemon with these tables besides its directories and socket, and waits until it is ready.
    pub(crate) async fn start(tables: &str) -> Self {
        let home = Home::new();
        home.configure(tables);
        home.start().await
    }

    /// The body of a page, where it answers with 200.
    pub(crate) async fn get(&self, path: &str) -> Option<String> {
        self.answer(self.client.get(format!("http://localhost{path}")), path).await
    }

    /// Asks for something to be done: the body of the answer, where it is 200.
    pub(crate) async fn post(&self, path: &str) -> Option<String> {
        let request = self.client.post(format!("http://localhost{path}")).header("content-type", "application/json");
        self.answer(request, path).await
    }

    /// Every answer is held against the OpenAPI document.
    async fn answer(&self, request: reqwest::RequestBuilder, path: &str) -> Option<String> {
        let request = request.build().unwrap();
        let method = request.method().to_string();
        let again = request.try_clone();
        let response = match (self.client.execute(request).await, again) {
            (Ok(response), _) => response,
            // The daemon closes idle connections, perhaps just as a request goes out on one.
            (Err(_), Some(request)) => self.client.execute(request).await.ok()?,
            (Err(_), None) => return None,
        };
        let status = response.status();
        let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let body = String::from_utf8(http::read_capped(response, 10 << 20).await.ok()?.into()).unwrap();
        openapi::check(&method, path, status.as_u16(), &kind.unwrap_or_default(), &body);
        status.is_success().then_some(body)
    }

    /// Asks for a reload of the configuration as written; where it is refused, says why.
    pub(crate) async fn reload(&self) -> Result<(), String> {
        let request = self.client.post("http://localhost/-/reload").header("content-type", "application/json");
        let response = request.send().await.unwrap();
        let is_accepted = response.status().is_success();
        let body: Value = serde_json::from_slice(&http::read_capped(response, 1 << 20).await.unwrap()).unwrap();
        if is_accepted {
            Ok(())
        } else {
            Err(body["errors"].as_array().unwrap().iter().map(Value::to_string).collect())
        }
    }

    /// The status of a target; `null` where there is none of this name.
    pub(crate) async fn target(&self, name: &str) -> Value {
        let body = self.get(&format!("/api/v1/targets/{name}")).await;
        body.map_or(Value::Null, |body| serde_json::from_str(&body).unwrap())
    }

    /// The status of a target once it fulfils `condition`.
    pub(crate) async fn target_when(&self, name: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, async || Some(self.target(name).await).filter(&condition)).await
    }

    /// A figure of `/metrics` by its name and labels as they stand there: `heapwatch_target_up{target="api"}`.
    pub(crate) async fn metric(&self, figure: &str) -> Option<f64> {
        let page = self.get("/metrics").await?;
        page.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(' ')?.parse().ok())
    }

    /// Runs `heapwatch` with these arguments, asking this daemon, as a person does. Servers of the test go on meanwhile.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
        command.args(arguments).arg("--server").arg(format!("unix:{}", self.home.path("socket").display()));
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }

    /// The most memory it has had resident so far, in kB.
    pub(crate) fn peak_rss_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        wait_for("the daemon ends", async || self.child.try_wait().unwrap()).await
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Kills it at once, as a power cut does.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it on the same directories, after it has ended.
    pub(crate) async fn start_again(&mut self) {
        self.launch();
        self.is_ready().await;
    }

    /// The same, without waiting for anything.
    pub(crate) fn launch(&mut self) {
        self.child = self.home.spawn();
    }

    /// Waits until it has put its configuration in force.
    pub(crate) async fn is_ready(&mut self) {
        wait_for("the daemon is ready", async || {
            assert_eq!(self.child.try_wait().unwrap(), None, "the daemon ended instead of getting ready");
            self.get("/-/ready").await
        })
        .await;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            for name in ["heapwatch.toml", "log"] {
                eprintln!("--- {name}\n{}", fs::read_to_string(self.home.path(name)).unwrap_or_default());
            }
            eprintln!("--- files\n{}", files_below(&self.home.path("snapshots")).join("\n"));
        }
    }
}

/// The names of all files below a directory, from there, sorted.
pub(crate) fn files_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => left.push(entry.path()),
                _ => found.push(entry.path().strip_prefix(directory).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
}
