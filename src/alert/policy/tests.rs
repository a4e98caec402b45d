//! The story of an episode, and that ids and counts hold for any story.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::alert::examples::{NOW, after, culprit, culprit_of_profiles, growth, resolution, restart, snapshot, target};
use crate::alert::message::Status;
use crate::evidence::{CaptureKind, Evidence};
use crate::leak::verdict::State;

/// Far from the limit.
fn slow() -> Growth {
    Growth { limit_in_seconds: Some(200_000.0), ..growth() }
}

fn near() -> Growth {
    Growth { limit_in_seconds: Some(3_000.0), to_bytes: 470 << 20, ..growth() }
}

fn new() -> TargetAlerts {
    TargetAlerts::new(target(), BTreeMap::new())
}

fn detector(at: Timestamp, change: Change) -> Fact {
    Fact::Detector { event: LeakEvent { at, change }, refusals: Vec::new() }
}

fn confirmed(at: Timestamp, growth: Growth) -> Fact {
    detector(at, Change::LeakConfirmed { signal: Signal::HeapUsed, growth, reasons: Vec::new() })
}

fn resolved(at: Timestamp) -> Fact {
    let resolution = Resolution { confirmed: NOW, ..resolution() };
    detector(at, Change::LeakResolved { signal: Signal::HeapUsed, resolution })
}

fn tick(at: Timestamp, state: State, growth: Growth) -> Fact {
    let (signal, growth) = (Some(Signal::HeapUsed), Some(growth));
    Fact::Tick { at, verdict: Verdict { state, since: NOW, signal, growth, reasons: Vec::new() } }
}

fn skipped(at: Timestamp, part: PairPart) -> Fact {
    Fact::Skipped { at, part, refusals: vec!["needs 1.9 GiB".to_owned()], advice: Vec::new() }
}

fn stored(at: Timestamp, part: PairPart) -> Fact {
    Fact::Stored { at, snapshot: snapshot(part) }
}

fn restarted(at: Timestamp) -> Fact {
    let News::TargetRestarted { ended, began, cause, kills_this_week } = restart(RestartCause::AtMemoryLimit, 3) else {
        panic!("the example is a restart");
    };
    detector(at, Change::Restarted { ended, began, cause, kills_this_week })
}

fn observe(state: &mut TargetAlerts, fact: Fact) -> Vec<Alert> {
    state.observe(fact, &Options::default())
}

fn one(state: &mut TargetAlerts, fact: Fact) -> Alert {
    let mut alerts = observe(state, fact);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    alerts.remove(0)
}

#[test]
fn an_episode_alerts_once_and_resolves_once() {
    let mut state = new();
    let first = one(&mut state, confirmed(NOW, slow()));
    assert_eq!(
        (first.news.kind(), first.severity, first.status()),
        ("leak_confirmed", Severity::Warning, Status::Firing)
    );
    assert_eq!(state.episode(), first.episode.as_deref());
    assert_eq!(observe(&mut state, confirmed(after(60), slow())), []);
    let last = one(&mut state, resolved(after(200_000)));
    assert_eq!((last.status(), last.incident()), (Status::Resolved, first.incident()));
    assert_eq!(state.episode(), None);
}

#[test]
fn a_resolve_finds_its_episode_even_when_the_state_was_lost() {
    let first = one(&mut new(), confirmed(NOW, slow()));
    let last = one(&mut new(), resolved(after(200_000)));
    assert_eq!(last.incident(), first.incident());
}

#[test]
fn the_same_story_told_again_has_the_same_ids() {
    let story = || {
        let mut state = new();
        let facts = [
            confirmed(NOW, slow()),
            stored(after(60), PairPart::First),
            tick(after(20_000), State::Leaking, slow()),
            restarted(after(30_000)),
            resolved(after(200_000)),
        ];
        facts.into_iter().flat_map(|fact| observe(&mut state, fact)).map(|alert| alert.id).collect::<Vec<_>>()
    };
    assert_eq!(story(), story());
    assert_eq!(story()[0], "hw_673c599f450586b3335aa08cb13b0cf4", "ids outlive versions of heapwatch");
}

