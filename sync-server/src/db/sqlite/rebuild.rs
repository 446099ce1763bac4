//! Making what follows from `change` and `log` anew: heads, values and checksums of records, heads and checksums of
//! buckets. What cannot be made from them is told and left as it is.

use std::collections::BTreeSet;

use gridpass_core::id::{ActorId, ChangeHash};
use gridpass_core::record::{self, Document, ShownValues};
use gridpass_core::wire::{self, FMT_AUTOMERGE};
use rusqlite::{Connection, params};

use super::commit::{apply_record, audit, execute};
use super::push::{changes, record_row};
use super::stored::{StoredBucket, StoredRecord, buckets, office_actors, records_after, sum_of_records};
use super::{DbError, backend, join_hashes, named_or_null, rows, split_hashes};
use crate::db::{Fault, Rebuilt};
use crate::log::{Audit, Base, Files, Outcome, RecordWrite, ReviewWrite};

/// How many records one transaction looks at.
const PIECE: usize = 500;

/// What one transaction has done.
#[derive(Default)]
pub(super) struct Piece {
    pub done: Rebuilt,
    pub faults: Vec<Fault>,
    /// Where the next one goes on; none after the last.
    pub next: Option<i64>,
}

/// The heads of all buckets: before the records, whose corrections get new rows.
pub(super) fn heads(connection: &Connection) -> Result<Piece, DbError> {
    let mut piece = Piece::default();
    for bucket in buckets(connection)? {
        let (head, chain) = last_row(connection, &bucket)?.map_or((bucket.floor, 0), |last| (last.log_seq, last.chain));
        if chain != bucket.chain && bucket.floor == 0 {
            // Rows that phones have seen may be gone: counting on from here would give their numbers out again.
            piece.faults.push(bucket.fault("its last row is not the one that was written last; restore a backup"));
        } else if head != bucket.head {
            execute(connection, STEP, "UPDATE bucket SET head = ?2 WHERE number = ?1", params![bucket.number, head])?;
            piece.done.differed += 1;
        }
        piece.done.buckets += 1;
    }
    Ok(piece)
}

/// The next records after one, by its number.
pub(super) fn records(connection: &Connection, now_ms: i64, after: i64) -> Result<Piece, DbError> {
    let office = office_actors(connection)?;
    let stored = records_after(connection, after, PIECE)?;
    let mut piece = Piece { next: stored.last().map(|last| last.number), ..Piece::default() };
    for stored in &stored {
        piece.done.records += 1;
        match stored.truth(connection, &office)? {
            None => piece.faults.push(Fault {
                table: "record",
                row: stored.id.to_string(),
                what: "it cannot be made from what is stored; restore a backup".into(),
            }),
            Some((heads, shown)) => {
                if stored.correct(connection, now_ms, heads, shown)? {
                    piece.done.differed += 1;
                }
            }
        }
    }
    Ok(piece)
}

/// The checksums of all buckets: after the records.
pub(super) fn sums(connection: &Connection) -> Result<Piece, DbError> {
    let mut piece = Piece::default();
    for bucket in buckets(connection)? {
        let sum = sum_of_records(connection, bucket.number)?;
        // A cursor is compared with the sum at its row, so the last row's has to be the bucket's.
        let last = last_row(connection, &bucket)?;
        if bucket.checksum == sum && last.as_ref().is_none_or(|last| last.checksum == sum) {
            continue;
        }
        execute(connection, STEP, "UPDATE bucket SET checksum = ?2 WHERE number = ?1", params![bucket.number, sum])?;
        execute(
            connection,
            STEP,
            "UPDATE log SET checksum_after = ?3 WHERE bucket = ?1 AND log_seq = ?2",
            params![bucket.number, last.map(|last| last.log_seq), sum],
        )?;
        piece.done.differed += 1;
    }
    Ok(piece)
}

const STEP: &str = "rebuilding";

