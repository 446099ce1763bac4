//! Own changes: those that wait, those that were sent together, and those that are kept after they settled.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, BatchId, ChangeHash, GrantId, IntentId, RecordId, TicketId};
use gridpass_core::record::edit::Edit;
use gridpass_core::wire::{self, Intent, IntentKind, Via};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Result;
use super::columns::{bits, cbor, id, id_or_none};

/// Where a pending change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingState {
    /// To be sent.
    Queued,
    /// Stored on the server; settled once the cursor of its row is reached.
    Accepted,
    /// Its change fell; it is authored again from its edits after the next pull.
    Fallen,
    /// Waits behind an item in quarantine.
    Waits,
    /// The server answered what this app does not know.
    Unknown,
}

impl PendingState {
    const ALL: [Self; 5] = [Self::Queued, Self::Accepted, Self::Fallen, Self::Waits, Self::Unknown];

    /// How it is stored.
    pub fn number(self) -> i64 {
        match self {
            Self::Queued => 0,
            Self::Accepted => 1,
            Self::Fallen => 2,
            Self::Waits => 3,
            Self::Unknown => 4,
        }
    }
}

/// One own change with why it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Its place in the order of all that was made on this phone.
    pub place: i64,
    /// The record.
    pub record: RecordId,
    /// Its collection.
    pub collection: String,
    /// The home the record shall get, when it was made on this phone and is not settled.
    pub create_home: Option<Bucket>,
    /// The record's generation.
    pub generation: u32,
    /// The change.
    pub hash: ChangeHash,
    /// Its writer.
    pub actor: ActorId,
    /// The writer's count.
    pub actor_seq: u64,
    /// The change as Automerge holds it.
    pub change: Vec<u8>,
    /// Why it was made.
    pub intent: Intent,
    /// What was changed: key, value seen, value given.
    pub edits: Vec<Edit>,
    /// The assignment it was made under.
    pub grant: GrantId,
    /// The catalog it was made with.
    pub catalog_version: u32,
    /// Where it stands.
    pub state: PendingState,
    /// How many verdicts made no progress.
    pub attempts: u32,
    /// Whether the server had stored it before it lost it.
    pub receipted: bool,
    /// The hash its intent is stored under, when that is another.
    pub stored_hash: Option<ChangeHash>,
    /// Where it comes back.
    pub via: Option<Via>,
    /// The item it waits behind.
    pub ticket: Option<TicketId>,
}

const COLUMNS: &str = "place, record, collection, create_home, generation, hash, actor, actor_seq, change, intent, \
                       kind, at_ms, monotonic_ms, visit, edits, grant_id, catalog_version, state, attempts, \
                       receipted, stored_hash, via_bucket, via_epoch, via_seq, ticket";

fn read(row: &Row<'_>) -> rusqlite::Result<Pending> {
    let state: i64 = row.get(17)?;
    let via = match id_or_none(row, 21)? {
        Some(bucket) => Some(Via { bucket, epoch: bits(row, 22)?, log_seq: bits(row, 23)? }),
        None => None,
    };
    Ok(Pending {
        place: row.get(0)?,
        record: id(row, 1)?,
        collection: row.get(2)?,
        create_home: id_or_none(row, 3)?,
        generation: row.get(4)?,
        hash: id(row, 5)?,
        actor: id(row, 6)?,
        actor_seq: bits(row, 7)?,
        change: row.get(8)?,
        intent: Intent {
            id: id(row, 9)?,
            kind: IntentKind(row.get(10)?),
            at_ms: row.get(11)?,
            monotonic_ms: row.get(12)?,
            visit: id_or_none(row, 13)?,
        },
        edits: cbor(row, 14)?,
        grant: id(row, 15)?,
        catalog_version: row.get(16)?,
        state: PendingState::ALL.into_iter().find(|known| known.number() == state).unwrap_or(PendingState::Unknown),
        attempts: row.get(18)?,
        receipted: row.get(19)?,
        stored_hash: id_or_none(row, 20)?,
        via,
        ticket: id_or_none(row, 24)?,
    })
}

