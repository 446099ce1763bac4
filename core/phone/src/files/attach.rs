//! Adding a file to a record, and taking it back.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use gridpass_core::catalog::{Collection, FieldType, FileRef, FileUse, Text};
use gridpass_core::id::{BlobHash, IntentId, RecordId};
use gridpass_core::record::edit::Edit;
use gridpass_core::value::Value;
use gridpass_core::wire::MAX_FILE_BYTES;
use rusqlite::Transaction;

use super::sealed::{CHUNK, Seal};
use super::{Files, off_key};
use crate::edit::{SaveInput, Saved};
use crate::error::{ApiError, Problem};
use crate::host::Host;
use crate::outbox::{Entry, UnsentFile};
use crate::phone::{Inner, Now, Phone};
use crate::store::files::{self, FileRow, FileStand, NamedBy};
use crate::store::{self, StoreError};

/// A file to be added to a record.
pub struct AttachInput {
    /// The record.
    pub record: RecordId,
    /// The field, one of type `media`.
    pub field: String,
    /// The bytes.
    pub content: Content,
    /// The media type, such as `image/jpeg`.
    pub media_type: String,
    /// The code of what it is for; wanted where the field has one place per purpose.
    pub purpose: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub taken_at_ms: Option<i64>,
    /// A small picture of it, made by the app.
    pub thumb: Option<Vec<u8>>,
    /// The visit it is part of.
    pub visit: Option<RecordId>,
}

/// Where the bytes of a file come from. Only [`Content::Bytes`] are in memory as a whole.
pub enum Content {
    /// They are here.
    Bytes(Vec<u8>),
    /// They lie in a file that this process may read.
    Path(PathBuf),
    /// They are read to the end.
    Reader(Box<dyn Read + Send>),
}

/// What came of adding a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The record.
    pub record: RecordId,
    /// The key that names the file.
    pub key: String,
    /// The hash of its bytes.
    pub hash: BlobHash,
    /// How many bytes.
    pub size: u64,
    /// The save.
    pub intent: Option<IntentId>,
    /// What the rules have to say and what did not stop the save.
    pub warnings: Vec<Problem>,
}

impl Phone {
    /// Adds a file to a record: one save like any other, and durable with the bytes when it returns. The bytes are
    /// sent at the next sync after the save; the same bytes of several records are kept and sent once.
    pub fn attach(&self, input: AttachInput) -> Result<Attached, ApiError> {
        let inner = &self.inner;
        let now = inner.now()?;
        let catalog = inner.catalog();
        let collection = inner.collection_of(input.record)?;
        let form = catalog.collection(&collection).ok_or(ApiError::Update)?;
        let refused = |code: &str| refusal(form, &input.field, code);
        let key = new_key(form, &input, &inner.intent_id(now)?.to_string()).map_err(refused)?;
        let by_purpose = key.matches('/').count() == 2;

        let fresh = inner.seal(input.content, &refused)?;
        let thumb = input.thumb.map(|bytes| inner.seal(Content::Bytes(bytes), &refused)).transpose()?;
        let value = FileRef {
            hash: fresh.hash,
            size: fresh.size,
            media_type: input.media_type,
            taken_at_ms: input.taken_at_ms,
            purpose: input.purpose.filter(|_| !by_purpose),
            thumb: thumb.as_ref().map(|thumb| thumb.hash),
        };
        let edits = vec![Edit::new(key.as_str(), Value::Null, value.to_value())];
        let save = SaveInput { record: Some(input.record), edits, visit: input.visit, ..SaveInput::default() };

        let by = NamedBy { record: input.record, key: key.clone(), own: true };
        let mut sealed = vec![(fresh, false)];
        // A small picture with the same bytes is the same file.
        sealed.extend(thumb.filter(|thumb| thumb.hash != value.hash).map(|thumb| (thumb, true)));
        let (saved, used, replaced) = inner.store.write(|tx| {
            let mut rows = Vec::new();
            for (fresh, small) in &sealed {
                rows.push(inner.adopt(tx, now, fresh, *small)?);
            }
            let unsent = rows.iter().filter(|(row, _)| row.stand.is_unsent());
            let entries = unsent.map(|(row, _)| entry(row, &by)).collect();
            let saved = inner.save_with(tx, &catalog, now, &save, entries)?;
            for (row, _) in &rows {
                files::put(tx, row)?;
                files::add_name(tx, &row.hash, &by)?;
            }
            let used: Vec<String> = rows.iter().map(|(row, _)| row.seal.name.clone()).collect();
            let replaced: Vec<String> = rows.into_iter().filter_map(|(_, old)| old).collect();
            Ok((saved, used, replaced))
        })?;
        inner.files.discard(replaced);
        for (fresh, _) in &mut sealed {
            fresh.stays = used.contains(&fresh.seal.name);
        }
        inner.committed();
        let Saved { record, intent, warnings } = saved;
        Ok(Attached { record, key, hash: value.hash, size: value.size, intent, warnings })
    }

