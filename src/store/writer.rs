//! Changing the state database, within one transaction.

use std::ops::Deref;
use std::time::Duration;

use rusqlite::{Connection, params};

use crate::clock::Timestamp;
use crate::sample::Sample;
use crate::silence::Silence;
use crate::store::StoreError;
use crate::store::history::{self, Resolution};
use crate::store::reader::Reader;
use crate::store::record::{self, Attempt, AuditEvent, BrokenChannel, Disarmed, Episode, Letter, Restart};
use crate::target::TargetName;

/// Everything that can be changed, and asked besides.
#[derive(Debug)]
pub struct Writer<'c> {
    reader: Reader<'c>,
    now: Timestamp,
}

/// How long the database remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Raw samples.
    pub samples: Duration,
    /// Floors of ten minutes, made of the samples that go.
    pub floors: Duration,
    /// Delivered and dead letters, attempts, restarts and ended silences.
    pub records: Duration,
    /// The audit trail.
    pub events: Duration,
    /// Most lines of the audit trail, whatever their age.
    pub most_events: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            samples: Duration::from_hours(48),
            floors: Duration::from_hours(30 * 24),
            records: Duration::from_hours(90 * 24),
            events: Duration::from_hours(90 * 24),
            // At one to three kilobytes each, some two hundred megabytes.
            most_events: 100_000,
        }
    }
}

