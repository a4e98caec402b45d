//! Reading and writing the rows of the state database within one transaction.

use std::ops::Deref;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::clock::Timestamp;
use crate::leak::event::RestartCause;
use crate::sample::Sample;
use crate::store::StoreError;
use crate::store::record::{self, Attempt, AuditEvent, Disarmed, Episode, Letter, LetterState, Restart, Silence};
use crate::target::TargetName;

/// Everything that can be asked.
#[derive(Debug)]
pub struct Reader<'c> {
    connection: &'c Connection,
}

/// Everything that can be changed, and asked besides.
#[derive(Debug)]
pub struct Writer<'c> {
    reader: Reader<'c>,
    now: Timestamp,
}

impl<'c> Deref for Writer<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Self::Target {
        &self.reader
    }
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
            let cause = cause_from(&cause).ok_or_else(|| unreadable(3, "restart"))?;
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
        let sql = "SELECT body FROM blocks WHERE target = ?1 AND last_steady >= ?2 ORDER BY first_steady";
        let blocks: Vec<Vec<u8>> = self.all(sql, params![target.as_str(), since.steady_ms()], |row| row.get(0))?;
        let mut samples = Vec::new();
        for block in blocks {
            let block: Vec<Sample> = serde_json::from_slice(&block)
                .map_err(|_| StoreError::Unreadable { what: format!("block of samples of {target}") })?;
            samples.extend(block.into_iter().filter(|sample| !sample.at.is_before(since)));
        }
        Ok(samples)
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

impl<'c> Writer<'c> {
    pub(super) fn new(connection: &'c Connection, now: Timestamp) -> Self {
        Self { reader: Reader::new(connection), now }
    }

    /// When this transaction happens.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Remembers `body` under `key` for a target, in place of what was there.
    pub fn put_state(&self, target: &TargetName, key: &str, body: &[u8]) -> Result<(), StoreError> {
        self.run("INSERT OR REPLACE INTO state VALUES (?1, ?2, ?3)", params![target.as_str(), key, body])
    }

