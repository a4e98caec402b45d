//! Worked cases of one channel's queue.

use secrecy::SecretString;
use url::Url;

use super::*;
use crate::alert::examples::{NOW, after, alert, leak, resolution};
use crate::alert::message::{News, Status};
use crate::sample::Signal;

const RETRY: Disposition = Disposition::Retry { after: None, maybe_taken: false };
const LOST: Disposition = Disposition::Retry { after: None, maybe_taken: true };

pub(super) fn trigger() -> Alert {
    alert(News::LeakConfirmed(leak()))
}

pub(super) fn resolve() -> Alert {
    alert(News::LeakResolved { signal: Signal::HeapUsed, resolution: resolution() })
}

pub(super) fn reminder(number: u32) -> Alert {
    Alert { id: format!("hw_reminder_{number}"), ..alert(News::LeakReminder(leak())) }
}

/// An incident of its own, with a single alert.
pub(super) fn other(name: &str) -> Alert {
    let gauge = News::Gauge { gauge: name.to_owned(), value: 2.0, maximum: 1.0, exceeded: true };
    Alert { id: format!("hw_{name}"), ..alert(gauge) }
}

pub(super) fn outbox() -> Outbox {
    Outbox::new("ops", Options::default(), Vec::new())
}

pub(super) fn push(outbox: &mut Outbox, alert: Alert, now: Timestamp) -> Vec<(String, &'static str)> {
    names(&outbox.push(alert, now))
}

pub(super) fn names(entries: &[Entry]) -> Vec<(String, &'static str)> {
    let name = |entry: &Entry| match entry.state {
        EntryState::Waiting => "waiting",
        EntryState::Standing { .. } => "standing",
        EntryState::Delivered { .. } => "delivered",
        EntryState::Collapsed { .. } => "collapsed",
        EntryState::DeadLetter { .. } => "dead letter",
    };
    entries.iter().map(|entry| (entry.id.clone(), name(entry))).collect()
}

pub(super) fn sent(outbox: &mut Outbox, now: Timestamp) -> Attempt {
    match outbox.next(now) {
        Next::Send(attempt) => *attempt,
        other => panic!("expected to send at {now}, got {other:?}"),
    }
}

/// Sends what is due and lets the receiver answer.
pub(super) fn answer(outbox: &mut Outbox, now: Timestamp, outcome: Outcome) -> (String, Settled) {
    let id = sent(outbox, now).entry.id;
    let settled = outbox.settle(&id, outcome, now, 0.0);
    (id, settled)
}

pub(super) fn fail(outbox: &mut Outbox, now: Timestamp, disposition: Disposition) -> Settled {
    answer(outbox, now, Outcome::Failed { disposition, why: "503 busy".to_owned() }).1
}

pub(super) fn take(outbox: &mut Outbox, now: Timestamp) -> String {
    answer(outbox, now, Outcome::Taken(Receipt::default())).0
}

#[test]
fn a_trigger_that_fails_is_tried_again_before_its_resolve() {
    let mut outbox = outbox();
    push(&mut outbox, trigger(), NOW);
    fail(&mut outbox, NOW, LOST);
    assert_eq!(push(&mut outbox, resolve(), after(1)), [("hw_leak_resolved".to_owned(), "waiting")]);
    assert_eq!(outbox.next(after(1)), Next::Wait(after(5)));
    assert_eq!(take(&mut outbox, after(5)), "hw_leak_confirmed");
    assert_eq!(take(&mut outbox, after(5)), "hw_leak_resolved");
    assert_eq!(outbox.next(after(5)), Next::Idle);
}

#[test]
fn a_resolve_takes_back_a_trigger_that_was_never_delivered() {
    let mut outbox = outbox();
    push(&mut outbox, trigger(), NOW);
    push(&mut outbox, reminder(1), NOW);
    fail(&mut outbox, NOW, RETRY);
    let both = push(&mut outbox, resolve(), after(1));
    assert_eq!(both.len(), 3);
    assert!(both.iter().all(|(_, state)| *state == "collapsed"), "{both:?}");
    assert_eq!(outbox.next(after(9_999)), Next::Idle);
}