fn list(db: &Connection, rest: &str, parameters: impl rusqlite::Params) -> Result<Vec<Pending>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM pending {rest}"))?;
    let rows = statement.query_map(parameters, read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The record's pending changes in the order they were made.
pub fn of_record(db: &Connection, record: RecordId) -> Result<Vec<Pending>> {
    list(db, "WHERE record = ?1 ORDER BY place", [record.as_bytes().as_slice()])
}

/// The first pending changes to be sent.
pub fn to_send(db: &Connection, at_most: usize) -> Result<Vec<Pending>> {
    list(db, "WHERE state = 0 ORDER BY place LIMIT ?1", [i64::try_from(at_most).unwrap_or(i64::MAX)])
}

/// All pending changes.
pub fn all(db: &Connection) -> Result<Vec<Pending>> {
    list(db, "ORDER BY place", [])
}

/// The pending change at a place.
pub fn at(db: &Connection, place: i64) -> Result<Option<Pending>> {
    Ok(list(db, "WHERE place = ?1", [place])?.pop())
}

/// Whether a pending change is at a place.
pub fn is_at(db: &Connection, place: i64) -> Result<bool> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM pending WHERE place = ?1)")?;
    Ok(statement.query_row([place], |row| row.get(0))?)
}

/// The accepted changes whose row the bucket's cursor has reached, or whose epoch is over.
pub fn reached(db: &Connection, bucket: &Bucket, epoch: u64, log_seq: u64) -> Result<Vec<Pending>> {
    // Three ranges of one index: a day's work has many accepted changes, and a page reaches few of them.
    list(
        db,
        "WHERE place IN (
             SELECT place FROM pending WHERE state = 1 AND via_bucket = ?1 AND via_epoch < ?2
             UNION ALL SELECT place FROM pending WHERE state = 1 AND via_bucket = ?1 AND via_epoch > ?2
             UNION ALL SELECT place FROM pending
                 WHERE state = 1 AND via_bucket = ?1 AND via_epoch = ?2 AND via_seq <= ?3)
         ORDER BY place",
        (bucket.to_bytes(), epoch.cast_signed(), log_seq.cast_signed()),
    )
}

/// The records with changes that fell.
pub fn fallen_records(db: &Connection) -> Result<Vec<RecordId>> {
    let mut statement =
        db.prepare_cached("SELECT record FROM pending WHERE state = 2 GROUP BY record ORDER BY min(place)")?;
    let rows = statement.query_map([], |row| id(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether anything is pending on any record.
pub fn is_any(db: &Connection) -> Result<bool> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM pending)")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Whether anything is pending on the record.
pub fn is_on(db: &Connection, record: RecordId) -> Result<bool> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM pending WHERE record = ?1)")?;
    Ok(statement.query_row([record.as_bytes().as_slice()], |row| row.get(0))?)
}

/// Adds a pending change at the end, or, when its place is not 0, where it was; says its place.
pub fn add(db: &Connection, pending: &Pending) -> Result<i64> {
    let mut statement = db.prepare_cached(&format!(
        "INSERT INTO pending ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
             ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)
         ON CONFLICT (place) DO UPDATE SET create_home = excluded.create_home, generation = excluded.generation,
             hash = excluded.hash, actor = excluded.actor, actor_seq = excluded.actor_seq, change = excluded.change,
             edits = excluded.edits, state = excluded.state, attempts = excluded.attempts,
             receipted = excluded.receipted, stored_hash = excluded.stored_hash, via_bucket = excluded.via_bucket,
             via_epoch = excluded.via_epoch, via_seq = excluded.via_seq, ticket = excluded.ticket"
    ))?;
    statement.execute(params![
        (pending.place != 0).then_some(pending.place),
        pending.record.as_bytes().as_slice(),
        pending.collection,
        pending.create_home.map(|home| home.to_bytes()),
        pending.generation,
        pending.hash.as_bytes().as_slice(),
        pending.actor.as_bytes().as_slice(),
        pending.actor_seq.cast_signed(),
        pending.change,
        pending.intent.id.as_bytes().as_slice(),
        pending.intent.kind.0,
        pending.intent.at_ms,
        pending.intent.monotonic_ms,
        pending.intent.visit.as_ref().map(|visit| visit.as_bytes().as_slice()),
        wire::encode(&pending.edits),
        pending.grant.as_bytes().as_slice(),
        pending.catalog_version,
        pending.state.number(),
        pending.attempts,
        pending.receipted,
        pending.stored_hash.as_ref().map(|hash| hash.as_bytes().as_slice()),
        pending.via.map(|via| via.bucket.to_bytes()),
        pending.via.map(|via| via.epoch.cast_signed()),
        pending.via.map(|via| via.log_seq.cast_signed()),
        pending.ticket.as_ref().map(|ticket| ticket.as_bytes().as_slice()),
    ])?;
    Ok(db.last_insert_rowid())
}

/// Takes the pending change away.
pub fn remove(db: &Connection, place: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM pending WHERE place = ?1")?.execute([place])?;
    Ok(())
}

