//! The tables of the state database and how an older database becomes a newer one.

/// One step of the schema: run in a transaction of its own, which also sets `user_version`.
///
/// A step that has been released is never edited; a change is a further step.
pub(super) const MIGRATIONS: [&str; 1] = [VERSION_1];

/// Marks the file as ours among databases: the letters `heap`.
pub(super) const APPLICATION_ID: i32 = 0x6865_6170;

/// The tables that hold what must not be lost, but for the blocks of samples, which are large.
pub(super) const TABLES: [&str; 9] =
    ["meta", "state", "episodes", "attempts", "disarmed", "restarts", "outbox", "audit", "silences"];

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

-- Blocks of samples; resolution 'raw' or 'floor'.
CREATE TABLE blocks (
    target TEXT NOT NULL, resolution TEXT NOT NULL, first_steady INTEGER NOT NULL, last_steady INTEGER NOT NULL,
    count INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (target, resolution, first_steady)
);
CREATE INDEX blocks_by_age ON blocks (resolution, last_steady);
";
