//! What the database knows of the targets that come into care: read in the order of their names, some hundred at a time,
//! and understood on every core, so that ten thousand of them hold up no start.
//!
//! What cannot be read is said and begun anew: a target without history is better than none.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::thread;

use futures_util::{StreamExt, stream};
use tracing::{error, warn};

use super::care::{BUDGET_WINDOW, Memory};
use super::{CARE_KEY, DETECTOR_KEY};
use crate::clock::Timestamp;
use crate::errors;
use crate::leak::Packed;
use crate::store::record::{Attempt, Disarmed};
use crate::store::{Reader, Store, StoreError};
use crate::target::TargetName;

/// What is known of one target.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Known {
    /// For its watcher.
    pub(in crate::daemon) detector: Option<Packed>,
    pub(super) memory: Option<Memory>,
    /// Captures of the last day, oldest first.
    pub(super) attempts: Vec<Attempt>,
    pub(super) disarmed: Option<Disarmed>,
}

/// The same as it stands in the database.
#[derive(Debug, Default)]
struct Rows {
    detector: Option<Vec<u8>>,
    memory: Option<Vec<u8>>,
    attempts: Vec<Attempt>,
    disarmed: Option<Disarmed>,
}

/// Targets of which the rows are held at a time; some kilobytes each.
const AT_A_TIME: usize = 256;

/// What is known of each of these targets.
pub(in crate::daemon) async fn recall(
    store: &Arc<Store>,
    names: impl IntoIterator<Item = TargetName>,
    now: Timestamp,
) -> HashMap<TargetName, Known> {
    let mut names: Vec<TargetName> = names.into_iter().collect();
    names.sort();
    let chunks: Vec<Vec<TargetName>> = names.chunks(AT_A_TIME).map(<[_]>::to_vec).collect();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // While one chunk is read, others are understood.
    let known = stream::iter(chunks).map(|chunk| recall_chunk(Arc::clone(store), chunk, now)).buffer_unordered(cores);
    known.concat().await.into_iter().collect()
}

async fn recall_chunk(store: Arc<Store>, names: Vec<TargetName>, now: Timestamp) -> Vec<(TargetName, Known)> {
    let reading = tokio::task::spawn_blocking(move || {
        let rows = store.read(|reader| Ok(names.iter().map(|name| rows_of(reader, name, now)).collect::<Vec<_>>()));
        let rows = rows.unwrap_or_else(|problem: StoreError| {
            error!(error = errors::one_line(&problem), "cannot read what is known of {} targets", names.len());
            Vec::new()
        });
        names.into_iter().zip(rows).map(|(name, rows)| understand(&store, name, rows)).collect()
    });
    // Where the runtime is going down, nobody waits for the answer.
    reading.await.unwrap_or_default()
}

/// Each row for itself: one that is damaged takes no other with it.
fn rows_of(reader: &Reader<'_>, name: &TargetName, now: Timestamp) -> Rows {
    Rows {
        detector: read(name, "the verdict on", reader.state(name, DETECTOR_KEY)),
        memory: read(name, "what is known of", reader.state(name, CARE_KEY)),
        attempts: read(name, "the captures of", reader.attempts(name, now.minus(BUDGET_WINDOW))),
        disarmed: read(name, "whether captures are off of", reader.disarmed(name)),
    }
}

fn read<T: Default>(name: &TargetName, what: &str, outcome: Result<T, StoreError>) -> T {
    outcome.unwrap_or_else(|problem| {
        error!(target.name = %name, error = errors::one_line(&problem), "cannot read {what} {name}");
        T::default()
    })
}

fn understand(store: &Store, name: TargetName, rows: Rows) -> (TargetName, Known) {
    let Rows { detector, memory, attempts, disarmed } = rows;
    // Kept packed, as its watcher keeps it; it is opened to see that it can be.
    let open = |body: &[u8]| {
        let packed = Packed::from_bytes(body);
        packed.unpack().map(|_| packed)
    };
    let detector = parse(store, &name, "the verdict on", detector, open);
    let memory = parse(store, &name, "what is known of", memory, |body| serde_json::from_slice(body));
    (name, Known { detector, memory, attempts, disarmed })
}

/// A row is emptied when its target leaves the configuration.
fn parse<T, E: Display>(
    store: &Store,
    name: &TargetName,
    what: &str,
    body: Option<Vec<u8>>,
    open: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Option<T> {
    let body = body.filter(|body| !body.is_empty())?;
    open(&body)
        .inspect_err(|problem| {
            store.count_unreadable(1);
            warn!(
                target.name = %name, error = %problem,
                "{what} {name} begins anew: what is stored is damaged, or of another version"
            );
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::policy::TargetAlerts;
    use crate::leak::event::PairPart;
    use crate::leak::{Detector, Options};
    use crate::target::Labels;

    #[tokio::test]
    async fn a_damaged_row_takes_no_other_with_it() {
        let store = Arc::new(Store::open_in_memory().unwrap());
        let now = Timestamp::from_unix_ms(1_760_000_000_000);
        let memory_of = |name| serde_json::to_vec(&Memory::of(TargetAlerts::new(name, Labels::new()))).unwrap();
        let name = |number: usize| TargetName::new(format!("service-{number}")).unwrap();
        let count = 2 * AT_A_TIME + 1;
        let state = Detector::new(Options::default()).pack();
        let attempt = Attempt { target: name(7), at: now, part: PairPart::First, outcome: "stored".into() };
        let written = store.transaction(now, |writer| {
            for number in 0..count {
                writer.put_state(&name(number), DETECTOR_KEY, state.as_bytes())?;
                writer.put_state(&name(number), CARE_KEY, &memory_of(name(number)))?;
            }
            writer.put_attempt(&attempt)?;
            writer.put_state(&name(7), CARE_KEY, b"{")?;
            writer.put_state(&name(8), CARE_KEY, b"")?;
            writer.put_state(&name(9), DETECTOR_KEY, b"")?;
            writer.put_state(&name(10), DETECTOR_KEY, b"{")
        });
        written.unwrap();
        let known = recall(&store, (0..count).map(name), now).await;
        assert_eq!(known.len(), count);
        let without = |lacks: fn(&Known) -> bool| -> Vec<usize> {
            (0..count).filter(|number| lacks(&known[&name(*number)])).collect()
        };
        assert_eq!(without(|known| known.memory.is_none()), [7, 8]);
        assert_eq!(without(|known| known.detector.is_none()), [9, 10]);
        assert_eq!(known[&name(7)].attempts, [attempt]);
        assert_eq!(store.unreadable(), 2);
    }
}
