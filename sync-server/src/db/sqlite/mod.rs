//! SQLite: the default database. One writer thread with group commit, readers that never wait for it.

mod accounts;
mod audit;
mod audit_search;
mod census;
mod commit;
mod copy;
mod files;
mod imports;
mod log_end;
mod marker;
mod migrations;
mod names;
mod org;
mod people;
mod people_api;
mod push;
mod read;
mod readers;
mod rebuild;
mod reviews;
mod scratch;
mod sessions;
mod share;
mod stored;
mod trace;
mod verify;
mod verify_audit;
mod verify_log;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, BatchId, BlobHash, ChangeHash, DeviceId, RecordId, UserId};
use gridpass_core::wire::{BucketCursor, Cursor, Nonce, Role, Touched};
use rusqlite::config::DbConfig;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use rusqlite::types::FromSql;
use rusqlite::{Connection, ErrorCode, Row, Transaction};

use super::{
    AssignmentRow, BucketRead, Census, Database, DbError, DeviceRow, EnrolRefusal, EnrolledRow, Fault, ImportedChange,
    ItemRef, Manifest, NewPack, Principal, PushFacts, Rebuilt, RecordFacts, Underway,
};
use crate::import::batch::Batch;
use crate::log::{Audit, Commit};
use crate::org::Node;
use commit::execute;
pub use copy::{beside, is_open, mark_as_copy, verify_copy};
use marker::Marker;
use readers::Readers;
pub use scratch::Scratch;
pub use writer::Work;
use writer::Writer;

/// The database's file in the data folder.
pub const FILE: &str = "gridpass.sqlite";
/// The marker beside it.
pub const MARKER: &str = "heads";

/// The database of a server in one file.
pub struct Sqlite {
    epoch: u64,
    // Closed before the writer, which as the last one folds the write-ahead log into the file.
    readers: Readers,
    writer: Writer,
}

/// How a database file was found when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// As it was left.
    AsLeft,
    /// A copy was put in its place. The epoch was renewed.
    Older,
}

impl Sqlite {
    /// Opens the database in `folder`, making it if there is none. `fresh_epoch` is used where a new epoch is due.
    ///
    /// Beside the file lies a marker with the epoch and the sum of all heads. A database behind its marker or of another
    /// epoch, and one that is a copy, was put back: sequence numbers that phones have seen would be given out
    /// again, so the epoch is renewed.
    pub fn open(folder: &Path, fresh_epoch: u64) -> Result<(Self, Opened), DbError> {
        let path = folder.join(FILE);
        let marker = folder.join(MARKER);
        let mut put_back = copy::is_copy(&path);
        if put_back {
            copy::set_log_aside(&path, fresh_epoch)?;
        }
        let mut connection = Connection::open(&path).map_err(backend("opening"))?;
        if put_back {
            copy::renew(&mut connection, fresh_epoch)?; // in rollback mode still: whole or not at all
        }
        configure(&mut connection)?;
        migrations::migrate(&mut connection)?;
        match meta::<i64>(&connection, "epoch")? {
            None => execute(
                &connection,
                "storing the epoch",
                "INSERT INTO meta (key, value) VALUES ('epoch', ?1)",
                [fresh_epoch.cast_signed()],
            )?,
            Some(_) if put_back => {}
            Some(epoch) => {
                let seen = marker::read(&marker);
                let heads = writer::sum_of_heads(&connection)?;
                put_back = seen.is_some_and(|(seen, sum)| seen != epoch.cast_unsigned() || heads < sum);
                if put_back {
                    copy::renew(&mut connection, fresh_epoch)?;
                }
            }
        }
        if put_back {
            files::forget_uploads(&connection)?; // their pieces belong to another day
            sessions::forget(&connection)?;
        }
        let epoch = meta::<i64>(&connection, "epoch")?.map_or(fresh_epoch, i64::cast_unsigned);
        let writer = Writer::start(connection, Marker::new(marker, epoch))?;
        let opened = if put_back { Opened::Older } else { Opened::AsLeft };
        Ok((Self { epoch, writer, readers: Readers::new(path) }, opened))
    }

