//! Beginning an upload, and how far it is.

use std::sync::Arc;

use gridpass_core::id::BlobHash;

use super::complete::complete;
use super::{BlobError, rows};
use crate::app::App;
use crate::db::{Begun, DeviceRow, NewUpload, UploadId, UploadState};
use crate::keys;

/// How often a request looks again after it has mended something.
const TRIES: usize = 3;

/// Begins an upload, or finds the one that is under way; returns how many bytes the server needs no more.
pub async fn begin(app: &Arc<App>, device: &DeviceRow, hash: BlobHash, length: u64) -> Result<u64, BlobError> {
    if length > app.limits.max_file_bytes {
        return Err(BlobError::TooLarge);
    }
    for _ in 0..TRIES {
        let new = NewUpload {
            id: UploadId(keys::random().map_err(|_| BlobError::Defect)?),
            device: device.id,
            hash,
            length,
            max_bytes: app.limits.phone_file_bytes,
            max_open: app.limits.phone_uploads,
        };
        match rows(app, move |app| app.db.begin_upload(app.now_ms(), new)).await? {
            Begun::At(UploadState::Complete { size }) if size != length => return Err(BlobError::OtherSize),
            Begun::At(UploadState::Complete { size }) => {
                if app.blobs.size(hash).await? == Some(size) {
                    return Ok(size);
                }
                tracing::error!("an object of the store of files is lost; it is taken in again");
                rows(app, move |app| app.db.lose_blob(app.now_ms(), hash)).await?;
            }
            Begun::At(UploadState::Under(upload)) if upload.offset < upload.length => return Ok(upload.offset),
            Begun::At(UploadState::Under(upload)) => match complete(app, &upload).await {
                Ok(()) | Err(BlobError::OtherHash) => {} // complete, or to be begun again
                Err(error) => return Err(error),
            },
            Begun::At(UploadState::Nothing) => return Err(BlobError::NotFound),
            Begun::NoReference => return Err(BlobError::NoReference),
            Begun::OtherSize => return Err(BlobError::OtherSize),
            Begun::Quota => return Err(BlobError::Quota),
            Begun::Busy => return Err(BlobError::Busy),
        }
    }
    Err(BlobError::Busy)
}

/// How far a phone is with a file: offset and length. An upload whose bytes have all arrived is completed here, should a
/// crash have come between.
pub async fn state(app: &Arc<App>, device: &DeviceRow, hash: BlobHash) -> Result<(u64, u64), BlobError> {
    for _ in 0..TRIES {
        let principal = device.principal();
        match rows(app, move |app| app.db.upload(&principal, app.now_ms(), hash)).await? {
            UploadState::Nothing => return Err(BlobError::NotFound),
            UploadState::Complete { size } => return Ok((size, size)),
            UploadState::Under(upload) if upload.offset < upload.length => return Ok((upload.offset, upload.length)),
            UploadState::Under(upload) => match complete(app, &upload).await {
                Ok(()) => {}
                Err(BlobError::OtherHash) => return Err(BlobError::NotFound),
                Err(error) => return Err(error),
            },
        }
    }
    Err(BlobError::Busy)
}
