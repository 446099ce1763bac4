//! Comparing what is stored with what it must add up to, and the way of one record's changes for people.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, ChangeHash, RecordId};
use gridpass_core::record::{self, Built, Document, ShownValues};
use gridpass_core::wire::{self, FMT_AUTOMERGE, Role, RowKind};
use rusqlite::{Connection, params};

use super::log_end::link;
use super::stored::{StoredRecord, office_actors, records_after, sum_of_records};
use super::{DbError, named, named_or_null, rows, split_hashes};
use crate::db::Fault;

/// Verifies everything; returns how many rows were looked at.
pub(super) fn verify(connection: &Connection, found: &mut dyn FnMut(Fault)) -> Result<u64, DbError> {
    Ok(verify_records(connection, found)? + verify_logs(connection, found)?)
}

fn verify_records(connection: &Connection, found: &mut dyn FnMut(Fault)) -> Result<u64, DbError> {
    let office = office_actors(connection)?;
    let mut count = 0;
    let mut after = RecordId::default();
    loop {
        let piece = records_after(connection, after, 1000)?;
        let Some(last) = piece.last() else { break };
        after = last.id;
        for stored in &piece {
            count += 1;
            let fault = |what: &str| Fault { table: "record", row: stored.id.to_string(), what: what.to_owned() };
            let heads = split_hashes(&stored.heads, "record").unwrap_or_default();
            if record::checksum(stored.id, stored.generation, &heads).cast_signed() != stored.checksum {
                found(fault("the checksum is not that of its heads"));
            }
            let shown = wire::decode::<ShownValues>(&stored.shown).ok();
            match (stored.fmt, shown) {
                (_, None) => found(fault("the values cannot be read")),
                (FMT_AUTOMERGE, Some(shown)) => {
                    count += verify_changes(connection, stored, &heads, &shown, &office, found)?;
                }
                (_, Some(shown)) => {
                    if heads != [crate::ingest::plain_head(&shown)] {
                        found(fault("the head is not the hash of the values"));
                    }
                }
            }
        }
    }
    Ok(count)
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
        "SELECT c.hash, c.bytes, c.writer, w.actor, c.actor_seq, c.start_op, c.max_op, c.bucket, c.log_seq
         FROM change c JOIN writer w ON w.number = c.writer WHERE c.record = ?1 AND c.generation = ?2",
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
            })
        },
    )?;
    let mut built = Vec::new();
    for change in &changes {
        let fault = |what: &str| Fault {
            table: "change",
            row: format!("{} {}", stored.id, change.hash),
            what: what.to_owned(),
        };
        let read = Built::from_trusted(&change.bytes).and_then(|built| Ok((built.fields()?, built)));
        let Ok((fields, read)) = read else {
            found(fault("the bytes are not a change"));
            continue;
        };
        if read.hash != change.hash {
            found(fault("the bytes are not those of the hash"));
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
        let in_log = logged
            .iter()
            .any(|(record, kind, named)| *record == stored.id && (*kind == RowKind::PUT || *named == place));
        if !in_log {
            found(fault("its log row is missing or names another change"));
        }
        built.push(read);
    }
    let fault = |what: &str| Fault { table: "record", row: stored.id.to_string(), what: what.to_owned() };
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

fn verify_logs(connection: &Connection, found: &mut dyn FnMut(Fault)) -> Result<u64, DbError> {
    struct Stored {
        number: u32,
        name: Bucket,
        head: i64,
        checksum: i64,
        chain: i64,
        floor: i64,
    }
    let buckets = rows(
        connection,
        "reading buckets",
        "SELECT number, name, head, checksum, chain, floor FROM bucket ORDER BY number",
        [],
        |row| {
            Ok(Stored {
                number: row.get("number")?,
                name: named(row, "name")?,
                head: row.get("head")?,
                checksum: row.get("checksum")?,
                chain: row.get("chain")?,
                floor: row.get("floor")?,
            })
        },
    )?;
    let mut count = 0;
    for bucket in buckets {
        let sum = sum_of_records(connection, bucket.number)?;
        let whole = |what: &str| Fault { table: "bucket", row: bucket.name.to_string(), what: what.to_owned() };
        if sum != bucket.checksum {
            found(whole("the checksum is not that of its records"));
        }
        let (mut expected, mut chain, mut broken) = (bucket.floor + 1, 0, false);
        let mut last_sum = bucket.checksum;
        let mut statement = connection
            .prepare_cached(
                "SELECT l.log_seq, l.record, l.generation, l.kind, coalesce(l.change_hash, c.hash) AS change_hash,
                 l.checksum_after, l.chain FROM log l
                 LEFT JOIN change c ON c.record = l.record AND c.generation = l.generation AND c.writer = l.writer
                 AND c.actor_seq = l.actor_seq WHERE l.bucket = ?1 ORDER BY l.log_seq",
            )
            .map_err(super::backend("reading a log"))?;
        let mut log = statement.query([bucket.number]).map_err(super::backend("reading a log"))?;
        while let Some(row) = log.next().map_err(super::backend("reading a log"))? {
            let read = (|| {
                Ok::<_, rusqlite::Error>((
                    row.get::<_, i64>("log_seq")?,
                    named(row, "record")?,
                    row.get("generation")?,
                    RowKind(row.get("kind")?),
                    named_or_null(row, "change_hash")?,
                    row.get::<_, i64>("checksum_after")?,
                    row.get::<_, i64>("chain")?,
                ))
            })();
            count += 1;
            let Ok((log_seq, record, generation, kind, hash, after, stored)) = read else {
                found(whole("a log row cannot be read"));
                continue;
            };
            let fault =
                |what: &str| Fault { table: "log", row: format!("{} {log_seq}", bucket.name), what: what.to_owned() };
            if log_seq != expected {
                found(fault("rows before it are missing"));
            }
            let linked = if log_seq == bucket.floor + 1 && bucket.floor > 0 {
                stored // what lies below the floor was deleted; the chain starts here
            } else {
                link(chain, record, generation, kind, hash)
            };
            if linked != stored && !broken {
                found(fault("it, or the order up to it, was altered"));
                broken = true; // later rows follow from this one
            }
            (expected, chain, last_sum) = (log_seq + 1, stored, after);
        }
        if expected != bucket.head + 1 {
            found(whole("the head is not the last row"));
        } else if chain != bucket.chain {
            found(whole("the last row is not the one that was written last"));
        } else if last_sum != bucket.checksum {
            found(whole("the checksum is not that of its last row"));
        }
    }
    Ok(count)
}

/// The way of every change of a record: who, when, why, where it lies in each bucket's log.
pub(super) fn trace(connection: &Connection, record: RecordId) -> Result<Vec<serde_json::Value>, DbError> {
    let log: Vec<(Bucket, i64, u8, Option<ChangeHash>)> = rows(
        connection,
        "tracing the log",
        "SELECT b.name, l.log_seq, l.kind, coalesce(l.change_hash, c.hash) AS change_hash FROM record_bucket rb
         JOIN bucket b ON b.number = rb.bucket
         JOIN log l ON l.bucket = rb.bucket AND l.record = rb.record
         LEFT JOIN change c ON c.record = l.record AND c.generation = l.generation AND c.writer = l.writer
         AND c.actor_seq = l.actor_seq
         WHERE rb.record = ?1 ORDER BY b.name, l.log_seq",
        [record.0],
        |row| Ok((named(row, "name")?, row.get("log_seq")?, row.get("kind")?, named_or_null(row, "change_hash")?)),
    )?;
    let mut places: BTreeMap<ChangeHash, Vec<String>> = BTreeMap::new();
    for (bucket, log_seq, kind, hash) in &log {
        let word = match RowKind(*kind) {
            RowKind::PUT => "put",
            RowKind::CHANGE => "change",
            _ => "remove",
        };
        if let Some(hash) = hash {
            places.entry(*hash).or_default().push(format!("{bucket} {log_seq} {word}"));
        }
    }
    rows(
        connection,
        "tracing changes",
        "SELECT c.generation, c.hash, w.actor, c.actor_seq, c.role, y.device, y.user, c.intent, c.intent_kind,
         c.catalog_version, c.recv_time, c.device_time, c.corrected_time, p.id AS batch, b.name AS home, c.log_seq, c.bytes
         FROM change c JOIN bucket b ON b.number = c.bucket
         JOIN writer w ON w.number = c.writer LEFT JOIN who y ON y.number = c.who
         LEFT JOIN batch p ON p.number = c.batch
         WHERE c.record = ?1 ORDER BY c.generation, c.recv_time, c.max_op",
        [record.0],
        |row| {
            let hash: ChangeHash = named(row, "hash")?;
            let bytes: Vec<u8> = row.get("bytes")?;
            let keys: Vec<String> = Built::from_trusted(&bytes)
                .and_then(|built| built.fields())
                .map(|fields| fields.puts.into_iter().map(|put| put.key).collect())
                .unwrap_or_default();
            let id = |column| named_or_null::<RecordId>(row, column).map(|id| id.map(|id| id.to_string()));
            Ok(serde_json::json!({
                "record": record.to_string(),
                "generation": row.get::<_, u32>("generation")?,
                "change": hash.to_string(),
                "keys": keys,
                "actor": id("actor")?,
                "actor_seq": row.get::<_, i64>("actor_seq")?,
                "role": match Role(row.get("role")?) {
                    Role::OFFICE => "office",
                    Role::CONSOLE => "console",
                    _ => "device",
                },
                "device": id("device")?,
                "user": id("user")?,
                "intent": id("intent")?,
                "intent_kind": row.get::<_, u8>("intent_kind")?,
                "catalog_version": row.get::<_, u32>("catalog_version")?,
                "device_time_ms": row.get::<_, i64>("device_time")?,
                "corrected_time_ms": row.get::<_, i64>("corrected_time")?,
                "received_ms": row.get::<_, i64>("recv_time")?,
                "batch": id("batch")?,
                "home": named::<Bucket>(row, "home")?.to_string(),
                "log_seq": row.get::<_, i64>("log_seq")?,
                "rows": places.get(&hash).cloned().unwrap_or_default(),
            }))
        },
    )
}
