//! Reading files that are here, and fetching those that are not.

use std::io::Read;

use gridpass_core::catalog::{Catalog, FileUse};
use gridpass_core::id::BlobHash;
use gridpass_core::sync::Failure;
use gridpass_core::wire::MAX_FILE_BYTES;
use rusqlite::Connection;

use super::SealedError;
use super::attach::wait_again;
use super::sealed::{Reader, Seal, Writer};
use super::send::PIECE;
use crate::error::ApiError;
use crate::merge;
use crate::phone::{Inner, Phone};
use crate::store::files::{self, FileRow, FileStand, NamedBy};
use crate::store::{self, StoreError, settled, view};
use crate::syncing::{Stop, refusal};
use crate::transport::{Method, Request, Response};

/// A file that is here, open for reading. Holds one chunk in memory.
pub struct OpenFile {
    reader: Reader,
    at: u64,
}

impl OpenFile {
    /// How many bytes it holds.
    pub fn size(&self) -> u64 {
        self.reader.len()
    }

    /// The bytes from `offset`, at most `most`; none at the end.
    pub fn read_at(&mut self, offset: u64, most: usize) -> Result<Vec<u8>, ApiError> {
        Ok(self.reader.read_at(offset, most)?)
    }
}

impl Read for OpenFile {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.reader.read_at(self.at, buffer.len()).map_err(std::io::Error::other)?;
        for (to, from) in buffer.iter_mut().zip(&bytes) {
            *to = *from;
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Phone {
    /// The bytes of a file, if they are here.
    pub fn read_file(&self, hash: &BlobHash) -> Result<Option<Vec<u8>>, ApiError> {
        self.open_file(hash)?.map(|mut file| file.read_at(0, usize::MAX)).transpose()
    }

    /// A file to be read piece by piece, if it is here.
    pub fn open_file(&self, hash: &BlobHash) -> Result<Option<OpenFile>, ApiError> {
        let inner = &self.inner;
        let Some(file) = inner.store.read(|db| files::get(db, hash))? else { return Ok(None) };
        let reader = inner.files.reader(&file)?;
        let used_ms = inner.now()?.wall_ms;
        let noted = inner.store.write(|tx| match files::get(tx, hash)? {
            Some(file) => files::put(tx, &FileRow { used_ms, ..file }),
            None => Ok(()),
        });
        match noted {
            Err(StoreError::Full { .. }) => {} // only what goes first to make room depends on it
            noted => noted?,
        }
        Ok(Some(OpenFile { reader, at: 0 }))
    }

    /// Fetches a file that a record on this phone names, unless it is here and whole. What was fetched before a cut is
    /// not fetched again, and nothing counts before its hash is right. Giving up the future is safe at any moment.
    pub async fn fetch_file(&self, hash: &BlobHash) -> Result<OpenFile, ApiError> {
        let inner = &self.inner;
        let _one = inner.files.fetching.lock().await;
        if let Some(file) = inner.store.read(|db| files::get(db, hash))?
            && inner.files.reader(&file).and_then(|mut reader| reader.hash()) == Ok(hash.0)
        {
            return self.open_file(hash)?.ok_or(ApiError::NotFound);
        }
        let catalog = inner.catalog();
        let names = inner.store.read(|db| who_names(db, &catalog, hash))?;
        if names.is_empty() {
            return Err(ApiError::NotFound);
        }
        let seal = inner.fetch(hash).await?;
        inner.take_in(hash, seal, &names)?;
        inner.committed();
        self.open_file(hash)?.ok_or(ApiError::NotFound)
    }
}

impl Inner {
    /// Fetches what is missing, piece by piece; the sealed file is whole when this returns.
    async fn fetch(&self, hash: &BlobHash) -> Result<Seal, ApiError> {
        let mut writer = self.part(hash)?;
        loop {
            let from = writer.len();
            let response = self.fetch_piece(hash, from).await?;
            let total = match response.status {
                200 if from == 0 => Some(response.body.len() as u64),
                206 if begins_at(&response).is_none_or(|at| at == from) && !response.body.is_empty() => {
                    total(&response).or((response.body.len() < PIECE).then_some(from + response.body.len() as u64))
                }
                416 if from > 0 => Some(from),
                404 | 410 => return self.give_up_part(hash, ApiError::NotFound),
                200..300 | 416 => return self.give_up_part(hash, later("file_range")),
                _ => {
                    let refused = refusal(&response);
                    return Err(ApiError::of_sync(refused.failure, &refused.code, RETRY_MS));
                }
            };
            if response.status != 416 {
                writer.write(&response.body)?;
            }
            if writer.len() > MAX_FILE_BYTES {
                return self.give_up_part(hash, later("file_altered"));
            }
            if total.is_some_and(|total| writer.len() >= total) {
                return Ok(writer.finish(&self.files.folder)?);
            }
        }
    }

    /// Where a fetched file is written: after what was fetched before.
    fn part(&self, hash: &BlobHash) -> Result<Writer<'_>, ApiError> {
        if let Some(seal) = self.store.read(|db| files::part(db, hash))? {
            let name = seal.name.clone();
            match Writer::resume(&self.host, &self.files.folder, seal) {
                Ok(writer) => return Ok(writer),
                Err(_) => self.files.discard([name]),
            }
        }
        let seal = Seal::new(&self.host)?;
        self.store.write(|tx| files::put_part(tx, hash, &seal))?;
        Ok(self.files.writer(&self.host, seal)?)
    }

    fn give_up_part<T>(&self, hash: &BlobHash, why: ApiError) -> Result<T, ApiError> {
        let part = self.store.write(|tx| {
            let part = files::part(tx, hash)?;
            files::delete_part(tx, hash).map(|()| part)
        })?;
        self.files.discard(part.map(|seal| seal.name));
        Err(why)
    }

    /// One piece, with a token that counts.
    async fn fetch_piece(&self, hash: &BlobHash, from: u64) -> Result<Response, ApiError> {
        let failed = |stop: Stop| ApiError::of_sync(stop.failure, &stop.code, RETRY_MS);
        let to = from.saturating_add(PIECE as u64 - 1);
        let request = || {
            let request = Request::new(Method::Get, format!("/sync/v1/blobs/{hash}"), PIECE);
            request.with("range", format!("bytes={from}-{to}"))
        };
        let response = self.exchange(request()).await.map_err(|error| failed(error.into()))?;
        if response.status != 401 || refusal(&response).failure != Failure::Unauthorized {
            return Ok(response);
        }
        self.authenticate().await.map_err(failed)?;
        self.exchange(request()).await.map_err(|error| failed(error.into()))
    }

    /// A file that was fetched whole counts once its hash is right.
    fn take_in(&self, hash: &BlobHash, seal: Seal, names: &[NamedBy]) -> Result<(), ApiError> {
        let path = self.files.folder.join(&seal.name);
        let size = Reader::size_on_disk(&path)?;
        let found = Reader::open(&self.files.folder, seal.clone(), size).and_then(|mut reader| reader.hash());
        match found {
            Ok(found) if found == hash.0 => {}
            Ok(_) | Err(SealedError::Damaged) => return self.give_up_part(hash, later("file_altered")),
            Err(error) => return Err(error.into()),
        }
        let now = self.now()?;
        let replaced = self.store.write(|tx| {
            files::delete_part(tx, hash)?;
            let old = files::get(tx, hash)?;
            let mut file = FileRow {
                hash: *hash,
                seal,
                size,
                stand: FileStand::Stored,
                sent: size,
                attempts: 0,
                small: false,
                code: None,
                since_ms: now.wall_ms,
                used_ms: now.wall_ms,
            };
            for by in names {
                files::add_name(tx, hash, by)?;
            }
            match &old {
                // What this phone owes the server it still owes, now from sound bytes.
                Some(old) if old.stand.is_unsent() => {
                    (file.stand, file.sent, file.small) = (FileStand::Waiting, 0, old.small);
                    wait_again(self, tx, &file)?;
                }
                Some(old) => {
                    (file.stand, file.small, file.since_ms) = (old.stand, old.small, old.since_ms);
                    files::put(tx, &file)?;
                }
                None => files::put(tx, &file)?,
            }
            Ok(old.map(|old| old.seal.name))
        })?;
        self.files.discard(replaced);
        Ok(())
    }
}

/// When an app may try again to fetch a file, in milliseconds.
const RETRY_MS: u32 = 5_000;

fn later(code: &str) -> ApiError {
    ApiError::Later { code: code.to_owned(), after_ms: RETRY_MS }
}

/// The records on this phone that name the file, by which keys. The hash is looked for in every record: fetching is
/// rare, and an index would be paid for by every record that is pulled.
fn who_names(db: &Connection, catalog: &Catalog, hash: &BlobHash) -> store::Result<Vec<NamedBy>> {
    let mut names = Vec::new();
    for record in files::records_with(db, &hash.to_string())? {
        let Some(form) = view::get(db, record)?.and_then(|row| catalog.collection(&row.collection).cloned()) else {
            continue;
        };
        let shown = match merge::shown(db, record)? {
            Some(shown) => shown,
            None => settled::shown(db, record)?.unwrap_or_default(),
        };
        for (key, shown) in &shown {
            if let Some(FileUse::Named(file)) = form.file_use(key, shown.value())
                && file.hashes().any(|named| named == *hash)
            {
                names.push(NamedBy { record, key: key.clone(), own: false });
            }
        }
    }
    Ok(names)
}

/// `bytes a-b/total`: where the piece begins.
fn begins_at(response: &Response) -> Option<u64> {
    let (range, _) = response.header("content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    range.split_once('-')?.0.trim().parse().ok()
}

/// `bytes a-b/total`: how long the file is.
fn total(response: &Response) -> Option<u64> {
    response.header("content-range")?.split_once('/')?.1.trim().parse().ok()
}
