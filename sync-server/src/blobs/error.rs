//! What can go wrong with a file.

use axum::http::StatusCode;

use super::store::StoreError;
use crate::db::DbError;
use crate::error::ApiError;

/// Why a file is not taken or not given.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No item of the phone names the file: the record comes first.
    #[error("no item names the file")]
    NoReference,
    /// The items that name it say another size.
    #[error("the items say another size")]
    OtherSize,
    /// It is larger than files may be, or the body is longer than was said.
    #[error("too large")]
    TooLarge,
    /// The phone's files are too many or too large together.
    #[error("the phone's share is used up")]
    Quota,
    /// The bytes go on somewhere else.
    #[error("the bytes go on somewhere else")]
    Offset,
    /// All bytes are there and are not those of the hash. The upload is gone.
    #[error("the bytes are not those of the hash")]
    OtherHash,
    /// There is none, or the caller may not know of it.
    #[error("not found")]
    NotFound,
    /// The body ended early or stood still. What arrived is kept.
    #[error("the body ended early")]
    Cut,
    /// Too much at once.
    #[error("busy")]
    Busy,
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A defect.
    #[error("a task ended in a defect")]
    Defect,
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        let refused = |status, code, field| Self::Refused { status, code, field };
        match error {
            BlobError::NoReference => refused(StatusCode::CONFLICT, "no_reference", "hash"),
            BlobError::OtherSize => Self::bad("size", "Upload-Length"),
            BlobError::TooLarge => refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "Upload-Length"),
            BlobError::Quota => refused(StatusCode::PAYLOAD_TOO_LARGE, "quota", "Upload-Length"),
            BlobError::Offset => refused(StatusCode::CONFLICT, "offset", "Upload-Offset"),
            BlobError::OtherHash => refused(StatusCode::UNPROCESSABLE_ENTITY, "hash", "body"),
            BlobError::NotFound => Self::NotFound,
            BlobError::Cut => refused(StatusCode::REQUEST_TIMEOUT, "cut", "body"),
            BlobError::Busy => Self::Busy,
            BlobError::Store(error) => Self::Files(error),
            BlobError::Database(error) => Self::Database(error),
            BlobError::Defect => Self::Internal("a task ended in a defect"),
        }
    }
}
