//! What stays on the phone and what goes. Nothing here takes away a file that was not handed in and is still wanted.

use std::collections::BTreeSet;
use std::path::Path;

use gridpass_core::catalog::{Catalog, FileUse};
use gridpass_core::id::BlobHash;
use gridpass_core::value::Value;
use rusqlite::{Connection, Transaction};

use super::sealed::{Reader, Seal};
use super::{FILES, is_told, off_key};
use crate::apply::KEEP_MS;
use crate::error::ApiError;
use crate::merge;
use crate::outbox::{Entry, Save, UnsentFile};
use crate::phone::{Inner, Now, Phone};
use crate::store::files::{self, FileRow, FileStand, NamedBy};
use crate::store::quarantine::Quarantined;
use crate::store::{self, bucket, locked, meta, pending};

impl Phone {
    /// Drops files that the server has, the ones looked at longest ago first, until at most so many bytes are left.
    /// Own files stay until a backup of the server holds their records and 30 days have passed. Says how many bytes the
    /// files take that stay.
    pub fn trim_files(&self, max_bytes: u64) -> Result<u64, ApiError> {
        let inner = &self.inner;
        let now = inner.now()?;
        let (left, gone) = inner.store.write(|tx| {
            let all = files::all(tx)?;
            let mut left: u64 = all.iter().map(|file| file.size).sum();
            let mut gone = Vec::new();
            for file in all {
                if left > max_bytes && may_go(tx, now, &file)? {
                    files::delete(tx, &file.hash)?;
                    left = left.saturating_sub(file.size);
                    gone.push(file.seal.name);
                }
            }
            Ok((left, gone))
        })?;
        inner.files.discard(gone);
        inner.committed();
        Ok(left)
    }

    /// Sends a file again that needs attention, after its reason was seen to.
    pub fn send_file_again(&self, hash: &BlobHash) -> Result<(), ApiError> {
        let inner = &self.inner;
        inner.store.write(|tx| {
            let file = files::get(tx, hash)?.ok_or(ApiError::NotFound)?;
            match file.stand {
                FileStand::Attention => {
                    files::put(tx, &FileRow { stand: FileStand::Waiting, code: None, attempts: 0, ..file })
                }
                _ => Ok(()),
            }
        })?;
        inner.committed();
        Ok(())
    }
}

impl Inner {
    /// Before a sync sends files: those of records that left go, and what a restored server may have lost is offered
    /// to it again.
    pub(super) fn put_files_in_order(&self) -> store::Result<()> {
        let gone = self.store.write(|tx| {
            files::remove_names_of_gone(tx)?;
            for file in files::to_send(tx)? {
                for by in files::names(tx, &file.hash)? {
                    if is_taken_back(tx, &by)? {
                        files::remove_name(tx, by.record, &by.key)?;
                    }
                }
            }
            if let Some(held) = bucket::all(tx)?.first() {
                let epoch = held.cursor.epoch;
                let known: Option<u64> = meta::get(tx, meta::FILES_EPOCH)?;
                if known != Some(epoch) {
                    if known.is_some() {
                        files::offer_again(tx)?;
                    }
                    meta::put(tx, meta::FILES_EPOCH, &epoch)?;
                }
            }
            let mut gone = drop_unnamed(tx, |_| true)?;
            for (hash, seal) in files::parts(tx)? {
                if files::records_with(tx, &hash.to_string())?.is_empty() {
                    files::delete_part(tx, &hash)?;
                    gone.push(seal.name);
                }
            }
            Ok(gone)
        })?;
        self.files.discard(gone);
        Ok(())
    }

    /// Work was given up or sent again without some of its files: these are wanted no more.
    pub(crate) fn give_up_files(&self, item: &Quarantined) -> Result<(), ApiError> {
        let gone = self.store.write(|tx| {
            let shown = merge::shown(tx, item.record)?.unwrap_or_default();
            for edit in &item.edits {
                if !shown.contains_key(&edit.key) && is_told(tx, item.record, &edit.key)? {
                    files::remove_name(tx, item.record, &edit.key)?;
                }
            }
            drop_unnamed_unsent(tx)
        })?;
        self.files.discard(gone);
        Ok(())
    }

    /// Takes sealed files away that a crash left behind: no row and no entry of the outbox names them. Beside an outbox
    /// that was set aside nothing is taken away, because it may name them.
    pub(crate) fn discard_orphans(&self) -> Result<(), ApiError> {
        let aside = |folder: &Path| {
            let mut files = std::fs::read_dir(folder).into_iter().flatten().flatten();
            files.any(|file| file.file_name().to_string_lossy().starts_with("outbox.damaged-"))
        };
        if self.files.folder.parent().is_none_or(aside) {
            return Ok(());
        }
        let mut known = self.store.read(files::sealed_names)?;
        known.extend(locked(&self.outbox).entries().filter_map(|entry| match entry {
            Entry::File(file) => Some(file.name.clone()),
            _ => None,
        }));
        let found = std::fs::read_dir(&self.files.folder).into_iter().flatten().flatten();
        let found = found.map(|file| file.file_name().to_string_lossy().into_owned());
        let orphans: Vec<String> = found.filter(|name| !known.contains(name)).collect();
        if !orphans.is_empty() {
            tracing::info!(files = orphans.len(), "sealed files that nothing names are taken away");
        }
        self.files.discard(orphans);
        Ok(())
    }