impl<'c> Deref for Writer<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Self::Target {
        &self.reader
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
        // In place: a row that is written every few minutes would else wander through the file.
        let sql = "INSERT INTO state VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET body = excluded.body";
        self.run(sql, params![target.as_str(), key, body])
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
            params![target.as_str(), at.steady_ms(), at.wall_ms(), record::cause_name(*cause)],
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
        Ok(self.connection().prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?)
    }

    /// Takes a letter out of the outbox, as if it had never been written.
    pub fn remove_letter(&self, id: &str, channel: &str) -> Result<(), StoreError> {
        self.run("DELETE FROM outbox WHERE id = ?1 AND channel = ?2", [id, channel])
    }

    /// Adds a line to the audit trail.
    pub fn put_audit(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let AuditEvent { at, target, topic, kind, says, json } = event;
        self.run(
            "INSERT INTO audit (at_steady, at_wall, target, topic, kind, says, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                at.steady_ms(),
                at.wall_ms(),
                target.as_ref().map(TargetName::as_str),
                topic.name(),
                kind,
                says,
                json
            ],
        )
    }

    /// Writes a silence, or its end.
    pub fn put_silence(&self, silence: &Silence) -> Result<(), StoreError> {
        let Silence { id, scope, from, until, by, why, ended } = silence;
        let scope = serde_json::to_string(scope).map_err(|_| StoreError::Unreadable { what: "scope".to_owned() })?;
        self.run(
            "INSERT OR REPLACE INTO silences VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                id,
                scope,
                from.steady_ms(),
                from.wall_ms(),
                until.steady_ms(),
                until.wall_ms(),
                by,
                why,
                ended.as_ref().map(|ended| ended.at.steady_ms()),
                ended.as_ref().map(|ended| ended.at.wall_ms()),
                ended.as_ref().map(|ended| &ended.by)
            ],
        )
    }

    /// Remembers that a channel takes nothing any more.
    pub fn put_broken_channel(&self, broken: &BrokenChannel) -> Result<(), StoreError> {
        let BrokenChannel { name, fingerprint, since, why, is_probed } = broken;
        self.run(
            "INSERT OR REPLACE INTO broken_channels VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![name, fingerprint, since.steady_ms(), since.wall_ms(), why, is_probed],
        )
    }

    /// A channel takes alerts again.
    pub fn mend_channel(&self, name: &str) -> Result<(), StoreError> {
        self.run("DELETE FROM broken_channels WHERE name = ?1", [name])
    }

    /// Adds samples, in order of time, to a target's history. Those not later than its last are there already.
    pub fn append_samples(&self, target: &TargetName, samples: &[Sample]) -> Result<(), StoreError> {
        history::append(self.connection(), target, Resolution::Raw, samples)
    }

    /// Forgets what is older, or more, than `keep` says: samples, delivered letters, attempts, restarts, audit.
    pub fn prune(&self, keep: &Keep) -> Result<(), StoreError> {
        let before = |span: Duration| self.now.minus(span).steady_ms();
        history::thin(self.connection(), before(keep.samples), before(keep.floors))?;
        self.run("DELETE FROM outbox WHERE state <> 'pending' AND created_steady < ?1", [before(keep.records)])?;
        self.run("DELETE FROM attempts WHERE at_steady < ?1", [before(keep.records)])?;
        self.run("DELETE FROM restarts WHERE at_steady < ?1", [before(keep.records)])?;
        self.run("DELETE FROM silences WHERE until_steady < ?1", [before(keep.records)])?;
        self.run("DELETE FROM audit WHERE at_steady < ?1", [before(keep.events)])?;
        let beyond = "DELETE FROM audit WHERE id <= (SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET ?1)";
        self.run(beyond, [keep.most_events])?;
        self.give_back()
    }

    /// Shrinks the file where much of it is empty; what is empty for a moment is soon used again.
    fn give_back(&self) -> Result<(), StoreError> {
        /// Four megabytes at a time, which takes milliseconds.
        const MOST_PAGES: u32 = 1_000;
        let pages = |pragma| self.connection().pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        if pages("freelist_count")? > pages("page_count")? / 4 {
            self.connection().execute_batch(&format!("PRAGMA incremental_vacuum({MOST_PAGES})"))?;
        }
        Ok(())
    }

    fn run(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<(), StoreError> {
        self.connection().prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak::event::{PairPart, RestartCause};
    use crate::silence::{Ended, Scope};
    use crate::status::trail::{Topic, TrailPage, TrailQuery};
    use crate::store::Store;
    use crate::store::record::LetterState;
    use crate::target::Labels;

    fn at(seconds: u64) -> Timestamp {
        // The wall clock is two hours off, which nothing here may mind.
        let base = Timestamp::from_lines(1_760_000_000_000, 1_760_007_200_000);
        base.plus(Duration::from_secs(seconds))
    }

    fn name(name: &str) -> TargetName {
        TargetName::new(name).unwrap()
    }

    fn letter(id: &str, channel: &str) -> Letter {
        Letter {
            id: id.into(),
            channel: channel.into(),
            episode: Some("e1".into()),
            sequence: 0,
            body: format!("{{\"id\":\"{id}\"}}"),
            created: at(0),
            attempts: 0,
            next_attempt: at(0),
            state: LetterState::Pending,
            trouble: None,
        }
    }

    /// Writes in one transaction, reads in the next.
    fn write_and_read<T>(
        write: impl FnOnce(&Writer<'_>) -> Result<(), StoreError>,
        read: impl FnOnce(&Reader<'_>) -> Result<T, StoreError>,
    ) -> T {
        let store = Store::open_in_memory().unwrap();
        store.transaction(at(0), write).unwrap();
        store.read(read).unwrap()
    }

    fn ids(letters: &[Letter]) -> Vec<&str> {
        letters.iter().map(|letter| letter.id.as_str()).collect()
    }

    #[test]
    fn letters_keep_their_order_over_every_retry() {
        let store = Store::open_in_memory().unwrap();
        let put = |letter: &Letter| store.transaction(at(0), |writer| writer.put_letter(letter)).unwrap();
        let first = put(&letter("a", "pager"));
        assert!(put(&letter("b", "pager")) > first);
        put(&letter("a", "chat"));
        let again = Letter { attempts: 3, next_attempt: at(60), trouble: Some("503".into()), ..letter("a", "pager") };
        assert_eq!(put(&again), first, "a retry keeps its place");
        let pending = store.read(|reader| reader.pending_letters("pager")).unwrap();
        assert_eq!(ids(&pending), ["a", "b"]);
        assert_eq!(pending[0], Letter { sequence: first, ..again });
        put(&Letter { state: LetterState::Delivered, ..letter("a", "pager") });
        put(&Letter { state: LetterState::Dead, ..letter("a", "chat") });
        assert_eq!(ids(&store.read(|reader| reader.pending_letters("pager")).unwrap()), ["b"]);
        let (dead, all) = store.read(|reader| Ok((reader.dead_letters()?, reader.letters_of("e1")?))).unwrap();
        assert_eq!((ids(&dead), ids(&all)), (vec!["a"], vec!["a", "b", "a"]));
    }

    #[test]
    fn a_place_in_the_order_is_never_given_twice() {
        let store = Store::open_in_memory().unwrap();
        let put = |id| store.transaction(at(0), |writer| writer.put_letter(&letter(id, "pager"))).unwrap();
        let first = put("a");
        store.transaction(at(0), |writer| writer.remove_letter("a", "pager")).unwrap();
        assert!(put("a") > first);
    }

    #[test]
    fn an_episode_is_open_until_it_is_closed() {
        let open = Episode { id: "e1".into(), target: name("api"), opened: at(1), closed: None, json: "1".into() };
        let closed = Episode { closed: Some(at(9)), json: "2".into(), ..open.clone() };
        let other = Episode { id: "e2".into(), opened: at(0), ..open.clone() };
        let (open_ones, all) = write_and_read(
            |writer| [&open, &other, &closed].into_iter().try_for_each(|episode| writer.put_episode(episode)),
            |reader| Ok((reader.open_episodes()?, reader.episodes(&name("api"))?)),
        );
        assert_eq!((open_ones, all), (vec![other.clone()], vec![other, closed]));
    }

    #[test]
    fn an_attempt_has_one_outcome_and_counts_from_its_start() {
        let attempt = |seconds, outcome: &str| Attempt {
            target: name("api"),
            at: at(seconds),
            part: PairPart::Second,
            outcome: outcome.into(),
        };
        let written = [attempt(1, "started"), attempt(1, "stored"), attempt(2, "timeout")];
        let (all, recent) = write_and_read(
            |writer| written.iter().try_for_each(|attempt| writer.put_attempt(attempt)),
            |reader| Ok((reader.attempts(&name("api"), at(1))?, reader.attempts(&name("api"), at(2))?)),
        );
        assert_eq!(all, written[1..]);
        assert_eq!(recent, written[2..]);
    }

    #[test]
    fn captures_stay_off_until_rearmed() {
        let store = Store::open_in_memory().unwrap();
        let disarmed = Disarmed { at: at(5), why: "it died".into() };
        store.transaction(at(5), |writer| writer.disarm(&name("api"), &disarmed)).unwrap();
        assert_eq!(store.read(|reader| reader.disarmed(&name("api"))).unwrap(), Some(disarmed));
        assert_eq!(store.read(|reader| reader.disarmed(&name("web"))).unwrap(), None);
        store.transaction(at(6), |writer| writer.rearm(&name("api"))).unwrap();
        assert_eq!(store.read(|reader| reader.disarmed(&name("api"))).unwrap(), None);
    }

    #[test]
    fn state_is_kept_by_target_and_key() {
        let states = write_and_read(
            |writer| {
                writer.put_state(&name("web"), "detector", b"old")?;
                writer.put_state(&name("web"), "detector", b"new")?;
                writer.put_state(&name("api"), "detector", &[0, 255])?;
                writer.put_state(&name("api"), "learned_cost", b"other")
            },
            |reader| Ok((reader.states("detector")?, reader.state(&name("api"), "none")?)),
        );
        assert_eq!(states, (vec![(name("api"), vec![0, 255]), (name("web"), b"new".to_vec())], None));
    }

    fn times(page: &TrailPage) -> Vec<Timestamp> {
        page.events.iter().map(|event| event.at).collect()
    }

    #[test]
    fn a_silence_that_a_person_has_ended_is_over() {
        let silence = Silence {
            id: "a1b2c3".into(),
            scope: Scope::all(),
            from: at(0),
            until: at(7_200),
            by: "alice".into(),
            why: "deploy".into(),
            ended: None,
        };
        let ended = Silence { ended: Some(Ended { at: at(60), by: "bob".into() }), ..silence.clone() };
        let store = Store::open_in_memory().unwrap();
        let active = || store.read(|reader| reader.silences(at(61))).unwrap();
        store.transaction(at(0), |writer| writer.put_silence(&silence)).unwrap();
        assert_eq!(active(), [silence]);
        store.transaction(at(60), |writer| writer.put_silence(&ended)).unwrap();
        assert_eq!(active(), []);
    }

    #[test]
    fn a_broken_channel_is_broken_until_it_is_mended() {
        let broken = BrokenChannel {
            name: "ops".into(),
            fingerprint: "f".into(),
            since: at(1),
            why: "410".into(),
            is_probed: false,
        };
        let store = Store::open_in_memory().unwrap();
        store.transaction(at(1), |writer| writer.put_broken_channel(&broken)).unwrap();
        let known = || store.read(|reader| reader.broken_channels(Some("ops"))).unwrap();
        assert_eq!(known(), [broken]);
        store.transaction(at(2), |writer| writer.mend_channel("ops")).unwrap();
        assert_eq!(known(), []);
    }

    #[test]
    fn pruning_spares_what_is_still_owed() {
        let day = |days: u64| at(days * 86_400);
        let store = Store::open_in_memory().unwrap();
        let restart = |at| Restart { target: name("api"), at, cause: RestartCause::AtMemoryLimit };
        let silence = |id: &str, until| Silence {
            id: id.into(),
            scope: Scope::new(Some("api*"), &Labels::new()).unwrap(),
            from: at(0),
            until,
            by: "alice".into(),
            why: "deploy".into(),
            ended: None,
        };
        let audit = |at| AuditEvent {
            at,
            target: None,
            topic: Topic::Daemon,
            kind: "started".into(),
            says: "started".into(),
            json: "{}".into(),
        };
        store
            .transaction(day(0), |writer| {
                writer.put_letter(&letter("owed", "pager"))?;
                writer.put_letter(&Letter { state: LetterState::Delivered, ..letter("done", "pager") })?;
                [day(0), day(99)].into_iter().try_for_each(|at| writer.put_restart(&restart(at)))?;
                [day(0), day(99)].into_iter().try_for_each(|at| writer.put_audit(&audit(at)))?;
                writer.put_silence(&silence("ended", day(1)))?;
                writer.put_silence(&silence("lasting", day(200)))
            })
            .unwrap();
        store.transaction(day(100), |writer| writer.prune(&Keep::default())).unwrap();
        let read = store.read(|reader| {
            assert_eq!(ids(&reader.letters_of("e1")?), ["owed"]);
            assert_eq!(reader.restarts(&name("api"), at(0))?, [restart(day(99))]);
            assert_eq!(times(&reader.events(&TrailQuery::default(), day(100))?), [day(99)]);
            let of_api = TrailQuery { target: Some(name("api")), ..TrailQuery::default() };
            assert_eq!(times(&reader.events(&of_api, day(100))?), []);
            assert_eq!(reader.silences(day(100))?, [silence("lasting", day(200))]);
            Ok(())
        });
        read.unwrap();
    }
}
