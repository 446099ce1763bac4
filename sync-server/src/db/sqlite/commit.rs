//! Applying commits: change, log rows, record, tickets, quarantine and audit of one commit together.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ChangeHash, RecordId};
use gridpass_core::record;
use gridpass_core::wire::{self, RowKind};
use rusqlite::{Connection, params};

use super::audit::write_audit;
use super::log_end::{Entry, LogEnd};
use super::share::share;
use super::{DbError, backend, bucket_number, files, join_hashes, names, optional, reviews, rows};
use crate::audit::chain::OfChange;
use crate::log::{Audit, BatchProof, Commit, NewChange, Outcome, Quarantined, RecordWrite, Stored, Write};

pub(super) fn apply(connection: &Connection, now_ms: i64, commits: Vec<Commit>) -> Result<Vec<Outcome>, DbError> {
    commits
        .into_iter()
        .map(|commit| {
            let outcome = match &commit.write {
                Write::Record(write) => apply_record(connection, now_ms, write)?,
                Write::Quarantine(item) => keep(connection, now_ms, item)?,
                Write::Batch(proof) => keep_proof(connection, now_ms, proof)?,
                Write::Nothing => Outcome::Stored(Stored { time_ms: now_ms, ..Stored::default() }),
            };
            if let Outcome::Stored(stored) = &outcome {
                let change = match (&commit.write, stored.home.first()) {
                    (Write::Record(write), Some((hash, _))) => stored_change(connection, write, *hash)?,
                    _ => None,
                };
                write_audit(connection, now_ms, &commit.audit, change)?;
            }
            Ok(outcome)
        })
        .collect()
}

pub(super) fn audit(connection: &Connection, now_ms: i64, audit: &Audit) -> Result<(), DbError> {
    write_audit(connection, now_ms, audit, None)
}

/// A stored change by its number and as its audit row binds it.
fn stored_change(
    connection: &Connection,
    write: &RecordWrite,
    hash: ChangeHash,
) -> Result<Option<(i64, OfChange)>, DbError> {
    const STEP: &str = "finding a change";
    let RecordWrite { record, generation, .. } = *write;
    let Some(new) = write.changes.iter().find(|new| new.built.hash == hash) else { return Ok(None) };
    let mut statement = connection
        .prepare_cached("SELECT number FROM change WHERE record = ?1 AND generation = ?2 AND hash = ?3")
        .map_err(backend(STEP))?;
    let number = optional(statement.query_row(params![record.0, generation, hash.0], |row| row.get(0)), STEP)?;
    Ok(number.map(|number| (number, OfChange { hash, record, generation, actor: new.change.actor })))
}

struct Standing {
    generation: u32,
    heads: Vec<u8>,
    checksum: i64,
    home: u32,
}