#[test]
fn reminders_come_at_their_interval_with_the_numbers_of_the_day() {
    let mut state = new();
    let _first = one(&mut state, confirmed(NOW, slow()));
    assert_eq!(observe(&mut state, tick(after(14_399), State::Leaking, slow())), []);
    let bigger = Growth { to_bytes: 300 << 20, ..slow() };
    let reminder = one(&mut state, tick(after(14_400), State::Leaking, bigger));
    assert_eq!(reminder.news.leak().map(|leak| leak.growth.to_bytes), Some(300 << 20));
    assert_eq!(observe(&mut state, tick(after(14_401), State::Leaking, bigger)), []);
    let again = one(&mut state, tick(after(28_800), State::Leaking, bigger));
    assert_ne!(again.id, reminder.id);
    let silent = Options { repeat_interval: None, ..Options::default() };
    assert_eq!(state.observe(tick(after(999_999), State::Leaking, bigger), &silent), []);
}

#[test]
fn nobody_is_reminded_while_a_fix_is_watched() {
    let mut state = new();
    let _first = one(&mut state, confirmed(NOW, slow()));
    for quiet in [State::Recovering, State::NotJudged, State::WarmingUp] {
        assert_eq!(observe(&mut state, tick(after(99_999), quiet, near())), []);
    }
}

#[test]
fn a_limit_that_comes_near_is_told_at_once_and_the_severity_never_falls() {
    let mut state = new();
    let first = one(&mut state, confirmed(NOW, slow()));
    assert_eq!(first.severity, Severity::Warning);
    let urgent = one(&mut state, tick(after(600), State::Leaking, near()));
    assert_eq!((urgent.news.kind(), urgent.severity), ("leak_reminder", Severity::Critical));
    assert_eq!(observe(&mut state, tick(after(630), State::Leaking, near())), [], "once");
    assert_eq!(observe(&mut state, tick(after(660), State::Leaking, slow())), []);
    assert_eq!(one(&mut state, resolved(after(900))).severity, Severity::Critical);
}

#[test]
fn snapshots_refusals_and_culprits_show_in_what_follows() {
    let mut state = new();
    let fact = match confirmed(NOW, slow()) {
        Fact::Detector { event, .. } => Fact::Detector { event, refusals: vec!["no room".to_owned()] },
        other => other,
    };
    let first = one(&mut state, fact);
    assert_eq!(first.news.leak().map(|leak| leak.missing_snapshots.clone()), Some(vec!["no room".to_owned()]));
    assert_eq!(one(&mut state, stored(after(60), PairPart::First)).severity, Severity::Info);
    let _second = one(&mut state, stored(after(1_860), PairPart::Second));
    let ready = one(&mut state, Fact::Analysed { at: after(1_900), culprits: vec![culprit()] });
    let leak = ready.news.leak().expect("it is about a leak");
    assert_eq!((leak.snapshots.len(), leak.culprits.len(), leak.missing_snapshots.len()), (2, 1, 0));
    assert_eq!((ready.severity, ready.incident()), (Severity::Warning, first.incident()));
}

#[test]
fn a_restart_between_the_two_snapshots_starts_the_pair_anew() {
    let mut state = new();
    let _first = one(&mut state, confirmed(NOW, slow()));
    let _stored = one(&mut state, stored(after(60), PairPart::First));
    let restart = one(&mut state, restarted(after(600)));
    assert_eq!(restart.severity, Severity::Critical, "the third likely kill of a week");
    let reminder = one(&mut state, tick(after(20_000), State::Leaking, slow()));
    assert_eq!(reminder.news.leak().map(|leak| leak.snapshots.len()), Some(0));
}

#[test]
fn a_refusal_is_told_once_until_something_changes() {
    let mut state = new();
    let _first = one(&mut state, confirmed(NOW, slow()));
    let _told = one(&mut state, skipped(after(1), PairPart::First));
    assert_eq!(observe(&mut state, skipped(after(31), PairPart::First)), []);
    let _new_life = one(&mut state, restarted(after(60)));
    let _told_again = one(&mut state, skipped(after(90), PairPart::First));
}

