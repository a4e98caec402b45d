//! Alerts for tests, with invented numbers: the story of one leak.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alert::message::{Alert, Culprit, GaugeGrowth, Leak, News, Severity, Status, StoredSnapshot};
use crate::clock::Timestamp;
use crate::evidence::{CaptureKind, Evidence};
use crate::leak::event::{PairPart, Resolution, RestartCause};
use crate::leak::verdict::{Growth, Reason};
use crate::sample::Signal;
use crate::target::{Life, TargetName};
use crate::units::ByteRate;

/// 2026-11-22T10:24:31Z.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_795_343_071_000);

pub(crate) fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

pub(crate) fn target() -> TargetName {
    TargetName::new("checkout-api").expect("a fine name")
}

pub(crate) fn alert(news: News) -> Alert {
    let in_episode = !matches!(
        news,
        News::TargetDown { .. }
            | News::TargetUp { .. }
            | News::Gauge { .. }
            | News::GaugeGrows { .. }
            | News::GaugeSteady { .. }
            | News::NoLongerWatched { .. }
            | News::Trouble { .. }
            | News::Test { .. }
            | News::Misconfigured { .. }
            | News::LeakSuspected(_)
    );
    Alert {
        id: format!("hw_{}", news.kind()),
        at: NOW,
        target: target(),
        labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
        episode: in_episode.then(|| "5f0c2a91d3e84b67".to_owned()),
        severity: Severity::Warning,
        news,
        silenced: None,
    }
}

/// 120 MiB to 195 MiB in 90 minutes, 6 h 20 min to a limit of 512 MiB; nothing stored yet.
pub(crate) fn leak() -> Leak {
    Leak {
        signal: Signal::HeapUsed,
        growth: growth(),
        reasons: vec![Reason {
            gate: "slope".to_owned(),
            passed: true,
            value: 52_428_800.0,
            threshold: 1_048_576.0,
            unit: "bytes_per_hour".to_owned(),
            says: "floors rise by 50 MiB/h, more than 1 MiB/h".to_owned(),
        }],
        snapshots: Vec::new(),
        missing_snapshots: Vec::new(),
        snapshot_refused: false,
        profiles: Vec::new(),
        missing_profiles: Vec::new(),
        compared: None,
        culprits: Vec::new(),
        agreement: None,
    }
}

