//! The tables of the state database and how an older database becomes a newer one.

/// One step of the schema, to the next `user_version`.
///
/// A step that has been released is never edited; a change is a further step.
pub(super) const MIGRATIONS: [&str; 2] = [VERSION_1, VERSION_2];

/// Marks the file as ours among databases: the letters `heap`.
pub(super) const APPLICATION_ID: i32 = 0x6865_6170;

/// The tables that hold what must not be lost, but for the full blocks of samples, which are large; those that a later
/// version has added come last.
const TABLES: [&str; 11] = [
    "open_blocks",
    "meta",
    "state",
    "episodes",
    "attempts",
    "disarmed",
    "restarts",
    "outbox",
    "audit",
    "silences",
    "broken_channels",
];

/// How many of [`TABLES`] each version has, from version 1 on.
const TABLES_OF_VERSION: [usize; MIGRATIONS.len()] = [10, 11];

/// The tables of a database of this version, to be checked before anything is done with it.
pub(super) fn tables(version: u32) -> &'static [&'static str] {
    let count = TABLES_OF_VERSION.get((version as usize).saturating_sub(1)).copied().unwrap_or(TABLES.len());
    TABLES.get(..count).unwrap_or(&TABLES)
}

/// Times are two columns, milliseconds on the steady and on the wall line; see [`crate::clock::Timestamp`].
const VERSION_1: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- What a target's watcher and the gate remember: opaque here.
CREATE TABLE state (target TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (target, key));

CREATE TABLE episodes (
    id TEXT PRIMARY KEY, target TEXT NOT NULL,
    opened_steady INTEGER NOT NULL, opened_wall INTEGER NOT NULL,
    closed_steady INTEGER, closed_wall INTEGER,
    json TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX episodes_open ON episodes (target) WHERE closed_steady IS NULL;

CREATE TABLE attempts (
    target TEXT NOT NULL, at_steady INTEGER NOT NULL, at_wall INTEGER NOT NULL,
    part TEXT NOT NULL, outcome TEXT NOT NULL, PRIMARY KEY (target, at_steady)
) WITHOUT ROWID;

CREATE TABLE disarmed (
    target TEXT PRIMARY KEY, at_steady INTEGER NOT NULL, at_wall INTEGER NOT NULL, why TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE restarts (
    target TEXT NOT NULL, at_steady INTEGER NOT NULL, at_wall INTEGER NOT NULL, cause TEXT NOT NULL,
    PRIMARY KEY (target, at_steady)
) WITHOUT ROWID;

-- AUTOINCREMENT: a sequence number is never used twice, whatever is pruned.
CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, channel TEXT NOT NULL, episode TEXT,
    body TEXT NOT NULL, created_steady INTEGER NOT NULL, created_wall INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_steady INTEGER NOT NULL, next_wall INTEGER NOT NULL,
    state TEXT NOT NULL, trouble TEXT, UNIQUE (id, channel)
);
CREATE INDEX outbox_pending ON outbox (channel, sequence) WHERE state = 'pending';

CREATE TABLE audit (
    id INTEGER PRIMARY KEY, at_steady INTEGER NOT NULL, at_wall INTEGER NOT NULL,
    target TEXT, kind TEXT NOT NULL, json TEXT NOT NULL
);

CREATE TABLE silences (
    id TEXT PRIMARY KEY, target TEXT NOT NULL,
    from_steady INTEGER NOT NULL, from_wall INTEGER NOT NULL,
    until_steady INTEGER NOT NULL, until_wall INTEGER NOT NULL, why TEXT NOT NULL
) WITHOUT ROWID;

-- Full blocks of samples, appended and deleted but never changed; resolution 'raw' or 'floor'.
CREATE TABLE blocks (
    target TEXT NOT NULL, resolution TEXT NOT NULL, first_steady INTEGER NOT NULL, last_steady INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX blocks_by_target ON blocks (target, first_steady);
CREATE INDEX blocks_by_age ON blocks (resolution, last_steady);

-- The newest block of each target, which is not full yet: changed in place, so that full ones lie close together.
CREATE TABLE open_blocks (
    target TEXT NOT NULL, resolution TEXT NOT NULL, first_steady INTEGER NOT NULL, last_steady INTEGER NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (target, resolution)
);
";

/// Silences of more than one target, with the person; an audit trail of everything; channels that take nothing.
const VERSION_2: &str = "
CREATE TABLE silences_2 (
    id TEXT PRIMARY KEY, scope TEXT NOT NULL,
    from_steady INTEGER NOT NULL, from_wall INTEGER NOT NULL,
    until_steady INTEGER NOT NULL, until_wall INTEGER NOT NULL, made_by TEXT NOT NULL, why TEXT NOT NULL,
    ended_steady INTEGER, ended_wall INTEGER, ended_by TEXT
) WITHOUT ROWID;
INSERT INTO silences_2 SELECT id, json_object('target', target), from_steady, from_wall, until_steady, until_wall,
    'somebody', why, NULL, NULL, NULL FROM silences;
DROP TABLE silences;
ALTER TABLE silences_2 RENAME TO silences;

-- AUTOINCREMENT: a cursor of pages never meets an older event again, whatever is pruned.
CREATE TABLE audit_2 (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at_steady INTEGER NOT NULL, at_wall INTEGER NOT NULL,
    target TEXT, topic TEXT NOT NULL, kind TEXT NOT NULL, says TEXT NOT NULL, json TEXT NOT NULL
);
INSERT INTO audit_2 SELECT id, at_steady, at_wall, target, 'alert', kind, kind, json FROM audit ORDER BY id;
DROP TABLE audit;
ALTER TABLE audit_2 RENAME TO audit;
CREATE INDEX audit_by_target ON audit (target, id) WHERE target IS NOT NULL;

-- Channels that take nothing any more; the fingerprint is a checksum of their configuration at that time.
CREATE TABLE broken_channels (
    name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, since_steady INTEGER NOT NULL, since_wall INTEGER NOT NULL,
    why TEXT NOT NULL, is_probed INTEGER NOT NULL
) WITHOUT ROWID;
";
