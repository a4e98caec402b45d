//! Captures over real sockets: what arrives whole is stored whole, and everything else has a name.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod profile;
pub(crate) mod scripted;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use heapwatch::capture::download::{Capturer, Downloaded};
use heapwatch::capture::failure::{CaptureError, FailureReason, Phase};
use heapwatch::capture::{Deadlines, GateOptions, Options};
use heapwatch::clock::Timestamp;
use heapwatch::http::{ClientOptions, Credentials};
use heapwatch::units::ByteSize;
use scripted::{NODE, Scripted, Step, TAIL, chunked, gzip, head, ok, snapshot, whole};
use sha2::{Digest, Sha256};
use url::Url;

use crate::child;

/// Long enough to never pass in these tests.
const AMPLE: Duration = Duration::from_mins(1);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(200);

fn options(server: &Scripted) -> Options {
    Options {
        url: Url::parse(&format!("http://{}/admin/heap-snapshot?token=hunter2", server.address)).unwrap(),
        credentials: Credentials::Bearer("hunter2".into()),
        client: Arc::new(ClientOptions::default()),
        gate: GateOptions::default(),
        deadlines: Deadlines { first_byte: AMPLE, idle: AMPLE, total: AMPLE, max_bytes: ByteSize::mib(256) },
        pair_gap: Duration::from_mins(30),
        baseline: false,
    }
}

async fn capture(options: Options) -> (Result<Downloaded, CaptureError>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("snapshot");
    let clock = || Timestamp::from_unix_ms(0);
    let outcome = Capturer::new(options).unwrap().download(File::create(&path).unwrap(), clock).await;
    (outcome, std::fs::read(path).unwrap())
}

async fn capture_of(script: Vec<Step>) -> (Result<Downloaded, CaptureError>, Vec<u8>) {
    let server = Scripted::start(script).await;
    capture(options(&server)).await
}

async fn failure_of(script: Vec<Step>) -> CaptureError {
    let error = capture_of(script).await.0.unwrap_err();
    let chain = text_of(&error);
    assert!(!chain.contains("hunter2"), "no secret in {chain}");
    error
}

/// With everything that is behind it.
fn text_of(error: &CaptureError) -> String {
    heapwatch::errors::one_line(error)
}

async fn hurried(script: Vec<Step>, deadlines: impl FnOnce(&mut Deadlines)) -> CaptureError {
    let server = Scripted::start(script).await;
    let mut options = options(&server);
    deadlines(&mut options.deadlines);
    capture(options).await.0.unwrap_err()
}

fn check(downloaded: &Downloaded, file: &[u8], body: &[u8]) {
    assert!(file == body, "the file is the snapshot, byte for byte");
    assert_eq!(downloaded.bytes, body.len() as u64);
    assert_eq!(downloaded.node_count, 1_000);
    let digest = Sha256::digest(body);
    let hex: String = digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_eq!(downloaded.sha256, hex);
}

#[tokio::test]
async fn a_whole_snapshot_arrives_however_it_is_sent() {
    let body = snapshot(1_000);
    let packed = gzip(&body);
    let two_members = [gzip(&body[..500]), gzip(&body[500..])].concat();
    let gzip_header = |length: usize| ok(&format!("Content-Encoding: gzip\r\nContent-Length: {length}\r\n"));
    let scripts = [
        ("with its length", whole(&body), body.len()),
        (
            "in chunks",
            vec![Step::Send(ok("Transfer-Encoding: chunked\r\n")), Step::Send(chunked(&body, 7))],
            body.len(),
        ),
        (
            "until the connection closes",
            vec![Step::Send(ok("Connection: close\r\n")), Step::Send(body.clone())],
            body.len(),
        ),
        ("as gzip", vec![Step::Send(gzip_header(packed.len())), Step::Send(packed.clone())], packed.len()),
        (
            "as gzip in two members",
            vec![Step::Send(gzip_header(two_members.len())), Step::Send(two_members.clone())],
            two_members.len(),
        ),
        (
            "as gzip in chunks",
            vec![
                Step::Send(ok("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")),
                Step::Send(chunked(&packed, 3)),
            ],
            packed.len(),
        ),
    ];
    for (how, script, wire_bytes) in scripts {
        let (outcome, file) = capture_of(script).await;
        let downloaded = outcome.unwrap_or_else(|error| panic!("{how}: {error}"));
        check(&downloaded, &file, &body);
        assert_eq!(downloaded.wire_bytes, wire_bytes as u64, "{how}");
    }
}

#[tokio::test]
async fn the_request_carries_its_credentials_and_asks_for_what_we_can_read() {
    let server = Scripted::start(whole(&snapshot(1))).await;
    capture(options(&server)).await.0.unwrap();
    let requests = server.requests.lock().unwrap().clone();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(request.starts_with("GET /admin/heap-snapshot?token=hunter2 HTTP/1.1"), "{request}");
    assert!(request.contains("authorization: Bearer hunter2"), "{request}");
    assert!(request.contains("accept-encoding: gzip, identity;q=0.5"), "{request}");
}

