//! The scene of the demo: secrets, the leaking service, and a configuration file with every time shrunk together.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::DemoError;

/// What the parties of the demo prove themselves with, made anew each time.
pub(super) struct Secrets {
    pub(super) token: SecretString,
    pub(super) webhook: SecretString,
}

const TOKEN_FILE: &str = "snapshot.token";
const WEBHOOK_FILE: &str = "webhook.secret";

impl Secrets {
    /// Makes both and writes them where the configuration finds them, readable by this user alone.
    pub(super) fn make(room: &Path) -> Result<Self, DemoError> {
        let token = random_text()?;
        let webhook = format!("whsec_{}", random_text()?);
        write_private(&room.join(TOKEN_FILE), &token)?;
        write_private(&room.join(WEBHOOK_FILE), &webhook)?;
        Ok(Self { token: token.into(), webhook: webhook.into() })
    }
}

fn random_text() -> Result<String, DemoError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(STANDARD.encode(bytes))
}

fn write_private(path: &Path, text: &str) -> Result<(), DemoError> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| DemoError::Write { path: path.to_owned(), source })
}

/// Thirty minutes of production are six seconds here.
pub(super) fn write_config(room: &Path, port: u16, receiver: SocketAddr) -> Result<PathBuf, DemoError> {
    let text = format!(
        r#"# The demo's own configuration: like any other, but for its times, which are 300 times as short.
state_directory = "{room}/state"
stop_timeout = "2s"

[web]
listen = "127.0.0.1:0"

[[targets]]
name = "leaky-demo"
url = "http://127.0.0.1:{port}"
memory_limit = "512MiB"
interval = "250ms"
timeout = "200ms"
connect_timeout = "100ms"
detection = {{ block = "1s", warm_up = "2s", hold = "12s", filling = "60s", longest_tooth = "96s", day = "288s", verify = "576s", min_slope = "150 MB/h" }}
snapshot = {{ token_file = "{room}/{TOKEN_FILE}", gap = "6s", cooldown = "1m", first_byte_timeout = "30s", total_timeout = "1m", disk_reserve = "64MiB" }}

[[channels]]
type = "webhook"
name = "demo-receiver"
url = "http://{receiver}/heapwatch"
secret_file = "{room}/{WEBHOOK_FILE}"
"#,
        room = room.display(),
    );
    let path = room.join("heapwatch.toml");
    fs::write(&path, text).map_err(|source| DemoError::Write { path: path.clone(), source })?;
    Ok(path)
}

/// The service that leaks, as a child process that ends with us whatever happens: its standard input closes.
pub(super) struct Leaker {
    child: Child,
    kind: Kind,
    pub(super) port: u16,
}

#[derive(Clone, Copy)]
enum Kind {
    Node,
    BuiltIn { why: &'static str },
}

/// What a service prints when it listens.
#[derive(serde::Deserialize)]
struct Announcement {
    port: u16,
}

impl Leaker {
    /// Starts the Node.js service where it can run, else the built-in one.
    pub(super) async fn start(built_in: bool, token: &SecretString) -> Result<Self, DemoError> {
        let kind = choose(built_in).await;
        let mut command = match kind {
            Kind::Node => {
                let mut node = Command::new("node");
                node.arg(services_directory().join("leaky.js"));
                node
            }
            Kind::BuiltIn { .. } => {
                let mut this =
                    Command::new(std::env::current_exe().map_err(|problem| DemoError::Service(problem.to_string()))?);
                this.arg("demo-service");
                this
            }
        };
        // 200 KB a second: an hour of the story's leak in a quarter of a minute.
        command.env("ADMIN_TOKEN", token.expose_secret()).env("LOAD_RATE", "20").env("LEAK_BYTES", "20000");
        command.env("GC_INTERVAL_MS", "1000");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|problem| DemoError::Service(problem.to_string()))?;
        let port = announced_port(&mut child).await?;
        Ok(Self { child, kind, port })
    }

    /// Which service it is, for the person who watches.
    pub(super) fn introduction(&self) -> String {
        let port = self.port;
        match self.kind {
            Kind::Node => format!(
                "leaking service: Node.js with Express (tests/services/leaky.js) on 127.0.0.1:{port}; each request leaves a \
                 process.on('uncaughtException') listener behind"
            ),
            Kind::BuiltIn { why } => {
                format!("leaking service: the built-in one on 127.0.0.1:{port}, because {why}")
            }
        }
    }

    /// Ends the service and waits until it is gone.
    pub(super) async fn stop(&mut self) {
        self.child.kill().await.ok();
    }
}

async fn announced_port(child: &mut Child) -> Result<u16, DemoError> {
    /// Node.js compiles Express in well under a second, on a busy machine in a few.
    const PATIENCE: Duration = Duration::from_secs(20);
    let silent = || DemoError::Service("it did not say where it listens".to_owned());
    let mut lines = BufReader::new(child.stdout.take().ok_or_else(silent)?).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.map_err(|_| silent())?;
    let line = line.ok().flatten().ok_or_else(silent)?;
    let announcement: Announcement = serde_json::from_str(&line).map_err(|_| silent())?;
    Ok(announcement.port)
}

async fn choose(built_in: bool) -> Kind {
    /// The oldest Node.js whose snapshots are known.
    const OLDEST_NODE: u32 = 18;
    if built_in {
        return Kind::BuiltIn { why: "--built-in asks for it" };
    }
    let version = Command::new("node").arg("--version").stdin(Stdio::null()).output().await;
    let major = version.ok().and_then(|output| {
        let text = String::from_utf8(output.stdout).ok()?;
        text.trim().strip_prefix('v')?.split('.').next()?.parse::<u32>().ok()
    });
    match major {
        None => Kind::BuiltIn { why: "`node` is not on the PATH" },
        Some(major) if major < OLDEST_NODE => Kind::BuiltIn { why: "`node` is older than version 18" },
        Some(_) if !services_directory().join("node_modules/express").is_dir() && !install_modules().await => {
            Kind::BuiltIn { why: "the modules of tests/services are not installed (tests/run installs them)" }
        }
        Some(_) => Kind::Node,
    }
}

/// Installs what `tests/services` needs, by its lock file; false where npm is missing or fails.
async fn install_modules() -> bool {
    if !services_directory().join("package-lock.json").is_file() {
        return false;
    }
    super::view::say("installing the modules of the Node.js service (npm ci in tests/services), once");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(services_directory());
    npm.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    npm.status().await.is_ok_and(|status| status.success())
}

/// Beside the sources this executable was built from; elsewhere the built-in service takes over.
fn services_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services")
}
