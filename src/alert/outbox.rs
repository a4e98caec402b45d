//! What one channel is owed: a pure state machine. It decides what to send when; it neither sends nor stores.
//!
//! Alerts of one incident go out in the order they came, one at a time, so a resolve never overtakes its trigger; a
//! resolve whose trigger was never sent takes it back instead. Incidents do not wait for one another, but failures
//! slow down the whole channel, so that a receiver in trouble is not stormed. What a silence holds back waits here too:
//! what is over before the silence is collapses, and what lasts is told at its end. Every entry ends as delivered,
//! collapsed or dead letter, and is handed out at each change so that the store can keep it: restored from what was
//! written, the outbox goes on where it was.

mod entry;
mod lane;
mod pace;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::entry::{Entry, EntryState};
use self::lane::Lane;
use self::pace::Pace;
use crate::alert::ChannelKind;
use crate::alert::channel::{Delivery, Disposition, Receipt};
use crate::alert::message::{Alert, Status};
use crate::alert::{pagerduty, slack};
use crate::clock::Timestamp;
use crate::silence::Mark;

/// Times and bounds of one channel's deliveries.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Wait after the first failed attempt; doubles with each further one.
    pub first_retry: Duration,
    /// Longest wait between two attempts, whatever the receiver asks for.
    pub longest_retry: Duration,
    /// Undelivered alerts older than this become dead letters.
    pub alert_ttl: Duration,
    /// Shortest time between two attempts of this channel, for receivers with a rate limit.
    pub min_gap: Duration,
    /// A channel that answers 401, 403, 404 or a redirect for this long is broken; a deployment is over sooner.
    pub broken_after: Duration,
    /// Most entries that wait; beyond it the oldest become dead letters.
    pub capacity: usize,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The receiver has it.
    Taken(Receipt),
    /// It has not.
    Failed {
        /// What to do.
        disposition: Disposition,
        /// For people.
        why: String,
    },
}

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Write the entry, send it, then report with [`Outbox::settle`].
    Send(Box<Attempt>),
    /// Nothing before this time, unless something is pushed.
    Wait(Timestamp),
    /// Nothing until something is pushed or settled.
    Idle,
}

/// One attempt to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The entry with this attempt already counted. Written before it is sent, a crash in between is known of.
    pub entry: Entry,
    /// What the sender needs besides.
    pub delivery: Delivery,
}

/// What an outcome has changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    /// The entries to write.
    pub write: Vec<Entry>,
    /// News of the channel itself, to be told on the others.
    pub health: Option<Health>,
}

/// News of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It takes nothing any more.
    Broke {
        /// What it answered.
        why: String,
        /// It said that it is gone: it is not even tried again now and then.
        for_good: bool,
    },
    /// It takes alerts again.
    Mended,
}

/// The queue of one channel.
#[derive(Clone, Debug)]
pub struct Outbox {
    channel: String,
    options: Options,
    /// By incident.
    lanes: BTreeMap<String, Lane>,
    pace: Pace,
    next_sequence: u64,
    in_flight: Option<InFlight>,
}

/// The attempt that has begun and is not settled.
#[derive(Clone, Debug)]
struct InFlight {
    id: String,
    incident: String,
    /// Whether an attempt before this one may have arrived.
    maybe_taken_before: bool,
}

impl Options {
    /// The same times with the rate limit that the service behind `kind` documents.
    #[must_use]
    pub fn for_kind(self, kind: &ChannelKind) -> Self {
        let min_gap = match kind {
            ChannelKind::Slack { .. } => slack::MIN_GAP,
            ChannelKind::PagerDuty { .. } => pagerduty::MIN_GAP,
            ChannelKind::Log | ChannelKind::Webhook { .. } | ChannelKind::Alertmanager { .. } => Duration::ZERO,
        };
        Self { min_gap: self.min_gap.max(min_gap), ..self }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_secs(5),
            longest_retry: Duration::from_mins(10),
            alert_ttl: Duration::from_hours(24),
            min_gap: Duration::ZERO,
            broken_after: Duration::from_mins(15),
            capacity: 10_000,
        }
    }
}

