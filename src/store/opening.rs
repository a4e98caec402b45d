//! How the state database comes up: taken for one process, checked, brought up to date, or moved aside.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use crate::clock::{Anchor, Timestamp};
use crate::store::files::{self, failed};
use crate::store::schema::{APPLICATION_ID, MIGRATIONS, tables};
use crate::store::{OpenNote, StoreError};

/// The database within the state directory.
pub(super) const DATABASE: &str = "heapwatch.db";
/// Held locked by the daemon that works on the directory; says who that is.
const LOCK: &str = "heapwatch.lock";

/// A database that is ready for use.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) last_alive: Option<Timestamp>,
    pub(super) anchor: Option<Anchor>,
    pub(super) stopped_cleanly: bool,
}

/// Why a database cannot be used as it is.
enum Unusable {
    /// It is not what heapwatch wrote.
    Damaged(String),
    /// It was written by a newer heapwatch, of this schema version.
    Newer(u32),
    /// The disk, the permissions or another process: moving the database aside would not help.
    Environment(StoreError),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Environment(error.into()),
        }
    }
}

/// A state directory that belongs to this process.
#[derive(Debug)]
pub(super) struct Taken {
    /// Holds the lock, which goes with the file, and with the process however it ends.
    pub(super) lock: File,
    /// A daemon has worked here before, so there must be a database.
    used_before: bool,
}

/// Takes the directory for this process.
pub(super) fn take(dir: &Path) -> Result<Taken, StoreError> {
    /// More than any text of ours.
    const LONGEST: u64 = 200;
    let path = dir.join(LOCK);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed("open", &path))?;
    match lock(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Whoever holds it, it is held; an unreadable name changes nothing.
            file.take(LONGEST).read_to_string(&mut holder).ok();
            let holder = if holder.is_empty() { "another process".into() } else { holder.trim().to_owned() };
            return Err(StoreError::InUse { dir: dir.into(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
    }
    let used_before = file.metadata().is_ok_and(|found| found.len() > 0);
    Ok(Taken { lock: file, used_before })
}

/// Locks, with some patience: a process that a daemon was just starting when it was killed holds the lock of that one
/// until it becomes another program, a moment later.
fn lock(file: &File) -> Result<(), TryLockError> {
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            settled => return settled,
        }
    }
    file.try_lock()
}

impl Taken {
    /// Writes into the lock who has the directory, once there is a database in it.
    pub(super) fn sign(&self, now: Timestamp) {
        let holder = format!("heapwatch with process id {} since {now}\n", std::process::id());
        // The name is a courtesy to the next one; on a full disk the lock still holds.
        self.lock.set_len(0).and_then(|()| self.lock.write_all_at(holder.as_bytes(), 0)).ok();
    }
}

/// Opens the database of a directory that is taken, in whatever state it is.
pub(super) fn open(dir: &Path, taken: &Taken, now: Timestamp) -> Result<(Opened, Vec<OpenNote>), StoreError> {
    let path = dir.join(DATABASE);
    let mut notes = Vec::new();
    let note = match attempt(&path, taken.used_before, &mut notes) {
        Ok(opened) => return Ok((opened, notes)),
        Err(Unusable::Environment(error)) => return Err(error),
        Err(Unusable::Damaged(why)) => OpenNote::Damaged { moved_to: move_aside(&path, "damaged", now)?, why },
        Err(Unusable::Newer(found)) => {
            OpenNote::Newer { moved_to: move_aside(&path, "newer", now)?, found, known: known_version() }
        }
    };
    let fresh = attempt(&path, false, &mut notes).map_err(|unusable| match unusable {
        Unusable::Environment(error) => error,
        Unusable::Damaged(why) => StoreError::Unreadable { what: format!("new database: {why}") },
        Unusable::Newer(version) => StoreError::Unreadable { what: format!("new database of version {version}") },
    })?;
    Ok((fresh, vec![note]))
}

