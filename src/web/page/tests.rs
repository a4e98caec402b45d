//! What comes from targets, heaps and receivers stays text, whatever it is; and what a page says of whom.

use std::time::Duration;

use super::layout::{Page, Part};
use super::survey::{Query, survey};
use super::{events, overview, silences, target};
use crate::clock::Timestamp;
use crate::evidence::CaptureKind;
use crate::heap::profile::report::{Caller, ProfileCulprit, ProfileReport, StackGrowth};
use crate::heap::report::{ClassRow, Culprit, Location, PathStep, Report};
use crate::heap::summary::{Container, Summary};
use crate::leak::event::{PairPart, RestartCause};
use crate::leak::verdict::{Growth, Reason, State, Verdict};
use crate::leak::{Outline, Picture};
use crate::sample::{Sample, Signal};
use crate::silence::{Mark, Scope, Silence};
use crate::status::board::Board;
use crate::status::dossier::{
    CaptureRecord, Comparison, Dossier, EpisodeRecord, EventLine, ProfileComparison, RestartNote, SnapshotRecord,
    SnapshotSummary,
};
use crate::status::house::{ChannelStatus, HouseStatus, RefusedReload, SourceStatus};
use crate::status::trail::{Topic, TrailEvent, TrailPage};
use crate::status::{CareStatus, EpisodeStatus, TargetStatus, Verification, WaitingCapture, WatchStatus};
use crate::target::{Life, TargetName};
use crate::units::ByteRate;

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_343_071_000);

/// Closes whatever it stands in, and counts itself.
fn attack(number: &mut usize) -> String {
    *number += 1;
    format!("\"'></td></script></svg><script>alert({number})</script><img src=x onerror=alert({number})>\u{202e}")
}

fn before(minutes: u64) -> Timestamp {
    NOW.minus(Duration::from_mins(minutes))
}

fn verdict(hostile: &mut impl FnMut() -> String) -> Verdict {
    let growth = Growth {
        slope: ByteRate::per_hour(52_428_800.0),
        r2: Some(0.97),
        from_bytes: 120 << 20,
        to_bytes: 195 << 20,
        since: before(90),
        until: NOW,
        limit_bytes: Some(512 << 20),
        limit_in_seconds: Some(22_824.0),
    };
    let reason = Reason { gate: hostile(), passed: true, value: 1.0, threshold: 2.0, unit: hostile(), says: hostile() };
    Verdict {
        state: State::Leaking,
        since: before(9),
        signal: Some(Signal::HeapUsed),
        growth: Some(growth),
        reasons: vec![reason],
    }
}

/// A target with an attack in every text.
fn hostile_status(hostile: &mut impl FnMut() -> String) -> TargetStatus {
    let sample = Sample { heap_used: Some(195 << 20), gauges: vec![(hostile(), 1.0)], ..Sample::empty(NOW) };
    let floors = vec![Some(120 << 20), None, Some(195 << 20)];
    let outline = Outline { signal: Signal::HeapUsed, since: before(60), until: NOW, floors };
    let watch = WatchStatus {
        verdict: Some(verdict(hostile)),
        life: Some(Life { number: 2, began: before(99), pid: Some(7) }),
        sample: Some(sample),
        last_failure: Some(hostile()),
        failing_since: Some(before(3)),
        failed_polls: 6,
        polls: 100,
        outline: Some(outline),
        verification: Some(Verification { watched_seconds: 10.0, of_seconds: 100.0 }),
        ..WatchStatus::default()
    };
    let episode = EpisodeStatus {
        id: hostile(),
        confirmed: before(9),
        snapshots: vec![hostile()],
        profiles: vec![hostile()],
        culprit: Some(hostile()),
        evidence: Some(hostile()),
    };
    let waiting = WaitingCapture { part: PairPart::First, since: before(8), refusals: vec![hostile()] };
    let care = CareStatus {
        episode: Some(Box::new(episode)),
        waiting: Some(Box::new(waiting)),
        disarmed: Some(hostile()),
        silenced: Some(Box::new(Mark { id: hostile(), until: NOW, by: hostile(), why: hostile() })),
        profiles: Some(hostile()),
        daily_budget: 4,
        ..CareStatus::default()
    };
    let name = TargetName::new("api").unwrap();
    TargetStatus { name, labels: [(hostile(), hostile())].into(), url: hostile(), watch, care }
}

