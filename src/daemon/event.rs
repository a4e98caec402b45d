//! What reaches the dispatcher. Everything that changes a decision comes through this one type, in one order.

use crate::alert::channel::{Receipt, SendError};
use crate::clock::Timestamp;
use crate::daemon::analysis::Analysis;
use crate::daemon::capturing::Finished;
use crate::leak::{LeakEvent, Packed};
use crate::sample::Sample;
use crate::store::record::AuditEvent;
use crate::target::TargetName;
use crate::web;

/// One thing that happened.
#[derive(Debug)]
pub enum Event {
    /// A watcher's news.
    Watch {
        /// Of which target.
        target: TargetName,
        /// The news itself.
        news: WatchNews,
    },
    /// A capture ended.
    Captured(Box<Finished>),
    /// A comparison ended.
    Analysed(Box<Analysis>),
    /// An attempt to deliver ended.
    Delivered {
        /// Over which channel.
        channel: String,
        /// Which outbox entry.
        entry: String,
        /// What came of it.
        tried: Tried,
    },
    /// A person asks.
    Asked(web::Request),
    /// Something that troubles heapwatch itself began or ended.
    Trouble {
        /// What it is about, the same words at both ends.
        subject: String,
        /// What is wrong, or how it ended.
        why: String,
        /// Whether it is over.
        is_over: bool,
    },
    /// Something for the audit trail that decides nothing, such as a new configuration.
    Recorded(Box<AuditEvent>),
}

/// How an attempt to deliver ended.
pub type Tried = Result<Receipt, SendError>;

/// What a watcher reports.
#[derive(Debug)]
pub enum WatchNews {
    /// The detector said something. `state` is what it knows after saying it: both are written together, so that
    /// a kill in between neither repeats nor forgets it.
    Changes {
        /// What changed, in order.
        changes: Vec<LeakEvent>,
        /// The detector after it.
        state: Packed,
        /// Samples since the last report.
        samples: Vec<Sample>,
    },
    /// Nothing happened for a while; keep what was seen.
    Checkpoint {
        /// The detector now.
        state: Packed,
        /// Samples since the last report.
        samples: Vec<Sample>,
    },
    /// Polls have failed often enough in a row.
    Down {
        /// When the last one failed.
        at: Timestamp,
        /// When the first one failed.
        since: Timestamp,
        /// Why.
        why: String,
        /// How many in a row.
        failed_polls: u32,
    },
    /// Polls succeed again after [`WatchNews::Down`], or for the first time since the watcher started.
    Up {
        /// When.
        at: Timestamp,
        /// When the first poll had failed, as far as this watcher knows.
        since: Timestamp,
    },
}
