//! Pages, whole records and packs.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{BlobHash, RecordId};
use gridpass_core::wire::{self, BucketCursor, Cursor, PackRef, Row as WireRow, RowKind, Touched};
use rusqlite::{Connection, params};

use super::commit::execute;
use super::push::{change_meta, changes, record_row};
use super::{DbError, backend, bucket_number, named, named_or_null, optional, rows};
use crate::db::{BucketRead, Manifest, NewPack, RecordRow};

/// Once a page holds about this much it is closed.
const PAGE_BYTES: usize = 1 << 20;

struct Head {
    number: u32,
    bucket: Bucket,
    head: u64,
    checksum: u64,
    floor: u64,
    durable_seq: u64,
}

pub(super) fn pull(
    connection: &Connection,
    epoch: u64,
    scope: &[Bucket],
    cursors: &[BucketCursor],
    limit: usize,
) -> Result<Vec<BucketRead>, DbError> {
    let mut heads = BTreeMap::new();
    for bucket in scope {
        if let Some(head) = head(connection, *bucket)? {
            heads.insert(head.number, head);
        }
    }
    let mut answer = Vec::new();
    let mut left = limit;
    for asked in cursors {
        let Some(head) = heads.remove(&asked.bucket) else {
            let known = asked.cursor.epoch == epoch;
            let bucket = if known { bucket_of(connection, asked.bucket)? } else { None };
            answer.push(BucketRead::Gone { number: asked.bucket, bucket });
            continue;
        };
        if !stands(connection, epoch, &head, &asked.cursor)? {
            answer.push(start(epoch, &head));
            continue;
        }
        let (to, rows) = page(connection, &head, asked.cursor, left)?;
        left = left.saturating_sub(rows.len());
        let more = to.unwrap_or(asked.cursor).log_seq < head.head;
        answer.push(BucketRead::Page { number: head.number, to, durable_seq: head.durable_seq, rows, more });
    }
    answer.extend(heads.values().map(|head| start(epoch, head)));
    Ok(answer)
}

fn start(epoch: u64, head: &Head) -> BucketRead {
    let cursor = Cursor { epoch, log_seq: head.head, checksum: head.checksum };
    BucketRead::Start { number: head.number, bucket: head.bucket, head: cursor }
}

/// The bucket of a number.
fn bucket_of(connection: &Connection, number: u32) -> Result<Option<Bucket>, DbError> {
    const STEP: &str = "finding a bucket";
    let mut statement =
        connection.prepare_cached("SELECT name FROM bucket WHERE number = ?1").map_err(backend(STEP))?;
    let name: Option<Vec<u8>> = optional(statement.query_row([number], |row| row.get(0)), STEP)?;
    let bucket = name.map(|name| Bucket::try_from(name.as_slice()));
    bucket.transpose().map_err(|_| DbError::Damaged { table: "bucket" })
}

fn head(connection: &Connection, bucket: Bucket) -> Result<Option<Head>, DbError> {
    const STEP: &str = "reading a head";
    let mut statement = connection
        .prepare_cached("SELECT number, head, checksum, floor, durable_seq FROM bucket WHERE name = ?1")
        .map_err(backend(STEP))?;
    optional(
        statement.query_row([bucket.to_bytes()], |row| {
            let unsigned = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            Ok(Head {
                number: row.get(0)?,
                bucket,
                head: unsigned(1)?,
                checksum: unsigned(2)?,
                floor: unsigned(3)?,
                durable_seq: unsigned(4)?,
            })
        }),
        STEP,
    )
}

pub(super) fn heads(connection: &Connection, buckets: &[Bucket]) -> Result<BTreeMap<Bucket, u64>, DbError> {
    let mut heads = BTreeMap::new();
    for bucket in buckets {
        heads.extend(head(connection, *bucket)?.map(|head| (*bucket, head.head)));
    }
    Ok(heads)
}

