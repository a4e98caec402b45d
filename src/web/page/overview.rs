//! The overview: what troubles heapwatch itself, then every target, the most urgent first.

use axum::extract::{Query as Asked, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::layout::{Page, Part};
use super::sparkline::sparkline;
use super::survey::{Found, Query, survey};
use super::words::{ago, badge, command, count, grouped, labels, moment, quote, size, time_left};
use crate::clock::Timestamp;
use crate::status::house::{ChannelStatus, HouseStatus};
use crate::status::{Standing, TargetStatus};
use crate::text::span;
use crate::web::Site;

pub(in crate::web) async fn page(State(site): State<Site>, Asked(query): Asked<Query>) -> Response {
    let now = (site.now)();
    let found = survey(&site.board, &query);
    let body = render(&found, &query, &site.board.house(), now);
    Page { title: title(&found), part: Part::Targets, now, body }.into_response(StatusCode::OK)
}

/// What somebody with twenty tabs open wants to read in the tab.
fn title(found: &Found) -> String {
    let number =
        |wanted| found.counts.iter().find(|(standing, _)| *standing == wanted).map_or(0, |(_, number)| *number);
    match (number(Standing::Leaking), number(Standing::NotAnswering)) {
        (0, 0) => "Targets".to_owned(),
        (0, silent) => format!("{silent} not answering"),
        (leaking, _) => format!("{leaking} leaking"),
    }
}

pub(super) fn render(found: &Found, query: &Query, house: &HouseStatus, now: Timestamp) -> Markup {
    html! {
        h1.quiet-heading { "Targets" }
        (troubles(house, now))
        (search(query))
        div #results {
            (filters(found, query))
            @if found.targets.is_empty() {
                p.nothing { "No target matches. " a href="/" { "Show all " (grouped(found.all as u64)) } }
            } @else {
                (table(&found.targets, now))
                (paging(found, query))
            }
        }
    }
}

/// Whatever keeps heapwatch from doing its work stands above the targets: their silence may be its own.
fn troubles(house: &HouseStatus, now: Timestamp) -> Markup {
    let channels: Vec<&ChannelStatus> =
        house.channels.iter().filter(|channel| channel.broken.is_some() || channel.last_error.is_some()).collect();
    let is_well = channels.is_empty()
        && !house.store_is_failing
        && house.refused_reload.is_none()
        && house.sources.iter().all(|source| source.last_error.is_none());
    html! {
        @if !is_well || !house.store_notes.is_empty() {
            section.troubles aria-labelledby="troubles" {
                h2 #troubles { "heapwatch itself" }
                ul {
                    @for channel in channels { (channel_trouble(channel, now)) }
                    @if house.store_is_failing {
                        li.bad {
                            strong { "The state database cannot be written." }
                            " Verdicts and alerts go on from memory; a full or read-only disk is the usual cause."
                        }
                    }
                    @if let Some(refused) = &house.refused_reload {
                        li.bad {
                            strong { "The configuration on disk is refused" } " since " (moment(refused.at))
                            " and the one before stays in force: " (quote(&refused.why)) " "
                            (command("heapwatch check"))
                        }
                    }
                    @for source in house.sources.iter() {
                        @if let Some(why) = &source.last_error {
                            li.bad {
                                strong { "The source " (quote(&source.name)) " (" (quote(&source.kind)) ")" }
                                " keeps its last good list, " (count(source.targets, "target")) ": " (quote(why)) "."
                            }
                        }
                    }
                    @for note in &house.store_notes { li { (quote(note)) } }
                }
            }
        }
    }
}

fn channel_trouble(channel: &ChannelStatus, now: Timestamp) -> Markup {
    let test = format!("heapwatch test-alert {}", channel.name);
    html! {
        li.bad {
            strong { "Channel " (quote(&channel.name)) " (" (quote(&channel.kind)) ")" }
            @if let Some(why) = &channel.broken {
                " takes no alerts any more: " (quote(why)) "."
            } @else if let Some(why) = &channel.last_error {
                " failed at its last attempt: " (quote(why)) "."
            }
            @if channel.owed > 0 {
                " It is owed " (count(channel.owed, "alert"))
                @if let Some(oldest) = channel.oldest { ", the oldest from " (ago(oldest, now)) }
                "."
            }
            " " (command(&test))
        }
    }
}

fn search(query: &Query) -> Markup {
    html! {
        form.search role="search" action="/" method="get" {
            label for="q" { "Find targets" }
            input #q type="search" name="q" value=(query.q) placeholder="name or label=value" autocomplete="off"
                spellcheck="false" maxlength="200";
            @if let Some(standing) = Standing::from_name(&query.standing) {
                input type="hidden" name="standing" value=(standing.name());
            }
            button type="submit" { "Find" }
        }
    }
}

