//! The task of one source: it looks at its place, one look after the other, and reports what came of each.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::News;
use crate::daemon::clock::Clock;
use crate::daemon::metrics::Metrics;
use crate::discovery::Finder;
use crate::discovery::keeping::{Change, Keeper, Patience};

/// The task of one source.
pub(super) struct Task {
    pub(super) name: String,
    pub(super) run: u64,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) patience: Patience,
    pub(super) keeper: Keeper,
    pub(super) news: mpsc::Sender<News>,
}

impl Task {
    /// Looks until the stop signal.
    pub(super) async fn run(mut self, mut finder: Finder, refresh: Duration, stop: CancellationToken) {
        loop {
            // Whatever a look has read when the stop comes is of no use any more.
            let look = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                (same, look) = finder.look() => {
                    finder = same;
                    look
                }
            };
            let change = self.keeper.take(look, self.clock.now(), self.patience);
            self.log(change);
            // The lists are as long as the fleet: they travel where they are others.
            let keeper = if change.of_lists { self.keeper.clone() } else { self.keeper.without_lists() };
            let news = News { source: self.name.clone(), run: self.run, keeper, change };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                sent = self.news.send(news) => if sent.is_err() { return },
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(refresh) => {}
            }
        }
    }

    fn log(&self, change: Change) {
        let name = &self.name;
        if let Some(why) = &self.keeper.last_error {
            self.metrics.discovery_failed(name);
            if change.began_to_fail {
                warn!(source.name = %name, "{name} keeps the last good list: {why}");
            }
        }
        if let Some((failures, _)) = change.recovered {
            info!(source.name = %name, "{name} is well again after {failures} failed looks");
        }
        if change.of_lists {
            info!(source.name = %name, "{name} lists {} instances", self.keeper.instances().count());
        }
    }
}