/// Whether a cursor is a place in this log: same epoch, not below the floor, and the checksum of that very row.
fn stands(connection: &Connection, epoch: u64, head: &Head, cursor: &Cursor) -> Result<bool, DbError> {
    if cursor.epoch != epoch || cursor.log_seq > head.head || cursor.log_seq < head.floor {
        return Ok(false);
    }
    if cursor.log_seq == 0 {
        return Ok(cursor.checksum == 0);
    }
    const STEP: &str = "checking a cursor";
    let mut statement = connection
        .prepare_cached("SELECT checksum_after FROM log WHERE bucket = ?1 AND log_seq = ?2")
        .map_err(backend(STEP))?;
    let sum: Option<i64> =
        optional(statement.query_row(params![head.number, cursor.log_seq.cast_signed()], |row| row.get(0)), STEP)?;
    Ok(sum.map(i64::cast_unsigned) == Some(cursor.checksum))
}

struct LogRow {
    log_seq: i64,
    record: RecordId,
    moved_to: Option<Bucket>,
    checksum: i64,
}

/// The next rows after a cursor, every touched record once and as it stands now.
fn page(
    connection: &Connection,
    head: &Head,
    from: Cursor,
    limit: usize,
) -> Result<(Option<Cursor>, Vec<WireRow>), DbError> {
    if from.log_seq == head.head || limit == 0 {
        return Ok((None, Vec::new()));
    }
    let found = rows(
        connection,
        "reading a log",
        "SELECT l.log_seq, l.record, b.name AS moved_to, l.checksum_after FROM log l
         LEFT JOIN bucket b ON b.number = l.moved_to
         WHERE l.bucket = ?1 AND l.log_seq > ?2 ORDER BY l.log_seq LIMIT ?3",
        params![head.number, from.log_seq.cast_signed(), i64::try_from(limit).unwrap_or(i64::MAX)],
        |row| {
            Ok(LogRow {
                log_seq: row.get("log_seq")?,
                record: named(row, "record")?,
                moved_to: named_or_null(row, "moved_to")?,
                checksum: row.get("checksum_after")?,
            })
        },
    )?;
    let mut last_of: BTreeMap<RecordId, &LogRow> = BTreeMap::new();
    found.iter().for_each(|row| {
        last_of.insert(row.record, row);
    });
    let mut seen = BTreeSet::new();
    let mut page = Vec::new();
    let mut to = None;
    let mut bytes = 0;
    for row in &found {
        let cursor = |row: &LogRow| Cursor {
            epoch: from.epoch,
            log_seq: row.log_seq.cast_unsigned(),
            checksum: row.checksum.cast_unsigned(),
        };
        if !seen.insert(row.record) {
            to = Some(cursor(row));
            continue;
        }
        if bytes > PAGE_BYTES {
            break;
        }
        let here = is_in(connection, head.number, row.record)?;
        let entered = here && has_entered(connection, head.number, row.record, from.log_seq)?;
        let since = (!entered).then_some((head.number, from.log_seq));
        let touched = if here { touched(connection, row.record, since)? } else { None };
        bytes += touched.as_ref().map_or(0, |touched| {
            touched.changes.iter().map(|change| change.bytes.len()).sum::<usize>() + 64 * touched.values.len()
        });
        // As it stands now: one that left and came back has entered.
        let kind = match touched {
            None => RowKind::REMOVE,
            Some(_) if entered => RowKind::PUT,
            Some(_) => RowKind::CHANGE,
        };
        let moved_to = last_of.get(&row.record).and_then(|last| last.moved_to).filter(|_| touched.is_none());
        page.push(WireRow { kind, record: row.record, touched, moved_to });
        to = Some(cursor(row));
    }
    Ok((to, page))
}

fn is_in(connection: &Connection, number: u32, record: RecordId) -> Result<bool, DbError> {
    const STEP: &str = "checking a bucket";
    connection
        .prepare_cached("SELECT 1 FROM record_bucket WHERE bucket = ?1 AND record = ?2 AND until IS NULL")
        .and_then(|mut statement| statement.exists(params![number, record.0]))
        .map_err(backend(STEP))
}

