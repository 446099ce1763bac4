//! The buckets the phone holds: cursors, packs, members.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{BlobHash, RecordId};
use gridpass_core::wire::{Cursor, PackRef};
use rusqlite::{Connection, OptionalExtension, Row};

use super::Result;
use super::columns::{bits, id};

/// How the phone stands with a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketState {
    /// Its packs are being fetched; it has no cursor yet.
    Loading,
    /// It has a cursor.
    Open,
    /// Its scope has ended: nothing new is written, what waits is pushed.
    Closing,
    /// The server sent a row of a kind this app does not know; it stays where it is until the app is updated.
    Stopped,
}

impl BucketState {
    const ALL: [Self; 4] = [Self::Loading, Self::Open, Self::Closing, Self::Stopped];

    fn number(self) -> i64 {
        match self {
            Self::Loading => 0,
            Self::Open => 1,
            Self::Closing => 2,
            Self::Stopped => 3,
        }
    }
}

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBucket {
    /// Its name.
    pub bucket: Bucket,
    /// Its number within the epoch.
    pub number: u32,
    /// How the phone stands with it.
    pub state: BucketState,
    /// How far the phone has come; while loading, where it goes on after the packs.
    pub cursor: Cursor,
    /// The last row a backup of the server holds.
    pub durable_seq: u64,
    /// When the last push is taken, by the server's clock.
    pub closing_until_ms: Option<i64>,
    /// Counts how often the bucket was started; members of an earlier start leave once it is whole.
    pub load: u32,
    /// Whether rows came in since its checksum was compared and its earlier members were looked for.
    pub unchecked: bool,
}

const COLUMNS: &str = "name, number, state, epoch, log_seq, checksum, durable_seq, closing_until_ms, load, unchecked";

fn read(row: &Row<'_>) -> rusqlite::Result<HeldBucket> {
    let state: i64 = row.get(2)?;
    Ok(HeldBucket {
        bucket: id(row, 0)?,
        number: row.get(1)?,
        state: BucketState::ALL.into_iter().find(|known| known.number() == state).unwrap_or(BucketState::Stopped),
        cursor: Cursor { epoch: bits(row, 3)?, log_seq: bits(row, 4)?, checksum: bits(row, 5)? },
        durable_seq: bits(row, 6)?,
        closing_until_ms: row.get(7)?,
        load: row.get(8)?,
        unchecked: row.get(9)?,
    })
}

/// Every bucket, in order of their names.
pub fn all(db: &Connection) -> Result<Vec<HeldBucket>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM bucket ORDER BY name"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One bucket.
pub fn get(db: &Connection, bucket: &Bucket) -> Result<Option<HeldBucket>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM bucket WHERE name = ?1"))?;
    Ok(statement.query_row([bucket.to_bytes()], read).optional()?)
}

/// The bucket with this number, if it has a cursor.
pub fn by_number(db: &Connection, number: u32) -> Result<Option<HeldBucket>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM bucket WHERE number = ?1 AND state <> 0"))?;
    Ok(statement.query_row([number], read).optional()?)
}

/// Stores the bucket over what was there.
pub fn put(db: &Connection, held: &HeldBucket) -> Result<()> {
    let mut statement = db.prepare_cached(&format!(
        "INSERT INTO bucket ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT DO UPDATE SET number = excluded.number, state = excluded.state, epoch = excluded.epoch,
             log_seq = excluded.log_seq, checksum = excluded.checksum, durable_seq = excluded.durable_seq,
             closing_until_ms = excluded.closing_until_ms, load = excluded.load, unchecked = excluded.unchecked"
    ))?;
    statement.execute((
        held.bucket.to_bytes(),
        held.number,
        held.state.number(),
        held.cursor.epoch.cast_signed(),
        held.cursor.log_seq.cast_signed(),
        held.cursor.checksum.cast_signed(),
        held.durable_seq.cast_signed(),
        held.closing_until_ms,
        held.load,
        held.unchecked,
    ))?;
    Ok(())
}

/// Gives the bucket up, with its packs and members.
pub fn delete(db: &Connection, bucket: &Bucket) -> Result<()> {
    let name = bucket.to_bytes();
    db.execute("DELETE FROM bucket WHERE name = ?1", [&name])?;
    db.execute("DELETE FROM bucket_pack WHERE bucket = ?1", [&name])?;
    db.execute("DELETE FROM settled_bucket WHERE bucket = ?1", [&name])?;
    Ok(())
}

/// Stores the bucket's list of packs; packs that were in the old list and are taken in stay so.
pub fn put_packs(db: &Connection, bucket: &Bucket, packs: &[PackRef], fresh: bool) -> Result<()> {
    let name = bucket.to_bytes();
    let mut done = std::collections::BTreeSet::new();
    if !fresh {
        let mut statement = db.prepare("SELECT hash FROM bucket_pack WHERE bucket = ?1 AND done = 1")?;
        for hash in statement.query_map([&name], |row| id::<BlobHash>(row, 0))? {
            done.insert(hash?);
        }
    }
    db.execute("DELETE FROM bucket_pack WHERE bucket = ?1", [&name])?;
    let mut insert = db.prepare(
        "INSERT INTO bucket_pack (bucket, hash, place, size, records, done) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
    )?;
    for (place, pack) in (0_i64..).zip(packs) {
        let is_done = done.contains(&pack.hash);
        insert.execute((&name, pack.hash.as_bytes().as_slice(), place, pack.size, pack.records, is_done))?;
    }
    Ok(())
}

