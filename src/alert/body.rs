//! The JSON body of the webhook: what happened, in numbers for programs and in sentences for people.
//!
//! ```json
//! {
//!   "type": "memory.growth.detected",
//!   "timestamp": "2026-11-22T10:24:31Z",
//!   "data": {
//!     "schema": 1,
//!     "alert_id": "hw_6c1de5a2f04b9e7d31c8",
//!     "incident": "heapwatch/checkout-api/leak/5f0c2a91d3e84b67",
//!     "event": "leak_confirmed",
//!     "episode": "5f0c2a91d3e84b67",
//!     "status": "firing",
//!     "severity": "warning",
//!     "target": { "name": "checkout-api", "labels": { "env": "prod" } },
//!     "summary": "checkout-api: heapUsed grows 50 MiB/h for 1 h 30 min (120 MiB to 195 MiB), limit of 512 MiB in 6 h 20 min",
//!     "details": ["heapUsed rose from 120 MiB at ..."],
//!     "leak": {
//!       "signal": "heapUsed", "slope_bytes_per_hour": 52428800.0, "from_bytes": 125829120, "to_bytes": 204472320,
//!       "since": "2026-11-22T08:54:31Z", "until": "2026-11-22T10:24:31Z", "duration_seconds": 5400.0,
//!       "limit_bytes": 536870912, "limit_in_seconds": 22824.0,
//!       "reasons": [{ "gate": "slope", "passed": true, "value": 52428800.0, "threshold": 1048576.0,
//!                     "unit": "bytes_per_hour", "says": "floors rise by 50 MiB/h, more than 1 MiB/h" }]
//!     },
//!     "snapshots": [{ "part": "first", "path": "/var/lib/heapwatch/snapshots/...", "at": "2026-11-22T09:53:31Z",
//!                     "bytes": 50331648, "sha256": "9f86...", "seconds": 38.2 }],
//!     "missing_snapshots": [],
//!     "profiles": [{ "part": "first", "path": "/var/lib/heapwatch/snapshots/...", ... }],
//!     "missing_profiles": [],
//!     "evidence": { "kind": "snapshot_pair", "says": "heap snapshots; the heap profiles agree: made in ..." },
//!     "culprits": [{ "headline": "...", "class": "Function", "function": "onError", "location": "/srv/app/middleware.js:12:9",
//!                    "held_by": "process._events.uncaughtException[]", "count_delta": 1000, "retained_delta": 164480,
//!                    "share_of_growth": 0.92, "evidence": "snapshot_pair", "callers": [] }],
//!     "next": ["Look at /srv/app/middleware.js:12:9: that line made what piles up."]
//!   }
//! }
//! ```
//!
//! `silenced` (`id`, `until`, `by`, `why`) is there when a silence held the alert back or met the end of what it had not.
//! `status` is `firing`, `resolved`, or `note` for what has no end. `leak`, `evidence` (`kind`: `none`, `snapshot`,
//! `profile_pair` or `snapshot_pair`, the best there is), `snapshots`, `profiles`, what is missing of both, and `culprits` are there when the alert is about growth; the other events have one member of their own, named like the
//! event (`resolution`, `restart`, `down`, `gauge`, ...). A body stays under 20 kB, as Standard Webhooks asks: what
//! is too long is cut, and `"truncated": true` says so.

use serde_json::{Map, Value, json};

use crate::alert::channel::Origin;
use crate::alert::message::{Alert, Culprit, Leak, News, SCHEMA, StoredSnapshot};
use crate::alert::wording;
use crate::leak::event::Resolution;
use crate::text::{clean_json, line};

/// Largest body in bytes; Standard Webhooks 1.0.0: "keep payloads under 20kb".
pub const LARGEST: usize = 20_000;

/// The body of `alert` in the shape of Standard Webhooks.
pub fn standard(alert: &Alert) -> Value {
    let around =
        |data: Value| json!({ "type": alert.news.event_type(), "timestamp": alert.at.to_string(), "data": data });
    around(fit(data(alert), LARGEST - size(&around(Value::Null))))
}

