//! What the snapshots say: who leaks, what holds it, and the file and line that made it.

use maud::{Markup, html};

use crate::heap::report::{ClassRow, Culprit, Location, PathStep};
use crate::heap::summary::Summary;
use crate::status::TargetStatus;
use crate::status::dossier::{Comparison, Dossier, SnapshotSummary};
use crate::web::page::words::{clean, command, count, grouped, quote, signed, signed_size, size};

/// More culprits would bury the first one.
const MOST_CULPRITS: usize = 5;
/// Rows of DevTools' Comparison view.
const MOST_CLASSES: usize = 15;

pub(super) fn found(status: &TargetStatus, dossier: &Dossier) -> Markup {
    let heading = if status.care.episode.is_some() { "What leaks" } else { "What leaked" };
    html! {
        @if let Some(comparison) = &dossier.comparison {
            (compared(comparison, heading))
        } @else if let Some(summary) = &dossier.summary {
            (summarised(summary))
        }
    }
}

fn compared(comparison: &Comparison, heading: &str) -> Markup {
    let report = &comparison.report;
    html! {
        section.found aria-labelledby="found" {
            h2 #found { (heading) }
            @if report.culprits.is_empty() { p { (quote(&report.headline)) } }
            @for (index, culprit) in report.culprits.iter().take(MOST_CULPRITS).enumerate() {
                @if index == 0 { (blamed(culprit)) } @else {
                    details id={ "culprit-" (index) } { summary { (quote(&culprit.headline)) } (blamed(culprit)) }
                }
            }
            @for note in &report.notes { p.hint { (quote(note)) } }
            (classes(&report.classes))
            p.hint {
                "From " @if let Some(before) = &comparison.before { (quote(before)) } @else { "a snapshot that is deleted by now" }
                " to " (quote(&comparison.after)) ", " (size(report.heap.before_bytes)) " to " (size(report.heap.after_bytes)) "."
            }
        }
    }
}

fn blamed(culprit: &Culprit) -> Markup {
    let share = culprit.share_of_growth * 100.0;
    html! {
        div.culprit {
            p.headline {
                strong { (signed(culprit.count_delta)) " " @if culprit.class == "Function" { "closures" } @else { (quote(&culprit.class)) } }
                ", retaining " strong { (signed_size(culprit.retained_delta)) }
                " (" (format!("{share:.0}")) " % of the heap's growth)"
            }
            dl.facts-list {
                @if let Some(location) = &culprit.location {
                    div { dt { "Made at" } dd { (place(location)) @if !culprit.function.is_empty() { " by " (quote(&culprit.function)) } } }
                } @else if !culprit.function.is_empty() {
                    div { dt { "Made by" } dd { (quote(&culprit.function)) } }
                }
                div { dt { "Held by" } dd.path { (quote(&culprit.held_by)) } }
                @if !culprit.captured.is_empty() {
                    div { dt { "Keeps alive" } dd { (quote(&culprit.captured.join(", "))) } }
                }
            }
            @if !culprit.path.is_empty() { (path(&culprit.path)) }
            @if let Some(caution) = &culprit.caution { p.hint { "But: " (quote(caution)) } }
        }
    }
}

fn place(location: &Location) -> Markup {
    html! { code.place { bdi { (clean(&location.script)) } ":" (location.line) ":" (location.column) } }
}

/// The retaining path from its owner down to one of the new objects.
fn path(steps: &[PathStep]) -> Markup {
    /// Beyond this, a path through a list repeats itself.
    const MOST: usize = 30;
    html! {
        ol.retaining aria-label="Retaining path, from the owner down" {
            @for step in steps.iter().take(MOST) {
                li {
                    @if !step.edge.is_empty() { span.edge { (quote(&step.edge)) } " " }
                    span.node { (quote(&step.node)) } " " span.id { "@" (step.id) }
                }
            }
            @if steps.len() > MOST { li { (count(steps.len() - MOST, "step")) " more" } }
        }
    }
}

/// The Comparison view, as DevTools has it.
fn classes(rows: &[ClassRow]) -> Markup {
    let mut rows: Vec<&ClassRow> = rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.size_delta));
    html! {
        @if !rows.is_empty() {
            details #classes {
                summary { "Objects by class, as in DevTools' Comparison view" }
                table {
                    thead { tr {
                        th scope="col" { "Constructor" } th.number scope="col" { "New" } th.number scope="col" { "Deleted" }
                        th.number scope="col" { "Delta" } th.number scope="col" { "Size delta" }
                    } }
                    tbody {
                        @for row in rows.iter().take(MOST_CLASSES) {
                            tr {
                                th scope="row" { (quote(&row.name)) }
                                td.number data-name="new" { (grouped(row.new)) }
                                td.number data-name="deleted" { (grouped(row.deleted)) }
                                td.number data-name="delta" { (signed(row.delta)) }
                                td.number data-name="size delta" { (signed_size(row.size_delta)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The first snapshot alone, while the second is still to come.
fn summarised(found: &SnapshotSummary) -> Markup {
    let SnapshotSummary { of, summary } = found;
    html! {
        section.found aria-labelledby="found" {
            h2 #found { "What the heap holds" }
            p.hint {
                (quote(of)) ": " (grouped(summary.nodes)) " objects, " (size(summary.bytes))
                ". What leaks is known when a second snapshot can be compared with it."
            }
            (largest(summary))
            p.hint { (command("heapwatch heap summary FILE")) }
        }
    }
}

fn largest(summary: &Summary) -> Markup {
    html! {
        table {
            caption { "Containers with the most entries" }
            thead { tr { th scope="col" { "Class" } th.number scope="col" { "Entries" } th.number scope="col" { "Retains" } th scope="col" { "Reached by" } } }
            tbody {
                @for one in summary.containers.iter().take(8) {
                    tr {
                        th scope="row" { (quote(&one.class)) }
                        td.number data-name="entries" { (grouped(one.entries)) }
                        td.number data-name="retains" { (size(one.retained)) }
                        td.path { (quote(&one.path)) }
                    }
                }
            }
        }
    }
}