/// Whether a pack of any bucket is missing.
pub fn is_pack_missing(db: &Connection) -> Result<bool> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM bucket_pack WHERE done = 0)")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// The missing packs that are next, with their buckets and sizes in bytes: the first packs of all buckets, each alone,
/// then `at_most` at once. The first `skipped` of all that are missing are passed over.
pub fn next_packs(db: &Connection, at_most: u32, skipped: usize) -> Result<Vec<(Bucket, BlobHash, u32)>> {
    let mut statement = db.prepare_cached(
        "SELECT bucket, hash, size, place FROM bucket_pack WHERE done = 0
         ORDER BY place, length(bucket), bucket LIMIT ?1 OFFSET ?2",
    )?;
    let rows = statement.query_map((at_most, i64::try_from(skipped).unwrap_or(i64::MAX)), |row| {
        Ok(((id(row, 0)?, id(row, 1)?, row.get(2)?), row.get::<_, i64>(3)?))
    })?;
    let next: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
    let alone = next.first().is_some_and(|(_, place)| *place == 0);
    Ok(next.into_iter().map(|(pack, _)| pack).take(if alone { 1 } else { usize::MAX }).collect())
}

/// How many packs of the bucket are missing.
pub fn missing_packs(db: &Connection, bucket: &Bucket) -> Result<u32> {
    let mut statement = db.prepare_cached("SELECT count(*) FROM bucket_pack WHERE bucket = ?1 AND done = 0")?;
    Ok(statement.query_row([bucket.to_bytes()], |row| row.get(0))?)
}

/// The pack is taken in.
pub fn pack_done(db: &Connection, bucket: &Bucket, hash: &BlobHash) -> Result<()> {
    db.prepare_cached("UPDATE bucket_pack SET done = 1 WHERE bucket = ?1 AND hash = ?2")?
        .execute((bucket.to_bytes(), hash.as_bytes().as_slice()))?;
    Ok(())
}

/// The record is in the bucket, with this share of its checksum.
pub fn add_member(db: &Connection, bucket: &Bucket, record: RecordId, checksum: u64, load: u32) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO settled_bucket (bucket, record, checksum, load) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET checksum = excluded.checksum, load = excluded.load",
    )?
    .execute((bucket.to_bytes(), record.as_bytes().as_slice(), checksum.cast_signed(), load))?;
    Ok(())
}

/// The record's share of the checksum of every bucket it is in.
pub fn set_checksum(db: &Connection, record: RecordId, checksum: u64) -> Result<()> {
    let record = record.as_bytes().as_slice();
    let mut statement = db.prepare_cached("SELECT bucket FROM settled_bucket WHERE record = ?1 AND checksum <> ?2")?;
    let buckets = statement.query_map((record, checksum.cast_signed()), |row| row.get::<_, Vec<u8>>(0))?;
    let buckets: Vec<_> = buckets.collect::<rusqlite::Result<_>>()?;
    // One row each: a statement that may write several has FTS5 write out, for this record alone, what it has gathered.
    let mut update = db.prepare_cached("UPDATE settled_bucket SET checksum = ?3 WHERE bucket = ?1 AND record = ?2")?;
    for bucket in buckets {
        update.execute((bucket, record, checksum.cast_signed()))?;
    }
    Ok(())
}

/// The record left the bucket.
pub fn remove_member(db: &Connection, bucket: &Bucket, record: RecordId) -> Result<()> {
    db.prepare_cached("DELETE FROM settled_bucket WHERE bucket = ?1 AND record = ?2")?
        .execute((bucket.to_bytes(), record.as_bytes().as_slice()))?;
    Ok(())
}

/// Whether the record is in any bucket.
pub fn is_member(db: &Connection, record: RecordId) -> Result<bool> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM settled_bucket WHERE record = ?1)")?;
    Ok(statement.query_row([record.as_bytes().as_slice()], |row| row.get(0))?)
}

/// Lets go of the members that an earlier start of the bucket brought and this one did not.
pub fn sweep(db: &Connection, held: &HeldBucket) -> Result<usize> {
    Ok(db.execute("DELETE FROM settled_bucket WHERE bucket = ?1 AND load < ?2", (held.bucket.to_bytes(), held.load))?)
}

/// Lets the next answer replace the bucket's records whatever it says.
pub fn distrust(db: &Connection, bucket: &Bucket) -> Result<()> {
    db.execute(
        "UPDATE settled SET epoch = 0 WHERE record IN (SELECT record FROM settled_bucket WHERE bucket = ?1)",
        [bucket.to_bytes()],
    )?;
    Ok(())
}

/// The phone's own checksum of the bucket and the number of its records.
pub fn sum(db: &Connection, bucket: &Bucket) -> Result<(u64, u32)> {
    let mut statement = db.prepare_cached("SELECT checksum FROM settled_bucket WHERE bucket = ?1")?;
    let mut rows = statement.query([bucket.to_bytes()])?;
    let (mut sum, mut count) = (0_u64, 0_u32);
    while let Some(row) = rows.next()? {
        sum = sum.wrapping_add(bits(row, 0)?);
        count = count.saturating_add(1);
    }
    Ok((sum, count))
}
