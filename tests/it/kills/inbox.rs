//! What the receivers of one daemon got. They are bad receivers: some requests fail, some after they have arrived.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::Value;

use crate::support::polling::wait_for;
use crate::support::receiver::{Answer, Receiver, services};

/// A webhook and a `PagerDuty`.
pub(super) struct Inbox {
    pub(super) hook: Receiver,
    pub(super) pager: Receiver,
}

/// Of so many requests one fails with 503, and one is read and not answered.
const FAILS: usize = 7;

impl Inbox {
    pub(super) async fn start() -> Self {
        let count = Mutex::new(0);
        let hook = Receiver::start(move |_| {
            let mut count = count.lock().unwrap();
            *count += 1;
            match *count % FAILS {
                2 => Answer::status(503),
                5 => Answer::Cut,
                _ => Answer::status(204),
            }
        })
        .await;
        Self { hook, pager: Receiver::start(services::pagerduty).await }
    }

    /// The ids of what has arrived about a target, of one kind of event, in order of their first arrival.
    pub(super) fn ids(&self, target: &str, event: &str, is_one: impl Fn(&Value) -> bool) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let bodies = self.hook.taken().into_iter().map(|request| request.json()["data"].take());
        bodies
            .filter(|data| data["target"]["name"] == target && data["event"] == event && is_one(data))
            .filter_map(|data| data["alert_id"].as_str().map(str::to_owned))
            .filter(|id| seen.insert(id.clone()))
            .collect()
    }

    /// Waits until so many different alerts of this kind have arrived. More are found by [`super::trail`].
    pub(super) async fn has(&self, count: usize, target: &str, event: &str, is_one: impl Fn(&Value) -> bool) {
        wait_for(&format!("{event} number {count} of {target}"), async || {
            (self.ids(target, event, &is_one).len() >= count).then_some(())
        })
        .await;
    }
}
