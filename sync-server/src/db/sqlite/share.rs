//! Records that are read wherever they are named: addresses above a house, organisations people work in.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::RecordId;
use gridpass_core::wire::RowKind;
use rusqlite::{Connection, params};

use super::commit::{distribute, number_of};
use super::log_end::{Entry, LogEnd};
use super::{DbError, backend, named, optional, split_hashes};
use crate::log::{READ_WHERE_NAMED, RecordWrite};

/// Hands the records that a write names to the grid of its home, where they lie in another. This only grows.
pub(super) fn share(connection: &Connection, now_ms: i64, write: &RecordWrite) -> Result<Vec<Bucket>, DbError> {
    let mut shared = Vec::new();
    for record in &write.names {
        shared.extend(share_one(connection, now_ms, *record, write.home)?);
    }
    Ok(shared)
}

fn share_one(connection: &Connection, now_ms: i64, record: RecordId, with: Bucket) -> Result<Option<Bucket>, DbError> {
    const STEP: &str = "sharing a record";
    let mut statement = connection
        .prepare_cached(
            "SELECT r.generation, r.heads, r.checksum, b.name AS home, r.collection
             FROM record r JOIN bucket b ON b.number = r.home WHERE r.id = ?1",
        )
        .map_err(backend(STEP))?;
    let found = statement.query_row([record.0], |row| {
        Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?, named(row, "home")?, row.get::<_, String>(4)?))
    });
    let Some((generation, heads, checksum, home, collection)) = optional(found, STEP)? else { return Ok(None) };
    if !READ_WHERE_NAMED.contains(&collection.as_str()) {
        return Ok(None);
    }
    let bucket = match (home, with.grid()) {
        (Bucket::Place(of), Some(grid)) if of != grid => Bucket::Place(grid),
        (Bucket::Base(of), Some(grid)) if of != grid => Bucket::Base(grid),
        _ => return Ok(None),
    };
    let number = number_of(connection, bucket)?;
    let mut statement = connection
        .prepare_cached("SELECT 1 FROM record_bucket WHERE record = ?1 AND bucket = ?2 AND until IS NULL")
        .map_err(backend(STEP))?;
    if statement.exists(params![record.0, number]).map_err(backend(STEP))? {
        return Ok(None);
    }
    let head = split_hashes(&heads, "record")?.first().copied();
    let mut end = LogEnd::of(connection, number, checksum)?;
    let entry = Entry { kind: RowKind::PUT, hash: head, change: None, moved_to: None };
    end.add(connection, (record, generation), entry)?;
    end.store(connection)?;
    distribute(connection, now_ms, record, number, false, (false, true))?;
    Ok(Some(bucket))
}
