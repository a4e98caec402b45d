//! Whatever receivers answer and whenever the process dies: nothing lost, nothing reordered, nothing sent after it was
//! delivered, no incident left open.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::alert::examples::{alert, leak, resolution, snapshot};
use crate::alert::message::{News, Status};
use crate::leak::event::PairPart;
use crate::sample::Signal;

/// One thing that happens to the outbox.
#[derive(Clone, Debug)]
enum Step {
    /// An alert of one of three incidents; `News` by number.
    Push(u8, u8),
    /// The last pushed alert once more, as after a crash between decision and note.
    PushAgain,
    Advance(u64),
    Attempt(Answer),
    /// An attempt begins, the receiver may have it, and the process dies.
    Crash,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Taken,
    Unreachable,
    Lost,
    Throttled(u64),
    Refuses,
    Broken,
    Permanent,
}

fn step() -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        4 => Just(Answer::Taken),
        3 => Just(Answer::Unreachable),
        2 => Just(Answer::Lost),
        1 => (0u64..4_000).prop_map(Answer::Throttled),
        1 => Just(Answer::Refuses),
        1 => Just(Answer::Permanent),
        1 => Just(Answer::Broken),
    ];
    prop_oneof![
        4 => (0u8..3, 0u8..5).prop_map(|(incident, news)| Step::Push(incident, news)),
        1 => Just(Step::PushAgain),
        3 => (0u64..2_000).prop_map(Step::Advance),
        6 => answer.prop_map(Step::Attempt),
        1 => Just(Step::Crash),
    ]
}

/// An outbox with its store and its receiver.
struct World {
    outbox: Outbox,
    options: Options,
    now: Timestamp,
    pushed: Vec<Alert>,
    /// By incident.
    is_open: [bool; 3],
    /// What was written, by id.
    store: BTreeMap<String, Entry>,
    /// What may have arrived, in order: incident, position in `pushed`, status.
    arrived: Vec<(String, usize, Status)>,
}

impl World {
    fn new() -> Self {
        let options = Options { capacity: 1_000, ..Options::default() };
        let outbox = Outbox::new("ops", options.clone(), Vec::new());
        let now = Timestamp::from_unix_ms(1_000_000);
        Self {
            outbox,
            options,
            now,
            pushed: Vec::new(),
            is_open: [false; 3],
            store: BTreeMap::new(),
            arrived: Vec::new(),
        }
    }