fn hostile_report(hostile: &mut impl FnMut() -> String) -> Report {
    let culprit = |hostile: &mut dyn FnMut() -> String| Culprit {
        headline: hostile(),
        class: hostile(),
        function: hostile(),
        location: Some(Location { script: hostile(), line: 1, column: 2 }),
        held_by: hostile(),
        path: vec![PathStep { edge: hostile(), edge_type: hostile(), node: hostile(), id: 3 }],
        captured: vec![hostile()],
        caution: Some(hostile()),
        ..Culprit::default()
    };
    Report {
        headline: hostile(),
        classes: vec![ClassRow { name: hostile(), delta: 4, ..ClassRow::default() }],
        culprits: vec![culprit(hostile), culprit(hostile)],
        notes: vec![hostile()],
        ..Report::default()
    }
}

fn hostile_profiles(hostile: &mut impl FnMut() -> String) -> ProfileComparison {
    let caller = |hostile: &mut dyn FnMut() -> String| Caller {
        function: hostile(),
        location: Some(Location { script: hostile(), line: 1, column: 2 }),
    };
    let culprit = ProfileCulprit {
        function: hostile(),
        location: Some(Location { script: hostile(), line: 1, column: 2 }),
        callers: vec![caller(hostile)],
        through: vec![hostile()],
        ..ProfileCulprit::default()
    };
    let stack = StackGrowth { frames: vec![caller(hostile)], before_bytes: 0, after_bytes: 1 };
    let report = ProfileReport {
        culprits: vec![culprit],
        stacks: vec![stack],
        notes: vec![hostile()],
        ..ProfileReport::default()
    };
    ProfileComparison { before: Some(hostile()), after: hostile(), is_drawn: true, report }
}

fn hostile_dossier(hostile: &mut impl FnMut() -> String) -> Dossier {
    let sample = |minutes| Sample { heap_used: Some(100 << 20), ..Sample::empty(before(minutes)) };
    let snapshot = SnapshotRecord {
        name: hostile(),
        kind: CaptureKind::HeapSnapshot,
        path: hostile(),
        at: before(5),
        part: PairPart::First,
        life: None,
        episode: Some(hostile()),
        bytes: 1,
        nodes: 2,
        pause: Duration::ZERO,
        took: Duration::ZERO,
        heap_used: None,
        pinned: true,
    };
    let episode = EpisodeRecord {
        id: hostile(),
        opened: before(9),
        closed: None,
        began: Some(hostile()),
        culprit: Some(hostile()),
        ended: Some(hostile()),
    };
    Dossier {
        samples: vec![sample(20), sample(10)],
        restarts: vec![RestartNote { at: before(15), cause: RestartCause::AtMemoryLimit }],
        episodes: vec![episode],
        captures: vec![CaptureRecord { at: before(4), part: PairPart::First, outcome: hostile() }],
        snapshots: vec![snapshot],
        comparison: Some(Comparison { before: Some(hostile()), after: hostile(), report: hostile_report(hostile) }),
        profiles: Some(hostile_profiles(hostile)),
        summary: None,
        events: vec![EventLine { at: before(1), kind: hostile(), severity: hostile(), says: hostile() }],
        troubles: vec![hostile()],
    }
}

fn hostile_silence(hostile: &mut impl FnMut() -> String) -> Silence {
    let scope = Scope::new(None, &[("team".to_owned(), "x".to_owned())].into()).unwrap();
    Silence { id: hostile(), scope, from: before(5), until: NOW, by: hostile(), why: hostile(), ended: None }
}

fn hostile_event(hostile: &mut impl FnMut() -> String) -> TrailEvent {
    TrailEvent {
        id: 7,
        at: NOW,
        time: hostile(),
        target: None,
        topic: Topic::Alert,
        kind: hostile(),
        says: hostile(),
        detail: serde_json::json!({ "severity": hostile() }),
    }
}

