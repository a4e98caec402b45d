//! Every figure of `/metrics` that a story moves, scraped after it was made to move.

use super::pretender::{Capture, Pretender};
use super::scene::{Scene, home, receiver, snapshots, tables, target};
use crate::capture::scripted::snapshot;
use crate::support::daemon::Daemon;
use crate::support::polling::wait_for;
use crate::support::receiver::Answer;

/// The sum over all lines of a figure with these beginnings of names, labels included.
async fn sum(daemon: &Daemon, figure: &str) -> Option<f64> {
    let page = daemon.get("/metrics").await?;
    let lines = page.lines().filter_map(|line| line.strip_prefix(figure));
    let figures =
        lines.filter(|rest| rest.starts_with([' ', ',', '{', '}'])).filter_map(|rest| rest.rsplit(' ').next());
    figures.map(|figure| figure.parse::<f64>().ok()).reduce(|sum, figure| Some(sum? + figure?)).flatten()
}

#[tokio::test]
async fn every_figure_rises_with_what_it_counts() {
    let body = String::from_utf8(snapshot(300)).unwrap();
    let captures = vec![Capture::Answers(Answer::text(200, body)), Capture::Answers(Answer::status(401))];
    let leaking = Pretender::leaking(captures).await;
    let receiver = receiver().await;
    // Nobody listens on port 9: what the channel is owed grows old, and is given up. A target that never answers in time
    // keeps its poll running past the next tick.
    let hanging = crate::support::receiver::Receiver::start(|_| Answer::Hang).await;
    let slow = target("slow", hanging.url("/").as_str(), "");
    let more = format!(
        "[[channels]]\ntype = \"webhook\"\nname = \"dead\"\nurl = \"http://127.0.0.1:9/\"\n{}{slow}",
        target("api", &leaking.url(), &snapshots("api", ", daily_budget = 3"))
    );
    let home = home(&[("api", "token")]);
    home.configure(&tables(&receiver, &more).replacen("[alerts]\n", "[alerts]\nttl = \"3s\"\n", 1));
    let scene = Scene { receiver, daemon: home.start().await };
    let is_well = |target: &serde_json::Value| target["watch"]["healthy_polls"].as_u64() >= Some(3);
    scene.daemon.target_when("api", "polls that succeed", is_well).await;
    for capture in 0..2 {
        assert!(scene.daemon.ask(&["snapshot", "api"]).await.status.success(), "capture {capture}");
        let captures = "heapwatch_snapshots_total{target=\"api\"";
        let ended = async || sum(&scene.daemon, captures).await.filter(|ended| *ended > f64::from(capture));
        wait_for("it is counted", ended).await;
    }
    // A file that is refused, and the one before again.
    let good = std::fs::read_to_string(scene.daemon.home.path("heapwatch.toml")).unwrap();
    std::fs::write(scene.daemon.home.path("heapwatch.toml"), "nonsense = 1\n").unwrap();
    scene.daemon.reload().await.unwrap_err();
    assert_eq!(scene.daemon.metric("heapwatch_config_last_reload_successful").await, Some(0.0));
    std::fs::write(scene.daemon.home.path("heapwatch.toml"), good).unwrap();
    scene.daemon.reload().await.unwrap();

    for (figure, least) in [
        ("heapwatch_build_info", 1.0),
        ("heapwatch_config_last_reload_successful", 1.0),
        ("heapwatch_config_last_reload_success_timestamp_seconds", 1.7e9),
        ("heapwatch_config_hash", 1.0),
        ("heapwatch_target_up{target=\"api\"", 1.0),
        ("heapwatch_polls_total{target=\"api\",result=\"ok\"", 5.0),
        ("heapwatch_polls_total{target=\"slow\",result=\"timeout\"", 1.0),
        ("heapwatch_poll_duration_seconds_count", 6.0),
        ("heapwatch_scheduler_late_ticks_total", 1.0),
        ("heapwatch_target_memory_bytes{target=\"api\",signal=\"heapUsed\"", 1e7),
        ("heapwatch_target_floor_bytes{target=\"api\",signal=\"heapUsed\"", 1e7),
        ("heapwatch_target_growth_bytes_per_second{target=\"api\"", 1e5),
        ("heapwatch_target_fit_r2{target=\"api\"", 0.5),
        ("heapwatch_target_samples{target=\"api\"", 5.0),
        ("heapwatch_target_time_to_limit_seconds{target=\"api\"", 10.0),
        ("heapwatch_target_memory_limit_bytes{target=\"api\"", 5e8),
        ("heapwatch_target_state{target=\"api\"", 1.0),
        ("heapwatch_snapshots_total{target=\"api\",result=\"stored\"", 1.0),
        ("heapwatch_snapshot_duration_seconds_count", 1.0),
        ("heapwatch_snapshot_size_bytes_sum", 1000.0),
        ("heapwatch_snapshot_budget_remaining{target=\"api\"", 0.0),
        ("heapwatch_storage_bytes", 1000.0),
        ("heapwatch_storage_free_bytes", 1e6),
        ("heapwatch_storage_gc_last_success_timestamp_seconds", 1.7e9),
        ("heapwatch_notifications_total{channel=\"hook\"", 1.0),
        ("heapwatch_notifications_failed_total{channel=\"dead\"", 1.0),
        ("heapwatch_notification_latency_seconds_count", 1.0),
        ("heapwatch_outbox_depth{channel=\"dead\"", 1.0),
        ("heapwatch_outbox_oldest_seconds{channel=\"dead\"", 0.1),
        ("heapwatch_dead_letters_total{channel=\"dead\"", 1.0),
        ("process_resident_memory_bytes", 1e6),
        ("process_cpu_seconds_total", 0.01),
        ("process_open_fds", 5.0),
    ] {
        let risen = async || sum(&scene.daemon, figure).await.filter(|risen| *risen >= least);
        wait_for(&format!("{figure} is {least} or more"), risen).await;
    }
}
