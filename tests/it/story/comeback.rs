//! A target that leaves the configuration and comes back.

use serde_json::Value;

use super::pretender::Pretender;
use super::scene::{Scene, tables, target};
use crate::support::polling::wait_for;

/// Its incident is closed when it leaves. When it comes back and leaks still, somebody must be called again, under a new
/// episode: the old one is closed on the receivers.
#[tokio::test]
async fn a_leak_that_comes_back_with_its_target_is_told_again() {
    let (leaking, steady) = (Pretender::leaking([]).await, Pretender::steady().await);
    let (api, other) = (target("api", &leaking.url(), ""), target("other", &steady.url(), ""));
    let scene = Scene::start(&format!("{other}{api}"), &[]).await;
    let first = scene.hear("api", "leak_confirmed").await;
    scene.daemon.home.configure(&tables(&scene.receiver, &other));
    scene.daemon.reload().await.unwrap();
    let closed = scene.hear("api", "no_longer_watched").await;
    assert_eq!(closed["incident"], first["incident"]);
    assert_eq!(scene.daemon.target("api").await, Value::Null);

    scene.daemon.home.configure(&tables(&scene.receiver, &format!("{other}{api}")));
    scene.daemon.reload().await.unwrap();
    let again = async || scene.heard("api", "leak_confirmed").into_iter().nth(1);
    let second = wait_for("it is told again", again).await;
    assert_ne!(second["episode"], first["episode"]);
    assert_ne!(second["incident"], first["incident"]);
}
