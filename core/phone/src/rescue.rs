//! Rescue: a sealed copy of all that is on the phone.

use std::path::{Path, PathBuf};

use crate::error::ApiError;
use crate::phone::Phone;
use crate::store::{DATABASE, StoreError, locked};

/// Where a rescue copy lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The database, encrypted with this phone's database key.
    pub database: PathBuf,
    /// The outbox, which the server can open too.
    pub outbox: PathBuf,
    /// The sealed files that were not handed in; the outbox holds their keys.
    pub files: Vec<PathBuf>,
}

impl Phone {
    /// Writes a copy of database, outbox and the files that were not handed in, into a folder that holds none yet. All
    /// stay sealed: the database opens with this phone's key only, the outbox also with the server's.
    pub fn export(&self, folder: &Path) -> Result<Exported, ApiError> {
        let io = StoreError::io("make the rescue copy");
        std::fs::create_dir_all(folder).map_err(io)?;
        let mut exported =
            Exported { database: folder.join(DATABASE), outbox: folder.join("outbox"), files: Vec::new() };
        if exported.database.exists() || exported.outbox.exists() {
            return Err(ApiError::Storage { step: "a rescue copy is there already".to_owned(), damaged: false });
        }
        self.inner.store.copy_to(&exported.database, || {
            locked(&self.inner.outbox).copy_to(&exported.outbox)?;
            exported.files = self.inner.copy_unsent_files(folder)?;
            Ok(())
        })?;
        Ok(exported)
    }
}