pub(crate) fn growth() -> Growth {
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

pub(crate) fn gauge_growth() -> GaugeGrowth {
    GaugeGrowth { slope_per_hour: 120.0, from: 11.0, to: 1204.0, since: NOW.minus(Duration::from_hours(10)) }
}

pub(crate) fn snapshot(part: PairPart) -> StoredSnapshot {
    let at = match part {
        PairPart::Second => NOW.minus(Duration::from_mins(1)),
        _ => NOW.minus(Duration::from_mins(31)),
    };
    StoredSnapshot {
        path: format!("/var/lib/heapwatch/snapshots/checkout-api/{}.heapsnapshot.zst", at.to_compact()),
        part,
        at,
        bytes: 48 << 20,
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        seconds: 38.2,
    }
}

pub(crate) fn culprit() -> Culprit {
    Culprit {
        headline: "+1000 closures, retained +164 KB (92 % of the heap's growth)".to_owned(),
        class: "Function".to_owned(),
        function: Some("onError".to_owned()),
        location: Some("/srv/app/middleware.js:12:9".to_owned()),
        held_by: "process._events.uncaughtException[]".to_owned(),
        count_delta: 1000,
        retained_delta: 164_480,
        share_of_growth: 0.92,
        evidence: Evidence::SnapshotPair,
        callers: Vec::new(),
    }
}

/// The same leak as two profiles see it.
pub(crate) fn culprit_of_profiles() -> Culprit {
    Culprit {
        headline:
            "+24.1 MiB that stayed (93 % of the growth): made by payload at service.js:140:17, called by logRequests \
                   at middleware.js:10:21"
                .to_owned(),
        class: String::new(),
        function: Some("payload".to_owned()),
        location: Some("/srv/app/service.js:140:17".to_owned()),
        held_by: String::new(),
        count_delta: 48,
        retained_delta: 24 << 20,
        share_of_growth: 0.93,
        evidence: Evidence::ProfilePair,
        callers: vec!["logRequests at /srv/app/middleware.js:10:21".to_owned()],
    }
}

/// The leak of a container that has no room for a snapshot.
pub(crate) fn profiled_leak() -> Leak {
    let profile = |part| StoredSnapshot {
        path: snapshot(part).path.replace(".heapsnapshot.zst", ".heapprofile"),
        bytes: 96 << 10,
        seconds: 0.2,
        ..snapshot(part)
    };
    Leak {
        missing_snapshots: vec![
            "needs 1.9 GiB (rss 210 MiB + 10.0 x heapUsed 176 MiB), limit 512 MiB less 64 MiB margin".to_owned(),
        ],
        snapshot_refused: true,
        profiles: vec![profile(PairPart::First), profile(PairPart::Second)],
        compared: Some(Evidence::ProfilePair),
        culprits: vec![culprit_of_profiles()],
        ..leak()
    }
}

/// The leak with both snapshots and the culprit.
pub(crate) fn explained_leak() -> Leak {
    Leak {
        snapshots: vec![snapshot(PairPart::First), snapshot(PairPart::Second)],
        compared: Some(Evidence::SnapshotPair),
        culprits: vec![culprit()],
        ..leak()
    }
}

pub(crate) fn resolution() -> Resolution {
    Resolution {
        confirmed: NOW.minus(Duration::from_hours(50)),
        before_from_bytes: 80 << 20,
        before_to_bytes: 480 << 20,
        before_seconds: 28_800.0,
        after_from_bytes: 80 << 20,
        after_to_bytes: 120 << 20,
        after_seconds: 172_800.0,
        says: "80 to 480 MiB in 8 h before; 80 to 120 MiB over 48 h after, floors level: fix held".to_owned(),
    }
}

pub(crate) fn restart(cause: RestartCause, kills_this_week: u32) -> News {
    let ended = Life { number: 1, began: NOW.minus(Duration::from_hours(7)), pid: Some(4127) };
    News::TargetRestarted { ended, began: Life { number: 2, began: NOW, pid: Some(5210) }, cause, kills_this_week }
}

/// One alert of every kind.
pub(crate) fn all() -> Vec<Alert> {
    let text = |text: &str| text.to_owned();
    [
        News::LeakSuspected(leak()),
        News::LeakConfirmed(leak()),
        News::LeakReminder(explained_leak()),
        News::StillLeaking(explained_leak()),
        News::LeakResolved { signal: Signal::HeapUsed, resolution: resolution() },
        News::AnalysisReady(explained_leak()),
        News::AnalysisReady(profiled_leak()),
        News::AnalysisFailed { why: text("the first snapshot is damaged at byte 4096") },
        restart(RestartCause::AtMemoryLimit, 3),
        restart(RestartCause::Unknown, 0),
        News::TargetDown { why: text("connection refused"), failed_polls: 5 },
        News::TargetUp { down_seconds: 312.0 },
        News::SnapshotStored(snapshot(PairPart::First)),
        News::SnapshotSkipped {
            part: PairPart::First,
            refusals: vec![text("needs 1.9 GiB of headroom, 317 MiB are free under the limit")],
            advice: vec![text("raise the limit for a while and run: heapwatch snapshot checkout-api")],
        },
        News::SnapshotFailed {
            capture: CaptureKind::HeapSnapshot,
            part: PairPart::Second,
            why: text("the target died meanwhile"),
            disarmed: true,
        },
        News::Gauge { gauge: text("listeners"), value: 1204.0, maximum: 100.0, exceeded: true },
        News::GaugeGrows { gauge: text("listeners"), growth: gauge_growth() },
        News::GaugeSteady { gauge: text("listeners"), value: 1204.0 },
        News::NoLongerWatched { incident: text("heapwatch/checkout-api/down") },
        News::Misconfigured { why: text("several processes answer behind this URL: pids 17 and 23 alternate") },
        News::Trouble { subject: text("channel ops"), why: text("410 Gone"), status: Status::Firing },
        News::Test { status: Status::Firing },
    ]
    .map(alert)
    .to_vec()
}
