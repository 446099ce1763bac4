//! Work that is kept but not applied: what the server refused, and what needs its author.

use std::collections::BTreeSet;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{IntentId, RecordId, TicketId};
use gridpass_core::record::edit::Edit;
use gridpass_core::wire::{self, IntentKind, Reason};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Result;
use super::columns::{cbor, id, id_or_none};

/// Why work was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The server refused it and keeps it in its quarantine.
    Rejected,
    /// It would overwrite what its author never saw, or authoring it again did not help.
    NeedsYou,
}

/// One piece of work that is set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantined {
    /// Its name, and the intent it is sent under when its author sends it again.
    pub id: IntentId,
    /// The record.
    pub record: RecordId,
    /// Its collection.
    pub collection: String,
    /// The home the record shall get, when it was made on this phone.
    pub create_home: Option<Bucket>,
    /// The intent it was part of.
    pub intent: IntentId,
    /// What kind of act it was.
    pub kind: IntentKind,
    /// When it was made, by the phone's clock.
    pub at_ms: i64,
    /// The visit it was made in.
    pub visit: Option<RecordId>,
    /// What was changed.
    pub edits: Vec<Edit>,
    /// Why it was set aside.
    pub why: Why,
    /// The server's inbox item.
    pub ticket: Option<TicketId>,
    /// The reason, as a code.
    pub reason: Reason,
    /// When it was set aside.
    pub since_ms: i64,
}

const COLUMNS: &str =
    "id, record, collection, create_home, intent, kind, at_ms, visit, edits, why, ticket, reason, since_ms";

fn read(row: &Row<'_>) -> rusqlite::Result<Quarantined> {
    Ok(Quarantined {
        id: id(row, 0)?,
        record: id(row, 1)?,
        collection: row.get(2)?,
        create_home: id_or_none(row, 3)?,
        intent: id(row, 4)?,
        kind: IntentKind(row.get(5)?),
        at_ms: row.get(6)?,
        visit: id_or_none(row, 7)?,
        edits: cbor(row, 8)?,
        why: if row.get::<_, i64>(9)? == 0 { Why::Rejected } else { Why::NeedsYou },
        ticket: id_or_none(row, 10)?,
        reason: cbor(row, 11)?,
        since_ms: row.get(12)?,
    })
}

/// Sets work aside.
pub fn add(db: &Connection, item: &Quarantined) -> Result<()> {
    let mut statement = db.prepare_cached(&format!(
        "INSERT INTO quarantine ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT DO NOTHING"
    ))?;
    statement.execute(params![
        item.id.as_bytes().as_slice(),
        item.record.as_bytes().as_slice(),
        item.collection,
        item.create_home.map(|home| home.to_bytes()),
        item.intent.as_bytes().as_slice(),
        item.kind.0,
        item.at_ms,
        item.visit.as_ref().map(|visit| visit.as_bytes().as_slice()),
        wire::encode(&item.edits),
        i64::from(item.why == Why::NeedsYou),
        item.ticket.as_ref().map(|ticket| ticket.as_bytes().as_slice()),
        wire::encode(&item.reason),
        item.since_ms,
    ])?;
    Ok(())
}

/// Everything that is set aside, oldest first.
pub fn all(db: &Connection) -> Result<Vec<Quarantined>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM quarantine ORDER BY since_ms, rowid"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One piece of work.
pub fn get(db: &Connection, item: IntentId) -> Result<Option<Quarantined>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM quarantine WHERE id = ?1"))?;
    Ok(statement.query_row([item.as_bytes().as_slice()], read).optional()?)
}

/// Whether work of the record is set aside.
pub fn has(db: &Connection, record: RecordId) -> Result<bool> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM quarantine WHERE record = ?1)")?;
    Ok(statement.query_row([record.as_bytes().as_slice()], |row| row.get(0))?)
}

/// Takes one piece away: it was sent again or discarded.
pub fn remove(db: &Connection, item: IntentId) -> Result<()> {
    db.prepare_cached("DELETE FROM quarantine WHERE id = ?1")?.execute([item.as_bytes().as_slice()])?;
    Ok(())
}

/// The intents of everything that the server refused.
pub fn refused(db: &Connection) -> Result<BTreeSet<IntentId>> {
    let mut statement = db.prepare_cached("SELECT intent FROM quarantine WHERE why = 0")?;
    let rows = statement.query_map([], |row| id(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Takes away what the server refused under this intent: it was approved and has arrived.
pub fn arrived(db: &Connection, intent: IntentId) -> Result<usize> {
    let mut statement = db.prepare_cached("DELETE FROM quarantine WHERE intent = ?1 AND why = 0")?;
    Ok(statement.execute([intent.as_bytes().as_slice()])?)
}