    /// Writes an episode, new or changed.
    pub fn put_episode(&self, episode: &Episode) -> Result<(), StoreError> {
        let Episode { id, target, opened, closed, json } = episode;
        self.run(
            "INSERT OR REPLACE INTO episodes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                id,
                target.as_str(),
                opened.steady_ms(),
                opened.wall_ms(),
                closed.map(Timestamp::steady_ms),
                closed.map(Timestamp::wall_ms),
                json
            ],
        )
    }

    /// Writes an attempt, or its new outcome: target and time tell which.
    pub fn put_attempt(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let Attempt { target, at, part, outcome } = attempt;
        self.run(
            "INSERT OR REPLACE INTO attempts VALUES (?1, ?2, ?3, ?4, ?5)",
            params![target.as_str(), at.steady_ms(), at.wall_ms(), record::part_name(*part), outcome],
        )
    }

    /// Puts captures of a target off until a person rearms it.
    pub fn disarm(&self, target: &TargetName, disarmed: &Disarmed) -> Result<(), StoreError> {
        self.run(
            "INSERT OR REPLACE INTO disarmed VALUES (?1, ?2, ?3, ?4)",
            params![target.as_str(), disarmed.at.steady_ms(), disarmed.at.wall_ms(), disarmed.why],
        )
    }

    /// Allows captures of a target again.
    pub fn rearm(&self, target: &TargetName) -> Result<(), StoreError> {
        self.run("DELETE FROM disarmed WHERE target = ?1", [target.as_str()])
    }

    /// Remembers a restart.
    pub fn put_restart(&self, restart: &Restart) -> Result<(), StoreError> {
        let Restart { target, at, cause } = restart;
        self.run(
            "INSERT OR REPLACE INTO restarts VALUES (?1, ?2, ?3, ?4)",
            params![target.as_str(), at.steady_ms(), at.wall_ms(), cause_name(*cause)],
        )
    }

    /// Puts a letter into the outbox behind all others, or changes one that is there (same id and channel), which
    /// keeps its place. Gives its sequence.
    pub fn put_letter(&self, letter: &Letter) -> Result<i64, StoreError> {
        let sql = "INSERT INTO outbox (id, channel, episode, body, created_steady, created_wall, attempts,
                       next_steady, next_wall, state, trouble)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                   ON CONFLICT (id, channel) DO UPDATE SET body = excluded.body, attempts = excluded.attempts,
                       next_steady = excluded.next_steady, next_wall = excluded.next_wall, state = excluded.state,
                       trouble = excluded.trouble
                   RETURNING sequence";
        let Letter { id, channel, episode, sequence: _, body, created, attempts, next_attempt, state, trouble } =
            letter;
        let parameters = params![
            id,
            channel,
            episode,
            body,
            created.steady_ms(),
            created.wall_ms(),
            attempts,
            next_attempt.steady_ms(),
            next_attempt.wall_ms(),
            state.name(),
            trouble
        ];
        Ok(self.connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?)
    }

    /// Takes a letter out of the outbox, as if it had never been written.
    pub fn remove_letter(&self, id: &str, channel: &str) -> Result<(), StoreError> {
        self.run("DELETE FROM outbox WHERE id = ?1 AND channel = ?2", [id, channel])
    }

    /// Adds a line to the audit trail.
    pub fn put_audit(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let AuditEvent { at, target, kind, json } = event;
        self.run(
            "INSERT INTO audit (at_steady, at_wall, target, kind, json) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![at.steady_ms(), at.wall_ms(), target.as_ref().map(TargetName::as_str), kind, json],
        )
    }

    /// Writes a silence, or changes its end.
    pub fn put_silence(&self, silence: &Silence) -> Result<(), StoreError> {
        let Silence { id, target, from, until, why } = silence;
        self.run(
            "INSERT OR REPLACE INTO silences VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![id, target.as_str(), from.steady_ms(), from.wall_ms(), until.steady_ms(), until.wall_ms(), why],
        )
    }

    /// Adds samples, which are later than all before them, to a target's history.
    pub fn append_samples(&self, target: &TargetName, samples: &[Sample]) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Ok(()) };
        let body =
            serde_json::to_vec(samples).map_err(|_| StoreError::Unreadable { what: format!("sample of {target}") })?;
        self.run(
            "INSERT OR REPLACE INTO blocks VALUES (?1, 'raw', ?2, ?3, ?4, ?5)",
            params![
                target.as_str(),
                first.at.steady_ms(),
                last.at.steady_ms(),
                i64::try_from(samples.len()).unwrap_or(i64::MAX),
                body
            ],
        )
    }

    /// Forgets what is older than `keep` says: samples, delivered letters, attempts, restarts, audit.
    pub fn prune(&self, keep: &Keep) -> Result<(), StoreError> {
        let before = |span: Duration| self.now.minus(span).steady_ms();
        self.run("DELETE FROM blocks WHERE last_steady < ?1", [before(keep.samples)])?;
        self.run("DELETE FROM outbox WHERE state <> 'pending' AND created_steady < ?1", [before(keep.records)])?;
        self.run("DELETE FROM attempts WHERE at_steady < ?1", [before(keep.records)])?;
        self.run("DELETE FROM restarts WHERE at_steady < ?1", [before(keep.records)])?;
        self.run("DELETE FROM silences WHERE until_steady < ?1", [before(keep.records)])?;
        self.run("DELETE FROM audit WHERE at_steady < ?1", [before(keep.records)])
    }

    fn run(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<(), StoreError> {
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    }
}

/// How long the database remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Raw samples.
    pub samples: Duration,
    /// Floors of ten minutes, made of the samples that go.
    pub floors: Duration,
    /// Delivered and dead letters, attempts, restarts, ended silences and the audit trail.
    pub records: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            samples: Duration::from_hours(48),
            floors: Duration::from_hours(30 * 24),
            records: Duration::from_hours(90 * 24),
        }
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

const fn cause_name(cause: RestartCause) -> &'static str {
    match cause {
        RestartCause::AtMemoryLimit => "at_memory_limit",
        RestartCause::Unknown => "unknown",
    }
}

fn cause_from(name: &str) -> Option<RestartCause> {
    [RestartCause::AtMemoryLimit, RestartCause::Unknown].into_iter().find(|cause| cause_name(*cause) == name)
}
