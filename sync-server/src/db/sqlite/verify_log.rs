//! Whether logs and their buckets are whole and in order.

use gridpass_core::wire::RowKind;
use rusqlite::Connection;

use super::log_end::link;
use super::stored::{StoredBucket, buckets, sum_of_records};
use super::{DbError, backend, named, named_or_null};
use crate::db::Fault;

/// Verifies the logs of these buckets, of all without them; returns how many rows were looked at.
pub(super) fn verify_logs(
    connection: &Connection,
    only: Option<&[u32]>,
    found: &mut dyn FnMut(Fault),
) -> Result<u64, DbError> {
    let mut buckets = buckets(connection)?;
    buckets.retain(|bucket| only.is_none_or(|only| only.contains(&bucket.number)));
    buckets.iter().try_fold(0, |count, bucket| Ok(count + verify_log(connection, bucket, found)?))
}

fn verify_log(connection: &Connection, bucket: &StoredBucket, found: &mut dyn FnMut(Fault)) -> Result<u64, DbError> {
    const STEP: &str = "reading a log";
    let row_fault = |log_seq: String, what: &str| {
        let row = format!("{} {log_seq}", bucket.name);
        Fault { table: "log", row, what: what.to_owned() }
    };
    let sum = sum_of_records(connection, bucket.number)?;
    if sum != bucket.checksum {
        found(bucket.fault("the checksum is not that of its records"));
    }
    let mut count = 0;
    let (mut expected, mut chain, mut broken) = (bucket.floor + 1, 0, false);
    let mut last_sum = bucket.checksum;
    let mut statement = connection
        .prepare_cached(
            "SELECT l.log_seq, l.record, l.generation, l.kind, coalesce(l.change_hash, c.hash) AS change_hash,
             l.checksum_after, l.chain FROM log l
             LEFT JOIN change c ON c.record = l.record AND c.generation = l.generation AND c.writer = l.writer
             AND c.actor_seq = l.actor_seq WHERE l.bucket = ?1 ORDER BY l.log_seq",
        )
        .map_err(backend(STEP))?;
    let mut log = statement.query([bucket.number]).map_err(backend(STEP))?;
    while let Some(row) = log.next().map_err(backend(STEP))? {
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
            found(bucket.fault("a log row cannot be read"));
            continue;
        };
        if log_seq != expected {
            found(match log_seq - 1 {
                last if last == expected => row_fault(expected.to_string(), "the row is missing"),
                last => row_fault(format!("{expected} to {last}"), "the rows are missing"),
            });
        }
        // The running hash starts anew after missing rows, and where what lies below the floor was deleted.
        let starts = log_seq != expected || (log_seq == bucket.floor + 1 && bucket.floor > 0);
        if !starts && !broken && link(chain, record, generation, kind, hash) != stored {
            found(match (kind, hash) {
                (RowKind::CHANGE, None) => row_fault(log_seq.to_string(), "its change is missing"),
                _ => row_fault(log_seq.to_string(), "it, or the order up to it, was altered"),
            });
            broken = true; // later rows follow from this one
        }
        (expected, chain, last_sum) = (log_seq + 1, stored, after);
    }
    if expected != bucket.head + 1 {
        found(bucket.fault("the head is not the last row"));
    } else if chain != bucket.chain {
        found(bucket.fault("the last row is not the one that was written last"));
    } else if last_sum != bucket.checksum && sum == bucket.checksum {
        found(bucket.fault("the checksum is not that of its last row"));
    }
    Ok(count)
}