/// One link a standing, with how many there are.
fn filters(found: &Found, query: &Query) -> Markup {
    let link = |standing: &str| address(&Query { standing: standing.to_owned(), page: String::new(), ..query.clone() });
    let current = |standing: &str| (query.standing == standing).then_some("true");
    html! {
        nav.filters aria-label="Filter by verdict" {
            a href=(link("")) aria-current=[current("")] { b { (grouped(found.searched as u64)) } " all" }
            @for (standing, number) in &found.counts {
                a.{ (standing.name()) } href=(link(standing.name())) aria-current=[current(standing.name())] {
                    b { (grouped(*number as u64)) } " " (standing)
                }
            }
        }
    }
}

fn table(targets: &[TargetStatus], now: Timestamp) -> Markup {
    html! {
        table.targets {
            caption.hidden { "Targets, the most urgent first" }
            thead {
                tr {
                    th scope="col" { "Target" }
                    th scope="col" { "Verdict" }
                    th scope="col" { "Floors" }
                    th.number scope="col" { "Memory" }
                    th.number scope="col" { "Growth" }
                    th.number scope="col" { "Limit in" }
                    th scope="col" { "What to know" }
                }
            }
            tbody { @for status in targets { (row(status, now)) } }
        }
    }
}

fn row(status: &TargetStatus, now: Timestamp) -> Markup {
    let watch = &status.watch;
    let standing = Standing::of(status);
    let growth = watch.verdict.as_ref().and_then(|verdict| verdict.growth).filter(|_| standing.grows());
    let memory = watch.sample.as_ref().and_then(|sample| sample.heap_used.or(sample.rss));
    html! {
        tr.{ (standing.name()) } {
            th scope="row" {
                a.name href={ "/targets/" (status.name) } { (status.name) }
                div.labels { (labels(status)) }
            }
            td.verdict { (badge(standing)) }
            td.floors { @if let Some(outline) = &watch.outline { (sparkline(outline)) } }
            td.number data-name="memory" { @if let Some(bytes) = memory { (size(bytes)) } }
            td.number data-name="growth" { @if let Some(growth) = growth { (growth.slope) } }
            td.number data-name="limit in" { @if let Some(left) = growth.as_ref().and_then(time_left) { (left) } }
            td.notes { (notes(status, now)) }
        }
    }
}

/// What a person should know before opening the target's page, the most important first.
fn notes(status: &TargetStatus, now: Timestamp) -> Markup {
    let (watch, care) = (&status.watch, &status.care);
    html! {
        @if let Some(why) = &watch.last_failure {
            div.bad {
                @if let (true, Some(since)) = (watch.is_down, watch.failing_since) { "silent for " (span(now.since(since))) ": " }
                @else { "the last poll failed: " }
                (quote(why))
            }
        }
        @if let Some(mark) = &care.silenced { div.quiet { "silenced until " (moment(mark.until)) ": " (quote(&mark.why)) } }
        @if care.disarmed.is_some() { div.bad { "captures are off until somebody rearms them" } }
        @if let Some(episode) = &care.episode {
            @if let Some(culprit) = &episode.culprit {
                div.culprit { (quote(culprit)) }
            } @else if care.capturing.is_none() && care.waiting.is_none() && !care.analysing {
                div.quiet { (count(episode.snapshots.len(), "snapshot")) }
            }
        }
        @if care.capturing.is_some() { div { "taking a snapshot" } }
        @if care.analysing { div { "comparing snapshots" } }
        @if let Some(waiting) = care.waiting.as_ref().filter(|waiting| !waiting.refusals.is_empty()) {
            div { "no snapshot: " (quote(&waiting.refusals.join("; "))) }
        }
        @if let Some(watched) = &watch.verification {
            div { "fix watched for " (watched.share_text()) }
        }
    }
}

/// The way from page to page.
fn paging(found: &Found, query: &Query) -> Markup {
    let link = |page: usize| address(&Query { page: page.to_string(), ..query.clone() });
    html! {
        @if found.pages > 1 {
            nav.paging aria-label="Pages of targets" {
                @if found.page > 1 { a rel="prev" href=(link(found.page - 1)) { "← more urgent" } }
                span { "page " (found.page) " of " (found.pages) ", " (count(found.matched, "target")) }
                @if found.page < found.pages { a rel="next" href=(link(found.page + 1)) { "less urgent →" } }
            }
        }
    }
}

/// The overview's address for a query, without what is empty.
fn address(query: &Query) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in [("q", &query.q), ("standing", &query.standing), ("page", &query.page)] {
        if !value.is_empty() {
            pairs.append_pair(key, value);
        }
    }
    let pairs = pairs.finish();
    if pairs.is_empty() { "/".to_owned() } else { format!("/?{pairs}") }
}
