//! Outbox, sender and a receiver in trouble together: hours of outage in moments, because the outbox takes its time as
//! an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use heapwatch::alert::channel::Sender;
use heapwatch::alert::message::Alert;
use heapwatch::alert::outbox::{EntryState, Health, Next, Options, Outbox, Outcome};
use heapwatch::clock::Timestamp;

use super::story::{NOW, gauge, sender_with_timeout, story, webhook};
use crate::support::receiver::{Answer, Receiver};

/// One channel with its queue, its sender, and a clock that jumps to when something is due.
struct Channel {
    outbox: Outbox,
    sender: Sender,
    now: Timestamp,
    random: fastrand::Rng,
    ends: BTreeMap<String, EntryState>,
    health: Vec<Health>,
}

impl Channel {
    fn to(receiver: &Receiver, seed: u64) -> Self {
        // An answer that is only late must not count as none: the receiver has taken the alert then, and gets it again.
        Self::with_timeout(receiver, seed, Duration::from_secs(30))
    }

    fn with_timeout(receiver: &Receiver, seed: u64, timeout: Duration) -> Self {
        let sender = sender_with_timeout(webhook(receiver.url("/hook")), timeout);
        Self {
            outbox: Outbox::new("ops", Options::default(), Vec::new()),
            sender,
            now: NOW,
            random: fastrand::Rng::with_seed(seed),
            ends: BTreeMap::new(),
            health: Vec::new(),
        }
    }

    fn push(&mut self, alert: Alert) {
        let written = self.outbox.push(alert, self.now);
        self.ends.extend(written.into_iter().map(|entry| (entry.id, entry.state)));
    }

    /// Delivers until nothing is due before `end`.
    async fn run_until(&mut self, end: Timestamp) {
        loop {
            match self.outbox.next(self.now) {
                Next::Send(attempt) => {
                    let sent = self.sender.send(&attempt.entry.alert, &attempt.delivery).await;
                    let outcome = match sent {
                        Ok(receipt) => Outcome::Taken(receipt),
                        Err(problem) => {
                            Outcome::Failed { disposition: problem.disposition(), why: problem.to_string() }
                        }
                    };
                    let settled = self.outbox.settle(&attempt.entry.id, outcome, self.now, self.random.f64());
                    self.ends.extend(settled.write.into_iter().map(|entry| (entry.id, entry.state)));
                    self.health.extend(settled.health);
                }
                Next::Wait(until) if until.is_before(end) => self.now = until,
                Next::Wait(_) | Next::Idle => break,
            }
        }
        self.now = end;
    }
}

fn hours(count: u64) -> Timestamp {
    NOW.plus(Duration::from_hours(count))
}

