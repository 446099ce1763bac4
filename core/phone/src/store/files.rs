//! Files whose bytes are on this phone, and which records name them.

use std::collections::BTreeSet;

use gridpass_core::id::{BlobHash, RecordId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Result;
use super::columns::{bits, id};
use crate::files::Seal;
use crate::outbox::FileKey;

/// Where a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileStand {
    /// To be sent.
    Waiting,
    /// The server has it.
    Stored,
    /// The server did not take it, or it cannot be read; the reason is its code.
    Attention,
    /// The server had it and was restored since: it is offered again.
    Offered,
}

impl FileStand {
    const ALL: [Self; 4] = [Self::Waiting, Self::Stored, Self::Attention, Self::Offered];

    fn number(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Stored => 1,
            Self::Attention => 2,
            Self::Offered => 3,
        }
    }

    /// Whether the server has never said that it has it.
    pub fn is_unsent(self) -> bool {
        matches!(self, Self::Waiting | Self::Attention)
    }
}

/// One file whose bytes are on this phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// The hash of its bytes.
    pub hash: BlobHash,
    /// The sealed file.
    pub seal: Seal,
    /// How many bytes it holds.
    pub size: u64,
    /// Where it stands.
    pub stand: FileStand,
    /// How many bytes the server has, as it said last.
    pub sent: u64,
    /// How often sending it failed in a way that another file would not.
    pub attempts: u32,
    /// Whether it is a small picture of another file: these go first.
    pub small: bool,
    /// Why it needs attention.
    pub code: Option<String>,
    /// When it came to stand where it stands, by the phone's clock.
    pub since_ms: i64,
    /// When it was last looked at.
    pub used_ms: i64,
}

/// One key of a record that names a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedBy {
    /// The record.
    pub record: RecordId,
    /// The key.
    pub key: String,
    /// Whether this phone wrote it: then the server expects the bytes from here.
    pub own: bool,
}

const COLUMNS: &str = "hash, name, key, size, state, sent, attempts, small, code, since_ms, used_ms";

fn read(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    let stand: i64 = row.get(4)?;
    Ok(FileRow {
        hash: id(row, 0)?,
        seal: seal(row, 1)?,
        size: bits(row, 3)?,
        stand: FileStand::ALL.into_iter().find(|known| known.number() == stand).unwrap_or(FileStand::Attention),
        sent: bits(row, 5)?,
        attempts: row.get(6)?,
        small: row.get(7)?,
        code: row.get(8)?,
        since_ms: row.get(9)?,
        used_ms: row.get(10)?,
    })
}

fn seal(row: &Row<'_>, at: usize) -> rusqlite::Result<Seal> {
    Ok(Seal { name: row.get(at)?, key: FileKey(row.get(at + 1)?) })
}

fn list(db: &Connection, rest: &str) -> Result<Vec<FileRow>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM file {rest}"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The file, if its bytes are here.
pub fn get(db: &Connection, hash: &BlobHash) -> Result<Option<FileRow>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM file WHERE hash = ?1"))?;
    Ok(statement.query_row([hash.as_bytes().as_slice()], read).optional()?)
}

/// Every file, the one looked at longest ago first.
pub fn all(db: &Connection) -> Result<Vec<FileRow>> {
    list(db, "ORDER BY used_ms, hash")
}

/// The files to be sent or offered again, in the order they go: small pictures first, then those that never failed.
pub fn to_send(db: &Connection) -> Result<Vec<FileRow>> {
    list(db, "WHERE state IN (0, 3) ORDER BY small DESC, attempts, since_ms, hash")
}

/// Stores the file over what was there.
pub fn put(db: &Connection, file: &FileRow) -> Result<()> {
    let mut statement = db.prepare_cached(&format!(
        "INSERT INTO file ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT DO UPDATE SET name = excluded.name, key = excluded.key, size = excluded.size,
             state = excluded.state, sent = excluded.sent, attempts = excluded.attempts, small = excluded.small,
             code = excluded.code, since_ms = excluded.since_ms, used_ms = excluded.used_ms"
    ))?;
    statement.execute(params![
        file.hash.as_bytes().as_slice(),
        file.seal.name,
        file.seal.key.0,
        file.size.cast_signed(),
        file.stand.number(),
        file.sent.cast_signed(),
        file.attempts,
        file.small,
        file.code,
        file.since_ms,
        file.used_ms,
    ])?;
    Ok(())
}

/// Forgets the file and who names it.
pub fn delete(db: &Connection, hash: &BlobHash) -> Result<()> {
    let hash = hash.as_bytes().as_slice();
    db.prepare_cached("DELETE FROM file WHERE hash = ?1")?.execute([hash])?;
    db.prepare_cached("DELETE FROM file_ref WHERE hash = ?1")?.execute([hash])?;
    Ok(())
}

