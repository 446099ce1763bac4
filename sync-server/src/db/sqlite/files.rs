//! The rows of files.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{BlobHash, DeviceId, RecordId, TicketId, UserId};
use rusqlite::{Connection, Row, params};

use super::commit::{audit, execute};
use super::{DbError, Sqlite, backend, bucket_number, named, optional, rows};
use crate::db::{Begun, BlobRow, FileRows, Finished, NewUpload, PartRow, Principal, UploadId, UploadRow, UploadState};
use crate::log::{Audit, Files};

/// The ticket of a reference that was accepted.
const ACCEPTED: &[u8] = &[];

/// Notes which files an item names and takes back; `ticket` is that of an item in quarantine.
pub(super) fn refer(
    connection: &Connection,
    now_ms: i64,
    record: RecordId,
    ticket: Option<TicketId>,
    files: &Files,
) -> Result<(), DbError> {
    const STEP: &str = "noting files";
    let place = ticket.as_ref().map_or(ACCEPTED, |ticket| ticket.0.as_slice());
    let (user, device) = (files.by.map(|(user, _)| user), files.by.map(|(_, device)| device));
    for named in &files.named {
        let holds = match device {
            Some(device) => holds(connection, device, named.hash)?,
            None => false,
        };
        let proven = holds || readable(connection, user, &files.scope, named.hash)?.is_some();
        execute(
            connection,
            STEP,
            "INSERT INTO blob_ref (hash, record, key, ticket, size, device, user, proven, since, until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (hash, record, key, ticket) DO NOTHING",
            params![
                named.hash.0,
                record.0,
                named.key,
                place,
                named.size.map(u64::cast_signed),
                device.map(|id| id.0),
                user.map(|id| id.0),
                proven,
                now_ms,
                named.taken_back.then_some(now_ms)
            ],
        )?;
        settle(connection, now_ms, named.hash)?;
    }
    for key in &files.taken_back {
        // An item in quarantine takes back what items in quarantine of its own phone name, and nothing else.
        let hashes: Vec<BlobHash> = rows(
            connection,
            STEP,
            "SELECT hash FROM blob_ref WHERE record = ?1 AND key = ?2
             AND CASE WHEN ?3 = x'' THEN ticket = x'' ELSE ticket <> x'' AND device IS ?4 END",
            params![record.0, key, place, device.map(|id| id.0)],
            named_hash,
        )?;
        execute(
            connection,
            STEP,
            "UPDATE blob_ref SET until = coalesce(until, ?5) WHERE record = ?1 AND key = ?2
             AND CASE WHEN ?3 = x'' THEN ticket = x'' ELSE ticket <> x'' AND device IS ?4 END",
            params![record.0, key, place, device.map(|id| id.0), now_ms],
        )?;
        for hash in hashes {
            settle(connection, now_ms, hash)?;
        }
    }
    Ok(())
}

/// After references of a file have changed: since when nothing names it, and uploads that nothing asks for any more.
fn settle(connection: &Connection, now_ms: i64, hash: BlobHash) -> Result<(), DbError> {
    const STEP: &str = "looking who names a file";
    execute(
        connection,
        STEP,
        "UPDATE blob SET unreferenced_since =
         CASE WHEN EXISTS (SELECT 1 FROM blob_ref r WHERE r.hash = ?1 AND r.until IS NULL) THEN NULL
         ELSE coalesce(unreferenced_since, ?2) END WHERE hash = ?1",
        params![hash.0, now_ms],
    )?;
    let idle: Vec<UploadId> = rows(
        connection,
        STEP,
        "SELECT id FROM upload u WHERE u.hash = ?1 AND NOT EXISTS
         (SELECT 1 FROM blob_ref r WHERE r.hash = u.hash AND r.device = u.device AND r.until IS NULL)",
        [hash.0],
        |row| named(row, "id"),
    )?;
    idle.into_iter().try_for_each(|id| drop_upload(connection, id))
}

fn named_hash(row: &Row<'_>) -> rusqlite::Result<BlobHash> {
    named(row, "hash")
}

