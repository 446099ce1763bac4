//! Rows for screens, made from merge(settled, pending): lists, links between records, search.

use gridpass_core::id::RecordId;
use gridpass_core::record::ShownValues;
use gridpass_core::wire;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::Result;
use super::columns::{cbor, id, id_or_none};

/// One record as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewRow {
    /// The record.
    pub record: RecordId,
    /// Its collection.
    pub collection: String,
    /// What it is called.
    pub title: String,
    /// The same, short.
    pub short: String,
    /// By what lists are ordered.
    pub sort: String,
    /// The record it hangs on.
    pub parent: Option<RecordId>,
    /// Whether it has ended.
    pub ended: bool,
    /// Whether it left its bucket and is only kept for what is pending.
    pub hidden: bool,
    /// At how many keys different values stand.
    pub conflicts: u32,
    /// The supervisor's last word: 0 none, 1 approved, 2 returned.
    pub review: u8,
}

/// The review column of [`ViewRow`].
pub const APPROVED: u8 = 1;
/// The review column of [`ViewRow`].
pub const RETURNED: u8 = 2;

pub(super) const COLUMNS: &str =
    "v.record, v.collection, v.title, v.short, v.sort, v.parent, v.ended, v.hidden, v.conflicts, v.review";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<ViewRow> {
    Ok(ViewRow {
        record: id(row, 0)?,
        collection: row.get(1)?,
        title: row.get(2)?,
        short: row.get(3)?,
        sort: row.get(4)?,
        parent: id_or_none(row, 5)?,
        ended: row.get(6)?,
        hidden: row.get(7)?,
        conflicts: row.get(8)?,
        review: row.get(9)?,
    })
}

/// What is stored for a record besides its row.
pub struct Projected<'a> {
    /// The row.
    pub row: &'a ViewRow,
    /// The number of the row there is, see [`get_numbered`].
    pub known: Option<i64>,
    /// What is shown, when changes are pending; without them the settled record says it.
    pub shown: Option<&'a ShownValues>,
}

/// Stores the row of a record over what was there; says its number. See [`put_links`] and [`put_search`] for the rest.
pub fn put(db: &Connection, projected: &Projected<'_>) -> Result<i64> {
    let row = projected.row;
    let record = row.record.as_bytes().as_slice();
    let known = projected.known;
    let mut insert = db.prepare_cached(
        "INSERT INTO view (id, record, collection, title, short, sort, parent, ended, hidden, conflicts, review, shown)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (id) DO UPDATE SET collection = excluded.collection, title = excluded.title,
             short = excluded.short, sort = excluded.sort, parent = excluded.parent, ended = excluded.ended,
             hidden = excluded.hidden, conflicts = excluded.conflicts, review = excluded.review,
             shown = excluded.shown",
    )?;
    insert.execute(params![
        known,
        record,
        row.collection,
        row.title,
        row.short,
        row.sort,
        row.parent.as_ref().map(|parent| parent.as_bytes().as_slice()),
        row.ended,
        row.hidden,
        row.conflicts,
        row.review,
        projected.shown.map(wire::encode),
    ])?;
    Ok(known.unwrap_or_else(|| db.last_insert_rowid()))
}

/// Stores the records that the keys of a record name, over those it named before, if it had a row.
pub fn put_links(db: &Connection, record: RecordId, had: bool, links: &[(String, RecordId)]) -> Result<()> {
    let record = record.as_bytes().as_slice();
    if had {
        db.prepare_cached("DELETE FROM link WHERE source = ?1")?.execute([record])?;
    }
    let mut link = db.prepare_cached("INSERT OR IGNORE INTO link (source, key, target) VALUES (?1, ?2, ?3)")?;
    for (key, target) in links {
        link.execute((record, key, target.as_bytes().as_slice()))?;
    }
    Ok(())
}

/// Stores what the record of a row without a search text is found by: words cut beforehand, with spaces between.
pub fn put_search(db: &Connection, number: i64, text: &str) -> Result<()> {
    if !text.is_empty() {
        db.prepare_cached("INSERT INTO search (rowid, text) VALUES (?1, ?2)")?.execute((number, text))?;
    }
    Ok(())
}

/// Takes away what the record of a row is found by, if anything.
pub fn remove_search(db: &Connection, number: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([number])?;
    Ok(())
}

