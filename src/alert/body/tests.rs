//! The whole body once, then its bounds under hostile input.

use proptest::prelude::*;
use serde_json::json;
use url::Url;

use super::*;
use crate::alert::examples::{alert, all, explained_leak};
use crate::leak::event::PairPart;

#[test]
fn the_whole_body_of_an_explained_leak() {
    let mut alert = alert(News::AnalysisReady(explained_leak()));
    alert.id = "hw_6c1de5a2f04b9e7d31c8".to_owned();
    let expected: Value = serde_json::from_str(include_str!("explained.json")).expect("the fixture is JSON");
    assert_eq!(standard(&alert), expected, "{:#}", standard(&alert));
}

#[test]
fn every_event_has_the_members_that_programs_rely_on() {
    for alert in all() {
        let body = standard(&alert);
        let name = body["data"]["event"].clone();
        let event_type = body["type"].as_str().expect("a type");
        assert!(event_type.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.'), "{event_type}");
        assert_eq!(body["timestamp"], "2026-11-22T10:24:31Z");
        for member in ["schema", "alert_id", "incident", "status", "severity", "summary", "details", "next"] {
            assert!(!body["data"][member].is_null(), "{name} lacks {member}");
        }
        assert_eq!(body["data"]["target"], json!({ "name": "checkout-api", "labels": { "env": "prod" } }));
        assert!(size(&body) < LARGEST / 2, "{name} takes {} bytes", size(&body));
        assert_eq!(body["data"].get("truncated"), None, "{name}");
    }
}

#[test]
fn a_cloud_event_carries_the_same_data_and_the_required_attributes() {
    let alert = alert(News::LeakConfirmed(explained_leak()));
    let mut origin = Origin { instance: "prod eu".to_owned(), url: None };
    let event = cloud_event(&alert, &origin);
    assert_eq!(event["data"], standard(&alert)["data"]);
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], alert.id);
    assert_eq!(event["source"], "/heapwatch/prod-eu");
    assert_eq!(event["type"], "com.github.heapwatch.memory.growth.detected");
    assert_eq!(event["time"], "2026-11-22T10:24:31Z");
    origin.url = Url::parse("https://heapwatch.example/").ok();
    assert_eq!(cloud_event(&alert, &origin)["source"], "https://heapwatch.example/");
}

#[test]
fn a_cut_body_keeps_what_identifies_the_alert() {
    let mut leak = explained_leak();
    leak.missing_snapshots = vec!["\u{1}\\\"".repeat(5_000); 500];
    let alert = alert(News::LeakConfirmed(leak));
    let body = standard(&alert);
    assert!(size(&body) <= LARGEST);
    assert_eq!(body["data"]["truncated"], true);
    assert_eq!(body["data"]["alert_id"], alert.id);
    assert_eq!(body["data"]["summary"], wording::headline(&alert));
    assert_eq!(body["data"]["culprits"][0]["location"], "/srv/app/middleware.js:12:9");
    assert_eq!(body["data"]["snapshots"].as_array().map(Vec::len), Some(2));
}

#[test]
fn numbers_that_are_none_become_null() {
    let mut leak = explained_leak();
    leak.growth.limit_in_seconds = Some(f64::INFINITY);
    assert_eq!(data(&alert(News::LeakConfirmed(leak)))["leak"]["limit_in_seconds"], Value::Null);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_text_from_a_target_makes_a_body_too_large_or_unclean(
        soup in proptest::collection::vec(any::<char>(), 0..100),
        repeats in 1usize..100,
        copies in 1usize..60,
    ) {
        let soup: String = soup.into_iter().collect::<String>().repeat(repeats);
        let mut leak = explained_leak();
        leak.culprits[0].class.clone_from(&soup);
        leak.culprits[0].headline.clone_from(&soup);
        leak.culprits[0].held_by.clone_from(&soup);
        leak.culprits = vec![leak.culprits[0].clone(); copies];
        leak.missing_snapshots = vec![soup; copies];
        leak.snapshots = vec![crate::alert::examples::snapshot(PairPart::First); copies];
        let mut alert = alert(News::AnalysisReady(leak));
        alert.labels = (0..copies).map(|n| (format!("label{n}"), "x".repeat(9 * copies))).collect();
        let body = standard(&alert).to_string();
        prop_assert!(body.len() <= LARGEST, "{}", body.len());
        prop_assert!(!body.chars().any(char::is_control));
    }
}
