//! Sessions of people: they begin with a proof, are found by their token, and end.

use gridpass_core::id::UserId;
use rusqlite::{Connection, Row, params};

use super::commit::{audit, execute};
use super::{DbError, backend, named, optional, rows};
use crate::db::{NewSession, SessionId, SessionRow};
use crate::log::Audit;

/// What a session is read from; `?1` is now, `?2` how long one may be idle.
const READ: &str = "SELECT s.id, s.user, s.began, s.seen, s.ends, s.factor, s.address, s.agent,
    p.until IS NOT NULL AS password_change
    FROM session s JOIN user u ON u.id = s.user JOIN password p ON p.user = s.user
    WHERE s.ends > ?1 AND s.seen + ?2 > ?1 AND u.disabled IS NULL";

fn session_row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        id: named(row, "id")?,
        user: named(row, "user")?,
        began_ms: row.get("began")?,
        seen_ms: row.get("seen")?,
        ends_ms: row.get("ends")?,
        factor_ms: row.get("factor")?,
        address: row.get("address")?,
        agent: row.get("agent")?,
        password_change: row.get("password_change")?,
    })
}

pub(super) fn begin(
    connection: &Connection,
    now: i64,
    user: UserId,
    new: &NewSession,
    factor: bool,
) -> Result<(), DbError> {
    const STEP: &str = "beginning a session";
    let ended = "DELETE FROM session WHERE ends <= ?1 OR seen + ?2 <= ?1";
    execute(connection, STEP, ended, params![now, new.idle_ms])?;
    execute(
        connection,
        STEP,
        "INSERT INTO session (id, token, user, began, seen, ends, factor, address, agent)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8)",
        params![new.id.0, new.token, user.0, now, now + new.lasts_ms, factor.then_some(now), new.address, new.agent],
    )?;
    note(connection, now, Some(user), "signed_in", new.id)
}

pub(super) fn by_token(
    connection: &Connection,
    now: i64,
    token: [u8; 32],
    idle_ms: i64,
) -> Result<Option<SessionRow>, DbError> {
    let found = connection
        .prepare_cached(&format!("{READ} AND s.token = ?3"))
        .and_then(|mut statement| statement.query_row(params![now, idle_ms, token], session_row));
    optional(found, "finding a session")
}

pub(super) fn of_user(
    connection: &Connection,
    now: i64,
    user: UserId,
    idle_ms: i64,
    below: Option<(i64, SessionId)>,
    limit: usize,
) -> Result<Vec<SessionRow>, DbError> {
    let (began, id) = below.map_or((i64::MAX, [0; 16]), |(began, id)| (began, id.0));
    rows(
        connection,
        "listing sessions",
        &format!("{READ} AND s.user = ?3 AND (s.began, s.id) < (?4, ?5) ORDER BY s.began DESC, s.id DESC LIMIT ?6"),
        params![now, idle_ms, user.0, began, id, i64::try_from(limit).unwrap_or(i64::MAX)],
        session_row,
    )
}

pub(super) fn touch(connection: &Connection, now: i64, id: SessionId) -> Result<(), DbError> {
    let sql = "UPDATE session SET seen = max(seen, ?2) WHERE id = ?1";
    execute(connection, "noting a session's use", sql, params![id.0, now])
}

pub(super) fn show_factor(connection: &Connection, now: i64, user: UserId, id: SessionId) -> Result<(), DbError> {
    let sql = "UPDATE session SET factor = ?2 WHERE id = ?1";
    execute(connection, "noting a second factor", sql, params![id.0, now])?;
    note(connection, now, Some(user), "factor_shown", id)
}

pub(super) fn end(
    connection: &Connection,
    now: i64,
    by: Option<UserId>,
    user: UserId,
    id: SessionId,
    action: &'static str,
) -> Result<bool, DbError> {
    let ended = connection
        .execute("DELETE FROM session WHERE id = ?1 AND user = ?2", params![id.0, user.0])
        .map_err(backend("ending a session"))?;
    if ended > 0 {
        note(connection, now, by, action, id)?;
    }
    Ok(ended > 0)
}

/// Ends the sessions of a user but for one.
pub(super) fn end_all(
    connection: &Connection,
    now: i64,
    by: Option<UserId>,
    user: UserId,
    keep: Option<SessionId>,
) -> Result<usize, DbError> {
    let ended: Vec<SessionId> = rows(
        connection,
        "ending sessions",
        "DELETE FROM session WHERE user = ?1 AND id IS NOT ?2 RETURNING id",
        params![user.0, keep.map(|keep| keep.0)],
        |row| named(row, "id"),
    )?;
    ended.iter().try_for_each(|id| note(connection, now, by, "session_ended", *id))?;
    Ok(ended.len())
}

/// Forgets all sessions: in a database that was put back some stand that had been ended since.
pub(super) fn forget(connection: &Connection) -> Result<(), DbError> {
    connection.execute_batch("DELETE FROM session;").map_err(backend("forgetting sessions"))
}

fn note(
    connection: &Connection,
    now: i64,
    by: Option<UserId>,
    action: &'static str,
    session: SessionId,
) -> Result<(), DbError> {
    let object = Some(session.0.to_vec());
    audit(connection, now, &Audit { user: by, action, object, detail: "{}".into(), ..Audit::default() })
}
