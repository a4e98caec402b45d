//! Lanes: one a channel, each with what it is owed and at most one attempt under way, so that a slow receiver
//! delays nobody else.

use std::sync::Arc;

use tracing::{error, warn};

use crate::alert::channel::{Origin, Sender, SetupError};
use crate::alert::message::Alert;
use crate::alert::outbox::{self, Entry, EntryState, Health, Next, Outbox, Outcome};
use crate::alert::{Channel, ChannelKind};
use crate::clock::Timestamp;
use crate::daemon::event::{Event, Tried};
use crate::daemon::metrics::Metrics;
use crate::errors;
use crate::status::house::ChannelStatus;
use crate::store::record::{Letter, LetterState};

/// One channel's lane.
#[derive(Debug)]
pub(super) struct Lane {
    sender: Arc<Sender>,
    outbox: Outbox,
}

impl Lane {
    /// A lane that goes on with `entries`, which an earlier lane of this channel has left.
    pub(super) fn open(channel: Channel, options: outbox::Options, entries: Vec<Entry>) -> Result<Self, SetupError> {
        let outbox = Outbox::new(&channel.name, options.for_kind(&channel.kind), entries);
        let sender = Arc::new(Sender::new(channel, Origin::of_this_host())?);
        Ok(Self { sender, outbox })
    }

    /// What is owed, for the lane that follows this one.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.outbox.into_entries()
    }

    pub(super) fn name(&self) -> &str {
        &self.sender.channel().name
    }

    /// Whether the channel is told of this alert. The log is told everything.
    pub(super) fn wants(&self, alert: &Alert, notify: bool) -> bool {
        let channel = self.sender.channel();
        (notify || matches!(channel.kind, ChannelKind::Log)) && channel.wants(alert)
    }

    /// Puts an alert into the outbox; the letters are to be written before the next [`Lane::pump`].
    pub(super) fn push(&mut self, alert: Alert, now: Timestamp) -> Vec<Letter> {
        self.outbox.push(alert, now).iter().map(write_letter).collect()
    }

    /// The attempt to start now, if one is due, and the letter to write before it starts.
    pub(super) fn pump(&mut self, now: Timestamp) -> Option<(Letter, Attempt)> {
        let Next::Send(attempt) = self.outbox.next(now) else { return None };
        let letter = write_letter(&attempt.entry);
        Some((letter, Attempt { sender: Arc::clone(&self.sender), attempt }))
    }

    /// Takes in how an attempt ended; the letters are to be written, and news of the channel told on the others.
    pub(super) fn settle(
        &mut self,
        id: &str,
        tried: Tried,
        now: Timestamp,
        metrics: &Metrics,
    ) -> (Vec<Letter>, Option<Health>) {
        let name = &self.sender.channel().name;
        let outcome = match tried {
            Ok(receipt) => {
                metrics.notified(name);
                Outcome::Taken(receipt)
            }
            Err(failure) => {
                let (reason, why) = (failure.reason(), errors::one_line(&failure));
                metrics.notification_failed(name, reason);
                warn!(channel = %name, alert = %id, reason, "alert not delivered to {name}: {why}");
                Outcome::Failed { disposition: failure.disposition(), why }
            }
        };
        let settled = self.outbox.settle(id, outcome, now, fastrand::f64());
        (settled.write.iter().map(write_letter).collect(), settled.health)
    }

    /// Gives up what is too old; the letters are to be written.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Letter> {
        let given_up = self.outbox.expire(now);
        for entry in &given_up {
            let last_error = entry.last_error.as_deref().unwrap_or("never tried");
            error!(channel = %entry.channel, alert = %entry.id, last_error, "alert {} was not delivered in time and is given up", entry.id);
        }
        given_up.iter().map(write_letter).collect()
    }

    /// The channel as pages show it.
    pub(super) fn status(&self) -> ChannelStatus {
        let channel = self.sender.channel();
        ChannelStatus {
            name: channel.name.clone(),
            kind: channel.kind.name().to_owned(),
            broken: self.outbox.broken().map(str::to_owned),
            owed: self.owed(),
            oldest: self.outbox.oldest(),
            last_error: self.outbox.waiting().filter_map(|entry| entry.last_error.as_ref()).last().cloned(),
        }
    }

    /// How many alerts are owed.
    pub(super) fn owed(&self) -> usize {
        self.outbox.waiting().count()
    }
}

/// One attempt to deliver.
#[derive(Debug)]
pub(super) struct Attempt {
    sender: Arc<Sender>,
    attempt: Box<outbox::Attempt>,
}

impl Attempt {
    /// Sends, and says what came of it.
    pub(super) async fn run(self) -> Event {
        let outbox::Attempt { entry, delivery } = *self.attempt;
        let tried = self.sender.send(&entry.alert, &delivery).await;
        Event::Delivered { channel: entry.channel, entry: entry.id, tried }
    }
}

fn write_letter(entry: &Entry) -> Letter {
    let (state, trouble) = match &entry.state {
        EntryState::Waiting | EntryState::Standing { .. } => (LetterState::Pending, entry.last_error.clone()),
        EntryState::Delivered { .. } | EntryState::Collapsed { .. } => (LetterState::Delivered, None),
        EntryState::DeadLetter { why, .. } => (LetterState::Dead, Some(why.clone())),
    };
    Letter {
        id: entry.id.clone(),
        channel: entry.channel.clone(),
        episode: entry.alert.episode.clone(),
        sequence: 0,
        // An entry is plain data with text keys, which JSON can always hold.
        body: serde_json::to_string(entry).unwrap_or_default(),
        created: entry.created,
        attempts: entry.attempts,
        next_attempt: entry.next_attempt,
        state,
        trouble,
    }
}

/// What was written by [`write_letter`], by this version or an earlier one.
pub(super) fn read_letter(letter: &Letter) -> Option<Entry> {
    match serde_json::from_str(&letter.body) {
        Ok(entry) => Some(entry),
        Err(problem) => {
            error!(channel = %letter.channel, alert = %letter.id, error = %problem, "an alert in the state database cannot be read");
            None
        }
    }
}
