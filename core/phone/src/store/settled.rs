//! What came back through the log: records as the server has them.

use std::collections::BTreeMap;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, ChangeHash, RecordId};
use gridpass_core::record::{Built, ShownValues};
use gridpass_core::wire::{self, ChangeRow, FMT_AUTOMERGE, Role};
use rusqlite::{Connection, OptionalExtension, Row};

use super::Result;
use super::columns::{bits, cbor, id};

/// A record as the server has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The record.
    pub record: RecordId,
    /// Its collection.
    pub collection: String,
    /// Its generation.
    pub generation: u32,
    /// Its format.
    pub fmt: u8,
    /// Its home.
    pub home: Bucket,
    /// The epoch it was told in; 0 when the next answer shall replace it whatever it says.
    pub epoch: u64,
    /// The changes no other was made on.
    pub heads: Vec<ChangeHash>,
    /// What is shown.
    pub shown: ShownValues,
    /// Every change that was told.
    pub changes: Vec<ChangeRow>,
}

impl Settled {
    /// Whether the change was told.
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.changes.iter().any(|row| row.hash == *hash)
    }

    /// Whether the phone can merge under it and write on it.
    pub fn is_document(&self) -> bool {
        self.fmt == FMT_AUTOMERGE
    }

    /// The office's actors among the writers.
    pub fn office(&self) -> Vec<ActorId> {
        let office = self.changes.iter().filter(|row| row.author.role == Role::OFFICE);
        office
            .filter_map(|row| Built::from_trusted(&row.bytes).ok()?.position().ok())
            .map(|(actor, ..)| actor)
            .collect()
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Settled> {
    Ok(Settled {
        record: id(row, 0)?,
        collection: row.get(1)?,
        generation: row.get(2)?,
        fmt: row.get(3)?,
        home: id(row, 4)?,
        epoch: bits(row, 5)?,
        heads: cbor(row, 6)?,
        shown: cbor(row, 7)?,
        changes: cbor(row, 8)?,
    })
}

/// The record.
pub fn get(db: &Connection, record: RecordId) -> Result<Option<Settled>> {
    let mut statement = db.prepare_cached(
        "SELECT record, collection, generation, fmt, home, epoch, heads, shown, changes FROM settled WHERE record = ?1",
    )?;
    Ok(statement.query_row([record.as_bytes().as_slice()], read).optional()?)
}

/// What is shown of the record, without its changes.
pub fn shown(db: &Connection, record: RecordId) -> Result<Option<ShownValues>> {
    let mut statement = db.prepare_cached("SELECT shown FROM settled WHERE record = ?1")?;
    Ok(statement.query_row([record.as_bytes().as_slice()], |row| cbor(row, 0)).optional()?)
}

/// Every record of a collection of plain values, with what it shows.
pub fn plain_records(db: &Connection, collection: &str) -> Result<Vec<(RecordId, ShownValues)>> {
    let mut statement = db.prepare_cached(
        "SELECT s.record, s.shown FROM view v JOIN settled s ON s.record = v.record WHERE v.collection = ?1",
    )?;
    let rows = statement.query_map([collection], |row| Ok((id(row, 0)?, cbor(row, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Stores the record over what was there.
pub fn put(db: &Connection, settled: &Settled) -> Result<()> {
    let mut statement = db.prepare_cached(
        "INSERT INTO settled (record, collection, generation, fmt, home, epoch, heads, shown, changes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET collection = excluded.collection, generation = excluded.generation,
             fmt = excluded.fmt, home = excluded.home, epoch = excluded.epoch, heads = excluded.heads,
             shown = excluded.shown, changes = excluded.changes",
    )?;
    statement.execute((
        settled.record.as_bytes().as_slice(),
        &settled.collection,
        settled.generation,
        settled.fmt,
        settled.home.to_bytes(),
        settled.epoch.cast_signed(),
        wire::encode(&settled.heads),
        wire::encode(&settled.shown),
        wire::encode(&settled.changes),
    ))?;
    Ok(())
}

/// Remembers what each change of the record was made on, before the server's older state replaces them: own work that
/// the server lost is put again on what its author had seen.
pub fn remember_deps(db: &Connection, settled: &Settled) -> Result<()> {
    let mut insert = db.prepare_cached("INSERT OR IGNORE INTO lost_change (record, hash, deps) VALUES (?1, ?2, ?3)")?;
    for row in &settled.changes {
        if let Ok(fields) = Built::from_trusted(&row.bytes).and_then(|built| built.fields()) {
            let record = settled.record.as_bytes().as_slice();
            insert.execute((record, row.hash.as_bytes().as_slice(), wire::encode(&fields.deps)))?;
        }
    }
    Ok(())
}

/// What remembered changes of the record were made on.
pub fn remembered_deps(db: &Connection, record: RecordId) -> Result<BTreeMap<ChangeHash, Vec<ChangeHash>>> {
    let mut statement = db.prepare_cached("SELECT hash, deps FROM lost_change WHERE record = ?1")?;
    let rows = statement.query_map([record.as_bytes().as_slice()], |row| Ok((id(row, 0)?, cbor(row, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets what was remembered for records that nothing is pending on any more.
pub fn forget_deps(db: &Connection) -> Result<()> {
    db.execute("DELETE FROM lost_change WHERE record NOT IN (SELECT record FROM pending WHERE receipted = 1)", [])?;
    Ok(())
}

/// Forgets the record.
pub fn delete(db: &Connection, record: RecordId) -> Result<()> {
    db.prepare_cached("DELETE FROM settled WHERE record = ?1")?.execute([record.as_bytes().as_slice()])?;
    Ok(())
}

/// Records that are in no bucket any more.
pub fn orphans(db: &Connection) -> Result<Vec<RecordId>> {
    let mut statement = db.prepare_cached(
        "SELECT s.record FROM settled s
         WHERE NOT EXISTS (SELECT 1 FROM settled_bucket b WHERE b.record = s.record)",
    )?;
    let rows = statement.query_map([], |row| id(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Asks for the record whole at the next pull.
pub fn want(db: &Connection, record: RecordId) -> Result<()> {
    db.prepare_cached("INSERT INTO wanted (record) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([record.as_bytes().as_slice()])?;
    Ok(())
}

/// The records to ask for whole, as many as one pull may name.
pub fn wanted(db: &Connection) -> Result<Vec<RecordId>> {
    let mut statement = db.prepare_cached("SELECT record FROM wanted ORDER BY record LIMIT 100")?;
    let rows = statement.query_map([], |row| id(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The record came whole, or the server does not have it for this phone.
pub fn not_wanted(db: &Connection, record: RecordId) -> Result<()> {
    db.prepare_cached("DELETE FROM wanted WHERE record = ?1")?.execute([record.as_bytes().as_slice()])?;
    Ok(())
}