/// A record names the file.
pub fn add_name(db: &Connection, hash: &BlobHash, by: &NamedBy) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO file_ref (hash, record, key, own) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET own = max(own, excluded.own)",
    )?
    .execute((hash.as_bytes().as_slice(), by.record.as_bytes().as_slice(), &by.key, by.own))?;
    Ok(())
}

/// The key of the record names no file any more.
pub fn remove_name(db: &Connection, record: RecordId, key: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM file_ref WHERE record = ?1 AND key = ?2")?
        .execute((record.as_bytes().as_slice(), key))?;
    Ok(())
}

/// Who names the file.
pub fn names(db: &Connection, hash: &BlobHash) -> Result<Vec<NamedBy>> {
    let mut statement =
        db.prepare_cached("SELECT record, key, own FROM file_ref WHERE hash = ?1 ORDER BY record, key")?;
    let rows = statement.query_map([hash.as_bytes().as_slice()], |row| {
        Ok(NamedBy { record: id(row, 0)?, key: row.get(1)?, own: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Lets go of the names that records gave which are not on the phone any more, but not of those by which an own file
/// still waits to be sent.
pub fn remove_names_of_gone(db: &Connection) -> Result<()> {
    db.execute(
        "DELETE FROM file_ref WHERE record NOT IN (SELECT record FROM view)
             AND NOT (own = 1 AND hash IN (SELECT hash FROM file WHERE state IN (0, 2)))",
        [],
    )?;
    Ok(())
}

/// Files that no record names.
pub fn unnamed(db: &Connection) -> Result<Vec<FileRow>> {
    list(db, "WHERE NOT EXISTS (SELECT 1 FROM file_ref r WHERE r.hash = file.hash)")
}

/// Every own file that the server has is offered to it again.
pub fn offer_again(db: &Connection) -> Result<()> {
    db.execute(
        "UPDATE file SET state = 3, attempts = 0 WHERE state = 1
             AND EXISTS (SELECT 1 FROM file_ref r WHERE r.hash = file.hash AND r.own = 1)",
        [],
    )?;
    Ok(())
}

/// How many files the server never had, and how many bytes they hold.
pub fn unsent(db: &Connection) -> Result<(u32, u64)> {
    let mut statement = db.prepare_cached("SELECT count(*), coalesce(sum(size), 0) FROM file WHERE state IN (0, 2)")?;
    Ok(statement.query_row([], |row| Ok((row.get(0)?, bits(row, 1)?)))?)
}

/// The sealed files the server never had: an outbox entry of any other is done.
pub fn unsent_names(db: &Connection) -> Result<BTreeSet<(String, RecordId, String)>> {
    let mut statement = db.prepare_cached(
        "SELECT f.name, r.record, r.key FROM file f JOIN file_ref r ON r.hash = f.hash AND r.own = 1
         WHERE f.state IN (0, 2)",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, id(row, 1)?, row.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The names of all sealed files the database knows, whole or in the making.
pub fn sealed_names(db: &Connection) -> Result<BTreeSet<String>> {
    let mut statement = db.prepare_cached("SELECT name FROM file UNION SELECT name FROM file_part")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The part of a file that was fetched so far.
pub fn part(db: &Connection, hash: &BlobHash) -> Result<Option<Seal>> {
    let mut statement = db.prepare_cached("SELECT name, key FROM file_part WHERE hash = ?1")?;
    Ok(statement.query_row([hash.as_bytes().as_slice()], |row| seal(row, 0)).optional()?)
}

/// Every file that was fetched in part.
pub fn parts(db: &Connection) -> Result<Vec<(BlobHash, Seal)>> {
    let mut statement = db.prepare_cached("SELECT hash, name, key FROM file_part ORDER BY hash")?;
    let rows = statement.query_map([], |row| Ok((id(row, 0)?, seal(row, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A file begins to be fetched.
pub fn put_part(db: &Connection, hash: &BlobHash, seal: &Seal) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO file_part (hash, name, key) VALUES (?1, ?2, ?3)")?.execute((
        hash.as_bytes().as_slice(),
        &seal.name,
        seal.key.0,
    ))?;
    Ok(())
}

/// The part became a whole, or is given up.
pub fn delete_part(db: &Connection, hash: &BlobHash) -> Result<()> {
    db.prepare_cached("DELETE FROM file_part WHERE hash = ?1")?.execute([hash.as_bytes().as_slice()])?;
    Ok(())
}

/// The records whose settled values hold a text. Reads them all: for what is asked for seldom.
pub fn records_with(db: &Connection, text: &str) -> Result<BTreeSet<RecordId>> {
    let mut statement = db.prepare_cached(
        "SELECT v.record FROM view v LEFT JOIN settled s ON s.record = v.record
         WHERE instr(coalesce(v.shown, s.shown), CAST(?1 AS BLOB)) > 0",
    )?;
    let rows = statement.query_map([text], |row| id(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
