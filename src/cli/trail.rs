//! What a command does by itself, without the daemon, written into the audit trail all the same.

use std::path::Path;

use rustix::process::getuid;

use crate::clock::Timestamp;
use crate::errors;
use crate::store::Store;
use crate::store::record::AuditEvent;
use crate::web::Peer;

/// Who runs this command, as the trail has it: `user alice`.
pub(super) fn user() -> String {
    Peer::User(getuid().as_raw()).to_string()
}

/// Writes a line, where there is a database. What is done is done: where the line cannot be written, the log says so.
pub(super) fn record(state: &Path, event: &AuditEvent, now: Timestamp) {
    let Ok(store) = Store::attach(state) else { return };
    if let Err(problem) = store.transaction(now, |writer| writer.put_audit(event)) {
        tracing::warn!(error = errors::one_line(&problem), "the audit trail could not be told that {}", event.says);
    }
}
