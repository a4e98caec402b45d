//! Clients that are slow, silent, greedy or many.

use std::time::Duration;

use heapwatch::web::{Access, Limits, Request};
use tokio::time::Instant;

use super::served::Served;
use crate::support::polling::wait_for;

/// Short enough to wait for, long enough for a busy machine.
const HEAD: Duration = Duration::from_millis(700);
const REQUEST: Duration = Duration::from_millis(1_500);

fn limits() -> Limits {
    Limits { head_timeout: HEAD, request_timeout: REQUEST, ..Limits::default() }
}

async fn served(limits: Limits) -> Served {
    Served::start(Access::default(), limits).await
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut() {
    let served = served(limits()).await;
    let mut client = served.connect().await;
    let connected = Instant::now();
    client.rest().await;
    assert!(connected.elapsed() >= HEAD, "only after its time: {:?}", connected.elapsed());
}

#[tokio::test]
async fn a_head_that_drips_is_cut() {
    let served = served(limits()).await;
    let mut client = served.connect().await;
    let began = Instant::now();
    let drip = async {
        loop {
            client.send("GET").await;
            tokio::time::sleep(HEAD / 10).await;
            if client.stream.try_read(&mut [0; 512]).is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), drip).await.expect("each drop won it more time");
    assert!(began.elapsed() >= HEAD);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_used_one_kept() {
    let served = served(limits()).await;
    let mut client = served.connect().await;
    for _ in 0..3 {
        client.send(&served.head("GET /-/healthy", &[])).await;
        assert_eq!(client.answer().await.status, 200);
    }
    let idle = Instant::now();
    assert_eq!(client.rest().await, b"", "closed without a word");
    assert!(idle.elapsed() >= HEAD / 2, "{:?}", idle.elapsed());
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let served = served(Limits::default()).await;
    let long = format!("X-Long: {}", "x".repeat(40_000));
    assert_eq!(served.ask("GET /-/healthy", &[&long]).await.status, 431);
    let many: Vec<String> = (0..200).map(|number| format!("X-{number}: x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(served.ask("GET /-/healthy", &many).await.status, 431);
    let target = format!("GET /{}", "x".repeat(70_000));
    let status = served.ask(&target, &[]).await.status;
    assert!(matches!(status, 414 | 431), "{status}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let served = served(Limits { body_limit: 1_000, ..Limits::default() }).await;
    let json = "Content-Type: application/json";
    // Nothing of it is sent: the announcement is enough.
    assert_eq!(served.ask("POST /-/reload", &[json, "Content-Length: 1001"]).await.status, 413);

    let mut client = served.connect().await;
    client.send(&served.head("POST /-/reload", &[json, "Transfer-Encoding: chunked"])).await;
    for _ in 0..3 {
        client.send(&format!("190\r\n{}\r\n", "x".repeat(400))).await;
    }
    assert_eq!(client.answer().await.status, 413);
    assert_eq!(client.rest().await, b"", "and closed, whatever else is sent");
}

#[tokio::test]
async fn a_body_that_drips_is_cut() {
    let served = served(limits()).await;
    let mut client = served.connect().await;
    client.send(&served.head("POST /-/reload", &["Content-Type: application/json", "Content-Length: 1000"])).await;
    client.send("{").await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 408, "{answer:?}");
    client.rest().await;
}

/// The dispatcher may be busy; whoever asks learns of it in time.
#[tokio::test]
async fn a_request_that_nobody_answers_ends_in_time() {
    let served = served(limits()).await;
    let answer = served.ask("GET /api/v1/events", &[]).await;
    assert_eq!((answer.status, answer.header("connection")), (503, Some("close")), "{answer:?}");
    assert_eq!(served.requests.len(), 1, "it was asked for all the same");
}

/// A reload that took longer than a request may was answered 408, and went on and came into force all the same.
#[tokio::test]
async fn what_is_done_is_waited_for() {
    let mut served = served(limits()).await;
    let mut client = served.connect().await;
    client.send(&served.head("POST /-/reload", &["Content-Type: application/json", "Content-Length: 0"])).await;
    let Some(Request::Reload { reply, .. }) = served.requests.recv().await else { panic!("no reload is asked for") };
    tokio::time::sleep(3 * REQUEST).await;
    reply.send(Ok(())).unwrap();
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_and_its_place_is_free_again() {
    const PAGE_BYTES: usize = 64 << 20;
    let served = served(Limits { max_connections: 1, ..limits() }).await;
    *served.metrics.lock().unwrap() = "x".repeat(PAGE_BYTES);
    let mut reader = served.connect().await;
    reader.send(&served.head("GET /metrics", &[])).await;
    served.metrics.lock().unwrap().clear();
    wait_for("another client is served", async || {
        let mut other = served.connect().await;
        other.send(&served.head("GET /-/healthy", &[])).await;
        (other.answer().await.status == 200).then_some(())
    })
    .await;
    let taken = reader.rest().await.len();
    assert!(taken < PAGE_BYTES, "it got all {taken} bytes");
}

#[tokio::test]
async fn too_many_connections_are_refused_until_one_ends() {
    let served = served(Limits { max_connections_per_peer: 2, ..Limits::default() }).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = served.connect().await;
        client.send(&served.head("GET /-/healthy", &[])).await;
        assert_eq!(client.answer().await.status, 200);
        kept.push(client);
    }
    let answer = served.connect().await.answer().await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    kept.pop();
    wait_for("the place is free again", async || {
        let mut client = served.connect().await;
        client.send(&served.head("GET /-/healthy", &[])).await;
        (client.answer().await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let served = served(limits()).await;
    for junk in ["\x16\x03\x01\x02\x00\x01\x00\x01", "HELO me\r\n\r\n", "GET / HTTP/1.1\r\nHost\r\n\r\n"] {
        let mut client = served.connect().await;
        client.send(junk).await;
        let said = String::from_utf8(client.rest().await).unwrap();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{junk:?}: {said}");
    }
    // Two lengths: a proxy in front may see another request than we do.
    let both = ["Content-Type: application/json", "Content-Length: 4", "Transfer-Encoding: chunked"];
    let mut client = served.connect().await;
    client
        .send(
            &(served.head("POST /api/v1/targets/nobody/rearm", &both)
                + "0\r\n\r\nGET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"),
        )
        .await;
    let said = String::from_utf8(client.rest().await).unwrap();
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
    assert_eq!(served.ask("GET /-/healthy", &[]).await.status, 200);
}