/// The ids that were taken, in order.
fn taken(receiver: &Receiver) -> Vec<String> {
    receiver.taken().iter().map(|request| request.header("webhook-id").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_receiver_in_every_kind_of_trouble_gets_everything_once_and_in_order() {
    let seed = 20_261_122;
    eprintln!("seed {seed}");
    let receiver = Receiver::willing().await;
    let mut random = fastrand::Rng::with_seed(seed);
    receiver.script((0..150).map(|_| match random.u8(0..10) {
        0..2 => Answer::status(429).with_header("retry-after", random.u32(0..300).to_string()),
        // Some minutes after the time that these deliveries begin at, and long past for the later ones.
        2 => Answer::status(429).with_header("retry-after", "Sun, 22 Nov 2026 10:30:00 GMT"),
        3..6 => Answer::status(500),
        6..8 => Answer::Cut,
        // It says yes and then drips for ever: taken, and not to be sent again.
        8 => Answer::Endless { pause: Duration::from_millis(50) },
        _ => Answer::status(404),
    }));
    let mut channel = Channel::to(&receiver, seed);
    let stories: Vec<Vec<Alert>> = ["api", "worker", "mail"].into_iter().map(story).collect();
    for position in 0..stories[0].len() {
        for story in &stories {
            channel.push(story[position].clone());
        }
        channel.run_until(channel.now.plus(Duration::from_secs(random.u64(0..900)))).await;
    }
    channel.run_until(hours(23)).await;
    let taken = taken(&receiver);
    eprintln!("{} attempts, {} taken", receiver.received().len(), taken.len());
    for story in &stories {
        for alert in story {
            let count = taken.iter().filter(|id| **id == alert.id).count();
            let was_collapsed = matches!(channel.ends[&alert.id], EntryState::Collapsed { .. });
            assert_eq!(count, usize::from(!was_collapsed), "{} {:?}", alert.news.kind(), channel.ends[&alert.id]);
        }
        let positions = |alert: &Alert| taken.iter().position(|id| *id == alert.id);
        for incident in story.iter().map(Alert::incident) {
            let order: Vec<_> = story.iter().filter(|a| a.incident() == incident).filter_map(positions).collect();
            assert!(order.is_sorted(), "{incident}: {order:?}");
        }
    }
    assert_eq!(channel.outbox.waiting().count(), 0);
}

#[tokio::test]
async fn after_hours_of_outage_what_is_over_is_not_told_and_what_is_open_is() {
    let receiver = Receiver::start(|_| Answer::status(503)).await;
    let mut channel = Channel::to(&receiver, 1);
    channel.push(gauge("over", true));
    channel.push(gauge("open", true));
    channel.run_until(hours(3)).await;
    let attempts = receiver.received().len();
    assert!((20..200).contains(&attempts), "{attempts} attempts in three hours");
    channel.push(gauge("over", false));
    receiver.script([Answer::status(204)]);
    channel.run_until(hours(4)).await;
    assert_eq!(taken(&receiver), ["hw_open_true"]);
    assert!(matches!(channel.ends["hw_over_false"], EntryState::Collapsed { .. }));
}

#[tokio::test]
async fn what_stays_undeliverable_is_a_dead_letter_in_the_end() {
    let receiver = Receiver::start(|_| Answer::Cut).await;
    let mut channel = Channel::to(&receiver, 1);
    channel.push(gauge("lost", true));
    channel.run_until(hours(25)).await;
    let dead = channel.outbox.expire(channel.now);
    let EntryState::DeadLetter { why, .. } = &dead[0].state else { panic!("{dead:?}") };
    assert!(why.starts_with("not delivered in time; last: lost the connection to http://127.0.0.1:"), "{why}");
}

#[tokio::test]
async fn a_hanging_receiver_holds_each_attempt_to_its_deadline() {
    let receiver = Receiver::willing().await;
    receiver.script([Answer::Hang, Answer::Hang]);
    let mut channel = Channel::with_timeout(&receiver, 1, Duration::from_secs(2));
    channel.push(gauge("slow", true));
    channel.run_until(hours(1)).await;
    assert_eq!(receiver.received().len(), 3);
    assert_eq!(taken(&receiver), ["hw_slow_true"]);
}

#[tokio::test]
async fn a_receiver_that_is_gone_breaks_its_channel_and_is_left_alone() {
    let receiver = Receiver::start(|_| Answer::status(410)).await;
    let mut channel = Channel::to(&receiver, 1);
    channel.push(gauge("a", true));
    channel.push(gauge("b", true));
    channel.run_until(hours(12)).await;
    assert_eq!(receiver.received().len(), 1);
    assert!(matches!(channel.health.as_slice(), [Health::Broke { .. }]), "{:?}", channel.health);
    assert_eq!(channel.outbox.waiting().count(), 2, "what is owed is kept");
}

/// A way to fail: what is answered, how often in all, and how long an attempt may take.
struct Fault {
    name: &'static str,
    answer: Answer,
    count: usize,
    timeout: Duration,
}

/// What became of three stories, told while a receiver fails.
#[derive(Debug, Default)]
struct Counts {
    attempts: usize,
    alerts: usize,
    delivered: usize,
    /// Over, or said anew, before they were told.
    withdrawn: usize,
    lost: usize,
    duplicates: usize,
    order_violations: usize,
}

fn faults() -> Vec<Fault> {
    // An answer that is only late must not count as none: the receiver has taken the alert then, and gets it again.
    let fault = |name, answer| Fault { name, answer, count: 40, timeout: Duration::from_secs(30) };
    vec![
        fault("down for hours", Answer::Cut),
        fault("429 with seconds", Answer::status(429).with_header("retry-after", "120")),
        fault("429 with a date", Answer::status(429).with_header("retry-after", "Sun, 22 Nov 2026 12:30:00 GMT")),
        fault("429 alone", Answer::status(429)),
        fault("500", Answer::status(500)),
        fault("503", Answer::status(503)),
        Fault { count: 6, timeout: Duration::from_secs(3), ..fault("hangs", Answer::Hang) },
        Fault { count: 12, ..fault("drips for ever", Answer::Endless { pause: Duration::from_millis(50) }) },
        fault("reset mid-body", Answer::CutInBody),
    ]
}

impl Counts {
    async fn under(fault: Fault) -> Self {
        let receiver = Receiver::willing().await;
        let mut random = fastrand::Rng::with_seed(20_261_122);
        let mut channel = Channel::with_timeout(&receiver, random.u64(..), fault.timeout);
        let stories: Vec<Vec<Alert>> = ["api", "worker", "mail"].into_iter().map(story).collect();
        receiver.script(std::iter::repeat_n(fault.answer, fault.count));
        for position in 0..stories[0].len() {
            for story in &stories {
                channel.push(story[position].clone());
            }
            channel.run_until(channel.now.plus(Duration::from_secs(random.u64(0..1_800)))).await;
        }
        channel.run_until(hours(23)).await;
        let taken = taken(&receiver);
        let mut counts = Self { attempts: receiver.received().len(), ..Self::default() };
        for story in &stories {
            counts.count(story, &taken, &channel.ends);
        }
        counts
    }

    fn count(&mut self, story: &[Alert], taken: &[String], ends: &BTreeMap<String, EntryState>) {
        for alert in story {
            let times = taken.iter().filter(|id| **id == alert.id).count();
            let is_withdrawn = matches!(ends[&alert.id], EntryState::Collapsed { .. });
            self.alerts += 1;
            self.delivered += usize::from(times > 0);
            self.withdrawn += usize::from(is_withdrawn);
            self.lost += usize::from(times == 0 && !is_withdrawn);
            self.duplicates += times.saturating_sub(1);
        }
        let position = |alert: &Alert| taken.iter().position(|id| *id == alert.id);
        for incident in story.iter().map(Alert::incident).collect::<BTreeSet<_>>() {
            let order: Vec<usize> =
                story.iter().filter(|alert| alert.incident() == incident).filter_map(position).collect();
            self.order_violations += order.windows(2).filter(|pair| pair[0] > pair[1]).count();
        }
    }
}

/// `cargo test --test it alert::delivery::no_fault -- --nocapture` prints the counts.
#[tokio::test]
async fn no_fault_of_a_receiver_loses_repeats_or_reorders_an_alert() {
    println!("fault             attempts alerts delivered withdrawn lost duplicates order violations");
    for fault in faults() {
        let name = fault.name;
        let Counts { attempts, alerts, delivered, withdrawn, lost, duplicates, order_violations } =
            Counts::under(fault).await;
        println!(
            "{name:<17} {attempts:>8} {alerts:>6} {delivered:>9} {withdrawn:>9} {lost:>4} {duplicates:>10} {order_violations:>16}"
        );
        assert_eq!((lost, duplicates, order_violations), (0, 0, 0), "{name}");
        assert!(delivered > 0 && delivered + withdrawn == alerts, "{name}");
    }
}