    /// Limits how large the file may become, in megabytes; 0 = no limit. What does not fit is refused as on a full disk.
    pub fn set_max_mb(&self, megabytes: u32) -> Result<(), DbError> {
        const STEP: &str = "limiting the size";
        self.writer.run(STEP, 0, move |connection| {
            let page: u32 =
                connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(backend(STEP))?;
            let pages = match megabytes {
                0 => u32::MAX - 1,
                _ => u32::try_from(u64::from(megabytes) * 1_000_000 / u64::from(page.max(1))).unwrap_or(u32::MAX - 1),
            };
            let set = connection.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0));
            set.map(|_| ()).map_err(backend(STEP))
        })
    }

    /// The newest time that was ever recorded, in milliseconds since 1970; the server's clock never goes behind it.
    pub fn last_time(&self) -> Result<i64, DbError> {
        self.read("reading the last time", |tx| Ok(meta(tx, "last_time")?.unwrap_or(0)))
    }

    /// What the writer has done and has to do.
    pub fn work(&self) -> &Work {
        &self.writer.done
    }

    /// Runs a read in one transaction, so that all of it sees the same moment.
    fn read<T>(
        &self,
        step: &'static str,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        self.readers.with(|connection| {
            let transaction = connection.transaction().map_err(backend(step))?;
            run(&transaction)
        })
    }
}

const FULL: &str =
    "the disk, or max_database_mb, is full: make room; nothing of this was written, and what was stored is kept";
/// Kilobytes of pages that the writer holds, and pages after which the log is folded into the file.
const ORDINARY: (i64, i64) = (2_000, 4_000);
/// The same while very many rows come. Their names are spread over all pages, so that every batch touches thousands of
/// them: held, they are not read again for each batch, and folded rarely, a page is written once for many. A larger cache
/// changes nothing, for each batch writes all that it has touched.
const BULK: (i64, i64) = (32_000, 64_000);

fn configure(connection: &mut Connection) -> Result<(), DbError> {
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(backend("configuring"))?;
    connection.busy_handler(Some(wait_for_another)).map_err(backend("configuring"))?;
    keep_statements(connection)
}

/// Waits for the writer of another process, ten seconds in all. It looks often: where an import runs beside the server,
/// the moments between two of its commits are short, and SQLite's own handler would sleep through most of them.
fn wait_for_another(times: i32) -> bool {
    const EVERY_MS: i32 = 2;
    std::thread::sleep(Duration::from_millis(EVERY_MS.unsigned_abs().into()));
    times < 10_000 / EVERY_MS
}

/// Prepares each statement once. Without the plan's stability SQLite would prepare many of them again for every new
/// value: it was built to look at values while it plans.
fn keep_statements(connection: &Connection) -> Result<(), DbError> {
    connection.set_prepared_statement_cache_capacity(128);
    let stable = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
    stable.map(|_| ()).map_err(backend("configuring"))
}

/// The error of a failing step. SQLite's messages name tables and columns, never what is in them.
fn backend(step: &'static str) -> impl Fn(rusqlite::Error) -> DbError {
    move |error| {
        let cause = error.to_string();
        // The file that connections share beside the database has no room.
        let shared = error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHMSIZE);
        match error.sqlite_error_code() {
            // The limit of the settings is told the same way.
            Some(ErrorCode::DiskFull) => DbError::Storage { step, cause: FULL.into() },
            _ if shared => DbError::Storage { step, cause: FULL.into() },
            Some(ErrorCode::ReadOnly | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
                DbError::Storage { step, cause }
            }
            _ => DbError::Backend { step, cause },
        }
    }
}

fn meta<T: FromSql>(connection: &Connection, key: &str) -> Result<Option<T>, DbError> {
    optional(connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)), "reading meta")
}

fn optional<T>(result: rusqlite::Result<T>, step: &'static str) -> Result<Option<T>, DbError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(backend(step)(error)),
    }
}

