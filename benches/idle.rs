//! What the daemon takes of memory while nothing happens: ten targets that are well, polled so many times.
//!
//! `cargo bench --bench idle [-- POLLS]` starts the release build as the unit does, and prints where its resident memory
//! comes from: pages of the executable and of libraries, which the kernel reads again when it needs them elsewhere, and the
//! rest, which is its own.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench prints, and ends where it cannot go on"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const TARGETS: usize = 10;
const USUAL_POLLS: u64 = 120;
const BODY: &str =
    r#"{"memory":{"heapUsed":60000000,"heapTotal":80000000,"external":2000000,"rss":140000000},"pid":1}"#;

fn main() {
    let polls = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(USUAL_POLLS);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address").to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(thread::spawn(move || serve(stream)))));
    let home = tempfile::tempdir().expect("a temporary directory");
    configure(home.path(), &address);
    let mut daemon = Daemon(start(home.path()));
    println!("{TARGETS} targets, {polls} polls of all of them together");
    for part in 1..=3 {
        while polled(home.path()) < polls * part / 3 {
            assert!(daemon.0.try_wait().expect("our own child").is_none(), "the daemon ended");
            thread::sleep(Duration::from_millis(100));
        }
        let memory = Memory::of(daemon.0.id());
        println!(
            "after {:>5} polls: {:>5.1} MB resident, of which {:>4.1} MB its own and {:>4.1} MB pages of files",
            polled(home.path()),
            memory.resident,
            memory.anonymous,
            memory.resident - memory.anonymous
        );
    }
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// In MB of 1,000,000 bytes.
struct Memory {
    resident: f64,
    anonymous: f64,
}

impl Memory {
    fn of(pid: u32) -> Self {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the daemon runs");
        let line = |name: &str| {
            let kibibytes = rollup.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            kibibytes.expect("proc(5) has it").parse::<f64>().expect("a number") * 1024.0 / 1e6
        };
        Self { resident: line("Rss:"), anonymous: line("Anonymous:") }
    }
}

fn configure(home: &Path, address: &str) {
    let directory = home.display();
    let mut tables = format!(
        "state_directory = \"{directory}/state\"\n[web]\nlisten = \"unix:{directory}/socket\"\n\
         [defaults]\ninterval = \"5s\"\ntimeout = \"2s\"\nmemory_limit = \"512MiB\"\n\
         [[channels]]\ntype = \"webhook\"\nurl = \"https://hooks.example.com/\"\n"
    );
    tables.extend(
        (0..TARGETS).map(|target| format!("[[targets]]\nname = \"t{target}\"\nurl = \"http://{address}/{target}\"\n")),
    );
    fs::write(home.join("heapwatch.toml"), tables).expect("room for a small file");
}

/// With what the unit gives it.
fn start(home: &Path) -> Child {
    let unit = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/heapwatch.service"));
    let unit = unit.expect("the unit");
    let environment = unit.lines().filter_map(|line| line.strip_prefix("Environment=")?.split_once('='));
    Command::new(env!("CARGO_BIN_EXE_heapwatch"))
        .args(["run", "--config"])
        .arg(home.join("heapwatch.toml"))
        .envs(environment)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the executable that cargo has built")
}

/// Polls that succeeded; none while it starts.
fn polled(home: &Path) -> u64 {
    let page = UnixStream::connect(home.join("socket")).and_then(|mut stream| {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok(page)
    });
    let page = page.unwrap_or_default();
    let polls = page.lines().filter(|line| line.starts_with("heapwatch_polls_total") && line.contains("\"ok\""));
    polls.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Answers every request of a connection.
fn serve(stream: TcpStream) {
    let mut writer = stream.try_clone().expect("a file descriptor");
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        if line.is_empty() {
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
            if writer.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}
