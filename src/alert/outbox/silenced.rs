//! Worked cases of what silences hold back.

use super::tests::{other, outbox, reminder, resolve, take, trigger};
use super::*;
use crate::alert::examples::{NOW, after, alert, explained_leak, leak, snapshot};
use crate::alert::message::News;
use crate::leak::event::PairPart;

fn mark() -> Mark {
    Mark { id: "a1b2c3".to_owned(), until: after(7_200), by: "alice".to_owned(), why: "deploy".to_owned() }
}

fn silenced(alert: Alert) -> Alert {
    Alert { silenced: Some(mark()), ..alert }
}

fn hold(outbox: &mut Outbox, alert: Alert, now: Timestamp) {
    drop(outbox.push_silenced(silenced(alert), now));
}

/// Ends the silence, and sends what is due until nothing is.
fn told_at_the_end(outbox: &mut Outbox, now: Timestamp) -> Vec<String> {
    drop(outbox.silence(|_| None, now));
    let mut told = Vec::new();
    while matches!(outbox.clone().next(now), Next::Send(_)) {
        told.push(take(outbox, now));
    }
    told
}

fn explained() -> Alert {
    alert(News::AnalysisReady(explained_leak()))
}

#[test]
fn nothing_is_sent_in_a_silence_and_what_still_holds_at_its_end_is() {
    let mut outbox = outbox();
    hold(&mut outbox, trigger(), NOW);
    hold(&mut outbox, alert(News::SnapshotStored(snapshot(PairPart::First))), after(60));
    hold(&mut outbox, explained(), after(120));
    assert_eq!(outbox.next(after(7_000)), Next::Idle);
    // The trigger opens the incident, the explanation says how it stands; the stored snapshot is part of that.
    assert_eq!(told_at_the_end(&mut outbox, after(7_200)), ["hw_leak_confirmed", "hw_analysis_ready"]);
    assert_eq!(outbox.waiting().count(), 0);
}

#[test]
fn what_is_held_back_survives_a_restart_and_is_not_given_up_for_its_age() {
    let mut outbox = outbox();
    let written = outbox.push_silenced(silenced(trigger()), NOW);
    let json = serde_json::to_string(&written).unwrap();
    let mut outbox = Outbox::new("ops", Options::default(), serde_json::from_str(&json).unwrap());
    let two_days = after(2 * 86_400);
    assert_eq!(outbox.expire(two_days), []);
    assert_eq!(outbox.next(two_days), Next::Idle);
    drop(outbox.silence(|_| None, two_days));
    assert_eq!(outbox.expire(two_days), [], "its time to live begins with the end of the silence");
    assert_eq!(take(&mut outbox, two_days), "hw_leak_confirmed");
}

#[test]
fn what_begins_and_ends_in_a_silence_is_never_told() {
    let mut outbox = outbox();
    hold(&mut outbox, trigger(), NOW);
    hold(&mut outbox, reminder(1), after(60));
    drop(outbox.push_silenced(silenced(resolve()), after(120)));
    assert_eq!(outbox.waiting().count(), 0);
    assert_eq!(told_at_the_end(&mut outbox, after(7_200)), Vec::<String>::new());
}

#[test]
fn the_end_of_what_was_told_before_a_silence_is_told_in_it() {
    let mut outbox = outbox();
    drop(outbox.push(trigger(), NOW));
    take(&mut outbox, NOW);
    drop(outbox.silence(|_| Some(mark()), after(1)));
    hold(&mut outbox, reminder(1), after(60));
    assert_eq!(outbox.next(after(61)), Next::Idle);
    drop(outbox.push_silenced(silenced(resolve()), after(120)));
    assert_eq!(take(&mut outbox, after(120)), "hw_leak_resolved");
    assert_eq!(told_at_the_end(&mut outbox, after(7_200)), Vec::<String>::new(), "the reminder came too late");
}

#[test]
fn a_leak_that_was_told_before_a_silence_is_recalled_at_its_end() {
    let mut outbox = outbox();
    drop(outbox.push(trigger(), NOW));
    take(&mut outbox, NOW);
    hold(&mut outbox, reminder(1), after(60));
    hold(&mut outbox, reminder(2), after(120));
    assert_eq!(told_at_the_end(&mut outbox, after(7_200)), ["hw_reminder_2"]);
}

#[test]
fn a_silence_holds_back_what_waits_already_but_not_what_may_have_arrived() {
    let mut outbox = outbox();
    drop(outbox.push(trigger(), NOW));
    drop(outbox.push(other("queue"), NOW));
    let Next::Send(attempt) = outbox.next(NOW) else { panic!("something is due") };
    let lost =
        Outcome::Failed { disposition: Disposition::Retry { after: None, maybe_taken: true }, why: "lost".to_owned() };
    let written = outbox.silence(|_| Some(mark()), NOW);
    assert_eq!(written.len(), 1, "{written:?}");
    assert!(written[0].held && written[0].id != attempt.entry.id);
    drop(outbox.settle(&attempt.entry.id, lost, NOW, 0.0));
    drop(outbox.silence(|_| Some(mark()), after(1)));
    assert_eq!(take(&mut outbox, after(60)), attempt.entry.id, "the receiver may have it, so it is told for sure");
    assert_eq!(outbox.next(after(61)), Next::Idle);
}

#[test]
fn a_silence_that_covers_other_targets_changes_nothing() {
    let mut outbox = outbox();
    drop(outbox.push(trigger(), NOW));
    hold(&mut outbox, other("queue"), NOW);
    let queue = |alert: &Alert| alert.id.contains("queue").then(mark);
    assert_eq!(outbox.silence(queue, after(1)), []);
    assert_eq!(take(&mut outbox, after(1)), "hw_leak_confirmed");
    assert_eq!(outbox.next(after(2)), Next::Idle);
}

#[test]
fn an_incident_that_this_channel_first_met_in_a_silence_ends_unheard() {
    // The trigger was below the channel's lowest severity; its reminder is not, and is held back.
    let mut outbox = outbox();
    hold(&mut outbox, reminder(1), NOW);
    drop(outbox.push_silenced(silenced(resolve()), after(60)));
    assert_eq!(outbox.waiting().count(), 0);
}

#[test]
fn an_alert_says_which_silence_held_it_back() {
    let details = crate::alert::wording::details(&silenced(alert(News::LeakConfirmed(leak()))));
    let last = details.last().unwrap();
    assert!(last.starts_with("Silenced until ") && last.ends_with(" by alice because: deploy."), "{last}");
}