fn hostile_house(hostile: &mut impl FnMut() -> String) -> HouseStatus {
    let channel = |hostile: &mut dyn FnMut() -> String, broken: Option<String>| ChannelStatus {
        name: hostile(),
        kind: hostile(),
        broken,
        broken_since: None,
        held: 0,
        owed: 3,
        oldest: Some(before(2)),
        last_error: Some(hostile()),
    };
    let why = hostile();
    HouseStatus {
        channels: vec![channel(hostile, Some(why)), channel(hostile, None)],
        store_is_failing: true,
        store_notes: vec![hostile()],
        silences: vec![hostile_silence(hostile)],
        sources: vec![SourceStatus {
            name: hostile(),
            kind: "file_sd".to_owned(),
            place: hostile(),
            targets: 3,
            refused: 1,
            refusals: vec![hostile()],
            leaving: Vec::new(),
            last_success: None,
            failures: 4,
            last_error: Some(hostile()),
        }],
        refused_reload: Some(RefusedReload { at: before(1), why: hostile() }),
    }
}

fn subject(status: TargetStatus, dossier: Dossier) -> target::Subject {
    let picture = Some(Picture { limit_bytes: Some(512 << 20), ..Picture::default() });
    target::Subject { status, dossier, picture, range: target::Range::TwoHours, signal: Signal::HeapUsed, now: NOW }
}

/// No tag and no attribute but ours: every quote and bracket of an attack is escaped.
fn assert_harmless(page: &str, least_attacks: usize) {
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{page}");
    assert!(!page.contains("\"'>"), "an attribute was closed: {page}");
    assert!(!page.contains('\u{202e}'), "text is turned around: {page}");
    let attacks = page.matches("&lt;script&gt;alert(").count();
    assert!(attacks >= least_attacks, "{attacks} texts are shown of at least {least_attacks}: {page}");
}

#[test]
fn text_from_targets_heaps_and_receivers_stays_text() {
    let mut number = 0;
    let mut hostile = || attack(&mut number);
    let status = hostile_status(&mut hostile);
    let board = Board::default();
    board.put(status.clone());
    let query = Query { q: String::new(), standing: hostile(), page: hostile() };
    let body = overview::render(&survey(&board, &query), &query, &hostile_house(&mut hostile), NOW);
    let page = Page { title: hostile(), part: Part::Targets, now: NOW, body };
    // Name, why and last error of channels; name and error of a source; note; refusal; labels, failure, culprit and refusals of the target.
    assert_harmless(&page.render().into_string(), 17);

    let body = target::render(&subject(status.clone(), hostile_dossier(&mut hostile))).into_string();
    assert_harmless(&body, 51);

    let mut dossier = hostile_dossier(&mut hostile);
    let container = Container { class: hostile(), path: hostile(), ..Container::default() };
    let summary = Summary { containers: vec![container], ..Summary::default() };
    (dossier.comparison, dossier.summary) = (None, Some(SnapshotSummary { of: hostile(), summary }));
    assert_harmless(&target::render(&subject(status, dossier)).into_string(), 33);
}

#[test]
fn a_leak_that_no_gate_sees_any_more_is_not_said_to_grow() {
    let mut plain = || "plain".to_owned();
    let mut status = hostile_status(&mut plain);
    let page = |status: &TargetStatus| target::render(&subject(status.clone(), Dossier::default())).into_string();
    let growing = page(&status);
    assert!(growing.contains("without levelling off") && !growing.contains("not known to be resolved"), "{growing}");
    if let Some(verdict) = &mut status.watch.verdict {
        verdict.reasons[0].passed = false;
    }
    let held = page(&status);
    assert!(held.contains("not known to be resolved") && held.contains("All did when it was confirmed"), "{held}");
    assert!(!held.contains("without levelling off"), "{held}");
}

#[test]
fn text_in_events_and_silences_stays_text() {
    let mut number = 0;
    let mut hostile = || attack(&mut number);
    let silence = hostile_silence(&mut hostile);
    assert_harmless(&silences::render(&[silence], NOW).into_string(), 3);
    let trail = TrailPage { events: vec![hostile_event(&mut hostile)], more: true };
    let asked = events::Asked { target: hostile(), kind: hostile(), before: hostile() };
    assert_harmless(&events::render(Some(&trail), &asked).into_string(), 4);
}

fn named(name: &str, team: &str, watch: WatchStatus) -> TargetStatus {
    let name = TargetName::new(name).unwrap();
    let labels = [("team".to_owned(), team.to_owned())].into();
    TargetStatus { name, labels, url: String::new(), watch, care: CareStatus::default() }
}

