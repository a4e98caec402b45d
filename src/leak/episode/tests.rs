//! An episode from its confirmation through restarts to its end.

use std::time::Duration;

use super::*;

const MIB: f64 = 1_048_576.0;
const BLOCK: f64 = 300.0;

fn hour(hours: f64) -> Timestamp {
    Timestamp::from_unix_seconds(hours * 3600.0).unwrap()
}

fn options() -> Options {
    Options { verify: Duration::from_hours(2), ..Options::default() }
}

/// A leak of 50 MiB an hour since hour 0, confirmed at hour 1.
fn leak() -> Episode {
    Episode::open(Signal::HeapUsed, hour(1.0), hour(0.0), 50.0 * MIB / 3600.0, (80.0 * MIB, 130.0 * MIB))
}

/// Floors of `mib` from hour `from` to `to`; the end of the episode and its hour.
fn floors(episode: &mut Episode, from: f64, to: f64, mib: impl Fn(f64) -> f64) -> Option<(f64, Resolution)> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few blocks")]
    let blocks = ((to - from) * 3600.0 / BLOCK).round() as u32;
    (1..=blocks).map(|block| from + f64::from(block) * BLOCK / 3600.0).find_map(|at| {
        let ended = episode.on_floor(mib(at) * MIB, BLOCK, &options());
        ended.map(|resolution| (at, resolution))
    })
}

#[test]
fn a_fix_is_told_with_the_numbers_before_and_after() {
    let mut episode = leak();
    episode.on_growth(hour(8.0), None);
    assert!(floors(&mut episode, 1.0, 8.0, |at| 80.0 + 50.0 * at).is_none());
    episode.on_restart(RestartCause::Unknown, hour(8.0));
    let (at, resolution) = floors(&mut episode, 8.0, 12.0, |at| if at < 9.0 { 80.0 } else { 120.0 }).unwrap();
    assert!((at - 10.0).abs() < 0.01, "two hours of floors: {at}");
    assert_eq!(
        resolution.says,
        "80 MiB to 480 MiB in 8h before; 80 MiB to 120 MiB over 2h after, floors level: fix held"
    );
    assert_eq!((resolution.before_from_bytes, resolution.after_to_bytes), (80 << 20, 120 << 20));
    assert_eq!((resolution.before_seconds, resolution.after_seconds), (8.0 * 3600.0, 2.0 * 3600.0));
}

/// Floors that were evident growth used to raise nothing: a leak from 80 to 480 MiB was told as one to 130.
#[test]
fn the_top_of_a_leak_is_the_highest_floor_of_its_growth() {
    let mut episode = leak();
    for quarter in 5..=32 {
        let at = f64::from(quarter) / 4.0;
        episode.on_growth(hour(at), Some((80.0 + 50.0 * at) * MIB));
    }
    episode.on_restart(RestartCause::Unknown, hour(8.0));
    let (_, resolution) = floors(&mut episode, 8.0, 12.0, |_| 80.0).unwrap();
    assert_eq!(resolution.before_to_bytes, 480 << 20, "{}", resolution.says);
}

#[test]
fn time_without_floors_does_not_count_as_watched() {
    let mut episode = leak();
    episode.on_restart(RestartCause::Unknown, hour(2.0));
    assert!(floors(&mut episode, 2.0, 3.0, |_| 80.0).is_none());
    assert_eq!(episode.watched_seconds(), Some(3600.0));
    assert!(floors(&mut episode, 20.0, 20.9, |_| 80.0).is_none(), "the target was silent for 17 h");
    assert!(floors(&mut episode, 20.9, 21.1, |_| 80.0).is_some());
}

#[test]
fn a_kill_starts_the_watch_over_and_a_deploy_does_not() {
    let mut episode = leak();
    episode.on_restart(RestartCause::Unknown, hour(2.0));
    floors(&mut episode, 2.0, 3.0, |_| 80.0);
    episode.on_restart(RestartCause::Unknown, hour(3.0));
    assert_eq!(episode.watched_seconds(), Some(3600.0), "another deploy of the fix");
    episode.on_restart(RestartCause::AtMemoryLimit, hour(3.0));
    assert_eq!(episode.watched_seconds(), Some(0.0), "what is killed at its limit has not been fixed");
}

#[test]
fn growth_after_a_restart_ends_the_watch_and_is_news_once() {
    let mut episode = leak();
    assert!(!episode.on_growth(hour(1.5), None), "no news: it leaks");
    episode.on_restart(RestartCause::Unknown, hour(2.0));
    assert!(episode.is_watching());
    assert!(episode.on_growth(hour(3.0), None));
    assert!(!episode.is_watching());
    assert!(!episode.on_growth(hour(3.1), None));
}

#[test]
fn the_same_leak_is_one_of_about_its_slope() {
    let episode = leak();
    for (slope, same) in [(50.0, true), (25.0, true), (500.0, true), (10.0, false), (0.0, false), (f64::NAN, false)] {
        assert_eq!(episode.is_same(slope * MIB / 3600.0), same, "{slope} MiB/h after 50");
    }
}

#[test]
fn a_leak_that_stops_by_itself_ends_after_the_same_time() {
    let mut episode = leak();
    episode.on_growth(hour(2.0), None);
    let (at, resolution) = floors(&mut episode, 2.0, 9.0, |_| 180.0).unwrap();
    assert!((at - 4.0).abs() < 0.01, "{at}");
    assert!(resolution.says.ends_with("180 MiB to 180 MiB over 2h after, growth has ended"), "{}", resolution.says);

    let mut episode = leak();
    let daily = |at: f64| if at < 3.0 { 180.0 } else { 90.0 };
    let (_, resolution) = floors(&mut episode, 2.0, 9.0, daily).unwrap();
    assert!(resolution.says.contains("; 90 MiB to 180 MiB over"), "what came down again is told: {}", resolution.says);
}

#[test]
fn a_leak_that_nobody_watches_or_that_still_rises_does_not_end() {
    let mut episode = leak();
    assert!(floors(&mut episode, 1.0, 2.0, |_| 130.0).is_none());
    assert!(floors(&mut episode, 50.0, 50.9, |_| 130.0).is_none(), "two days of silence show nothing");
    assert!(floors(&mut episode, 50.9, 60.0, |at| 130.0 + 20.0 * (at - 50.0)).is_none(), "higher from hour to hour");
}

#[test]
fn spans_are_short() {
    for (seconds, text) in
        [(0.0, "0s"), (59.4, "59s"), (90.0, "1m"), (5400.0, "1h 30m"), (7200.0, "2h"), (172_800.0, "48h")]
    {
        assert_eq!(span(seconds), text);
    }
    assert_eq!(span(f64::NAN), "0s");
}
