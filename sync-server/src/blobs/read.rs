//! Handing files out.

use std::sync::Arc;

use axum::body::Body;
use gridpass_core::id::BlobHash;
use object_store::{GetOptions, GetRange, ObjectStore};

use super::store::{failed, object};
use super::{BlobError, rows};
use crate::app::App;
use crate::db::{BlobRow, DeviceRow};
use crate::ingest::scope_of;
use crate::log::Audit;

/// Which bytes are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// All.
    All,
    /// From one on, to the end or to another one that is included.
    From(u64, Option<u64>),
    /// So many at the end.
    Last(u64),
}

impl Span {
    /// The first byte and the one after the last; none if the file has none of them.
    fn of(self, size: u64) -> Option<(u64, u64)> {
        match self {
            Self::All => Some((0, size)),
            Self::From(first, last) => {
                let end = last.map_or(size, |last| last.saturating_add(1)).min(size);
                (first < end).then_some((first, end))
            }
            Self::Last(0) => None,
            Self::Last(count) => (size > 0).then(|| (size.saturating_sub(count), size)),
        }
    }
}

/// What a reader gets.
pub enum Download {
    /// Bytes.
    Bytes {
        /// How many bytes the file has.
        size: u64,
        /// The first byte.
        first: u64,
        /// The byte after the last.
        end: u64,
        /// The bytes.
        body: Body,
    },
    /// The file has none of the wanted bytes.
    OutOfRange {
        /// How many bytes the file has.
        size: u64,
    },
}

/// Reads a file that the phone may read.
pub async fn read(app: &Arc<App>, device: &DeviceRow, hash: BlobHash, span: Span) -> Result<Download, BlobError> {
    const STEP: &str = "reading a file";
    let asking = device.clone();
    let found = rows(app, move |app| {
        let now_ms = app.now_ms();
        let scope = scope_of(app, &asking, now_ms)?;
        app.db.readable_blob(&asking.principal(), now_ms, &scope, hash)
    });
    let BlobRow { size, .. } = found.await?.ok_or(BlobError::NotFound)?;
    let Some((first, end)) = span.of(size) else { return Ok(Download::OutOfRange { size }) };
    let body = if first == end {
        Body::empty()
    } else {
        let options = GetOptions { range: Some(GetRange::Bounded(first..end)), ..GetOptions::default() };
        match app.blobs.store.get_opts(&object(hash), options).await {
            Ok(found) => Body::from_stream(found.into_stream()),
            Err(object_store::Error::NotFound { .. }) => {
                tracing::error!("an object of the store of files is lost; `verify` names it");
                return Err(BlobError::NotFound);
            }
            Err(error) => return Err(failed(STEP)(error).into()),
        }
    };
    let audit = Audit {
        user: Some(device.user),
        device: Some(device.id),
        action: "file_read",
        object: hash.0.first_chunk::<8>().map(|begin| begin.to_vec()),
        detail: serde_json::json!({ "from": first, "to": end }).to_string(),
        ..Audit::default()
    };
    rows(app, move |app| app.db.audit(app.now_ms(), audit)).await?;
    Ok(Download::Bytes { size, first, end, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_cut_to_what_the_file_has() {
        let of = |span: Span| span.of(10);
        assert_eq!(of(Span::All), Some((0, 10)));
        assert_eq!(of(Span::From(3, None)), Some((3, 10)));
        assert_eq!(of(Span::From(3, Some(5))), Some((3, 6)));
        assert_eq!(of(Span::From(9, Some(99))), Some((9, 10)));
        assert_eq!(of(Span::From(10, None)), None);
        assert_eq!(of(Span::From(5, Some(3))), None);
        assert_eq!([of(Span::Last(3)), of(Span::Last(99)), of(Span::Last(0))], [Some((7, 10)), Some((0, 10)), None]);
        assert_eq!(Span::All.of(0), Some((0, 0)));
        assert_eq!(Span::Last(1).of(0), None);
    }
}
