//! The wall clock is set by hours and months under a running daemon, and between two runs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use heapwatch::clock::Timestamp;
use heapwatch::store::Store;
use serde_json::Value;

use super::pretender::{Capture, GROWTH, Pretender};
use super::scene::{Scene, home, snapshots, tables, target};
use crate::capture::scripted::snapshot;
use crate::support::daemon::Home;
use crate::support::polling::wait_for;
use crate::support::receiver::{Answer, Receiver};

/// A wall clock of the daemon's own, which a test can set.
struct WallClock {
    file: PathBuf,
    library: PathBuf,
}

impl WallClock {
    fn new(home: &Home) -> Self {
        let places = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
        let library = places.map(|place| place.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists());
        let library = library.expect("libfaketime is missing: `tests/run` installs it, or says how to");
        Self { file: home.path("wall-clock"), library }
    }

    fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// Steps it to so far from the true time, at once.
    fn step(&self, offset: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}

fn polls(target: &Value) -> u64 {
    target["watch"]["polls"].as_u64().unwrap_or(0)
}

async fn more_polls(scene: &Scene, count: u64) {
    let before = polls(&scene.daemon.target("api").await);
    scene.daemon.target_when("api", "more polls", |target| polls(target) >= before + count).await;
}

#[tokio::test]
async fn a_clock_that_jumps_by_hours_changes_no_verdict_and_deletes_nothing() {
    let body = String::from_utf8(snapshot(3)).unwrap();
    let leaking = Pretender::leaking(vec![Capture::Answers(Answer::text(200, body)); 9]).await;
    let (receiver, home) = (Receiver::willing().await, home(&[("api", "token")]));
    let clock = WallClock::new(&home);
    clock.step("+0h");
    let table = target("api", &leaking.url(), &snapshots("api", ", headroom_factor = 3"));
    home.configure(&tables(&receiver, &format!("[retention]\nmin_free = \"0B\"\n{table}")));
    let home = clock.environment().into_iter().fold(home, |home, (name, value)| home.environment(name, value));
    let mut scene = Scene { receiver, daemon: home.start().await };
    more_polls(&scene, 6).await;
    assert!(scene.daemon.ask(&["snapshot", "api"]).await.status.success());
    scene.hear("api", "snapshot_stored").await;

    for offset in ["+5h", "-7h", "+2h"] {
        clock.step(offset);
        more_polls(&scene, 6).await;
    }
    let confirmed = scene.hear("api", "leak_confirmed").await;
    let slope = confirmed["leak"]["slope_bytes_per_hour"].as_f64().unwrap();
    assert!((slope / (GROWTH * 3600.0) - 1.0).abs() < 0.3, "{confirmed:#}");
    scene.hear("api", "analysis_ready").await;
    let before = scene.daemon.target("api").await;
    // Eighty days: beyond every age in the configuration.
    for offset in ["+2000h", "-2000h"] {
        scene.daemon.kill9();
        clock.step(offset);
        scene.daemon.start_again().await;
        more_polls(&scene, 12).await;
        let after = scene.daemon.target("api").await;
        for fact in ["/care/episode/id", "/care/captures_last_day", "/watch/life/number"] {
            assert_eq!(after.pointer(fact), before.pointer(fact), "{fact} {offset}: {after:#}");
        }
        nothing_is_too_old(&scene, &clock, offset);
    }
    let is_still_leaking = |target: &Value| target["watch"]["verdict"]["state"] == "leaking";
    scene.daemon.target_when("api", "the same verdict", is_still_leaking).await;
    for never in ["target_restarted", "leak_reminder", "leak_resolved"] {
        assert_eq!(scene.heard("api", never), Vec::<Value>::new());
    }
    assert_eq!(scene.heard("api", "leak_confirmed").len(), 1);
    let owed = "heapwatch_outbox_depth{channel=\"hook\"}";
    wait_for("nothing is owed", async || scene.daemon.metric(owed).await.filter(|owed| *owed < 1.0)).await;
    intervals_are_what_they_were(&scene);
}

/// Neither the daemon's own retention, which runs at each start, nor a person's takes anything.
fn nothing_is_too_old(scene: &Scene, clock: &WallClock, offset: &str) {
    assert_eq!(scene.stored("api").len(), 3, "{offset}");
    let mut gc = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
    gc.args(["gc", "--json", "--config"]).arg(scene.daemon.home.path("heapwatch.toml")).envs(clock.environment());
    let report: Value = serde_json::from_slice(&gc.output().unwrap().stdout).unwrap();
    assert_eq!((&report["deleted"], &report["kept"]), (&Value::Array(Vec::new()), &3.into()), "{offset}");
}

/// Samples lie in order on the steady line, without a gap but for the two kills.
fn intervals_are_what_they_were(scene: &Scene) {
    let store = Store::attach(&scene.daemon.home.path("state")).unwrap();
    let samples = store.read(|reader| reader.samples(&"api".parse().unwrap(), Timestamp::from_unix_ms(0))).unwrap();
    assert!(samples.windows(2).all(|pair| pair[0].at.is_before(pair[1].at)));
    let gaps: Vec<_> = samples.windows(2).map(|pair| pair[1].at.since(pair[0].at).as_secs()).collect();
    assert!(gaps.iter().all(|gap| *gap < 60), "{gaps:?}");
    assert!(gaps.iter().filter(|gap| **gap > 3).count() <= 2, "{gaps:?}");
}