    /// Copies the sealed files that were not handed in into a folder of this name there; says their names.
    pub(crate) fn copy_unsent_files(&self, target: &Path) -> store::Result<Vec<std::path::PathBuf>> {
        let names = self.store.read(files::unsent_names)?;
        let names: BTreeSet<String> = names.into_iter().map(|(name, ..)| name).collect();
        let folder = target.join(FILES);
        let step = "copy the files that were not handed in";
        if !names.is_empty() {
            std::fs::create_dir_all(&folder).map_err(store::StoreError::io(step))?;
        }
        let mut copies = Vec::new();
        for name in names {
            let copy = folder.join(&name);
            match std::fs::copy(self.files.folder.join(&name), &copy) {
                Ok(_) => copies.push(copy),
                // One that is lost does not keep the others from being rescued.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(store::StoreError::io(step)(error)),
            }
        }
        Ok(copies)
    }
}

/// Brings back into a new database the files of the outbox, without those its saves take back.
pub(crate) fn bring_back(
    tx: &Transaction<'_>,
    catalog: &Catalog,
    inner: &Inner,
    entries: &[Entry],
) -> store::Result<()> {
    for entry in entries {
        match entry {
            Entry::File(file) => bring_back_one(tx, inner, file)?,
            Entry::Save(save) => {
                for key in taken_back(catalog, save) {
                    files::remove_name(tx, save.record, &key)?;
                }
            }
            Entry::Draft(_) | Entry::DraftGone(_) => {}
        }
    }
    drop_unnamed_unsent(tx).map(|_| ())
}

fn bring_back_one(tx: &Transaction<'_>, inner: &Inner, file: &UnsentFile) -> store::Result<()> {
    let seal = Seal { name: file.name.clone(), key: file.key.clone() };
    let stand = match Reader::open(&inner.files.folder, seal.clone(), file.size) {
        Ok(_) => FileStand::Waiting,
        Err(_) => FileStand::Attention,
    };
    let row = FileRow {
        hash: file.hash,
        seal,
        size: file.size,
        stand,
        sent: 0,
        attempts: 0,
        small: file.small,
        code: (stand == FileStand::Attention).then(|| "file_damaged".to_owned()),
        since_ms: file.since_ms,
        used_ms: file.since_ms,
    };
    files::put(tx, &row)?;
    files::add_name(tx, &file.hash, &NamedBy { record: file.record, key: file.at.clone(), own: true })
}

fn taken_back(catalog: &Catalog, save: &Save) -> Vec<String> {
    let Some(form) = catalog.collection(&save.collection) else { return Vec::new() };
    let uses = save.edits.iter().filter_map(|edit| form.file_use(&edit.key, &edit.new));
    uses.filter_map(|file_use| match file_use {
        FileUse::TakenBack(key) => Some(key),
        FileUse::Named(_) => None,
    })
    .collect()
}

/// Forgets unsent files that no record names any more; says what they were called on the disk.
pub(super) fn drop_unnamed_unsent(tx: &Transaction<'_>) -> store::Result<Vec<String>> {
    drop_unnamed(tx, |file| file.stand.is_unsent())
}

fn drop_unnamed(tx: &Transaction<'_>, which: impl Fn(&FileRow) -> bool) -> store::Result<Vec<String>> {
    let mut gone = Vec::new();
    for file in files::unnamed(tx)?.into_iter().filter(|file| which(file)) {
        files::delete(tx, &file.hash)?;
        gone.push(file.seal.name);
    }
    Ok(gone)
}

/// Whether somebody has taken the file back.
fn is_taken_back(db: &Connection, by: &NamedBy) -> store::Result<bool> {
    let shown = merge::shown(db, by.record)?.unwrap_or_default();
    Ok(shown.get(&off_key(&by.key)).is_some_and(|off| *off.value() == Value::Bool(true)))
}

/// Whether the server has the file for good: an own one as long as its change is kept, and for 30 days at least, is not
/// given away.
fn may_go(db: &Connection, now: Now, file: &FileRow) -> store::Result<bool> {
    if file.stand != FileStand::Stored {
        return Ok(false);
    }
    for by in files::names(db, &file.hash)?.into_iter().filter(|by| by.own) {
        let young = file.since_ms > now.server_ms.saturating_sub(KEEP_MS);
        if young || pending::is_kept(db, by.record, &by.key)? || !is_told(db, by.record, &by.key)? {
            return Ok(false);
        }
    }
    Ok(true)
}
