//! The samples of each target: appended to its newest block until that is full, thinned to floors when they are old.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use crate::clock::Timestamp;
use crate::sample::Sample;
use crate::store::StoreError;
use crate::store::block::{self, FULL, Packing};
use crate::store::reader::target_name;
use crate::target::TargetName;

/// How fine the samples of a block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// As they were read.
    Raw,
    /// The lowest of each ten minutes.
    Floor,
}

impl Resolution {
    const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Floor => "floor",
        }
    }
}

/// Samples taken at `since` or later, oldest first.
pub(super) fn since(connection: &Connection, target: &TargetName, since: Timestamp) -> Result<Vec<Sample>, StoreError> {
    let mut samples = Vec::new();
    let end = Timestamp::from_unix_ms(i64::MAX);
    each(connection, target, (since, end), |sample| samples.push(sample))?;
    Ok(samples)
}

/// Hands over the samples of a span, both ends included, block by block.
pub(super) fn each(
    connection: &Connection,
    target: &TargetName,
    (from, to): (Timestamp, Timestamp),
    mut take: impl FnMut(Sample),
) -> Result<(), StoreError> {
    let sql = "SELECT first_steady, body FROM blocks WHERE target = ?1 AND last_steady >= ?2 AND first_steady <= ?3
               UNION ALL
               SELECT first_steady, body FROM open_blocks WHERE target = ?1 AND last_steady >= ?2 AND first_steady <= ?3
               ORDER BY 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![target.as_str(), from.steady_ms(), to.steady_ms()])?;
    while let Some(row) = rows.next()? {
        let unreadable = || StoreError::Unreadable { what: format!("block of samples of {target}") };
        let block = row.get_ref(1)?.as_blob().map_err(|_| unreadable())?;
        let block = block::decode(block).map_err(|_| unreadable())?;
        block.into_iter().filter(|sample| !sample.at.is_before(from) && !to.is_before(sample.at)).for_each(&mut take);
    }
    Ok(())
}

/// Appends samples in order of time. Those that are not later than what is stored are stored already.
pub(super) fn append(
    connection: &Connection,
    target: &TargetName,
    resolution: Resolution,
    samples: &[Sample],
) -> Result<(), StoreError> {
    let (last, mut pending) = open_block(connection, target, resolution)?;
    let before = pending.len();
    pending.extend(samples.iter().filter(|sample| sample.at.steady_ms() > last).cloned());
    if pending.len() == before {
        return Ok(());
    }
    let chunks = pending.chunks(FULL);
    let newest = chunks.len().saturating_sub(1);
    for (number, chunk) in chunks.enumerate() {
        let sql = if number == newest {
            "INSERT INTO open_blocks VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET
                 first_steady = excluded.first_steady, last_steady = excluded.last_steady, body = excluded.body"
        } else {
            "INSERT INTO blocks VALUES (?1, ?2, ?3, ?4, ?5)"
        };
        let packing = if number == newest { Packing::Open } else { Packing::Full };
        put(connection, sql, (target, resolution), (chunk, packing))?;
    }
    Ok(())
}

/// The time of the newest sample of all, and the samples of the block that is not full.
fn open_block(
    connection: &Connection,
    target: &TargetName,
    resolution: Resolution,
) -> Result<(i64, Vec<Sample>), StoreError> {
    let sql = "SELECT last_steady, body FROM open_blocks WHERE target = ?1 AND resolution = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let key = params![target.as_str(), resolution.name()];
    let found = statement.query_row(key, |row| Ok((row.get(0)?, block::decode(row.get_ref(1)?.as_blob()?))));
    match found.optional()? {
        None => Ok((i64::MIN, Vec::new())),
        Some((last, Ok(samples))) => Ok((last, samples)),
        Some((last, Err(block::Damaged))) => {
            // It stays, to be named to whoever reads it, and a new block is begun.
            let sql = "INSERT INTO blocks SELECT * FROM open_blocks WHERE target = ?1 AND resolution = ?2";
            connection.prepare_cached(sql)?.execute(key)?;
            Ok((last, Vec::new()))
        }
    }
}

fn put(
    connection: &Connection,
    sql: &str,
    (target, resolution): (&TargetName, Resolution),
    (samples, packing): (&[Sample], Packing),
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Ok(()) };
    let body = block::encode(samples, packing)
        .map_err(|_| StoreError::Unreadable { what: format!("sample of {target}, which cannot be packed") })?;
    let (first, last) = (first.at.steady_ms(), last.at.steady_ms());
    connection.prepare_cached(sql)?.execute(params![target.as_str(), resolution.name(), first, last, body])?;
    Ok(())
}

