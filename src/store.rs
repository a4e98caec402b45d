//! What must survive: the state database, the blocks of samples in it, and the snapshot directory beside it.
//!
//! All functions block; the daemon calls them off its async threads. A failed write is an error value and leaves
//! the store as it was, so that it can go on failing on a full disk and recover when there is space again.

pub mod record;
mod rows;
mod schema;
pub mod sidecar;
pub mod snapshots;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, TransactionBehavior};

use crate::clock::Timestamp;

pub use rows::{Keep, Reader, Writer};

/// The state database, open.
#[derive(Debug)]
pub struct Store {
    /// One connection: there is one writer, and readers within the daemon are short.
    connection: Mutex<Connection>,
    /// The last moment the daemon was known to run before this start.
    last_alive: Option<Timestamp>,
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

impl Store {
    /// Opens the database in `dir`, which is created with mode 0700 where it is missing, brings its schema up to
    /// date and takes the directory for this process alone. What is damaged or newer is moved aside, never deleted.
    ///
    /// # Errors
    /// When another daemon has the directory, or nothing can be read or written there at all.
    pub fn open(dir: &Path, now: Timestamp) -> Result<(Self, Vec<OpenNote>), StoreError> {
        std::fs::create_dir_all(dir).map_err(|source| StoreError::Io { action: "create", path: dir.into(), source })?;
        Ok((Self::prepare(Connection::open(dir.join("heapwatch.db"))?, now)?, Vec::new()))
    }

    /// A store that lives as long as the process: for a trial without a state directory.
    pub fn open_in_memory(now: Timestamp) -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?, now)
    }

    fn prepare(connection: Connection, _now: Timestamp) -> Result<Self, StoreError> {
        let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == 0 {
            for step in schema::MIGRATIONS {
                connection.execute_batch(step)?;
            }
            connection.pragma_update(None, "user_version", 1u32)?;
        }
        Ok(Self { connection: Mutex::new(connection), last_alive: None })
    }

    /// The last moment a daemon was known to run on this directory before it was opened now. The steady line of the
    /// clock goes on from here, so that intervals survive a restart.
    pub fn last_alive(&self) -> Option<Timestamp> {
        self.last_alive
    }

    /// Does all that `changes` writes or, where it fails, none of it. What is committed is on the disk.
    pub fn transaction<T>(
        &self,
        now: Timestamp,
        changes: impl FnOnce(&Writer<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcome = changes(&Writer::new(&transaction, now))?;
        transaction.commit()?;
        Ok(outcome)
    }

    /// Reads one consistent state.
    pub fn read<T>(&self, question: impl FnOnce(&Reader<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        question(&Reader::new(&transaction))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic within a transaction has rolled it back, so the connection is as good as before.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
