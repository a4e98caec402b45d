//! Lanes: one a channel, each with what it is owed and at most one attempt under way, so that a slow receiver
//! delays nobody else.

use std::sync::Arc;

use tracing::{error, warn};

use crate::alert::channel::{Origin, SendError, Sender, SetupError};
use crate::alert::message::Alert;
use crate::alert::outbox::{self, Entry, EntryState, Health, Next, Outbox, Outcome};
use crate::alert::{Channel, ChannelKind};
use crate::clock::Timestamp;
use crate::daemon::caught::caught;
use crate::daemon::event::{Event, Tried};
use crate::daemon::metrics::Metrics;
use crate::errors;
use crate::silence::Mark;
use crate::status::house::ChannelStatus;
use crate::status::trail::Topic;
use crate::store::record::{AuditEvent, BrokenChannel, Letter, LetterState};

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

    /// Goes on as broken as it was before this run.
    pub(super) fn stay_broken(&mut self, broken: &BrokenChannel) {
        self.outbox.stay_broken(&broken.why, !broken.is_probed);
    }

    /// Tries the channel anew, whatever it has answered so far.
    pub(super) fn mend(&mut self, now: Timestamp) {
        self.outbox.mend(now);
    }

    /// A checksum of the channel's configuration.
    pub(super) fn fingerprint(&self) -> String {
        self.sender.channel().fingerprint()
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
        (notify || self.is_log()) && channel.wants(alert)
    }

    /// Puts an alert into the outbox; the changes are to be written before the next [`Lane::pump`].
    pub(super) fn push(&mut self, alert: Alert, now: Timestamp) -> Vec<Change> {
        let is_held = alert.silenced.is_some() && !self.is_log();
        let changed = if is_held { self.outbox.push_silenced(alert, now) } else { self.outbox.push(alert, now) };
        self.changes(changed, now)
    }

    /// Holds back what is silenced now and lets go what no longer is; the changes are to be written.
    pub(super) fn silence(&mut self, mark_of: impl Fn(&Alert) -> Option<Mark>, now: Timestamp) -> Vec<Change> {
        // The log is for whoever looks into what happened: it has everything at its time.
        if self.is_log() {
            return Vec::new();
        }
        let changed = self.outbox.silence(mark_of, now);
        self.changes(changed, now)
    }

    /// Whether the channel was told of this incident, or is about to be.
    pub(super) fn knows(&self, incident: &str) -> bool {
        self.outbox.knows(incident)
    }

    /// Whether it is the daemon's own log.
    pub(super) fn is_log(&self) -> bool {
        matches!(self.sender.channel().kind, ChannelKind::Log)
    }

    /// The attempt to start now, if one is due, and the letter to write before it starts.
    pub(super) fn pump(&mut self, now: Timestamp) -> Option<(Letter, Attempt)> {
        let Next::Send(attempt) = self.outbox.next(now) else { return None };
        let letter = write_letter(&attempt.entry);
        Some((letter, Attempt { sender: Arc::clone(&self.sender), attempt }))
    }

    /// Takes in how an attempt ended; the changes are to be written, and news of the channel told on the others.
    pub(super) fn settle(
        &mut self,
        id: &str,
        tried: Tried,
        now: Timestamp,
        metrics: &Metrics,
    ) -> (Vec<Change>, Option<Health>) {
        // What stands on the receiver is sent again and again, which is no news.
        let is_first = self.outbox.waiting().any(|entry| entry.id == id);
        let is_taken = tried.is_ok();
        let name = &self.sender.channel().name;
        let outcome = match tried {
            Ok(receipt) => {
                let tells_of = self.outbox.waiting().find(|entry| entry.id == id).map(|entry| entry.created);
                metrics.notified(name, tells_of.map_or(0.0, |at| now.since(at).as_secs_f64()));
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
        let mut changes = self.changes(settled.write, now);
        if let Some(change) = changes.iter_mut().find(|change| is_first && change.letter.id == id)
            && change.event.is_none()
        {
            change.event = self.attempted(&change.letter, is_taken, now);
        }
        (changes, settled.health)
    }

    /// Gives up what is too old; the changes are to be written.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Change> {
        let given_up = self.outbox.expire(now);
        for entry in &given_up {
            let last_error = entry.last_error.as_deref().unwrap_or("never tried");
            error!(channel = %entry.channel, alert = %entry.id, last_error, "alert {} was not delivered in time and is given up", entry.id);
        }
        self.changes(given_up, now)
    }

    /// The channel as pages show it.
    pub(super) fn status(&self) -> ChannelStatus {
        let channel = self.sender.channel();
        ChannelStatus {
            name: channel.name.clone(),
            kind: channel.kind.name().to_owned(),
            broken: self.outbox.broken().map(str::to_owned),
            broken_since: None,
            owed: self.owed(),
            held: self.outbox.waiting().filter(|entry| entry.held).count(),
            oldest: self.outbox.oldest(),
            last_error: self.outbox.waiting().filter_map(|entry| entry.last_error.as_ref()).last().cloned(),
        }
    }

    /// When the oldest alert that is owed was put into the outbox; those that a silence holds back are not owed.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let owed = self.outbox.waiting().filter(|entry| !entry.held);
        owed.map(|entry| entry.created).min_by_key(|created| created.steady_ms())
    }

    /// The entries as they are written, those that nobody will be told any more with a line for the trail.
    fn changes(&self, entries: Vec<Entry>, now: Timestamp) -> Vec<Change> {
        let change = |entry: Entry| {
            let event = match &entry.state {
                EntryState::Collapsed { .. } => {
                    let why = "over, or said anew, before it was told";
                    self.event("withdrawn", &entry, &format!("not told to {}: {why}", entry.channel), now)
                }
                EntryState::DeadLetter { why, .. } => {
                    self.event("given_up", &entry, &format!("given up on {}: {why}", entry.channel), now)
                }
                EntryState::Waiting | EntryState::Standing { .. } | EntryState::Delivered { .. } => None,
            };
            Change { letter: write_letter(&entry), event }
        };
        entries.into_iter().map(change).collect()
    }

    /// The line for the first attempt that failed, and for the one that was taken.
    fn attempted(&self, letter: &Letter, is_taken: bool, now: Timestamp) -> Option<AuditEvent> {
        let entry = read_letter(letter)?;
        let channel = self.name();
        match (is_taken, &entry.last_error) {
            (true, _) => self.event("delivered", &entry, &format!("told to {channel}"), now),
            (false, Some(why)) if entry.attempts == 1 => {
                self.event("delivery_failed", &entry, &format!("not taken by {channel}, to be tried again: {why}"), now)
            }
            (false, _) => None,
        }
    }

    /// What became of an entry. The log's own lines are their own record.
    fn event(&self, kind: &str, entry: &Entry, says: &str, now: Timestamp) -> Option<AuditEvent> {
        let Alert { id, target, news, .. } = &entry.alert;
        let says = format!("{target}: {} {says}", news.kind());
        let detail = serde_json::json!({
            "channel": entry.channel,
            "alert_id": id,
            "event": news.kind(),
            "incident": entry.alert.incident(),
            "attempts": entry.attempts,
            "error": entry.last_error,
        });
        (!self.is_log()).then(|| AuditEvent::new(now, Topic::Delivery, kind, says).about(target).with(&detail))
    }

    /// How many alerts are owed; those that a silence holds back are not.
    pub(super) fn owed(&self) -> usize {
        self.outbox.waiting().filter(|entry| !entry.held).count()
    }
}

/// What has changed in an outbox.
#[derive(Debug)]
pub(super) struct Change {
    /// The letter to write.
    pub(super) letter: Letter,
    /// What that means to people, where it means something.
    pub(super) event: Option<AuditEvent>,
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
        let what = format!("the delivery of alert {} to {}", entry.id, entry.channel);
        let tried = caught(&what, self.sender.send(&entry.alert, &delivery)).await.unwrap_or(Err(SendError::Panicked));
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
