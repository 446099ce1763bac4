//! Writing the audit: each row binds all before it.

use std::collections::BTreeMap;

use gridpass_core::id::{ActorId, ChangeHash, DeviceId, GrantId, RecordId, UserId, hex};
use rusqlite::{Connection, Row, params};

use super::commit::execute;
use super::{DbError, Sqlite, backend, meta, named, named_or_null, names, optional, rows};
use super::{audit_search, imports, verify_audit};
use crate::audit::chain::{Act, Chain, OfChange, START};
use crate::db::{AuditFilter, AuditRow, AuditRows, ChainState, Cut, Fault, Link, Principal, Renewal, Walked};
use crate::log::Audit;

/// Adds a row; of a change where one was stored: that says of which record.
///
/// The end of the chain is read in the transaction that adds to it: other processes write too, and what a job wrote may
/// have been taken back.
pub(super) fn write_audit(
    connection: &Connection,
    now_ms: i64,
    audit: &Audit,
    change: Option<(i64, OfChange)>,
) -> Result<(), DbError> {
    let who = names::who(connection, audit.user, audit.device, audit.grant)?;
    let Link { seq, chain } = end(connection)?.unwrap_or(Link { seq: 0, chain: START });
    let detail = audit.stored_detail();
    let act = Act {
        seq: seq + 1,
        at_ms: now_ms,
        user: audit.user,
        device: audit.device,
        grant: audit.grant,
        action: audit.action,
        object: audit.object.as_deref().filter(|_| change.is_none()),
        change: change.map(|(_, change)| change),
        detail: &detail,
    };
    insert(connection, &act, who, change.map(|(number, _)| number), act.link(chain))
}

fn insert(
    connection: &Connection,
    act: &Act<'_>,
    who: Option<i64>,
    change: Option<i64>,
    chain: Chain,
) -> Result<(), DbError> {
    execute(
        connection,
        "writing the audit",
        "INSERT INTO audit (seq, at, who, action, object, change, detail, chain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![act.seq, act.at_ms, who, act.action, act.object, change, act.detail, chain],
    )
}

