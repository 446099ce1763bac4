//! Names that stand in very many rows, and the small numbers they are stored as.

use gridpass_core::id::{ActorId, BatchId, DeviceId, GrantId, UserId};
use rusqlite::{Connection, params};

use super::commit::execute;
use super::{DbError, backend, optional};

const STEP: &str = "numbering a name";

/// The number of a writer, which is given if it is new.
pub(super) fn writer(connection: &Connection, actor: ActorId) -> Result<i64, DbError> {
    let mut find = connection.prepare_cached("SELECT number FROM writer WHERE actor = ?1").map_err(backend(STEP))?;
    if let Some(number) = optional(find.query_row([actor.0], |row| row.get(0)), STEP)? {
        return Ok(number);
    }
    execute(connection, STEP, "INSERT INTO writer (actor) VALUES (?1)", [actor.0])?;
    Ok(connection.last_insert_rowid())
}

/// The number of who did something, which is given if it is new; none for the server itself.
pub(super) fn who(
    connection: &Connection,
    user: Option<UserId>,
    device: Option<DeviceId>,
    grant: Option<GrantId>,
) -> Result<Option<i64>, DbError> {
    if (user, device, grant) == (None, None, None) {
        return Ok(None);
    }
    let names = (user.map(|id| id.0), device.map(|id| id.0), grant.map(|id| id.0));
    let mut find = connection
        .prepare_cached("SELECT number FROM who WHERE user IS ?1 AND device IS ?2 AND grant_id IS ?3")
        .map_err(backend(STEP))?;
    let found = find.query_row(params![names.0, names.1, names.2], |row| row.get(0));
    if let Some(number) = optional(found, STEP)? {
        return Ok(Some(number));
    }
    let sql = "INSERT INTO who (user, device, grant_id) VALUES (?1, ?2, ?3)";
    execute(connection, STEP, sql, params![names.0, names.1, names.2])?;
    Ok(Some(connection.last_insert_rowid()))
}

/// The number of an import.
pub(super) fn import(connection: &Connection, batch: BatchId) -> Result<Option<i64>, DbError> {
    let mut find =
        connection.prepare_cached("SELECT number FROM batch WHERE device = ?1 AND id = ?2").map_err(backend(STEP))?;
    optional(find.query_row([DeviceId::default().0, batch.0], |row| row.get(0)), STEP)
}

/// The number of the push or import that brought something; its proof is stored before.
pub(super) fn batch(
    connection: &Connection,
    device: Option<DeviceId>,
    batch: Option<BatchId>,
) -> Result<Option<i64>, DbError> {
    let Some(batch) = batch else { return Ok(None) };
    // An import is a batch of no phone.
    let device = device.unwrap_or_default();
    let mut find = connection
        .prepare_cached("SELECT max(number) FROM batch WHERE device = ?1 AND id = ?2")
        .map_err(backend(STEP))?;
    let found: Option<i64> = find.query_row([device.0, batch.0], |row| row.get(0)).map_err(backend(STEP))?;
    found.map(Some).ok_or(DbError::Damaged { table: "batch" })
}
