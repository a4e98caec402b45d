//! One alert owed to one channel, as the store keeps it.

use serde::{Deserialize, Serialize};

use crate::alert::channel::RoutingKey;
use crate::alert::message::Alert;
use crate::clock::Timestamp;

/// One alert owed to one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The alert's id: what receivers see over all attempts. With `channel` it is unique.
    pub id: String,
    /// Name of the channel.
    pub channel: String,
    /// Order of arrival within the channel.
    pub sequence: u64,
    /// The alert.
    pub alert: Alert,
    /// When it was put into the outbox.
    pub created: Timestamp,
    /// Attempts begun since it was put in, or since it was last delivered.
    pub attempts: u32,
    /// Not before this time.
    pub next_attempt: Timestamp,
    /// Why the last attempt failed, for people.
    pub last_error: Option<String>,
    /// The receiver may have it, although it did not say so.
    pub maybe_taken: bool,
    /// A silence holds it back: it waits, and nothing is tried.
    #[serde(default)]
    pub held: bool,
    /// Where it stands.
    pub state: EntryState,
}

/// Where an entry stands. The first two are the outbox's to keep; the others are final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EntryState {
    /// To be sent.
    Waiting,
    /// Delivered, and kept while the receiver has its incident open: that is known then, it may have to be sent again,
    /// and the resolve may need its key.
    Standing {
        /// Whether it is sent again, at `next_attempt`.
        resend: bool,
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

impl Entry {
    pub(super) fn new(channel: &str, sequence: u64, alert: Alert, now: Timestamp) -> Self {
        Self {
            id: alert.id.clone(),
            channel: channel.to_owned(),
            sequence,
            alert,
            created: now,
            attempts: 0,
            next_attempt: now,
            last_error: None,
            maybe_taken: false,
            held: false,
            state: EntryState::Waiting,
        }
    }

    /// The same entry in another state.
    pub(super) fn into_state(self, state: EntryState) -> Self {
        Self { state, ..self }
    }

    /// Whether the outbox is done with it.
    pub const fn is_final(&self) -> bool {
        !matches!(self.state, EntryState::Waiting | EntryState::Standing { .. })
    }
}
