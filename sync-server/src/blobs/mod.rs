//! Files: their bytes in an object store, under their BLAKE3 hash; what there is of them in rows of the database.
//!
//! An upload arrives in pieces. Each is an object and a row, so that any node takes the next one. When all have arrived
//! they are hashed while they are written as one object, and only then the file counts (`complete`). Whatever a crash
//! leaves behind is found by the next request for the file or by the [`sweep`].

mod complete;
mod copies;
mod error;
mod moving;
mod read;
mod receive;
mod store;
mod sweep;
mod upload;
mod verify;

pub use copies::{back_up, bring_back, files_in, forget_lost, place};
pub use error::BlobError;
pub use read::{Download, Span, read};
pub use receive::receive;
pub use store::{Blobs, StoreError};
pub use sweep::{Swept, sweep, sweep_daily};
pub use upload::{begin, state};
pub use verify::verify;

use std::sync::Arc;

use crate::app::App;
use crate::db::DbError;

/// The folder of the files in the data folder.
pub const FOLDER: &str = "blobs";

/// Asks the database on a thread that may wait.
async fn rows<T: Send + 'static>(
    app: &Arc<App>,
    ask: impl FnOnce(&App) -> Result<T, DbError> + Send + 'static,
) -> Result<T, BlobError> {
    let app = app.clone();
    match tokio::task::spawn_blocking(move || ask(&app)).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(BlobError::Defect),
    }
}