#[test]
fn down_and_up_come_in_pairs() {
    let mut state = new();
    let down = |at| Fact::Down { at, why: "refused".to_owned(), failed_polls: 3 };
    let up = |at| Fact::Up { at, down: Duration::from_secs(90) };
    assert_eq!(observe(&mut state, up(NOW)), [], "nobody heard of it being down");
    let first = one(&mut state, down(after(1)));
    assert_eq!(observe(&mut state, down(after(2))), []);
    let last = one(&mut state, up(after(3)));
    assert_eq!((last.status(), last.incident()), (Status::Resolved, first.incident()));
    assert_ne!(one(&mut state, down(after(4))).id, first.id);
}

#[test]
fn suspicions_and_captures_are_for_the_record_but_a_death_is_not() {
    let mut state = new();
    let suspected = Change::LeakSuspected { signal: Signal::HeapUsed, growth: slow(), reasons: Vec::new() };
    assert_eq!(one(&mut state, detector(NOW, suspected)).severity, Severity::Info);
    let failed = |disarmed| Fact::Failed {
        at: NOW,
        kind: CaptureKind::HeapSnapshot,
        part: PairPart::First,
        why: "died".to_owned(),
        disarmed,
    };
    assert_eq!(one(&mut state, failed(false)).severity, Severity::Info);
    assert_eq!(one(&mut state, failed(true)).severity, Severity::Warning);
    assert_eq!(observe(&mut state, Fact::Analysed { at: NOW, culprits: Vec::new() }), [], "of no episode");
}

#[test]
fn a_target_that_is_removed_leaves_nothing_open() {
    let mut state = new();
    let gauge = Change::GaugeExceeded { gauge: "listeners".to_owned(), value: 12.0, maximum: 10.0 };
    let opened = [
        one(&mut state, confirmed(NOW, near())),
        one(&mut state, Fact::Down { at: NOW, why: "refused".to_owned(), failed_polls: 3 }),
        one(&mut state, detector(NOW, gauge)),
    ];
    let closed = observe(&mut state, Fact::Removed { at: after(1) });
    for (open, close) in opened.iter().zip(&closed) {
        assert_eq!((close.incident(), close.status()), (open.incident(), Status::Resolved));
    }
    assert_eq!(closed.len(), 3);
}

#[test]
fn the_state_survives_being_written() {
    let mut state = new();
    let _first = one(&mut state, confirmed(NOW, slow()));
    let _stored = one(&mut state, stored(after(60), PairPart::First));
    let json = serde_json::to_string(&state).expect("it is JSON");
    assert_eq!(serde_json::from_str::<TargetAlerts>(&json).expect("it comes back"), state);
}

fn fact() -> impl Strategy<Value = fn(Timestamp) -> Fact> {
    prop_oneof![
        Just::<fn(Timestamp) -> Fact>(|at| confirmed(at, slow())),
        Just::<fn(Timestamp) -> Fact>(|at| confirmed(at, near())),
        Just::<fn(Timestamp) -> Fact>(|at| tick(at, State::Leaking, slow())),
        Just::<fn(Timestamp) -> Fact>(|at| tick(at, State::Leaking, near())),
        Just::<fn(Timestamp) -> Fact>(restarted),
        Just::<fn(Timestamp) -> Fact>(|at| stored(at, PairPart::First)),
        Just::<fn(Timestamp) -> Fact>(|at| skipped(at, PairPart::Second)),
        Just::<fn(Timestamp) -> Fact>(|at| Fact::Analysed { at, culprits: vec![culprit()] }),
        Just::<fn(Timestamp) -> Fact>(|at| Fact::Down { at, why: "refused".to_owned(), failed_polls: 3 }),
        Just::<fn(Timestamp) -> Fact>(|at| Fact::Up { at, down: Duration::from_secs(9) }),
        Just::<fn(Timestamp) -> Fact>(resolved),
    ]
}

proptest! {
    #[test]
    fn in_any_story_ids_differ_and_incidents_open_before_they_end(facts in proptest::collection::vec(fact(), 1..60)) {
        let mut state = new();
        let mut open = BTreeMap::new();
        let mut ids = std::collections::BTreeSet::new();
        for (number, fact) in facts.iter().enumerate() {
            let at = after(3_600 * number as u64);
            let fact = fact(at);
            // The detector resolves nothing that it has not confirmed.
            let is_resolve = matches!(&fact, Fact::Detector { event, .. } if matches!(event.change, Change::LeakResolved { .. }));
            if is_resolve && state.episode().is_none() {
                continue;
            }
            for alert in observe(&mut state, fact) {
                prop_assert!(ids.insert(alert.id.clone()), "{} twice", alert.id);
                if alert.opens() {
                    prop_assert_eq!(open.insert(alert.incident(), true), None, "opened twice");
                }
                if alert.status() == Status::Resolved {
                    prop_assert_eq!(open.remove(&alert.incident()), Some(true), "ended without a beginning");
                }
            }
        }
    }
}