/// The largest number of a row; 0 without rows.
pub fn last(db: &Connection) -> Result<i64> {
    let mut statement = db.prepare_cached("SELECT coalesce(max(id), 0) FROM view")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// The next rows after this number, at most so many, in order of their numbers.
pub fn after(db: &Connection, number: i64, limit: u32) -> Result<Vec<(i64, ViewRow)>> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS}, v.id FROM view v WHERE v.id > ?1 ORDER BY v.id LIMIT ?2"))?;
    let rows = statement.query_map((number, limit), |row| Ok((row.get(10)?, read(row)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many rows there are after this number.
pub fn count_after(db: &Connection, number: i64) -> Result<u32> {
    let mut statement = db.prepare_cached("SELECT count(*) FROM view WHERE id > ?1")?;
    Ok(statement.query_row([number], |row| row.get(0))?)
}

/// Forgets the rows of a record.
pub fn delete(db: &Connection, record: RecordId) -> Result<()> {
    let record = record.as_bytes().as_slice();
    let mut statement = db.prepare_cached("SELECT id FROM view WHERE record = ?1")?;
    if let Some(number) = statement.query_row([record], |row| row.get(0)).optional()? {
        remove_search(db, number)?;
    }
    db.prepare_cached("DELETE FROM link WHERE source = ?1")?.execute([record])?;
    db.prepare_cached("DELETE FROM view WHERE record = ?1")?.execute([record])?;
    Ok(())
}

/// The row of a record.
pub fn get(db: &Connection, record: RecordId) -> Result<Option<ViewRow>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM view v WHERE v.record = ?1"))?;
    Ok(statement.query_row([record.as_bytes().as_slice()], read).optional()?)
}

/// The row of a record with its number.
pub fn get_numbered(db: &Connection, record: RecordId) -> Result<Option<(i64, ViewRow)>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS}, v.id FROM view v WHERE v.record = ?1"))?;
    let numbered = |row: &Row<'_>| Ok((row.get(10)?, read(row)?));
    Ok(statement.query_row([record.as_bytes().as_slice()], numbered).optional()?)
}

/// What is shown of a record with its pending changes; none when nothing is pending.
pub fn shown(db: &Connection, record: RecordId) -> Result<Option<ShownValues>> {
    let mut statement = db.prepare_cached("SELECT shown FROM view WHERE record = ?1 AND shown IS NOT NULL")?;
    Ok(statement.query_row([record.as_bytes().as_slice()], |row| cbor(row, 0)).optional()?)
}

/// Which rows a list asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Select {
    /// Only of this collection.
    pub collection: Option<String>,
    /// Only those that hang on this record.
    pub parent: Option<RecordId>,
    /// Only those that have ended, or only those that have not.
    pub ended: Option<bool>,
    /// Only after this (sort, record).
    pub after: Option<(String, RecordId)>,
    /// At most so many.
    pub limit: u32,
}

/// The rows in order of (sort, record).
pub fn select(db: &Connection, select: &Select) -> Result<Vec<ViewRow>> {
    let mut conditions = vec!["v.hidden = 0"];
    let mut values: Vec<Sql> = Vec::new();
    if let Some(collection) = &select.collection {
        conditions.push("v.collection = ?");
        values.push(collection.clone().into());
    }
    if let Some(parent) = select.parent {
        conditions.push("v.parent = ?");
        values.push(parent.as_bytes().to_vec().into());
    }
    if let Some(ended) = select.ended {
        conditions.push("v.ended = ?");
        values.push(ended.into());
    }
    if let Some((sort, record)) = &select.after {
        conditions.push("(v.sort, v.record) > (?, ?)");
        values.push(sort.clone().into());
        values.push(record.as_bytes().to_vec().into());
    }
    values.push(i64::from(select.limit).into());
    let wanted = conditions.join(" AND ");
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM view v WHERE {wanted} ORDER BY v.sort, v.record LIMIT ?"))?;
    let rows = statement.query_map(params_from_iter(values), read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many rows there are, without `after` and `limit`.
pub fn count(db: &Connection, select: &Select) -> Result<u32> {
    let mut statement = db.prepare_cached(
        "SELECT count(*) FROM view WHERE hidden = 0 AND (?1 IS NULL OR collection = ?1)
             AND (?2 IS NULL OR parent = ?2) AND (?3 IS NULL OR ended = ?3)",
    )?;
    let parent = select.parent.as_ref().map(|parent| parent.as_bytes().as_slice());
    Ok(statement.query_row((&select.collection, parent, select.ended), |row| row.get(0))?)
}

/// The rows whose search text matches an FTS5 expression, in order of (collection, sort).
pub fn search(db: &Connection, expression: &str, collection: Option<&str>, limit: u32) -> Result<Vec<ViewRow>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM search s JOIN view v ON v.id = s.rowid
         WHERE search MATCH ?1 AND v.hidden = 0 AND (?2 IS NULL OR v.collection = ?2)
         ORDER BY v.ended, v.sort, v.record LIMIT ?3"
    ))?;
    let rows = statement.query_map((expression, collection, limit), read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The records a record names, with the key.
pub fn links_from(db: &Connection, record: RecordId) -> Result<Vec<(String, RecordId)>> {
    let mut statement = db.prepare_cached("SELECT key, target FROM link WHERE source = ?1 ORDER BY key, target")?;
    let rows = statement.query_map([record.as_bytes().as_slice()], |row| Ok((row.get(0)?, id(row, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The records that name a record, with the key they name it under.
pub fn links_to(db: &Connection, record: RecordId) -> Result<Vec<(String, RecordId)>> {
    let mut statement = db.prepare_cached("SELECT key, source FROM link WHERE target = ?1 ORDER BY key, source")?;
    let rows = statement.query_map([record.as_bytes().as_slice()], |row| Ok((row.get(0)?, id(row, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Every record that has rows.
pub fn records(db: &Connection) -> Result<Vec<RecordId>> {
    let mut statement = db.prepare_cached("SELECT record FROM view ORDER BY id")?;
    let rows = statement.query_map([], |row| id(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
