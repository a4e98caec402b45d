//! What must survive: the state database, the blocks of samples in it, and the snapshot directory beside it.
//!
//! All functions block; the daemon calls them off its async threads. A failed write is an error value and leaves
//! the store as it was, so that it can go on failing on a full disk and recover when there is space again.

mod block;
pub mod documents;
mod files;
mod history;
mod opening;
mod reader;
pub mod record;
mod reserve;
mod schema;
pub mod sidecar;
pub mod snapshots;
mod trail;
mod varint;
mod writer;

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::clock::{Anchor, Timestamp};
use crate::store::opening::Opened;

pub use reader::Reader;
pub use writer::{Keep, Writer};

/// The state database, open.
#[derive(Debug)]
pub struct Store {
    /// One connection: there is one writer, and readers within the daemon are short.
    connection: Mutex<Connection>,
    /// The last moment the daemon was known to run before this start.
    last_alive: Option<Timestamp>,
    /// Where the steady line of that daemon stood when it started.
    anchor: Option<Anchor>,
    /// Whether the daemon before this one ended orderly.
    stopped_cleanly: bool,
    /// How this process has the directory. Locked after the connection where both are.
    hold: Mutex<Hold>,
    /// What could not be understood of what was read so far.
    unreadable: AtomicU64,
}

/// How a process has a state directory.
#[derive(Debug)]
enum Hold {
    /// As its daemon; the lock goes with the file.
    Daemon { _lock: File },
    /// As a command that joined the daemon, or as nobody but in memory.
    Guest,
    /// As a daemon that found it read-only, and reads what there is. Each transaction tries to take the directory.
    Reading(PathBuf),
}

/// Something a person should know about how the store came up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenNote {
    /// The database was unreadable; a new one was begun.
    #[error("the state database was damaged ({why}); it was moved to `{}` and a new one begun", moved_to.display())]
    Damaged {
        /// Where it is now.
        moved_to: PathBuf,
        /// What was wrong.
        why: String,
    },
    /// The database was written by a newer heapwatch; a new one was begun.
    #[error(
        "the state database has schema version {found}, this heapwatch knows {known}; it was moved to `{}` and a new \
         one begun", moved_to.display()
    )]
    Newer {
        /// Where it is now.
        moved_to: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest one this executable knows.
        known: u32,
    },
    /// An older database was brought up to date.
    #[error("the state database was migrated from schema version {from} to {to}")]
    Migrated {
        /// Its version before.
        from: u32,
        /// Its version now.
        to: u32,
    },
}

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another daemon has the directory.
    #[error("the state directory `{}` is in use by {holder}", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// What the other one wrote into its lock file.
        holder: String,
    },
    /// A file or directory could not be opened, made or moved.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Others could put files where secrets are stored.
    #[error("`{}` is writable by others (mode {mode:o}): make it mode 700, or name another directory", dir.display())]
    WritableByOthers {
        /// The directory.
        dir: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A command met a database that the daemon of its own version has not opened yet.
    #[error("`{}` has schema version {found}, this heapwatch knows {known}: start the daemon of this version first", path.display())]
    Version {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The one this executable knows.
        known: u32,
    },
    /// No stored snapshot has this name.
    #[error("there is no snapshot `{name}` (`heapwatch snapshots` lists them)")]
    NoSuchSnapshot {
        /// As it was asked for.
        name: String,
    },
    /// The database refused: disk full, read-only, damaged.
    #[error("the state database failed")]
    Database(#[from] rusqlite::Error),
    /// A row holds something that this heapwatch cannot read.
    #[error("the state database has an unreadable {what}")]
    Unreadable {
        /// Which row.
        what: String,
    },
}

/// Kinds of [`StoreError`] that a person handles differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trouble {
    /// No space, or over a quota: recovers when there is some.
    DiskFull,
    /// Permissions or a read-only file system.
    NotWritable,
    /// The database is unreadable; the next start moves it aside.
    Damaged,
    /// What was to be written is at fault, not the database: trying again is in vain.
    Row,
    /// Anything else, such as a database that another process has locked.
    Other,
}

impl Store {
    /// Opens the database in `dir`, which is created with mode 0700 where it is missing, brings its schema up to
    /// date and takes the directory for this process alone. What is damaged or newer is moved aside, never deleted.
    ///
    /// # Errors
    /// When another daemon has the directory, or nothing can be read or written there at all.
    pub fn open(dir: &Path, now: Timestamp) -> Result<(Self, Vec<OpenNote>), StoreError> {
        let (opened, lock, notes) = take(dir, now)?;
        Ok((Self::of(opened, Hold::Daemon { _lock: lock }), notes))
    }

    /// The same for a daemon that must watch whatever the disk is like: where the file system is read-only, it goes on
    /// with what can be read there. Every transaction then fails, until one finds that the directory can be written.
    ///
    /// # Errors
    /// As [`Self::open`], a read-only file system excepted.
    pub fn open_or_read(dir: &Path, now: Timestamp) -> Result<(Self, Vec<OpenNote>), StoreError> {
        match Self::open(dir, now) {
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::ReadOnlyFilesystem => {
                Ok((Self::of(opening::read(dir)?, Hold::Reading(dir.to_owned())), Vec::new()))
            }
            opened => opened,
        }
    }

    fn of(opened: Opened, hold: Hold) -> Self {
        let Opened { connection, last_alive, anchor, stopped_cleanly } = opened;
        Self {
            connection: Mutex::new(connection),
            last_alive,
            anchor,
            stopped_cleanly,
            hold: Mutex::new(hold),
            unreadable: AtomicU64::new(0),
        }
    }

