//! Polls over real sockets: every fault is a failure with a reason, and none outlasts its deadline or cap.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use heapwatch::clock::Timestamp;
use heapwatch::errors::one_line;
use heapwatch::http::{ClientOptions, Credentials};
use heapwatch::probe::{Options, ProbeError, Prober, Reading, Reason, Stage};
use heapwatch::units::ByteSize;
use tokio::time::Instant;

use crate::support::certificates::Authority;
use crate::support::faulty::{Faulty, Manner, nobody};
use crate::support::polling::wait_for;

const BODY: &str = r#"{"memory":{"heapUsed":"123 MB","rss":200000000}}"#;
const PATH: &str = "/health/debug?key=secret";

fn options(url: &str) -> Options {
    Options {
        url: url.parse().unwrap(),
        credentials: Credentials::None,
        client: Arc::new(ClientOptions { connect_timeout: Duration::from_secs(2), ..ClientOptions::default() }),
        rest: Duration::from_secs(90),
        timeout: Duration::from_secs(10),
        body_limit: ByteSize::mib(1),
        format: heapwatch::probe::Format::Json,
        pointers: BTreeMap::new(),
        gauges: Vec::new(),
    }
}

fn prober(server: &Faulty) -> Prober {
    Prober::new(options(&server.url(PATH))).unwrap()
}

async fn failure_of(manner: Manner) -> ProbeError {
    let server = Faulty::start(manner).await;
    prober(&server).probe().await.expect_err("the target fails")
}

fn heap_used(reading: Reading) -> Option<u64> {
    reading.into_sample(Timestamp::from_unix_ms(0)).heap_used
}

#[tokio::test]
async fn a_good_target_is_read_over_one_connection() {
    for manner in [Manner::Answers(BODY.into()), Manner::AnswersGzip(BODY.into())] {
        let server = Faulty::start(manner).await;
        let mut prober = prober(&server);
        for _ in 0..3 {
            assert_eq!(heap_used(prober.probe().await.unwrap()), Some(123 << 20));
        }
        assert_eq!((server.connections(), server.requests()), (1, 3));
        assert!(server.last_head().starts_with("GET /health/debug?key=secret HTTP/1.1\r\n"), "{}", server.last_head());
    }
}