/// Moves every change from one state to another.
pub fn move_all(db: &Connection, from: PendingState, to: PendingState) -> Result<usize> {
    Ok(db.execute("UPDATE pending SET state = ?2 WHERE state = ?1", (from.number(), to.number()))?)
}

/// Queues again what fell although the server had it, of records that no open bucket brings: a server that was put back
/// lacks what it was made on, and takes it once whoever made that has brought it again. In a grid that has left the phone
/// that is tried a few times, and then its author is told.
pub fn offer_again(db: &Connection) -> Result<()> {
    db.execute(
        "UPDATE pending SET state = 0, attempts = CASE WHEN EXISTS
             (SELECT 1 FROM settled s JOIN bucket b ON b.name = s.home WHERE s.record = pending.record)
             THEN 0 ELSE attempts END
         WHERE state = 2 AND receipted = 1 AND actor_seq > 0 AND NOT EXISTS
             (SELECT 1 FROM settled_bucket m JOIN bucket b ON b.name = m.bucket AND b.load = m.load
              WHERE m.record = pending.record AND b.state = 1)",
        (),
    )?;
    Ok(())
}

/// Everything waiting behind this inbox item may be sent again.
pub fn release(db: &Connection, ticket: &TicketId) -> Result<()> {
    db.execute("UPDATE pending SET state = 0, ticket = NULL WHERE ticket = ?1", [ticket.as_bytes().as_slice()])?;
    Ok(())
}

/// How many changes wait (not yet stored on the server), all and by state.
pub fn count(db: &Connection, state: PendingState) -> Result<u32> {
    let mut statement = db.prepare_cached("SELECT count(*) FROM pending WHERE state = ?1")?;
    Ok(statement.query_row([state.number()], |row| row.get(0))?)
}

/// How many changes that are not stored on the server wait in a bucket.
pub fn count_in(db: &Connection, bucket: &Bucket) -> Result<u32> {
    let mut statement = db.prepare_cached(
        "SELECT count(*) FROM pending p LEFT JOIN settled s ON s.record = p.record
         WHERE p.state IN (0, 2, 3, 4) AND coalesce(s.home, p.create_home) = ?1",
    )?;
    Ok(statement.query_row([bucket.to_bytes()], |row| row.get(0))?)
}

/// Keeps a change that settled or closed until a backup of the server holds it, and takes it from the pending ones.
pub fn keep(db: &Connection, pending: &Pending, now_ms: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO kept (place, record, collection, create_home, generation, hash, actor, actor_seq, change,
             intent, kind, at_ms, monotonic_ms, visit, edits, grant_id, catalog_version, via_bucket, via_epoch, via_seq,
             kept_since_ms)
         SELECT place, record, collection, create_home, generation, hash, actor, actor_seq, change, intent,
             kind, at_ms, monotonic_ms, visit, edits, grant_id, catalog_version, ?2, ?3, ?4, ?5
         FROM pending WHERE place = ?1",
    )?
    .execute(params![
        pending.place,
        pending.via.map(|via| via.bucket.to_bytes()),
        pending.via.map(|via| via.epoch.cast_signed()),
        pending.via.map(|via| via.log_seq.cast_signed()),
        now_ms,
    ])?;
    remove(db, pending.place)
}

/// Queues again every own change the phone still keeps of records whose home is the bucket; says how many. What stood on
/// the server before a change was made of it falls, so that one is made.
pub fn requeue(db: &Connection, bucket: &Bucket) -> Result<usize> {
    requeue_where(db, "via_bucket = ?1", [bucket.to_bytes()])
}

/// Queues again every own change the phone still keeps of buckets it does not hold any more; says how many.
pub fn requeue_of_left(db: &Connection) -> Result<usize> {
    requeue_where(db, "(via_bucket IS NULL OR via_bucket NOT IN (SELECT name FROM bucket))", ())
}

fn requeue_where(db: &Connection, which: &str, params: impl rusqlite::Params + Clone) -> Result<usize> {
    let count = db.execute(
        &format!(
            "INSERT OR IGNORE INTO pending (place, record, collection, create_home, generation, hash, actor, actor_seq,
                 change, intent, kind, at_ms, monotonic_ms, visit, edits, grant_id, catalog_version, state, attempts,
                 receipted)
             SELECT place, record, collection,
                 coalesce(create_home, (SELECT s.home FROM settled s WHERE s.record = kept.record)), generation, hash,
                 actor, actor_seq, change, intent, kind, at_ms, monotonic_ms, visit, edits, grant_id, catalog_version,
                 CASE actor_seq WHEN 0 THEN 2 ELSE 0 END, 0, 1
             FROM kept WHERE {which}"
        ),
        params.clone(),
    )?;
    db.execute(&format!("DELETE FROM kept WHERE {which}"), params.clone())?;
    let accepted = db.execute(
        &format!(
            "UPDATE pending SET state = 0, receipted = 1, via_bucket = NULL, via_epoch = NULL, via_seq = NULL,
                 stored_hash = NULL
             WHERE state = 1 AND {which}"
        ),
        params,
    )?;
    Ok(count + accepted)
}

