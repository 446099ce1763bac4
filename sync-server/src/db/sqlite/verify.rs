//! Comparing what is stored with what it must add up to. A fault is named where it is, not also where it shows.

use std::collections::BTreeSet;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, ChangeHash, RecordId};
use gridpass_core::record::{self, Built, Document, ShownValues};
use gridpass_core::wire::{self, FMT_AUTOMERGE, RowKind};
use rusqlite::{Connection, params};

use super::stored::{StoredRecord, office_actors, record_at, records_after};
use super::verify_audit::verify_audit;
use super::verify_log::verify_logs;
use super::{DbError, bucket_number, named, rows, split_hashes};
use crate::db::Fault;

/// Verifies everything; returns how many rows were looked at.
pub(super) fn verify(connection: &Connection, found: &mut dyn FnMut(Fault)) -> Result<u64, DbError> {
    Ok(verify_records(connection, found)?
        + verify_logs(connection, None, found)?
        + verify_audit(connection, found)?.rows)
}

/// Verifies the logs of some buckets and the records that they distribute now.
pub(super) fn verify_buckets(
    connection: &Connection,
    buckets: &[Bucket],
    found: &mut dyn FnMut(Fault),
) -> Result<u64, DbError> {
    let office = office_actors(connection)?;
    let mut numbers = Vec::new();
    for bucket in buckets {
        numbers.extend(bucket_number(connection, *bucket)?);
    }
    let mut records = BTreeSet::new();
    for number in &numbers {
        const SQL: &str = "SELECT record FROM record_bucket WHERE bucket = ?1 AND until IS NULL";
        records.extend(rows(connection, "reading a bucket", SQL, [number], |row| named::<RecordId>(row, "record"))?);
    }
    let mut count = 0;
    for id in records {
        count += match record_at(connection, id)? {
            Some(stored) => verify_record(connection, &stored, &office, found)?,
            None => {
                found(without_row(id));
                1
            }
        };
    }
    Ok(count + verify_logs(connection, Some(&numbers), found)?)
}

fn without_row(id: RecordId) -> Fault {
    Fault { table: "record", row: id.to_string(), what: "its row is missing".into() }
}

fn verify_records(connection: &Connection, found: &mut dyn FnMut(Fault)) -> Result<u64, DbError> {
    let office = office_actors(connection)?;
    let lost = rows(
        connection,
        "looking for lost records",
        "SELECT record FROM change c WHERE NOT EXISTS (SELECT 1 FROM record r WHERE r.id = c.record)
         UNION SELECT record FROM record_bucket b WHERE NOT EXISTS (SELECT 1 FROM record r WHERE r.id = b.record)",
        [],
        |row| named(row, "record"),
    )?;
    lost.into_iter().for_each(|id| found(without_row(id)));
    let mut count = 0;
    let mut after = i64::MIN;
    loop {
        let piece = records_after(connection, after, 1000)?;
        let Some(last) = piece.last() else { break };
        after = last.number;
        for stored in &piece {
            count += verify_record(connection, stored, &office, found)?;
        }
    }
    Ok(count)
}

fn verify_record(
    connection: &Connection,
    stored: &StoredRecord,
    office: &BTreeSet<ActorId>,
    found: &mut dyn FnMut(Fault),
) -> Result<u64, DbError> {
    let fault = |what: &str| Fault { table: "record", row: stored.id.to_string(), what: what.to_owned() };
    let heads = split_hashes(&stored.heads, "record").unwrap_or_default();
    if record::checksum(stored.id, stored.generation, &heads).cast_signed() != stored.checksum {
        found(fault("the checksum is not that of its heads"));
    }
    let shown = wire::decode::<ShownValues>(&stored.shown).ok();
    match (stored.fmt, shown) {
        (_, None) => found(fault("the values cannot be read")),
        (FMT_AUTOMERGE, Some(shown)) => {
            return Ok(1 + verify_changes(connection, stored, &heads, &shown, office, found)?);
        }
        (_, Some(shown)) => {
            if heads != [crate::ingest::plain_head(&shown)] {
                found(fault("the head is not the hash of the values"));
            }
        }
    }
    Ok(1)
}

