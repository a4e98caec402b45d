//! One process or several: what tells, and what only looks like it.

use std::time::Duration;

use super::*;
use crate::clock::Timestamp;

const POLL_MS: i64 = 30_000;

/// A poll answered by a process that started at `start_ms`, where the target tells.
fn answer(poll: i64, pid: Option<u64>, start_ms: Option<i64>) -> Sample {
    let mut sample = Sample::empty(Timestamp::from_unix_ms(poll * POLL_MS));
    sample.pid = pid;
    sample.uptime = start_ms.map(|start| Duration::from_millis((poll * POLL_MS - start).unsigned_abs()));
    sample
}

/// What is told over these polls, and whether the last ones are those of several processes.
fn told(samples: impl IntoIterator<Item = Sample>) -> (Vec<String>, bool) {
    let mut processes = Processes::default();
    let mut told = Vec::new();
    let mut now = 0;
    for sample in samples {
        now = sample.at.steady_ms();
        told.extend(processes.observe(&sample, &Options::default()));
    }
    (told, processes.are_several(now))
}

fn check(samples: impl IntoIterator<Item = Sample>, several: bool, why: &str) {
    let (told, are_several) = told(samples);
    assert_eq!((told.len(), are_several), (usize::from(several), several), "{why}: {told:?}");
}

#[test]
fn processes_that_answer_in_turn_are_several() {
    check((0..20).map(|poll| answer(poll, Some([7, 8][usize::from(poll % 2 == 0)]), None)), true, "two pids in turn");
    let chance = |poll: i64| (poll * 7919 % 13 % 4).unsigned_abs();
    check((0..60).map(|poll| answer(poll, Some(chance(poll)), None)), true, "four pids by chance");
    let starts = [-90_000_000, -500_000, -70_000];
    check(
        (0..30).map(|poll| answer(poll, None, Some(starts[usize::try_from(poll % 3).unwrap()]))),
        true,
        "three start times without pids",
    );
    check(
        (0..30).map(|poll| answer(poll, Some(1), Some(starts[usize::try_from(poll % 3).unwrap()]))),
        true,
        "containers, in which every process is pid 1",
    );
}

#[test]
fn what_is_told_names_the_remedy_and_is_told_once() {
    let samples = (0..240).map(|poll| answer(poll, Some([7, 8][usize::from(poll % 2 == 0)]), None));
    let (told, _) = told(samples);
    assert_eq!(told, ["2 processes answer in turn; list each instance as a target of its own"]);
}

#[test]
fn who_is_polled_rarely_is_told_of_once_as_well() {
    let every_two_hours = 240;
    let options = Options { interval: Duration::from_hours(2), ..Options::default() };
    let mut processes = Processes::default();
    let samples = (0..30).map(|poll| answer(poll * every_two_hours, Some([7, 8][usize::from(poll % 2 == 0)]), None));
    assert_eq!(samples.filter_map(|sample| processes.observe(&sample, &options)).count(), 1);
}

#[test]
fn one_process_after_another_is_one_at_a_time() {
    check(
        (0..300).map(|poll| answer(poll, Some(poll.unsigned_abs() / 10), None)),
        false,
        "a process that keeps crashing",
    );
    check((0..300).map(|poll| answer(poll, None, Some(poll / 10 * 10 * POLL_MS))), false, "the same without pids");
    let whole_seconds = |poll: i64| Sample {
        uptime: Some(Duration::from_secs((poll * 30 + 1000 + i64::from(poll % 3 == 0)).unsigned_abs())),
        ..answer(poll, Some(7), None)
    };
    check((0..300).map(whole_seconds), false, "uptimes in whole seconds move the start to and fro");
    check((0..300).map(|poll| answer(poll, None, None)), false, "a target that tells nothing of itself");
}

/// During a rolling deploy the balancer asks the old and the new instance in turn, but not for long.
#[test]
fn a_return_or_two_prove_nothing() {
    let pids = [7, 7, 8, 7, 8, 8, 8];
    check((0..7).map(|poll| answer(poll, Some(pids[usize::try_from(poll).unwrap()]), None)), false, "a hand-over");
}

#[test]
fn sizes_alone_tell_by_jumping_both_ways() {
    let sized = |poll: i64, rss: u64| Sample { rss: Some(rss), ..answer(poll, None, None) };
    check((0..64).map(|poll| sized(poll, [100, 200][usize::from(poll % 3 == 0)] << 20)), true, "two sizes in turn");
    let tooth = |poll: i64| (100 + 10 * (poll % 10)).unsigned_abs();
    check((0..64).map(|poll| sized(poll, tooth(poll) << 20)), false, "teeth rise slowly and fall at once");
    check((0..64).map(|poll| sized(poll, (100 + poll.unsigned_abs() % 2 * 20) << 20)), false, "noise");
}

#[test]
fn an_hour_of_one_process_ends_the_refusal() {
    let mixed = (0..20).map(|poll| answer(poll, Some([7, 8][usize::from(poll % 2 == 0)]), None));
    let alone = |polls: i64| (20..20 + polls).map(|poll| answer(poll, Some(7), None));
    let day = 24 * 120;
    check(mixed.clone().chain(alone(60)), true, "half an hour later");
    let (_, several) = told(mixed.chain(alone(day + 130)));
    assert!(!several, "a day and an hour after the last return");
}