/// Hashes lie one after the other in one column.
fn join_hashes(hashes: &[ChangeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn split_hashes(bytes: &[u8], table: &'static str) -> Result<Vec<ChangeHash>, DbError> {
    match bytes.len() % 32 {
        0 => Ok(bytes.chunks_exact(32).filter_map(|hash| ChangeHash::try_from(hash).ok()).collect()),
        _ => Err(DbError::Damaged { table }),
    }
}

/// A column that holds the bytes of an id, hash or bucket.
fn named<T: for<'a> TryFrom<&'a [u8]>>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let bytes = row.get_ref(column)?.as_blob()?;
    T::try_from(bytes)
        .map_err(|_| rusqlite::Error::InvalidColumnType(0, column.to_owned(), rusqlite::types::Type::Blob))
}

fn named_or_null<T: for<'a> TryFrom<&'a [u8]>>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)?.as_blob_or_null()? {
        Some(_) => named(row, column).map(Some),
        None => Ok(None),
    }
}

fn bucket_number(connection: &Connection, bucket: Bucket) -> Result<Option<u32>, DbError> {
    let mut statement =
        connection.prepare_cached("SELECT number FROM bucket WHERE name = ?1").map_err(backend("finding a bucket"))?;
    optional(statement.query_row([bucket.to_bytes()], |row| row.get(0)), "finding a bucket")
}

impl Database for Sqlite {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn commit_later(&self, now_ms: i64, commits: Vec<Commit>) -> Result<Underway, DbError> {
        let work = commits.iter().map(Commit::work).sum();
        let job = move |connection: &Connection| commit::apply(connection, now_ms, commits);
        self.writer.later("committing", now_ms, work, job)
    }

    fn push_facts(
        &self,
        principal: &Principal,
        _: i64,
        items: &[ItemRef],
        most_bytes: usize,
    ) -> Result<PushFacts, DbError> {
        self.read("looking up a push", |tx| push::facts(tx, principal.device, items, most_bytes))
    }

    fn standing(
        &self,
        _: &Principal,
        _: i64,
        records: &[RecordId],
    ) -> Result<BTreeMap<RecordId, RecordFacts>, DbError> {
        self.read("looking up records", |tx| push::standing(tx, records))
    }

    fn bulk(&self, many: bool) -> Result<(), DbError> {
        const STEP: &str = "making ready for many rows";
        let (cache_kb, checkpoint) = if many { BULK } else { ORDINARY };
        self.writer.run(STEP, 0, move |connection| {
            connection.pragma_update(None, "cache_size", -cache_kb).map_err(backend(STEP))?;
            let set = connection.pragma_update_and_check(None, "wal_autocheckpoint", checkpoint, |_| Ok(()));
            set.map_err(backend(STEP))
        })
    }

    fn import_batches(&self, _: &Principal, _: i64) -> Result<Vec<Batch>, DbError> {
        self.read("listing imports", |tx| imports::batches(tx))
    }

    fn import_changes(
        &self,
        _: &Principal,
        _: i64,
        batch: BatchId,
        before: i64,
        limit: usize,
    ) -> Result<Vec<ImportedChange>, DbError> {
        self.read("reading an import", |tx| imports::changes(tx, batch, before, limit))
    }

    fn import_hashes(
        &self,
        _: &Principal,
        _: i64,
        batch: BatchId,
        record: RecordId,
    ) -> Result<Vec<ChangeHash>, DbError> {
        self.read("reading an import", |tx| imports::hashes(tx, batch, record))
    }

    fn homes(&self, _: &Principal, _: i64, records: &[RecordId]) -> Result<BTreeMap<RecordId, Bucket>, DbError> {
        self.read("finding homes", |tx| push::homes(tx, records))
    }

    fn heads(&self, _: &Principal, _: i64, buckets: &[Bucket]) -> Result<BTreeMap<Bucket, u64>, DbError> {
        self.read("reading heads", |tx| read::heads(tx, buckets))
    }

    fn pull(
        &self,
        _: &Principal,
        _: i64,
        scope: &[Bucket],
        cursors: &[BucketCursor],
        limit: usize,
    ) -> Result<Vec<BucketRead>, DbError> {
        self.read("pulling", |tx| read::pull(tx, self.epoch, scope, cursors, limit))
    }

