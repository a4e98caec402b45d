//! The status page: every target with the most urgent first, one target with everything known of it, what was said, and
//! what is silenced. Rendered here, readable on a phone at night, and whole without its script.
//!
//! Every text that comes from a target, a heap or a receiver goes through [`words::clean`] and is escaped by maud.

mod assets;
mod events;
mod layout;
mod overview;
mod silences;
mod sparkline;
mod survey;
mod target;
#[cfg(test)]
mod tests;
mod words;

use axum::Router;
use axum::routing::get;

use super::Site;

/// The pages and what they load.
pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/", get(overview::page))
        .route("/targets/{name}", get(target::page))
        .route("/events", get(events::page))
        .route("/silences", get(silences::page))
        .route("/assets/style.css", get(assets::style))
        .route("/assets/page.js", get(assets::script))
        .route("/assets/icon.svg", get(assets::icon))
}
