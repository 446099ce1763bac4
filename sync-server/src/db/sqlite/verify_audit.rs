//! Whether the audit is whole: its chain, its numbers, and a row for every stored change.

use std::cell::Cell;

use gridpass_core::id::{ChangeHash, RecordId};
use gridpass_core::wire::Role;
use rusqlite::{Connection, Rows};

use super::audit::{cuts, read_row, select};
use super::{DbError, backend, named};
use crate::audit::chain::START;
use crate::db::{Cut, Fault, Link, Walked};

const STEP: &str = "verifying the audit";

/// Reads the chain from where it was cut. What follows from a fault is not told again: of rows that were altered the first
/// is named, of rows that are missing the first and the last.
pub(super) fn verify_audit(connection: &Connection, found: &mut dyn FnMut(Fault)) -> Result<Walked, DbError> {
    let fault = |row: String, what: &str| Fault { table: "audit", row, what: what.to_owned() };
    let is_whole = Cell::new(true);
    let mut found = |fault: Fault| {
        is_whole.set(false);
        found(fault);
    };
    let is_chain = connection
        .prepare("SELECT 1 FROM pragma_table_info('audit') WHERE name = 'chain'")
        .and_then(|mut statement| statement.exists([]))
        .map_err(backend(STEP))?;
    // A copy of a build before has no chain; where its rows are is looked at all the same.
    let (cut, sql) = match is_chain {
        true => (cuts(connection)?.pop(), select("WHERE a.seq > ?1 ORDER BY a.seq")),
        false => (None, select("WHERE a.seq > ?1 ORDER BY a.seq").replace("a.chain", "zeroblob(16) AS chain")),
    };
    let mut end = cut.as_ref().map_or(Link { seq: 0, chain: START }, |cut| Link { seq: cut.seq, chain: cut.chain });
    let mut statement = connection.prepare_cached(CHANGES).map_err(backend(STEP))?;
    let mut changes = Changes::after(&mut statement, cut.as_ref())?;
    let mut walked = Walked { rows: 0, whole_to: end.seq };
    // Whether changes without a row are no news, because of what was told already.
    let (mut is_altered, mut lacking) = (false, false);
    let mut statement = connection.prepare(&sql).map_err(backend(STEP))?;
    let mut rows = statement.query([end.seq]).map_err(backend(STEP))?;
    while let Some(row) = rows.next().map_err(backend(STEP))? {
        let seq: i64 = row.get("seq").map_err(backend(STEP))?;
        walked.rows += 1;
        let is_gap = seq != end.seq + 1;
        if is_gap {
            found(match seq - 1 - end.seq {
                1 => fault((seq - 1).to_string(), "the row is missing"),
                _ => fault(format!("{} to {}", end.seq + 1, seq - 1), "the rows are missing"),
            });
            lacking = true;
        }
        let Ok(read) = read_row(row) else {
            found(fault(seq.to_string(), "it cannot be read"));
            (end.seq, is_altered) = (seq, true);
            end.chain = row.get("chain").unwrap_or(START);
            continue;
        };
        if read.change.is_none() && read.change_number.is_some() {
            found(fault(seq.to_string(), "the change that it names is missing"));
        } else if is_chain && !is_gap && !is_altered && read.act().link(end.chain) != read.chain {
            found(fault(seq.to_string(), "it, or the order up to it, was altered"));
            is_altered = true; // those after it may have been made to follow from it
        }
        if let Some(number) = read.change_number {
            let uncovered = changes.up_to(number)?;
            if let Some(hash) = uncovered.filter(|_| !is_altered && !lacking) {
                found(fault(seq.to_string(), &format!("before it the row of change {hash} is missing")));
            }
            lacking = false;
        }
        end = Link { seq, chain: read.chain };
        if is_whole.get() {
            walked.whole_to = seq;
        }
    }
    if changes.up_to(i64::MAX)?.is_some() && !is_altered && !lacking {
        found(fault(format!("after {}", end.seq), "rows are missing: a newer change has none"));
    }
    Ok(walked)
}

const CHANGES: &str = "SELECT number, hash, record, recv_time, role FROM change WHERE number >= ?1 ORDER BY number";

/// A stored change.
struct Stored {
    number: i64,
    hash: ChangeHash,
    /// Record and moment.
    act: (RecordId, i64),
    role: Role,
}

/// The stored changes in order. An act stores one, and with it what the server makes of it: of the same record, at the
/// same moment.
struct Changes<'a> {
    rows: Rows<'a>,
    /// What the newest row is about, of those that were looked at.
    covered: Option<(RecordId, i64)>,
    /// A change that was read and lies beyond the row.
    next: Option<Stored>,
}

impl<'a> Changes<'a> {
    fn after(statement: &'a mut rusqlite::Statement<'_>, cut: Option<&Cut>) -> Result<Self, DbError> {
        let from = cut.map_or(0, |cut| cut.change);
        let mut changes = Self { rows: statement.query([from]).map_err(backend(STEP))?, covered: None, next: None };
        if cut.is_some() {
            changes.up_to(from)?;
        }
        Ok(changes)
    }

    /// Goes on to the change that a row names; returns the first on the way that has no row.
    fn up_to(&mut self, number: i64) -> Result<Option<ChangeHash>, DbError> {
        let mut uncovered = None;
        loop {
            if self.next.is_none() {
                self.next = match self.rows.next().map_err(backend(STEP))? {
                    None => return Ok(uncovered),
                    Some(row) => {
                        let read = || {
                            Ok(Stored {
                                number: row.get("number")?,
                                hash: named(row, "hash")?,
                                act: (named(row, "record")?, row.get("recv_time")?),
                                role: Role(row.get("role")?),
                            })
                        };
                        Some(read().map_err(backend(STEP))?)
                    }
                };
            }
            match self.next.take_if(|next| next.number <= number) {
                None => return Ok(uncovered),
                Some(change) if change.number == number => self.covered = Some(change.act),
                Some(change) if change.role != Role::DEVICE && self.covered == Some(change.act) => {}
                Some(change) => uncovered = uncovered.or(Some(change.hash)),
            }
        }
    }
}