    fn whole(&self, _: &Principal, _: i64, scope: &[Bucket], records: &[RecordId]) -> Result<Vec<Touched>, DbError> {
        self.read("reading whole records", |tx| read::whole(tx, scope, records))
    }

    fn bucket_records(
        &self,
        _: &Principal,
        _: i64,
        bucket: Bucket,
        size: usize,
        take: &mut dyn FnMut(Vec<Touched>) -> Result<(), DbError>,
    ) -> Result<Cursor, DbError> {
        self.read("reading a bucket", |tx| read::bucket_records(tx, self.epoch, bucket, size, take))
    }

    fn manifest(&self, _: &Principal, _: i64, bucket: Bucket) -> Result<Option<Manifest>, DbError> {
        self.read("reading a manifest", |tx| read::manifest(tx, self.epoch, bucket))
    }

    fn put_manifest(&self, now_ms: i64, bucket: Bucket, as_of: Cursor, packs: Vec<NewPack>) -> Result<(), DbError> {
        self.writer.run("storing packs", now_ms, move |connection| {
            read::put_manifest(connection, now_ms, bucket, as_of, &packs)
        })
    }

    fn pack(&self, _: &Principal, _: i64, scope: &[Bucket], hash: BlobHash) -> Result<Option<Vec<u8>>, DbError> {
        self.read("reading a pack", |tx| read::pack(tx, scope, hash))
    }

    fn add_server_actors(&self, now_ms: i64, actors: &[(ActorId, Role)]) -> Result<(), DbError> {
        const STEP: &str = "noting the server's writers";
        // Once per epoch something is written; a command over a full disk gets on without it.
        if self.read(STEP, |tx| people::knows_actors(tx, actors))? {
            return Ok(());
        }
        let actors = actors.to_vec();
        self.writer.run(STEP, now_ms, move |c| people::add_server_actors(c, now_ms, &actors))
    }

    fn assignments(&self, _: &Principal, _: i64, user: UserId) -> Result<Vec<AssignmentRow>, DbError> {
        self.read("reading assignments", |tx| people::assignments(tx, user))
    }

    fn add_user(&self, now_ms: i64, id: UserId, login: &str, name: &str) -> Result<(), DbError> {
        let (login, name) = (login.to_owned(), name.to_owned());
        self.writer.run("adding a user", now_ms, move |c| people::add_user(c, now_ms, id, &login, &name))
    }

    fn user_by_login(&self, _: &Principal, _: i64, login: &str) -> Result<Option<UserId>, DbError> {
        self.read("finding a user", |tx| people::user_by_login(tx, login))
    }

    fn assign(&self, now_ms: i64, user: UserId, assignment: &AssignmentRow) -> Result<(), DbError> {
        let assignment = assignment.clone();
        self.writer.run("assigning", now_ms, move |c| people::assign(c, now_ms, user, &assignment))
    }

    fn end_assignments(&self, now_ms: i64, user: UserId, post: Node, at_ms: i64) -> Result<usize, DbError> {
        self.writer.run("ending assignments", now_ms, move |c| people::end_assignments(c, now_ms, user, post, at_ms))
    }

    fn add_enrol_code(&self, now_ms: i64, hash: [u8; 32], user: UserId, expires_ms: i64) -> Result<(), DbError> {
        self.writer.run("giving out a code", now_ms, move |c| people::add_enrol_code(c, now_ms, hash, user, expires_ms))
    }

    fn enrol(
        &self,
        now_ms: i64,
        code_hash: [u8; 32],
        device: DeviceId,
        public_key: &[u8],
        nonce: Nonce,
        app_version: &str,
    ) -> Result<Result<EnrolledRow, EnrolRefusal>, DbError> {
        let (public_key, app_version) = (public_key.to_vec(), app_version.to_owned());
        self.writer.run("enrolling", now_ms, move |c| {
            people::enrol(c, now_ms, code_hash, device, &public_key, nonce, &app_version)
        })
    }

    fn device(&self, _: &Principal, _: i64, id: DeviceId) -> Result<Option<DeviceRow>, DbError> {
        self.read("finding a phone", |tx| people::device(tx, id))
    }

