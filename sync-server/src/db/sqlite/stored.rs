//! Rows as `verify` and `rebuild` compare them with what they must add up to.

use std::collections::BTreeSet;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, RecordId};
use gridpass_core::wire::Role;
use rusqlite::{Connection, Row, params};

use super::{DbError, named, rows};
use crate::db::Fault;

/// A row of `record` as it is stored.
pub(super) struct StoredRecord {
    /// Its number in the table, which follows the order the records came in.
    pub(super) number: i64,
    pub(super) id: RecordId,
    pub(super) generation: u32,
    pub(super) fmt: u8,
    pub(super) heads: Vec<u8>,
    pub(super) shown: Vec<u8>,
    pub(super) checksum: i64,
}

/// The next records after one, in the order they came in. Their changes and log rows lie in about this order too; in that
/// of their names, which are hashes, each would lie on another page.
pub(super) fn records_after(connection: &Connection, after: i64, limit: usize) -> Result<Vec<StoredRecord>, DbError> {
    rows(
        connection,
        "reading records",
        "SELECT rowid AS number, id, generation, fmt, heads, shown, checksum FROM record WHERE rowid > ?1
         ORDER BY rowid LIMIT ?2",
        params![after, i64::try_from(limit).unwrap_or(i64::MAX)],
        stored,
    )
}

/// One record, if its row is there.
pub(super) fn record_at(connection: &Connection, id: RecordId) -> Result<Option<StoredRecord>, DbError> {
    const SQL: &str = "SELECT rowid AS number, id, generation, fmt, heads, shown, checksum FROM record WHERE id = ?1";
    Ok(rows(connection, "reading a record", SQL, [id.0], stored)?.pop())
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredRecord> {
    Ok(StoredRecord {
        number: row.get("number")?,
        id: named(row, "id")?,
        generation: row.get("generation")?,
        fmt: row.get("fmt")?,
        heads: row.get("heads")?,
        shown: row.get("shown")?,
        checksum: row.get("checksum")?,
    })
}

/// A row of `bucket` as it is stored.
pub(super) struct StoredBucket {
    pub(super) number: u32,
    pub(super) name: Bucket,
    pub(super) head: i64,
    pub(super) checksum: i64,
    pub(super) chain: i64,
    pub(super) floor: i64,
}

impl StoredBucket {
    /// What is wrong with it.
    pub(super) fn fault(&self, what: &str) -> Fault {
        Fault { table: "bucket", row: self.name.to_string(), what: what.to_owned() }
    }
}

/// All buckets.
pub(super) fn buckets(connection: &Connection) -> Result<Vec<StoredBucket>, DbError> {
    const SQL: &str = "SELECT number, name, head, checksum, chain, floor FROM bucket ORDER BY number";
    rows(connection, "reading buckets", SQL, [], |row| {
        Ok(StoredBucket {
            number: row.get("number")?,
            name: named(row, "name")?,
            head: row.get("head")?,
            checksum: row.get("checksum")?,
            chain: row.get("chain")?,
            floor: row.get("floor")?,
        })
    })
}

/// The office's actors of all epochs.
pub(super) fn office_actors(connection: &Connection) -> Result<BTreeSet<ActorId>, DbError> {
    const SQL: &str = "SELECT id FROM actor WHERE role = ?1";
    let found = rows(connection, "reading actors", SQL, [Role::OFFICE.0], |row| named(row, "id"))?;
    Ok(found.into_iter().collect())
}

/// What the checksum of a bucket must be: the sum over the records that it distributes now.
pub(super) fn sum_of_records(connection: &Connection, bucket: u32) -> Result<i64, DbError> {
    let shares = rows(
        connection,
        "summing a bucket",
        "SELECT r.checksum FROM record_bucket rb JOIN record r ON r.id = rb.record
         WHERE rb.bucket = ?1 AND rb.until IS NULL",
        [bucket],
        |row| row.get::<_, i64>(0),
    )?;
    Ok(shares.iter().fold(0i64, |sum, share| sum.wrapping_add(*share)))
}