/// The last row; where all were rotated, the last of those.
pub(super) fn end(connection: &Connection) -> Result<Option<Link>, DbError> {
    const STEP: &str = "reading the end of the audit";
    for sql in [
        "SELECT seq, chain FROM audit ORDER BY seq DESC LIMIT 1",
        "SELECT seq, chain FROM audit_cut ORDER BY seq DESC LIMIT 1",
    ] {
        let mut statement = connection.prepare_cached(sql).map_err(backend(STEP))?;
        let found = statement.query_row([], |row| Ok(Link { seq: row.get(0)?, chain: row.get(1)? }));
        if let Some(found) = optional(found, STEP)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Takes over the rows of builds before, with their links.
pub(super) fn link_old_rows(connection: &Connection) -> Result<(), DbError> {
    const STEP: &str = "linking the audit";
    let mut statement = connection
        .prepare(&format!("SELECT a.*, {NAMED} FROM audit_before a {JOINED} ORDER BY a.seq"))
        .map_err(backend(STEP))?;
    let mut old = statement.query([]).map_err(backend(STEP))?;
    let mut chain = START;
    while let Some(row) = old.next().map_err(backend(STEP))? {
        let read = audit_row(row, START).map_err(backend(STEP))?;
        let act = read.act();
        chain = act.link(chain);
        let who = row.get("who").map_err(backend(STEP))?;
        insert(connection, &act, who, read.change_number, chain)?;
    }
    drop(old);
    drop(statement);
    connection.execute_batch("DROP TABLE audit_before").map_err(backend(STEP))
}

/// What an audit row names, and where that stands.
const NAMED: &str = "w.user, w.device, w.grant_id, c.hash, c.record, c.generation, p.actor";
const JOINED: &str = "LEFT JOIN who w ON w.number = a.who LEFT JOIN change c ON c.number = a.change
                      LEFT JOIN writer p ON p.number = c.writer";

/// The statement that reads audit rows where something holds.
pub(super) fn select(rest: &str) -> String {
    format!("SELECT a.seq, a.at, a.action, a.object, a.change, a.detail, a.chain, {NAMED} FROM audit a {JOINED} {rest}")
}

/// A row of [`select`].
pub(super) fn read_row(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    audit_row(row, row.get("chain")?)
}

fn audit_row(row: &Row<'_>, chain: Chain) -> rusqlite::Result<AuditRow> {
    let change = match named_or_null::<ChangeHash>(row, "hash")? {
        Some(hash) => Some(OfChange {
            hash,
            record: named::<RecordId>(row, "record")?,
            generation: row.get("generation")?,
            actor: named::<ActorId>(row, "actor")?,
        }),
        None => None,
    };
    Ok(AuditRow {
        seq: row.get("seq")?,
        at_ms: row.get("at")?,
        user: named_or_null::<UserId>(row, "user")?,
        device: named_or_null::<DeviceId>(row, "device")?,
        grant: named_or_null::<GrantId>(row, "grant_id")?,
        action: row.get("action")?,
        object: row.get("object")?,
        change,
        change_number: row.get("change")?,
        detail: row.get("detail")?,
        chain,
    })
}

fn after(connection: &Connection, after: i64, limit: usize) -> Result<Vec<AuditRow>, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    rows(connection, "reading the audit", &select("WHERE a.seq > ?1 ORDER BY a.seq LIMIT ?2"), [after, limit], read_row)
}

/// All cuts in order.
pub(super) fn cuts(connection: &Connection) -> Result<Vec<Cut>, DbError> {
    const SQL: &str = "SELECT seq, chain, change, at, renewals, key, signature FROM audit_cut ORDER BY seq";
    let found = rows(connection, "reading where the audit was cut", SQL, [], |row| {
        let renewals: String = row.get("renewals")?;
        let cut = Cut {
            seq: row.get("seq")?,
            chain: row.get("chain")?,
            change: row.get("change")?,
            at_ms: row.get("at")?,
            renewals: Vec::new(),
            key: row.get("key")?,
            signature: row.get("signature")?,
        };
        Ok((cut, renewals))
    })?;
    let read = |(cut, renewals): (Cut, String)| {
        let renewals = serde_json::from_str(&renewals).map_err(|_| DbError::Damaged { table: "audit_cut" })?;
        Ok(Cut { renewals, ..cut })
    };
    found.into_iter().map(read).collect()
}

fn state(connection: &Connection, asked: &[i64]) -> Result<ChainState, DbError> {
    const STEP: &str = "reading the chain";
    let renewals = rows(
        connection,
        STEP,
        "SELECT seq, detail FROM audit WHERE action = 'epoch_renewed' ORDER BY seq",
        [],
        |row| Ok((row.get(0)?, row.get::<_, String>(1)?)),
    )?;
    let mut at = Vec::with_capacity(asked.len());
    let mut find = connection.prepare_cached("SELECT chain FROM audit WHERE seq = ?1").map_err(backend(STEP))?;
    for seq in asked {
        at.push(optional(find.query_row([seq], |row| row.get(0)), STEP)?);
    }
    Ok(ChainState {
        cuts: cuts(connection)?,
        end: end(connection)?,
        renewals: renewals.into_iter().filter_map(|(seq, detail)| renewal(seq, &detail)).collect(),
        at,
    })
}

/// What a row of that act says; those of builds before say nothing.
fn renewal(seq: i64, detail: &str) -> Option<Renewal> {
    let detail: serde_json::Value = serde_json::from_str(detail).ok()?;
    let epoch = |name: &str| u64::from_str_radix(detail.get(name)?.as_str()?, 16).ok();
    Some(Renewal { seq, before: epoch("before")?, epoch: epoch("epoch")? })
}

fn note_renewal(connection: &Connection, now_ms: i64) -> Result<bool, DbError> {
    let Some(before) = meta::<i64>(connection, "renewed_from")? else { return Ok(false) };
    let epoch = meta::<i64>(connection, "epoch")?.unwrap_or_default();
    let detail = serde_json::json!({ "before": hex(&before.to_be_bytes()), "epoch": hex(&epoch.to_be_bytes()) });
    write_audit(connection, now_ms, &Audit::of("epoch_renewed").detail(&detail), None)?;
    execute(connection, "noting a new epoch", "DELETE FROM meta WHERE key = 'renewed_from'", [])?;
    Ok(true)
}

fn cut(connection: &Connection, now_ms: i64, cut: &Cut, detail: String) -> Result<bool, DbError> {
    const STEP: &str = "cutting the audit";
    let there = connection
        .prepare_cached("SELECT 1 FROM audit WHERE seq = ?1 AND chain = ?2")
        .and_then(|mut statement| statement.exists(params![cut.seq, cut.chain]))
        .map_err(backend(STEP))?;
    if !there {
        return Ok(false);
    }
    imports::keep_said(connection, cut.seq)?;
    let renewals = serde_json::to_string(&cut.renewals).unwrap_or_default();
    execute(
        connection,
        STEP,
        "INSERT INTO audit_cut (seq, chain, change, at, renewals, key, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![cut.seq, cut.chain, cut.change, cut.at_ms, renewals, cut.key, cut.signature],
    )?;
    write_audit(connection, now_ms, &Audit { detail, ..Audit::of("audit_rotated") }, None)?;
    Ok(true)
}

fn drop_rotated(connection: &Connection, limit: usize) -> Result<usize, DbError> {
    const STEP: &str = "deleting rotated rows";
    let mut statement = connection
        .prepare_cached(
            "DELETE FROM audit WHERE seq <= (SELECT max(seq) FROM audit_cut)
             AND seq < (SELECT min(seq) FROM audit) + ?1",
        )
        .map_err(backend(STEP))?;
    statement.execute([i64::try_from(limit).unwrap_or(i64::MAX)]).map_err(backend(STEP))
}

impl AuditRows for Sqlite {
    fn audit_after(&self, _: &Principal, _: i64, seq: i64, limit: usize) -> Result<Vec<AuditRow>, DbError> {
        self.read("reading the audit", |tx| after(tx, seq, limit))
    }

    fn audit_list(&self, _: &Principal, _: i64, filter: &AuditFilter, limit: usize) -> Result<Vec<AuditRow>, DbError> {
        self.read("searching the audit", |tx| audit_search::list(tx, filter, limit))
    }

    fn logins(&self, _: &Principal, _: i64, users: &[UserId]) -> Result<BTreeMap<UserId, String>, DbError> {
        self.read("reading logins", |tx| audit_search::logins(tx, users))
    }

    fn chain_state(&self, _: &Principal, _: i64, asked: &[i64]) -> Result<ChainState, DbError> {
        self.read("reading the chain", |tx| state(tx, asked))
    }

    fn verify_audit(&self, _: &Principal, _: i64, found: &mut dyn FnMut(Fault)) -> Result<Walked, DbError> {
        self.read("verifying the audit", |tx| verify_audit::verify_audit(tx, found))
    }

    fn note_renewal(&self, now_ms: i64) -> Result<bool, DbError> {
        const STEP: &str = "noting a new epoch";
        match self.read(STEP, |tx| meta::<i64>(tx, "renewed_from"))? {
            None => Ok(false),
            Some(_) => self.writer.run(STEP, now_ms, move |c| note_renewal(c, now_ms)),
        }
    }

    fn cut_audit(&self, now_ms: i64, to: Cut, detail: String) -> Result<bool, DbError> {
        self.writer.run("cutting the audit", now_ms, move |c| cut(c, now_ms, &to, detail))
    }

    fn drop_rotated(&self, now_ms: i64, limit: usize) -> Result<usize, DbError> {
        self.writer.run("deleting rotated rows", now_ms, move |c| drop_rotated(c, limit))
    }
}
