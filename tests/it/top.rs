//! `heapwatch top` on a terminal of its own: what stands on the screen, keys, another size, and the end.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::support::daemon::Daemon;
use crate::support::faulty::{Faulty, Manner, nobody};
use crate::support::polling::wait_for;

const LEAVES_THE_SCREEN: &[u8] = b"\x1b[?1049l";

/// A terminal with `heapwatch top` on it.
struct Terminal {
    ours: File,
    theirs: File,
    child: Child,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Everything that was written to it.
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn start(daemon: &Daemon) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = File::options().read(true).write(true).open(name).unwrap();
        let (rows, columns) = (12, 100);
        tcsetwinsize(&theirs, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let server = format!("unix:{}", daemon.home.path("socket").display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
        command.args(["top", "--interval", "100ms", "--server", &server]).env("TERM", "xterm-256color");
        let end = || Stdio::from(theirs.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let written = Arc::default();
        let ours = File::from(ours);
        let terminal = Self { ours, theirs, child, screen, written };
        terminal.listen();
        terminal
    }

    /// What is written to it stands on its screen, as long as it is open.
    fn listen(&self) {
        let (mut output, screen, written) =
            (self.ours.try_clone().unwrap(), Arc::clone(&self.screen), Arc::clone(&self.written));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                screen.lock().unwrap().process(&bytes[..length]);
                written.lock().unwrap().extend_from_slice(&bytes[..length]);
            }
        });
    }

    fn rows(&self) -> Vec<String> {
        self.screen.lock().unwrap().screen().contents().lines().map(str::to_owned).collect()
    }

    async fn shows(&self, what: &str, condition: impl Fn(&[String]) -> bool) -> Vec<String> {
        wait_for(what, async || Some(self.rows()).filter(|rows| condition(rows))).await
    }

    fn press(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    fn resize(&self, rows: u16, columns: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        tcsetwinsize(&self.theirs, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        // The kernel tells those whose controlling terminal it is, which a test cannot become.
        self.signal(Signal::WINCH);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits for the end, which must leave the terminal as it was.
    async fn ended(mut self) {
        let status = wait_for("top ends", async || self.child.try_wait().unwrap()).await;
        assert!(status.success(), "{status}");
        let modes = tcgetattr(&self.theirs).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON), "{modes:?}");
        let is_left =
            || self.written.lock().unwrap().windows(LEAVES_THE_SCREEN.len()).any(|bytes| bytes == LEAVES_THE_SCREEN);
        wait_for("the screen is left", async || is_left().then_some(())).await;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A daemon that watches a target that answers, `steady`, and one that does not, `absent`.
async fn daemon() -> (Daemon, Faulty) {
    let service = Faulty::start(Manner::Answers(r#"{"heapUsed":"40 MB","rss":"100 MB"}"#.into())).await;
    let target = |name: &str, url: &str| {
        format!("[[targets]]\nname = \"{name}\"\nurl = \"{url}\"\ninterval = \"200ms\"\ndown_after = 1\n")
    };
    let tables = target("a-steady", &service.url("")) + &target("z-absent", &nobody().await);
    (Daemon::start(&tables).await, service)
}

#[tokio::test]
async fn the_urgent_one_stands_first_and_keys_do_what_they_say() {
    let (daemon, _service) = daemon().await;
    let mut terminal = Terminal::start(&daemon);
    let is_first = |rows: &[String], name: &str| rows.get(2).is_some_and(|row| row.starts_with(name));
    // The polls of the two come in either order.
    let is_read =
        |rows: &[String]| rows.get(3).is_some_and(|row| row.starts_with("a-steady") && row.contains("40 MiB"));
    let rows = terminal.shows("both targets", |rows| is_first(rows, "z-absent") && is_read(rows)).await;
    assert!(rows[0].starts_with("heapwatch: 2 targets"), "{rows:#?}");

    terminal.press("n");
    terminal.shows("the order of names", |rows| is_first(rows, "a-steady")).await;
    terminal.press("\r");
    terminal
        .shows("the gates of the verdict", |rows| {
            rows[0].starts_with("heapwatch") && rows[1] == "a-steady" && rows.len() > 4
        })
        .await;
    terminal.press("\x1b[D");
    terminal.shows("the table again", |rows| is_first(rows, "a-steady")).await;

    terminal.resize(6, 40);
    let rows = terminal.shows("a smaller frame", |rows| rows.len() == 6 && rows[5].starts_with("arrows")).await;
    assert!(rows.iter().all(|row| row.chars().count() <= 40), "{rows:#?}");
    terminal.press("q");
    terminal.ended().await;
}

#[tokio::test]
async fn a_daemon_that_goes_away_leaves_what_was_seen_and_a_word() {
    let (mut daemon, _service) = daemon().await;
    let terminal = Terminal::start(&daemon);
    terminal.shows("both targets", |rows| rows.iter().any(|row| row.starts_with("a-steady"))).await;
    daemon.kill9();
    let rows = terminal.shows("that nobody answers", |rows| rows[0].contains("no heapwatch answers")).await;
    assert!(rows.iter().any(|row| row.starts_with("a-steady")), "{rows:#?}");
    terminal.signal(Signal::TERM);
    terminal.ended().await;
}

#[tokio::test]
async fn without_a_terminal_it_prints_one_table() {
    let (daemon, _service) = daemon().await;
    let outcome = daemon.ask(&["top"]).await;
    let text = String::from_utf8(outcome.stdout).unwrap();
    assert!(outcome.status.success() && text.contains("a-steady") && !text.contains('\x1b'), "{text}");
}
