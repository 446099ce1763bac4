//! Making one object of the pieces of an upload.

use std::sync::Arc;

use futures_util::TryStreamExt;
use gridpass_core::id::BlobHash;
use object_store::{ObjectStoreExt, WriteMultipart};

use super::store::{failed, object, parts_of};
use super::{BlobError, rows};
use crate::app::App;
use crate::db::{Finished, PartRow, Principal, UploadId, UploadRow};

/// How much is written at once; stores elsewhere take no smaller pieces of one object than 5 MiB.
const CHUNK: usize = 8 << 20;

/// Completes an upload whose bytes have all arrived. It may be called again at any time: the object has the name of its
/// bytes, and the rows change in one transaction when it is on disk.
pub(super) async fn complete(app: &Arc<App>, upload: &UploadRow) -> Result<(), BlobError> {
    let UploadRow { id, hash, length, .. } = *upload;
    let parts = rows(app, move |app| app.db.parts(&Principal::SERVER, app.now_ms(), id)).await?;
    let stored = rows(app, move |app| app.db.has_blob(&Principal::SERVER, app.now_ms(), hash)).await?;
    let whole = parts.iter().map(|part| part.size).sum::<u64>() == length;
    let there = stored && app.blobs.size(hash).await? == Some(length);
    let good =
        whole && if there { hashes_to(app, id, &parts, hash).await? } else { write(app, id, &parts, hash).await? };
    if !good {
        // Somebody else may have completed it meanwhile and deleted its pieces.
        if !rows(app, move |app| app.db.has_upload(&Principal::SERVER, app.now_ms(), id)).await? {
            return Ok(());
        }
        drop_upload(app, id).await?;
        return Err(BlobError::OtherHash);
    }
    match rows(app, move |app| app.db.finish_upload(app.now_ms(), id)).await? {
        Finished::Stored | Finished::Gone => {}
        Finished::NoReference => {
            delete_parts(app, id).await;
            return Err(BlobError::NoReference);
        }
        Finished::Busy => return Err(BlobError::Busy),
    }
    delete_parts(app, id).await;
    Ok(())
}

/// One piece, if it is there and whole.
async fn piece(app: &App, id: UploadId, part: &PartRow) -> Result<Option<bytes::Bytes>, BlobError> {
    const STEP: &str = "reading a piece of a file";
    let read = app.blobs.store.get(&parts_of(id).join(part.name.as_str())).await;
    let bytes = match read {
        Ok(found) => found.bytes().await.map_err(failed(STEP))?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(STEP)(error).into()),
    };
    Ok((u64::try_from(bytes.len()) == Ok(part.size)).then_some(bytes))
}

async fn hashes_to(app: &App, id: UploadId, parts: &[PartRow], hash: BlobHash) -> Result<bool, BlobError> {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        let Some(bytes) = piece(app, id, part).await? else { return Ok(false) };
        hasher.update(&bytes);
    }
    Ok(hasher.finalize() == hash.0)
}

/// Writes the object of the pieces, if they hash to its name. Else nothing is left of it.
async fn write(app: &App, id: UploadId, parts: &[PartRow], hash: BlobHash) -> Result<bool, BlobError> {
    const STEP: &str = "writing a file";
    let multipart = app.blobs.store.put_multipart(&object(hash)).await.map_err(failed(STEP))?;
    let mut writer = WriteMultipart::new_with_chunk_size(multipart, CHUNK);
    let mut hasher = blake3::Hasher::new();
    let mut good = true;
    for part in parts {
        writer.wait_for_capacity(1).await.map_err(failed(STEP))?;
        let Some(bytes) = piece(app, id, part).await? else {
            good = false;
            break;
        };
        hasher.update(&bytes);
        writer.put(bytes);
    }
    if !good || hasher.finalize() != hash.0 {
        writer.abort().await.map_err(failed(STEP))?;
        return Ok(false);
    }
    writer.finish().await.map_err(failed(STEP))?;
    Ok(true)
}

/// Forgets an upload and deletes its pieces.
pub(super) async fn drop_upload(app: &Arc<App>, id: UploadId) -> Result<(), BlobError> {
    rows(app, move |app| app.db.drop_upload(app.now_ms(), id)).await?;
    delete_parts(app, id).await;
    Ok(())
}

/// Deletes the pieces of an upload that no row knows any more. What stays is found by the sweep.
pub(super) async fn delete_parts(app: &App, id: UploadId) {
    let listed: Result<Vec<_>, _> = app.blobs.store.list(Some(&parts_of(id))).try_collect().await;
    for meta in listed.unwrap_or_default() {
        if let Err(error) = app.blobs.delete(&meta.location).await {
            tracing::warn!(error = %error, "a piece of a file is left to the sweep");
        }
    }
}