#[tokio::test]
async fn who_keeps_nothing_says_so_and_opens_a_connection_for_each_poll() {
    let servers =
        [Faulty::start(Manner::Answers(BODY.into())).await, Faulty::start(Manner::Answers(BODY.into())).await];
    let mut probers = servers
        .each_ref()
        .map(|server| Prober::new(Options { rest: Duration::ZERO, ..options(&server.url(PATH)) }).unwrap());
    for _ in 0..3 {
        for (server, prober) in servers.iter().zip(&mut probers) {
            assert_eq!(heap_used(prober.probe().await.unwrap()), Some(123 << 20));
            assert!(server.last_head().to_lowercase().contains("\r\nconnection: close\r\n"), "{}", server.last_head());
        }
    }
    for server in &servers {
        assert_eq!((server.connections(), server.requests()), (3, 3));
    }
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_no_failed_poll() {
    let server = Faulty::start(Manner::ClosesIdle { json: BODY.into(), after: Duration::from_millis(5) }).await;
    let mut prober = prober(&server);
    for turn in 1..=20 {
        prober.probe().await.unwrap();
        wait_for("the server closes", async || (server.closed() == turn).then_some(())).await;
    }
    assert_eq!(server.connections(), 20);
}

/// The race that the closing of idle connections leaves open: the request is on its way while the target closes.
#[tokio::test]
async fn a_kept_connection_that_closes_on_the_request_is_asked_anew_at_once() {
    let server = Faulty::start(Manner::ClosesOnSecondRequest(BODY.into())).await;
    let mut prober = prober(&server);
    for _ in 0..4 {
        prober.probe().await.unwrap();
    }
    assert_eq!(
        (server.connections(), server.requests()),
        (4, 6),
        "two polls met a closing connection, and that was enough"
    );
    assert!(server.last_head().to_lowercase().contains("\r\nconnection: close\r\n"), "{}", server.last_head());
}

/// Node says how long it waits for the next request of a connection.
#[tokio::test]
async fn a_connection_that_is_announced_to_end_is_not_kept() {
    for (seconds, connections) in [(4, 4), (5, 4), (6, 1)] {
        let announced = Manner::Announces { json: BODY.into(), keep_alive: format!("timeout={seconds}, max=100") };
        let server = Faulty::start(announced).await;
        let mut options = options(&server.url(PATH));
        options.rest = Duration::from_secs(5);
        let mut prober = Prober::new(options).unwrap();
        for _ in 0..4 {
            prober.probe().await.unwrap();
        }
        assert_eq!((server.connections(), server.requests()), (connections, 4), "{seconds} s");
        let says_close = server.last_head().to_lowercase().contains("\r\nconnection: close\r\n");
        assert_eq!(says_close, connections > 1, "{}", server.last_head());
    }
}

/// Bytes that nobody asked for would be taken for the answer to the next poll.
#[tokio::test]
async fn a_connection_that_talks_out_of_turn_is_not_used_again() {
    const ONE_TOO_MANY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{\"heapUsed\":1000}\nHTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"heapUsed\":6666}";
    let server = Faulty::start(Manner::SaysAndStays(ONE_TOO_MANY)).await;
    let mut prober = prober(&server);
    for _ in 0..3 {
        assert_eq!(heap_used(prober.probe().await.unwrap()), Some(1_000));
    }
    assert_eq!((server.connections(), server.requests()), (3, 3));
}

/// An answer of 500 leaves a kept connection behind, too; a recovered target must not fail one poll more for it.
#[tokio::test]
async fn a_kept_connection_may_come_from_a_failed_poll() {
    let server = Faulty::start(Manner::RefusesThenCloses(503)).await;
    let mut prober = prober(&server);
    for _ in 0..3 {
        assert_eq!(prober.probe().await.unwrap_err().reason(), Reason::Status);
    }
    assert_eq!((server.connections(), server.requests()), (3, 5));
}

#[tokio::test]
async fn a_new_connection_that_closes_is_a_failed_poll() {
    let server = Faulty::start(Manner::ClosesUnanswered).await;
    let mut prober = prober(&server);
    for polls in 1..=2 {
        assert_eq!(prober.probe().await.unwrap_err().reason(), Reason::Broken);
        assert_eq!(server.requests(), polls, "asked once");
    }
}

#[tokio::test]
async fn every_fault_has_its_reason() {
    for (manner, reason) in [
        (Manner::EndlessBody, Reason::TooLarge),
        (Manner::GzipBomb(8 << 20), Reason::TooLarge),
        (Manner::EndlessHead, Reason::Broken),
        (Manner::Truncates, Reason::Broken),
        (Manner::Says(b"SSH-2.0-OpenSSH_9.2\r\n"), Reason::Broken),
        (Manner::Says(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\nnot gzip at all"), Reason::Broken),
        (Manner::Says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), Reason::Broken),
        (Manner::Says(b"HTTP/1.1 204 No Content\r\n\r\n"), Reason::NotJson),
        (Manner::Says(b"HTTP/1.1 200 OK\r\n\r\n<!DOCTYPE html><html>"), Reason::NotJson),
        (Manner::Answers(r#"{"status":"ok"}"#.into()), Reason::NoMemoryFields),
        (Manner::Answers(r#"{"heapUsed":-1}"#.into()), Reason::AbsurdNumber),
        (Manner::Answers(r#"[{"heapUsed":1},{"heapUsed":2}]"#.into()), Reason::SeveralProcesses),
        (Manner::Refuses(401, "who are you?"), Reason::Status),
        (Manner::Refuses(500, "oops"), Reason::Status),
        (Manner::Redirects("/login".into()), Reason::Redirected),
    ] {
        let failure = failure_of(manner.clone()).await;
        assert_eq!(failure.reason(), reason, "{manner:?}: {}", one_line(&failure));
        assert!(!one_line(&failure).contains("secret"), "the query may be a secret: {}", one_line(&failure));
    }
}

#[tokio::test]
async fn an_endless_body_is_hung_up_on() {
    let server = Faulty::start(Manner::EndlessBody).await;
    let failure = prober(&server).probe().await.unwrap_err();
    assert!(matches!(failure, ProbeError::TooLarge { limit_bytes: 1_048_576 }));
    wait_for("the client hangs up", async || (server.closed() == 1).then_some(())).await;
}

#[tokio::test]
async fn each_deadline_names_its_stage() {
    let certificates = Authority::new("never used");
    for (manner, scheme, stage) in [
        (Manner::Hangs, "https", Stage::Connecting),
        (Manner::Hangs, "http", Stage::Waiting),
        (Manner::HangsInBody, "http", Stage::Reading),
        (Manner::Trickles(Duration::from_millis(10)), "http", Stage::Reading),
    ] {
        let server = Faulty::start(manner.clone()).await;
        let mut options = options(&server.url(PATH).replace("http:", &format!("{scheme}:")));
        Arc::make_mut(&mut options.client).ca_pem = Some(certificates.pem().into_bytes());
        Arc::make_mut(&mut options.client).connect_timeout = Duration::from_millis(100);
        options.timeout = Duration::from_millis(300);
        let began = Instant::now();
        let failure = Prober::new(options).unwrap().probe().await.unwrap_err();
        assert!(matches!(failure, ProbeError::Timeout(at) if at == stage), "{manner:?}: {failure:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{manner:?} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn who_is_not_there_is_refused_or_unknown() {
    for (url, reason) in [(nobody().await, Reason::Refused), ("http://no..name/".to_owned(), Reason::Dns)] {
        let failure = Prober::new(options(&url)).unwrap().probe().await.unwrap_err();
        assert_eq!(failure.reason(), reason, "{url}: {}", one_line(&failure));
    }
}

#[tokio::test]
async fn a_failed_connection_is_told_in_the_words_of_whoever_knows() {
    for (url, told) in [
        (nobody().await, "connection refused".to_owned()),
        (
            "http://no..name/".to_owned(),
            "cannot resolve the host name: failed to lookup address information".to_owned(),
        ),
    ] {
        let failure = Prober::new(options(&url)).unwrap().probe().await.unwrap_err();
        let line = one_line(&failure);
        assert!(line.starts_with(&told), "{line}");
        // Those are the layers of the client, which know nothing.
        assert!(!line.contains("error sending request") && !line.contains("client error"), "{line}");
    }
}

#[tokio::test]
async fn errors_tell_what_the_target_said_and_nothing_more() {
    let failure = failure_of(Manner::Refuses(503, "\u{1b}[2Jdown\r\nfor repair")).await;
    assert_eq!(one_line(&failure), "answered with status 503: [2Jdown for repair");
    let failure = failure_of(Manner::Redirects("https://user:word@login.example.com/in?token=abc#top".into())).await;
    assert_eq!(
        one_line(&failure),
        "answered with status 302, a redirect to `https://login.example.com/in`, which is not followed"
    );
    let failure = failure_of(Manner::Says(b"HTTP/1.1 500 Oops\r\ncontent-length: 9999\r\n\r\nstill writing")).await;
    assert_eq!(one_line(&failure), "answered with status 500: still writing");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Faulty::start(Manner::Answers(BODY.into())).await;
    let failure = failure_of(Manner::Redirects(elsewhere.url("/"))).await;
    assert_eq!(failure.reason(), Reason::Redirected);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn credentials_and_headers_are_sent() {
    for (credentials, authorization) in [
        (Credentials::Bearer("s3cret".into()), "Bearer s3cret"),
        (Credentials::Basic { user: "u".into(), password: "p".into() }, "Basic dTpw"),
    ] {
        let server = Faulty::start(Manner::Guards { authorization: authorization.into(), json: BODY.into() }).await;
        let mut options = options(&server.url(PATH));
        let denied = Prober::new(options.clone()).unwrap().probe().await.unwrap_err();
        assert!(matches!(denied, ProbeError::Status { code: 401, .. }), "{denied:?}");
        options.credentials = credentials;
        Arc::make_mut(&mut options.client).headers = vec![("X-Scope".into(), "memory".into())];
        Prober::new(options).unwrap().probe().await.unwrap();
        assert!(server.last_head().contains("x-scope: memory\r\n"), "{}", server.last_head());
    }
}

#[tokio::test]
async fn only_trusted_certificates_for_the_right_name_are_accepted() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    for (trusted, host, is_good) in [
        (Some(&ours), "127.0.0.1", true),
        (Some(&other), "127.0.0.1", false),
        (None, "127.0.0.1", false),
        (Some(&ours), "elsewhere.example", false),
    ] {
        let server = Faulty::start_tls(Manner::Answers(BODY.into()), ours.acceptor(host)).await;
        let mut options = options(&server.url(PATH));
        Arc::make_mut(&mut options.client).ca_pem = trusted.map(|authority| authority.pem().into_bytes());
        let outcome = Prober::new(options).unwrap().probe().await;
        match outcome {
            Ok(reading) => assert!(is_good, "{reading:?}"),
            Err(failure) => assert!(!is_good && failure.reason() == Reason::Tls, "{host}: {}", one_line(&failure)),
        }
    }
}

#[tokio::test]
async fn a_client_certificate_opens_the_door_that_asks_for_one() {
    let authority = Authority::new("ours");
    let server = Faulty::start_tls(Manner::Answers(BODY.into()), authority.demanding_acceptor("127.0.0.1")).await;
    let mut options = options(&server.url(PATH));
    Arc::make_mut(&mut options.client).ca_pem = Some(authority.pem().into_bytes());
    let failure = Prober::new(options.clone()).unwrap().probe().await.unwrap_err();
    assert_eq!(failure.reason(), Reason::Tls, "{}", one_line(&failure));
    Arc::make_mut(&mut options.client).identity_pem = Some(authority.client_pem().into());
    Prober::new(options).unwrap().probe().await.unwrap();
}

#[tokio::test]
async fn a_plain_server_is_no_tls_server() {
    let server = Faulty::start(Manner::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let url = server.url(PATH).replace("http:", "https:");
    let failure = Prober::new(options(&url)).unwrap().probe().await.unwrap_err();
    assert_eq!(failure.reason(), Reason::Tls, "{}", one_line(&failure));
}
