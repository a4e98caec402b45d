//! A task that panics is a fault of ours, but whoever waits for its outcome must learn that there is none: else a target
//! would count as being captured, or a channel as being served, for ever.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tracing::error;

/// Runs a task to its end; `None` where it panicked, which is logged with what it was about.
pub(super) async fn caught<T>(what: &str, task: impl Future<Output = T>) -> Option<T> {
    // The task owns what it works on, so nothing half-changed is seen afterwards.
    let outcome = AssertUnwindSafe(task).catch_unwind().await.ok();
    if outcome.is_none() {
        error!("{what} ended in a panic; please report it with the log");
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_outcome() {
        let outcome = caught("a test", async {
            tokio::task::yield_now().await;
            panic!("as a defect would");
        });
        assert_eq!(outcome.await, None::<()>);
        assert_eq!(caught("a test", async { 7 }).await, Some(7));
    }
}
