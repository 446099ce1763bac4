//! Forms that are being filled in. A draft is not a change: it travels nowhere.

use gridpass_core::id::{IntentId, RecordId};
use gridpass_core::record::edit::Edit;
use gridpass_core::wire;
use minicbor::{Decode, Encode};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Result;
use super::columns::{cbor, id, id_or_none};

/// A form that is being filled in.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Draft {
    /// Its name.
    #[n(0)]
    pub id: IntentId,
    /// The collection of the form.
    #[n(1)]
    pub collection: String,
    /// The record that is being edited; none while a new one is filled in.
    #[n(2)]
    pub record: Option<RecordId>,
    /// What was typed so far, over what was seen.
    #[n(3)]
    pub edits: Vec<Edit>,
    /// The version of the catalog the form was made from.
    #[n(4)]
    pub catalog_version: u32,
    /// When it was last typed into, by the phone's clock, in milliseconds since 1970.
    #[n(5)]
    pub changed_ms: i64,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Draft> {
    Ok(Draft {
        id: id(row, 0)?,
        collection: row.get(1)?,
        record: id_or_none(row, 2)?,
        edits: cbor(row, 3)?,
        catalog_version: row.get(4)?,
        changed_ms: row.get(5)?,
    })
}

/// Stores the draft over what it was.
pub fn put(db: &Connection, draft: &Draft) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO draft (id, collection, record, edits, catalog_version, changed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET edits = excluded.edits, changed_ms = excluded.changed_ms",
    )?
    .execute(params![
        draft.id.as_bytes().as_slice(),
        draft.collection,
        draft.record.as_ref().map(|record| record.as_bytes().as_slice()),
        wire::encode(&draft.edits),
        draft.catalog_version,
        draft.changed_ms,
    ])?;
    Ok(())
}

/// Every draft, the one typed into last first.
pub fn all(db: &Connection) -> Result<Vec<Draft>> {
    let mut statement = db.prepare_cached(
        "SELECT id, collection, record, edits, catalog_version, changed_ms FROM draft ORDER BY changed_ms DESC, id",
    )?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One draft.
pub fn get(db: &Connection, draft: IntentId) -> Result<Option<Draft>> {
    let mut statement = db
        .prepare_cached("SELECT id, collection, record, edits, catalog_version, changed_ms FROM draft WHERE id = ?1")?;
    Ok(statement.query_row([draft.as_bytes().as_slice()], read).optional()?)
}

/// Forgets a draft; says whether it was there.
pub fn remove(db: &Connection, draft: IntentId) -> Result<bool> {
    Ok(db.execute("DELETE FROM draft WHERE id = ?1", [draft.as_bytes().as_slice()])? > 0)
}
