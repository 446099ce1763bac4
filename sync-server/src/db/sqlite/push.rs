//! What the checks of a push need, looked up in one read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ChangeHash, DeviceId, RecordId, TicketId};
use gridpass_core::record::check::BEFORE_THE_HASH;
use gridpass_core::wire::{self, Reason};
use rusqlite::{Connection, Row, params};

use super::{DbError, backend, named, named_or_null, optional, rows, split_hashes};
use crate::db::{ChangeMeta, ItemRef, Known, PushFacts, RecordFacts, RecordRow, StoredChange};

/// Of the first items, until that many bytes of changes were read.
pub(super) fn facts(
    connection: &Connection,
    device: Option<DeviceId>,
    items: &[ItemRef],
    most_bytes: usize,
) -> Result<PushFacts, DbError> {
    let mut facts = PushFacts::default();
    let mut bytes = 0;
    for item in items {
        if bytes > most_bytes {
            break;
        }
        facts.items.push(known(connection, device, item)?);
        if let Entry::Vacant(place) = facts.records.entry(item.record) {
            let record = place.insert(record_facts(connection, device, item.record)?);
            bytes += record.changes.iter().map(|change| change.row.bytes.len()).sum::<usize>();
        }
    }
    Ok(facts)
}

/// Rows and changes of those of the records that exist, and nothing else of them.
pub(super) fn standing(
    connection: &Connection,
    records: &[RecordId],
) -> Result<BTreeMap<RecordId, RecordFacts>, DbError> {
    let mut found = BTreeMap::new();
    for record in records {
        if let Some(row) = record_row(connection, *record)? {
            let changes = changes(connection, *record, row.generation)?;
            found.insert(*record, RecordFacts { row: Some(row), changes, ..RecordFacts::default() });
        }
    }
    Ok(found)
}

