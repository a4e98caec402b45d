//! Alertmanager API v2: the body of a post.
//!
//! Alertmanager forgets a firing alert when it is not sent again, and knows it by its labels alone. So labels hold only
//! what stays the same over an incident; sizes and slopes are annotations. When the severity of an incident rises, the
//! alert with the old severity is not sent any more and runs out, as with two Prometheus rules of two severities.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use crate::alert::channel::Origin;
use crate::alert::message::{Alert, News, Status};
use crate::alert::wording;
use crate::clock::Timestamp;
use crate::text::line;

/// How often Prometheus sends a firing alert again.
pub const RESEND: Duration = Duration::from_mins(1);
/// How long a resolved alert is sent again, for peers that were away.
const RESOLVED_FOR: Duration = Duration::from_mins(5);
/// A firing alert runs out after this many missed re-sends; Prometheus allows four.
const MISSED_RESENDS: u32 = 4;
/// Longest label value or annotation, in characters.
const LONGEST: usize = 500;

/// The array to post for `alert` at `now`.
pub fn alerts(alert: &Alert, origin: &Origin, resend: Duration, now: Timestamp) -> Value {
    let mut annotations = json!({
        "summary": wording::headline(alert),
        "description": line(&wording::details(alert).join(" "), 4 * LONGEST),
        "next": line(&wording::next_steps(alert).join(" "), 4 * LONGEST),
        "alert_id": alert.id,
    });
    if let Some(culprit) = alert.news.leak().and_then(|leak| leak.culprits.first()) {
        annotations["culprit"] = line(&culprit.headline, LONGEST).into();
    }
    if let Some(leak) = alert.news.leak() {
        annotations["evidence"] = line(&wording::evidence(leak), LONGEST).into();
    }
    let (starts, ends) = times(alert, resend, now);
    // A clock that was set back in the meantime must not make an end before the start, which is refused for good.
    let starts = if starts.wall_ms() > ends.wall_ms() { ends } else { starts };
    let mut item = json!({
        "labels": labels(alert),
        "annotations": annotations,
        "startsAt": starts.to_string(),
        "endsAt": ends.to_string(),
    });
    if let Some(url) = &origin.url {
        item["generatorURL"] = url.as_str().into();
    }
    json!([item])
}

/// When the same alert must be sent again so that Alertmanager keeps its state; `None`: it need not.
pub fn resend_after(alert: &Alert, resend: Duration, now: Timestamp) -> Option<Duration> {
    match alert.status() {
        Status::Firing if is_state(&alert.news) => Some(resend),
        Status::Resolved if now.since(alert.at) < RESOLVED_FOR => Some(resend),
        _ => None,
    }
}

/// Where alerts are posted on the peer with the base URL `peer`, which may have a path of its own.
pub fn post_url(peer: &Url) -> Url {
    let mut url = peer.clone();
    url.set_path(&format!("{}/api/v2/alerts", peer.path().trim_end_matches('/')));
    url
}

/// Whether the news is the state of an incident, rather than something that happened on the way.
const fn is_state(news: &News) -> bool {
    matches!(
        news,
        News::LeakConfirmed(_)
            | News::LeakReminder(_)
            | News::StillLeaking(_)
            | News::AnalysisReady(_)
            | News::LeakResolved { .. }
            | News::TargetDown { .. }
            | News::TargetUp { .. }
            | News::Gauge { .. }
            | News::GaugeGrows { .. }
            | News::GaugeSteady { .. }
            | News::Trouble { .. }
            | News::Test { .. }
    )
}

/// Start and end; the end of what fires is in the future, that of what is over is when it was over.
fn times(alert: &Alert, resend: Duration, now: Timestamp) -> (Timestamp, Timestamp) {
    match (alert.status(), &alert.news) {
        (Status::Resolved, News::LeakResolved { resolution, .. }) => (resolution.confirmed, alert.at),
        (Status::Resolved, _) => (alert.at, alert.at),
        (Status::Firing, news) if is_state(news) => (alert.at, now.plus(resend.saturating_mul(MISSED_RESENDS))),
        _ => (alert.at, alert.at.plus(RESOLVED_FOR)),
    }
}

fn labels(alert: &Alert) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> =
        alert.labels.iter().map(|(name, value)| (label_name(name), line(value, LONGEST))).collect();
    let service = labels.get("service").cloned().unwrap_or_else(|| alert.target.to_string());
    let own = [
        ("alertname", alert_name(&alert.news).to_owned()),
        ("service", service),
        ("instance", alert.target.to_string()),
        ("rule", rule(&alert.news)),
        ("severity", alert.severity.name().to_owned()),
    ];
    labels.extend(own.map(|(name, value)| (name.to_owned(), value)));
    // Alertmanager drops labels without a value; ours are then the same as its own.
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// The characters that a Prometheus label name may have: `[a-zA-Z_][a-zA-Z0-9_]*`.
fn label_name(name: &str) -> String {
    let mut spelled: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if spelled.starts_with(|c: char| c.is_ascii_digit()) || spelled.is_empty() {
        spelled.insert(0, '_');
    }
    spelled
}

