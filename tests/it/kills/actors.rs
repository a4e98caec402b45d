//! The targets of the story and what happens to them, turn by turn.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::inbox::Inbox;
use super::puppet::{Capture, Puppet};

/// All targets, and how many turns each has taken.
pub(super) struct Stage {
    pub(super) leaky: Act,
    pub(super) restarting: Act,
    pub(super) flappy: Act,
    pub(super) listening: Act,
    /// Leaks without end and refuses captures, so that its budget runs out.
    pub(super) thrifty: Act,
    /// Die of their capture: one for each daemon, or the other would see a death that it has no part in.
    pub(super) fragile: [Act; 2],
}

/// One target.
#[derive(Clone)]
pub(super) struct Act {
    pub(super) puppet: Arc<Puppet>,
    turns: Arc<AtomicUsize>,
}

/// How often each thing has happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    pub(super) leaks: usize,
    pub(super) restarts: usize,
    pub(super) outages: usize,
    pub(super) excesses: usize,
}

impl Act {
    async fn new(capture: Capture) -> Self {
        Self { puppet: Arc::new(Puppet::start(capture).await), turns: Arc::default() }
    }

    fn count(&self) -> usize {
        self.turns.load(Ordering::SeqCst)
    }

    fn next(&self) -> usize {
        self.turns.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl Stage {
    pub(super) async fn new() -> Self {
        let stage = Self {
            leaky: Act::new(Capture::Whole).await,
            restarting: Act::new(Capture::Refused).await,
            flappy: Act::new(Capture::Refused).await,
            listening: Act::new(Capture::Refused).await,
            thrifty: Act::new(Capture::Refused).await,
            fragile: [Act::new(Capture::Kills).await, Act::new(Capture::Kills).await],
        };
        for endless in stage.fragile.iter().chain([&stage.thrifty]) {
            endless.puppet.state().leak();
        }
        stage
    }

    pub(super) fn turns(&self) -> Turns {
        Turns {
            leaks: self.leaky.count(),
            restarts: self.restarting.count(),
            outages: self.flappy.count(),
            excesses: self.listening.count(),
        }
    }
}

type Inboxes<'i> = [&'i Inbox; 2];

/// Plays every story that has turns. Each ends, once told to, with its turn.
pub(super) async fn play(stage: &Stage, inboxes: Inboxes<'_>, stop: &Cell<bool>) {
    tokio::join!(
        leak(&stage.leaky, &inboxes, stop),
        restart(&stage.restarting, &inboxes, stop),
        fail(&stage.flappy, &inboxes, stop),
        exceed(&stage.listening, &inboxes, stop),
    );
}

async fn both(inboxes: &Inboxes<'_>, count: usize, target: &str, event: &str, is_one: impl Fn(&Value) -> bool) {
    for inbox in inboxes {
        inbox.has(count, target, event, &is_one).await;
    }
}

fn any(_: &Value) -> bool {
    true
}

/// Leaks until both daemons have explained it, then is mended by a restart until both have called it over.
async fn leak(act: &Act, inboxes: &Inboxes<'_>, stop: &Cell<bool>) {
    while !stop.get() {
        let turn = act.next();
        act.puppet.state().leak();
        both(inboxes, turn, "leaky", "leak_confirmed", any).await;
        both(inboxes, turn, "leaky", "analysis_ready", any).await;
        act.puppet.state().restart();
        both(inboxes, turn, "leaky", "target_restarted", any).await;
        both(inboxes, turn, "leaky", "leak_resolved", any).await;
    }
}

async fn restart(act: &Act, inboxes: &Inboxes<'_>, stop: &Cell<bool>) {
    while !stop.get() {
        let turn = act.next();
        act.puppet.state().restart();
        both(inboxes, turn, "restarting", "target_restarted", any).await;
    }
}

async fn fail(act: &Act, inboxes: &Inboxes<'_>, stop: &Cell<bool>) {
    while !stop.get() {
        let turn = act.next();
        act.puppet.state().is_down = true;
        both(inboxes, turn, "flappy", "target_down", any).await;
        act.puppet.state().is_down = false;
        both(inboxes, turn, "flappy", "target_up", any).await;
    }
}

async fn exceed(act: &Act, inboxes: &Inboxes<'_>, stop: &Cell<bool>) {
    let is = |status: &'static str| move |data: &Value| data["status"] == status;
    while !stop.get() {
        let turn = act.next();
        act.puppet.state().listeners = 99;
        both(inboxes, turn, "listening", "gauge", is("firing")).await;
        act.puppet.state().listeners = 1;
        both(inboxes, turn, "listening", "gauge", is("resolved")).await;
    }
}
