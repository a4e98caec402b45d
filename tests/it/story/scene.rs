//! What every story needs: a configuration with every time shrunk, a receiver that checks signatures, and the daemon
//! between them.

use std::fs;
use std::path::PathBuf;

use heapwatch::alert::signature::SigningKey;
use heapwatch::daemon::clock::Clock;
use heapwatch::status::trail::{LARGEST_PAGE, TrailQuery};
use heapwatch::store::Store;
use heapwatch::store::sidecar::Sidecar;
use serde_json::Value;

use crate::support::daemon::{Daemon, Home, files_below};
use crate::support::node::NodeService;
use crate::support::polling::wait_for;
use crate::support::receiver::{Receiver, services};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// 40 kB for each of 20 requests a second, and garbage that goes at once: an hour of the story's leak in ten seconds.
pub(super) const LEAK: [(&str, &str); 2] = [("LEAK_BYTES", "40000"), ("GC_INTERVAL_MS", "1000")];
/// A machine that is busy gives the leak time to grow; the second capture has room all the same.
pub(super) const ROOM: &str = ", headroom_factor = 3";
/// Requests a second.
pub(super) const RATE: f64 = 20.0;

/// Half an hour is six seconds, as in the demo. A poll that a busy machine delays is no fault of the target.
const DEFAULTS: &str = r#"
[defaults]
memory_limit = "512MiB"
interval = "250ms"
timeout = "250ms"
down_after = 20
detection = { block = "1s", warm_up = "2s", hold = "6s", patience = 0.01, filling = "12s", longest_tooth = "10s", day = "30s", verify = "5m", min_slope = "150 MB/h" }
"#;

/// The daemon, and the receiver of its alerts.
pub(super) struct Scene {
    pub(super) receiver: Receiver,
    pub(super) daemon: Daemon,
}

/// A leaking, a fixed or a caching service under load.
pub(super) fn service(script: &str, environment: &[(&str, &str)]) -> NodeService {
    let mut service = NodeService::start(script, environment);
    service.load(RATE);
    service
}

/// The table of a target with snapshots, besides the times in [`DEFAULTS`].
pub(super) fn target(name: &str, url: &str, more: &str) -> String {
    format!("[[targets]]\nname = \"{name}\"\nurl = \"{url}\"\n{more}\n")
}

/// `snapshot = {...}` of a target whose token is in the file `NAME.token`.
pub(super) fn snapshots(name: &str, more: &str) -> String {
    format!(
        "snapshot = {{ token_file = \"./{name}.token\", gap = \"6s\", cooldown = \"1m\", disk_reserve = \"64MiB\", \
         first_byte_timeout = \"30s\", total_timeout = \"1m\"{more} }}"
    )
}

/// The tables of a configuration: times, the webhook, and these targets.
pub(super) fn tables(receiver: &Receiver, targets: &str) -> String {
    let channel = format!(
        "[[channels]]\ntype = \"webhook\"\nname = \"hook\"\nurl = \"{}\"\nsecret_file = \"./webhook.secret\"\n",
        receiver.url("/hook")
    );
    format!("[alerts]\nfirst_retry = \"500ms\"\nlongest_retry = \"1s\"\n{DEFAULTS}{channel}{targets}")
}

/// A receiver that takes what is signed with our secret, and nothing else.
pub(super) async fn receiver() -> Receiver {
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
    let now = Clock::start().now().unix_seconds() as i64;
    Receiver::start(services::standard_webhook(SigningKey::parse(&SECRET.into()).unwrap(), now)).await
}

/// A place for a daemon that knows the receiver's secret and the tokens of these services.
pub(super) fn home(tokens: &[(&str, &str)]) -> Home {
    let home = Home::new().secret("webhook.secret", SECRET);
    tokens.iter().fold(home, |home, (name, token)| home.secret(&format!("{name}.token"), token))
}

/// The trail as `heapwatch events` prints it.
pub(super) async fn events(daemon: &Daemon, arguments: &[&str]) -> Vec<Value> {
    let output = daemon.ask(&[&["events", "--json"], arguments].concat()).await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Scene {
    /// A daemon that watches one service with snapshots.
    pub(super) async fn watch(name: &str, service: &NodeService, more: &str) -> Self {
        let snapshots = snapshots(name, more);
        Self::start(&target(name, &service.url(""), &snapshots), &[(name, &service.token)]).await
    }

    /// A daemon with these targets, whose tokens are in files `NAME.token`.
    pub(super) async fn start(targets: &str, tokens: &[(&str, &str)]) -> Self {
        let (receiver, home) = (receiver().await, home(tokens));
        home.configure(&tables(&receiver, targets));
        Self { receiver, daemon: home.start().await }
    }

    /// The `data` of what was received about a target, of one kind of event, in order.
    pub(super) fn heard(&self, name: &str, event: &str) -> Vec<Value> {
        let mut all: Vec<Value> = self.receiver.taken().iter().map(|request| request.json()["data"].take()).collect();
        all.retain(|data| data["target"]["name"] == name && data["event"] == event);
        all
    }

    /// The first webhook of this kind about a target, once it has arrived.
    pub(super) async fn hear(&self, name: &str, event: &str) -> Value {
        wait_for(&format!("{event} of {name}"), async || self.heard(name, event).into_iter().next()).await
    }

    /// Every event that the daemon has found worth saying of a target, on whichever channel.
    pub(super) fn said(&self, name: &str) -> Vec<String> {
        let store = Store::attach(&self.daemon.home.path("state")).unwrap();
        let query = TrailQuery { target: name.parse().ok(), limit: Some(LARGEST_PAGE), ..TrailQuery::default() };
        let trail = store.read(|reader| reader.events(&query, Clock::start().now())).unwrap();
        let alerts = trail.events.into_iter().filter(|event| event.detail["news"].is_object());
        alerts.map(|event| event.kind).collect()
    }

    /// The trail as `heapwatch events` prints it.
    pub(super) async fn trail(&self, arguments: &[&str]) -> Vec<Value> {
        events(&self.daemon, arguments).await
    }

    /// The sidecars of a target's stored snapshots with the snapshots' paths, oldest first.
    pub(super) fn stored(&self, name: &str) -> Vec<(PathBuf, Sidecar)> {
        let directory = self.daemon.home.path("snapshots").join(name);
        let snapshots = files_below(&directory).into_iter().filter(|file| file.ends_with(".heapsnapshot"));
        snapshots
            .map(|file| {
                let path = directory.join(file);
                let sidecar = fs::read(path.with_extension("json")).unwrap();
                (path, serde_json::from_slice(&sidecar).unwrap())
            })
            .collect()
    }
}