/// Forgets kept changes that a backup of the server holds and that are old enough.
pub fn forget_kept(db: &Connection, bucket: &Bucket, epoch: u64, durable_seq: u64, before_ms: i64) -> Result<usize> {
    Ok(db.execute(
        "DELETE FROM kept WHERE via_bucket = ?1 AND via_epoch = ?2 AND via_seq <= ?3 AND kept_since_ms < ?4",
        (bucket.to_bytes(), epoch.cast_signed(), durable_seq.cast_signed(), before_ms),
    )?)
}

/// Forgets changes that are old enough and come back through no bucket of this phone.
pub fn forget_closed(db: &Connection, before_ms: i64) -> Result<usize> {
    Ok(db.execute(
        "DELETE FROM kept WHERE kept_since_ms < ?1
             AND (via_bucket IS NULL OR via_bucket NOT IN (SELECT name FROM bucket))",
        [before_ms],
    )?)
}

/// One push that was sent and perhaps not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The push.
    pub id: BatchId,
    /// Its bytes as they are sent.
    pub body: Vec<u8>,
    /// The places of its items and the hashes they were sent with.
    pub items: Vec<(i64, ChangeHash)>,
}

/// The push that has no answer yet.
pub fn open_batch(db: &Connection) -> Result<Option<Batch>> {
    let mut statement = db.prepare_cached("SELECT id, body FROM batch LIMIT 1")?;
    let found = statement.query_row([], |row| Ok((id::<BatchId>(row, 0)?, row.get(1)?))).optional()?;
    let Some((id_, body)) = found else { return Ok(None) };
    let mut statement = db.prepare_cached("SELECT place, hash FROM batch_item WHERE batch = ?1 ORDER BY position")?;
    let rows = statement.query_map([id_.as_bytes().as_slice()], |row| Ok((row.get(0)?, id(row, 1)?)))?;
    Ok(Some(Batch { id: id_, body, items: rows.collect::<rusqlite::Result<_>>()? }))
}

/// Stores a push before it is sent.
pub fn put_batch(db: &Connection, batch: &Batch) -> Result<()> {
    db.execute("INSERT INTO batch (id, body) VALUES (?1, ?2)", (batch.id.as_bytes().as_slice(), &batch.body))?;
    let mut insert =
        db.prepare_cached("INSERT INTO batch_item (batch, position, place, hash) VALUES (?1, ?2, ?3, ?4)")?;
    for (position, (place, hash)) in (0_i64..).zip(&batch.items) {
        insert.execute((batch.id.as_bytes().as_slice(), position, place, hash.as_bytes().as_slice()))?;
    }
    Ok(())
}

/// The push was answered, or refused as a whole.
pub fn close_batches(db: &Connection) -> Result<()> {
    db.execute("DELETE FROM batch", [])?;
    Ok(())
}

/// The intents that are on this phone, wherever: an outbox entry of any other is done.
pub fn intents(db: &Connection) -> Result<Vec<IntentId>> {
    let mut statement = db.prepare_cached(
        "SELECT intent FROM pending WHERE state IN (0, 2, 3, 4) UNION SELECT id FROM quarantine WHERE why = 1",
    )?;
    let rows = statement.query_map([], |row| id(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether a change of the record is not stored on the server.
pub fn is_on_phone(db: &Connection, record: RecordId) -> Result<bool> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM pending WHERE record = ?1 AND state <> 1)")?;
    Ok(statement.query_row([record.as_bytes().as_slice()], |row| row.get(0))?)
}

/// Whether a change of the record that put this key is kept for a restored server.
pub fn is_kept(db: &Connection, record: RecordId, key: &str) -> Result<bool> {
    let mut statement = db.prepare_cached("SELECT edits FROM kept WHERE record = ?1")?;
    let edits = statement.query_map([record.as_bytes().as_slice()], |row| cbor::<Vec<Edit>>(row, 0))?;
    for edits in edits {
        if edits?.iter().any(|edit| edit.key == key) {
            return Ok(true);
        }
    }
    Ok(false)
}
