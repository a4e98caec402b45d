//! Captures: what is going on, what is in the way and what to do about it, what was stored and what became of attempts.

use maud::{Markup, html};

use super::Subject;
use crate::clock::Timestamp;
use crate::status::dossier::{CaptureRecord, Dossier, SnapshotRecord};
use crate::status::{CareStatus, TargetStatus};
use crate::text::span;
use crate::web::page::words::{clean, command, count, grouped, moment, part, quote, size};

/// Notices, the one that needs a person first.
pub(super) fn notices(subject: &Subject) -> Markup {
    let Subject { status, now, .. } = subject;
    let (watch, care) = (&status.watch, &status.care);
    html! {
        @if let Some(why) = &care.disarmed {
            div.notice.bad {
                strong { "Captures are off." } " " (quote(why)) " When there is room for it: "
                (command(&format!("heapwatch rearm {}", status.name)))
            }
        }
        @if let Some(why) = &watch.last_failure {
            div.notice.bad {
                strong { "Not answering" }
                @if let Some(since) = watch.failing_since { " for " (span(now.since(since))) }
                " (" (count(watch.failed_polls as usize, "poll")) " in a row failed): " (quote(why))
            }
        }
        @if let Some(watched) = &watch.verification {
            div.notice.watching {
                label for="watched" {
                    strong { "The fix is being watched." } " " (watched.share_text()) " are over; it has held after that."
                }
                progress #watched max=(watched.of_seconds) value=(watched.watched_seconds) { (watched.share_text()) }
            }
        }
        @if let Some(mark) = &care.silenced {
            div.notice {
                strong { "Silenced" } " until " (moment(mark.until)) " UTC by " (quote(&mark.by)) ": " (quote(&mark.why))
                " To end it: " (command(&format!("heapwatch silence end {}", mark.id)))
            }
        }
        (capture_notices(care, *now))
    }
}

fn capture_notices(care: &CareStatus, now: Timestamp) -> Markup {
    html! {
        @if let Some(taking) = care.capturing {
            div.notice { strong { "Taking the " (part(taking)) " snapshot." } " The process is busy until it is written." }
        }
        @if care.analysing { div.notice { strong { "Comparing snapshots." } " An alert brings what is found." } }
        @if let Some(waiting) = &care.waiting {
            div.notice {
                strong { "The " (part(waiting.part)) " snapshot is due" } " for " (span(now.since(waiting.since)))
                @if waiting.refusals.is_empty() { "." } @else {
                    " and waits, because it would not be safe now:"
                    ul { @for refusal in &waiting.refusals { li { (quote(refusal)) } } }
                }
            }
        }
    }
}

/// Budget, snapshots and attempts.
pub(super) fn section(subject: &Subject) -> Markup {
    let Subject { status, dossier, now, .. } = subject;
    html! {
        section aria-labelledby="captures" {
            h2 #captures { "Captures" }
            @if status.care.daily_budget == 0 {
                p.hint { "Snapshots of this target are off in the configuration: it has no " code { "snapshot" } " table." }
            } @else {
                (budget(status, *now))
            }
            @if let Some(rests_on) = status.care.episode.as_ref().and_then(|episode| episode.evidence.as_ref()) {
                p { "Evidence: " (quote(rests_on)) }
            }
            @if let Some(profiles) = &status.care.profiles { p { "Profiles: " (quote(profiles)) } }
            @if !dossier.snapshots.is_empty() { (snapshots(dossier)) }
            (attempts(dossier))
        }
    }
}

fn budget(status: &TargetStatus, now: Timestamp) -> Markup {
    let care = &status.care;
    let later = |at: Option<Timestamp>| at.filter(|at| now.is_before(*at)).map(|at| span(at.since(now)));
    html! {
        dl.facts-list {
            div { dt { "Captures in 24 h" } dd { (care.captures_last_day) " of " (care.daily_budget)
                @if let Some(left) = later(care.budget_frees_at) { ", one more in " (left) } } }
            div { dt { "Cooldown" } dd {
                @if let Some(left) = later(care.cooldown_until) { (left) " until the next pair" } @else { "none" } } }
            div { dt { "Cost" } dd {
                @if let Some(factor) = care.cost_factor { (format!("{factor:.1}")) " bytes for each byte of heap, as measured" }
                @else { "not yet measured" } } }
            div { dt { "Kills this week" } dd { (care.kills_this_week) " at the memory limit" } }
            div { dt { "By hand" } dd { (command(&format!("heapwatch snapshot {}", status.name))) } }
        }
    }
}

fn snapshots(dossier: &Dossier) -> Markup {
    html! {
        table.stored {
            caption.hidden { "Stored captures, newest first" }
            thead {
                tr {
                    th scope="col" { "Taken (UTC)" } th scope="col" { "Kind" } th.number scope="col" { "Size" }
                    th.number scope="col" { "Objects" } th.number scope="col" { "Pause" } th scope="col" { "File" }
                }
            }
            tbody { @for snapshot in dossier.snapshots.iter().take(30) { (stored(snapshot)) } }
        }
    }
}

fn stored(snapshot: &SnapshotRecord) -> Markup {
    html! {
        tr {
            th scope="row" { (moment(snapshot.at)) }
            td { (part(snapshot.part)) " " (snapshot.kind.noun()) @if snapshot.pinned { " (pinned)" } }
            td.number data-name="size" { (size(snapshot.bytes)) }
            td.number data-name="objects" { (grouped(snapshot.nodes)) }
            td.number data-name="pause" { (format!("{:.1} s", snapshot.pause.as_secs_f64())) }
            td.path { bdi { (clean(&snapshot.path)) } }
        }
    }
}

/// Attempts that left no snapshot, and the one that runs.
fn attempts(dossier: &Dossier) -> Markup {
    let failed: Vec<&CaptureRecord> =
        dossier.captures.iter().filter(|capture| capture.outcome != "stored").take(20).collect();
    html! {
        @if !failed.is_empty() {
            h3 { "Attempts without a snapshot" }
            ul.attempts {
                @for capture in failed {
                    li { (moment(capture.at)) " " (part(capture.part)) ": " (clean(&capture.outcome).replace('_', " ")) }
                }
            }
        } @else if dossier.snapshots.is_empty() {
            p.hint { "No snapshot is stored." }
        }
    }
}