/// The body of `alert` as a `CloudEvents` 1.0 event in structured mode, with the same `data`.
pub fn cloud_event(alert: &Alert, origin: &Origin) -> Value {
    let source = match &origin.url {
        Some(url) => url.to_string(),
        None => format!("/heapwatch/{}", line(&origin.instance, 64).replace(' ', "-")),
    };
    let around = |data: Value| {
        json!({
            "specversion": "1.0",
            "id": alert.id,
            "source": source,
            "type": format!("com.github.heapwatch.{}", alert.news.event_type()),
            "subject": alert.target.as_str(),
            "time": alert.at.to_string(),
            "datacontenttype": "application/json",
            "data": data,
        })
    };
    around(fit(data(alert), LARGEST - size(&around(Value::Null))))
}

/// The member `data`, whatever its size.
pub fn data(alert: &Alert) -> Value {
    let mut data = json!({
        "schema": SCHEMA,
        "alert_id": alert.id,
        "incident": alert.incident(),
        "event": alert.news.kind(),
        "episode": alert.episode,
        "status": alert.status().name(),
        "severity": alert.severity.name(),
        "target": { "name": alert.target.as_str(), "labels": alert.labels },
        "summary": wording::headline(alert),
        "details": wording::details(alert),
        "next": wording::next_steps(alert),
    });
    if let Value::Object(members) = &mut data {
        members.extend(facts(&alert.news));
        if let Some(mark) = &alert.silenced {
            let until = mark.until.to_string();
            members.insert(
                "silenced".to_owned(),
                json!({ "id": mark.id, "until": until, "by": mark.by, "why": mark.why }),
            );
        }
    }
    data
}

