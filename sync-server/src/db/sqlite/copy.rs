//! Copies of the database: making one while the server works, and knowing one that was put in the server's place.
//!
//! The server's own file is always in write-ahead mode, a copy made by [`copy`] always in rollback mode: two bytes of the
//! header tell them apart, wherever and by whoever the copy is put in place. Two things follow for a copy:
//!
//! - a write-ahead log beside it belongs to the file it replaced. SQLite would play it over the copy and make a mixture of
//!   two days that no check of SQLite notices, so the log is set aside;
//! - the copy begins a new epoch, because sequence numbers that phones have seen would be given out again.
//!
//! A file that was copied by other means has the server's mode. It is noticed by the marker only, and a foreign log beside
//! it is not. That is why copying the file of a running server is wrong even when it seems to work: its newest rows are in
//! the log, and pages are written into the file while it is read.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use gridpass_core::bucket::Bucket;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::commit::{audit, execute};
use super::{DbError, backend, migrations, named, rows, verify};
use crate::db::Fault;
use crate::log::Audit;

/// Copies the database into a new file, as it stands at one moment, without the tokens that phones hold. Returns the last
/// row of each bucket that the copy holds.
pub(super) fn copy(source: &Connection, to: &Path) -> Result<BTreeMap<Bucket, u64>, DbError> {
    const STEP: &str = "copying";
    let file = fs::File::create_new(to).map_err(|error| DbError::Backend { step: STEP, cause: error.to_string() })?;
    let mut target = Connection::open(to).map_err(backend("opening the copy"))?;
    // All pages in one step, so in one read: a writer neither waits nor makes it begin again.
    match Backup::new(source, &mut target).and_then(|backup| backup.step(-1)).map_err(backend(STEP))? {
        StepResult::Done => {}
        other => return Err(DbError::Backend { step: STEP, cause: format!("{other:?}") }),
    }
    target
        .execute_batch(
            "PRAGMA journal_mode = DELETE; DELETE FROM token; DELETE FROM challenge; DELETE FROM upload;
             DELETE FROM upload_part;",
        )
        .map_err(backend("finishing the copy"))?;
    let heads = rows(&target, "reading heads", "SELECT name, head FROM bucket", [], |row| {
        Ok((named::<Bucket>(row, "name")?, row.get::<_, i64>("head")?.cast_unsigned()))
    })?;
    target.close().map_err(|(_, error)| backend("closing the copy")(error))?;
    file.sync_all().map_err(|error| DbError::Backend { step: "writing the copy", cause: error.to_string() })?;
    Ok(heads.into_iter().collect())
}

/// Notes the last rows that a backup holds.
pub(super) fn durable(connection: &Connection, now_ms: i64, heads: &BTreeMap<Bucket, u64>) -> Result<(), DbError> {
    for (bucket, head) in heads {
        execute(
            connection,
            "noting a backup",
            "UPDATE bucket SET durable_seq = max(durable_seq, ?2) WHERE name = ?1",
            params![bucket.to_bytes(), head.cast_signed()],
        )?;
    }
    execute(
        connection,
        "noting a backup",
        "INSERT INTO meta (key, value) VALUES ('last_backup', ?1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [now_ms],
    )?;
    let audited = Audit { action: "backed_up", detail: "{}".into(), ..Audit::default() };
    audit(connection, now_ms, &audited)
}

/// Verifies a copy where it lies.
pub fn verify_copy(file: &Path, found: &mut dyn FnMut(Fault)) -> Result<u64, DbError> {
    let connection =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(backend("opening the copy"))?;
    migrations::check(&connection)?;
    verify::verify(&connection, found)
}

/// Makes a file that was copied from a stopped server a copy like those of `copy`.
pub fn mark_as_copy(file: &Path) -> Result<(), DbError> {
    let connection = Connection::open(file).map_err(backend("opening the copy"))?;
    connection.execute_batch("PRAGMA journal_mode = DELETE").map_err(backend("marking the copy"))
}

/// Whether a server or a command has the database open. A file that is no database is not open.
pub fn is_open(file: &Path) -> Result<bool, DbError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = Connection::open_with_flags(file, flags).map_err(backend("looking whether it is open"))?;
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(backend("looking whether it is open"))?;
    let locked =
        connection.execute_batch("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; ROLLBACK");
    Ok(locked.is_err_and(|error| {
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }))
}

/// Whether the file is a copy that was put in place and never opened.
pub(super) fn is_copy(file: &Path) -> bool {
    let mut header = [0; 20];
    let read = fs::File::open(file).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header.ends_with(&[1, 1])
}

/// Sets aside a log that belongs to the file a copy has replaced.
pub(super) fn set_log_aside(file: &Path, name: u64) -> Result<(), DbError> {
    for log in [beside(file, "-wal"), beside(file, "-shm")] {
        if log.exists() {
            tracing::warn!("a write-ahead log that is not the copy's is set aside");
            fs::rename(&log, beside(&log, &format!(".{name:016x}")))
                .map_err(|error| DbError::Backend { step: "setting a log aside", cause: error.to_string() })?;
        }
    }
    Ok(())
}

/// The file of the same name with an ending.
pub fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Begins a new epoch. What was handed out to phones since the copy was made is not known here, so all tokens end.
pub(super) fn renew(connection: &mut Connection, epoch: u64) -> Result<(), DbError> {
    const STEP: &str = "beginning a new epoch";
    let transaction = connection.transaction().map_err(backend(STEP))?;
    execute(&transaction, STEP, "DELETE FROM token", [])?;
    execute(&transaction, STEP, "DELETE FROM challenge", [])?;
    // Which epoch ended is noted in the audit as soon as the database can be written.
    execute(
        &transaction,
        STEP,
        "INSERT INTO meta (key, value) SELECT 'renewed_from', value FROM meta WHERE key = 'epoch'
         ON CONFLICT (key) DO NOTHING",
        [],
    )?;
    execute(&transaction, STEP, "UPDATE meta SET value = ?1 WHERE key = 'epoch'", [epoch.cast_signed()])?;
    transaction.commit().map_err(backend(STEP))
}
