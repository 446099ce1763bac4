//! Putting a backup in place of a lost or damaged database.

use std::fs;
use std::path::{Path, PathBuf};

use crate::app::{App, OpenError};
use crate::audit::AuditError;
use crate::audit::seal::{self, SEALS};
use crate::backup::{BackupError, Passphrase, SEALED_KEYS, at, open_keys, sync_folder, write_keys};
use crate::blobs;
use crate::clock::Clock;
use crate::config;
use crate::contents::{CONTENTS, Contents};
use crate::db::sqlite::{FILE, MARKER, beside, is_open, mark_as_copy, verify_copy};
use crate::db::{DbError, Fault};
use crate::keys::FOLDER;
use crate::log::Audit;

/// What a restore has done.
#[derive(Debug)]
pub struct Restored {
    /// How many rows were verified.
    pub rows: u64,
    /// Where the files that were in place lie now.
    pub set_aside: Option<PathBuf>,
    /// How many files were copied from the backup; others were in place.
    pub files: u64,
    /// How many files are lost: phones bring them again.
    pub lost: u64,
    /// Whether the keys came from the backup; else those in place stay.
    pub keys: bool,
}

/// Why a restore is not made. As long as the backup itself is at fault, nothing in the data folder has changed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is a database.
    #[error("{0} is there; stop the server and say --replace to set it aside")]
    InPlace(String),
    /// A server runs.
    #[error("{0} is open; stop the server first")]
    Open(String),
    /// The folder is no backup.
    #[error("{0} has a write-ahead log beside it: it is the file of a server that ran, not a copy")]
    NotACopy(String),
    /// The backup was not finished, or a copy of it was cut short.
    #[error("{0} has no readable {CONTENTS}: it was not finished or not copied whole; use another backup")]
    Unfinished(String),
    /// Something is missing or was altered.
    #[error("the backup is not whole: {}; use another copy of it", .0.join("; "))]
    NotWhole(Vec<String>),
    /// Keys or files are missing.
    #[error("the backup is not whole: {}; use another copy of it, or say --incomplete to do without", .0.join("; "))]
    Lacking(Vec<String>),
    /// The keys are gone and nothing opens those in the backup.
    #[error("there are no keys in place; give the passphrase of those in the backup")]
    PassphraseWanted,
    /// The keys are gone and the backup has none.
    #[error("there are no keys in place and none in the backup; put the folder `keys` in place first")]
    NoKeys,
    /// The seal of the audit.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Files.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The restored server does not open.
    #[error(transparent)]
    Opening(#[from] OpenError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// What is allowed of a restore.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    /// To set an existing database aside.
    pub replace: bool,
    /// To do without keys and files that the backup should have and has not.
    pub incomplete: bool,
}

/// Puts the backup in `from` into the data folder. It is verified first; what it replaces is renamed, never deleted. The
/// restored server has begun a new epoch when this returns.
pub fn restore(
    data: &Path,
    from: &Path,
    allowed: Allowed,
    passphrase: Option<&Passphrase>,
    clock: impl FnOnce(i64) -> Clock,
    found: &mut dyn FnMut(Fault),
) -> Result<Restored, RestoreError> {
    let (source, database) = (from.join(FILE), data.join(FILE));
    if fs::metadata(beside(&source, "-wal")).is_ok_and(|log| log.len() > 0) {
        return Err(RestoreError::NotACopy(source.display().to_string()));
    }
    let contents = Contents::read(from).ok_or_else(|| RestoreError::Unfinished(from.display().to_string()))?;
    let wrong = contents.compare(from, data);
    if !wrong.fatal.is_empty() {
        return Err(RestoreError::NotWhole([wrong.fatal, wrong.lacking].concat()));
    }
    if !wrong.lacking.is_empty() && !allowed.incomplete {
        return Err(RestoreError::Lacking(wrong.lacking));
    }
    if database.exists() {
        if !allowed.replace {
            return Err(RestoreError::InPlace(database.display().to_string()));
        }
        if is_open(&database)? {
            return Err(RestoreError::Open(database.display().to_string()));
        }
    }
    let keys = match data.join(FOLDER).exists() {
        true => None,
        false if !from.join(SEALED_KEYS).exists() => return Err(RestoreError::NoKeys),
        false => Some(open_keys(&from.join(SEALED_KEYS), passphrase.ok_or(RestoreError::PassphraseWanted)?)?),
    };
    fs::create_dir_all(data).map_err(at("making", data))?;
    let arriving = beside(&database, ".arriving");
    let rows = match arrive(&source, &arriving, found) {
        Ok(rows) => rows,
        Err(error) => {
            let _ = fs::remove_file(&arriving); // what is wrong is said; a copy that does not count helps nobody
            return Err(error);
        }
    };
    let from_backup = keys.is_some();
    if let Some(keys) = keys {
        write_keys(&data.join(FOLDER), &keys)?;
    }
    let (settings, copied) = (data.join(config::FILE), from.join(config::FILE));
    if !settings.exists() && copied.exists() {
        fs::copy(&copied, &settings).map_err(at("copying", &copied))?;
    }
    let files = blobs::bring_back(from, data)?;
    let set_aside = set_aside(data)?;
    fs::rename(&arriving, &database).map_err(at("renaming", &arriving))?;
    sync_folder(data)?;
    if let (Some(seal), false) = (contents.seal, data.join(SEALS).exists()) {
        seal::append(&data.join(SEALS), |_| Some(seal))?;
    }

    let app = App::open(data, clock)?;
    let audit = Audit { action: "restored", detail: "{}".into(), ..Audit::default() };
    app.db.audit(app.now_ms(), audit)?;
    let lost = blobs::forget_lost(&app, data)?;
    app.seal_or_tell();
    Ok(Restored { rows, set_aside, files, lost, keys: from_backup })
}

/// Copies the database beside where it goes, and verifies it there; returns how many rows it has.
fn arrive(source: &Path, arriving: &Path, found: &mut dyn FnMut(Fault)) -> Result<u64, RestoreError> {
    fs::copy(source, arriving).map_err(at("copying", source))?;
    mark_as_copy(arriving)?;
    let mut faults = 0;
    let rows = verify_copy(arriving, &mut |fault| {
        faults += 1;
        found(fault);
    })?;
    if faults > 0 {
        return Err(BackupError::Faults(faults).into());
    }
    fs::File::open(arriving).and_then(|file| file.sync_all()).map_err(at("writing", arriving))?;
    Ok(rows)
}

/// Renames the database and all that belongs to it into a folder of their own.
fn set_aside(data: &Path) -> Result<Option<PathBuf>, BackupError> {
    let file = data.join(FILE);
    let old = [file.clone(), beside(&file, "-wal"), beside(&file, "-shm"), data.join(MARKER)];
    let old: Vec<PathBuf> = old.into_iter().filter(|path| path.exists()).collect();
    if old.is_empty() {
        return Ok(None);
    }
    let free = (1u32..).map(|n| data.join(format!("replaced-{n}"))).find(|folder| !folder.exists());
    let Some(folder) = free else { return Ok(None) };
    fs::create_dir(&folder).map_err(at("making", &folder))?;
    for path in old {
        fs::rename(&path, folder.join(path.file_name().unwrap_or_default())).map_err(at("setting aside", &path))?;
    }
    sync_folder(&folder)?;
    Ok(Some(folder))
}
