//! Whether what lies on the phone is whole: for support, and for everything that tries to break it.

use gridpass_core::record::Built;
use rusqlite::Connection;

use crate::error::ApiError;
use crate::phone::Phone;
use crate::store::{self, StoreError, files, pending};

impl Phone {
    /// Reads all that is stored on this phone and says what is wrong with it; nothing when it is whole. What is said
    /// names tables and steps, never a value. It takes as long as reading the database and the unsent files once.
    pub fn check_storage(&self) -> Result<Vec<String>, ApiError> {
        let inner = &self.inner;
        let (mut faults, unsent) = inner.store.read(|db| {
            let mut faults = said(db, "cipher_integrity_check")?;
            faults.extend(said(db, "integrity_check")?.into_iter().filter(|line| line != "ok"));
            faults.extend(said(db, "foreign_key_check")?.into_iter().map(|table| format!("{table}: a row names none")));
            for pending in pending::all(db)?.iter().filter(|pending| !pending.change.is_empty()) {
                let built = Built::from_trusted(&pending.change);
                if !built.is_ok_and(|built| built.hash == pending.hash) {
                    faults.push("pending: a change is not the one of its hash".to_owned());
                }
            }
            Ok((faults, files::all(db)?))
        })?;
        for file in unsent.iter().filter(|file| file.stand.is_unsent()) {
            let read = inner.files.reader(file).and_then(|mut reader| reader.hash());
            if read != Ok(file.hash.0) {
                faults.push("files: an unsent file is not the one of its hash".to_owned());
            }
        }
        Ok(faults)
    }
}

/// The first column of what a pragma answers.
fn said(db: &Connection, pragma: &str) -> store::Result<Vec<String>> {
    let mut lines = Vec::new();
    db.pragma_query(None, pragma, |row| {
        lines.push(row.get(0)?);
        Ok(())
    })
    .map_err(StoreError::from)?;
    Ok(lines)
}
