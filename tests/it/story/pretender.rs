//! A target without a process: it says what a leaking process says, counts who asks for its heap, and treats captures
//! as a test wants it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::time::Instant;

use crate::support::receiver::{Answer, Receiver};

/// Bytes that heapUsed grows by in a second.
pub(super) const GROWTH: f64 = 800_000.0;
/// At the start of a life.
const HEAP_USED: u64 = 10_000_000;
/// What a process has besides its heap.
const REST: u64 = 40_000_000;

/// How a capture ends.
#[derive(Clone, Debug)]
pub(super) enum Capture {
    /// The process dies of it, and another one takes its place.
    Kills,
    /// It is answered with this.
    Answers(Answer),
}

/// The pretending server; it stops when dropped.
pub(super) struct Pretender {
    server: Receiver,
    state: Arc<Mutex<State>>,
}

struct State {
    grows: bool,
    began: Instant,
    pid: u64,
    captures: VecDeque<Capture>,
    /// What is answered to whoever asks for a profile.
    profile: Answer,
}

const PROFILE: &str = "/admin/heap-profile";

impl Pretender {
    /// A target whose memory is steady.
    pub(super) async fn steady() -> Self {
        Self::start(false, []).await
    }

    /// A target that leaks, and what becomes of its captures; any further one is answered with 404.
    pub(super) async fn leaking(captures: impl IntoIterator<Item = Capture>) -> Self {
        Self::start(true, captures).await
    }

    async fn start(grows: bool, captures: impl IntoIterator<Item = Capture>) -> Self {
        let captures = captures.into_iter().collect();
        let state = Arc::new(Mutex::new(State {
            grows,
            began: Instant::now(),
            pid: 100,
            captures,
            profile: Answer::status(404),
        }));
        let answering = Arc::clone(&state);
        let server = Receiver::start(move |request| {
            let mut state = answering.lock().unwrap();
            match request.path.as_str() {
                "/health/debug" => state.health(),
                PROFILE => state.profile.clone(),
                _ => state.capture(),
            }
        })
        .await;
        Self { server, state }
    }

    /// Answers so to whoever asks for a profile; without it, with 404.
    pub(super) fn answer_profiles(&self, answer: Answer) {
        self.state.lock().unwrap().profile = answer;
    }

    pub(super) fn url(&self) -> String {
        self.server.url("").to_string()
    }

    pub(super) fn pid(&self) -> u64 {
        self.state.lock().unwrap().pid
    }

    /// Another process in its place, which leaks as well, and what becomes of captures from now on.
    pub(super) fn restart(&self, captures: impl IntoIterator<Item = Capture>) {
        let mut state = self.state.lock().unwrap();
        state.restart();
        state.captures = captures.into_iter().collect();
    }

    /// How often somebody has asked for a snapshot of its heap.
    pub(super) fn captures(&self) -> usize {
        let others = ["/health/debug", PROFILE];
        self.server.received().iter().filter(|request| !others.contains(&request.path.as_str())).count()
    }

    /// How often somebody has asked for a profile.
    pub(super) fn profiles(&self) -> usize {
        self.server.received().iter().filter(|request| request.path == PROFILE).count()
    }
}

impl State {
    fn restart(&mut self) {
        self.pid += 1;
        self.began = Instant::now();
    }

    fn health(&self) -> Answer {
        let age = self.began.elapsed().as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some megabytes")]
        let heap_used = HEAP_USED + if self.grows { (age * GROWTH) as u64 } else { 0 };
        let memory = json!({ "heapUsed": heap_used, "heapTotal": heap_used + (4 << 20), "rss": heap_used + REST });
        Answer::text(200, json!({ "pid": self.pid, "uptime": age, "memory": memory }).to_string())
    }

    fn capture(&mut self) -> Answer {
        match self.captures.pop_front() {
            Some(Capture::Kills) => {
                self.restart();
                Answer::Cut
            }
            Some(Capture::Answers(answer)) => answer,
            None => Answer::status(404),
        }
    }
}