/// Whether a record has entered a bucket after a row of its log. Left to itself SQLite would walk through all rows after
/// that one, for every record of a page.
fn has_entered(connection: &Connection, number: u32, record: RecordId, from: u64) -> Result<bool, DbError> {
    const STEP: &str = "looking for an entry";
    connection
        .prepare_cached(
            "SELECT 1 FROM log INDEXED BY log_record
             WHERE bucket = ?1 AND record = ?2 AND log_seq > ?3 AND kind = 2",
        )
        .and_then(|mut statement| statement.exists(params![number, record.0, from.cast_signed()]))
        .map_err(backend(STEP))
}

/// A record as it stands, with all its changes, or with those that have rows in a bucket's log after a cursor.
fn touched(connection: &Connection, record: RecordId, since: Option<(u32, u64)>) -> Result<Option<Touched>, DbError> {
    let Some(row) = record_row(connection, record)? else { return Ok(None) };
    let shown = shown(connection, record)?;
    let found = match since {
        Some((number, from)) => rows(
            connection,
            "reading new changes",
            "SELECT c.hash, c.bytes, w.actor, c.role, y.user, y.device, c.corrected_time, c.intent, c.intent_kind
             FROM log l INDEXED BY log_record
             JOIN change c ON c.record = l.record AND c.generation = l.generation
             AND c.writer = l.writer AND c.actor_seq = l.actor_seq
             JOIN writer w ON w.number = c.writer LEFT JOIN who y ON y.number = c.who
             WHERE l.bucket = ?1 AND l.record = ?2 AND l.log_seq > ?3 ORDER BY l.log_seq",
            params![number, record.0, from.cast_signed()],
            change_meta,
        )?,
        None => changes(connection, record, row.generation)?,
    };
    Ok(Some(as_touched(record, row, shown, found.into_iter().map(|meta| meta.row).collect())))
}

fn as_touched(
    record: RecordId,
    row: RecordRow,
    values: gridpass_core::record::ShownValues,
    changes: Vec<wire::ChangeRow>,
) -> Touched {
    Touched {
        record,
        collection: row.collection,
        generation: row.generation,
        fmt: row.fmt,
        home: row.home,
        heads: row.heads,
        values,
        changes,
    }
}

