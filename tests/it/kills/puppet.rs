//! A target without a process that does what the story wants, and counts who asks for a snapshot of its heap.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::capture::scripted::snapshot;
use crate::support::receiver::{Answer, Received, Receiver};

/// Bytes that heapUsed grows by in a second of a leak.
const GROWTH: f64 = 1_500_000.0;
const HEAP_USED: u64 = 10_000_000;
/// What a process has besides its heap.
const REST: u64 = 40_000_000;

/// What becomes of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capture {
    /// It is refused with 404.
    Refused,
    /// It is answered in many small parts, so that some kills fall between them.
    Whole,
    /// The process dies of it.
    Kills,
}

/// The pretending target.
pub(super) struct Puppet {
    server: Receiver,
    state: Arc<Mutex<State>>,
}

pub(super) struct State {
    leaking_since: Option<Instant>,
    began: Instant,
    pub(super) pid: u64,
    pub(super) is_down: bool,
    pub(super) listeners: u32,
    capture: Capture,
    /// The tokens that captures were asked for with.
    asked: Vec<String>,
}

impl Puppet {
    pub(super) async fn start(capture: Capture) -> Self {
        let state = State {
            leaking_since: None,
            began: Instant::now(),
            pid: 100,
            is_down: false,
            listeners: 1,
            capture,
            asked: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let answering = Arc::clone(&state);
        let server = Receiver::start(move |request| answering.lock().unwrap().answer(request)).await;
        Self { server, state }
    }

    pub(super) fn url(&self) -> String {
        self.server.url("").to_string()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How often a snapshot was asked for with this token.
    pub(super) fn captures(&self, token: &str) -> usize {
        let bearer = format!("Bearer {token}");
        self.state().asked.iter().filter(|asked| **asked == bearer).count()
    }
}

/// The body of every snapshot.
pub(super) fn heap() -> String {
    String::from_utf8(snapshot(1_000)).unwrap()
}

impl State {
    pub(super) fn leak(&mut self) {
        self.leaking_since = Some(Instant::now());
    }

    /// Another process in its place, which does not leak.
    pub(super) fn restart(&mut self) {
        (self.leaking_since, self.began) = (None, Instant::now());
        self.pid += 1;
    }

    fn answer(&mut self, request: &Received) -> Answer {
        match request.path.as_str() {
            "/health/debug" => return self.health(),
            "/admin/heap-snapshot" => {}
            // Heap profiles, among others, it does not have.
            _ => return Answer::status(404),
        }
        self.asked.push(request.header("authorization").unwrap_or_default().to_owned());
        match self.capture {
            Capture::Refused => Answer::status(404),
            Capture::Whole => Answer::Slowly { body: heap(), parts: 12, pause: Duration::from_millis(25) },
            Capture::Kills => {
                let grows = self.leaking_since.is_some();
                self.restart();
                if grows {
                    self.leak();
                }
                Answer::Cut
            }
        }
    }

    fn health(&self) -> Answer {
        if self.is_down {
            return Answer::status(503);
        }
        let growth = self.leaking_since.map_or(0.0, |since| since.elapsed().as_secs_f64() * GROWTH);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some megabytes")]
        let heap_used = HEAP_USED + growth as u64;
        let memory = json!({ "heapUsed": heap_used, "heapTotal": heap_used + (4 << 20), "rss": heap_used + REST });
        let uptime = self.began.elapsed().as_secs_f64();
        let body = json!({ "pid": self.pid, "uptime": uptime, "memory": memory, "listeners": self.listeners });
        Answer::text(200, body.to_string())
    }
}