#[test]
fn a_trigger_in_flight_cannot_be_taken_back() {
    let mut outbox = outbox();
    push(&mut outbox, trigger(), NOW);
    let attempt = sent(&mut outbox, NOW);
    assert_eq!(push(&mut outbox, resolve(), after(1)), [("hw_leak_resolved".to_owned(), "waiting")]);
    assert_eq!(outbox.next(after(1)), Next::Idle, "one attempt at a time");
    let settled = outbox.settle(&attempt.entry.id, Outcome::Taken(Receipt::default()), after(2), 0.0);
    assert_eq!(names(&settled.write), [("hw_leak_confirmed".to_owned(), "standing")]);
    assert_eq!(take(&mut outbox, after(2)), "hw_leak_resolved");
}

#[test]
fn a_crash_in_the_middle_of_an_attempt_counts_as_maybe_delivered() {
    let mut outbox = outbox();
    push(&mut outbox, trigger(), NOW);
    let written = sent(&mut outbox, NOW).entry;
    let mut restored = Outbox::new("ops", Options::default(), vec![written]);
    assert_eq!(push(&mut restored, resolve(), after(1)), [("hw_leak_resolved".to_owned(), "waiting")]);
    assert_eq!(take(&mut restored, after(1)), "hw_leak_confirmed", "sent again under the same id");
}

#[test]
fn a_newer_reminder_replaces_one_that_still_waits() {
    let mut outbox = outbox();
    push(&mut outbox, reminder(1), NOW);
    assert_eq!(
        push(&mut outbox, reminder(2), after(60)),
        [("hw_reminder_1".to_owned(), "collapsed"), ("hw_reminder_2".to_owned(), "waiting")]
    );
}

#[test]
fn the_wait_that_a_receiver_asks_for_is_honoured_and_bounded() {
    for (asked, waited) in [(120, 120), (1, 5), (999_999, 600)] {
        let mut outbox = outbox();
        push(&mut outbox, trigger(), NOW);
        let throttled = Disposition::Retry { after: Some(Duration::from_secs(asked)), maybe_taken: false };
        fail(&mut outbox, NOW, throttled);
        assert_eq!(outbox.next(NOW), Next::Wait(after(waited)), "{asked}");
        push(&mut outbox, other("queue"), NOW);
        assert_eq!(outbox.next(NOW), Next::Wait(after(asked.min(600))), "the whole channel is left alone");
    }
}

#[test]
fn an_alert_that_a_receiver_will_never_take_holds_up_no_other() {
    let mut outbox = outbox();
    push(&mut outbox, other("a"), NOW);
    push(&mut outbox, other("b"), NOW);
    let settled = fail(&mut outbox, NOW, Disposition::Permanent);
    assert_eq!(names(&settled.write), [("hw_a".to_owned(), "dead letter")]);
    assert_eq!(take(&mut outbox, NOW), "hw_b");
}

#[test]
fn what_is_too_old_becomes_a_dead_letter_that_says_why() {
    let mut outbox = outbox();
    push(&mut outbox, trigger(), NOW);
    fail(&mut outbox, NOW, RETRY);
    assert_eq!(outbox.expire(after(86_400)), []);
    let dead = outbox.expire(after(86_401));
    let why = "not delivered in time; last: 503 busy".to_owned();
    assert_eq!(dead[0].state, EntryState::DeadLetter { at: after(86_401), why });
    assert_eq!(outbox.next(after(86_401)), Next::Idle);
}

/// Lets every attempt fail until `end`; returns the time of the first moment after it at which something is due.
fn outage(outbox: &mut Outbox, disposition: Disposition, end: Timestamp) -> (Timestamp, Vec<(Health, Timestamp)>) {
    let mut now = NOW;
    let mut news = Vec::new();
    loop {
        match outbox.next(now) {
            Next::Wait(until) if until.is_before(end) => now = until,
            Next::Wait(until) => return (until, news),
            Next::Send(attempt) => {
                let failed = Outcome::Failed { disposition, why: "down".to_owned() };
                news.extend(outbox.settle(&attempt.entry.id, failed, now, 0.0).health.map(|health| (health, now)));
            }
            Next::Idle => panic!("entries wait and nothing is due"),
        }
    }
}

