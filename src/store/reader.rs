//! Asking the state database, within one transaction.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::clock::Timestamp;
use crate::sample::Sample;
use crate::store::StoreError;
use crate::store::history;
use crate::store::record::{self, Attempt, AuditEvent, Disarmed, Episode, Letter, LetterState, Restart, Silence};
use crate::target::TargetName;

/// Everything that can be asked.
#[derive(Debug)]
pub struct Reader<'c> {
    connection: &'c Connection,
}

impl<'c> Reader<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection }
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
            Ok((name(row, 0)?, row.get(1)?))
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
            Ok(Attempt { target: name(row, 0)?, at: time(row, 1)?, part, outcome: row.get(4)? })
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
            Ok(Restart { target: name(row, 0)?, at: time(row, 1)?, cause })
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

    /// The newest `most` lines of the audit trail, oldest first; of one target where one is named.
    pub fn audit(&self, target: Option<&TargetName>, most: u32) -> Result<Vec<AuditEvent>, StoreError> {
        let sql = "SELECT at_steady, at_wall, target, kind, json FROM audit
                   WHERE ?1 IS NULL OR target = ?1 ORDER BY id DESC LIMIT ?2";
        let mut events = self.all(sql, params![target.map(TargetName::as_str), most], |row| {
            let target = row.get::<_, Option<String>>(2)?.map(|text| parse_name(&text, 2)).transpose()?;
            Ok(AuditEvent { at: time(row, 0)?, target, kind: row.get(3)?, json: row.get(4)? })
        })?;
        events.reverse();
        Ok(events)
    }

    /// Silences that have not ended at `now`.
    pub fn silences(&self, now: Timestamp) -> Result<Vec<Silence>, StoreError> {
        let sql = "SELECT id, target, from_steady, from_wall, until_steady, until_wall, why FROM silences
                   WHERE until_steady > ?1 ORDER BY until_steady, id";
        self.all(sql, [now.steady_ms()], |row| {
            Ok(Silence {
                id: row.get(0)?,
                target: name(row, 1)?,
                from: time(row, 2)?,
                until: time(row, 4)?,
                why: row.get(6)?,
            })
        })
    }

    /// Samples taken at `since` or later, oldest first; beyond the raw history, floors of ten minutes.
    pub fn samples(&self, target: &TargetName, since: Timestamp) -> Result<Vec<Sample>, StoreError> {
        history::since(self.connection, target, since)
    }

    /// Targets of which samples are stored, by name.
    pub fn targets_with_samples(&self) -> Result<Vec<TargetName>, StoreError> {
        self.all("SELECT DISTINCT target FROM blocks ORDER BY target", [], |row| name(row, 0))
    }

    /// For writing within the same transaction.
    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    fn all<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        from_row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(parameters, from_row)?.collect::<rusqlite::Result<Vec<T>>>()?;
        Ok(rows)
    }
}

const EPISODE: &str = "id, target, opened_steady, opened_wall, closed_steady, closed_wall, json";
const LETTER: &str = "id, channel, episode, sequence, body, created_steady, created_wall, attempts, next_steady,
    next_wall, state, trouble";

fn episode(row: &Row<'_>) -> rusqlite::Result<Episode> {
    let closed = row.get::<_, Option<i64>>(4)?.map(|_| time(row, 4)).transpose()?;
    Ok(Episode { id: row.get(0)?, target: name(row, 1)?, opened: time(row, 2)?, closed, json: row.get(6)? })
}

fn letter(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let state = row.get::<_, String>(10)?;
    Ok(Letter {
        id: row.get(0)?,
        channel: row.get(1)?,
        episode: row.get(2)?,
        sequence: row.get(3)?,
        body: row.get(4)?,
        created: time(row, 5)?,
        attempts: row.get(7)?,
        next_attempt: time(row, 8)?,
        state: LetterState::from_name(&state).ok_or_else(|| unreadable(10, "letter"))?,
        trouble: row.get(11)?,
    })
}

/// A time from two columns side by side, steady first.
fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_lines(row.get(column)?, row.get(column + 1)?))
}

fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<TargetName> {
    parse_name(&row.get::<_, String>(column)?, column)
}

fn parse_name(text: &str, column: usize) -> rusqlite::Result<TargetName> {
    TargetName::new(text).map_err(|_| unreadable(column, "target name"))
}

fn unreadable(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, format!("unreadable {what}").into())
}