    /// Takes a file back. One that was not sent yet is not sent any more, unless another record names it.
    pub fn take_back(&self, record: RecordId, key: &str) -> Result<Saved, ApiError> {
        let inner = &self.inner;
        let now = inner.now()?;
        let catalog = inner.catalog();
        let shown = inner.shown(record)?;
        let collection = inner.collection_of(record)?;
        let form = catalog.collection(&collection).ok_or(ApiError::Update)?;
        let is_file = |value: &Value| matches!(form.file_use(key, value), Some(FileUse::Named(_)));
        if !shown.get(key).is_some_and(|shown| is_file(shown.value())) {
            return Err(ApiError::input(Problem::at(key, "no_such_file")));
        }
        let off = off_key(key);
        let seen = shown.get(&off).map_or(Value::Null, |shown| shown.value().clone());
        let edits = vec![Edit::new(off, seen, true)];
        let save = SaveInput { record: Some(record), edits, ..SaveInput::default() };
        let (saved, gone) = inner.store.write(|tx| {
            let saved = inner.save_with(tx, &catalog, now, &save, Vec::new())?;
            files::remove_name(tx, record, key)?;
            Ok((saved, super::keep::drop_unnamed_unsent(tx)?))
        })?;
        inner.outbox_trim()?;
        inner.files.discard(gone);
        inner.committed();
        Ok(saved)
    }
}

/// Sealed bytes that no row names yet; they are taken away again unless they stay.
struct Fresh<'a> {
    files: &'a Files,
    seal: Seal,
    hash: BlobHash,
    size: u64,
    stays: bool,
}

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        if !self.stays {
            self.files.discard([self.seal.name.clone()]);
        }
    }
}