impl Outbox {
    /// The queue of `channel` with what a former run has left, in any order. An attempt that was begun and never
    /// settled counts as one that may have arrived.
    pub fn new(channel: &str, options: Options, mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| entry.sequence);
        let next_sequence = entries.last().map_or(0, |last| last.sequence + 1);
        let mut lanes: BTreeMap<String, Lane> = BTreeMap::new();
        for entry in entries {
            lanes.entry(entry.alert.incident()).or_default().restore(entry);
        }
        lanes.retain(|_, lane| !lane.is_empty());
        Self { channel: channel.to_owned(), options, lanes, pace: Pace::default(), next_sequence, in_flight: None }
    }

    /// Adds an alert; one that is already there is not added again. Returns the entries to write: the new one and
    /// those that it made superfluous. Write them before asking for [`Outbox::next`].
    #[must_use = "the entries are to be written to the store"]
    pub fn push(&mut self, alert: Alert, now: Timestamp) -> Vec<Entry> {
        self.put(alert, false, now)
    }

    fn put(&mut self, alert: Alert, held: bool, now: Timestamp) -> Vec<Entry> {
        let incident = alert.incident();
        let entry = Entry { held, ..Entry::new(&self.channel, self.next_sequence, alert, now) };
        let sending = self.in_flight.as_ref().map(|attempt| attempt.id.as_str());
        let mut write = self.lanes.entry(incident.clone()).or_default().push(entry, now, sending);
        if !write.is_empty() {
            self.next_sequence += 1;
        }
        self.drop_lane_if_empty(&incident);
        if self.waiting().count() > self.options.capacity {
            write.extend(self.give_up_oldest(now));
        }
        write
    }

    /// Adds an alert that a silence holds back, the end of something told excepted. Returns the entries to write.
    #[must_use = "the entries are to be written to the store"]
    pub fn push_silenced(&mut self, alert: Alert, now: Timestamp) -> Vec<Entry> {
        let held = alert.status() != Status::Resolved;
        self.put(alert, held, now)
    }

    /// Holds back what waits and is silenced now, and lets go what no longer is: of that, what lasts is told, and what
    /// merely happened meanwhile is not. Call it when silences begin or end. Returns the entries to write.
    #[must_use = "the entries are to be written to the store"]
    pub fn silence(&mut self, mark_of: impl Fn(&Alert) -> Option<Mark>, now: Timestamp) -> Vec<Entry> {
        let sending = self.in_flight.as_ref().map(|attempt| attempt.id.as_str());
        let write = self.lanes.values_mut().flat_map(|lane| lane.silence(&mark_of, now, sending)).collect();
        self.lanes.retain(|_, lane| !lane.is_empty());
        write
    }

    /// Whether the channel has been told of this incident, or is about to be.
    pub fn knows(&self, incident: &str) -> bool {
        self.lanes.contains_key(incident)
    }

    /// Gives up what is too old. Call it now and then, also while the channel is broken. Returns the entries to write.
    #[must_use = "the entries are to be written to the store"]
    pub fn expire(&mut self, now: Timestamp) -> Vec<Entry> {
        let ttl = self.options.alert_ttl;
        let sending = self.in_flight.as_ref().map(|attempt| attempt.id.as_str());
        let is_old =
            |entry: &Entry| !entry.held && now.since(entry.created) > ttl && sending != Some(entry.id.as_str());
        let mut write = Vec::new();
        for lane in self.lanes.values_mut() {
            write.extend(lane.give_up(is_old, now, "not delivered in time"));
        }
        self.lanes.retain(|_, lane| !lane.is_empty());
        write
    }

    /// What to do at `now`. Begins the attempt that it returns: nothing else is sent until that is settled.
    pub fn next(&mut self, now: Timestamp) -> Next {
        if self.in_flight.is_some() {
            return Next::Idle;
        }
        let Some(not_before) = self.pace.not_before(now) else { return Next::Idle };
        let due = self.lanes.iter().filter_map(|(incident, lane)| Some((lane.due()?, incident)));
        let first = due.min_by_key(|((at, sequence), _)| (at.steady_ms(), *sequence));
        let Some(((at, _), incident)) = first else { return Next::Idle };
        let incident = incident.clone();
        let at = if at.is_before(not_before) { not_before } else { at };
        if now.is_before(at) { Next::Wait(at) } else { self.begin(incident, now) }
    }

    fn begin(&mut self, incident: String, now: Timestamp) -> Next {
        let Some(lane) = self.lanes.get_mut(&incident) else { return Next::Idle };
        let opened_with = lane.opened_with();
        let Some(entry) = lane.due_entry() else { return Next::Idle };
        let maybe_taken_before = entry.maybe_taken;
        entry.attempts = entry.attempts.saturating_add(1);
        entry.maybe_taken = true;
        self.in_flight = Some(InFlight { id: entry.id.clone(), incident, maybe_taken_before });
        self.pace.began(now, self.options.min_gap);
        let delivery = Delivery { now, attempt: entry.attempts, opened_with };
        Next::Send(Box::new(Attempt { entry: entry.clone(), delivery }))
    }

    /// Takes in what came of the attempt of entry `id`; `jitter` in 0..1 spreads the retries.
    #[must_use = "the entries are to be written to the store"]
    pub fn settle(&mut self, id: &str, outcome: Outcome, now: Timestamp, jitter: f64) -> Settled {
        let Some(attempt) = self.in_flight.take_if(|attempt| attempt.id == id) else { return Settled::default() };
        let Some(lane) = self.lanes.get_mut(&attempt.incident) else { return Settled::default() };
        let settled = match outcome {
            Outcome::Taken(receipt) => {
                let (health, was_down) = self.pace.succeeded();
                let write = lane.taken(id, receipt, now);
                if was_down {
                    self.lanes.values_mut().for_each(|lane| lane.hurry(now));
                }
                Settled { write, health }
            }
            Outcome::Failed { disposition, why } => {
                let health = self.pace.failed(disposition, &why, now, jitter, &self.options);
                let wait = pace::entry_wait(disposition, lane.attempts(id), jitter, &self.options);
                let maybe_taken = attempt.maybe_taken_before || pace::may_have_arrived(disposition);
                Settled { write: lane.failed(id, &why, maybe_taken, wait, now), health }
            }
        };
        self.drop_lane_if_empty(&attempt.incident);
        settled
    }

    /// Everything that is the outbox's to keep, in no order: for another one of the same channel under a changed
    /// configuration. An attempt under way counts as one that may have arrived.
    pub fn into_entries(self) -> Vec<Entry> {
        self.lanes.into_values().flat_map(Lane::into_entries).collect()
    }

    /// Why the channel takes nothing, where it is broken.
    pub fn broken(&self) -> Option<&str> {
        self.pace.broken()
    }

    /// The channel was found broken by an earlier run, which is no news.
    pub fn stay_broken(&mut self, why: &str, for_good: bool) {
        self.pace.stay_broken(why, for_good);
    }

    /// Tries a broken channel again: its configuration has changed, or a person asks.
    pub fn mend(&mut self, now: Timestamp) {
        self.pace = Pace::default();
        self.lanes.values_mut().for_each(|lane| lane.hurry(now));
    }

    /// Entries that wait, by incident.
    pub fn waiting(&self) -> impl Iterator<Item = &Entry> {
        self.lanes.values().flat_map(Lane::waiting)
    }

    /// When the oldest entry that waits was put in.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.waiting().map(|entry| entry.created).min_by_key(|created| created.steady_ms())
    }

    fn give_up_oldest(&mut self, now: Timestamp) -> Vec<Entry> {
        let sending = self.in_flight.as_ref().map(|attempt| attempt.id.as_str());
        let movable = self.waiting().filter(|entry| sending != Some(entry.id.as_str()));
        let Some(oldest) = movable.map(|entry| entry.sequence).min() else { return Vec::new() };
        let why = format!("the outbox is full ({} wait)", self.options.capacity);
        let given_up =
            self.lanes.values_mut().flat_map(|lane| lane.give_up(|entry| entry.sequence == oldest, now, &why));
        let write = given_up.collect();
        self.lanes.retain(|_, lane| !lane.is_empty());
        write
    }

    fn drop_lane_if_empty(&mut self, incident: &str) {
        if self.lanes.get(incident).is_some_and(Lane::is_empty) {
            self.lanes.remove(incident);
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod silenced;
#[cfg(test)]
mod tests;
