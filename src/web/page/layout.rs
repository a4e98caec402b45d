//! What every page has around it.

use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::words::clean;
use crate::clock::Timestamp;

/// The parts of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Targets,
    Events,
    Silences,
    Nowhere,
}

/// One page.
pub(super) struct Page {
    pub(super) title: String,
    pub(super) part: Part,
    pub(super) now: Timestamp,
    pub(super) body: Markup,
}

const PARTS: [(Part, &str, &str); 3] =
    [(Part::Targets, "/", "Targets"), (Part::Events, "/events", "Events"), (Part::Silences, "/silences", "Silences")];

impl Page {
    /// The page as an answer; what it shows is of this moment, and nobody's to keep.
    pub(super) fn into_response(self, status: StatusCode) -> Response {
        (status, [(CACHE_CONTROL, "no-store")], Html(self.render().into_string())).into_response()
    }

    pub(super) fn render(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (clean(&self.title)) " · heapwatch" }
                    link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/assets/style.css";
                    script src="/assets/page.js" defer {}
                    noscript { meta http-equiv="refresh" content="30"; }
                }
                body {
                    a.skip href="#main" { "Skip to content" }
                    (self.banner())
                    main #main tabindex="-1" { (self.body) }
                }
            }
        }
    }

    fn banner(&self) -> Markup {
        html! {
            header.banner {
                a.brand href="/" { "heapwatch" }
                nav aria-label="Pages" {
                    @for (part, path, name) in PARTS {
                        a href=(path) aria-current=[(part == self.part).then_some("page")] { (name) }
                    }
                }
                p #freshness {
                    "as of " time datetime=(self.now) { (self.now.to_second()) } " UTC"
                }
            }
        }
    }
}
