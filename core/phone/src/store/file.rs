//! The database as a file: opened with its key, told apart from one with another key and from a damaged one.

use std::path::{Path, PathBuf};

use gridpass_core::id::hex;
use gridpass_core::seal::SecretKey;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Result, StoreError};
use crate::durable;

/// The name of the database in the phone's folder.
pub(crate) const DATABASE: &str = "phone.db";
/// Beside it: by what its key is known, so that a wrong key is not taken for damage.
const KEY_CHECK: &str = "phone.key";

/// Opens the database of the folder for writing, or makes it.
pub(super) fn open(folder: &Path, key: &SecretKey) -> Result<Connection> {
    let path = folder.join(DATABASE);
    let check = hex(key.derive("database key check").expose());
    let stored = std::fs::read_to_string(folder.join(KEY_CHECK)).ok();
    match (path.exists(), &stored) {
        (true, Some(stored)) if *stored != check => return Err(StoreError::WrongKey),
        (true, Some(_)) => {}
        _ => durable::replace(&folder.join(KEY_CHECK), check.as_bytes()).map_err(StoreError::io("key check"))?,
    }
    let connection = Connection::open_with_flags(
        &path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    unlock(&connection, key)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", "FAST")?;
    // In KiB. A transaction that takes in packs touches more pages than the default holds; each that has to leave before
    // the end is encrypted twice.
    connection.pragma_update(None, "cache_size", -8192)?;
    // In pages: pages that many packs touch are carried over into the database once, not with each of them.
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn reader(path: &Path, key: &SecretKey) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    unlock(&connection, key)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Gives the connection its key and makes sure that something can be read with it.
fn unlock(connection: &Connection, key: &SecretKey) -> Result<()> {
    // Locked memory for every page would slow each read several times; the key itself is wiped by SQLCipher.
    connection.execute_batch(&format!(
        "PRAGMA cipher_log_level = NONE; PRAGMA key = \"x'{}'\"; PRAGMA cipher_memory_security = OFF; PRAGMA temp_store = MEMORY;",
        hex(key.expose())
    ))?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    // Each statement is prepared once: SQLite would otherwise plan many of them again for every new value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(128);
    let read = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    match read.map_err(StoreError::from) {
        Err(StoreError::Damaged { .. }) => Err(StoreError::Damaged { step: "open" }),
        other => other.map(|_| ()),
    }
}

/// Writes a copy of an open database, with the same key, to a file that is not there yet.
pub(super) fn copy(connection: &Connection, target: &Path, key: &SecretKey) -> Result<()> {
    let mut copy = Connection::open(target)?;
    unlock(&copy, key)?;
    let backup = rusqlite::backup::Backup::new(connection, &mut copy)?;
    backup.run_to_completion(1024, std::time::Duration::ZERO, None)?;
    Ok(())
}

/// Renames a damaged database and its side files, so that a new one can be made. Nothing is deleted.
pub(crate) fn set_aside(folder: &Path, now_ms: i64) -> Result<PathBuf> {
    let aside = folder.join(format!("{DATABASE}.damaged-{now_ms}"));
    for suffix in ["", "-wal", "-shm"] {
        let from = folder.join(format!("{DATABASE}{suffix}"));
        if from.exists() {
            let mut to = aside.as_os_str().to_owned();
            to.push(suffix);
            std::fs::rename(&from, PathBuf::from(to)).map_err(|_| StoreError::Io { step: "set aside" })?;
        }
    }
    durable::sync_folder(folder).map_err(|_| StoreError::Io { step: "set aside" })?;
    Ok(aside)
}