fn standing(state: State, limit_in_seconds: Option<f64>) -> WatchStatus {
    let mut verdict = verdict(&mut String::new);
    verdict.state = state;
    verdict.growth = verdict.growth.map(|growth| Growth { limit_in_seconds, ..growth });
    WatchStatus { verdict: Some(verdict), sample: Some(Sample::empty(NOW)), polls: 9, ..WatchStatus::default() }
}

/// The names that an overview lists, in its order.
fn listed(board: &Board, query: &Query) -> Vec<String> {
    survey(board, query).targets.iter().map(|status| status.name.to_string()).collect()
}

fn small_fleet() -> Board {
    let board = Board::default();
    let never_read =
        WatchStatus { failed_polls: 1, polls: 1, failing_since: Some(before(1)), ..standing(State::WarmingUp, None) };
    for status in [
        named("steady", "core", standing(State::Steady, None)),
        named("soon", "core", standing(State::Leaking, Some(600.0))),
        named("later", "web", standing(State::Leaking, Some(6000.0))),
        named("maybe", "web", standing(State::Suspected, Some(60.0))),
        named("gone", "web", WatchStatus { sample: None, ..never_read }),
        named("mended", "core", standing(State::Recovering, None)),
    ] {
        board.put(status);
    }
    board
}

#[test]
fn the_most_urgent_come_first() {
    let board = small_fleet();
    let all = listed(&board, &Query::default());
    assert_eq!(all, ["soon", "later", "gone", "maybe", "mended", "steady"]);
    let query = Query::default();
    let page = overview::render(&survey(&board, &query), &query, &HouseStatus::default(), NOW).into_string();
    assert!(page.contains("not answering") && !page.contains("warming up"), "it was never read: {page}");
}

#[test]
fn targets_are_found_by_name_label_and_standing() {
    let board = small_fleet();
    let ask = |q: &str, standing: &str| Query { q: q.into(), standing: standing.into(), page: String::new() };
    assert_eq!(listed(&board, &ask("S", "")), ["soon", "steady"], "in any case");
    assert_eq!(listed(&board, &ask("team=web", "")), ["later", "gone", "maybe"]);
    assert_eq!(listed(&board, &ask("team=web ma", "")), ["maybe"]);
    assert_eq!(listed(&board, &ask("", "leaking")), ["soon", "later"]);
    assert_eq!(listed(&board, &ask("team=core", "leaking")), ["soon"]);
    assert_eq!(listed(&board, &ask("nobody", "")), [""; 0]);
    let found = survey(&board, &ask("team=core", "leaking"));
    assert_eq!((found.matched, found.searched, found.all), (1, 3, 6), "the counts say what else there is");
}

#[test]
fn thousands_come_in_pages() {
    let board = Board::default();
    for number in 0..120 {
        board.put(named(&format!("t{number:03}"), "x", standing(State::Steady, None)));
    }
    let page = |page: &str| Query { page: page.into(), ..Query::default() };
    assert_eq!(listed(&board, &page(""))[..2], ["t000", "t001"]);
    assert_eq!(listed(&board, &page("2"))[0], "t050");
    assert_eq!(listed(&board, &page("3")).len(), 20);
    for beyond in ["99", "-1", "0", "x"] {
        assert!(!listed(&board, &page(beyond)).is_empty(), "{beyond}");
    }
    let query = Query { q: "t team=x".into(), ..page("2") };
    let html = overview::render(&survey(&board, &query), &query, &HouseStatus::default(), NOW).into_string();
    assert!(html.contains("href=\"/?q=t+team%3Dx&amp;page=3\"") && html.contains("page 2 of 3"), "{html}");
}

#[test]
fn ten_thousand_targets_make_a_page_of_the_usual_size() {
    let board = Board::default();
    for number in 0..10_000 {
        board.put(TargetStatus {
            name: TargetName::new(format!("service-{number:05}")).unwrap(),
            ..hostile_status(&mut || format!("some text of usual length, {number}"))
        });
    }
    let query = Query { q: "service".into(), ..Query::default() };
    let html = overview::render(&survey(&board, &query), &query, &HouseStatus::default(), NOW).into_string();
    assert!(html.len() < 100 << 10, "{} bytes", html.len());
    assert!(html.contains("page 1 of 200, 10,000 targets"), "{html}");
}
