//! What an alert says to a person: the same sentences for the log, Slack, `PagerDuty` and the webhook.
//!
//! Everything returned is one clean line; texts from targets are capped where they are woven in.

mod leak;

pub use leak::evidence;

use crate::alert::message::{Alert, News, Status, StoredSnapshot};
use crate::evidence::CaptureKind;
use crate::leak::event::{PairPart, RestartCause};
use crate::text::{line, span, span_of_seconds};
use crate::units::ByteSize;

/// Longest headline, in characters: fits a phone's notification, Slack's `text` and `PagerDuty`'s summary.
const HEADLINE: usize = 250;
/// Longest sentence of the details, in characters.
const SENTENCE: usize = 600;
/// Longest name, error or location from a target within a sentence, in characters.
const FRAGMENT: usize = 160;

/// One line: whom it is about, what happened, how bad it is.
pub fn headline(alert: &Alert) -> String {
    let says = match &alert.news {
        News::LeakSuspected(leak) => format!("suspected: {}", leak::growth(leak)),
        News::LeakConfirmed(leak) => leak::growth(leak),
        News::LeakReminder(leak) => format!("still leaking: {}", leak::growth(leak)),
        News::StillLeaking(leak) => {
            format!("leaks again after a restart, the fix does not hold: {}", leak::growth(leak))
        }
        News::LeakResolved { signal, .. } => format!("{signal} leak is over"),
        News::AnalysisReady(leak) => leak::blame(leak),
        News::AnalysisFailed { .. } => "the two snapshots could not be compared".to_owned(),
        News::TargetRestarted { cause, kills_this_week, .. } => restart(*cause, *kills_this_week),
        News::TargetDown { failed_polls, .. } => format!("down: {failed_polls} polls in a row failed"),
        News::TargetUp { down_seconds } => match span_of_seconds(*down_seconds) {
            Some(down) => format!("up again after {down}"),
            None => "up again".to_owned(),
        },
        News::SnapshotStored(snapshot) => format!("{} snapshot stored", name_of(snapshot.part)),
        News::SnapshotSkipped { part, .. } => format!("{} snapshot skipped: it would not be safe now", name_of(*part)),
        News::SnapshotFailed { capture, part, disarmed: false, .. } => {
            format!("{} {} failed", name_of(*part), capture.noun())
        }
        News::SnapshotFailed { capture, part, .. } => {
            format!("{} {} failed, and further captures are off", name_of(*part), capture.noun())
        }
        News::Gauge { gauge, value, maximum, exceeded: true } => {
            format!("{gauge} is {value}, over its maximum {maximum}")
        }
        News::Gauge { gauge, value, maximum, .. } => format!("{gauge} is {value}, back under its maximum {maximum}"),
        News::GaugeGrows { gauge, growth } => {
            format!("{gauge} grows by {:.1} an hour ({:.0} to {:.0})", growth.slope_per_hour, growth.from, growth.to)
        }
        News::GaugeSteady { gauge, value } => format!("{gauge} has stopped growing, at {value:.0}"),
        News::Misconfigured { .. } => "cannot be judged as configured".to_owned(),
        News::NoLongerWatched { .. } => "no longer watched, so its open alert is closed".to_owned(),
        News::Trouble { subject, status: Status::Resolved, .. } => format!("{} works again", line(subject, FRAGMENT)),
        News::Trouble { subject, .. } => format!("trouble with {}", line(subject, FRAGMENT)),
        News::Test { status } => format!("this is a test alert ({}), nothing is wrong", status.name()),
    };
    line(&format!("{}: {says}", alert.target), HEADLINE)
}