const fn alert_name(news: &News) -> &'static str {
    match news {
        News::LeakSuspected(_) => "MemoryGrowthSuspected",
        News::LeakConfirmed(_)
        | News::LeakReminder(_)
        | News::StillLeaking(_)
        | News::AnalysisReady(_)
        | News::LeakResolved { .. } => "MemoryGrowth",
        News::AnalysisFailed { .. } => "SnapshotAnalysisFailed",
        News::TargetRestarted { .. } => "TargetRestarted",
        News::TargetDown { .. } | News::TargetUp { .. } => "TargetDown",
        News::SnapshotStored(_) => "SnapshotStored",
        News::SnapshotSkipped { .. } => "SnapshotSkipped",
        News::SnapshotFailed { .. } => "SnapshotFailed",
        News::Gauge { .. } => "GaugeOverMaximum",
        News::GaugeGrows { .. } | News::GaugeSteady { .. } => "GaugeGrowth",
        News::Misconfigured { .. } => "TargetMisconfigured",
        // What it closes is not sent again from now on, and so runs out.
        News::NoLongerWatched { .. } => "TargetNoLongerWatched",
        News::Trouble { .. } => "HeapwatchTrouble",
        News::Test { .. } => "HeapwatchTest",
    }
}

/// What tells two incidents of one target with one alert name apart.
fn rule(news: &News) -> String {
    match news {
        News::Gauge { gauge, .. } | News::GaugeGrows { gauge, .. } | News::GaugeSteady { gauge, .. } => {
            line(gauge, LONGEST)
        }
        News::Trouble { subject, .. } => line(subject, LONGEST),
        _ => "heap-growth".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::examples::{NOW, after, alert, all, explained_leak, leak, resolution};
    use crate::sample::Signal;

    fn one(alert: &Alert, now: Timestamp) -> Value {
        alerts(alert, &Origin::default(), RESEND, now)[0].clone()
    }

    #[test]
    fn all_states_of_an_episode_have_the_same_labels() {
        let resolved = News::LeakResolved { signal: Signal::HeapUsed, resolution: resolution() };
        let first = one(&alert(News::LeakConfirmed(leak())), NOW);
        assert_eq!(
            first["labels"],
            json!({ "alertname": "MemoryGrowth", "env": "prod", "instance": "checkout-api", "rule": "heap-growth",
                    "service": "checkout-api", "severity": "warning" })
        );
        for news in [News::LeakReminder(explained_leak()), News::AnalysisReady(explained_leak()), resolved] {
            assert_eq!(one(&alert(news), after(600))["labels"], first["labels"]);
        }
    }

    #[test]
    fn what_fires_ends_in_the_future_and_is_sent_again_until_it_is_over() {
        let firing = alert(News::LeakConfirmed(leak()));
        assert_eq!(one(&firing, after(60))["startsAt"], "2026-11-22T10:24:31Z");
        assert_eq!(one(&firing, after(60))["endsAt"], "2026-11-22T10:29:31Z");
        assert_eq!(resend_after(&firing, RESEND, after(999_999)), Some(RESEND));
    }

    #[test]
    fn what_is_over_ends_then_and_is_sent_again_for_five_minutes() {
        let over = alert(News::LeakResolved { signal: Signal::HeapUsed, resolution: resolution() });
        assert_eq!(one(&over, after(60))["startsAt"], "2026-11-20T08:24:31Z");
        assert_eq!(one(&over, after(60))["endsAt"], "2026-11-22T10:24:31Z");
        assert_eq!(resend_after(&over, RESEND, after(299)), Some(RESEND));
        assert_eq!(resend_after(&over, RESEND, after(300)), None);
    }

    #[test]
    fn a_clock_set_back_makes_no_end_before_the_start() {
        let item = one(&alert(News::LeakConfirmed(leak())), NOW.minus(Duration::from_hours(3)));
        assert_eq!(
            (&item["startsAt"], &item["endsAt"]),
            (&json!("2026-11-22T07:28:31Z"), &json!("2026-11-22T07:28:31Z"))
        );
    }

    #[test]
    fn what_merely_happened_is_sent_once_and_runs_out() {
        let stored = alert(News::SnapshotStored(crate::alert::examples::snapshot(crate::leak::event::PairPart::First)));
        assert_eq!(resend_after(&stored, RESEND, NOW), None);
        assert_eq!(one(&stored, after(60))["endsAt"], "2026-11-22T10:29:31Z");
    }

    #[test]
    fn labels_are_as_alertmanager_takes_them() {
        for mut alert in all() {
            alert.labels = [("9-lives/é", "x"), ("empty", ""), ("", "y"), ("severity", "page")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
            let item = one(&alert, NOW);
            let labels = item["labels"].as_object().unwrap();
            assert_eq!(labels["_9_lives__"], "x");
            assert_eq!(labels["severity"], alert.severity.name(), "ours wins");
            assert!(!labels.contains_key("empty"));
            assert!(item["endsAt"].as_str() >= item["startsAt"].as_str());
        }
    }

    #[test]
    fn a_peer_may_live_under_a_path() {
        for (peer, expected) in [
            ("http://am:9093", "http://am:9093/api/v2/alerts"),
            ("https://mon.example/am/", "https://mon.example/am/api/v2/alerts"),
        ] {
            assert_eq!(post_url(&Url::parse(peer).unwrap()).as_str(), expected);
        }
    }
}
