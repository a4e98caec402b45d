//! The status page in a real Chromium: the story from a healthy service to a fix that held, by hand and by keyboard, on a
//! phone and in the dark, and with attacks in what targets and heaps say.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use heapwatch::heap::report::{ClassRow, Culprit, Location, PathStep, Report};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::mpsc;

use super::scene::{LEAK, ROOM, Scene, service, snapshots, target};
use crate::support::faulty::{Faulty, Manner};

/// The fix is watched for this long, so that the story ends within two minutes.
const VERIFY: &str = "detection = { verify = \"45s\" }";
/// Far above what the story takes; each step within it has a deadline of its own.
const DEADLINE: Duration = Duration::from_mins(6);
const ATTACK: &str = "\"'></td></script><script>window.pwned=true</script><img src=x onerror=alert(1)>";

/// The browser, told what to do by `tests/browser/story.mjs`. Dropping it ends it.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn a_person_follows_a_leak_to_its_verified_fix_on_the_status_page() {
    let mut leaky = service("leaky.js", &LEAK);
    let hostile = Faulty::start(Manner::Refuses(500, ATTACK)).await;
    // TOML writes such a text as JSON does.
    let label = serde_json::to_string(ATTACK).unwrap();
    let targets = [
        target("api", &leaky.url(""), &format!("{VERIFY}\n{}", snapshots("api", ROOM))),
        target("hostile", &hostile.url(""), &format!("labels = {{ team = {label} }}")),
        target("never-there", "http://127.0.0.1:1", ""),
    ];
    let scene = Scene::start(&targets.concat(), &[("api", &leaky.token)]).await;
    let url = behind_tcp(scene.daemon.home.path("socket")).await;
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&shots).unwrap();

    let (mut browser, mut words) = start(&url, &shots);
    let story = async {
        while let Some(word) = words.recv().await {
            match word.as_str() {
                "fix" => leaky.deploy("fixed.js"),
                "attack" => plant_attacks(&scene),
                other => panic!("the browser says {other:?}"),
            }
            browser.0.stdin.as_mut().unwrap().write_all(b"done\n").unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, story).await.expect("the story ends");
    let status = browser.0.wait().unwrap();
    assert!(status.success(), "see what the browser printed, and its screenshots in {}", shots.display());
}

/// Runs the script; what it prints comes as lines, until it ends.
fn start(url: &str, shots: &Path) -> (Browser, mpsc::UnboundedReceiver<String>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(directory.join("node_modules").is_dir(), "`tests/run` installs what the browser tests need");
    let mut command = Command::new("node");
    command.arg(directory.join("story.mjs")).arg(url).arg(shots);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (sender, words) = mpsc::unbounded_channel();
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    (Browser(child), words)
}

/// A browser knows no socket files, so bytes are passed on from a port.
async fn behind_tcp(socket: std::path::PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let Ok(mut to) = UnixStream::connect(socket).await else { return };
                // Either side may hang up whenever it likes.
                tokio::io::copy_bidirectional(&mut from, &mut to).await.ok();
            });
        }
    });
    url
}

/// Puts attacks into what the comparison of the stored pair says, as a hostile heap would.
fn plant_attacks(scene: &Scene) {
    let text = || ATTACK.to_owned();
    let culprit = Culprit {
        headline: text(),
        class: text(),
        function: text(),
        location: Some(Location { script: text(), line: 1, column: 1 }),
        held_by: text(),
        path: vec![PathStep { edge: text(), edge_type: text(), node: text(), id: 1 }],
        captured: vec![text()],
        caution: Some(text()),
        ..Culprit::default()
    };
    let report = Report {
        headline: text(),
        classes: vec![ClassRow { name: text(), ..ClassRow::default() }],
        culprits: vec![culprit.clone(), culprit],
        notes: vec![text()],
        ..Report::default()
    };
    let (second, _) = scene.stored("api").into_iter().next_back().expect("a pair was stored");
    fs::write(second.with_extension("analysis.json"), serde_json::to_string(&report).unwrap()).unwrap();
}