    /// Joins the daemon on its database, or works on it while no daemon runs: for commands that ask, pin or silence.
    ///
    /// # Errors
    /// When there is no database, or one of another schema version: only the daemon migrates.
    pub fn attach(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(opening::DATABASE);
        std::fs::metadata(&path).map_err(files::failed("open", &path))?;
        let connection = opening::connect(&path)?;
        let (found, known) = (opening::version(&connection)?, opening::known_version());
        if found != known {
            return Err(StoreError::Version { path, found, known });
        }
        let (last_alive, anchor) = (opening::last_alive(&connection)?, opening::anchor(&connection)?);
        Ok(Self::of(Opened { connection, last_alive, anchor, stopped_cleanly: true }, Hold::Guest))
    }

    /// A store that lives as long as the process: for a trial without a state directory.
    pub fn open_in_memory() -> Result<Self, StoreError> {
        Ok(Self::of(opening::in_memory()?, Hold::Guest))
    }

    /// The last moment a daemon was known to run on this directory before it was opened now. The steady line of the
    /// clock goes on from here, so that intervals survive a restart.
    pub fn last_alive(&self) -> Option<Timestamp> {
        self.last_alive
    }

    /// Where the steady line of an earlier daemon stood, by the system's own count of time.
    pub fn anchor(&self) -> Option<&Anchor> {
        self.anchor.as_ref()
    }

    /// Remembers where the steady line of this daemon stands, for the next one.
    pub fn put_anchor(&self, anchor: &Anchor) -> Result<(), StoreError> {
        Ok(opening::put_anchor(&self.connection(), anchor)?)
    }

    /// Whether the daemon before this one ended orderly. Where not, samples after its last block are missing.
    pub fn stopped_cleanly(&self) -> bool {
        self.stopped_cleanly
    }

    /// Does all that `changes` writes or, where it fails, none of it. What is committed is on the disk.
    pub fn transaction<T>(
        &self,
        now: Timestamp,
        changes: impl FnOnce(&Writer<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection();
        let is_daemon = self.take_if_reading(&mut connection, now)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcome = changes(&Writer::new(&transaction, now))?;
        if is_daemon {
            opening::put_alive(&transaction, now)?;
        }
        transaction.commit()?;
        Ok(outcome)
    }

    /// Reads one consistent state.
    pub fn read<T>(&self, question: impl FnOnce(&Reader<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let reader = Reader::new(&transaction);
        let answer = question(&reader);
        self.count_unreadable(reader.left_out());
        answer
    }

    /// How much could not be understood of what was read so far: rows that were left out, and whatever
    /// [`Self::count_unreadable`] was told of. The pages of the database are sound then; what they hold is not.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Whoever reads has found that many documents that are none.
    pub fn count_unreadable(&self, documents: u64) {
        self.unreadable.fetch_add(documents, Ordering::Relaxed);
    }

    /// Takes the directory where it was read-only so far; whether this is its daemon.
    fn take_if_reading(&self, connection: &mut Connection, now: Timestamp) -> Result<bool, StoreError> {
        let mut hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        if let Hold::Reading(dir) = &*hold {
            let (opened, lock, notes) = take(dir, now)?;
            for note in notes {
                tracing::warn!("{note}");
            }
            *connection = opened.connection;
            *hold = Hold::Daemon { _lock: lock };
        }
        Ok(matches!(*hold, Hold::Daemon { .. }))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic within a transaction has rolled it back, so the connection is as good as before.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a directory for this process, with what is in it, in whatever state that is.
fn take(dir: &Path, now: Timestamp) -> Result<(Opened, File, Vec<OpenNote>), StoreError> {
    files::open_root(dir)?;
    let taken = opening::take(dir)?;
    let opened = match opening::open(dir, &taken, now) {
        Err(_) if reserve::release(dir)? => opening::open(dir, &taken, now),
        first => first,
    };
    let (opened, notes) = opened?;
    taken.sign(now);
    // Without it this start is as good, and the next one puts it by.
    reserve::put_by(dir).ok();
    Ok((opened, taken.lock, notes))
}

/// An orderly end: the next daemon need not look for damage or missing samples.
impl Drop for Store {
    fn drop(&mut self) {
        let hold = self.hold.get_mut().unwrap_or_else(PoisonError::into_inner);
        if matches!(hold, Hold::Daemon { .. }) {
            // Where this fails, the next start merely checks more.
            opening::put_clean_mark(&self.connection()).ok();
        }
    }
}

impl StoreError {
    /// What kind of trouble it is, for metrics and for the one alert about it.
    pub fn trouble(&self) -> Trouble {
        let Self::Database(error) = self else {
            return match self {
                Self::Io { source, .. } => Trouble::of_io(source.kind()),
                _ => Trouble::Other,
            };
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Trouble::DiskFull,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => Trouble::NotWritable,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Damaged,
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => Trouble::Row,
            _ => Trouble::Other,
        }
    }
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::DiskFull, Self::NotWritable, Self::Damaged, Self::Row, Self::Other];

    /// The name in metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::NotWritable => "not_writable",
            Self::Damaged => "damaged",
            Self::Row => "row",
            Self::Other => "other",
        }
    }

    fn of_io(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::DiskFull,
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::NotWritable,
            _ => Self::Other,
        }
    }
}
