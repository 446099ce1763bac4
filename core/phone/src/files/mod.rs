//! Files that records name: sealed on the disk, sent after their records, fetched when they are asked for.
//!
//! | what | file |
//! |---|---|
//! | the bytes on the disk | [`sealed`] |
//! | adding a file and taking it back | [`attach`] |
//! | sending, piece by piece | [`send`] |
//! | reading and fetching | [`fetch`] |
//! | what stays on the phone and what goes | [`keep`] |
//! | what screens show of it | [`view`] |

mod attach;
mod fetch;
mod keep;
mod sealed;
mod send;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use gridpass_core::id::RecordId;

pub use attach::{AttachInput, Attached, Content};
pub use fetch::OpenFile;
pub(crate) use keep::bring_back;
pub(crate) use sealed::{Seal, SealedError};
pub(crate) use send::ready;
pub(crate) use view::file_views;
pub use view::{FileState, FileView};

use crate::durable;
use crate::error::ApiError;
use crate::host::Host;
use crate::store::files::FileRow;
use crate::store::pending::{self, PendingState};
use crate::store::quarantine::{self, Why};
use crate::store::{self, StoreError};

/// The name of the folder of sealed files, in the phone's folder.
pub(crate) const FILES: &str = "files";

/// What the phone needs for files besides its database.
pub(crate) struct Files {
    /// The folder of sealed files.
    folder: PathBuf,
    /// How far this sync has come with them.
    sending: Mutex<send::Sending>,
    /// One file is fetched at a time.
    fetching: tokio::sync::Mutex<()>,
}

impl Files {
    /// The sealed files of a phone's folder.
    pub fn of(folder: &Path) -> Self {
        let folder = folder.join(FILES);
        Self { folder, sending: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    pub(crate) fn reader(&self, file: &FileRow) -> Result<sealed::Reader, SealedError> {
        sealed::Reader::open(&self.folder, file.seal.clone(), file.size)
    }

    fn writer<'a>(&self, host: &'a Host, seal: Seal) -> Result<sealed::Writer<'a>, SealedError> {
        if !self.folder.is_dir() {
            let above = self.folder.parent().unwrap_or(Path::new("."));
            let made = std::fs::create_dir_all(&self.folder).and_then(|()| durable::sync_folder(above));
            made?;
        }
        sealed::Writer::create(host, &self.folder, seal)
    }

    /// Takes sealed files away that nothing names any more. What cannot be taken away now goes when the phone opens.
    fn discard(&self, names: impl IntoIterator<Item = String>) {
        for name in names {
            let _ = std::fs::remove_file(self.folder.join(name));
        }
    }
}

impl From<SealedError> for StoreError {
    fn from(error: SealedError) -> Self {
        match error {
            SealedError::Damaged => Self::Io { step: "read a file that is not as it was written" },
            SealedError::Full => Self::Full { step: "write a file" },
            SealedError::Io => Self::Io { step: "read or write a file" },
            SealedError::Random => Self::Io { step: "randomness for a file" },
        }
    }
}

impl From<SealedError> for ApiError {
    fn from(error: SealedError) -> Self {
        StoreError::from(error).into()
    }
}

/// The key that takes a file back, by the key that names it.
fn off_key(key: &str) -> String {
    let (field, element) = key.split_once('/').unwrap_or((key, ""));
    format!("{field}_off/{element}")
}

/// Whether the server has been told of the key: no change with it waits to be sent, and none waits for its author.
fn is_told(db: &rusqlite::Connection, record: RecordId, key: &str) -> store::Result<bool> {
    let writes = |edits: &[gridpass_core::record::edit::Edit]| edits.iter().any(|edit| edit.key == key);
    let waits = pending::of_record(db, record)?
        .iter()
        .any(|pending| pending.state != PendingState::Accepted && writes(&pending.edits));
    let for_author = || -> store::Result<bool> {
        let items = quarantine::all(db)?;
        Ok(items.iter().any(|item| item.record == record && item.why == Why::NeedsYou && writes(&item.edits)))
    };
    Ok(!waits && !for_author()?)
}