fn attempt(path: &Path, must_be_there: bool, notes: &mut Vec<OpenNote>) -> Result<Opened, Unusable> {
    let environment = |error| Unusable::Environment(failed("open", path)(error));
    // Created here so that it is private from its first moment; its WAL takes over the mode.
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(environment)?;
    if let Some(why) = cut_off(&mut file, path, must_be_there).map_err(environment)? {
        return Err(Unusable::Damaged(why));
    }
    drop(file);
    let mut connection = connect(path)?;
    let found = version(&connection)?;
    if found > known_version() {
        return Err(Unusable::Newer(found));
    }
    if found > 0 {
        check(&connection, tables(found))?;
    }
    migrate(&mut connection, found)?;
    if (1..known_version()).contains(&found) {
        notes.push(OpenNote::Migrated { from: found, to: known_version() });
    }
    let stopped_cleanly = found == 0 || take_clean_mark(&connection)?;
    if !stopped_cleanly {
        check(&connection, &["blocks"])?;
    }
    let (last_alive, anchor) = (last_alive(&connection)?, anchor(&connection)?);
    Ok(Opened { connection, last_alive, anchor, stopped_cleanly })
}

/// What the database engine itself would overlook of a file that has lost its end: a very short one it takes for new,
/// and a page cut in two it fills with zeros.
fn cut_off(file: &mut File, path: &Path, must_be_there: bool) -> std::io::Result<Option<String>> {
    /// Of anything shorter the engine thinks that it is new.
    const SHORTEST: u64 = 512;
    let length = file.metadata()?.len();
    if length < SHORTEST {
        return Ok((length > 0 || must_be_there).then(|| format!("it has only {length} bytes")));
    }
    // With a WAL beside it the file may be anything: a crash while it was written is mended from the WAL.
    if fs::metadata(suffixed(path, "-wal")).is_ok_and(|wal| wal.len() > 0) {
        return Ok(None);
    }
    // https://www.sqlite.org/fileformat.html: the page size is at 16, where 1 stands for 65536, their number at 28.
    let mut header = [0; 32];
    file.read_exact(&mut header)?;
    if !header.starts_with(b"SQLite format 3\0") {
        return Ok(None);
    }
    let page_size = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        other => other,
    };
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    let announced = pages * page_size;
    Ok((length < announced).then(|| format!("it has {length} bytes of {announced}")))
}

/// A connection with our settings, to a file or to memory.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    /// How long a write waits for a command such as `heapwatch silence add` that writes at the same moment.
    const PATIENCE: Duration = Duration::from_secs(5);
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    // FULL: what a transaction has committed survives a power failure too.
    // Five full blocks of samples share a page of 8 KiB, where one of 4 KiB would leave half of itself empty.
    // The size limit gives space back after a burst; the cache is this daemon's own memory (4 MiB).
    connection.execute_batch(
        "PRAGMA page_size = 8192;
         PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA journal_size_limit = 16777216;
         PRAGMA cache_size = -1024;
         PRAGMA temp_store = MEMORY;",
    )?;
    Ok(connection)
}

/// A database that lives as long as the process.
pub(super) fn in_memory() -> rusqlite::Result<Opened> {
    let mut connection = connect(Path::new(":memory:"))?;
    migrate(&mut connection, 0)?;
    Ok(Opened { connection, last_alive: None, anchor: None, stopped_cleanly: true })
}

/// What can be read of a directory that nobody can write: its database as it stands or, where there is none of this
/// version, an empty one. Neither takes any change.
pub(super) fn read(dir: &Path) -> Result<Opened, StoreError> {
    let opened = read_only(&dir.join(DATABASE)).or_else(|_| in_memory())?;
    opened.connection.pragma_update(None, "query_only", true)?;
    Ok(opened)
}

fn read_only(path: &Path) -> rusqlite::Result<Opened> {
    // https://www.sqlite.org/wal.html#readonly: with the WAL of a crash beside it a database can be read as it is; after
    // an orderly end there is none, and only a database that is said not to change can be read.
    let wal = fs::metadata(suffixed(path, "-wal")).is_ok_and(|wal| wal.len() > 0);
    let name: String = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let how = if wal { "mode=ro" } else { "immutable=1" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(format!("file:{name}?{how}"), flags)?;
    if version(&connection)? != known_version() {
        return Err(rusqlite::Error::QueryReturnedNoRows);
    }
    let (last_alive, anchor) = (last_alive(&connection)?, anchor(&connection)?);
    Ok(Opened { connection, last_alive, anchor, stopped_cleanly: !wal })
}

pub(super) fn known_version() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Runs the steps after version `found`, all in one transaction: a power cut leaves the old version or the new one.
pub(super) fn migrate(connection: &mut Connection, found: u32) -> rusqlite::Result<()> {
    let missing = MIGRATIONS.get(found as usize..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in missing {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known_version())?;
    transaction.commit()
}

/// The database's own check of the pages of each table and its indexes.
fn check(connection: &Connection, tables: &[&str]) -> Result<(), Unusable> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(Unusable::Damaged("it is a database of another application".into()));
    }
    for table in tables {
        let finding: String = connection.query_row(&format!("PRAGMA quick_check('{table}')"), [], |row| row.get(0))?;
        if finding != "ok" {
            return Err(Unusable::Damaged(format!("table {table}: {}", finding.replace('\n', "; "))));
        }
    }
    Ok(())
}