fn profiled(at: Timestamp, culprits: Vec<Culprit>) -> Fact {
    Fact::ProfilesCompared { at, culprits }
}

fn explained(alert: &Alert) -> (Option<Evidence>, Option<&str>) {
    let leak = alert.news.leak();
    (leak.map(Leak::evidence), leak.and_then(|leak| Some(leak.culprits.first()?.headline.as_str())))
}

#[test]
fn profiles_tell_first_and_snapshots_tell_better() {
    let mut state = new();
    let _first = one(&mut state, confirmed(NOW, slow()));
    let early = one(&mut state, profiled(after(1_900), vec![culprit_of_profiles()]));
    assert_eq!(explained(&early), (Some(Evidence::ProfilePair), Some(culprit_of_profiles().headline.as_str())));
    assert_eq!(state.evidence().as_deref(), Some("heap profiles (no snapshots are compared)"));
    let better = one(&mut state, Fact::Analysed { at: after(1_990), culprits: vec![culprit()] });
    assert_eq!(explained(&better), (Some(Evidence::SnapshotPair), Some(culprit().headline.as_str())));
    let says = "heap snapshots; the heap profiles agree: made in logRequests at /srv/app/middleware.js:10:21";
    assert_eq!(state.evidence().as_deref(), Some(says));
    assert_ne!(early.id, better.id);
}

#[test]
fn profiles_that_come_after_the_snapshots_only_agree() {
    let mut state = new();
    let _first = one(&mut state, confirmed(NOW, slow()));
    let _found = one(&mut state, Fact::Analysed { at: after(1_900), culprits: vec![culprit()] });
    assert_eq!(observe(&mut state, profiled(after(1_990), vec![culprit_of_profiles()])), []);
    assert!(state.evidence().is_some_and(|says| says.contains("agree")), "{:?}", state.evidence());
}

#[test]
fn profiles_that_blame_nothing_are_told_only_where_nothing_better_is_coming() {
    let mut state = new();
    let _first = one(&mut state, confirmed(NOW, slow()));
    let _stored = one(&mut state, stored(after(60), PairPart::First));
    assert_eq!(observe(&mut state, profiled(after(1_900), Vec::new())), [], "two snapshots will tell");
    let mut state = new();
    let _first = one(&mut state, confirmed(NOW, slow()));
    let _skipped = one(&mut state, skipped(after(60), PairPart::First));
    let nothing = one(&mut state, profiled(after(1_900), Vec::new()));
    assert_eq!(explained(&nothing), (Some(Evidence::ProfilePair), None));
    assert_eq!(state.evidence().as_deref(), Some("heap profiles (snapshot refused: needs 1.9 GiB)"));
}

#[test]
fn snapshots_that_blame_nothing_leave_the_word_to_the_profiles() {
    let mut state = new();
    let _first = one(&mut state, confirmed(NOW, slow()));
    let _early = one(&mut state, profiled(after(1_900), vec![culprit_of_profiles()]));
    assert_eq!(observe(&mut state, Fact::Analysed { at: after(1_990), culprits: Vec::new() }), []);
    assert_eq!(state.culprit(), Some(culprit_of_profiles().headline));
}

#[test]
fn what_is_known_of_a_profile_is_no_alert_by_itself() {
    let mut state = new();
    let _first = one(&mut state, confirmed(NOW, slow()));
    for fact in [
        Fact::ProfileStored { profile: snapshot(PairPart::First) },
        Fact::ProfileMissing { why: "the endpoint answered 401".to_owned() },
    ] {
        assert_eq!(observe(&mut state, fact), []);
    }
    let reminder = one(&mut state, tick(after(14_400), State::Leaking, slow()));
    let leak = reminder.news.leak().unwrap();
    assert_eq!((leak.profiles.len(), leak.missing_profiles.len()), (1, 1));
}