impl Inner {
    /// Seals bytes into a new file that is on the disk when this returns. Holds one chunk in memory.
    fn seal(&self, content: Content, refused: &dyn Fn(&str) -> ApiError) -> Result<Fresh<'_>, ApiError> {
        match content {
            Content::Bytes(bytes) => self.seal_from(&mut bytes.as_slice(), refused),
            Content::Path(path) => {
                self.seal_from(&mut File::open(path).map_err(|_| refused("file_unreadable"))?, refused)
            }
            Content::Reader(mut reader) => self.seal_from(&mut reader, refused),
        }
    }

    fn seal_from(&self, content: &mut dyn Read, refused: &dyn Fn(&str) -> ApiError) -> Result<Fresh<'_>, ApiError> {
        let host: &Host = &self.host;
        let seal = Seal::new(host)?;
        let mut fresh =
            Fresh { files: &self.files, seal: seal.clone(), hash: BlobHash::default(), size: 0, stays: false };
        let mut writer = self.files.writer(host, seal)?;
        let mut hasher = blake3::Hasher::new();
        let mut piece = vec![0; CHUNK];
        loop {
            let read = match content.read(&mut piece) {
                Ok(read) => piece.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(refused("file_unreadable")),
            };
            if read.is_empty() {
                break;
            }
            fresh.size += read.len() as u64;
            if fresh.size > MAX_FILE_BYTES {
                return Err(refused("file_too_large"));
            }
            hasher.update(read);
            writer.write(read)?;
        }
        if fresh.size == 0 {
            return Err(refused("file_empty"));
        }
        writer.finish(&self.files.folder)?;
        fresh.hash = BlobHash(*hasher.finalize().as_bytes());
        Ok(fresh)
    }

    /// The row of a file that was just sealed: the one there is, when the same bytes are here already. Beside it the
    /// sealed file that this one replaces.
    fn adopt(
        &self,
        tx: &Transaction<'_>,
        now: Now,
        fresh: &Fresh<'_>,
        small: bool,
    ) -> Result<(FileRow, Option<String>), StoreError> {
        let new = FileRow {
            hash: fresh.hash,
            seal: fresh.seal.clone(),
            size: fresh.size,
            stand: FileStand::Waiting,
            sent: 0,
            attempts: 0,
            small,
            code: None,
            since_ms: now.wall_ms,
            used_ms: now.wall_ms,
        };
        let Some(old) = files::get(tx, &fresh.hash)? else { return Ok((new, None)) };
        // The server takes what it has from this device as sent; what was only read here is sent again.
        let sent_from_here = files::names(tx, &old.hash)?.iter().any(|by| by.own);
        let stand = match old.stand {
            FileStand::Stored | FileStand::Offered if sent_from_here => old.stand,
            _ => FileStand::Waiting,
        };
        let (sent, small) = (old.sent, old.small && small);
        match self.files.reader(&old) {
            Ok(_) => Ok((FileRow { stand, code: None, attempts: 0, small, ..old }, None)),
            Err(_) => Ok((FileRow { stand, sent, small, ..new }, Some(old.seal.name))),
        }
    }
}

/// What goes into the outbox for a file that the server does not have.
pub(super) fn entry(file: &FileRow, by: &NamedBy) -> Entry {
    Entry::File(Box::new(UnsentFile {
        hash: file.hash,
        name: file.seal.name.clone(),
        key: file.seal.key.clone(),
        size: file.size,
        record: by.record,
        at: by.key.clone(),
        small: file.small,
        since_ms: file.since_ms,
    }))
}

/// Why a field does not take a file, in words.
fn refusal(form: &Collection, field: &str, code: &str) -> ApiError {
    let max = (MAX_FILE_BYTES >> 20).to_string();
    let label = form.field(field).map_or_else(|| Text::new(field, field), |field| field.label.clone());
    ApiError::input(Problem::at(field, code).with("label", &label).with("max", &Text::new(max.as_str(), max.as_str())))
}

/// The key of a new file, when the field takes one of this kind; else the code of what is wrong.
fn new_key(form: &Collection, input: &AttachInput, id: &str) -> Result<String, &'static str> {
    let refused = Err;
    let Some(FieldType::Media { purposes, by_purpose }) = form.field(&input.field).map(|field| &field.field_type)
    else {
        return refused("not_a_file_field");
    };
    if !is_media_type(&input.media_type) {
        return refused("bad_media_type");
    }
    let known = |purpose: &String| match purposes {
        Some(table) => table.item(purpose).is_some(),
        None => is_code(purpose),
    };
    let key = match &input.purpose {
        Some(purpose) if !known(purpose) => return refused("unknown_purpose"),
        Some(purpose) if *by_purpose => format!("{}/{purpose}/{id}", input.field),
        None if *by_purpose => return refused("purpose_wanted"),
        _ => format!("{}/{id}", input.field),
    };
    if form.key(&key).is_none() { refused("unknown_purpose") } else { Ok(key) }
}

fn is_code(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=40).contains(&text.len()) && text.bytes().all(known)
}

/// `type/subtype` in lower case, without parameters.
fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        let known = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'+' | b'-' | b'_');
        !part.is_empty() && part.bytes().all(known)
    };
    text.len() <= 100 && text.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
}

/// Puts the rows of a file that is unsent again, and what would bring it back, in step.
pub(super) fn wait_again(inner: &Inner, tx: &Transaction<'_>, file: &FileRow) -> store::Result<()> {
    let own = files::names(tx, &file.hash)?.into_iter().filter(|by| by.own);
    inner.outbox_append(own.map(|by| entry(file, &by)).collect())?;
    files::put(tx, file)
}
