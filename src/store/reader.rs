//! Asking the state database, within one transaction.

use std::cell::Cell;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::clock::Timestamp;
use crate::sample::Sample;
use crate::silence::{Ended, Silence};
use crate::store::StoreError;
use crate::store::history;
use crate::store::record::{self, Attempt, BrokenChannel, Disarmed, Episode, Letter, LetterState, Restart};
use crate::target::TargetName;

/// Everything that can be asked.
#[derive(Debug)]
pub struct Reader<'c> {
    connection: &'c Connection,
    /// Rows of lists that were left out because they could not be understood.
    left_out: Cell<u64>,
}

impl<'c> Reader<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, left_out: Cell::new(0) }
    }

    /// What was last written under `key` for a target.
    pub fn state(&self, target: &TargetName, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT body FROM state WHERE target = ?1 AND key = ?2";
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row(params![target.as_str(), key], |row| row.get(0))
            .optional()?)
    }

    /// What was last written under `key`, of every target, by name.
    pub fn states(&self, key: &str) -> Result<Vec<(TargetName, Vec<u8>)>, StoreError> {
        self.all("SELECT target, body FROM state WHERE key = ?1 ORDER BY target", params![key], |row| {
            Ok((target_name(row, 0)?, row.get(1)?))
        })
    }

    /// Episodes that have not ended, oldest first.
    pub fn open_episodes(&self) -> Result<Vec<Episode>, StoreError> {
        let sql = format!("SELECT {EPISODE} FROM episodes WHERE closed_steady IS NULL ORDER BY opened_steady, id");
        self.all(&sql, [], episode)
    }

    /// All episodes of a target, oldest first.
    pub fn episodes(&self, target: &TargetName) -> Result<Vec<Episode>, StoreError> {
        let sql = format!("SELECT {EPISODE} FROM episodes WHERE target = ?1 ORDER BY opened_steady, id");
        self.all(&sql, [target.as_str()], episode)
    }

    /// Captures that were asked for at `since` or later, oldest first.
    pub fn attempts(&self, target: &TargetName, since: Timestamp) -> Result<Vec<Attempt>, StoreError> {
        let sql = "SELECT target, at_steady, at_wall, part, outcome FROM attempts
                   WHERE target = ?1 AND at_steady >= ?2 ORDER BY at_steady";
        self.all(sql, params![target.as_str(), since.steady_ms()], |row| {
            let part = row.get::<_, String>(3)?;
            let part = record::part_from_name(&part).ok_or_else(|| unreadable(3, "attempt"))?;
            Ok(Attempt { target: target_name(row, 0)?, at: time(row, 1)?, part, outcome: row.get(4)? })
        })
    }

    /// Why captures of a target are off, where they are.
    pub fn disarmed(&self, target: &TargetName) -> Result<Option<Disarmed>, StoreError> {
        let sql = "SELECT at_steady, at_wall, why FROM disarmed WHERE target = ?1";
        let mut found = self.all(sql, [target.as_str()], |row| Ok(Disarmed { at: time(row, 0)?, why: row.get(2)? }))?;
        Ok(found.pop())
    }

    /// Restarts noticed at `since` or later, oldest first.
    pub fn restarts(&self, target: &TargetName, since: Timestamp) -> Result<Vec<Restart>, StoreError> {
        let sql = "SELECT target, at_steady, at_wall, cause FROM restarts
                   WHERE target = ?1 AND at_steady >= ?2 ORDER BY at_steady";
        self.all(sql, params![target.as_str(), since.steady_ms()], |row| {
            let cause = row.get::<_, String>(3)?;
            let cause = record::cause_from_name(&cause).ok_or_else(|| unreadable(3, "restart"))?;
            Ok(Restart { target: target_name(row, 0)?, at: time(row, 1)?, cause })
        })
    }

    /// Letters that a channel still owes, in their order.
    pub fn pending_letters(&self, channel: &str) -> Result<Vec<Letter>, StoreError> {
        let sql = format!("SELECT {LETTER} FROM outbox WHERE channel = ?1 AND state = 'pending' ORDER BY sequence");
        self.all(&sql, [channel], letter)
    }

    /// Letters that every channel still owes, in their order.
    pub fn all_pending_letters(&self) -> Result<Vec<Letter>, StoreError> {
        self.all(&format!("SELECT {LETTER} FROM outbox WHERE state = 'pending' ORDER BY sequence"), [], letter)
    }

    /// All letters about one episode, whatever became of them, in their order.
    pub fn letters_of(&self, episode: &str) -> Result<Vec<Letter>, StoreError> {
        self.all(&format!("SELECT {LETTER} FROM outbox WHERE episode = ?1 ORDER BY sequence"), [episode], letter)
    }

    /// Letters that were given up, newest first.
    pub fn dead_letters(&self) -> Result<Vec<Letter>, StoreError> {
        self.all(&format!("SELECT {LETTER} FROM outbox WHERE state = 'dead' ORDER BY sequence DESC"), [], letter)
    }

    /// Silences that have not ended at `now`, the first to end first.
    pub fn silences(&self, now: Timestamp) -> Result<Vec<Silence>, StoreError> {
        let sql = format!(
            "SELECT {SILENCE} FROM silences WHERE until_steady > ?1 AND ended_steady IS NULL ORDER BY until_steady, id"
        );
        self.all(&sql, [now.steady_ms()], silence)
    }

    /// Channels that take nothing any more; the one of a name where that is given.
    pub fn broken_channels(&self, name: Option<&str>) -> Result<Vec<BrokenChannel>, StoreError> {
        let sql = "SELECT name, fingerprint, since_steady, since_wall, why, is_probed FROM broken_channels
                   WHERE ?1 IS NULL OR name = ?1 ORDER BY name";
        self.all(sql, [name], |row| {
            Ok(BrokenChannel {
                name: row.get(0)?,
                fingerprint: row.get(1)?,
                since: time(row, 2)?,
                why: row.get(4)?,
                is_probed: row.get(5)?,
            })
        })
    }

    /// Samples taken at `since` or later, oldest first; beyond the raw history, floors of ten minutes.
    pub fn samples(&self, target: &TargetName, since: Timestamp) -> Result<Vec<Sample>, StoreError> {
        history::since(self.connection, target, since)
    }

    /// Hands over each sample between two times, in blocks, so that a long span takes no memory; in order of time but for
    /// the floors of what is older, which may overlap.
    pub fn each_sample(
        &self,
        target: &TargetName,
        from: Timestamp,
        to: Timestamp,
        take: impl FnMut(Sample),
    ) -> Result<(), StoreError> {
        history::each(self.connection, target, (from, to), take)
    }

    /// Targets of which samples are stored, by name.
    pub fn targets_with_samples(&self) -> Result<Vec<TargetName>, StoreError> {
        self.all("SELECT DISTINCT target FROM open_blocks ORDER BY target", [], |row| target_name(row, 0))
    }

    /// For writing within the same transaction.
    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// How many rows could not be understood so far.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.get()
    }

    /// All rows that can be understood: one that a bad disk has changed takes no other with it.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        from_row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.first(usize::MAX, sql, parameters, from_row)
    }

    /// The first `count` of them; those that cannot be understood stand in the place of no other.
    pub(super) fn first<T>(
        &self,
        count: usize,
        sql: &str,
        parameters: impl rusqlite::Params,
        from_row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let understood = statement.query_map(parameters, from_row)?.filter_map(|row| match row {
            Err(problem) if is_of_this_row(&problem) => {
                self.left_out.set(self.left_out.get() + 1);
                None
            }
            row => Some(row),
        });
        Ok(understood.take(count).collect::<rusqlite::Result<_>>()?)
    }
}

