//! The object store and the names in it.

use std::path::{Path as File, PathBuf};
use std::sync::Arc;

use gridpass_core::id::{BlobHash, hex, unhex};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::moving::Moving;
use crate::db::UploadId;

/// Under which prefix the pieces of unfinished uploads lie.
pub(super) const PARTS: &str = "parts";

/// The bytes of all files of a server.
pub struct Blobs {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) moving: Moving,
    /// The folder of a store on the local disk.
    folder: Option<PathBuf>,
}

/// An object store that does not do what it should. Says the step and the kind of failure, never a path.
#[derive(Debug, thiserror::Error)]
#[error("the store of files refuses while {step}: {cause}")]
pub struct StoreError {
    step: &'static str,
    cause: String,
}

/// The error of a step.
pub(super) fn failed(step: &'static str) -> impl Fn(object_store::Error) -> StoreError {
    move |error| {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        let mut kind = None;
        while let Some(error) = source {
            kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(kind);
            source = error.source();
        }
        StoreError { step, cause: kind.map_or_else(|| "the store failed".to_owned(), |kind| kind.to_string()) }
    }
}

impl Blobs {
    /// Opens the store in a folder of the local disk. What is written there is on disk before it counts: files and
    /// folders are flushed.
    pub fn open(folder: &File) -> Result<Self, StoreError> {
        const STEP: &str = "opening";
        let io = |error: std::io::Error| StoreError { step: STEP, cause: error.kind().to_string() };
        if !folder.exists() {
            // The store flushes the folders that it makes, but not the one above this.
            let above = folder.parent().unwrap_or(folder);
            let made = std::fs::create_dir_all(folder).and_then(|()| std::fs::File::open(above)?.sync_all());
            made.map_err(io)?;
        }
        let store = LocalFileSystem::new_with_prefix(folder).map_err(failed(STEP))?;
        let store = Arc::new(store.with_fsync(true).with_automatic_cleanup(true));
        Ok(Self { folder: Some(folder.to_owned()), ..Self::over(store) })
    }

    /// Over any object store, for tests and for stores elsewhere.
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, moving: Moving::default(), folder: None }
    }

    /// Removes what a killed process had begun to write: `<name>#<number>`, which a store on the local disk neither lists
    /// nor reads. Only for a server that starts, before anything is being written. Returns how many there were.
    pub fn clear_unwritten(&self) -> Result<u64, StoreError> {
        let io = |error: std::io::Error| StoreError { step: "clearing", cause: error.kind().to_string() };
        let mut open: Vec<PathBuf> = self.folder.iter().cloned().collect();
        let mut cleared = 0;
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).map_err(io)? {
                let path = entry.map_err(io)?.path();
                if path.is_dir() {
                    open.push(path);
                } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains('#')) {
                    std::fs::remove_file(path).map_err(io)?;
                    cleared += 1;
                }
            }
        }
        Ok(cleared)
    }

    /// The size of a stored object; none if there is none.
    pub(super) async fn size(&self, hash: BlobHash) -> Result<Option<u64>, StoreError> {
        match self.store.head(&object(hash)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("looking for a file")(error)),
        }
    }

    /// Deletes an object, which may be gone already.
    pub(super) async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("deleting")(error)),
        }
    }
}

/// Where a file lies: `<2 hex>/<64 hex>`.
pub(super) fn object(hash: BlobHash) -> Path {
    let digits = hex(&hash.0);
    Path::from_iter([digits.chars().take(2).collect(), digits])
}

/// The file that an object is; none for a piece.
pub(super) fn file_of(path: &Path) -> Option<BlobHash> {
    unhex(path.filename()?).ok().map(BlobHash)
}

/// Where the pieces of an upload lie.
pub(super) fn parts_of(id: UploadId) -> Path {
    Path::from_iter([PARTS.to_owned(), id.to_string()])
}

/// The upload that a piece belongs to.
pub(super) fn upload_of(path: &Path) -> Option<UploadId> {
    unhex(path.parts().nth(1)?.as_ref()).ok().map(UploadId)
}
