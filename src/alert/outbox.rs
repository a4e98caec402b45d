//! What one channel is owed: a pure state machine. It decides what to send when; it neither sends nor stores.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::channel::{Disposition, Receipt, RoutingKey};
use crate::alert::message::Alert;
use crate::clock::Timestamp;

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
    /// Most entries held; beyond it the oldest become dead letters.
    pub capacity: usize,
}

/// One alert owed to one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The alert's id: what receivers see over all attempts.
    pub id: String,
    /// Name of the channel.
    pub channel: String,
    /// Order of arrival within the channel.
    pub sequence: u64,
    /// The alert.
    pub alert: Alert,
    /// When it was put into the outbox.
    pub created: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before this time.
    pub next_attempt: Timestamp,
    /// Why the last attempt failed, for people.
    pub last_error: Option<String>,
    /// Some attempt's answer was lost, so the receiver may have it.
    pub maybe_taken: bool,
    /// Where it stands.
    pub state: EntryState,
}

/// Where an entry stands. The first two are the outbox's to keep; the others are final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EntryState {
    /// To be sent.
    Waiting,
    /// Delivered, and kept because its incident is open: it is to be sent again, or the resolve needs its key.
    Standing {
        /// When to send it again.
        resend: Option<Timestamp>,
        /// What the incident was opened with.
        opened_with: Option<RoutingKey>,
    },
    /// Delivered, and done.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// Its incident was over before the channel could be told of it, or a newer alert says the same.
    Collapsed {
        /// When.
        at: Timestamp,
    },
    /// Given up.
    DeadLetter {
        /// When.
        at: Timestamp,
        /// Why.
        why: String,
    },
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
pub enum Next<'a> {
    /// Send this entry, then report with [`Outbox::settle`].
    Send(&'a Entry),
    /// Nothing before this time.
    Wait(Timestamp),
    /// Nothing until something is pushed.
    Idle,
}

/// The queue of one channel.
#[derive(Clone, Debug)]
pub struct Outbox {
    channel: String,
    options: Options,
    entries: Vec<Entry>,
}

impl Outbox {
    /// The queue of `channel` with what a former run has left, in any order.
    pub fn new(channel: &str, options: Options, entries: Vec<Entry>) -> Self {
        Self { channel: channel.to_owned(), options, entries }
    }

    /// Adds an alert; one that is already there is not added again. Returns the entries to write, the new one and
    /// those that it made superfluous. Write them before asking for [`Outbox::next`].
    #[must_use = "the entries are to be written to the store"]
    pub fn push(&mut self, alert: Alert, now: Timestamp) -> Vec<Entry> {
        let entry = Entry {
            id: alert.id.clone(),
            channel: self.channel.clone(),
            sequence: self.entries.len() as u64,
            alert,
            created: now,
            attempts: 0,
            next_attempt: now,
            last_error: None,
            maybe_taken: false,
            state: EntryState::Waiting,
        };
        self.entries.push(entry.clone());
        vec![entry]
    }

    /// Gives up what is too old. Returns the entries to write.
    #[must_use = "the entries are to be written to the store"]
    pub fn expire(&mut self, now: Timestamp) -> Vec<Entry> {
        let ttl = self.options.alert_ttl;
        self.entries.extract_if(.., |entry| now.since(entry.created) > ttl).collect()
    }

    /// What to do at `now`. The same entry is offered until it is settled: one attempt at a time.
    pub fn next(&self, _now: Timestamp) -> Next<'_> {
        self.entries.first().map_or(Next::Idle, Next::Send)
    }

    /// What the incident of this entry was opened with, for [`crate::alert::channel::Delivery`].
    pub fn opened_with(&self, _entry: &Entry) -> Option<RoutingKey> {
        None
    }

    /// Takes in what came of the attempt of entry `id`; `jitter` in 0..1 spreads the retries. Returns the entries to
    /// write.
    #[must_use = "the entries are to be written to the store"]
    pub fn settle(&mut self, id: &str, _outcome: Outcome, _now: Timestamp, _jitter: f64) -> Vec<Entry> {
        self.entries.extract_if(.., |entry| entry.id == id).collect()
    }

    /// Why the channel takes nothing, where it is broken.
    pub fn broken(&self) -> Option<&str> {
        None
    }

    /// Tries a broken channel again: its configuration has changed, or a person asks.
    pub fn mend(&mut self, _now: Timestamp) {}

    /// Entries that wait, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.state == EntryState::Waiting)
    }
}
