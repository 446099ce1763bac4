//! Rotation: old rows go into an archive and out of the database. A crash between any two steps loses no row, and the same
//! command goes on.

use std::fs;
use std::path::{Path, PathBuf};

use gridpass_core::codes::Date;
use gridpass_core::id::hex;

use super::archive::{self, ENDING, Writing};
use super::chain::START;
use super::{AuditError, at};
use crate::app::App;
use crate::db::{Cut, Link, Principal};

/// How many rows are read, or deleted, at once: others write in between.
const PIECE: usize = 5000;

/// What a rotation has done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rotated {
    /// The archive, if there were rows for one.
    pub archive: Option<PathBuf>,
    /// How many rows it holds.
    pub rows: u64,
    /// How many rows an earlier rotation, which was ended in its middle, had left.
    pub left: u64,
}

/// An archive that was written and read back.
#[derive(Debug, Clone)]
pub struct Written {
    /// The file.
    pub file: PathBuf,
    /// Its first row.
    pub first: i64,
    /// Its end.
    pub cut: Cut,
}

/// When a day begins in China, in milliseconds since 1970.
pub fn begin_of(day: Date) -> i64 {
    day.days() * 86_400_000 - 8 * 3_600_000
}

/// Rotates the rows before a time into a new archive in a folder.
pub fn rotate(app: &App, before_ms: i64, folder: &Path) -> Result<Rotated, AuditError> {
    if before_ms > app.now_ms() {
        return Err(AuditError::InFuture);
    }
    let left = delete(app)?;
    let Some(written) = write(app, before_ms, folder)? else { return Ok(Rotated { left, ..Rotated::default() }) };
    cut(app, &written)?;
    let rows = delete(app)?;
    Ok(Rotated { archive: Some(written.file), rows, left })
}

/// Writes the rows before a time into an archive and reads it back; none if there are no such rows.
pub fn write(app: &App, before_ms: i64, folder: &Path) -> Result<Option<Written>, AuditError> {
    let state = app.db.chain_state(&Principal::SERVER, app.now_ms(), &[])?;
    let last = state.cuts.last();
    let after = last.map_or(Link { seq: 0, chain: START }, |cut| Link { seq: cut.seq, chain: cut.chain });
    let mut end = after;
    let mut change = last.map_or(0, |cut| cut.change);
    let mut renewals = last.map(|cut| cut.renewals.clone()).unwrap_or_default();
    fs::create_dir_all(folder).map_err(at("making", folder))?;
    let part = folder.join("audit.part");
    let mut writing = Writing::begin(&part, after)?;
    'rows: loop {
        let rows = app.db.audit_after(&Principal::SERVER, app.now_ms(), end.seq, PIECE)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            if row.at_ms >= before_ms {
                break 'rows;
            }
            if row.seq != end.seq + 1 || row.act().link(end.chain) != row.chain {
                return Err(AuditError::Broken { seq: end.seq + 1 });
            }
            writing.add(&row)?;
            change = change.max(row.change_number.unwrap_or(0));
            renewals.extend(state.renewals.iter().find(|renewal| renewal.seq == row.seq));
            end = Link { seq: row.seq, chain: row.chain };
        }
    }
    let cut = Cut {
        seq: end.seq,
        chain: end.chain,
        change,
        at_ms: app.now_ms(),
        renewals,
        key: Vec::new(),
        signature: Vec::new(),
    };
    let cut = cut.signed(&app.keys.signing);
    writing.end(&cut)?;
    if end == after {
        fs::remove_file(&part).map_err(at("removing", &part))?;
        return Ok(None);
    }
    let unreadable = |what: String| AuditError::Unreadable { name: part.display().to_string(), what };
    let read = archive::read(&part, &app.keys.signing, &mut |_| {}).map_err(unreadable)?;
    if (read.after, &read.cut) != (after, &cut) {
        return Err(unreadable("it holds other rows".into()));
    }
    // The same rows have the same name: one that a rotation has written before it was ended is replaced by its like.
    let name = format!("audit-{:012}-{:012}-{}{ENDING}", after.seq + 1, end.seq, hex(&end.chain).split_at(8).0);
    let file = folder.join(name);
    fs::rename(&part, &file).map_err(at("renaming", &part))?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(at("writing", folder))?;
    Ok(Some(Written { file, first: after.seq + 1, cut }))
}

/// Cuts the database's chain where an archive ends.
pub fn cut(app: &App, written: &Written) -> Result<(), AuditError> {
    let Written { file, first, cut } = written;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let detail = serde_json::json!({ "file": name, "first": first, "last": cut.seq }).to_string();
    match app.db.cut_audit(app.now_ms(), cut.clone(), detail)? {
        true => Ok(()),
        false => Err(AuditError::Broken { seq: cut.seq }),
    }
}

/// Deletes the rows that lie in archives, in pieces; returns how many there were.
pub fn delete(app: &App) -> Result<u64, AuditError> {
    let mut deleted = 0;
    loop {
        match app.db.drop_rotated(app.now_ms(), PIECE)? {
            0 => return Ok(deleted),
            rows => deleted += rows as u64,
        }
    }
}