#[tokio::test]
async fn an_answer_that_is_no_snapshot_has_a_name() {
    let status = |line: &str| vec![Step::Send(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes())];
    for (script, reason) in [
        (status("401 Unauthorized"), FailureReason::Unauthorized),
        (status("403 Forbidden"), FailureReason::Unauthorized),
        (status("404 Not Found"), FailureReason::Status),
        (status("302 Found\r\nLocation: http://127.0.0.1:1/"), FailureReason::Status),
        (status("500 Oops"), FailureReason::Status),
        (status("204 No Content"), FailureReason::Status),
        (whole(b"<!DOCTYPE html><title>Sign in</title>"), FailureReason::NotASnapshot),
        (whole(b"{\"error\":\"heap snapshots are off\"}"), FailureReason::NotASnapshot),
        (whole(b""), FailureReason::NotWhole),
        (
            vec![Step::Send(ok("Content-Encoding: br\r\nContent-Length: 3\r\n")), Step::Send(vec![1, 2, 3])],
            FailureReason::Encoding,
        ),
        (
            vec![
                Step::Send(ok("Content-Encoding: gzip\r\nContent-Length: 99\r\n")),
                Step::Send(b"no gzip, ".repeat(11)),
            ],
            FailureReason::Encoding,
        ),
        (vec![Step::Send(b"220 smtp.example.com ESMTP\r\n".to_vec())], FailureReason::Broken),
    ] {
        let shown = format!("{script:?}");
        assert_eq!(failure_of(script).await.reason(), reason, "{shown}");
    }
}

#[tokio::test]
async fn a_page_of_a_hostile_target_is_shown_without_control_characters() {
    let error = failure_of(whole(b"<html>\x1b[2J\r\nforged log line")).await;
    assert_eq!(error.reason(), FailureReason::NotASnapshot);
    assert!(error.to_string().chars().all(|c| !c.is_control()), "{error:?}");
}

