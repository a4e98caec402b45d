//! The OpenAPI document says the truth: of every route, and of every answer.

use std::collections::BTreeSet;
use std::time::Duration;

use heapwatch::web;
use serde_json::Value;

use crate::support::daemon::Daemon;
use crate::support::faulty::{Faulty, Manner};
use crate::support::openapi::DOCUMENT;
use crate::support::polling::wait_for;

const BODY: &str = r#"{"memory":{"heapUsed":"123 MB","heapTotal":"150 MB","external":"2 MB","rss":"200 MB"},"pid":7}"#;

#[test]
fn every_route_is_in_the_document_and_every_one_there_is_a_route() {
    let routed: BTreeSet<String> = web::routes().iter().map(|(method, path)| format!("{method} {path}")).collect();
    let mut documented = BTreeSet::new();
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            documented.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    assert_eq!(routed.difference(&documented).collect::<Vec<_>>(), Vec::<&String>::new(), "routes without a word");
    assert_eq!(documented.difference(&routed).collect::<Vec<_>>(), Vec::<&String>::new(), "words without a route");
}

#[test]
fn what_changes_something_needs_a_token_of_scope_admin() {
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let expected = match (path.as_str(), method.as_str()) {
                ("/-/healthy" | "/-/ready", _) => None,
                (_, "get") => Some("read"),
                _ => Some("admin"),
            };
            assert_eq!(operation["x-scope"].as_str(), expected, "{method} {path}");
            assert_eq!(operation["security"].is_array(), expected.is_none(), "{method} {path}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let text = DOCUMENT.to_string();
    let named: BTreeSet<&str> =
        text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let there: BTreeSet<&str> =
        DOCUMENT["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(named, there);
}

/// Every answer that a `Daemon` of the tests gives is held against the document (`support::openapi::check`); here the
/// routes that no other test asks.
#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let service = Faulty::start(Manner::Answers(BODY.into())).await;
    let silent = Faulty::start(Manner::Hangs).await;
    let daemon = Daemon::start(&format!(
        "[[targets]]\nname = \"api\"\ninterval = \"100ms\"\nurl = \"{}\"\nlabels = {{ team = \"payments\" }}\n\
         [[targets]]\nname = \"silent\"\ninterval = \"1s\"\ntimeout = \"500ms\"\nurl = \"{}\"\n\
         [[targets]]\nname = \"web\"\ninterval = \"1h\"\nurl = \"{}\"\n",
        service.url(""),
        silent.url(""),
        service.url("")
    ))
    .await;
    daemon.target_when("api", "it was read", |target| target["watch"]["sample"].is_object()).await;
    daemon.target_when("silent", "it failed", |target| target["watch"]["failed_polls"] != 0).await;
    for path in [
        "/",
        "/metrics",
        "/-/healthy",
        "/-/ready",
        "/api/v1/openapi.json",
        "/api/v1/snapshots",
        "/api/v1/silences",
        "/api/v1/channels",
        "/api/v1/events",
    ] {
        assert!(daemon.get(path).await.is_some(), "{path}");
    }
    for path in ["/api/v1/targets/api/picture", "/api/v1/snapshots?target=gone"] {
        assert!(daemon.get(path).await.is_some(), "{path}");
    }
    for path in [
        "/api/v1/targets?standing=fine",
        "/api/v1/targets?limit=x",
        "/api/v1/targets?unknown=1",
        "/api/v1/targets?label=x",
        "/api/v1/targets/nobody",
        "/api/v1/targets/nobody/series",
        "/api/v1/targets/api/series?signal=heap",
        "/api/v1/snapshots?target=../x",
    ] {
        assert_eq!(daemon.get(path).await, None, "{path}");
    }
    for path in ["/api/v1/targets/api/snapshot", "/api/v1/targets/api/rearm", "/-/reload"] {
        assert!(daemon.post(path).await.is_some(), "{path}");
    }
    daemon.home.configure("[[targets]]\nname = \"api\"\n[web]\n");
    assert_eq!(daemon.post("/-/reload").await, None);
}

fn target(number: u32, team: &str) -> String {
    format!(
        "[[targets]]\nname = \"api-{number}\"\ninterval = \"1h\"\nurl = \"http://127.0.0.1:9/\"\n\
         labels = {{ team = \"{team}\" }}\n"
    )
}

#[tokio::test]
async fn targets_are_filtered_and_come_page_by_page() {
    let mut tables = String::new();
    for number in 0..7 {
        let team = if number % 2 == 0 { "payments" } else { "search" };
        tables += &target(number, team);
    }
    let daemon = Daemon::start(&tables).await;
    let ask = async |query: &str| -> Value {
        serde_json::from_str(&daemon.get(&format!("/api/v1/targets?{query}")).await.unwrap()).unwrap()
    };
    let names = |page: &Value| -> Vec<String> {
        page["targets"].as_array().unwrap().iter().map(|target| target["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = ask("limit=3").await;
    assert_eq!((names(&first).len(), &first["total"], &first["next"]), (3, &7.into(), &"api-2".into()));
    let mut seen = names(&first);
    let mut next = first["next"].as_str().map(str::to_owned);
    while let Some(after) = next {
        let page = ask(&format!("limit=3&after={after}")).await;
        seen.extend(names(&page));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, (0..7).map(|number| format!("api-{number}")).collect::<Vec<_>>());
    assert_eq!(names(&ask("label=team:search").await), ["api-1", "api-3", "api-5"]);
    assert_eq!(names(&ask("q=PAYM&limit=1000").await).len(), 4);
    assert_eq!(names(&ask("q=api-3").await), ["api-3"]);
    assert_eq!(ask("standing=leaking").await["total"], 0);
}

#[tokio::test]
async fn a_series_shows_what_was_read() {
    let service = Faulty::start(Manner::Answers(BODY.into())).await;
    let daemon =
        Daemon::start(&format!("[[targets]]\nname = \"api\"\ninterval = \"100ms\"\nurl = \"{}\"\n", service.url("")))
            .await;
    let series = wait_for("stored samples", async || {
        let body = daemon.get("/api/v1/targets/api/series?signal=rss&step=1h").await?;
        let series: Value = serde_json::from_str(&body).unwrap();
        let has_two = series["points"].as_array().unwrap().iter().any(|point| point["samples"] != 1);
        has_two.then_some(series)
    })
    .await;
    let point = &series["points"][0];
    assert_eq!((&point["low"], &point["high"]), (&209_715_200.into(), &209_715_200.into()), "{series}");
    assert_eq!(series["step_seconds"], Duration::from_hours(1).as_secs_f64());
    let before: Value =
        serde_json::from_str(&daemon.get("/api/v1/targets/api/series?from=1000000000&to=1000003600").await.unwrap())
            .unwrap();
    assert_eq!(before["points"], serde_json::json!([]), "nothing was read then");
}
