//! The audit trail, the newest first: what happened, to whom, and what was told of it.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::layout::{Page, Part};
use super::words::{clean, command, moment, quote};
use crate::status::trail::{Topic, TrailEvent, TrailPage, TrailQuery};
use crate::target::TargetName;
use crate::web::{Request, Site};

/// Events on a page.
const PAGE: u32 = 100;

/// What a person asks for in the address; what makes no sense is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(in crate::web) struct Asked {
    pub(super) target: String,
    pub(super) kind: String,
    pub(super) before: String,
}

pub(in crate::web) async fn page(State(site): State<Site>, Query(asked): Query<Asked>) -> Response {
    let now = (site.now)();
    let trail = read(&site, &asked).await;
    let body = render(trail.as_ref(), &asked);
    let status = if trail.is_some() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Page { title: "Events".to_owned(), part: Part::Events, now, body }.into_response(status)
}

async fn read(site: &Site, asked: &Asked) -> Option<TrailPage> {
    let query = TrailQuery {
        target: TargetName::new(asked.target.trim()).ok(),
        kind: (!asked.kind.is_empty()).then(|| asked.kind.clone()),
        before: asked.before.parse().ok(),
        limit: Some(PAGE),
        ..TrailQuery::default()
    };
    let (reply, answer) = oneshot::channel();
    site.requests.send(Request::Events { query, reply }).await.ok()?;
    answer.await.ok()?
}

pub(super) fn render(trail: Option<&TrailPage>, asked: &Asked) -> Markup {
    html! {
        h1 { "Events" }
        form.search action="/events" method="get" {
            label for="target" { "Of target" }
            input #target name="target" value=(clean(&asked.target)) placeholder="all targets" autocomplete="off"
                spellcheck="false" maxlength="64";
            @if !asked.kind.is_empty() { input type="hidden" name="kind" value=(clean(&asked.kind)); }
            button type="submit" { "Show" }
        }
        (topics(asked))
        @match trail {
            None => p.nothing { "The state database cannot be read just now." },
            Some(trail) if trail.events.is_empty() => p.nothing { "Nothing has happened." },
            Some(trail) => (list(trail, asked)),
        }
        p.hint { "The same for programs: " (command("heapwatch events --json")) }
    }
}

fn topics(asked: &Asked) -> Markup {
    let link = |kind: &str| address(&Asked { kind: kind.to_owned(), before: String::new(), ..asked.clone() });
    let current = |kind: &str| (asked.kind == kind).then_some("true");
    html! {
        nav.filters aria-label="Filter by topic" {
            a href=(link("")) aria-current=[current("")] { "all" }
            @for topic in Topic::ALL { a href=(link(topic.name())) aria-current=[current(topic.name())] { (topic.name()) } }
        }
    }
}

fn list(trail: &TrailPage, asked: &Asked) -> Markup {
    html! {
        ol.events reversed { @for event in trail.events.iter().rev() { (line(event)) } }
        @if let Some(oldest) = trail.events.first().filter(|_| trail.more) {
            nav.paging aria-label="Pages of events" {
                a rel="next" href=(address(&Asked { before: oldest.id.to_string(), ..asked.clone() })) { "older →" }
            }
        }
    }
}

fn line(event: &TrailEvent) -> Markup {
    // Only alerts carry a severity; what became of them and the rest are for the record.
    let severity =
        event.detail.get("severity").and_then(serde_json::Value::as_str).filter(|_| event.topic == Topic::Alert);
    let severity = severity.unwrap_or(event.topic.name());
    html! {
        li.{ (clean(severity)) } {
            span.when { (moment(event.at)) }
            span.severity { (clean(severity)) }
            span.says {
                @if let Some(target) = &event.target { a href={ "/targets/" (target) } { (target) } " " }
                (quote(says(event)))
            }
        }
    }
}

/// The line, less the name of the target, which stands before it.
fn says(event: &TrailEvent) -> &str {
    let name = event.target.as_ref().map(|target| format!("{target}: "));
    name.and_then(|name| event.says.strip_prefix(name.as_str())).unwrap_or(&event.says)
}

/// The address of the events for what is asked, without what is empty.
fn address(asked: &Asked) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in [("target", &asked.target), ("kind", &asked.kind), ("before", &asked.before)] {
        if !value.is_empty() {
            pairs.append_pair(key, value);
        }
    }
    format!("/events?{}", pairs.finish())
}
