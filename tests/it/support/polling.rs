//! Waiting for a condition under a deadline, and the requests that look for it.

use std::time::Duration;

use heapwatch::http::{self, ClientOptions};
use serde_json::Value;

/// Looks until there is something, and fails where there is nothing within two minutes: a busy machine may be slow, a story takes its time.
pub(crate) async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    const DEADLINE: Duration = Duration::from_mins(2);
    const PAUSE: Duration = Duration::from_millis(50);
    let found = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

/// Asks for JSON at `url` until it fulfils `condition`.
pub(crate) async fn json_when(url: &str, condition: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("an answer of {url} as expected"), async || {
        let body = http::read_capped(get(url, "").await.ok()?, 100_000).await.ok()?;
        serde_json::from_slice(&body).ok().filter(&condition)
    })
    .await
}

/// One GET with a bearer token, on a connection of its own.
pub(crate) async fn get(url: &str, token: &str) -> reqwest::Result<reqwest::Response> {
    http::client(&ClientOptions::default()).unwrap().get(url).bearer_auth(token).send().await
}