/// For a device, or for the server. By hash among changes and what the device has in quarantine, then by intent among changes. What others sent under its
/// names says nothing of an item.
fn known(connection: &Connection, device: Option<DeviceId>, item: &ItemRef) -> Result<Known, DbError> {
    const STEP: &str = "looking for a change";
    const COLUMNS: &str = "SELECT c.hash, b.name AS home, c.log_seq, c.recv_time
                           FROM change c JOIN bucket b ON b.number = c.bucket";
    let by_hash = format!("{COLUMNS} WHERE c.record = ?1 AND c.generation = ?2 AND c.hash = ?3");
    let mut statement = connection.prepare_cached(&by_hash).map_err(backend(STEP))?;
    let found = optional(statement.query_row(params![item.record.0, item.generation, item.hash.0], stored), STEP)?;
    if let Some(found) = found {
        return Ok(Known::Stored(found));
    }
    let mut statement = connection
        .prepare_cached(
            "SELECT ticket, reason, blocked_by FROM quarantine
             WHERE record = ?1 AND generation = ?2 AND hash = ?3 AND (?4 IS NULL OR device = ?4)",
        )
        .map_err(backend(STEP))?;
    let device = device.map(|device| device.0);
    let kept = statement.query_row(params![item.record.0, item.generation, item.hash.0, device], |row| {
        Ok((named(row, "ticket")?, row.get::<_, Vec<u8>>("reason")?, named_or_null(row, "blocked_by")?))
    });
    if let Some((ticket, reason, blocked_by)) = optional(kept, STEP)? {
        let reason = wire::decode(&reason).map_err(|_| DbError::Damaged { table: "quarantine" })?;
        return Ok(Known::Quarantined { ticket, reason, blocked_by });
    }
    let by_intent = "SELECT c.hash, b.name AS home, c.log_seq, c.recv_time, ?3 IS NULL OR w.device IS ?3 AS own
                     FROM change c JOIN bucket b ON b.number = c.bucket LEFT JOIN who w ON w.number = c.who
                     WHERE c.record = ?1 AND c.intent = ?2";
    let mut statement = connection.prepare_cached(by_intent).map_err(backend(STEP))?;
    let found = statement.query_row(params![item.record.0, item.intent.0, device], |row| {
        Ok(if row.get("own")? { Known::Stored(stored(row)?) } else { Known::Taken })
    });
    Ok(optional(found, STEP)?.unwrap_or(Known::New))
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredChange> {
    Ok(StoredChange {
        hash: named(row, "hash")?,
        home: named(row, "home")?,
        log_seq: row.get::<_, i64>("log_seq")?.cast_unsigned(),
        time_ms: row.get("recv_time")?,
    })
}

fn record_facts(connection: &Connection, device: Option<DeviceId>, record: RecordId) -> Result<RecordFacts, DbError> {
    const STEP: &str = "reading a record";
    let row = record_row(connection, record)?;
    let changes = match &row {
        Some(row) => changes(connection, record, row.generation)?,
        None => Vec::new(),
    };
    let newest = newest(connection, record)?;
    let quarantined = quarantined(connection, device, record)?;
    let open = rows(
        connection,
        STEP,
        "SELECT DISTINCT key FROM ticket WHERE record = ?1 AND closed IS NULL",
        [record.0],
        |row| row.get(0),
    )?;
    Ok(RecordFacts { row, changes, newest, quarantined, open })
}

/// What waits in quarantine, by hash: what the device sent, and what others sent who are the writers of what they sent
/// and whose hash was held against the fields. Nobody blocks the work of others by claiming a hash.
fn quarantined(
    connection: &Connection,
    device: Option<DeviceId>,
    record: RecordId,
) -> Result<BTreeMap<ChangeHash, TicketId>, DbError> {
    const STEP: &str = "reading a record's quarantine";
    let sql = "SELECT q.hash, q.ticket, q.reason, ?2 IS NULL OR q.device = ?2 AS own FROM quarantine q
               WHERE q.record = ?1 AND q.closed IS NULL AND (?2 IS NULL OR q.device = ?2
                 OR EXISTS (SELECT 1 FROM actor a WHERE a.id = q.actor AND a.device = q.device))
               ORDER BY own";
    let found = rows(connection, STEP, sql, params![record.0, device.map(|device| device.0)], |row| {
        let (own, reason): (bool, Vec<u8>) = (row.get("own")?, row.get("reason")?);
        Ok((own, reason, named(row, "hash")?, named(row, "ticket")?))
    })?;
    let mut quarantined = BTreeMap::new();
    for (own, reason, hash, ticket) in found {
        let reason: Reason = wire::decode(&reason).map_err(|_| DbError::Damaged { table: "quarantine" })?;
        if own || !BEFORE_THE_HASH.contains(&reason.code.as_str()) {
            quarantined.insert(hash, ticket);
        }
    }
    Ok(quarantined)
}

/// The homes of those of the records that exist.
pub(super) fn homes(connection: &Connection, records: &[RecordId]) -> Result<BTreeMap<RecordId, Bucket>, DbError> {
    const STEP: &str = "finding homes";
    let mut statement = connection
        .prepare_cached("SELECT b.name FROM record r JOIN bucket b ON b.number = r.home WHERE r.id = ?1")
        .map_err(backend(STEP))?;
    let mut homes = BTreeMap::new();
    for record in records {
        let found = statement.query_row([record.0], |row| named(row, "name"));
        homes.extend(optional(found, STEP)?.map(|home| (*record, home)));
    }
    Ok(homes)
}

/// A record's row with the buckets that distribute it.
pub(super) fn record_row(connection: &Connection, record: RecordId) -> Result<Option<RecordRow>, DbError> {
    const STEP: &str = "reading a record";
    let mut statement = connection
        .prepare_cached(
            "SELECT r.collection, r.generation, r.fmt, r.heads, b.name AS home
             FROM record r JOIN bucket b ON b.number = r.home WHERE r.id = ?1",
        )
        .map_err(backend(STEP))?;
    let found = statement.query_row([record.0], |row| {
        Ok((
            row.get("collection")?,
            row.get("generation")?,
            row.get("fmt")?,
            row.get::<_, Vec<u8>>("heads")?,
            named(row, "home")?,
        ))
    });
    let Some((collection, generation, fmt, heads, home)) = optional(found, STEP)? else { return Ok(None) };
    let also: Vec<Bucket> = newest(connection, record)?.into_iter().map(|(bucket, _)| bucket).collect();
    Ok(Some(RecordRow {
        collection,
        generation,
        fmt,
        heads: split_hashes(&heads, "record")?,
        home,
        also: also.into_iter().filter(|bucket| *bucket != home).collect(),
    }))
}

/// Of each bucket that distributes a record now, the record's newest row.
fn newest(connection: &Connection, record: RecordId) -> Result<Vec<(Bucket, u64)>, DbError> {
    rows(
        connection,
        "reading newest rows",
        "SELECT b.name, (SELECT max(log_seq) FROM log l WHERE l.bucket = rb.bucket AND l.record = rb.record) AS seq
         FROM record_bucket rb JOIN bucket b ON b.number = rb.bucket
         WHERE rb.record = ?1 AND rb.until IS NULL ORDER BY rb.home DESC, rb.bucket",
        [record.0],
        |row| Ok((named(row, "name")?, row.get::<_, Option<i64>>("seq")?.unwrap_or(0).cast_unsigned())),
    )
}

/// All changes of a record, in the order they were stored.
pub(super) fn changes(connection: &Connection, record: RecordId, generation: u32) -> Result<Vec<ChangeMeta>, DbError> {
    rows(
        connection,
        "reading changes",
        "SELECT c.hash, c.bytes, w.actor, c.role, y.user, y.device, c.corrected_time, c.intent, c.intent_kind
         FROM change c JOIN writer w ON w.number = c.writer LEFT JOIN who y ON y.number = c.who
         WHERE c.record = ?1 AND c.generation = ?2 ORDER BY c.recv_time, c.max_op, c.hash",
        params![record.0, generation],
        change_meta,
    )
}

pub(super) fn change_meta(row: &Row<'_>) -> rusqlite::Result<ChangeMeta> {
    Ok(ChangeMeta {
        row: wire::ChangeRow {
            hash: named(row, "hash")?,
            bytes: row.get("bytes")?,
            author: wire::Author {
                role: wire::Role(row.get("role")?),
                user: named_or_null(row, "user")?,
                device: named_or_null(row, "device")?,
            },
            time_ms: row.get("corrected_time")?,
            intent: named(row, "intent")?,
        },
        actor: named(row, "actor")?,
        intent_kind: wire::IntentKind(row.get("intent_kind")?),
    })
}