fn holds(connection: &Connection, device: DeviceId, hash: BlobHash) -> Result<bool, DbError> {
    exists(
        connection,
        "SELECT 1 FROM holder h JOIN blob b ON b.hash = h.hash
         WHERE h.device = ?1 AND h.hash = ?2 AND b.dropped IS NULL",
        params![device.0, hash.0],
    )
}

fn exists(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<bool, DbError> {
    const STEP: &str = "looking for a file";
    let mut statement = connection.prepare_cached(sql).map_err(backend(STEP))?;
    statement.exists(params).map_err(backend(STEP))
}

fn blob_row(row: &Row<'_>) -> rusqlite::Result<BlobRow> {
    Ok(BlobRow { hash: named(row, "hash")?, size: row.get::<_, i64>("size")?.cast_unsigned() })
}

fn readable(
    connection: &Connection,
    user: Option<UserId>,
    scope: &[Bucket],
    hash: BlobHash,
) -> Result<Option<BlobRow>, DbError> {
    const STEP: &str = "looking who may read a file";
    let found = connection
        .prepare_cached("SELECT hash, size FROM blob WHERE hash = ?1 AND dropped IS NULL")
        .and_then(|mut statement| statement.query_row([hash.0], blob_row));
    let Some(blob) = optional(found, STEP)? else { return Ok(None) };
    let own = exists(
        connection,
        "SELECT 1 FROM blob_ref WHERE hash = ?1 AND ticket <> x'' AND user = ?2 AND proven AND until IS NULL",
        params![hash.0, user.map(|id| id.0)],
    )?;
    if own {
        return Ok(Some(blob));
    }
    for bucket in scope {
        let Some(number) = bucket_number(connection, *bucket)? else { continue };
        let there = exists(
            connection,
            "SELECT 1 FROM blob_ref r JOIN record_bucket b ON b.record = r.record
             WHERE r.hash = ?1 AND r.ticket = x'' AND r.proven AND r.until IS NULL
             AND b.bucket = ?2 AND b.until IS NULL",
            params![hash.0, number],
        )?;
        if there {
            return Ok(Some(blob));
        }
    }
    Ok(None)
}

fn upload_row(row: &Row<'_>) -> rusqlite::Result<UploadRow> {
    Ok(UploadRow {
        id: named(row, "id")?,
        hash: named(row, "hash")?,
        length: row.get::<_, i64>("length")?.cast_unsigned(),
        offset: row.get::<_, i64>("arrived")?.cast_unsigned(),
    })
}

fn state(connection: &Connection, device: DeviceId, hash: BlobHash) -> Result<UploadState, DbError> {
    const STEP: &str = "looking for an upload";
    // Who could read it when the reference came, or has brought it, needs to bring no more.
    let found = connection
        .prepare_cached(
            "SELECT size FROM blob b WHERE b.hash = ?1 AND b.dropped IS NULL AND
             (EXISTS (SELECT 1 FROM holder h WHERE h.hash = b.hash AND h.device = ?2) OR EXISTS
              (SELECT 1 FROM blob_ref r WHERE r.hash = b.hash AND r.device = ?2 AND r.proven AND r.until IS NULL))",
        )
        .and_then(|mut statement| statement.query_row(params![hash.0, device.0], |row| row.get::<_, i64>(0)));
    if let Some(size) = optional(found, STEP)? {
        return Ok(UploadState::Complete { size: size.cast_unsigned() });
    }
    let found = connection
        .prepare_cached("SELECT id, hash, length, arrived FROM upload WHERE device = ?1 AND hash = ?2")
        .and_then(|mut statement| statement.query_row(params![device.0, hash.0], upload_row));
    Ok(optional(found, STEP)?.map_or(UploadState::Nothing, UploadState::Under))
}

fn begin(connection: &Connection, now_ms: i64, new: &NewUpload) -> Result<Begun, DbError> {
    const STEP: &str = "beginning an upload";
    let (device, hash) = (new.device, new.hash);
    let sizes: Vec<Option<i64>> = rows(
        connection,
        STEP,
        "SELECT size FROM blob_ref WHERE hash = ?1 AND device = ?2 AND until IS NULL",
        params![hash.0, device.0],
        |row| row.get(0),
    )?;
    if sizes.is_empty() {
        return Ok(Begun::NoReference);
    }
    if !sizes.iter().any(|size| size.is_none_or(|size| size.cast_unsigned() == new.length)) {
        return Ok(Begun::OtherSize);
    }
    if exists(connection, "SELECT 1 FROM blob WHERE hash = ?1 AND dropped IS NOT NULL", [hash.0])? {
        return Ok(Begun::Busy);
    }
    match state(connection, device, hash)? {
        UploadState::Nothing => {}
        UploadState::Under(upload) if upload.length != new.length => drop_upload(connection, upload.id)?,
        found => return Ok(Begun::At(found)),
    }
    let (open, bytes): (u32, i64) = connection
        .query_row(
            "SELECT (SELECT count(*) FROM upload WHERE device = ?1),
             (SELECT coalesce(sum(length), 0) FROM upload WHERE device = ?1)
             + (SELECT coalesce(sum(size), 0) FROM holder WHERE device = ?1)",
            [device.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(backend(STEP))?;
    if open >= new.max_open || bytes.cast_unsigned().saturating_add(new.length) > new.max_bytes {
        return Ok(Begun::Quota);
    }
    execute(
        connection,
        STEP,
        "INSERT INTO upload (id, device, hash, length, arrived, updated) VALUES (?1, ?2, ?3, ?4, 0, ?5)",
        params![new.id.0, device.0, hash.0, new.length.cast_signed(), now_ms],
    )?;
    let upload = UploadRow { id: new.id, hash, length: new.length, offset: 0 };
    Ok(Begun::At(UploadState::Under(upload)))
}

fn add_part(connection: &Connection, now_ms: i64, id: UploadId, part: &PartRow) -> Result<bool, DbError> {
    const STEP: &str = "noting a piece of a file";
    let (start, size) = (part.start.cast_signed(), part.size.cast_signed());
    let moved = connection
        .prepare_cached(
            "UPDATE upload SET arrived = arrived + ?3, updated = ?4
             WHERE id = ?1 AND arrived = ?2 AND arrived + ?3 <= length",
        )
        .and_then(|mut statement| statement.execute(params![id.0, start, size, now_ms]))
        .map_err(backend(STEP))?;
    if moved == 0 {
        return Ok(false);
    }
    execute(
        connection,
        STEP,
        "INSERT INTO upload_part (upload, start, size, name) VALUES (?1, ?2, ?3, ?4)",
        params![id.0, start, size, part.name],
    )?;
    Ok(true)
}

fn finish(connection: &Connection, now_ms: i64, id: UploadId) -> Result<Finished, DbError> {
    const STEP: &str = "completing an upload";
    struct Whole {
        device: DeviceId,
        hash: BlobHash,
        size: i64,
    }
    let found = connection.query_row(
        "SELECT device, hash, length FROM upload WHERE id = ?1 AND arrived = length",
        [id.0],
        |row| Ok(Whole { device: named(row, "device")?, hash: named(row, "hash")?, size: row.get("length")? }),
    );
    let Some(Whole { device, hash, size }) = optional(found, STEP)? else { return Ok(Finished::Gone) };
    if exists(connection, "SELECT 1 FROM blob WHERE hash = ?1 AND dropped IS NOT NULL", [hash.0])? {
        return Ok(Finished::Busy);
    }
    drop_upload(connection, id)?;
    let user: Option<Vec<u8>> = optional(
        connection.query_row(
            "SELECT user FROM blob_ref WHERE hash = ?1 AND device = ?2 AND until IS NULL LIMIT 1",
            params![hash.0, device.0],
            |row| row.get(0),
        ),
        STEP,
    )?;
    let Some(user) = user else { return Ok(Finished::NoReference) };
    execute(
        connection,
        STEP,
        "INSERT INTO blob (hash, size, stored) VALUES (?1, ?2, ?3) ON CONFLICT (hash) DO NOTHING",
        params![hash.0, size, now_ms],
    )?;
    execute(
        connection,
        STEP,
        "INSERT INTO holder (device, hash, size, since) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (device, hash) DO NOTHING",
        params![device.0, hash.0, size, now_ms],
    )?;
    execute(
        connection,
        STEP,
        "UPDATE blob_ref SET proven = 1 WHERE hash = ?1 AND device = ?2",
        params![hash.0, device.0],
    )?;
    settle(connection, now_ms, hash)?;
    let audited = Audit {
        user: UserId::try_from(user.as_slice()).ok(),
        device: Some(device),
        action: "file_stored",
        object: hash.0.first_chunk::<8>().map(|begin| begin.to_vec()),
        detail: serde_json::json!({ "bytes": size }).to_string(),
        ..Audit::default()
    };
    audit(connection, now_ms, &audited)?;
    Ok(Finished::Stored)
}

fn drop_upload(connection: &Connection, id: UploadId) -> Result<(), DbError> {
    const STEP: &str = "dropping an upload";
    execute(connection, STEP, "DELETE FROM upload_part WHERE upload = ?1", [id.0])?;
    execute(connection, STEP, "DELETE FROM upload WHERE id = ?1", [id.0])
}

/// Forgets all uploads: a database that was put back does not know what has become of their pieces.
pub(super) fn forget_uploads(connection: &Connection) -> Result<(), DbError> {
    connection.execute_batch("DELETE FROM upload_part; DELETE FROM upload;").map_err(backend("forgetting uploads"))
}

fn forget_blob(connection: &Connection, hash: BlobHash) -> Result<(), DbError> {
    const STEP: &str = "forgetting a file";
    execute(connection, STEP, "DELETE FROM holder WHERE hash = ?1", [hash.0])?;
    execute(connection, STEP, "DELETE FROM blob WHERE hash = ?1", [hash.0])
}

fn note(connection: &Connection, now_ms: i64, action: &'static str, hash: BlobHash) -> Result<(), DbError> {
    let object = hash.0.first_chunk::<8>().map(|begin| begin.to_vec());
    audit(connection, now_ms, &Audit { action, object, detail: "{}".into(), ..Audit::default() })
}

impl FileRows for Sqlite {
    fn upload(&self, principal: &Principal, _: i64, hash: BlobHash) -> Result<UploadState, DbError> {
        let Some(device) = principal.device else { return Ok(UploadState::Nothing) };
        self.read("looking for an upload", |tx| state(tx, device, hash))
    }

    fn begin_upload(&self, now_ms: i64, new: NewUpload) -> Result<Begun, DbError> {
        self.writer.run("beginning an upload", now_ms, move |c| begin(c, now_ms, &new))
    }

    fn add_part(&self, now_ms: i64, id: UploadId, part: PartRow) -> Result<bool, DbError> {
        self.writer.run("noting a piece of a file", now_ms, move |c| add_part(c, now_ms, id, &part))
    }

    fn parts(&self, _: &Principal, _: i64, id: UploadId) -> Result<Vec<PartRow>, DbError> {
        self.read("reading pieces", |tx| {
            rows(
                tx,
                "reading pieces",
                "SELECT start, size, name FROM upload_part WHERE upload = ?1 ORDER BY start",
                [id.0],
                |row| {
                    Ok(PartRow {
                        start: row.get::<_, i64>("start")?.cast_unsigned(),
                        size: row.get::<_, i64>("size")?.cast_unsigned(),
                        name: row.get("name")?,
                    })
                },
            )
        })
    }

    fn finish_upload(&self, now_ms: i64, id: UploadId) -> Result<Finished, DbError> {
        self.writer.run("completing an upload", now_ms, move |c| finish(c, now_ms, id))
    }

    fn drop_upload(&self, now_ms: i64, id: UploadId) -> Result<(), DbError> {
        self.writer.run("dropping an upload", now_ms, move |c| drop_upload(c, id))
    }

    fn has_upload(&self, _: &Principal, _: i64, id: UploadId) -> Result<bool, DbError> {
        self.read("looking for an upload", |tx| exists(tx, "SELECT 1 FROM upload WHERE id = ?1", [id.0]))
    }

    fn idle_uploads(&self, _: &Principal, _: i64, since_ms: i64) -> Result<Vec<UploadId>, DbError> {
        self.read("looking for idle uploads", |tx| {
            rows(tx, "looking for idle uploads", "SELECT id FROM upload WHERE updated <= ?1", [since_ms], |row| {
                named(row, "id")
            })
        })
    }

    fn arrived_uploads(&self, _: &Principal, _: i64) -> Result<Vec<UploadRow>, DbError> {
        const STEP: &str = "looking for whole uploads";
        self.read(STEP, |tx| {
            rows(tx, STEP, "SELECT id, hash, length, arrived FROM upload WHERE arrived = length", [], upload_row)
        })
    }

    fn readable_blob(
        &self,
        principal: &Principal,
        _: i64,
        scope: &[Bucket],
        hash: BlobHash,
    ) -> Result<Option<BlobRow>, DbError> {
        self.read("looking who may read a file", |tx| readable(tx, principal.user, scope, hash))
    }

    fn has_blob(&self, _: &Principal, _: i64, hash: BlobHash) -> Result<bool, DbError> {
        self.read("looking for a file", |tx| {
            exists(tx, "SELECT 1 FROM blob WHERE hash = ?1 AND dropped IS NULL", [hash.0])
        })
    }

    fn blobs(&self, _: &Principal, _: i64, after: Option<BlobHash>, limit: usize) -> Result<Vec<BlobRow>, DbError> {
        self.read("listing files", |tx| {
            rows(
                tx,
                "listing files",
                "SELECT hash, size FROM blob WHERE hash > ?1 AND dropped IS NULL ORDER BY hash LIMIT ?2",
                params![after.map_or(Vec::new(), |hash| hash.0.to_vec()), i64::try_from(limit).unwrap_or(i64::MAX)],
                blob_row,
            )
        })
    }

    fn lose_blob(&self, now_ms: i64, hash: BlobHash) -> Result<(), DbError> {
        self.writer.run("forgetting a file", now_ms, move |c| {
            forget_blob(c, hash)?;
            note(c, now_ms, "file_lost", hash)
        })
    }

    fn condemn_blobs(&self, now_ms: i64, since_ms: i64) -> Result<Vec<BlobHash>, DbError> {
        const STEP: &str = "marking files nobody names";
        self.writer.run(STEP, now_ms, move |c| {
            execute(
                c,
                STEP,
                "UPDATE blob SET dropped = ?2 WHERE unreferenced_since <= ?1 AND dropped IS NULL",
                params![since_ms, now_ms],
            )?;
            rows(c, STEP, "SELECT hash FROM blob WHERE dropped IS NOT NULL", [], named_hash)
        })
    }

    fn condemn_stray(&self, now_ms: i64, hash: BlobHash) -> Result<bool, DbError> {
        const STEP: &str = "marking an object nobody knows";
        self.writer.run(STEP, now_ms, move |c| {
            if exists(c, "SELECT 1 FROM blob WHERE hash = ?1 UNION ALL SELECT 1 FROM upload WHERE hash = ?1", [hash.0])?
            {
                return Ok(false);
            }
            execute(
                c,
                STEP,
                "INSERT INTO blob (hash, size, stored, dropped) VALUES (?1, 0, ?2, ?2)",
                params![hash.0, now_ms],
            )?;
            Ok(true)
        })
    }

    fn blob_dropped(&self, now_ms: i64, hash: BlobHash) -> Result<(), DbError> {
        self.writer.run("forgetting a file", now_ms, move |c| {
            forget_blob(c, hash)?;
            note(c, now_ms, "file_dropped", hash)
        })
    }
}
