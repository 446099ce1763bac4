//! The phone's database: SQLCipher, one writer, readers that never wait.
//!
//! | table | file |
//! |---|---|
//! | meta | [`meta`] |
//! | bucket, bucket_pack, settled_bucket | [`bucket`] |
//! | settled, wanted | [`settled`] |
//! | pending, kept, batch | [`pending`] |
//! | quarantine | [`quarantine`] |
//! | receipt_sheet, receipt | [`receipt`] |
//! | draft | [`draft`] |
//! | file, file_ref, file_part | [`files`] |
//! | view, link, search | [`view`] |
//!
//! Every function takes a connection and does one thing; transactions are opened by whoever knows what belongs together.

pub(crate) mod bucket;
mod columns;
pub(crate) mod draft;
mod file;
pub(crate) mod files;
pub(crate) mod meta;
mod migrate;
pub(crate) mod pending;
pub(crate) mod quarantine;
pub(crate) mod receipt;
pub(crate) mod settled;
pub(crate) mod under;
pub(crate) mod view;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gridpass_core::seal::SecretKey;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(crate) use file::{DATABASE, set_aside};

use crate::durable;
use crate::error::ApiError;
use crate::host::HostError;
use crate::outbox::OutboxError;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The key is not the one the database was made with. The file was not touched.
    #[error("the database key is not the one of this database")]
    WrongKey,
    /// A newer app wrote the database.
    #[error("the database has schema {found}, this app knows {known}")]
    Newer {
        /// The schema's number.
        found: u32,
        /// The newest this app knows.
        known: u32,
    },
    /// The file is damaged.
    #[error("the database is damaged: {step}")]
    Damaged {
        /// What was tried.
        step: &'static str,
    },
    /// SQLite refused.
    #[error("{step}: {source}")]
    Sqlite {
        /// What was tried.
        step: &'static str,
        /// What it said.
        source: rusqlite::Error,
    },
    /// The disk is full. Nothing of what was tried is stored.
    #[error("the disk is full: {step}")]
    Full {
        /// What was tried.
        step: &'static str,
    },
    /// The file system refused.
    #[error("the file system failed: {step}")]
    Io {
        /// What was tried.
        step: &'static str,
    },
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The outbox refused.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// What was asked for inside a transaction cannot be done; nothing of it is stored.
    #[error("{0}")]
    Refused(Box<ApiError>),
}

impl StoreError {
    /// The error of a step on a file.
    pub(crate) fn io(step: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| if durable::is_full(&error) { Self::Full { step } } else { Self::Io { step } }
    }
}

impl From<ApiError> for StoreError {
    fn from(error: ApiError) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
        // The file that connections share beside the database has no room.
        let shared = source.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHMSIZE);
        match source.sqlite_error_code() {
            Some(DiskFull) => Self::Full { step: "read or write" },
            _ if shared => Self::Full { step: "read or write" },
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged { step: "read or write" },
            _ => Self::Sqlite { step: "read or write", source },
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

/// A mark in the folder: the database was found damaged while it was open.
pub(crate) const DAMAGED: &str = "phone.damaged";

/// How many idle readers are kept.
const IDLE_READERS: usize = 3;

/// An open database.
pub(crate) struct Store {
    path: PathBuf,
    key: SecretKey,
    // Closed before the writer, which as the last one folds the write-ahead log into the file.
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
}

impl Store {
    /// Opens the database of a folder, makes it if there is none, and brings it to the newest schema.
    pub fn open(folder: &Path, key: SecretKey) -> Result<Self> {
        let path = folder.join(DATABASE);
        let mut writer = file::open(folder, &key)?;
        migrate::run(&mut writer)?;
        Ok(Self { path, key, writer: Mutex::new(writer), readers: Mutex::default() })
    }

    /// Runs one transaction on the writer; an error undoes it.
    pub fn write<T>(&self, run: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.noting_damage(|| written(&mut locked(&self.writer), run))
    }

    /// Runs one transaction that may be lost with the power, whole and with all that was not waited for before it: for
    /// what is fetched or made again then. The next [`Store::write`] waits for it too. Nothing is lost when only the app
    /// dies.
    pub fn write_unhurried<T>(&self, run: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.noting_damage(|| {
            let mut writer = locked(&self.writer);
            writer.pragma_update(None, "synchronous", "NORMAL")?;
            let result = written(&mut writer, run);
            writer.pragma_update(None, "synchronous", "FULL")?;
            result
        })
    }

    /// Runs reads that all see the same moment.
    pub fn read<T>(&self, run: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.noting_damage(|| self.seen(run))
    }

    /// Leaves a mark beside a database that turns out to be damaged: the next opening sets it aside.
    fn noting_damage<T>(&self, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let result = run();
        if let Err(StoreError::Damaged { step }) = &result {
            tracing::error!(step, "the database is damaged");
            let _ = std::fs::write(self.path.with_file_name(DAMAGED), b"");
        }
        result
    }

    fn seen<T>(&self, run: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = locked(&self.readers).pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => file::reader(&self.path, &self.key)?,
        };
        let result = {
            let tx = reader.transaction()?;
            run(&tx)?
        };
        let mut readers = locked(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(reader);
        }
        Ok(result)
    }

    /// Writes a copy of the whole database, encrypted with the same key, to a new file, and does `beside` while nothing
    /// else is written.
    pub fn copy_to(&self, target: &Path, beside: impl FnOnce() -> Result<()>) -> Result<()> {
        let writer = locked(&self.writer);
        file::copy(&writer, target, &self.key)?;
        beside()
    }
}

fn written<T>(writer: &mut Connection, run: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
    let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = run(&tx)?;
    tx.commit()?;
    Ok(result)
}

/// The lock, whatever happened to a thread that held it: what it guards is transactional.
pub(crate) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
