//! The silences in force: whom they cover, until when, by whom and why, and how to make or end one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::layout::{Page, Part};
use super::words::{command, moment, quote};
use crate::clock::Timestamp;
use crate::silence::Silence;
use crate::text::span;
use crate::web::Site;

pub(in crate::web) async fn page(State(site): State<Site>) -> Response {
    let now = (site.now)();
    let body = render(&site.board.house().silences, now);
    Page { title: "Silences".to_owned(), part: Part::Silences, now, body }.into_response(StatusCode::OK)
}

pub(super) fn render(silences: &[Silence], now: Timestamp) -> Markup {
    html! {
        h1 { "Silences" }
        p.hint {
            "A silence holds back what is told of a target, never what is seen, judged or captured. "
            "It has a reason and an end."
        }
        @if silences.is_empty() { p.nothing { "Nothing is silenced." } } @else {
            table {
                thead { tr {
                    th scope="col" { "Whom" } th scope="col" { "Until (UTC)" } th scope="col" { "By" }
                    th scope="col" { "Why" } th scope="col" { "To end it" }
                } }
                tbody { @for silence in silences { (row(silence, now)) } }
            }
        }
        h2 { "To silence a target" }
        p { (command("heapwatch silence add --target NAME --for 2h --why \"deploy\"")) }
    }
}

fn row(silence: &Silence, now: Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" { (quote(&silence.scope.to_string())) }
            td { (moment(silence.until)) ", in " (span(silence.until.since(now))) }
            td { (quote(&silence.by)) }
            td { (quote(&silence.why)) }
            td { (command(&format!("heapwatch silence end {}", silence.id))) }
        }
    }
}
