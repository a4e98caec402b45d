//! `PagerDuty` Events API v2: the body of an event.
//!
//! Every alert of an incident is a trigger with the same `dedup_key`: the first opens it, the others join its log and
//! page nobody again; the resolve closes it. `PagerDuty` drops a resolve of what is not open, so sending twice is safe.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::alert::body;
use crate::alert::channel::Origin;
use crate::alert::message::{Alert, Status};
use crate::alert::wording;
use crate::text::{hex, line};

/// Where accounts outside the EU post to; those in the EU use `https://events.eu.pagerduty.com/v2/enqueue`.
pub const ENQUEUE_URL: &str = "https://events.pagerduty.com/v2/enqueue";
/// About 120 events a minute and key are taken; this stays under it.
pub const MIN_GAP: Duration = Duration::from_millis(600);
/// Longest `payload.summary`, in characters.
const SUMMARY: usize = 1024;
/// Longest `dedup_key`, in characters.
const DEDUP_KEY: usize = 255;

/// The event for `alert`, to be sent with `routing_key`. The whole stays far under the 512 KB that are taken.
pub fn event(alert: &Alert, origin: &Origin, routing_key: &str) -> Value {
    let dedup_key = dedup_key(alert, origin);
    if alert.status() == Status::Resolved {
        return json!({ "routing_key": routing_key, "dedup_key": dedup_key, "event_action": "resolve" });
    }
    let mut event = json!({
        "routing_key": routing_key,
        "dedup_key": dedup_key,
        "event_action": "trigger",
        "client": "heapwatch",
        "payload": {
            "summary": line(&wording::headline(alert), SUMMARY),
            "source": alert.target.as_str(),
            "severity": alert.severity.name(),
            "timestamp": alert.at.to_string(),
            "component": alert.target.as_str(),
            "class": alert.news.kind(),
            "custom_details": body::fit(body::data(alert), body::LARGEST),
        },
    });
    if let Some(group) = alert.labels.get("env") {
        event["payload"]["group"] = line(group, 100).into();
    }
    if let Some(url) = &origin.url {
        event["client_url"] = url.as_str().into();
    }
    event
}

/// `prod-eu/heapwatch/checkout-api/leak/5f0c2a91d3e84b67`: the same over restarts; a longer one ends in a checksum.
fn dedup_key(alert: &Alert, origin: &Origin) -> String {
    let key = line(&format!("{}/{}", origin.instance, alert.incident()), usize::MAX);
    if key.chars().count() <= DEDUP_KEY {
        return key;
    }
    let checksum = hex(&Sha256::digest(key.as_bytes()));
    let start: String = key.chars().take(DEDUP_KEY - 1 - checksum.len()).collect();
    format!("{start}/{checksum}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::examples::{alert, all, leak, resolution};
    use crate::alert::message::News;
    use crate::sample::Signal;

    const KEY: &str = "R0123456789ABCDEF0123456789ABCDE";

    fn origin() -> Origin {
        Origin { instance: "prod-eu".to_owned(), url: None }
    }

    #[test]
    fn trigger_and_resolve_of_an_episode_share_their_key() {
        let trigger = event(&alert(News::LeakConfirmed(leak())), &origin(), KEY);
        let resolved = News::LeakResolved { signal: Signal::HeapUsed, resolution: resolution() };
        let resolve = event(&alert(resolved), &origin(), KEY);
        let key = "prod-eu/heapwatch/checkout-api/leak/5f0c2a91d3e84b67";
        assert_eq!(resolve, json!({ "routing_key": KEY, "dedup_key": key, "event_action": "resolve" }));
        assert_eq!(trigger["dedup_key"], key);
        assert_eq!(trigger["payload"]["group"], "prod");
        assert_eq!(trigger["payload"]["custom_details"]["leak"]["slope_bytes_per_hour"], 52_428_800.0);
    }

    #[test]
    fn every_event_is_within_the_limits() {
        for mut alert in all() {
            alert.labels.extend((0..5_000).map(|n| (format!("label{n}"), "x".repeat(100))));
            let event = event(&alert, &origin(), KEY);
            assert!(body::size(&event) < 100_000);
            if event["event_action"] == "trigger" {
                assert!(["critical", "warning", "info"].contains(&event["payload"]["severity"].as_str().unwrap()));
                assert!(event["payload"]["summary"].as_str().unwrap().chars().count() <= SUMMARY);
            }
        }
    }

    #[test]
    fn a_long_key_is_cut_but_stays_its_own() {
        let gauge = |name: &str| {
            let gauge = News::Gauge { gauge: name.repeat(200), value: 2.0, maximum: 1.0, exceeded: true };
            dedup_key(&alert(gauge), &origin())
        };
        assert_eq!(gauge("ab").chars().count(), DEDUP_KEY);
        assert_eq!(gauge("ab"), gauge("ab"));
        assert_ne!(gauge("ab"), gauge("ac"));
    }
}
