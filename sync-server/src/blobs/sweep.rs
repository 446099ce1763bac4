//! Dropping what nobody needs: files that nothing names, uploads that nobody goes on with, what crashes left behind.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;

use super::complete::{complete, drop_upload};
use super::store::{PARTS, failed, file_of, object, upload_of};
use super::{BlobError, rows};
use crate::app::App;
use crate::db::Principal;

const DAY_MS: i64 = 24 * 3_600_000;
/// How long a file is kept that nothing names.
pub const KEEP_UNNAMED_MS: i64 = 30 * DAY_MS;
/// How long an upload waits to be gone on with.
pub const KEEP_UNFINISHED_MS: i64 = 7 * DAY_MS;

/// What a sweep has dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Files that nothing named, and objects that no row knew.
    pub files: u64,
    /// Uploads.
    pub uploads: u64,
    /// Pieces of no upload.
    pub pieces: u64,
}

/// Sweeps now and then every day, until the task is ended.
pub async fn sweep_daily(app: Arc<App>) {
    loop {
        match sweep(&app, app.now_ms()).await {
            Ok(swept) => tracing::info!(
                files = swept.files,
                uploads = swept.uploads,
                pieces = swept.pieces,
                "what nobody needs of the files is dropped"
            ),
            Err(error) => tracing::error!(error = %error, "sweeping the files failed; it is tried again tomorrow"),
        }
        tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    }
}

/// Drops what nobody needs at a time. It may run while files come and go, and more than once at a time.
pub async fn sweep(app: &Arc<App>, now_ms: i64) -> Result<Swept, BlobError> {
    let mut swept = Swept::default();
    let idle = move |app: &App| app.db.idle_uploads(&Principal::SERVER, now_ms, now_ms - KEEP_UNFINISHED_MS);
    for id in rows(app, idle).await? {
        drop_upload(app, id).await?;
        swept.uploads += 1;
    }
    mend(app, now_ms).await?;
    let objects: Vec<Path> = {
        let listed = app.blobs.store.list(None).map_ok(|meta| meta.location);
        listed.try_collect().await.map_err(failed("listing"))?
    };
    for path in objects {
        if path.parts().next().is_some_and(|first| first.as_ref() == PARTS) {
            let Some(id) = upload_of(&path) else { continue };
            if !rows(app, move |app| app.db.has_upload(&Principal::SERVER, now_ms, id)).await? {
                app.blobs.delete(&path).await?;
                swept.pieces += 1;
            }
        } else if let Some(hash) = file_of(&path)
            && !rows(app, move |app| app.db.has_blob(&Principal::SERVER, now_ms, hash)).await?
        {
            rows(app, move |app| app.db.condemn_stray(now_ms, hash)).await?;
        }
    }
    // Marked first: nobody counts on a file while its object is being deleted.
    for hash in rows(app, move |app| app.db.condemn_blobs(now_ms, now_ms - KEEP_UNNAMED_MS)).await? {
        app.blobs.delete(&object(hash)).await?;
        rows(app, move |app| app.db.blob_dropped(now_ms, hash)).await?;
        swept.files += 1;
    }
    Ok(swept)
}

/// Completes uploads whose bytes have all arrived, where a crash came between.
async fn mend(app: &Arc<App>, now_ms: i64) -> Result<(), BlobError> {
    for upload in rows(app, move |app| app.db.arrived_uploads(&Principal::SERVER, now_ms)).await? {
        match complete(app, &upload).await {
            Ok(()) | Err(BlobError::OtherHash | BlobError::NoReference | BlobError::Busy) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
