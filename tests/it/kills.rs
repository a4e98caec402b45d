//! The whole daemon, killed at random instants, against a twin on the same targets that nobody kills.
//!
//! Targets leak and are mended, restart, go down, exceed a gauge, die of a capture, or leak without end; both daemons
//! poll the same ones. Each turn of the story waits until the receivers of both have been told of the turn before, so
//! that an alert that is lost ends the test, and what turns while the killed daemon is down must still be told.

mod actors;
mod inbox;
mod puppet;
mod subject;
mod trail;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use actors::Stage;
use subject::Subject;

/// A life of the daemon: four checkpoints, or a moment. One in five is longer: what a kill cuts off is begun anew, and
/// on a busy machine a comparison of two snapshots, at the lowest priority, takes seconds.
const LONGEST_LIFE: Duration = Duration::from_secs(6);
const LONGEST_OF_FIVE: Duration = Duration::from_secs(20);
const LONGEST_DEATH: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_killed_again_and_again_does_what_its_twin_does() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = setting("HEAPWATCH_KILLS").unwrap_or(14);
    let seed = setting("HEAPWATCH_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{kills} kills with HEAPWATCH_SEED={seed}");
    let stage = Stage::new().await;
    let mut killed = Subject::start("killed", &stage).await;
    let twin = Subject::start("twin", &stage).await;
    for subject in [&killed, &twin] {
        subject.has_seen_everything().await;
    }

    let stop = Cell::new(false);
    let inboxes = [Arc::clone(&killed.inbox), Arc::clone(&twin.inbox)];
    tokio::join!(actors::play(&stage, [&inboxes[0], &inboxes[1]], &stop), async {
        kill_again_and_again(&mut killed, kills, &mut fastrand::Rng::with_seed(seed)).await;
        stop.set(true);
    });
    trail::both_come_to_the_same(&killed, &twin, &stage).await;
    let turns = stage.turns();
    println!("{turns:?} over {} kills", killed.kills.len());
    for subject in [killed, twin] {
        trail::Trail::of(subject).await.is_as_it_must_be(&turns);
    }
}

/// At any instant, within a start too; and one time in four it stays dead for a while.
async fn kill_again_and_again(subject: &mut Subject, kills: u64, random: &mut fastrand::Rng) {
    for _ in 0..kills {
        let longest = if random.u8(..5) == 0 { LONGEST_OF_FIVE } else { LONGEST_LIFE };
        tokio::time::sleep(longest.mul_f64(random.f64())).await;
        let at = subject.kill();
        trail::no_half_snapshot_looks_whole(subject, at);
        if random.u8(..4) == 0 {
            tokio::time::sleep(LONGEST_DEATH.mul_f64(random.f64())).await;
        }
        subject.daemon.launch();
    }
    subject.daemon.is_ready().await;
}
