//! Files in backups. A file never changes, so what an earlier backup has is linked and not copied again.

use std::fs;
use std::path::{Path, PathBuf};

use gridpass_core::id::{BlobHash, hex};

use super::FOLDER;
use crate::app::App;
use crate::backup::{BackupError, at, sync_folder};
use crate::db::{BlobRow, DbError, Fault, Principal};

/// How many rows are read at once.
const PIECE: usize = 500;

/// Where a file lies in a data folder or a backup.
pub fn place(folder: &Path, hash: BlobHash) -> PathBuf {
    let digits = hex(&hash.0);
    folder.join(FOLDER).join(digits.chars().take(2).collect::<String>()).join(digits)
}

fn has(file: &Path, size: u64) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() == size)
}

/// Brings the files of the server in `data` into the backup in `to`: linked from one of the `earlier` backups
/// that has them, else copied. A file that is lost is told and stops nothing. Returns how many were copied.
pub fn back_up(
    app: &App,
    data: &Path,
    to: &Path,
    earlier: &[PathBuf],
    found: &mut dyn FnMut(Fault),
) -> Result<u64, BackupError> {
    let mut copied = 0;
    each(app, |BlobRow { hash, size }| {
        let (source, target) = (place(data, hash), place(to, hash));
        if has(&target, size) {
            return Ok(());
        }
        let mut before = earlier.iter().rev().map(|earlier| place(earlier, hash)).filter(|before| has(before, size));
        make_parent(&target)?;
        if before.any(|before| fs::hard_link(before, &target).is_ok()) {
            return Ok(());
        }
        if has(&source, size) {
            copied += 1;
            return copy(&source, &target);
        }
        // The sweep may have dropped it since the rows were read.
        if app.db.has_blob(&Principal::SERVER, app.now_ms(), hash)? {
            let what = "its object is missing or has another size".to_owned();
            found(Fault { table: "blob", row: hex(&hash.0), what });
        }
        Ok(())
    })?;
    sync_all(&to.join(FOLDER))?;
    Ok(copied)
}

/// Copies the files of a backup into a data folder, where they are not there already. Returns how many.
pub fn bring_back(from: &Path, data: &Path) -> Result<u64, BackupError> {
    let mut copied = 0;
    for hash in files_in(from)? {
        let (source, target) = (place(from, hash), place(data, hash));
        let size = fs::metadata(&source).map_err(at("reading", &source))?.len();
        if !has(&target, size) {
            make_parent(&target)?;
            copy(&source, &target)?;
            copied += 1;
        }
    }
    sync_all(&data.join(FOLDER))?;
    Ok(copied)
}

/// The files in a backup.
pub fn files_in(backup: &Path) -> Result<Vec<BlobHash>, BackupError> {
    let mut hashes = Vec::new();
    for folder in folders(&backup.join(FOLDER))? {
        for entry in fs::read_dir(&folder).map_err(at("reading", &folder))? {
            let path = entry.map_err(at("reading", &folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            hashes.extend(gridpass_core::id::unhex(name).map(BlobHash));
        }
    }
    Ok(hashes)
}

/// Forgets the files whose objects are not there, so that phones bring them again. Returns how many.
pub fn forget_lost(app: &App, data: &Path) -> Result<u64, DbError> {
    let mut lost = 0;
    each(app, |BlobRow { hash, size }| {
        if has(&place(data, hash), size) {
            return Ok(());
        }
        lost += 1;
        app.db.lose_blob(app.now_ms(), hash)
    })?;
    Ok(lost)
}

/// Every stored file.
fn each<E: From<DbError>>(app: &App, mut visit: impl FnMut(BlobRow) -> Result<(), E>) -> Result<(), E> {
    let mut after = None;
    loop {
        let piece = app.db.blobs(&Principal::SERVER, app.now_ms(), after, PIECE)?;
        let Some(last) = piece.last() else { return Ok(()) };
        after = Some(last.hash);
        piece.into_iter().try_for_each(&mut visit)?;
    }
}

fn make_parent(file: &Path) -> Result<(), BackupError> {
    file.parent().map_or(Ok(()), |folder| fs::create_dir_all(folder).map_err(at("making", folder)))
}

/// Copies a file under another name first, so that none with its own name is ever half there.
fn copy(source: &Path, target: &Path) -> Result<(), BackupError> {
    let arriving = target.with_extension("arriving");
    fs::copy(source, &arriving)
        .and_then(|_| fs::File::open(&arriving)?.sync_all())
        .and_then(|()| fs::rename(&arriving, target))
        .map_err(at("copying", source))
}

/// The folders in the folder of the files; none where there is none.
fn folders(blobs: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let listed = match fs::read_dir(blobs) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at("reading", blobs)(error)),
    };
    let paths = listed.map(|entry| entry.map(|entry| entry.path()).map_err(at("reading", blobs)));
    let paths: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
    Ok(paths.into_iter().filter(|path| path.is_dir()).collect())
}

fn sync_all(blobs: &Path) -> Result<(), BackupError> {
    for folder in folders(blobs)? {
        sync_folder(&folder)?;
    }
    if blobs.exists() { sync_folder(blobs) } else { Ok(()) }
}
