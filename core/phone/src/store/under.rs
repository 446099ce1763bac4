//! Everything that hangs on a record, at any depth, read at once.

use gridpass_core::id::RecordId;
use gridpass_core::record::ShownValues;
use rusqlite::{Connection, OptionalExtension, Row};

use super::Result;
use super::columns::cbor;
use super::view::{COLUMNS, ViewRow, read};

/// A record with what is shown of it.
pub struct Full {
    /// Its row.
    pub row: ViewRow,
    /// What is shown of it.
    pub shown: ShownValues,
}

/// `COLUMNS` has ten columns; what is shown comes after them: with pending changes from the row, else as it settled.
const SHOWN: &str = "coalesce(v.shown, s.shown)";
const SHOWN_AT: usize = 10;

fn full(row: &Row<'_>) -> rusqlite::Result<Full> {
    Ok(Full { row: read(row)?, shown: cbor(row, SHOWN_AT)? })
}

/// The record with what is shown of it.
pub fn get(db: &Connection, record: RecordId) -> Result<Option<Full>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, {SHOWN} FROM view v LEFT JOIN settled s ON s.record = v.record
         WHERE v.record = ?1 AND coalesce(v.shown, s.shown) IS NOT NULL"
    ))?;
    Ok(statement.query_row([record.as_bytes().as_slice()], full).optional()?)
}

/// What hangs on the record, directly or by what hangs on it, in order of (sort, record). Without what has ended or is
/// hidden and what hangs on that. A loop ends: it is followed eight times at most, and each record comes once.
pub fn all(db: &Connection, record: RecordId) -> Result<Vec<Full>> {
    let mut statement = db.prepare_cached(&format!(
        "WITH RECURSIVE under (record, depth) AS (
             VALUES (?1, 0)
             UNION
             SELECT v.record, depth + 1 FROM under JOIN view v ON v.parent = under.record
             WHERE v.ended = 0 AND v.hidden = 0 AND depth < 8
                 AND v.collection IN ('address', 'house', 'household', 'residence', 'facility', 'organisation')
         )
         SELECT {COLUMNS}, {SHOWN} FROM view v LEFT JOIN settled s ON s.record = v.record
         WHERE v.record IN (SELECT record FROM under WHERE depth > 0) AND v.record <> ?1
             AND coalesce(v.shown, s.shown) IS NOT NULL
         ORDER BY v.sort, v.record"
    ))?;
    let rows = statement.query_map([record.as_bytes().as_slice()], full)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
