//! What the heap profiles say: which functions made what stays, as a list, as a drawing, and as its text.

use maud::{Markup, html};

use crate::heap::profile::report::{Caller, ProfileCulprit, StackGrowth};
use crate::status::TargetStatus;
use crate::status::dossier::{Dossier, ProfileComparison};
use crate::web::page::words::{clean, command, grouped, quote, signed_size, size};

/// More culprits would bury the first one.
const MOST_CULPRITS: usize = 5;
/// Stacks in words; the drawing has more.
const MOST_STACKS: usize = 10;
/// Calls of one stack in words, from the innermost.
const MOST_CALLS: usize = 12;

pub(super) fn found(status: &TargetStatus, dossier: &Dossier) -> Markup {
    html! {
        @if let Some(comparison) = &dossier.profiles { (compared(status, comparison)) }
    }
}

fn compared(status: &TargetStatus, comparison: &ProfileComparison) -> Markup {
    let ProfileComparison { before, after, is_drawn, report } = comparison;
    html! {
        section.found aria-labelledby="profiled" {
            h2 #profiled { "Which functions made what stays" }
            @if report.culprits.is_empty() { p { (quote(&report.headline)) } }
            @for (index, culprit) in report.culprits.iter().take(MOST_CULPRITS).enumerate() {
                @if index == 0 { (blamed(culprit)) } @else {
                    details id={ "function-" (index) } { summary { (quote(&culprit.headline)) } (blamed(culprit)) }
                }
            }
            @for note in &report.notes { p.hint { (quote(note)) } }
            @if *is_drawn { (drawing(status)) }
            (stacks(&report.stacks))
            p.hint {
                "By heap profiles, which are samples: from "
                @if let Some(before) = before { (quote(before)) } @else { "a profile that is deleted by now" }
                " to " (quote(after)) ", " (size(report.before_bytes)) " to " (size(report.after_bytes)) " alive. "
                (command("heapwatch heap diff FIRST SECOND --flamegraph FILE"))
            }
        }
    }
}

fn blamed(culprit: &ProfileCulprit) -> Markup {
    let share = culprit.share_of_growth * 100.0;
    html! {
        div.culprit {
            p.headline {
                strong { (signed_size(culprit.bytes_delta)) } " that stayed (" (format!("{share:.0}")) " % of the growth)"
            }
            dl.facts-list {
                div { dt { "Made by" } dd { (place(&culprit.function, culprit.location.as_ref())) } }
                @for caller in &culprit.callers {
                    div { dt { "Called by" } dd { (call(caller)) } }
                }
                @if !culprit.through.is_empty() { div { dt { "Through" } dd { (quote(&culprit.through.join(" > "))) } } }
                div { dt { "Samples" } dd { (grouped(culprit.samples)) } }
            }
        }
    }
}

/// The text beside it says the same.
fn drawing(status: &TargetStatus) -> Markup {
    let address = format!("/api/v1/targets/{}/flamegraph.svg", status.name);
    html! {
        figure.flames {
            a href=(address) {
                img src=(address) loading="lazy"
                    alt="Flame graph of what stayed: the wider a call, the more was made below it. The table of stacks that follows has the same in words.";
            }
        }
    }
}

fn stacks(stacks: &[StackGrowth]) -> Markup {
    html! {
        @if !stacks.is_empty() {
            details #stacks {
                summary { "Stacks that grew most, the innermost call first" }
                table {
                    thead { tr { th.number scope="col" { "Stayed" } th scope="col" { "Stack" } } }
                    tbody {
                        @for stack in stacks.iter().take(MOST_STACKS) {
                            tr {
                                td.number data-name="stayed" { (size(stack.after_bytes.saturating_sub(stack.before_bytes))) }
                                td.path { ol { @for frame in stack.frames.iter().rev().take(MOST_CALLS) { li { (call(frame)) } } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn call(caller: &Caller) -> Markup {
    place(&caller.function, caller.location.as_ref())
}

fn place(function: &str, location: Option<&crate::heap::report::Location>) -> Markup {
    html! {
        (quote(function))
        @if let Some(at) = location { " " code.place { bdi { (clean(&at.script)) } ":" (at.line) ":" (at.column) } }
    }
}
