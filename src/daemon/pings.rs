//! The dead-man ping: after each round in which every target was polled, tell an outside monitor that heapwatch lives.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tracing::warn;

use crate::alert::ping::{Options, Pinger};
use crate::errors;
use crate::status::board::Board;
use crate::target::TargetName;

/// Pings until it is dropped. A round that is not complete is not pinged, which is what the monitor waits for.
pub(super) async fn run(options: Options, board: Board, round: Duration) {
    let pinger = match Pinger::new(options) {
        Ok(pinger) => pinger,
        Err(problem) => return warn!(error = errors::one_line(&problem), "the dead-man ping cannot be sent"),
    };
    let mut rounds = tokio::time::interval(round);
    // The next ping after a delay is worth as much as the one that was missed.
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = polls(&board);
    let mut failing = false;
    loop {
        rounds.tick().await;
        let now = polls(&board);
        let complete = now.iter().all(|(name, polls)| before.get(name).is_none_or(|before| polls > before));
        before = now;
        if !complete {
            continue;
        }
        let outcome = pinger.ping().await;
        if let (Err(problem), false) = (&outcome, failing) {
            warn!(error = errors::one_line(problem), "the dead-man ping does not arrive");
        }
        failing = outcome.is_err();
    }
}

fn polls(board: &Board) -> BTreeMap<TargetName, u64> {
    board.survey(|status| Some((status.name.clone(), status.watch.polls))).into_iter().collect()
}
