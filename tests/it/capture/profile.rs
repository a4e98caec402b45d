//! Heap profiles over the same sockets: whole, or refused with a name; and what means that a target has none.

use std::fs::File;

use heapwatch::capture::ProfileOptions;
use heapwatch::capture::download::{Capturer, Downloaded};
use heapwatch::capture::failure::{CaptureError, FailureReason};
use heapwatch::clock::Timestamp;
use heapwatch::evidence::CaptureKind;

use super::scripted::{Scripted, Step, gzip, ok, whole};
use super::{options, text_of};

const PROFILE: &str = r#"{"head":{"callFrame":{"functionName":"(root)","scriptId":"0","url":"","lineNumber":-1,
    "columnNumber":-1},"selfSize":0,"id":1,"children":[{"callFrame":{"functionName":"log","scriptId":"7",
    "url":"file:///srv/log.mjs","lineNumber":9,"columnNumber":17},"selfSize":1024,"id":2,"children":[]}]},
    "samples":[{"size":1024,"nodeId":2,"ordinal":4}]}"#;

async fn profile_of(script: Vec<Step>) -> (Result<Downloaded, CaptureError>, Vec<u8>) {
    let server = Scripted::start(script).await;
    let snapshots = options(&server);
    let options = ProfileOptions {
        url: snapshots.url,
        is_promised: false,
        credentials: snapshots.credentials,
        client: snapshots.client,
        deadlines: snapshots.deadlines,
        pair_gap: snapshots.pair_gap,
        daily_budget: 24,
        disk_reserve: snapshots.gate.disk_reserve,
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("profile");
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    let capturer = Capturer::of_profiles(options).unwrap();
    assert_eq!(capturer.kind(), CaptureKind::HeapProfile);
    let outcome = capturer.download(file, || Timestamp::from_unix_ms(0)).await;
    (outcome, std::fs::read(path).unwrap())
}

#[tokio::test]
async fn a_whole_profile_arrives_packed_or_not() {
    let packed = gzip(PROFILE.as_bytes());
    let header = ok(&format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", packed.len()));
    for script in [whole(PROFILE.as_bytes()), vec![Step::Send(header), Step::Send(packed)]] {
        let (outcome, file) = profile_of(script).await;
        let downloaded = outcome.unwrap();
        assert_eq!(file, PROFILE.as_bytes(), "byte for byte");
        assert_eq!((downloaded.node_count, downloaded.edge_count), (2, 0));
        assert_eq!(downloaded.bytes, PROFILE.len() as u64);
    }
}

#[tokio::test]
async fn what_is_no_profile_has_a_name_and_tells_whether_there_is_one() {
    let status = |line: &str| vec![Step::Send(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes())];
    let half = &PROFILE.as_bytes()[..PROFILE.len() / 2];
    // Reason; whether it says that there is no such endpoint; whether something else answers there.
    for (script, reason, is_absence, is_stranger) in [
        (status("404 Not Found"), FailureReason::Status, true, true),
        (status("405 Method Not Allowed"), FailureReason::Status, true, true),
        (status("501 Not Implemented"), FailureReason::Status, true, false),
        (status("302 Found\r\nLocation: http://127.0.0.1:1/"), FailureReason::Status, false, true),
        (status("401 Unauthorized"), FailureReason::Unauthorized, false, false),
        (status("503 Service Unavailable"), FailureReason::Status, false, false),
        (whole(b"<!DOCTYPE html>\x1b[2J<title>Shop</title>"), FailureReason::NotAProfile, false, true),
        (whole(br#"{"ok":true}"#), FailureReason::NotAProfile, false, true),
        (whole(half), FailureReason::NotAProfile, false, true),
    ] {
        let shown = format!("{script:?}");
        let error = profile_of(script).await.0.unwrap_err();
        assert_eq!(
            (error.reason(), error.is_absence(), error.is_stranger()),
            (reason, is_absence, is_stranger),
            "{shown}"
        );
        assert!(!error.may_have_killed(), "{shown}");
        assert!(text_of(&error).chars().all(|c| !c.is_control()), "{error:?}");
    }
}
