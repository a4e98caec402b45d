//! The fleet without the daemon around it.

use std::fs;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::*;
use crate::config::{Sources, load};
use crate::daemon::clock::Clock;
use crate::daemon::metrics::Metrics;
use crate::daemon::remote;
use crate::status::board::Board;

fn surroundings() -> Arc<Surroundings> {
    let board = Board::default();
    // Nobody takes what is reported here, which is little.
    let (events, _) = mpsc::channel(1);
    let metrics = Arc::new(Metrics::new(0.0, board.clone()));
    let (polled, stop) = (remote::channel(), CancellationToken::new());
    Arc::new(Surroundings { clock: Clock::start(), board, events, metrics, polled, stop })
}

fn watcher(surroundings: &Arc<Surroundings>) -> Watcher {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("heapwatch.toml");
    fs::write(&file, "[[targets]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n").expect("a file");
    let config = load(&Sources { file: Some(file), ..Sources::default() }).unwrap_or_else(|wrong| panic!("{wrong}"));
    let target = config.targets.into_iter().next().expect("a target");
    Watcher::new(Arc::new(target), None, Arc::clone(surroundings)).expect("a watcher")
}

#[test]
fn a_watcher_that_panics_begins_anew() {
    // Without what serves sockets each poll panics, as it would for a defect.
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let surroundings = surroundings();
        let (fleet, orders) = Fleet::new();
        let running = tokio::spawn(run(orders, Arc::clone(&surroundings)));
        fleet.watch(watcher(&surroundings)).await;
        let begun_thrice = async {
            while !surroundings.metrics.render().contains("scheduler_lateness_seconds_count 3\n") {
                sleep(Duration::from_secs(1)).await;
            }
        };
        timeout(Duration::from_mins(5), begun_thrice).await.expect("it polls on");
        surroundings.stop.cancel();
        running.await.expect("the fleet ends");
    });
}
