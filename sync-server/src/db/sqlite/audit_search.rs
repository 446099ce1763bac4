//! Searching the audit. Rows about a record are found at once; for a person or a word the rows are read backwards.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::id::{RecordId, UserId};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::audit::{read_row, select};
use super::{DbError, backend, optional, rows};
use crate::db::{AuditFilter, AuditRow};

const STEP: &str = "searching the audit";
/// Times are given when a job is prepared and rows lie in the order the jobs were written: by no more than this may a row
/// be older than one before it.
const OUT_OF_ORDER_MS: i64 = 3_600_000;
/// How many rows of one record are read at once.
const PIECE: usize = 200;

pub(super) fn list(connection: &Connection, filter: &AuditFilter, limit: usize) -> Result<Vec<AuditRow>, DbError> {
    let first = match filter.from_ms {
        Some(from) => first_at(connection, from.saturating_sub(OUT_OF_ORDER_MS))?,
        None => 0,
    };
    let until = match filter.to_ms {
        Some(to) => first_at(connection, to.saturating_add(OUT_OF_ORDER_MS))?,
        None => i64::MAX,
    };
    let until = filter.before.map_or(until, |before| before.min(until));
    let conditions = Conditions::of(filter);
    let Some(record) = filter.record else {
        let sql = select(&format!("WHERE a.seq >= ? AND a.seq < ? {} ORDER BY a.seq DESC LIMIT ?", conditions.sql));
        let values = [vec![first.into(), until.into()], conditions.values, vec![count(limit)]].concat();
        return rows(connection, STEP, &sql, params_from_iter(values), read_row);
    };
    let mut all = of_record(connection, record, first, until)?;
    let mut found = Vec::new();
    // The newest first, in pieces: most who ask want a page.
    while found.len() < limit && !all.is_empty() {
        let piece: Vec<Value> = all.split_off(all.len().saturating_sub(PIECE)).into_iter().map(Value::from).collect();
        let places = vec!["?"; piece.len()].join(", ");
        let sql = select(&format!("WHERE a.seq IN ({places}) {} ORDER BY a.seq DESC LIMIT ?", conditions.sql));
        let values = [piece, conditions.values.clone(), vec![count(limit - found.len())]].concat();
        found.extend(rows(connection, STEP, &sql, params_from_iter(values), read_row)?);
    }
    Ok(found)
}

fn count(limit: usize) -> Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}

/// What else must hold of a row.
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn of(filter: &AuditFilter) -> Self {
        let user = filter.user.map(|user| Value::from(user.0.to_vec()));
        let all = [
            ("AND a.who IN (SELECT number FROM who WHERE user = ?)", user),
            ("AND a.action = ?", filter.action.clone().map(Value::from)),
            ("AND a.at >= ?", filter.from_ms.map(Value::from)),
            ("AND a.at < ?", filter.to_ms.map(Value::from)),
        ];
        let (sql, values): (Vec<&str>, Vec<Value>) =
            all.into_iter().filter_map(|(sql, value)| Some((sql, value?))).unzip();
        Self { sql: sql.join(" "), values }
    }
}

/// The first row at or after a time; the number after the last one if there is none.
fn first_at(connection: &Connection, ms: i64) -> Result<i64, DbError> {
    let (mut low, mut high): (i64, i64) = connection
        .query_row("SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) + 1 FROM audit", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(backend(STEP))?;
    let mut at = connection
        .prepare_cached("SELECT seq, at FROM audit WHERE seq >= ?1 ORDER BY seq LIMIT 1")
        .map_err(backend(STEP))?;
    while low < high {
        let middle = low + (high - low) / 2;
        match optional(at.query_row([middle], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))), STEP)? {
            Some((seq, at)) if at < ms => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The numbers of all rows on a record, about it, or of its changes, in order.
fn of_record(connection: &Connection, record: RecordId, first: i64, until: i64) -> Result<Vec<i64>, DbError> {
    let mut all: BTreeSet<i64> = BTreeSet::new();
    let named = "SELECT seq FROM audit WHERE object = ?1 AND seq >= ?2 AND seq < ?3";
    all.extend(rows(connection, STEP, named, (record.0, first, until), |row| row.get::<_, i64>(0))?);
    let about = "SELECT seq FROM audit INDEXED BY audit_subject
                 WHERE detail <> '' AND json_valid(detail) AND detail ->> 'subject' IS NOT NULL
                 AND detail ->> 'subject' = ?1 AND seq >= ?2 AND seq < ?3";
    all.extend(rows(connection, STEP, about, (record.to_string(), first, until), |row| row.get::<_, i64>(0))?);
    const CHANGES: &str = "SELECT number FROM change WHERE record = ?1";
    for change in rows(connection, STEP, CHANGES, [record.0], |row| row.get::<_, i64>(0))? {
        all.extend(of_change(connection, change)?.filter(|seq| (first..until).contains(seq)));
    }
    Ok(all.into_iter().collect())
}

/// The row of a change: both numbers go up together, so it lies between those of two indexed changes around it.
fn of_change(connection: &Connection, change: i64) -> Result<Option<i64>, DbError> {
    let around = |sql: &str| {
        let mut statement = connection.prepare_cached(sql).map_err(backend(STEP))?;
        optional(statement.query_row([change], |row| row.get::<_, i64>(0)), STEP)
    };
    let low = around("SELECT seq FROM audit WHERE change % 64 = 0 AND change <= ?1 ORDER BY change DESC LIMIT 1")?;
    let high = around("SELECT seq FROM audit WHERE change % 64 = 0 AND change >= ?1 ORDER BY change LIMIT 1")?;
    let mut find = connection
        .prepare_cached("SELECT seq FROM audit WHERE seq >= ?1 AND seq <= ?2 AND change = ?3")
        .map_err(backend(STEP))?;
    let found = find.query_row([low.unwrap_or(0), high.unwrap_or(i64::MAX), change], |row| row.get(0));
    optional(found, STEP)
}

pub(super) fn logins(connection: &Connection, users: &[UserId]) -> Result<BTreeMap<UserId, String>, DbError> {
    let mut find = connection.prepare_cached("SELECT login FROM user WHERE id = ?1").map_err(backend(STEP))?;
    let mut found = BTreeMap::new();
    for user in users {
        if let Some(login) = optional(find.query_row([user.0], |row| row.get(0)), STEP)? {
            found.insert(*user, login);
        }
    }
    Ok(found)
}
