//! The way of one record's changes, for people.

use std::collections::BTreeMap;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ChangeHash, RecordId};
use gridpass_core::record::Built;
use gridpass_core::wire::{Role, RowKind};
use rusqlite::Connection;

use super::{DbError, named, named_or_null, rows};

/// The way of every change of a record: who, when, why, where it lies in each bucket's log.
pub(super) fn trace(connection: &Connection, record: RecordId) -> Result<Vec<serde_json::Value>, DbError> {
    let log: Vec<(Bucket, i64, u8, Option<ChangeHash>)> = rows(
        connection,
        "tracing the log",
        "SELECT b.name, l.log_seq, l.kind, coalesce(l.change_hash, c.hash) AS change_hash FROM record_bucket rb
         JOIN bucket b ON b.number = rb.bucket
         JOIN log l INDEXED BY log_record ON l.bucket = rb.bucket AND l.record = rb.record
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