    fn write(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            if let Some(before) = self.store.get(&entry.id) {
                assert!(!before.is_final(), "{} changes after its end", entry.id);
            }
            self.store.insert(entry.id.clone(), entry);
        }
    }

    /// As the policy does, opens an incident before it goes on, and ends it once.
    fn push(&mut self, incident: u8, news: u8) {
        let is_open = &mut self.is_open[usize::from(incident)];
        let news = match (*is_open, news) {
            (false, _) => News::LeakConfirmed(leak()),
            (true, 0 | 1) => News::LeakReminder(leak()),
            (true, 2) => News::SnapshotStored(snapshot(PairPart::First)),
            (true, _) => News::LeakResolved { signal: Signal::HeapUsed, resolution: resolution() },
        };
        *is_open = !matches!(news, News::LeakResolved { .. });
        let mut alert = alert(news);
        alert.episode = Some(format!("episode-{incident}"));
        alert.id = format!("hw_{}", self.pushed.len());
        self.pushed.push(alert.clone());
        let entries = self.outbox.push(alert, self.now);
        self.write(entries);
    }

    fn begin(&mut self) -> Option<Attempt> {
        let Next::Send(attempt) = self.outbox.next(self.now) else { return None };
        assert_eq!(self.store[&attempt.entry.id].state, EntryState::Waiting, "{} is sent again", attempt.entry.id);
        self.write(vec![attempt.entry.clone()]);
        Some(*attempt)
    }

    fn arrive(&mut self, entry: &Entry) {
        let position = self.pushed.iter().position(|alert| alert.id == entry.id).expect("it was pushed");
        self.arrived.push((entry.alert.incident(), position, entry.alert.status()));
    }

    fn attempt(&mut self, answer: Answer) -> bool {
        let Some(attempt) = self.begin() else { return false };
        if matches!(answer, Answer::Taken | Answer::Lost) {
            self.arrive(&attempt.entry);
        }
        let retry = |maybe_taken, after| Disposition::Retry { after, maybe_taken };
        let failed = |disposition| Outcome::Failed { disposition, why: "no".to_owned() };
        let outcome = match answer {
            Answer::Taken => Outcome::Taken(Receipt::default()),
            Answer::Unreachable => failed(retry(false, None)),
            Answer::Lost => failed(retry(true, None)),
            Answer::Throttled(seconds) => failed(retry(false, Some(Duration::from_secs(seconds)))),
            Answer::Refuses => failed(Disposition::ChannelRefuses),
            Answer::Broken => failed(Disposition::ChannelBroken),
            Answer::Permanent => failed(Disposition::Permanent),
        };
        let settled = self.outbox.settle(&attempt.entry.id, outcome, self.now, 0.3);
        self.write(settled.write);
        true
    }

    fn restart(&mut self) {
        let mut left: Vec<Entry> = self.store.values().cloned().collect();
        left.reverse();
        self.outbox = Outbox::new("ops", self.options.clone(), left);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Push(incident, news) => self.push(*incident, *news),
            Step::PushAgain => {
                if let Some(alert) = self.pushed.last().filter(|alert| !self.store[&alert.id].is_final()).cloned() {
                    assert_eq!(self.outbox.push(alert, self.now), [], "nothing is added twice");
                }
            }
            Step::Advance(seconds) => self.now = self.now.plus(Duration::from_secs(*seconds)),
            Step::Attempt(answer) => {
                self.attempt(*answer);
            }
            Step::Crash => {
                if let Some(attempt) = self.begin() {
                    self.arrive(&attempt.entry);
                }
                self.restart();
            }
        }
    }

    /// The receiver is well again, and everything goes out.
    fn drain(&mut self) {
        self.outbox.mend(self.now);
        while self.outbox.waiting().next().is_some() {
            if !self.attempt(Answer::Taken) {
                let Next::Wait(until) = self.outbox.next(self.now) else { panic!("entries wait and nothing is due") };
                assert!(self.now.is_before(until), "time goes on");
                self.now = until;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nothing_is_lost_reordered_or_sent_after_its_end(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.drain();
        for alert in &world.pushed {
            let entry = &world.store[&alert.id];
            prop_assert!(entry.state != EntryState::Waiting, "{} is lost", alert.id);
        }
        for incident in 0..3 {
            let incident = format!("heapwatch/checkout-api/leak/episode-{incident}");
            let arrived: Vec<_> = world.arrived.iter().filter(|(of, ..)| *of == incident).collect();
            prop_assert!(arrived.is_sorted_by_key(|(_, position, _)| position), "{arrived:?}");
            let mut own = world.pushed.iter().filter(|alert| alert.incident() == incident);
            // A receiver that never takes a resolve, or that refuses for good what it may have, cannot be helped.
            let is_dead = |alert: &Alert| matches!(world.store[&alert.id].state, EntryState::DeadLetter { .. });
            let is_helpless = own.clone().any(|alert| is_dead(alert) && world.store[&alert.id].maybe_taken);
            let is_over = own.next_back().is_some_and(|last| last.status() == Status::Resolved && !is_dead(last));
            if is_over && !is_helpless && let Some((_, _, status)) = arrived.last() {
                prop_assert_eq!(*status, Status::Resolved, "an incident stays open");
            }
        }
    }

    #[test]
    fn what_was_written_is_enough_to_go_on(steps in proptest::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        // When a receiver comes back everything is due at once; that is not written, and costs at most a wait.
        let state = |outbox: &Outbox| -> Vec<Entry> {
            outbox.waiting().map(|entry| Entry { next_attempt: entry.created, ..entry.clone() }).collect()
        };
        let before = state(&world.outbox);
        let json = serde_json::to_string(&world.store.values().collect::<Vec<_>>()).expect("entries are JSON");
        let left: Vec<Entry> = serde_json::from_str(&json).expect("entries come back");
        let after = state(&Outbox::new("ops", world.options.clone(), left));
        prop_assert_eq!(before, after);
    }
}