#[test]
fn when_an_outage_is_over_everything_goes_at_once() {
    let mut outbox = outbox();
    for name in ["a", "b", "c"] {
        push(&mut outbox, other(name), NOW);
    }
    let (now, _) = outage(&mut outbox, RETRY, after(7_200));
    let mut delivered = [take(&mut outbox, now), take(&mut outbox, now), take(&mut outbox, now)];
    delivered.sort();
    assert_eq!(delivered, ["hw_a", "hw_b", "hw_c"]);
}

#[test]
fn while_many_wait_a_channel_that_fails_is_tried_once_a_minute() {
    let mut outbox = outbox();
    for number in 0..500 {
        push(&mut outbox, other(&format!("gauge{number}")), NOW);
    }
    let (end, _) = outage(&mut outbox, RETRY, after(7_200));
    assert!(end.since(after(7_200)) <= Duration::from_mins(1), "its recovery is noticed soon");
    let attempts: u32 = outbox.waiting().map(|entry| entry.attempts).sum();
    assert!((110..140).contains(&attempts), "the receiver is not stormed: {attempts} attempts in two hours");
}

#[test]
fn a_rate_limit_spaces_attempts_even_after_success() {
    let slack = ChannelKind::Slack { url: Url::parse("https://hooks.slack.com/services/x").unwrap() };
    let mut outbox = Outbox::new("ops", Options::default().for_kind(&slack), Vec::new());
    push(&mut outbox, other("a"), NOW);
    push(&mut outbox, other("b"), NOW);
    assert_eq!(take(&mut outbox, NOW), "hw_a");
    assert_eq!(outbox.next(NOW), Next::Wait(after(1)));
    assert_eq!(take(&mut outbox, after(1)), "hw_b");
}

#[test]
fn a_channel_that_is_gone_is_broken_once_and_keeps_what_it_owes() {
    let mut outbox = outbox();
    push(&mut outbox, trigger(), NOW);
    let settled = fail(&mut outbox, NOW, Disposition::ChannelBroken);
    assert_eq!(settled.health, Some(Health::Broke { why: "503 busy".to_owned(), for_good: true }));
    assert_eq!(outbox.broken(), Some("503 busy"));
    assert_eq!(outbox.next(after(9_999)), Next::Idle, "it is not tried again by itself");
    assert_eq!(outbox.waiting().count(), 1);
    outbox.mend(after(9_999));
    assert_eq!(take(&mut outbox, after(9_999)), "hw_leak_confirmed");
}

#[test]
fn refusals_break_a_channel_only_when_they_go_on_and_a_success_mends_it() {
    let mut outbox = outbox();
    push(&mut outbox, trigger(), NOW);
    let (now, news) = outage(&mut outbox, Disposition::ChannelRefuses, after(7_200));
    assert_eq!(news.len(), 1, "told once: {news:?}");
    assert!(news[0].1.since(NOW) >= Duration::from_mins(15));
    assert_eq!(outbox.broken(), Some("down"));
    let (_, settled) = answer(&mut outbox, now, Outcome::Taken(Receipt::default()));
    assert_eq!(settled.health, Some(Health::Mended));
    assert_eq!(outbox.broken(), None);
}

#[test]
fn alertmanager_is_told_again_until_the_incident_is_over() {
    let mut outbox = outbox();
    let standing = Outcome::Taken(Receipt { resend_after: Some(Duration::from_mins(1)), ..Receipt::default() });
    push(&mut outbox, trigger(), NOW);
    let (_, settled) = answer(&mut outbox, NOW, standing.clone());
    assert_eq!(names(&settled.write), [("hw_leak_confirmed".to_owned(), "standing")]);
    assert_eq!(outbox.next(NOW), Next::Wait(after(60)));
    let mut outbox = Outbox::new("ops", Options::default(), settled.write);
    fail(&mut outbox, after(60), RETRY);
    assert_eq!(answer(&mut outbox, after(65), standing.clone()).0, "hw_leak_confirmed");
    push(&mut outbox, resolve(), after(70));
    let (id, settled) = answer(&mut outbox, after(70), standing);
    assert_eq!(id, "hw_leak_resolved");
    assert_eq!(
        names(&settled.write),
        [("hw_leak_confirmed".to_owned(), "delivered"), ("hw_leak_resolved".to_owned(), "standing")]
    );
    assert_eq!(take(&mut outbox, after(130)), "hw_leak_resolved");
    assert_eq!(outbox.next(after(9_999)), Next::Idle);
}