impl StoredRecord {
    /// What the record's changes add up to. Plain values are the truth themselves, if the log knows their hash.
    fn truth(
        &self,
        connection: &Connection,
        office: &BTreeSet<ActorId>,
    ) -> Result<Option<(Vec<ChangeHash>, ShownValues)>, DbError> {
        if self.fmt != FMT_AUTOMERGE {
            let Ok(shown) = wire::decode::<ShownValues>(&self.shown) else { return Ok(None) };
            let logged: Vec<Option<ChangeHash>> = rows(
                connection,
                STEP,
                "SELECT l.change_hash FROM record r JOIN log l INDEXED BY log_record ON l.bucket = r.home AND l.record = r.id
                 WHERE r.id = ?1 ORDER BY l.log_seq DESC LIMIT 1",
                [self.id.0],
                |row| named_or_null(row, "change_hash"),
            )?;
            let head = crate::ingest::plain_head(&shown);
            return Ok((logged == [Some(head)]).then(|| (vec![head], shown)));
        }
        let changes = changes(connection, self.id, self.generation)?;
        let document = Document::from_changes(changes.iter().map(|change| change.row.bytes.as_slice()));
        let Some(document) = document.ok().filter(|_| !changes.is_empty()) else { return Ok(None) };
        let shown = record::shown_values(&document.state(), |actor| office.contains(actor));
        Ok(Some((document.heads(), shown)))
    }

    /// Writes what differs, and sends the record to the phones again: they may have the wrong values.
    fn correct(
        &self,
        connection: &Connection,
        now_ms: i64,
        heads: Vec<ChangeHash>,
        shown: ShownValues,
    ) -> Result<bool, DbError> {
        let checksum = record::checksum(self.id, self.generation, &heads).cast_signed();
        let same_values = wire::decode::<ShownValues>(&self.shown).is_ok_and(|stored| stored == shown);
        let same_heads = split_hashes(&self.heads, "record").is_ok_and(|stored| stored == heads);
        if same_values && same_heads && checksum == self.checksum {
            return Ok(false);
        }
        execute(
            connection,
            STEP,
            "UPDATE record SET heads = ?2, checksum = ?3 WHERE id = ?1",
            params![self.id.0, join_hashes(&heads), checksum],
        )?;
        let Some(row) = record_row(connection, self.id)? else { return Ok(false) };
        let write = RecordWrite {
            record: self.id,
            collection: row.collection,
            generation: self.generation,
            fmt: self.fmt,
            base: Some(Base {
                generation: self.generation,
                heads: heads.clone(),
                home: row.home,
                also: row.also.clone(),
            }),
            changes: Vec::new(),
            heads,
            shown,
            home: row.home,
            also: row.also,
            names: Vec::new(),
            tickets: Vec::new(),
            decided: Vec::new(),
            review: ReviewWrite::default(),
            files: Files::default(),
        };
        match apply_record(connection, now_ms, &write)? {
            Outcome::Stored(_) => {
                let audited = Audit {
                    action: "rebuilt",
                    object: Some(self.id.0.to_vec()),
                    detail: "{}".into(),
                    ..Audit::default()
                };
                audit(connection, now_ms, &audited)?;
                Ok(true)
            }
            Outcome::Stale => Err(DbError::Damaged { table: "record" }),
        }
    }
}

struct Last {
    log_seq: i64,
    checksum: i64,
    chain: i64,
}

/// The last row of a bucket's log.
fn last_row(connection: &Connection, bucket: &StoredBucket) -> Result<Option<Last>, DbError> {
    const SQL: &str = "SELECT log_seq, checksum_after, chain FROM log WHERE bucket = ?1 ORDER BY log_seq DESC LIMIT 1";
    let mut statement = connection.prepare_cached(SQL).map_err(backend(STEP))?;
    let last = statement
        .query_row([bucket.number], |row| Ok(Last { log_seq: row.get(0)?, checksum: row.get(1)?, chain: row.get(2)? }));
    super::optional(last, STEP)
}
