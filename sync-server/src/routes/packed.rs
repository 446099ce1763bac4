//! What the sync routes take from a request: bodies, CBOR under zstd, bounded when unpacked; who asks; what a path names.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use gridpass_core::id::{BlobHash, unhex};
use gridpass_core::wire;
use minicbor::{Decode, Encode};
use std::sync::Arc;

use crate::app::App;
use crate::db::DeviceRow;
use crate::error::ApiError;
use crate::request_log::Asker;

/// A message of the sync protocol as a body.
pub struct Packed<T>(pub T);

impl<T, S> FromRequest<S> for Packed<T>
where
    T: for<'b> Decode<'b, ()>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|_| ApiError::bad("too_large", "body"))?;
        wire::unpack(&bytes, wire::MAX_PUSH_BYTES).map(Self).map_err(|error| match error {
            wire::WireError::Malformed(_) => ApiError::bad("malformed", "body"),
            wire::WireError::TooLarge { .. } => ApiError::bad("too_large", "body"),
        })
    }
}

impl<T: Encode<()>> IntoResponse for Packed<T> {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/cbor+zstd")], wire::pack(&self.0)).into_response()
    }
}

/// The file or pack that a path names.
pub struct Named(pub BlobHash);

impl FromRequestParts<Arc<App>> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let wrong = ApiError::bad("hash", "path");
        let Ok(Path(hash)) = Path::<String>::from_request_parts(parts, app).await else { return Err(wrong) };
        unhex(&hash).map(|hash| Self(BlobHash(hash))).map_err(|_| wrong)
    }
}

/// The phone that holds the request's token.
pub struct Phone(pub DeviceRow);

impl FromRequestParts<Arc<App>> for Phone {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        Session::from_request_parts(parts, app).await.map(|session| Self(session.device))
    }
}

/// A phone with the hash of the token it came with, for answers that outlive the look at it.
#[derive(Clone)]
pub struct Session {
    /// The phone.
    pub device: DeviceRow,
    /// BLAKE3 of the token.
    pub token: [u8; 32],
}

impl FromRequestParts<Arc<App>> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let header = parts.headers.get(axum::http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(ApiError::Unauthorized)?;
        let token = *blake3::hash(token.as_bytes()).as_bytes();
        let app = app.clone();
        match blocking(move || Ok(app.db.device_by_token(app.now_ms(), token)?)).await? {
            Some(device) if device.revoked.is_none() => {
                if let Some(asker) = parts.extensions.get::<Asker>() {
                    asker.is(device.id);
                }
                Ok(Self { device, token })
            }
            Some(_) => Err(ApiError::Forbidden("revoked")),
            None => Err(ApiError::Unauthorized),
        }
    }
}

/// Runs what may wait for the database on a thread that may wait.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ApiError::Internal("a request ended in a defect")))
}
