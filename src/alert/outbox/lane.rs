//! The entries of one incident in order, and the delivered one that keeps it open on the receiver.

use std::collections::VecDeque;
use std::time::Duration;

use super::entry::{Entry, EntryState};
use crate::alert::channel::{Receipt, RoutingKey};
use crate::alert::message::{Alert, News, Status};
use crate::clock::Timestamp;
use crate::silence::Mark;

/// One incident's entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    /// State `Waiting`, by sequence; only the first may be sent.
    queue: VecDeque<Entry>,
    /// State `Standing`: the last one delivered, while the receiver has the incident open.
    standing: Option<Entry>,
}

impl Lane {
    /// Puts back an entry of a former run; the caller hands them over by sequence.
    pub(super) fn restore(&mut self, entry: Entry) {
        match entry.state {
            EntryState::Waiting => self.queue.push_back(entry),
            EntryState::Standing { .. } => self.standing = Some(entry),
            EntryState::Delivered { .. } | EntryState::Collapsed { .. } | EntryState::DeadLetter { .. } => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.standing.is_none()
    }

    /// What waits and what stands.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.queue.into_iter().chain(self.standing)
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Entry> {
        self.queue.iter()
    }

    /// Adds an entry, unless its id is there already; returns what has changed. `sending` is the id in flight, which
    /// nothing can take back.
    pub(super) fn push(&mut self, entry: Entry, now: Timestamp, sending: Option<&str>) -> Vec<Entry> {
        if self.queue.iter().chain(&self.standing).any(|known| known.id == entry.id) {
            return Vec::new();
        }
        let collapse = |entry: Entry| entry.into_state(EntryState::Collapsed { at: now });
        let ends = entry.alert.status() == Status::Resolved;
        if ends && self.is_untold() {
            return self.queue.drain(..).chain([entry]).map(collapse).collect();
        }
        let ends_reminders = ends || is_reminder(&entry);
        let is_superfluous = |waiting: &Entry| {
            let is_old_reminder = ends_reminders && is_reminder(waiting);
            let is_untold = !waiting.maybe_taken && sending != Some(waiting.id.as_str());
            is_untold && (is_old_reminder || ends && waiting.held)
        };
        let mut write: Vec<Entry> = self.take_out(is_superfluous).into_iter().map(collapse).collect();
        write.push(entry.clone());
        self.queue.push_back(entry);
        write
    }

    /// Whether the channel surely knows nothing of this incident: it begins in the queue, and no attempt, finished or
    /// in flight, may have arrived.
    fn is_untold(&self) -> bool {
        // Of what begins silenced nothing was told, also where its first alert was not for this channel.
        let begins = self.queue.front().is_some_and(|first| first.alert.opens() || first.held);
        begins && self.standing.is_none() && self.queue.iter().all(|entry| !entry.maybe_taken)
    }

    /// Holds back what `mark_of` says is silenced now, and lets go what it says no longer is; returns what has changed.
    /// What may have been told already is not held back, nor is the end of anything.
    pub(super) fn silence(
        &mut self,
        mark_of: impl Fn(&Alert) -> Option<Mark>,
        now: Timestamp,
        sending: Option<&str>,
    ) -> Vec<Entry> {
        let (mut write, mut let_go) = (Vec::new(), Vec::new());
        for entry in &mut self.queue {
            let may_be_told = entry.maybe_taken || sending == Some(entry.id.as_str());
            let may_be_held = entry.alert.status() != Status::Resolved && !may_be_told;
            let mark = mark_of(&entry.alert);
            if mark.is_none() && entry.held {
                let_go.push(entry.id.clone());
            } else if mark.is_some() && may_be_held && (!entry.held || entry.alert.silenced != mark) {
                (entry.held, entry.alert.silenced) = (true, mark);
                write.push(entry.clone());
            }
        }
        write.extend(self.let_go(&let_go, now));
        write
    }

    /// Lets go of the entries `ids`, which were held back: what lasts is due now, of what is said of an open leak the
    /// newest, and the others collapse.
    fn let_go(&mut self, ids: &[String], now: Timestamp) -> Vec<Entry> {
        let of_these = |entry: &&Entry| ids.contains(&entry.id);
        let newest = self.queue.iter().rev().filter(of_these).find(|entry| entry.alert.tells_of_open_leak());
        let newest = newest.map(|entry| entry.id.clone());
        let is_passed = |entry: &Entry| {
            let lasts = entry.alert.outlasts_silence() || newest.as_ref() == Some(&entry.id);
            ids.contains(&entry.id) && !lasts
        };
        let passed = self.take_out(is_passed);
        let mut write: Vec<Entry> =
            passed.into_iter().map(|entry| entry.into_state(EntryState::Collapsed { at: now })).collect();
        for entry in self.queue.iter_mut().filter(|entry| ids.contains(&entry.id)) {
            // Its time to live begins now: nothing could be tried before.
            (entry.held, entry.created, entry.next_attempt) = (false, now, now);
            write.push(entry.clone());
        }
        write
    }

    /// When the next entry may be sent, and its sequence.
    pub(super) fn due(&self) -> Option<(Timestamp, u64)> {
        let waiting = self.queue.front().filter(|entry| !entry.held).map(|entry| (entry.next_attempt, entry.sequence));
        let resent = self.standing.as_ref().filter(|entry| is_resent(entry));
        let resent = resent.map(|entry| (entry.next_attempt, entry.sequence));
        waiting.into_iter().chain(resent).min_by_key(|(at, sequence)| (at.steady_ms(), *sequence))
    }

    /// The entry that [`Lane::due`] speaks of.
    pub(super) fn due_entry(&mut self) -> Option<&mut Entry> {
        let (_, sequence) = self.due()?;
        self.queue.front_mut().into_iter().chain(&mut self.standing).find(|entry| entry.sequence == sequence)
    }

    /// What the incident was opened with.
    pub(super) fn opened_with(&self) -> Option<RoutingKey> {
        self.standing.as_ref().and_then(opened_with)
    }

    pub(super) fn attempts(&self, id: &str) -> u32 {
        self.queue.iter().chain(&self.standing).find(|entry| entry.id == id).map_or(0, |entry| entry.attempts)
    }

    /// The receiver has entry `id`; returns what has changed.
    pub(super) fn taken(&mut self, id: &str, receipt: Receipt, now: Timestamp) -> Vec<Entry> {
        let delivered = |entry: Entry| entry.into_state(EntryState::Delivered { at: now });
        let was_standing = self.standing.take_if(|entry| entry.id == id);
        let Some(entry) = was_standing.or_else(|| self.queue.pop_front_if(|entry| entry.id == id)) else {
            return Vec::new();
        };
        let before = self.standing.take();
        let resend = receipt.resend_after.is_some();
        let stands = match entry.alert.status() {
            // What merely happens on the way does not end the re-sending of the incident's state.
            Status::Firing => resend || !before.as_ref().is_some_and(is_resent),
            Status::Resolved => resend,
            Status::Note => false,
        };
        if !stands && entry.alert.status() != Status::Resolved {
            self.standing = before;
            return vec![delivered(entry)];
        }
        let mut write: Vec<Entry> = before.map(delivered).into_iter().collect();
        if stands {
            let next_attempt = now.plus(receipt.resend_after.unwrap_or_default());
            let state = EntryState::Standing { resend, opened_with: receipt.opened_with };
            let entry = Entry { attempts: 0, next_attempt, last_error: None, ..entry.into_state(state) };
            write.push(entry.clone());
            self.standing = Some(entry);
        } else {
            write.push(delivered(entry));
        }
        write
    }

    /// The attempt of entry `id` failed: it is tried again after `wait`, or never, which makes it a dead letter unless
    /// it was delivered before. Returns what has changed.
    pub(super) fn failed(
        &mut self,
        id: &str,
        why: &str,
        maybe_taken: bool,
        wait: Option<Duration>,
        now: Timestamp,
    ) -> Vec<Entry> {
        let Some(wait) = wait else {
            let stopped = self.standing.take_if(|entry| entry.id == id);
            let stopped = stopped.map(|entry| entry.into_state(EntryState::Delivered { at: now }));
            return self.give_up(|entry| entry.id == id, now, why).into_iter().chain(stopped).collect();
        };
        let entry = self.queue.iter_mut().chain(&mut self.standing).find(|entry| entry.id == id);
        let Some(entry) = entry else { return Vec::new() };
        entry.next_attempt = now.plus(wait);
        entry.last_error = Some(why.to_owned());
        entry.maybe_taken = maybe_taken;
        vec![entry.clone()]
    }

    /// Makes dead letters of the waiting entries that `is_hopeless` says.
    pub(super) fn give_up(&mut self, is_hopeless: impl Fn(&Entry) -> bool, now: Timestamp, why: &str) -> Vec<Entry> {
        let dead = |entry: Entry| {
            let why = match &entry.last_error {
                Some(last) if last != why => format!("{why}; last: {last}"),
                _ => why.to_owned(),
            };
            entry.into_state(EntryState::DeadLetter { at: now, why })
        };
        self.take_out(is_hopeless).into_iter().map(dead).collect()
    }

    /// Removes the waiting entries that `is_out` says; the others keep their order.
    fn take_out(&mut self, is_out: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let (out, kept): (Vec<Entry>, Vec<Entry>) = self.queue.drain(..).partition(|entry| is_out(entry));
        self.queue = kept.into();
        out
    }

    /// Lets every entry that waits out a failure try at once. This is not written: a crash costs at most the wait.
    pub(super) fn hurry(&mut self, now: Timestamp) {
        for entry in self.queue.iter_mut().filter(|entry| now.is_before(entry.next_attempt)) {
            entry.next_attempt = now;
        }
    }
}

fn is_reminder(entry: &Entry) -> bool {
    matches!(entry.alert.news, News::LeakReminder(_))
}

fn opened_with(entry: &Entry) -> Option<RoutingKey> {
    match &entry.state {
        EntryState::Standing { opened_with, .. } => opened_with.clone(),
        _ => None,
    }
}

const fn is_resent(entry: &Entry) -> bool {
    matches!(entry.state, EntryState::Standing { resend: true, .. })
}
