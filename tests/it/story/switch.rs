//! A target that answers or does not, as the test switches it, polled so fast that two seconds are an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::scene::target;
use crate::support::receiver::{Answer, Receiver};

/// The switched target.
pub(super) struct Switch {
    server: Receiver,
    is_on: Arc<AtomicBool>,
}

impl Switch {
    pub(super) async fn on() -> Self {
        let is_on = Arc::new(AtomicBool::new(true));
        let answering = Arc::clone(&is_on);
        let server = Receiver::start(move |_| {
            if answering.load(Ordering::SeqCst) {
                Answer::text(200, json!({ "heapUsed": 50_000_000, "rss": 90_000_000, "pid": 7 }).to_string())
            } else {
                Answer::status(503)
            }
        })
        .await;
        Self { server, is_on }
    }

    pub(super) fn turn(&self, on: bool) {
        self.is_on.store(on, Ordering::SeqCst);
    }

    /// The table of a target of this name that is called down soon after it does not answer.
    pub(super) fn table(&self, name: &str) -> String {
        let url = self.server.url("/").to_string();
        target(
            name,
            &url,
            "interval = \"200ms\"\ntimeout = \"200ms\"\ndown_after = 8\nlabels = { team = \"payments\" }",
        )
    }
}
