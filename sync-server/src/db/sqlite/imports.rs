//! Imports as batches. They lie among the batches of phones as those of no phone: device zero.

use std::collections::BTreeMap;

use gridpass_core::id::{BatchId, ChangeHash, DeviceId, RecordId};
use gridpass_core::wire::IntentKind;
use rusqlite::{Connection, params};

use super::commit::execute;
use super::{DbError, named, names, rows};
use crate::db::ImportedChange;
use crate::import::batch::Batch;

const STEP: &str = "reading imports";

// The index of imports holds for this number only, so it stands in the statements as it is.
const _: () = assert!(IntentKind::IMPORT.0 == 7);

pub(super) fn batches(connection: &Connection) -> Result<Vec<Batch>, DbError> {
    let mut found: Vec<(Batch, i64)> = rows(
        connection,
        STEP,
        "SELECT number, id, recv_time, digest,
         (SELECT count(*) FROM change c WHERE c.batch = batch.number AND c.intent_kind = 7) AS changes
         FROM batch WHERE device = ?1 ORDER BY number",
        [DeviceId::default().0],
        |row| {
            let batch = Batch {
                id: named(row, "id")?,
                begun_ms: row.get("recv_time")?,
                digest: row.get("digest")?,
                changes: row.get::<_, i64>("changes")?.cast_unsigned(),
                said: Vec::new(),
            };
            Ok((batch, row.get("number")?))
        },
    )?;
    let said: Vec<(BatchId, String, String)> = rows(
        connection,
        STEP,
        "SELECT seq, object, action, detail FROM audit
         WHERE action IN ('import_begun', 'import_ended', 'import_undone') AND object IS NOT NULL
         UNION SELECT seq, batch, action, detail FROM import_said ORDER BY seq",
        [],
        |row| Ok((named(row, "object")?, row.get("action")?, row.get("detail")?)),
    )?;
    let mut by_batch: BTreeMap<BatchId, Vec<(String, String)>> = BTreeMap::new();
    for (batch, action, detail) in said {
        by_batch.entry(batch).or_default().push((action, detail));
    }
    for (batch, _) in &mut found {
        batch.said = by_batch.remove(&batch.id).unwrap_or_default();
    }
    Ok(found.into_iter().map(|(batch, _)| batch).collect())
}

pub(super) fn changes(
    connection: &Connection,
    batch: BatchId,
    before: i64,
    limit: usize,
) -> Result<Vec<ImportedChange>, DbError> {
    let Some(number) = names::import(connection, batch)? else { return Ok(Vec::new()) };
    rows(
        connection,
        STEP,
        "SELECT number, record FROM change WHERE batch = ?1 AND intent_kind = 7 AND number < ?2
         ORDER BY number DESC LIMIT ?3",
        params![number, before, i64::try_from(limit).unwrap_or(i64::MAX)],
        |row| Ok(ImportedChange { number: row.get("number")?, record: named(row, "record")? }),
    )
}

pub(super) fn hashes(connection: &Connection, batch: BatchId, record: RecordId) -> Result<Vec<ChangeHash>, DbError> {
    let Some(number) = names::import(connection, batch)? else { return Ok(Vec::new()) };
    const SQL: &str = "SELECT hash FROM change WHERE record = ?1 AND batch = ?2 ORDER BY number";
    rows(connection, STEP, SQL, params![record.0, number], |row| named(row, "hash"))
}

/// Keeps what rows of the audit say of imports, before the rows up to there go.
pub(super) fn keep_said(connection: &Connection, up_to: i64) -> Result<(), DbError> {
    execute(
        connection,
        "keeping what the audit says of imports",
        "INSERT INTO import_said (seq, batch, action, detail) SELECT seq, object, action, detail FROM audit
         WHERE action IN ('import_begun', 'import_ended', 'import_undone') AND object IS NOT NULL AND seq <= ?1
         ON CONFLICT (seq) DO NOTHING",
        [up_to],
    )
}