struct StoredChange {
    hash: ChangeHash,
    bytes: Vec<u8>,
    writer: i64,
    actor: ActorId,
    actor_seq: i64,
    start_op: i64,
    max_op: i64,
    bucket: u32,
    log_seq: i64,
    /// The last row of its home's log.
    head: i64,
}

fn verify_changes(
    connection: &Connection,
    stored: &StoredRecord,
    heads: &[ChangeHash],
    shown: &ShownValues,
    office: &BTreeSet<ActorId>,
    found: &mut dyn FnMut(Fault),
) -> Result<u64, DbError> {
    let changes = rows(
        connection,
        "reading changes",
        "SELECT c.hash, c.bytes, c.writer, w.actor, c.actor_seq, c.start_op, c.max_op, c.bucket, c.log_seq, b.head
         FROM change c JOIN writer w ON w.number = c.writer JOIN bucket b ON b.number = c.bucket WHERE c.record = ?1 AND c.generation = ?2",
        params![stored.id.0, stored.generation],
        |row| {
            Ok(StoredChange {
                hash: named(row, "hash")?,
                bytes: row.get("bytes")?,
                writer: row.get("writer")?,
                actor: named(row, "actor")?,
                actor_seq: row.get("actor_seq")?,
                start_op: row.get("start_op")?,
                max_op: row.get("max_op")?,
                bucket: row.get("bucket")?,
                log_seq: row.get("log_seq")?,
                head: row.get("head")?,
            })
        },
    )?;
    let (mut built, mut altered) = (Vec::new(), false);
    for change in &changes {
        let fault = |what: &str| Fault {
            table: "change",
            row: format!("{} {}", stored.id, change.hash),
            what: what.to_owned(),
        };
        let read = Built::from_trusted(&change.bytes).and_then(|built| Ok((built.fields()?, built)));
        let Ok((fields, read)) = read else {
            found(fault("the bytes are not a change"));
            altered = true;
            continue;
        };
        if read.hash != change.hash {
            found(fault("the bytes are not those of the hash"));
            altered = true;
            continue;
        }
        let columns = fields.actor == change.actor
            && fields.actor_seq == change.actor_seq.cast_unsigned()
            && fields.start_op == change.start_op.cast_unsigned()
            && fields.max_op() == change.max_op.cast_unsigned();
        if !columns {
            found(fault("a column does not agree with the bytes"));
        }
        let logged = rows(
            connection,
            "reading a log row",
            "SELECT record, kind, writer, actor_seq FROM log WHERE bucket = ?1 AND log_seq = ?2",
            params![change.bucket, change.log_seq],
            |row| {
                Ok((
                    named::<RecordId>(row, "record")?,
                    RowKind(row.get("kind")?),
                    (row.get::<_, Option<i64>>("writer")?, row.get::<_, Option<i64>>("actor_seq")?),
                ))
            },
        )?;
        let place = (Some(change.writer), Some(change.actor_seq));
        match logged.first() {
            Some((record, kind, named)) if *record == stored.id && (*kind == RowKind::PUT || *named == place) => {}
            Some(_) => found(fault("its log row names another change")),
            None if change.log_seq > change.head => found(fault("its log row lies beyond the end of the log")),
            None => {} // the log names the row that it misses
        }
        built.push(read);
    }
    let fault = |what: &str| Fault { table: "record", row: stored.id.to_string(), what: what.to_owned() };
    if altered {
        return Ok(changes.len() as u64); // what its changes add up to cannot be said
    }
    let mut document = Document::new();
    match document.apply(built) {
        Err(_) => found(fault("its changes do not add up: one is missing or altered")),
        Ok(()) if document.heads() != heads => found(fault("the heads are not those of its changes")),
        Ok(()) => {
            let expected = record::shown_values(&document.state(), |actor| office.contains(actor));
            if expected != *shown {
                found(fault("the values are not those of its changes"));
            }
        }
    }
    Ok(changes.len() as u64)
}
