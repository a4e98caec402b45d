//! The sentences about a leak: how much, since when, until when, what is stored, whom to blame, what to do.

use std::time::Duration;

use crate::alert::message::{Culprit, Leak};
use crate::alert::wording::{FRAGMENT, sentence, stored};
use crate::clock::Timestamp;
use crate::evidence::{CaptureKind, Evidence};
use crate::leak::event::PairPart;
use crate::leak::verdict::Growth;
use crate::target::TargetName;
use crate::text::{line, span};
use crate::units::ByteSize;

/// Sentences about culprits in one alert; the whole list is in `heapwatch heap culprits`.
const MOST_CULPRITS: usize = 3;

/// `heapUsed grows 50 MiB/h for 1 h 30 min (120 MiB to 195 MiB), limit of 512 MiB in 6 h 20 min`.
pub(super) fn growth(leak: &Leak) -> String {
    let Growth { slope, from_bytes, to_bytes, since, until, .. } = leak.growth;
    let (from, to) = (ByteSize::new(from_bytes), ByteSize::new(to_bytes));
    let signal = leak.signal;
    let limit = match (time_to_limit(&leak.growth), leak.growth.limit_bytes) {
        (Some(left), Some(limit)) => format!(", limit of {} in {}", ByteSize::new(limit), span(left)),
        _ => String::new(),
    };
    format!("{signal} grows {slope} for {} ({from} to {to}){limit}", span(until.since(since)))
}

/// `leak found: 1000 closures held by process._events..., made in middleware.js:12:9`.
pub(super) fn blame(leak: &Leak) -> String {
    match leak.culprits.first() {
        Some(culprit) => format!("leak found: {}", line(&culprit.headline, FRAGMENT)),
        None if leak.evidence() == Evidence::ProfilePair => "the heap profiles blame no single function".to_owned(),
        None => "the snapshots blame no single object".to_owned(),
    }
}

pub(super) fn details(leak: &Leak, now: Timestamp) -> Vec<String> {
    let mut sentences = vec![course(leak), forecast(&leak.growth, now)];
    sentences.extend(leak.culprits.iter().take(MOST_CULPRITS).map(culprit));
    if leak.evidence() > Evidence::None {
        sentences.push(format!("Evidence: {}.", evidence(leak)));
    }
    sentences.extend(leak.snapshots.iter().map(|snapshot| stored(CaptureKind::HeapSnapshot, snapshot)));
    sentences.extend(leak.profiles.iter().map(|profile| stored(CaptureKind::HeapProfile, profile)));
    if leak.snapshots.is_empty() && leak.missing_snapshots.is_empty() {
        sentences.push("No snapshot is stored yet.".to_owned());
    }
    sentences.extend(leak.missing_snapshots.iter().map(|why| format!("Snapshot missing: {}", sentence(why))));
    sentences.extend(leak.missing_profiles.iter().map(|why| format!("Profile missing: {}", sentence(why))));
    sentences
}

/// The best evidence there is, and why there is no better: `heap profiles (snapshot refused: needs ...)`.
pub fn evidence(leak: &Leak) -> String {
    let best = leak.evidence();
    let why_no_better = match (leak.missing_snapshots.as_slice(), best) {
        (_, Evidence::SnapshotPair) => return best.words().to_owned() + &agreement(leak),
        ([], Evidence::ProfilePair) => "no snapshots are compared".to_owned(),
        ([], Evidence::Snapshot) => "the second is not compared yet".to_owned(),
        ([], Evidence::None) => return "none yet".to_owned(),
        (missing, _) => {
            let what = if leak.snapshot_refused { "snapshot refused" } else { "snapshot missing" };
            format!("{what}: {}", line(&missing.join("; "), 2 * FRAGMENT))
        }
    };
    format!("{} ({why_no_better})", best.words())
}

fn agreement(leak: &Leak) -> String {
    leak.agreement.as_ref().map_or_else(String::new, |agreement| format!("; {}", line(agreement, 2 * FRAGMENT)))
}

