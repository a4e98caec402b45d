//! One target: what is wrong and what to do first, then what was found, the chart, and everything else that is known.

mod care;
mod chart;
mod evidence;
mod history;
mod profiles;
mod verdict;

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::layout::{Page, Part};
use super::words::{ago, badge, clean, labels, quote};
use crate::clock::Timestamp;
use crate::leak::Picture;
use crate::sample::Signal;
use crate::status::dossier::{Dossier, DossierQuery};
use crate::status::{Standing, TargetStatus};
use crate::target::TargetName;
use crate::text::span;
use crate::web::{Request, Site};

/// A watcher serves questions between its polls; a page does not wait for a target that hangs.
const PATIENCE: Duration = Duration::from_millis(400);

/// What a person asks for in the address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct View {
    range: String,
    signal: String,
}

/// Everything that the page is made of.
pub(super) struct Subject {
    pub(super) status: TargetStatus,
    pub(super) dossier: Dossier,
    /// `None` where the watcher is too busy to say.
    pub(super) picture: Option<Picture>,
    pub(super) range: Range,
    pub(super) signal: Signal,
    pub(super) now: Timestamp,
}

/// How far back the chart goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    TwoHours,
    TwelveHours,
    TwoDays,
    Month,
}

impl Range {
    pub(super) const ALL: [Self; 4] = [Self::TwoHours, Self::TwelveHours, Self::TwoDays, Self::Month];

    /// As in addresses.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TwoHours => "2h",
            Self::TwelveHours => "12h",
            Self::TwoDays => "48h",
            Self::Month => "30d",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::TwoHours => "2 h",
            Self::TwelveHours => "12 h",
            Self::TwoDays => "48 h",
            Self::Month => "30 days",
        }
    }

    pub(super) const fn span(self) -> Duration {
        match self {
            Self::TwoHours => Duration::from_hours(2),
            Self::TwelveHours => Duration::from_hours(12),
            Self::TwoDays => Duration::from_hours(48),
            Self::Month => Duration::from_hours(30 * 24),
        }
    }

    /// The range of this name; else the shortest that shows the growth from its beginning, and half a day where nothing
    /// grows.
    fn choose(name: &str, status: &TargetStatus, now: Timestamp) -> Self {
        if let Some(named) = Self::ALL.into_iter().find(|range| range.name() == name) {
            return named;
        }
        let growth = status.watch.verdict.as_ref().and_then(|verdict| verdict.growth);
        let Some(since) = growth.filter(|_| Standing::of(status).grows()).map(|growth| growth.since) else {
            return Self::TwelveHours;
        };
        let shown = now.since(since).mul_f64(1.2);
        Self::ALL.into_iter().find(|range| range.span() >= shown).unwrap_or(Self::Month)
    }
}

pub(in crate::web) async fn page(
    State(site): State<Site>,
    Path(name): Path<String>,
    Query(view): Query<View>,
) -> Response {
    let now = (site.now)();
    let known = TargetName::new(name.clone()).ok().and_then(|name| site.board.get(&name));
    let Some(status) = known else { return unknown(&name, now) };
    let name = status.name.clone();
    let range = Range::choose(&view.range, &status, now);
    let query = DossierQuery { target: name.clone(), since: now.minus(range.span()) };
    let read = site.dossier.clone();
    let (dossier, picture) =
        tokio::join!(tokio::task::spawn_blocking(move || read(&query)), picture(&site, name.clone()));
    let dossier = dossier.unwrap_or_else(|_| Dossier {
        troubles: vec!["what is kept on disk could not be read".to_owned()],
        ..Dossier::default()
    });
    let signal = chosen_signal(&view.signal, &status);
    let subject = Subject { status, dossier, picture, range, signal, now };
    Page { title: name.to_string(), part: Part::Nowhere, now, body: render(&subject) }.into_response(StatusCode::OK)
}

fn unknown(name: &str, now: Timestamp) -> Response {
    let body = html! {
        h1 { "No such target" }
        p { "No target is called " (quote(name)) ". " a href="/" { "All targets" } }
    };
    Page { title: "No such target".to_owned(), part: Part::Nowhere, now, body }.into_response(StatusCode::NOT_FOUND)
}

async fn picture(site: &Site, target: TargetName) -> Option<Picture> {
    let (reply, answer) = oneshot::channel();
    let ask = async {
        site.requests.send(Request::Picture { target, reply }).await.ok()?;
        answer.await.ok()?
    };
    tokio::time::timeout(PATIENCE, ask).await.ok()?
}

/// The named signal, else that of the verdict, else the first that the target reports.
fn chosen_signal(name: &str, status: &TargetStatus) -> Signal {
    let named = Signal::ALL.into_iter().find(|signal| signal.name() == name);
    let judged = status.watch.verdict.as_ref().and_then(|verdict| verdict.signal);
    let reported = || {
        status
            .watch
            .sample
            .as_ref()
            .and_then(|sample| Signal::ALL.into_iter().find(|signal| sample.signal(*signal).is_some()))
    };
    named.or(judged).or_else(reported).unwrap_or(Signal::HeapUsed)
}

pub(super) fn render(subject: &Subject) -> Markup {
    html! {
        (heading(subject))
        (verdict::lead(subject))
        (care::notices(subject))
        (evidence::found(&subject.status, &subject.dossier))
        (profiles::found(&subject.status, &subject.dossier))
        (chart::section(subject))
        (verdict::gates(&subject.status))
        (verdict::gauges(&subject.status))
        (care::section(subject))
        (history::episodes(&subject.dossier))
        (history::events(&subject.dossier))
        @if !subject.dossier.troubles.is_empty() {
            section {
                h2 { "Not shown" }
                ul { @for trouble in &subject.dossier.troubles { li { (quote(trouble)) } } }
            }
        }
    }
}

fn heading(subject: &Subject) -> Markup {
    let Subject { status, now, .. } = subject;
    let watch = &status.watch;
    html! {
        p.way { a href="/" { "Targets" } " / " }
        div.heading { h1 { (status.name) } " " (badge(Standing::of(status))) }
        p.facts {
            span { bdi { (clean(&status.url)) } }
            @if let Some(life) = &watch.life {
                span {
                    "life " (life.number)
                    @if let Some(pid) = life.pid { ", pid " (pid) }
                    ", up " (span(now.since(life.began)))
                }
            }
            @if let Some(sample) = &watch.sample { span { "read " (ago(sample.at, *now)) } }
            span { (labels(status)) }
        }
    }
}
