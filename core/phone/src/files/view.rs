//! What screens show of a record's files.

use gridpass_core::catalog::{Catalog, FileUse};
use gridpass_core::id::{BlobHash, RecordId};
use gridpass_core::record::ShownValues;
use gridpass_core::value::Value;
use rusqlite::Connection;

use super::off_key;
use crate::error::ApiError;
use crate::merge;
use crate::phone::Phone;
use crate::store::files::{self, FileStand};
use crate::store::{self, view};

/// Where a file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// It is on this phone only, and waits to be sent.
    Waiting {
        /// How many bytes the server has already.
        sent: u64,
    },
    /// It is on this phone, and stored on the server.
    Stored,
    /// It is not on this phone; it can be fetched if the server has it.
    Elsewhere,
    /// Somebody took it back.
    TakenBack,
    /// It is on this phone and the server did not take it, or it cannot be read any more.
    NeedsAttention {
        /// Why, as a stable code.
        code: String,
    },
}

/// One file that a record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileView {
    /// The key of the record that names it.
    pub key: String,
    /// The hash of its bytes.
    pub hash: BlobHash,
    /// How many bytes.
    pub size: u64,
    /// The media type.
    pub media_type: String,
    /// The code of what it is for.
    pub purpose: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub taken_at_ms: Option<i64>,
    /// Where it stands.
    pub state: FileState,
    /// The small picture of it, a file of its own.
    pub thumb: Option<BlobHash>,
    /// Whether the small picture is on this phone.
    pub thumb_here: bool,
}

impl Phone {
    /// The files that a record names, in order of their keys.
    pub fn files(&self, record: RecordId) -> Result<Vec<FileView>, ApiError> {
        let catalog = self.inner.catalog();
        let views = self.inner.store.read(|db| {
            let Some(row) = view::get(db, record)? else { return Ok(None) };
            let shown = merge::shown(db, record)?.unwrap_or_default();
            file_views(db, &catalog, &row.collection, &shown).map(Some)
        })?;
        views.ok_or(ApiError::NotFound)
    }
}

/// The files among what is shown of a record.
pub(crate) fn file_views(
    db: &Connection,
    catalog: &Catalog,
    collection: &str,
    shown: &ShownValues,
) -> store::Result<Vec<FileView>> {
    let Some(form) = catalog.collection(collection) else { return Ok(Vec::new()) };
    let mut views = Vec::new();
    for (key, value) in shown {
        let Some(FileUse::Named(file)) = form.file_use(key, value.value()) else { continue };
        let is_off = shown.get(&off_key(key)).is_some_and(|off| *off.value() == Value::Bool(true));
        let row = files::get(db, &file.hash)?;
        let state = match row {
            _ if is_off => FileState::TakenBack,
            None => FileState::Elsewhere,
            Some(row) => match row.stand {
                FileStand::Waiting => FileState::Waiting { sent: row.sent },
                FileStand::Stored | FileStand::Offered => FileState::Stored,
                FileStand::Attention => FileState::NeedsAttention { code: row.code.unwrap_or_default() },
            },
        };
        let thumb_here = match &file.thumb {
            Some(thumb) => files::get(db, thumb)?.is_some(),
            None => false,
        };
        let mut parts = key.split('/').skip(1);
        let place = parts.next().filter(|_| parts.next().is_some()).map(str::to_owned);
        views.push(FileView {
            key: key.clone(),
            hash: file.hash,
            size: file.size,
            media_type: file.media_type,
            purpose: file.purpose.or(place),
            taken_at_ms: file.taken_at_ms,
            state,
            thumb: file.thumb,
            thumb_here,
        });
    }
    Ok(views)
}