pub(super) fn apply_record(connection: &Connection, now_ms: i64, write: &RecordWrite) -> Result<Outcome, DbError> {
    const STEP: &str = "writing a record";
    let mut statement = connection
        .prepare_cached("SELECT generation, heads, checksum, home FROM record WHERE id = ?1")
        .map_err(backend(STEP))?;
    let standing = optional(
        statement.query_row([write.record.0], |row| {
            Ok(Standing { generation: row.get(0)?, heads: row.get(1)?, checksum: row.get(2)?, home: row.get(3)? })
        }),
        STEP,
    )?;
    let before: BTreeSet<u32> = rows(
        connection,
        STEP,
        "SELECT bucket FROM record_bucket WHERE record = ?1 AND until IS NULL",
        [write.record.0],
        |row| row.get(0),
    )?
    .into_iter()
    .collect();
    let same = match (&standing, &write.base) {
        (None, None) => true,
        (Some(standing), Some(base)) => {
            standing.generation == base.generation
                && standing.heads == join_hashes(&base.heads)
                && bucket_number(connection, base.home)? == Some(standing.home)
                && numbers(connection, base.home, &base.also)?.into_keys().eq(before.iter().copied())
        }
        _ => false,
    };
    if !same || intent_taken(connection, write)? {
        return Ok(Outcome::Stale);
    }

    let checksum = record::checksum(write.record, write.generation, &write.heads).cast_signed();
    let home = number_of(connection, write.home)?;
    let after = numbers(connection, write.home, &write.also)?;

    let writers = write.changes.iter().map(|new| names::writer(connection, new.change.actor));
    let writers: Vec<i64> = writers.collect::<Result<_, _>>()?;
    let mut stored = Stored { time_ms: now_ms, ..Stored::default() };
    let all: BTreeSet<u32> = before.iter().copied().chain(after.keys().copied()).collect();
    for number in all {
        let entered = !before.contains(&number) || write.changes.is_empty();
        let entry = |kind, hash| Entry { kind, hash, change: None, moved_to: None };
        let entries: Vec<Entry> = match after.contains_key(&number) {
            false => vec![Entry { moved_to: Some(home), ..entry(RowKind::REMOVE, None) }],
            true if entered => vec![entry(RowKind::PUT, write.heads.first().copied())],
            true => {
                let changes = write.changes.iter().zip(&writers);
                let row = |(new, writer): (&NewChange, &i64)| Entry {
                    change: Some((*writer, new.change.actor_seq)),
                    ..entry(RowKind::CHANGE, Some(new.built.hash))
                };
                changes.map(row).collect()
            }
        };
        let was = standing.as_ref().filter(|_| before.contains(&number)).map_or(0, |standing| standing.checksum);
        let is = if after.contains_key(&number) { checksum } else { 0 };
        let mut end = LogEnd::of(connection, number, is.wrapping_sub(was))?;
        let first = end.head + 1;
        for entry in entries {
            let Entry { kind, hash, .. } = entry;
            let log_seq = end.add(connection, (write.record, write.generation), entry)?;
            if let Some(bucket) = after.get(&number) {
                stored.last.retain(|(known, _)| known != bucket);
                stored.last.push((*bucket, log_seq.cast_unsigned()));
            }
            if let (true, Some(hash)) = (number == home && kind == RowKind::CHANGE, hash) {
                stored.home.push((hash, log_seq.cast_unsigned()));
            }
        }
        end.store(connection)?;
        if number == home && entered {
            let put = write.changes.iter().map(|change| (change.built.hash, first.cast_unsigned()));
            stored.home.extend(put);
        }
        let stays = (before.contains(&number), after.contains_key(&number));
        distribute(connection, now_ms, write.record, number, number == home, stays)?;
    }

    for ((change, writer), (_, log_seq)) in write.changes.iter().zip(writers).zip(&stored.home) {
        insert_change(connection, now_ms, write, (change, writer), (home, log_seq.cast_signed()))?;
    }
    execute(
        connection,
        STEP,
        "INSERT INTO record (id, collection, generation, fmt, heads, shown, checksum, home)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, fmt = excluded.fmt, heads = excluded.heads,
         shown = excluded.shown, checksum = excluded.checksum, home = excluded.home",
        params![
            write.record.0,
            write.collection,
            write.generation,
            write.fmt,
            join_hashes(&write.heads),
            wire::encode(&write.shown),
            checksum,
            home
        ],
    )?;
    tickets(connection, now_ms, write)?;
    reviews::note(connection, now_ms, write)?;
    files::refer(connection, now_ms, write.record, None, &write.files)?;
    stored.shared = share(connection, now_ms, write)?;
    Ok(Outcome::Stored(stored))
}