    fn device_by_token(&self, now_ms: i64, token_hash: [u8; 32]) -> Result<Option<DeviceRow>, DbError> {
        self.read("finding a token", |tx| people::device_by_token(tx, now_ms, token_hash))
    }

    fn add_challenge(
        &self,
        now_ms: i64,
        device: DeviceId,
        challenge: [u8; 32],
        expires_ms: i64,
    ) -> Result<(), DbError> {
        self.writer.run("storing a challenge", now_ms, move |c| {
            people::add_challenge(c, now_ms, device, challenge, expires_ms)
        })
    }

    fn take_challenge(
        &self,
        now_ms: i64,
        device: DeviceId,
        challenge: &[u8],
        token_hash: [u8; 32],
        expires_ms: i64,
        nonces: &[Nonce],
        app_version: &str,
    ) -> Result<bool, DbError> {
        let (challenge, nonces, app_version) = (challenge.to_vec(), nonces.to_vec(), app_version.to_owned());
        self.writer.run("giving out a token", now_ms, move |c| {
            people::take_challenge(c, now_ms, device, &challenge, token_hash, expires_ms, &nonces, &app_version)
        })
    }

    fn revoke(&self, now_ms: i64, device: DeviceId) -> Result<bool, DbError> {
        self.writer.run("revoking a phone", now_ms, move |c| people::revoke(c, now_ms, device))
    }

    fn audit(&self, now_ms: i64, audit: Audit) -> Result<(), DbError> {
        self.writer.run("writing the audit", now_ms, move |c| commit::audit(c, now_ms, &audit))
    }

    fn backup(&self, to: &Path) -> Result<BTreeMap<Bucket, u64>, DbError> {
        self.readers.with(|source| copy::copy(source, to))
    }

    fn durable(&self, now_ms: i64, heads: &BTreeMap<Bucket, u64>) -> Result<(), DbError> {
        let heads = heads.clone();
        self.writer.run("noting a backup", now_ms, move |c| copy::durable(c, now_ms, &heads))
    }

    fn verify(&self, _: &Principal, _: i64, found: &mut dyn FnMut(Fault)) -> Result<u64, DbError> {
        self.read("verifying", |tx| verify::verify(tx, found))
    }

    fn verify_buckets(
        &self,
        _: &Principal,
        _: i64,
        buckets: &[Bucket],
        found: &mut dyn FnMut(Fault),
    ) -> Result<u64, DbError> {
        self.read("verifying", |tx| verify::verify_buckets(tx, buckets, found))
    }

    fn rebuild(&self, now_ms: i64, found: &mut dyn FnMut(Fault)) -> Result<Rebuilt, DbError> {
        const STEP: &str = "rebuilding";
        let mut done = Rebuilt::default();
        let mut note = |piece: rebuild::Piece| {
            done.records += piece.done.records;
            done.buckets += piece.done.buckets;
            done.differed += piece.done.differed;
            piece.faults.into_iter().for_each(&mut *found);
            piece.next
        };
        note(self.writer.run(STEP, now_ms, rebuild::heads)?);
        let mut after = Some(i64::MIN);
        while let Some(last) = after {
            after = note(self.writer.run(STEP, now_ms, move |c| rebuild::records(c, now_ms, last))?);
        }
        note(self.writer.run(STEP, now_ms, rebuild::sums)?);
        Ok(done)
    }

    fn census(&self, _: &Principal, now_ms: i64) -> Result<Census, DbError> {
        self.read("counting", |tx| census::census(tx, now_ms))
    }

    fn trace(&self, _: &Principal, _: i64, record: RecordId) -> Result<Vec<serde_json::Value>, DbError> {
        self.read("tracing", |tx| trace::trace(tx, record))
    }
}

/// Rows of a statement, collected.
fn rows<T>(
    connection: &Connection,
    step: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, DbError> {
    let mut statement = connection.prepare_cached(sql).map_err(backend(step))?;
    let found = statement.query_map(params, read).map_err(backend(step))?;
    found.collect::<rusqlite::Result<_>>().map_err(backend(step))
}
