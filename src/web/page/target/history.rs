//! What was: episodes, and what was said.

use maud::{Markup, html};

use crate::status::dossier::{Dossier, EpisodeRecord, EventLine};
use crate::text::span;
use crate::web::page::words::{clean, moment, quote};

pub(super) fn episodes(dossier: &Dossier) -> Markup {
    html! {
        section aria-labelledby="episodes" {
            h2 #episodes { "Episodes" }
            @if dossier.episodes.is_empty() { p.hint { "No leak was ever confirmed." } }
            @for episode in &dossier.episodes { (one(episode)) }
        }
    }
}

fn one(episode: &EpisodeRecord) -> Markup {
    html! {
        article.episode.open[episode.closed.is_none()] {
            h3 {
                "Confirmed " (moment(episode.opened)) " UTC"
                @if let Some(closed) = episode.closed { ", over after " (span(closed.since(episode.opened))) }
                @else { ", open" }
            }
            @if let Some(began) = &episode.began { p { (quote(began)) } }
            @if let Some(culprit) = &episode.culprit { p { (quote(culprit)) } }
            @if let Some(ended) = &episode.ended { p { (quote(ended)) } }
            p.hint { "episode " code { (clean(&episode.id)) } }
        }
    }
}

pub(super) fn events(dossier: &Dossier) -> Markup {
    html! {
        section aria-labelledby="events" {
            h2 #events { "What was said" }
            @if dossier.events.is_empty() { p.hint { "Nothing yet." } } @else {
                ol.events reversed { @for event in &dossier.events { (line(event)) } }
            }
        }
    }
}

fn line(event: &EventLine) -> Markup {
    html! {
        li.{ (clean(&event.severity)) } {
            span.when { (moment(event.at)) } " " span.severity { (clean(&event.severity)) } " "
            span.says { (quote(&event.says)) }
        }
    }
}