/// The facts behind the headline, one sentence each.
pub fn details(alert: &Alert) -> Vec<String> {
    let sentences = match &alert.news {
        News::LeakSuspected(leak)
        | News::LeakConfirmed(leak)
        | News::LeakReminder(leak)
        | News::StillLeaking(leak)
        | News::AnalysisReady(leak) => leak::details(leak, alert.at),
        News::LeakResolved { resolution, .. } => {
            vec![format!("{} The episode began {}.", sentence(&resolution.says), resolution.confirmed)]
        }
        News::TargetRestarted { ended, began, cause, .. } => {
            let lived = span(began.began.since(ended.began));
            let pids = match (ended.pid, began.pid) {
                (Some(old), Some(new)) => format!(" (pid {old}, now {new})"),
                _ => String::new(),
            };
            let why = match cause {
                RestartCause::AtMemoryLimit => "Its memory was at the limit just before: likely killed.",
                RestartCause::Unknown => "Nothing in its readings explains it: a deploy, a crash, or a person.",
            };
            vec![format!("The process lived {lived}{pids}."), why.to_owned()]
        }
        News::SnapshotStored(snapshot) => vec![stored(CaptureKind::HeapSnapshot, snapshot)],
        News::SnapshotSkipped { refusals, .. } => refusals.iter().map(|refusal| sentence(refusal)).collect(),
        News::TargetDown { why, .. } => vec![format!("The last poll failed: {}", sentence(why))],
        News::AnalysisFailed { why }
        | News::SnapshotFailed { why, .. }
        | News::Misconfigured { why }
        | News::Trouble { why, .. } => vec![sentence(why)],
        News::NoLongerWatched { .. } => {
            vec!["It was taken out of the configuration, or of the list that named it. Whether the trouble is over is not known.".to_owned()]
        }
        News::GaugeGrows { gauge, growth } => {
            vec![format!("{} has grown since {}, without levelling off.", line(gauge, FRAGMENT), growth.since)]
        }
        News::TargetUp { .. } | News::Gauge { .. } | News::GaugeSteady { .. } | News::Test { .. } => Vec::new(),
    };
    let silenced = alert.silenced.iter().map(|mark| sentence(&mark.to_string()));
    sentences.into_iter().chain(silenced).map(|sentence| line(&sentence, SENTENCE)).collect()
}

/// What a person can do now, most useful first.
pub fn next_steps(alert: &Alert) -> Vec<String> {
    let target = &alert.target;
    let explain = || format!("See every gate of the verdict: heapwatch explain {target}");
    let steps = match &alert.news {
        News::LeakConfirmed(leak) | News::LeakReminder(leak) | News::StillLeaking(leak) | News::AnalysisReady(leak) => {
            let mut steps = leak::next_steps(leak, target);
            steps.push(explain());
            steps
        }
        News::LeakSuspected(_)
        | News::LeakResolved { .. }
        | News::GaugeGrows { .. }
        | News::Gauge { exceeded: true, .. } => vec![explain()],
        News::SnapshotSkipped { advice, .. } => advice.iter().map(|advice| sentence(advice)).collect(),
        News::SnapshotFailed { disarmed: true, .. } => vec![
            format!("Find out whether the capture killed {target} before you allow another one."),
            format!("See what happened: heapwatch events --target {target}"),
        ],
        News::TargetRestarted { cause: RestartCause::AtMemoryLimit, .. } => vec![
            "Look at the kernel's log and the orchestrator's events for an out-of-memory kill.".to_owned(),
            explain(),
        ],
        News::TargetDown { .. } => vec![format!("See how the endpoint answers now: heapwatch probe {target}")],
        _ => Vec::new(),
    };
    steps.iter().map(|step| line(step, SENTENCE)).collect()
}

fn restart(cause: RestartCause, kills_this_week: u32) -> String {
    match (cause, kills_this_week) {
        (RestartCause::Unknown, _) => "restarted".to_owned(),
        (RestartCause::AtMemoryLimit, 0 | 1) => "restarted, likely killed at its memory limit".to_owned(),
        (RestartCause::AtMemoryLimit, kills) => {
            format!("restarted, likely killed at its memory limit, the {} time this week", ordinal(kills))
        }
    }
}

fn ordinal(number: u32) -> String {
    let suffix = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

const fn name_of(part: PairPart) -> &'static str {
    match part {
        PairPart::Baseline => "baseline",
        PairPart::First => "first",
        PairPart::Second => "second",
    }
}

fn stored(kind: CaptureKind, snapshot: &StoredSnapshot) -> String {
    let took = span_of_seconds(snapshot.seconds).map(|took| format!(", took {took}")).unwrap_or_default();
    let size = ByteSize::new(snapshot.bytes);
    let (part, kind) = (name_of(snapshot.part), kind.noun());
    sentence(&format!("{part} {kind} of {}: {size}{took}, {}", snapshot.at, snapshot.path))
}

/// A fragment as a sentence: first letter large where it begins with a word and not with an address, a path or a name, and a
/// full stop where it has none.
fn sentence(fragment: &str) -> String {
    let fragment = line(fragment, SENTENCE - 1);
    let word = fragment.split(' ').next().unwrap_or_default().trim_end_matches([',', ':', ';']);
    let mut letters = fragment.chars();
    let begun = match letters.next() {
        Some(first) if word.chars().all(char::is_alphabetic) => format!("{}{}", first.to_uppercase(), letters.as_str()),
        _ => fragment,
    };
    let is_whole = begun.is_empty() || begun.ends_with(['.', '!', '?', '…']);
    if is_whole { begun } else { begun + "." }
}

#[cfg(test)]
mod tests;
