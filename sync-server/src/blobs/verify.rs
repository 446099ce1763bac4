//! Whether every file that counts as stored is there, whole and what its name says.

use std::sync::Arc;

use futures_util::TryStreamExt;
use gridpass_core::id::{BlobHash, hex};
use object_store::ObjectStoreExt;

use super::store::{failed, object};
use super::{BlobError, rows};
use crate::app::App;
use crate::db::{BlobRow, Fault, Principal};

/// How many rows are read at once.
const PIECE: usize = 500;

/// Reads and hashes every stored file; returns how many there are.
pub async fn verify(app: &Arc<App>, found: &mut dyn FnMut(Fault)) -> Result<u64, BlobError> {
    let mut count = 0;
    let mut after: Option<BlobHash> = None;
    loop {
        let from = after;
        let piece = rows(app, move |app| app.db.blobs(&Principal::SERVER, app.now_ms(), from, PIECE)).await?;
        let Some(last) = piece.last() else { return Ok(count) };
        after = Some(last.hash);
        for blob in piece {
            count += 1;
            if let Some(what) = fault_of(app, blob).await? {
                found(Fault { table: "blob", row: hex(&blob.hash.0), what: what.to_owned() });
            }
        }
    }
}

async fn fault_of(app: &App, blob: BlobRow) -> Result<Option<&'static str>, BlobError> {
    let read = match app.blobs.store.get(&object(blob.hash)).await {
        Ok(read) => read,
        Err(object_store::Error::NotFound { .. }) => return Ok(Some("its object is missing")),
        Err(error) => return Err(failed("reading a file")(error).into()),
    };
    if read.meta.size != blob.size {
        return Ok(Some("its object has another size"));
    }
    let mut hasher = blake3::Hasher::new();
    let mut bytes = read.into_stream();
    while let Some(chunk) = bytes.try_next().await.map_err(failed("reading a file"))? {
        hasher.update(&chunk);
    }
    Ok((hasher.finalize() != blob.hash.0).then_some("its bytes are not those of its hash"))
}
