//! Taking in the bytes of a file while they arrive.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use gridpass_core::id::{BlobHash, hex};
use object_store::{ObjectStoreExt, PutPayload};
use tokio::time::{Instant, timeout_at};

use super::complete::complete;
use super::store::{failed, parts_of};
use super::{BlobError, rows};
use crate::app::App;
use crate::db::{DeviceRow, PartRow, UploadRow, UploadState};
use crate::keys;

/// How large a piece is.
const PART: usize = 1 << 20;
/// How long nothing may arrive before the body counts as cut.
const IDLE: Duration = Duration::from_secs(30);
/// How long one body may take, however little of it arrives at once.
const LONGEST: Duration = Duration::from_secs(3600);

/// Takes in the bytes of a file from an offset on; returns the offset after them. What has arrived before a cut is kept.
/// A body that is `announced` as longer than what is missing is refused before it is read.
///
/// It runs as a task of its own: whoever asked may go away with the line, and the bytes are stored all the same.
pub async fn receive(
    app: Arc<App>,
    device: DeviceRow,
    hash: BlobHash,
    offset: u64,
    announced: Option<u64>,
    body: Body,
) -> Result<u64, BlobError> {
    let place = app.blobs.moving.take(device.id).ok_or(BlobError::Busy)?;
    let task = tokio::spawn(async move {
        let received = Receiving::start(app, &device, hash, offset, announced).await?.all(body).await;
        drop(place);
        received
    });
    task.await.unwrap_or(Err(BlobError::Defect))
}

struct Receiving {
    app: Arc<App>,
    upload: UploadRow,
    /// What has arrived since the last piece was stored, and how much that is.
    waiting: Vec<Bytes>,
    size: usize,
}

impl Receiving {
    async fn start(
        app: Arc<App>,
        device: &DeviceRow,
        hash: BlobHash,
        offset: u64,
        announced: Option<u64>,
    ) -> Result<Self, BlobError> {
        let principal = device.principal();
        let upload = match rows(&app, move |app| app.db.upload(&principal, app.now_ms(), hash)).await? {
            UploadState::Nothing => return Err(BlobError::NotFound),
            UploadState::Complete { .. } => return Err(BlobError::Offset), // it wants no bytes; HEAD says so
            UploadState::Under(upload) if upload.offset != offset => return Err(BlobError::Offset),
            UploadState::Under(upload) => upload,
        };
        if announced.is_some_and(|announced| announced > upload.length - offset) {
            return Err(BlobError::TooLarge);
        }
        Ok(Self { app, upload, waiting: Vec::new(), size: 0 })
    }

    async fn all(mut self, body: Body) -> Result<u64, BlobError> {
        let mut body = body.into_data_stream();
        let end = Instant::now() + LONGEST;
        loop {
            let chunk = timeout_at(end.min(Instant::now() + IDLE), body.next()).await;
            match chunk {
                Ok(None) => break,
                Ok(Some(Ok(chunk))) => self.take(chunk).await?,
                Ok(Some(Err(_))) | Err(_) => {
                    self.store().await?;
                    return Err(BlobError::Cut);
                }
            }
        }
        self.store().await?;
        if self.upload.offset == self.upload.length {
            complete(&self.app, &self.upload).await?;
        }
        Ok(self.upload.offset)
    }

    async fn take(&mut self, mut chunk: Bytes) -> Result<(), BlobError> {
        let arrived = u64::try_from(self.size + chunk.len()).unwrap_or(u64::MAX);
        if self.upload.offset.saturating_add(arrived) > self.upload.length {
            return Err(BlobError::TooLarge);
        }
        while !chunk.is_empty() {
            let piece = chunk.split_to(chunk.len().min(PART - self.size));
            self.size += piece.len();
            self.waiting.push(piece);
            if self.size == PART {
                self.store().await?;
            }
        }
        Ok(())
    }

    /// Stores what has arrived as a piece: the object first, then its row.
    async fn store(&mut self) -> Result<(), BlobError> {
        if self.size == 0 {
            return Ok(());
        }
        let payload: PutPayload = std::mem::take(&mut self.waiting).into_iter().collect();
        let size = u64::try_from(std::mem::take(&mut self.size)).unwrap_or(u64::MAX);
        let (id, start) = (self.upload.id, self.upload.offset);
        // Two who send the same piece do not write over each other; the row says whose counts.
        let name = format!("{start}-{}", hex(&keys::random::<8>().map_err(|_| BlobError::Defect)?));
        let path = parts_of(id).join(name.as_str());
        self.app.blobs.store.put(&path, payload).await.map_err(failed("storing a piece of a file"))?;
        let part = PartRow { start, size, name };
        if !rows(&self.app, move |app| app.db.add_part(app.now_ms(), id, part)).await? {
            self.app.blobs.delete(&path).await?;
            return Err(BlobError::Offset);
        }
        self.upload.offset += size;
        Ok(())
    }
}
