//! One of the two daemons, its configuration and its receivers.

use std::sync::Arc;

use heapwatch::clock::Timestamp;
use heapwatch::daemon::clock::Clock;

use serde_json::Value;

use super::actors::{Act, Stage};
use super::inbox::Inbox;
use crate::support::daemon::{Daemon, Home};

/// Half an hour is two seconds. A fix is watched for longer than that: each kill takes a checkpoint's samples, here one
/// in three, and what cannot be judged must not count as mended before it can.
const DEFAULTS: &str = r#"
[defaults]
memory_limit = "1GiB"
interval = "150ms"
timeout = "150ms"
down_after = 4
detection = { block = "600ms", warm_up = "1200ms", hold = "3s", patience = 0.01, filling = "7s", longest_tooth = "6s", day = "18s", verify = "20s", min_slope = "300 MB/h" }
[alerts]
first_retry = "200ms"
longest_retry = "500ms"
reminder_interval = "5s"
"#;
/// Of a leak that is never mended; so many kills must not look like a mend.
const ENDLESS: &str = "detection = { verify = \"10m\" }";
const POLLS_OF_A_CHECKPOINT: u64 = 10;
/// What a kill may take of the samples of a target.
pub(super) const CHECKPOINT_MS: i64 = 1_500;
/// Captures of the thrifty target.
pub(super) const BUDGET: usize = 3;

/// One daemon under test.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) daemon: Daemon,
    pub(super) inbox: Arc<Inbox>,
    /// When it was killed.
    pub(super) kills: Vec<Timestamp>,
    /// The target that dies of its captures.
    pub(super) fragile: Act,
    pub(super) thrifty: Act,
    pub(super) leaky: Act,
}

impl Subject {
    pub(super) async fn start(name: &'static str, stage: &Stage) -> Self {
        let inbox = Arc::new(Inbox::start().await);
        let home = Home::new().secret("token", name).secret("pager.key", "R0123456789ABCDEF0123456789ABCDE");
        let fragile = stage.fragile[usize::from(name == "twin")].clone();
        home.configure(&tables(stage, &fragile, &inbox));
        let (thrifty, leaky) = (stage.thrifty.clone(), stage.leaky.clone());
        Self { name, daemon: home.start().await, inbox, kills: Vec::new(), fragile, thrifty, leaky }
    }

    /// Waits until every target was seen and that is written: of a process that nobody has seen nobody can say that it
    /// is gone.
    pub(super) async fn has_seen_everything(&self) {
        for target in ["leaky", "restarting", "flappy", "listening", "thrifty", "fragile"] {
            let is_seen = |status: &Value| status["watch"]["polls"].as_u64() >= Some(POLLS_OF_A_CHECKPOINT + 2);
            self.daemon.target_when(target, "it is seen", is_seen).await;
        }
    }

    /// Kills it; gives the time.
    pub(super) fn kill(&mut self) -> Timestamp {
        self.daemon.kill9();
        let at = Clock::start().now();
        self.kills.push(at);
        at
    }
}

fn tables(stage: &Stage, fragile: &Act, inbox: &Inbox) -> String {
    let snapshot = |more: &str| {
        format!(
            "snapshot = {{ token_file = \"./token\", gap = \"1500ms\", cooldown = \"1500ms\", disk_reserve = \"64MiB\", \
             daily_budget = 1000, headroom_factor = 1, first_byte_timeout = \"5s\", total_timeout = \"30s\"{more} }}"
        )
    };
    let target = |name: &str, act: &Act, more: &str| {
        format!("[[targets]]\nname = \"{name}\"\nurl = \"{}\"\n{more}\n", act.puppet.url())
    };
    let gauge = "gauges = [{ name = \"listeners\", pointer = \"/listeners\", maximum = 10 }]";
    let targets = [
        target("leaky", &stage.leaky, &snapshot("")),
        target("restarting", &stage.restarting, ""),
        target("flappy", &stage.flappy, ""),
        target("listening", &stage.listening, gauge),
        target("thrifty", &stage.thrifty, &format!("{}\n{ENDLESS}", snapshot("").replace("1000", &BUDGET.to_string()))),
        target("fragile", fragile, &format!("{}\n{ENDLESS}", snapshot(""))),
    ];
    let hook = format!("[[channels]]\ntype = \"webhook\"\nname = \"hook\"\nurl = \"{}\"\n", inbox.hook.url("/hook"));
    let pager = format!(
        "[[channels]]\ntype = \"pagerduty\"\nname = \"pager\"\nurl = \"{}\"\nrouting_key_file = \"./pager.key\"\n\
         min_severity = \"warning\"\n",
        inbox.pager.url("/v2/enqueue")
    );
    let retention = "[retention]\nmin_free = \"0B\"\n";
    format!("{DEFAULTS}{retention}{hook}{pager}{}", targets.concat())
}