/// Replaces raw blocks that end before `raw_before` by their floors, and forgets floors from before `floors_before`.
///
/// Oldest first and a bounded number at a time, so that a daemon that was down for a week does not stand still now.
pub(super) fn thin(connection: &Connection, raw_before: i64, floors_before: i64) -> Result<(), StoreError> {
    for table in ["blocks", "open_blocks"] {
        let sql = format!("DELETE FROM {table} WHERE resolution = 'floor' AND last_steady < ?1");
        connection.prepare_cached(&sql)?.execute([floors_before])?;
    }
    // The open block of a target that is watched no more grows old, too.
    for table in ["blocks", "open_blocks"] {
        for Outlived { row, target, floors } in outlived(connection, table, raw_before)? {
            append(connection, &target, Resolution::Floor, &floors)?;
            connection.prepare_cached(&format!("DELETE FROM {table} WHERE rowid = ?1"))?.execute([row])?;
        }
    }
    Ok(())
}

/// A raw block that is too old, and what is kept of it.
struct Outlived {
    row: i64,
    target: TargetName,
    floors: Vec<Sample>,
}

fn outlived(connection: &Connection, table: &str, raw_before: i64) -> Result<Vec<Outlived>, StoreError> {
    /// Some 300 ms of work. Ten thousand targets fill 2,500 blocks an hour.
    const MOST_AT_ONCE: u32 = 1_000;
    let sql = format!(
        "SELECT rowid, target, body FROM {table} WHERE resolution = 'raw' AND last_steady < ?1
         ORDER BY last_steady LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![raw_before, MOST_AT_ONCE], |row| {
        // What cannot be read is of no use to anybody: it only goes.
        let samples = row.get_ref(2)?.as_blob().ok().and_then(|body| block::decode(body).ok()).unwrap_or_default();
        Ok(Outlived { row: row.get(0)?, target: target_name(row, 1)?, floors: floors(&samples) })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The lowest of every ten minutes, field by field; counters, process and gauges are those of the last sample.
/// A restart begins a new window.
fn floors(samples: &[Sample]) -> Vec<Sample> {
    const WINDOW: Duration = Duration::from_mins(10);
    let mut floors: Vec<Sample> = Vec::new();
    let mut began = None;
    for sample in samples {
        match (floors.last_mut(), began) {
            (Some(floor), Some(began)) if sample.at.since(began) < WINDOW && is_same_life(floor, sample) => {
                *floor = lower(floor, sample);
            }
            _ => {
                began = Some(sample.at);
                floors.push(sample.clone());
            }
        }
    }
    floors
}

fn is_same_life(before: &Sample, after: &Sample) -> bool {
    before.pid == after.pid && before.uptime <= after.uptime
}

fn lower(floor: &Sample, sample: &Sample) -> Sample {
    let lowest = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
    Sample {
        heap_used: lowest(floor.heap_used, sample.heap_used),
        heap_total: lowest(floor.heap_total, sample.heap_total),
        external: lowest(floor.external, sample.external),
        array_buffers: lowest(floor.array_buffers, sample.array_buffers),
        rss: lowest(floor.rss, sample.rss),
        heap_used_after_gc: lowest(floor.heap_used_after_gc, sample.heap_used_after_gc),
        ..sample.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Keep, Store};

    const POLL: Duration = Duration::from_secs(30);

    fn at(poll: u32) -> Timestamp {
        Timestamp::from_unix_ms(1_760_000_000_000).plus(POLL * poll)
    }

    /// A heap of 60 to 73 MiB with a low every 10 minutes, in steps that survive rounding.
    fn sample(poll: u32) -> Sample {
        let mut sample = Sample::empty(at(poll));
        sample.heap_used = Some(u64::from(60 + poll % 20) << 20);
        sample.requests = Some(u64::from(poll) * 1_000);
        sample.uptime = Some(POLL * poll);
        sample
    }

    fn samples(polls: std::ops::Range<u32>) -> Vec<Sample> {
        polls.map(sample).collect()
    }

    fn api() -> TargetName {
        TargetName::new("api").unwrap()
    }

    fn append_to(store: &Store, polls: std::ops::Range<u32>) {
        store.transaction(at(polls.end), |writer| writer.append_samples(&api(), &samples(polls))).unwrap();
    }

    fn all_of(store: &Store) -> Vec<Sample> {
        store.read(|reader| reader.samples(&api(), at(0))).unwrap()
    }

    fn count_blocks(store: &Store) -> u32 {
        store
            .read(|reader| {
                Ok(reader.connection().query_row(
                    "SELECT (SELECT count(*) FROM blocks) + (SELECT count(*) FROM open_blocks)",
                    [],
                    |row| row.get(0),
                )?)
            })
            .unwrap()
    }

    #[test]
    fn short_appends_fill_whole_blocks() {
        let store = Store::open_in_memory().unwrap();
        for start in (0..1_000).step_by(10) {
            append_to(&store, start..start + 10);
        }
        assert_eq!(all_of(&store), samples(0..1_000));
        assert_eq!(count_blocks(&store), 3);
    }

    #[test]
    fn one_long_append_is_the_same() {
        let store = Store::open_in_memory().unwrap();
        append_to(&store, 0..1_000);
        assert_eq!(all_of(&store), samples(0..1_000));
        assert_eq!(count_blocks(&store), 3);
        let since = store.read(|reader| reader.samples(&api(), at(700))).unwrap();
        assert_eq!(since, samples(700..1_000));
    }

    #[test]
    fn what_is_appended_twice_is_there_once() {
        let store = Store::open_in_memory().unwrap();
        append_to(&store, 0..30);
        append_to(&store, 0..30);
        append_to(&store, 10..50);
        append_to(&store, 5..6);
        assert_eq!(all_of(&store), samples(0..50));
        let web = TargetName::new("web").unwrap();
        assert_eq!(store.read(|reader| reader.samples(&web, at(0))).unwrap(), []);
    }

    #[test]
    fn a_damaged_block_is_named_and_what_follows_is_kept() {
        let store = Store::open_in_memory().unwrap();
        append_to(&store, 0..30);
        store
            .transaction(at(30), |writer| Ok(writer.connection().execute("UPDATE open_blocks SET body = x'00'", [])?))
            .unwrap();
        append_to(&store, 30..60);
        let error = store.read(|reader| reader.samples(&api(), at(0))).unwrap_err();
        assert_eq!(error.to_string(), "the state database has an unreadable block of samples of api");
        assert_eq!(store.read(|reader| reader.samples(&api(), at(30))).unwrap(), samples(30..60));
    }

    #[test]
    fn old_samples_become_floors_and_old_floors_go() {
        let store = Store::open_in_memory().unwrap();
        append_to(&store, 0..10_000);
        let keep = Keep { floors: POLL * 9_000, ..Keep::default() };
        store.transaction(at(10_000), |writer| writer.prune(&keep)).unwrap();
        let left = all_of(&store);
        // 48 h are 5,760 polls: blocks that end before poll 4,240 are thinned, so raw samples begin at 3,840.
        let (floors, raw): (Vec<&Sample>, Vec<&Sample>) =
            left.iter().partition(|sample| sample.at.is_before(at(3_840)));
        assert_eq!(raw.len(), 10_000 - 3_840);
        assert_eq!(floors.len(), 3_840 / 20);
        assert!(floors.iter().all(|floor| floor.heap_used == Some(60 << 20)), "the low of each ten minutes");
        assert_eq!(floors[0].requests, Some(19_000), "counters are those of the last sample");
        store.transaction(at(13_000), |writer| writer.prune(&keep)).unwrap();
        let oldest = all_of(&store)[0].at;
        assert!(!oldest.is_before(at(3_000)), "floors of 9,000 polls are kept, in whole blocks: {oldest}");
    }

    #[test]
    fn a_target_that_is_watched_no_more_is_forgotten_in_the_end() {
        let store = Store::open_in_memory().unwrap();
        append_to(&store, 0..30);
        let prune_at = |poll| store.transaction(at(poll), |writer| writer.prune(&Keep::default())).unwrap();
        prune_at(5_760 + 20);
        assert_eq!(all_of(&store), samples(0..30), "48 hours of its last sample are not over");
        prune_at(5_760 + 30);
        assert_eq!(all_of(&store).len(), 2, "floors of its fifteen minutes");
        prune_at(31 * 24 * 120);
        assert_eq!(count_blocks(&store), 0);
    }

    #[test]
    fn floors_do_not_reach_over_a_restart() {
        let mut restarted = samples(0..20);
        for sample in &mut restarted[10..] {
            sample.uptime = sample.uptime.map(|uptime| uptime.saturating_sub(POLL * 10));
            sample.heap_used = Some(20 << 20);
        }
        let lows: Vec<Option<u64>> = floors(&restarted).iter().map(|floor| floor.heap_used).collect();
        assert_eq!(lows, [Some(60 << 20), Some(20 << 20)]);
    }
}
