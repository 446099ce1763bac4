//! Counts for those who watch the server.

use rusqlite::{Connection, params};

use super::{DbError, backend, meta, rows};
use crate::db::Census;

const DAY_MS: i64 = 86_400_000;

pub(super) fn census(connection: &Connection, now_ms: i64) -> Result<Census, DbError> {
    const STEP: &str = "counting";
    let count = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
        let found = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, |row| row.get::<_, i64>(0)).map(i64::cast_unsigned));
        found.map_err(backend(STEP))
    };
    let mut devices = Vec::new();
    let contacts = [("day", DAY_MS, 0), ("week", 7 * DAY_MS, DAY_MS), ("month", 30 * DAY_MS, 7 * DAY_MS)];
    for (state, condition) in [("active", "revoked IS NULL"), ("revoked", "revoked IS NOT NULL")] {
        for (contact, most, least) in contacts.into_iter().chain([("older", i64::MAX, 30 * DAY_MS)]) {
            let (after, until) = (now_ms.saturating_sub(most), now_ms.saturating_sub(least));
            let sql = format!(
                "SELECT count(*) FROM device WHERE {condition} AND last_contact > ?1 AND (last_contact <= ?2 OR ?3)"
            );
            devices.push((state, contact, count(&sql, params![after, until, least == 0])?));
        }
    }
    let tickets =
        rows(connection, STEP, "SELECT kind, count(*) FROM ticket WHERE closed IS NULL GROUP BY kind", [], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
    Ok(Census {
        devices,
        tickets: tickets.into_iter().collect(),
        quarantine: count("SELECT count(*) FROM quarantine WHERE closed IS NULL", &[])?,
        grants: count(
            "SELECT count(*) FROM assignment WHERE valid_from <= ?1 AND (valid_to IS NULL OR valid_to > ?1)",
            params![now_ms],
        )?,
        files: count("SELECT count(*) FROM blob WHERE dropped IS NULL", &[])?,
        file_bytes: count("SELECT coalesce(sum(size), 0) FROM blob WHERE dropped IS NULL", &[])?,
        last_backup_ms: meta::<i64>(connection, "last_backup")?.unwrap_or(0).cast_unsigned(),
    })
}