fn course(leak: &Leak) -> String {
    let Growth { slope, from_bytes, to_bytes, since, until, .. } = leak.growth;
    format!(
        "{} rose from {} at {since} to {} at {until}: {slope} for {}, without levelling off.",
        leak.signal,
        ByteSize::new(from_bytes),
        ByteSize::new(to_bytes),
        span(until.since(since)),
    )
}

fn forecast(growth: &Growth, now: Timestamp) -> String {
    match (time_to_limit(growth), growth.limit_bytes) {
        (Some(left), Some(limit)) => {
            let (limit, left, then) = (ByteSize::new(limit), span(left), now.plus(left));
            format!("At this rate it reaches the memory limit of {limit} in {left}, at {then}.")
        }
        (None, Some(limit)) => {
            format!("At this rate it does not reach the memory limit of {} within a year.", ByteSize::new(limit))
        }
        _ => "No memory limit is known, so there is no forecast (set memory_limit).".to_owned(),
    }
}

/// Time until the limit, where it is a time at all and not so far off that nobody would plan for it.
fn time_to_limit(growth: &Growth) -> Option<Duration> {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    Duration::try_from_secs_f64(growth.limit_in_seconds?).ok().filter(|left| *left <= YEAR)
}

fn culprit(culprit: &Culprit) -> String {
    let held_by = line(&culprit.held_by, FRAGMENT);
    let blamed = format!("Blamed: {}", sentence(&line(&culprit.headline, 2 * FRAGMENT)));
    if culprit.evidence == Evidence::ProfilePair {
        return blamed;
    }
    // A headline names the holder where there was room for it.
    if blamed.contains(&held_by) { blamed } else { format!("{blamed} Held by {held_by}.") }
}

pub(super) fn next_steps(leak: &Leak, target: &TargetName) -> Vec<String> {
    let mut steps = Vec::new();
    if let Some(culprit) = leak.culprits.first()
        && let Some(location) = culprit.location.as_deref()
    {
        let location = line(location, FRAGMENT);
        steps.push(match culprit.callers.first() {
            Some(caller) => {
                let caller = line(caller, FRAGMENT);
                format!("Look at {location}: that function made what stays; and at its caller, {caller}.")
            }
            None if culprit.evidence == Evidence::ProfilePair => {
                format!("Look at {location}: that function made what stays.")
            }
            None => format!("Look at {location}: that line made what piles up."),
        });
    }
    if let [before, .., after] = leak.profiles.as_slice() {
        let (before, after) = (quoted(&before.path), quoted(&after.path));
        let svg = "--flamegraph growth.svg";
        steps.push(format!("See the stacks that grew: heapwatch heap diff {before} {after} {svg}"));
    }
    let stored =
        |part| leak.snapshots.iter().find(|snapshot| snapshot.part == part).map(|snapshot| quoted(&snapshot.path));
    let before = stored(PairPart::First).or_else(|| stored(PairPart::Baseline));
    match (before, stored(PairPart::Second)) {
        (Some(before), Some(after)) => {
            steps.push(format!("Compare the snapshots: heapwatch heap diff {before} {after}"));
            steps.push(
                "Or in Chrome DevTools: Memory, Load both, select the later one, view Comparison, sort by Size Delta."
                    .to_owned(),
            );
            // Without --trace-all-objects memlab 2.0.5 leaves out closures that only a listener list holds.
            steps.push(format!(
                "Or: npx memlab find-leaks --trace-all-objects --baseline {before} --target {after} --final {after}"
            ));
        }
        (Some(_), None) if leak.missing_snapshots.is_empty() => {
            steps.push("Wait for the second snapshot and its comparison: another alert brings them.".to_owned());
        }
        _ => steps.push(format!("Take a snapshot by hand when there is room for it: heapwatch snapshot {target}")),
    }
    steps
}

/// A path as a shell takes it: bare where that is safe, else in single quotes.
fn quoted(path: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | '@');
    let path = line(path, 2 * FRAGMENT);
    if path.chars().all(bare) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