const SILENCE: &str = "id, scope, from_steady, from_wall, until_steady, until_wall, made_by, why, ended_steady,
    ended_wall, ended_by";
const EPISODE: &str = "id, target, opened_steady, opened_wall, closed_steady, closed_wall, json";
const LETTER: &str = "id, channel, episode, sequence, body, created_steady, created_wall, attempts, next_steady,
    next_wall, state, trouble";

fn episode(row: &Row<'_>) -> rusqlite::Result<Episode> {
    let closed = row.get::<_, Option<i64>>(4)?.map(|_| time(row, 4)).transpose()?;
    Ok(Episode { id: row.get(0)?, target: target_name(row, 1)?, opened: time(row, 2)?, closed, json: row.get(6)? })
}

fn letter(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let state = row.get::<_, String>(10)?;
    Ok(Letter {
        id: row.get(0)?,
        channel: row.get(1)?,
        episode: row.get(2)?,
        sequence: row.get(3)?,
        body: text(row, 4)?,
        created: time(row, 5)?,
        attempts: row.get(7)?,
        next_attempt: time(row, 8)?,
        state: LetterState::from_name(&state).ok_or_else(|| unreadable(10, "letter"))?,
        trouble: row.get(11)?,
    })
}

fn silence(row: &Row<'_>) -> rusqlite::Result<Silence> {
    let scope = serde_json::from_str(&row.get::<_, String>(1)?).map_err(|_| unreadable(1, "silence"))?;
    let ended_by: Option<String> = row.get(10)?;
    let ended = ended_by.map(|by| Ok::<_, rusqlite::Error>(Ended { at: time(row, 8)?, by })).transpose()?;
    let (from, until) = (time(row, 2)?, time(row, 4)?);
    Ok(Silence { id: row.get(0)?, scope, from, until, by: row.get(6)?, why: row.get(7)?, ended })
}

const fn is_of_this_row(problem: &rusqlite::Error) -> bool {
    matches!(
        problem,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

/// A text as far as it is one: a sentence with one wrong letter is worth telling.
pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
}

/// A time from two columns side by side, steady first.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_lines(row.get(column)?, row.get(column + 1)?))
}

/// A target's name from a column.
pub(super) fn target_name(row: &Row<'_>, column: usize) -> rusqlite::Result<TargetName> {
    parse_name(&row.get::<_, String>(column)?, column)
}

pub(super) fn parse_name(text: &str, column: usize) -> rusqlite::Result<TargetName> {
    TargetName::new(text).map_err(|_| unreadable(column, "target name"))
}

pub(super) fn unreadable(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, format!("unreadable {what}").into())
}
