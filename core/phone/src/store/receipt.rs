//! The server's signed word for what it stored.

use gridpass_core::id::{ChangeHash, IntentId, RecordId};
use gridpass_core::wire::{self, ReceiptSheet, ReceiptedSave};
use rusqlite::Connection;

use super::Result;
use super::columns::{cbor, id, id_or_none};

/// Stores the receipts of one answer; `intents` names the intents of the pushed changes.
pub fn add(
    db: &Connection,
    sheet: &ReceiptSheet,
    intent: impl Fn(&RecordId, &ChangeHash) -> Option<IntentId>,
) -> Result<()> {
    db.prepare_cached("INSERT INTO receipt_sheet (body) VALUES (?1)")?.execute([wire::encode(sheet)])?;
    let number = db.last_insert_rowid();
    let mut insert = db.prepare_cached(
        "INSERT INTO receipt (record, hash, sheet, position, intent) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET sheet = excluded.sheet, position = excluded.position,
             intent = coalesce(excluded.intent, intent)",
    )?;
    for (position, receipt) in (0_i64..).zip(&sheet.receipts) {
        let intent = intent(&receipt.record, &receipt.hash);
        insert.execute((
            receipt.record.as_bytes().as_slice(),
            receipt.hash.as_bytes().as_slice(),
            number,
            position,
            intent.as_ref().map(|intent| intent.as_bytes().as_slice()),
        ))?;
    }
    Ok(())
}

/// One receipt with the sheet it was signed on.
pub struct Signed {
    /// The change.
    pub hash: ChangeHash,
    /// The save it came from.
    pub intent: Option<IntentId>,
    /// The sheet.
    pub sheet: ReceiptSheet,
    /// The receipt's place on the sheet.
    pub position: usize,
}

/// The record's receipts, oldest first.
pub fn of_record(db: &Connection, record: RecordId) -> Result<Vec<Signed>> {
    let mut statement = db.prepare_cached(
        "SELECT r.hash, r.intent, s.body, r.position FROM receipt r JOIN receipt_sheet s ON s.id = r.sheet
         WHERE r.record = ?1 ORDER BY r.sheet, r.position",
    )?;
    let rows = statement.query_map([record.as_bytes().as_slice()], |row| {
        Ok(Signed {
            hash: id(row, 0)?,
            intent: id_or_none(row, 1)?,
            sheet: cbor(row, 2)?,
            position: row.get::<_, u32>(3)? as usize,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The saves behind the changes that have receipts.
pub fn saves(db: &Connection) -> Result<Vec<ReceiptedSave>> {
    let mut statement = db.prepare_cached("SELECT record, hash, intent FROM receipt WHERE intent IS NOT NULL")?;
    let rows = statement
        .query_map([], |row| Ok(ReceiptedSave { record: id(row, 0)?, hash: id(row, 1)?, intent: id(row, 2)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Hands every sheet to `take`, oldest first.
pub fn sheets(db: &Connection, mut take: impl FnMut(ReceiptSheet)) -> Result<()> {
    let mut statement = db.prepare_cached("SELECT body FROM receipt_sheet ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(cbor(row, 0)?);
    }
    Ok(())
}
