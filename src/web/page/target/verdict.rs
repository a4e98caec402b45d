//! The verdict in a sentence, and its gates with their numbers.

use maud::{Markup, html};

use super::Subject;
use crate::clock::Timestamp;
use crate::leak::verdict::{Growth, Reason, Verdict};
use crate::status::{Standing, TargetStatus};
use crate::text::span;
use crate::web::page::words::{ago, clean, command, moment, quote, size, time_left};

/// The one sentence to read at night.
pub(super) fn lead(subject: &Subject) -> Markup {
    let Subject { status, now, .. } = subject;
    let standing = Standing::of(status);
    let verdict = status.watch.verdict.as_ref();
    html! {
        p.lead {
            @match (standing, verdict) {
                (Standing::NotAnswering | Standing::NotPolled, _) | (_, None) => (silence(status, *now)),
                (Standing::Leaking, Some(verdict)) if verdict.outlasts_its_gates() => (held(verdict, *now)),
                (Standing::Leaking | Standing::Suspected, Some(verdict)) => (growing(verdict, *now)),
                (_, Some(verdict)) => (resting(standing, verdict, *now)),
            }
        }
    }
}

fn silence(status: &TargetStatus, now: Timestamp) -> Markup {
    html! {
        @if status.watch.polls == 0 {
            "heapwatch has not asked it yet."
        } @else if status.watch.sample.is_none() {
            "It has not answered since heapwatch started"
            @if let Some(since) = status.watch.failing_since { ", " (ago(since, now)) }
            ". Nothing can be said of its memory. " (probe(status))
        } @else {
            "It does not answer any more. Nothing can be said of its memory. " (probe(status))
        }
    }
}

fn probe(status: &TargetStatus) -> Markup {
    // The shown address may lack what a shell needs, so it is left for the person to give.
    html! { "See what it answers: " (command("heapwatch probe URL")) " for " (status.name) "." }
}

fn growing(verdict: &Verdict, now: Timestamp) -> Markup {
    let Some(growth) = &verdict.growth else { return resting(Standing::Leaking, verdict, now) };
    let Growth { slope, from_bytes, to_bytes, since, until, r2, .. } = growth;
    html! {
        @if let Some(signal) = verdict.signal { (signal) } @else { "Memory" }
        " grows " strong { (slope) } " without levelling off: from " (size(*from_bytes)) " to " (size(*to_bytes)) " in "
        (span(until.since(*since)))
        @if let Some(r2) = r2 { " (the line fits with R² " (format!("{r2:.2}")) ")" }
        @if let (Some(left), Some(limit)) = (time_left(growth), growth.limit_bytes) {
            ". At this rate it reaches its limit of " (size(limit)) " in " strong { (left) }
        } @else if growth.limit_bytes.is_none() {
            ". No memory limit is known, so there is no forecast (set " code { "memory_limit" } ")"
        }
        "."
    }
}

/// A leak that was confirmed, and that the gates would not confirm just now.
fn held(verdict: &Verdict, now: Timestamp) -> Markup {
    html! {
        "A leak was confirmed " (ago(verdict.since, now)) " and is not known to be resolved. Just now "
        @match (&verdict.growth, verdict.signal) {
            (Some(growth), Some(signal)) => {
                (signal) " went from " (size(growth.from_bytes)) " to " (size(growth.to_bytes)) " in "
                (span(growth.until.since(growth.since)))
            }
            _ => "nothing is seen to grow",
        }
        "."
    }
}

fn resting(standing: Standing, verdict: &Verdict, now: Timestamp) -> Markup {
    let first = verdict.reasons.iter().find(|reason| !reason.passed);
    html! {
        @match standing {
            Standing::Steady => "Nothing grows beyond its plateau",
            Standing::Recovering => "The process was restarted, and its fix is being watched",
            Standing::WarmingUp => "Too early in this life to say anything",
            Standing::NotJudged => "No verdict",
            _ => (standing),
        }
        ", since " (ago(verdict.since, now))
        @if let Some(reason) = first.filter(|_| standing == Standing::NotJudged) { ": " (quote(&reason.says)) }
        "."
    }
}

/// Every gate with its value and threshold.
pub(super) fn gates(status: &TargetStatus) -> Markup {
    let Some(verdict) = &status.watch.verdict else { return html! {} };
    let passed = verdict.reasons.iter().filter(|reason| reason.passed).count();
    html! {
        section aria-labelledby="gates" {
            h2 #gates { "Why this verdict" }
            p.hint {
                (passed) " of " (verdict.reasons.len()) " gates let a leak through; it is one when all do. "
                @if verdict.outlasts_its_gates() { "All did when it was confirmed; this is what they say now. " }
                "In this state since " (moment(verdict.since)) " UTC. " (command(&format!("heapwatch explain {}", status.name)))
            }
            table.gates {
                thead {
                    tr {
                        th scope="col" { "Gate" }
                        th.number scope="col" { "Measured" }
                        th.number scope="col" { "Leaks if" }
                        th scope="col" { "What it says" }
                    }
                }
                tbody { @for reason in &verdict.reasons { (gate(reason)) } }
            }
        }
    }
}

/// The numbers that are watched besides memory, as the newest reading has them.
pub(super) fn gauges(status: &TargetStatus) -> Markup {
    let readings = status.watch.sample.as_ref().map(|sample| sample.gauges.as_slice()).unwrap_or_default();
    html! {
        @if !readings.is_empty() {
            section aria-labelledby="gauges" {
                h2 #gauges { "Watched besides memory" }
                dl.facts-list {
                    @for (name, reading) in readings { div { dt { (clean(name)) } dd { (reading) } } }
                }
            }
        }
    }
}

fn gate(reason: &Reason) -> Markup {
    let (class, sign, word) =
        if reason.passed { ("passed", "▲", "lets through") } else { ("held", "■", "holds back") };
    html! {
        tr.(class) {
            th scope="row" { span.sign title=(word) { (sign) } span.hidden { " " (word) } " " (clean(&reason.gate).replace('_', " ")) }
            td.number data-name="measured" { (reason.value_text()) }
            td.number data-name="leaks if" { (reason.asks()) " " (reason.threshold_text()) }
            td { (quote(&reason.says)) }
        }
    }
}