#[tokio::test]
async fn every_way_to_end_early_is_noticed() {
    let body = snapshot(1_000);
    let (half, packed) = (body.len() / 2, gzip(&body));
    let announced = |length: usize| Step::Send(ok(&format!("Content-Length: {length}\r\n")));
    let part = || Step::Send(body[..half].to_vec());
    let broken_chunks = || {
        let chunks = chunked(&body[..half], 100);
        vec![Step::Send(ok("Transfer-Encoding: chunked\r\n")), Step::Send(chunks[..chunks.len() - 5].to_vec())]
    };
    for (how, script, reason) in [
        ("closed before its length", vec![announced(body.len()), part()], FailureReason::Broken),
        ("reset", vec![announced(body.len()), part(), Step::Reset], FailureReason::Broken),
        ("closed within the chunks", broken_chunks(), FailureReason::Broken),
        ("a length that is that of half a snapshot", whole(&body[..half]), FailureReason::NotWhole),
        ("all but the last byte", whole(&body[..body.len() - 1]), FailureReason::NotWhole),
        ("closed without any length", vec![Step::Send(ok("Connection: close\r\n")), part()], FailureReason::NotWhole),
        ("bytes after the end", whole(&[&body[..], b"}"].concat()), FailureReason::NotWhole),
        (
            "half a gzip stream",
            {
                let mut script = whole(&packed[..packed.len() / 2]);
                script[0] =
                    Step::Send(ok(&format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", packed.len() / 2)));
                script
            },
            FailureReason::NotWhole,
        ),
    ] {
        let error = failure_of(script).await;
        assert_eq!(error.reason(), reason, "{how}: {error}");
        assert!(error.may_have_killed(), "{how}");
    }
}

#[tokio::test]
async fn a_target_that_dies_of_the_request_is_told_from_one_that_is_not_there() {
    let error = failure_of(vec![Step::Reset]).await;
    assert!(matches!(error, CaptureError::NoAnswer(_)) && error.may_have_killed(), "{error:?}");
    let server = Scripted::start(Vec::new()).await;
    let mut options = options(&server);
    // A port that was free a moment ago; nothing listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    options.url.set_port(Some(free)).unwrap();
    let error = capture(options).await.0.unwrap_err();
    assert!(matches!(error, CaptureError::Connect(_)) && !error.may_have_killed(), "{error:?}");
}

#[tokio::test]
async fn each_wait_has_a_deadline_of_its_own() {
    let body = snapshot(1_000);
    let headers = || Step::Send(ok(&format!("Content-Length: {}\r\n", body.len())));
    let begun = || vec![headers(), Step::Send(body[..500].to_vec()), Step::Hang];
    let phase_of = |error| match error {
        CaptureError::Timeout { phase, allowed } => (phase, allowed),
        other => panic!("{other:?}"),
    };
    let error = hurried(vec![Step::Hang], |deadlines| deadlines.first_byte = SHORT).await;
    // The wait for the status line includes connecting, which takes up to five seconds more.
    assert_eq!(phase_of(error), (Phase::FirstByte, SHORT), "no status line");
    let error = hurried(vec![headers(), Step::Hang], |deadlines| deadlines.first_byte = SHORT).await;
    assert_eq!(phase_of(error), (Phase::FirstByte, SHORT), "headers alone are no byte of a snapshot");
    let error = hurried(begun(), |deadlines| deadlines.idle = SHORT).await;
    assert_eq!(phase_of(error), (Phase::NextByte, SHORT));
    let error = hurried(begun(), |deadlines| deadlines.total = SHORT).await;
    assert_eq!(phase_of(error), (Phase::Total, SHORT));
}

#[tokio::test]
async fn a_trickle_ends_at_the_total_deadline() {
    let trickle = Step::Trickle(NODE.as_bytes().to_vec(), Duration::from_millis(5));
    let script = vec![Step::Send(ok("Connection: close\r\n")), Step::Send(head(1 << 40).into_bytes()), trickle];
    let error = hurried(script, |deadlines| deadlines.total = SHORT * 2).await;
    assert!(matches!(error, CaptureError::Timeout { phase: Phase::Total, .. }), "{error:?}");
}

#[tokio::test]
async fn the_cap_counts_announced_endless_and_unpacked_bytes() {
    let small = |deadlines: &mut Deadlines| deadlines.max_bytes = ByteSize::new(100_000);
    let announced = vec![Step::Send(ok("Content-Length: 100001\r\n")), Step::Hang];
    let rows = format!(",{NODE}").repeat(100).into_bytes();
    let begin = format!("{}{NODE}", head(1 << 40));
    let endless = vec![
        Step::Send(ok("Connection: close\r\n")),
        Step::Send(begin.clone().into_bytes()),
        Step::Repeat(rows.clone(), u64::MAX),
    ];
    let bomb = gzip(&[begin.as_bytes(), &rows.repeat(1_000)].concat());
    assert!(bomb.len() < 100_000, "the packed bytes alone are under the cap");
    let mut bomb_script = whole(&bomb);
    bomb_script[0] = Step::Send(ok(&format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", bomb.len())));
    for script in [announced, endless, bomb_script] {
        let error = hurried(script, small).await;
        assert!(matches!(error, CaptureError::TooLarge { limit } if limit == ByteSize::new(100_000)), "{error:?}");
    }
}

#[tokio::test]
async fn the_wait_for_the_first_byte_is_measured_apart() {
    let server = Scripted::start(whole(&snapshot(1))).await;
    let ticks = std::sync::atomic::AtomicI64::new(0);
    // Each look at this clock is a second after the one before: request, first byte, end.
    let clock = || Timestamp::from_unix_ms(1_000 * ticks.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
    let file = tempfile::tempfile().unwrap();
    let downloaded = Capturer::new(options(&server)).unwrap().download(file, clock).await.unwrap();
    assert_eq!((downloaded.first_byte, downloaded.total), (Duration::from_secs(1), Duration::from_secs(2)));
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_our_trouble_and_not_the_targets() {
    let server = Scripted::start(whole(&snapshot(1_000))).await;
    let full = File::options().write(true).open("/dev/full").unwrap();
    let clock = || Timestamp::from_unix_ms(0);
    let error = Capturer::new(options(&server)).unwrap().download(full, clock).await.unwrap_err();
    assert!(matches!(error, CaptureError::Disk(_)) && !error.may_have_killed(), "{error:?}");
}

#[test]
fn a_large_body_takes_constant_memory() {
    child::must_pass(child::test_alone("capture::capture_of_32_mib_in_a_small_process", "exec \"$@\""));
}

/// Half of it is in flight at most: the rest would show in the peak.
#[tokio::test]
#[ignore = "runs alone, from a_large_body_takes_constant_memory"]
async fn capture_of_32_mib_in_a_small_process() {
    const ROWS_A_PART: u32 = 4_096;
    const PARTS: u32 = 512;
    let rows: String = (0..ROWS_A_PART).map(|_| [NODE, ","].concat()).collect();
    let script = vec![
        Step::Send(ok("Connection: close\r\n")),
        Step::Send(head(u64::from(ROWS_A_PART * PARTS) + 1).into_bytes()),
        Step::Repeat(rows.into_bytes(), PARTS.into()),
        Step::Send(format!("{NODE}{TAIL}").into_bytes()),
    ];
    // A first, small capture loads all code and makes all pools.
    capture_of(whole(&snapshot(1_000))).await.0.unwrap();
    let server = Scripted::start(script).await;
    let before = child::peak_resident();
    let file = tempfile::tempfile().unwrap();
    let clock = || Timestamp::from_unix_ms(0);
    let downloaded = Capturer::new(options(&server)).unwrap().download(file, clock).await.unwrap();
    let grown = child::peak_resident() - before;
    assert!(downloaded.bytes > 30 << 20, "{}", downloaded.bytes);
    assert!(grown < 12 << 20, "the peak grew by {}", ByteSize::new(grown));
}