fn shown(connection: &Connection, record: RecordId) -> Result<gridpass_core::record::ShownValues, DbError> {
    const STEP: &str = "reading values";
    let bytes: Vec<u8> = connection
        .prepare_cached("SELECT shown FROM record WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([record.0], |row| row.get(0)))
        .map_err(backend(STEP))?;
    wire::decode(&bytes).map_err(|_| DbError::Damaged { table: "record" })
}

pub(super) fn whole(connection: &Connection, scope: &[Bucket], records: &[RecordId]) -> Result<Vec<Touched>, DbError> {
    let mut found = Vec::new();
    for record in records {
        for bucket in scope {
            if let Some(number) = bucket_number(connection, *bucket)?
                && is_in(connection, number, *record)?
            {
                found.extend(touched(connection, *record, None)?);
                break;
            }
        }
    }
    Ok(found)
}

pub(super) fn bucket_records(
    connection: &Connection,
    epoch: u64,
    bucket: Bucket,
    size: usize,
    take: &mut dyn FnMut(Vec<Touched>) -> Result<(), DbError>,
) -> Result<Cursor, DbError> {
    let Some(head) = head(connection, bucket)? else { return Ok(Cursor { epoch, ..Cursor::default() }) };
    let mut after = RecordId::default();
    loop {
        let ids: Vec<RecordId> = rows(
            connection,
            "listing a bucket",
            "SELECT record FROM record_bucket WHERE bucket = ?1 AND until IS NULL AND record > ?2
             ORDER BY record LIMIT ?3",
            params![head.number, after.0, i64::try_from(size).unwrap_or(i64::MAX)],
            |row| named(row, "record"),
        )?;
        let Some(last) = ids.last().copied() else { break };
        let mut piece = Vec::with_capacity(ids.len());
        for id in ids {
            piece.extend(touched(connection, id, None)?);
        }
        take(piece)?;
        after = last;
    }
    Ok(Cursor { epoch, log_seq: head.head, checksum: head.checksum })
}

pub(super) fn manifest(connection: &Connection, epoch: u64, bucket: Bucket) -> Result<Option<Manifest>, DbError> {
    let Some(number) = bucket_number(connection, bucket)? else { return Ok(None) };
    let found: Vec<(BlobHash, u32, u32, i64)> = rows(
        connection,
        "reading a manifest",
        "SELECT p.hash, length(p.bytes) AS size, p.records, m.log_seq FROM manifest m JOIN pack p ON p.hash = m.hash
         WHERE m.bucket = ?1 ORDER BY m.place",
        [number],
        |row| Ok((named(row, "hash")?, row.get("size")?, row.get("records")?, row.get("log_seq")?)),
    )?;
    let Some((_, _, _, log_seq)) = found.first() else { return Ok(None) };
    const STEP: &str = "reading a manifest's cursor";
    let mut statement = connection
        .prepare_cached("SELECT checksum_after FROM log WHERE bucket = ?1 AND log_seq = ?2")
        .map_err(backend(STEP))?;
    let sum: Option<i64> = optional(statement.query_row(params![number, log_seq], |row| row.get(0)), STEP)?;
    let Some(sum) = sum else { return Ok(None) };
    let as_of = Cursor { epoch, log_seq: log_seq.cast_unsigned(), checksum: sum.cast_unsigned() };
    let packs = found.into_iter().map(|(hash, size, records, _)| PackRef { hash, size, records }).collect();
    Ok(Some(Manifest { as_of, packs }))
}

/// Takes away the packs of a bucket.
pub(super) const OLD_PACKS: &str = "DELETE FROM pack WHERE hash IN (SELECT hash FROM manifest WHERE bucket = ?1)";

pub(super) fn put_manifest(
    connection: &Connection,
    now_ms: i64,
    bucket: Bucket,
    as_of: Cursor,
    packs: &[NewPack],
) -> Result<(), DbError> {
    const STEP: &str = "storing packs";
    let Some(number) = bucket_number(connection, bucket)? else { return Ok(()) };
    // A pack names its bucket, so no other bucket's manifest has it.
    execute(connection, STEP, OLD_PACKS, [number])?;
    execute(connection, STEP, "DELETE FROM manifest WHERE bucket = ?1", [number])?;
    for (place, pack) in (0i64..).zip(packs) {
        execute(
            connection,
            STEP,
            "INSERT INTO pack (hash, bytes, records, made) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (hash) DO NOTHING",
            params![pack.hash.0, pack.bytes, pack.records, now_ms],
        )?;
        execute(
            connection,
            STEP,
            "INSERT INTO manifest (bucket, place, hash, log_seq) VALUES (?1, ?2, ?3, ?4)",
            params![number, place, pack.hash.0, as_of.log_seq.cast_signed()],
        )?;
    }
    Ok(())
}

pub(super) fn pack(connection: &Connection, scope: &[Bucket], hash: BlobHash) -> Result<Option<Vec<u8>>, DbError> {
    const STEP: &str = "reading a pack";
    for bucket in scope {
        let Some(number) = bucket_number(connection, *bucket)? else { continue };
        let mut statement = connection
            .prepare_cached(
                "SELECT p.bytes FROM manifest m JOIN pack p ON p.hash = m.hash WHERE m.bucket = ?1 AND m.hash = ?2",
            )
            .map_err(backend(STEP))?;
        if let Some(bytes) = optional(statement.query_row(params![number, hash.0], |row| row.get(0)), STEP)? {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;

    /// A server has the packs of hundreds of grids: those of one must not be looked for among them all.
    #[test]
    fn the_packs_of_a_bucket_are_replaced_without_reading_those_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let (sqlite, _) = Sqlite::open(folder.path(), 1).unwrap();
        let plan = sqlite.read("planning", |tx| {
            rows(tx, "planning", &format!("EXPLAIN QUERY PLAN {OLD_PACKS}"), [0], |row| row.get::<_, String>("detail"))
        });
        let plan = plan.unwrap();
        assert!(!plan.is_empty() && plan.iter().all(|step| !step.contains("SCAN")), "{plan:?}");
    }
}
