//! The daemon over its whole life: restarts, reloads, and people who ask while targets hang.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::Instant;

use crate::support::daemon::Daemon;
use crate::support::faulty::{Faulty, Manner};
use crate::support::polling::wait_for;
use crate::support::receiver::{Answer, Receiver};

const BODY: &str = r#"{"memory":{"heapUsed":"123 MB","heapTotal":"150 MB","external":"2 MB","rss":"200 MB"}}"#;

async fn target(daemon: &Daemon, name: &str) -> Option<Value> {
    serde_json::from_str(&daemon.get(&format!("/api/v1/targets/{name}")).await?).ok()
}

/// Waits until the channel has taken so many alerts of this kind.
async fn told(channel: &Receiver, event: &str, times: usize) {
    wait_for(&format!("{event} is told, time {times}"), async || {
        let count = channel.taken().iter().filter(|alert| alert.json()["data"]["event"] == event).count();
        assert!(count <= times, "{event} was told {count} times");
        (count == times).then_some(())
    })
    .await;
}

/// A target came back while heapwatch was stopped: nothing said so, the incident stayed open on the receivers, and
/// the next outage was taken for the old one and told to nobody.
#[tokio::test]
async fn an_outage_that_ends_unseen_is_over_and_the_next_one_is_told() {
    let well = Arc::new(AtomicBool::new(false));
    let health = Arc::clone(&well);
    let answer = move || if health.load(Ordering::SeqCst) { Answer::text(200, BODY) } else { Answer::status(500) };
    let service = Receiver::start(move |_| answer()).await;
    let channel = Receiver::willing().await;
    let mut daemon = Daemon::start(&format!(
        "[[channels]]\ntype = \"webhook\"\nurl = \"{}\"\n\
         [[targets]]\nname = \"api\"\ninterval = \"200ms\"\nurl = \"{}\"\n",
        channel.url("/"),
        service.url("/")
    ))
    .await;
    told(&channel, "target_down", 1).await;

    daemon.signal(Signal::TERM);
    daemon.ended().await;
    well.store(true, Ordering::SeqCst);
    daemon.start_again().await;
    told(&channel, "target_up", 1).await;

    well.store(false, Ordering::SeqCst);
    told(&channel, "target_down", 2).await;
    assert!(daemon.stop().await.success());
}

/// People asked for pictures of a target that hangs; the dispatcher waited for its watcher, and with it every target.
#[tokio::test]
async fn questions_about_a_hanging_target_hold_up_no_other() {
    const QUESTIONS: usize = 60;
    let (hanging, well) = (Faulty::start(Manner::Hangs).await, Faulty::start(Manner::Answers(BODY.into())).await);
    let daemon = Daemon::start(&format!(
        "[[targets]]\nname = \"hanging\"\ninterval = \"31s\"\ntimeout = \"30s\"\nurl = \"{}\"\n\
         [[targets]]\nname = \"well\"\ninterval = \"1s\"\nurl = \"{}\"\n",
        hanging.url(""),
        well.url("")
    ))
    .await;
    wait_for("the hanging target is asked", async || (hanging.requests() > 0).then_some(())).await;

    let asked = Instant::now();
    let question = || Box::pin(daemon.get("/api/v1/targets/hanging/picture"));
    let answers = futures_util::future::join_all((0..QUESTIONS).map(|_| question())).await;
    assert!(answers.iter().all(Option::is_some), "what is known is told while the target hangs");
    wait_for("a picture of the other target", async || daemon.get("/api/v1/targets/well/picture").await).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_reload_shows_on_the_status_page() {
    let service = Faulty::start(Manner::Answers(BODY.into())).await;
    let tables = |path: &str, team: &str| {
        format!(
            "[[targets]]\nname = \"api\"\ninterval = \"500ms\"\nurl = \"{}\"\nlabels = {{ team = \"{team}\" }}\n",
            service.url(path)
        )
    };
    let daemon = Daemon::start(&tables("/old", "a")).await;
    let polls = async || target(&daemon, "api").await?["watch"]["polls"].as_u64();
    let before = wait_for("it is polled", async || polls().await.filter(|polls| *polls > 0)).await;
    daemon.home.configure(&tables("/new", "b"));
    daemon.reload().await.unwrap();
    let shown = target(&daemon, "api").await.unwrap();
    assert_eq!(shown["url"], service.url("/new/health/debug"));
    assert_eq!(shown["labels"]["team"], "b");
    assert!(shown["watch"]["polls"].as_u64() >= Some(before), "what the polls saw is kept");
}
