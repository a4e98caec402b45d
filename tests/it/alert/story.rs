//! One leak as the policy tells it, and senders of it.

use std::collections::BTreeMap;
use std::time::Duration;

use heapwatch::alert::channel::{Delivery, Origin, Sender};
use heapwatch::alert::message::{Alert, Culprit, News, Severity, StoredSnapshot};
use heapwatch::alert::policy::{Fact, Options, TargetAlerts};
use heapwatch::alert::{Channel, ChannelKind, WebhookFormat};
use heapwatch::clock::Timestamp;
use heapwatch::evidence::{CaptureKind, Evidence};
use heapwatch::http::ClientOptions;
use heapwatch::leak::event::{Change, LeakEvent, PairPart, Resolution, RestartCause};
use heapwatch::leak::verdict::Growth;
use heapwatch::sample::Signal;
use heapwatch::target::{Life, TargetName};
use heapwatch::units::ByteRate;
use url::Url;

/// 2026-11-22T10:24:31Z.
pub(super) const NOW_SECONDS: i64 = 1_795_343_071;
pub(super) const NOW: Timestamp = Timestamp::from_unix_ms(NOW_SECONDS * 1000);
pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(super) const ROUTING_KEY: &str = "R0123456789ABCDEF0123456789ABCDE";

pub(super) fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// Everything that is said of `target` from its suspicion to its resolution, with hostile names from its heap.
pub(super) fn story(target: &str) -> Vec<Alert> {
    let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned()), ("9-team".to_owned(), "<pay>".to_owned())]);
    let mut state = TargetAlerts::new(TargetName::new(target).unwrap(), labels);
    facts().into_iter().flat_map(|fact| state.observe(fact, &Options::default())).collect()
}

/// The alert of [`story`] with this kind.
pub(super) fn one(kind: &str) -> Alert {
    story("checkout-api").into_iter().find(|alert| alert.news.kind() == kind).expect("the story has every kind")
}

fn facts() -> Vec<Fact> {
    let (signal, growth) = (Signal::HeapUsed, growth());
    let change =
        |seconds, change| Fact::Detector { event: LeakEvent { at: after(seconds), change }, refusals: Vec::new() };
    let ended = Life { number: 1, began: NOW, pid: Some(17) };
    let began = Life { number: 2, began: after(7_200), pid: Some(23) };
    vec![
        change(0, Change::LeakSuspected { signal, growth, reasons: Vec::new() }),
        change(60, Change::LeakConfirmed { signal, growth, reasons: Vec::new() }),
        Fact::Skipped { at: after(61), part: PairPart::First, refusals: vec!["needs room".to_owned()], advice: vec![] },
        Fact::Stored { at: after(158), snapshot: snapshot(PairPart::First, 120) },
        Fact::Stored { at: after(1_958), snapshot: snapshot(PairPart::Second, 1_920) },
        Fact::Analysed { at: after(2_000), culprits: vec![culprit()] },
        Fact::Down { at: after(7_100), why: "connection\r\nrefused".to_owned(), failed_polls: 3 },
        Fact::Up { at: after(7_190), down: Duration::from_secs(90) },
        change(7_200, Change::Restarted { ended, began, cause: RestartCause::AtMemoryLimit, kills_this_week: 3 }),
        change(9_000, Change::StillLeaking { signal, growth }),
        Fact::Failed {
            at: after(9_100),
            kind: CaptureKind::HeapSnapshot,
            part: PairPart::First,
            why: "404".to_owned(),
            disarmed: false,
        },
        Fact::NotAnalysed { at: after(9_200), why: "damaged".to_owned() },
        change(90_000, Change::LeakResolved { signal, resolution: resolution() }),
    ]
}

fn growth() -> Growth {
    Growth {
        slope: ByteRate::per_hour(52_428_800.0),
        r2: Some(0.97),
        from_bytes: 120 << 20,
        to_bytes: 195 << 20,
        since: NOW.minus(Duration::from_mins(90)),
        until: NOW,
        limit_bytes: Some(512 << 20),
        limit_in_seconds: Some(22_824.0),
    }
}

fn snapshot(part: PairPart, seconds: u64) -> StoredSnapshot {
    let path = format!("/var/lib/heapwatch/checkout-api/{seconds}.heapsnapshot.zst");
    StoredSnapshot { path, part, at: after(seconds), bytes: 48 << 20, sha256: "9f".repeat(32), seconds: 38.2 }
}

fn culprit() -> Culprit {
    let hostile = "</div><!channel> {{x}} \u{202e}\u{1b}[31m \"'\\ ".repeat(200);
    Culprit {
        headline: format!("+1000 closures {hostile}"),
        class: hostile.clone(),
        function: Some(hostile.clone()),
        location: Some("/srv/app/middleware.js:12:9".to_owned()),
        held_by: hostile,
        count_delta: 1000,
        retained_delta: 164_480,
        share_of_growth: 0.92,
        evidence: Evidence::SnapshotPair,
        callers: Vec::new(),
    }
}

fn resolution() -> Resolution {
    Resolution {
        confirmed: after(60),
        before_from_bytes: 80 << 20,
        before_to_bytes: 480 << 20,
        before_seconds: 28_800.0,
        after_from_bytes: 80 << 20,
        after_to_bytes: 120 << 20,
        after_seconds: 172_800.0,
        says: "80 to 480 MiB in 8 h before; 80 to 120 MiB over 48 h after: fix held".to_owned(),
    }
}

/// A trouble-free alert that opens an incident of its own.
pub(super) fn gauge(name: &str, exceeded: bool) -> Alert {
    let mut alert = one("leak_confirmed");
    alert.episode = None;
    alert.id = format!("hw_{name}_{exceeded}");
    alert.news = News::Gauge { gauge: name.to_owned(), value: 2.0, maximum: 1.0, exceeded };
    alert
}

pub(super) fn sender(kind: ChannelKind) -> Sender {
    sender_with_timeout(kind, Duration::from_secs(10))
}

pub(super) fn sender_with_timeout(kind: ChannelKind, timeout: Duration) -> Sender {
    let channel = Channel {
        name: "ops".to_owned(),
        kind,
        client: ClientOptions::default(),
        timeout,
        min_severity: Severity::Info,
        labels: BTreeMap::new(),
    };
    Sender::new(channel, Origin::default()).expect("a good channel")
}

pub(super) fn webhook(url: Url) -> ChannelKind {
    ChannelKind::Webhook { url, secrets: vec![SECRET.into()], format: WebhookFormat::Standard }
}

pub(super) fn delivery(now: Timestamp) -> Delivery {
    Delivery { now, attempt: 1, opened_with: None }
}