/// Whether the last daemon ended orderly; until this one does, the answer is no.
fn take_clean_mark(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(connection.execute("DELETE FROM meta WHERE key = 'stopped_cleanly'", [])? > 0)
}

/// Written by the last transaction of all: the daemon that wrote it has ended orderly.
pub(super) fn put_clean_mark(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('stopped_cleanly', '')", []).map(drop)
}

/// When the last transaction happened.
pub(super) fn last_alive(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let written: Option<String> =
        connection.query_row("SELECT value FROM meta WHERE key = 'alive'", [], |row| row.get(0)).optional()?;
    Ok(written.and_then(|text| {
        let (steady, wall) = text.split_once(' ')?;
        Some(Timestamp::from_lines(steady.parse().ok()?, wall.parse().ok()?))
    }))
}

/// Where the clock of the last daemon stood when it started.
pub(super) fn anchor(connection: &Connection) -> rusqlite::Result<Option<Anchor>> {
    let sql = "SELECT value FROM meta WHERE key = 'clock'";
    let written: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    // One that cannot be read is as good as none: the wall clock tells nearly as well.
    Ok(written.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Remembers where the clock of this daemon stands.
pub(super) fn put_anchor(connection: &Connection, anchor: &Anchor) -> rusqlite::Result<()> {
    // Plain data with text keys, which JSON can always hold.
    let text = serde_json::to_string(anchor).unwrap_or_default();
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('clock', ?1)", [text]).map(drop)
}

/// Remembers, within a transaction, when it happened.
pub(super) fn put_alive(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO meta VALUES ('alive', ?1)";
    connection.prepare_cached(sql)?.execute([format!("{} {}", now.steady_ms(), now.wall_ms())]).map(drop)
}

/// Renames the database with its WAL, so that the database finds both together under the new name.
fn move_aside(path: &Path, why: &str, now: Timestamp) -> Result<PathBuf, StoreError> {
    /// A daemon that moves aside a hundred databases in one second has no better place for the next one.
    const MOST_TURNS: u32 = 100;
    let named = |turn: u32| {
        let turn = if turn == 1 { String::new() } else { format!("-{turn}") };
        path.with_extension(format!("db.{why}-{}{turn}", now.to_compact()))
    };
    let target = (1..=MOST_TURNS).map(named).find(|target| !target.exists()).unwrap_or_else(|| named(1));
    for suffix in ["", "-wal", "-shm"] {
        let from = suffixed(path, suffix);
        match fs::rename(&from, suffixed(&target, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed("move aside", &from)(error));
            }
            _ => {}
        }
    }
    if let Some(dir) = path.parent() {
        files::sync_dir(dir)?;
    }
    Ok(target)
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::silence::Scope;
    use crate::status::trail::{Topic, TrailQuery};
    use crate::store::Store;
    use crate::target::Labels;

    /// A new version that took an old database for a damaged one would begin with an empty one.
    #[test]
    fn a_database_of_the_first_version_is_migrated_with_all_that_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let connection = Connection::open(dir.path().join(DATABASE)).unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute_batch(
                r#"INSERT INTO audit VALUES (7, 10, 10, 'api', 'leak_confirmed', '{"id":"hw_1"}');
                   INSERT INTO silences VALUES ('a1', 'api', 10, 10, 5000, 5000, 'deploy');"#,
            )
            .unwrap();
        drop(connection);
        let now = Timestamp::from_unix_ms(100);
        let (store, notes) = Store::open(dir.path(), now).unwrap();
        assert_eq!(notes, [OpenNote::Migrated { from: 1, to: known_version() }]);
        let (trail, silences) =
            store.read(|reader| Ok((reader.events(&TrailQuery::default(), now)?, reader.silences(now)?))).unwrap();
        let event = &trail.events[0];
        assert_eq!((event.id, event.topic, event.kind.as_str()), (7, Topic::Alert, "leak_confirmed"));
        assert_eq!(event.detail["id"], "hw_1");
        assert_eq!(silences[0].scope, Scope::new(Some("api"), &Labels::new()).unwrap());
        assert_eq!(silences[0].why, "deploy");
    }
}