/// Whether one of the intents is stored for the record already: somebody was faster with the same save.
fn intent_taken(connection: &Connection, write: &RecordWrite) -> Result<bool, DbError> {
    const STEP: &str = "looking for an intent";
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM change WHERE record = ?1 AND intent = ?2").map_err(backend(STEP))?;
    for change in &write.changes {
        if statement.exists(params![write.record.0, change.intent.0]).map_err(backend(STEP))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The number of a bucket, which is made if it is new.
pub(super) fn number_of(connection: &Connection, bucket: Bucket) -> Result<u32, DbError> {
    if let Some(number) = bucket_number(connection, bucket)? {
        return Ok(number);
    }
    const STEP: &str = "making a bucket";
    execute(connection, STEP, "INSERT INTO bucket (name) VALUES (?1)", [bucket.to_bytes()])?;
    u32::try_from(connection.last_insert_rowid()).map_err(|_| DbError::Damaged { table: "bucket" })
}

/// The numbers of the buckets that distribute a record.
fn numbers(connection: &Connection, home: Bucket, also: &[Bucket]) -> Result<BTreeMap<u32, Bucket>, DbError> {
    let all = std::iter::once(home).chain(also.iter().copied());
    all.map(|bucket| Ok((number_of(connection, bucket)?, bucket))).collect()
}

/// Notes that a bucket distributes a record or does so no more; `stays` is before and after.
pub(super) fn distribute(
    connection: &Connection,
    now_ms: i64,
    record: RecordId,
    number: u32,
    home: bool,
    (before, after): (bool, bool),
) -> Result<(), DbError> {
    const STEP: &str = "distributing a record";
    if before && !after {
        execute(
            connection,
            STEP,
            "UPDATE record_bucket SET until = ?3 WHERE record = ?1 AND bucket = ?2 AND until IS NULL",
            params![record.0, number, now_ms],
        )?;
    }
    if after && !before {
        execute(
            connection,
            STEP,
            "INSERT INTO record_bucket (record, bucket, home, since) VALUES (?1, ?2, ?3,
             max(?4, coalesce((SELECT max(since) + 1 FROM record_bucket WHERE record = ?1 AND bucket = ?2), 0)))",
            params![record.0, number, home, now_ms],
        )?;
    }
    Ok(())
}

fn insert_change(
    connection: &Connection,
    now_ms: i64,
    write: &RecordWrite,
    (new, writer): (&NewChange, i64),
    (home, log_seq): (u32, i64),
) -> Result<(), DbError> {
    execute(
        connection,
        "writing a change",
        "INSERT INTO change (record, generation, writer, actor_seq, hash, fmt, start_op, max_op, bytes, role, who,
         intent, intent_kind, visit, catalog_version, recv_time, device_time, corrected_time, batch, bucket, log_seq)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
        params![
            write.record.0,
            write.generation,
            writer,
            new.change.actor_seq.cast_signed(),
            new.built.hash.0,
            write.fmt,
            new.change.start_op.cast_signed(),
            new.change.max_op().cast_signed(),
            new.built.bytes(),
            new.by.role.0,
            names::who(connection, new.by.user, new.by.device, new.by.grant)?,
            new.intent.0,
            new.intent_kind.0,
            new.visit.map(|id| id.0),
            new.catalog_version,
            now_ms,
            new.device_ms,
            new.corrected_ms,
            names::batch(connection, new.by.device, new.batch)?,
            home,
            log_seq
        ],
    )
}

fn tickets(connection: &Connection, now_ms: i64, write: &RecordWrite) -> Result<(), DbError> {
    const STEP: &str = "writing tickets";
    let by = write.changes.first().and_then(|change| change.by.user).map(|user| user.0);
    for key in &write.decided {
        execute(
            connection,
            STEP,
            "UPDATE ticket SET closed = ?3, closed_by = ?4 WHERE record = ?1 AND key = ?2 AND closed IS NULL",
            params![write.record.0, key, now_ms, by],
        )?;
    }
    for ticket in &write.tickets {
        execute(
            connection,
            STEP,
            "INSERT INTO ticket (id, record, key, kind, detail, opened) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![ticket.id.0, write.record.0, ticket.key, ticket.kind, ticket.detail, now_ms],
        )?;
    }
    Ok(())
}

fn keep(connection: &Connection, now_ms: i64, item: &Quarantined) -> Result<Outcome, DbError> {
    execute(
        connection,
        "keeping an item",
        "INSERT INTO quarantine (ticket, record, generation, hash, intent, device, user, item, actor, reason,
         blocked_by, recv_time)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (record, generation, hash, device) DO NOTHING",
        params![
            item.ticket.0,
            item.record.0,
            item.generation,
            item.hash.0,
            item.intent.0,
            item.device.0,
            item.user.0,
            item.item,
            item.actor.map(|id| id.0),
            wire::encode(&item.reason),
            item.blocked_by.map(|id| id.0),
            now_ms
        ],
    )?;
    files::refer(connection, now_ms, item.record, Some(item.ticket), &item.files)?;
    Ok(Outcome::Stored(Stored { time_ms: now_ms, ..Stored::default() }))
}

fn keep_proof(connection: &Connection, now_ms: i64, proof: &BatchProof) -> Result<Outcome, DbError> {
    execute(
        connection,
        "keeping a signature",
        "INSERT INTO batch (device, id, key_id, recv_time, digest, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (device, id, digest) DO NOTHING",
        params![proof.device.0, proof.batch.0, proof.key.0, now_ms, proof.digest, proof.signature],
    )?;
    Ok(Outcome::Stored(Stored { time_ms: now_ms, ..Stored::default() }))
}

pub(super) fn execute(
    connection: &Connection,
    step: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<(), DbError> {
    let mut statement = connection.prepare_cached(sql).map_err(backend(step))?;
    statement.execute(params).map(|_| ()).map_err(backend(step))
}