/// The members that only this kind of news has.
fn facts(news: &News) -> Map<String, Value> {
    let facts = match news {
        News::LeakSuspected(leak)
        | News::LeakConfirmed(leak)
        | News::LeakReminder(leak)
        | News::StillLeaking(leak)
        | News::AnalysisReady(leak) => leak_facts(leak),
        News::LeakResolved { signal, resolution } => {
            json!({ "resolution": resolution_facts(signal.name(), resolution) })
        }
        News::TargetRestarted { ended, began, cause, kills_this_week } => json!({ "restart": {
            "cause": cause,
            "kills_this_week": kills_this_week,
            "lived_seconds": began.began.since(ended.began).as_secs_f64(),
            "began": began.began.to_string(),
            "pid_before": ended.pid,
            "pid": began.pid,
        } }),
        News::TargetDown { why, failed_polls } => json!({ "down": { "why": why, "failed_polls": failed_polls } }),
        News::TargetUp { down_seconds } => json!({ "up": { "down_seconds": down_seconds } }),
        News::SnapshotStored(snapshot) => json!({ "snapshots": [snapshot_facts(snapshot)] }),
        News::SnapshotSkipped { part, refusals, advice } => {
            json!({ "skipped": { "part": part, "refusals": refusals, "advice": advice } })
        }
        News::SnapshotFailed { capture, part, why, disarmed } => {
            json!({ "failed": { "capture": capture, "part": part, "why": why, "disarmed": disarmed } })
        }
        News::Gauge { gauge, value, maximum, exceeded } => {
            json!({ "gauge": { "name": gauge, "value": value, "maximum": maximum, "exceeded": exceeded } })
        }
        News::GaugeGrows { gauge, growth } => json!({ "gauge": {
            "name": gauge,
            "slope_per_hour": growth.slope_per_hour,
            "from": growth.from,
            "to": growth.to,
            "since": growth.since.to_string(),
        } }),
        News::GaugeSteady { gauge, value } => json!({ "gauge": { "name": gauge, "value": value } }),
        News::Trouble { subject, why, .. } => json!({ "trouble": { "subject": subject, "why": why } }),
        News::AnalysisFailed { why } | News::Misconfigured { why } => json!({ "why": why }),
        News::NoLongerWatched { .. } | News::Test { .. } => json!({}),
    };
    match facts {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn leak_facts(leak: &Leak) -> Value {
    let growth = &leak.growth;
    json!({
        "leak": {
            "signal": leak.signal.name(),
            "slope_bytes_per_hour": growth.slope.bytes_per_hour(),
            "from_bytes": growth.from_bytes,
            "to_bytes": growth.to_bytes,
            "since": growth.since.to_string(),
            "until": growth.until.to_string(),
            "duration_seconds": growth.until.since(growth.since).as_secs_f64(),
            "limit_bytes": growth.limit_bytes,
            "limit_in_seconds": growth.limit_in_seconds,
            "reasons": leak.reasons,
        },
        "snapshots": leak.snapshots.iter().map(snapshot_facts).collect::<Vec<_>>(),
        "missing_snapshots": leak.missing_snapshots,
        "profiles": leak.profiles.iter().map(snapshot_facts).collect::<Vec<_>>(),
        "missing_profiles": leak.missing_profiles,
        "evidence": { "kind": leak.evidence(), "says": wording::evidence(leak) },
        "culprits": leak.culprits.iter().map(culprit_facts).collect::<Vec<_>>(),
    })
}

fn snapshot_facts(snapshot: &StoredSnapshot) -> Value {
    json!({
        "part": snapshot.part,
        "path": snapshot.path,
        "at": snapshot.at.to_string(),
        "bytes": snapshot.bytes,
        "sha256": snapshot.sha256,
        "seconds": snapshot.seconds,
    })
}

fn culprit_facts(culprit: &Culprit) -> Value {
    json!({
        "headline": culprit.headline,
        "class": culprit.class,
        "function": culprit.function,
        "location": culprit.location,
        "held_by": culprit.held_by,
        "count_delta": culprit.count_delta,
        "retained_delta": culprit.retained_delta,
        "share_of_growth": culprit.share_of_growth,
        "evidence": culprit.evidence,
        "callers": culprit.callers,
    })
}

fn resolution_facts(signal: &str, resolution: &Resolution) -> Value {
    json!({
        "signal": signal,
        "confirmed": resolution.confirmed.to_string(),
        "before_from_bytes": resolution.before_from_bytes,
        "before_to_bytes": resolution.before_to_bytes,
        "before_seconds": resolution.before_seconds,
        "after_from_bytes": resolution.after_from_bytes,
        "after_to_bytes": resolution.after_to_bytes,
        "after_seconds": resolution.after_seconds,
        "says": resolution.says,
    })
}

/// Cuts `data` step by step until it is at most `limit` bytes of JSON; `"truncated": true` tells of any cut that
/// loses something. What identifies the alert and its summary stay to the last.
pub fn fit(mut data: Value, limit: usize) -> Value {
    /// Longest text and longest list of each step.
    const STEPS: [(usize, usize); 5] = [(1_000, 32), (600, 10), (300, 5), (120, 3), (60, 1)];
    clean_json(&mut data, STEPS[0].0);
    if size(&data) <= limit {
        return data;
    }
    for (longest_text, longest_list) in STEPS {
        clean_json(&mut data, longest_text);
        shorten_lists(&mut data, longest_list);
        mark_truncated(&mut data);
        if size(&data) <= limit {
            return data;
        }
    }
    // Only a configuration with hundreds of labels comes here.
    if let Value::Object(members) = &mut data {
        let essential =
            ["schema", "alert_id", "incident", "event", "episode", "status", "severity", "summary", "truncated"];
        members.retain(|name, _| essential.contains(&name.as_str()));
    }
    data
}

/// Bytes of `value` as JSON.
pub fn size(value: &Value) -> usize {
    value.to_string().len()
}

fn mark_truncated(data: &mut Value) {
    if let Value::Object(members) = data {
        members.insert("truncated".to_owned(), Value::Bool(true));
    }
}

fn shorten_lists(value: &mut Value, longest: usize) {
    match value {
        Value::Array(items) => {
            items.truncate(longest);
            for item in items {
                shorten_lists(item, longest);
            }
        }
        Value::Object(members) => members.values_mut().for_each(|member| shorten_lists(member, longest)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
