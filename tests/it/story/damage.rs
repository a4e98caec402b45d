//! A bad disk that has changed what stands within the rows of the database, where no check of its pages looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use serde_json::Value;

use super::scene::{events, home};
use super::switch::Switch;
use crate::support::polling::wait_for;
use crate::support::receiver::{Answer, Receiver};

/// The first of what a receiver took of a target and an event.
fn told(receiver: &Receiver, name: &str, event: &str) -> Option<Value> {
    let mut data = receiver.taken().into_iter().map(|request| request.json()["data"].take());
    data.find(|data| data["target"]["name"] == name && data["event"] == event)
}

#[tokio::test]
async fn a_damaged_row_is_told_and_takes_no_other_alert_with_it() {
    let (lost, kept) = (Switch::on().await, Switch::on().await);
    let is_well = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&is_well);
    let hook = Receiver::start(move |_| Answer::status(if answering.load(Ordering::SeqCst) { 204 } else { 503 })).await;
    let home = home(&[]);
    let channel = format!("[[channels]]\ntype = \"webhook\"\nname = \"hook\"\nurl = \"{}\"\n", hook.url("/hook"));
    let times = "[alerts]\nfirst_retry = \"100ms\"\nlongest_retry = \"500ms\"\n[defaults]\n";
    home.configure(&format!("{times}{channel}{}{}", lost.table("lost"), kept.table("kept")));
    let mut daemon = home.start().await;
    for (name, switch) in [("lost", &lost), ("kept", &kept)] {
        daemon.target_when(name, "it is polled", |target| target["watch"]["sample"].is_object()).await;
        switch.turn(false);
    }
    let owed = "heapwatch_outbox_depth{channel=\"hook\"}";
    wait_for("two alerts are owed", async || daemon.metric(owed).await.filter(|owed| *owed >= 2.0)).await;
    daemon.kill9();

    let database = Connection::open(daemon.home.path("state").join("heapwatch.db")).unwrap();
    let damage = "UPDATE outbox SET body = CAST(X'7BFF7D' AS TEXT)
            WHERE channel = 'hook' AND json_extract(body, '$.alert.target') = 'lost';
        UPDATE audit SET says = CAST(X'FFFE' AS TEXT) WHERE target = 'lost' AND kind = 'target_down';";
    database.execute_batch(damage).unwrap();
    drop(database);
    is_well.store(true, Ordering::SeqCst);
    daemon.start_again().await;

    wait_for("what can be read arrives", async || told(&hook, "kept", "target_down")).await;
    let trouble = wait_for("the damage is told", async || told(&hook, "heapwatch", "trouble")).await;
    assert_eq!(trouble["trouble"]["subject"], "state database");
    let why = trouble["trouble"]["why"].as_str().unwrap();
    assert!(why.contains("cannot be understood"), "{why}");
    let given_up = events(&daemon, &["--kind", "given_up"]).await;
    assert_eq!(given_up.len(), 1, "{given_up:?}");
    let down = events(&daemon, &["--target", "lost", "--kind", "target_down"]).await;
    assert_eq!(down[0]["says"], "\u{fffd}\u{fffd}", "the line is there as far as it can be read");

    daemon.kill9();
    daemon.start_again().await;
    let owes_nothing = async || daemon.metric(owed).await.filter(|owed| *owed < 1.0);
    wait_for("nothing is owed", owes_nothing).await;
    assert_eq!(events(&daemon, &["--kind", "given_up"]).await.len(), 1, "it is given up once");
}