#[test]
fn what_happens_on_the_way_does_not_end_the_telling_again() {
    let mut outbox = outbox();
    let standing = Outcome::Taken(Receipt { resend_after: Some(Duration::from_mins(1)), ..Receipt::default() });
    push(&mut outbox, trigger(), NOW);
    answer(&mut outbox, NOW, standing);
    push(&mut outbox, alert(News::AnalysisFailed { why: "damaged".to_owned() }), after(1));
    assert_eq!(take(&mut outbox, after(1)), "hw_analysis_failed");
    assert_eq!(outbox.next(after(1)), Next::Wait(after(60)));
}

#[test]
fn a_resolve_takes_nothing_back_from_a_receiver_that_knows_of_the_incident() {
    let mut outbox = outbox();
    push(&mut outbox, trigger(), NOW);
    take(&mut outbox, NOW);
    push(&mut outbox, Alert { id: "hw_again".to_owned(), ..trigger() }, after(1));
    assert_eq!(push(&mut outbox, resolve(), after(2)), [("hw_leak_resolved".to_owned(), "waiting")]);
}

#[test]
fn a_standing_alert_that_is_refused_for_good_is_not_sent_in_a_circle() {
    let mut outbox = outbox();
    push(&mut outbox, trigger(), NOW);
    let standing = Receipt { resend_after: Some(Duration::from_mins(1)), ..Receipt::default() };
    answer(&mut outbox, NOW, Outcome::Taken(standing));
    let settled = fail(&mut outbox, after(60), Disposition::Permanent);
    assert_eq!(names(&settled.write), [("hw_leak_confirmed".to_owned(), "delivered")]);
    assert_eq!(outbox.next(after(61)), Next::Idle);
}

#[test]
fn a_full_outbox_gives_up_the_oldest_and_says_so() {
    let mut outbox = Outbox::new("ops", Options { capacity: 2, ..Options::default() }, Vec::new());
    push(&mut outbox, other("z"), NOW);
    push(&mut outbox, other("a"), NOW);
    assert_eq!(
        push(&mut outbox, other("b"), NOW),
        [("hw_b".to_owned(), "waiting"), ("hw_z".to_owned(), "dead letter")]
    );
    assert_eq!(outbox.oldest(), Some(NOW));
}

#[test]
fn a_late_report_of_an_unknown_attempt_changes_nothing() {
    let mut outbox = outbox();
    push(&mut outbox, trigger(), NOW);
    assert_eq!(outbox.settle("hw_other", Outcome::Taken(Receipt::default()), NOW, 0.0), Settled::default());
    assert_eq!(take(&mut outbox, NOW), "hw_leak_confirmed");
}

#[test]
fn a_test_trigger_and_its_resolve_are_an_incident_like_any_other() {
    let mut outbox = outbox();
    let test = |status, id: &str| Alert { id: id.to_owned(), ..alert(News::Test { status }) };
    push(&mut outbox, test(Status::Firing, "hw_1"), NOW);
    assert_eq!(take(&mut outbox, NOW), "hw_1");
    push(&mut outbox, test(Status::Resolved, "hw_2"), NOW);
    assert_eq!(take(&mut outbox, NOW), "hw_2");
}

#[test]
fn pagerduty_has_a_rate_limit_of_its_own() {
    let url = Url::parse(pagerduty::ENQUEUE_URL).unwrap();
    let kind = ChannelKind::PagerDuty { url, routing_key: SecretString::from("key") };
    assert_eq!(Options::default().for_kind(&kind).min_gap, Duration::from_millis(600));
    assert_eq!(Options::default().for_kind(&ChannelKind::Log).min_gap, Duration::ZERO);
}
