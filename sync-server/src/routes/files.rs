//! Files: uploads by tus 1.0.0 (core and creation), downloads with ranges.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use gridpass_core::id::hex;

use super::packed::{Named, Phone};
use super::tus::{self, Continuation, Creation, Wanted};
use crate::app::App;
use crate::blobs::{self, Download};
use crate::error::ApiError;

/// `OPTIONS /sync/v1/uploads`
pub async fn options(State(app): State<Arc<App>>) -> impl IntoResponse {
    let largest = app.limits.max_file_bytes.to_string();
    let spoken = [(tus::VERSIONS, tus::VERSION), (tus::EXTENSION, "creation")];
    (StatusCode::NO_CONTENT, spoken, [(tus::MAX_SIZE, largest)])
}

/// `POST /sync/v1/uploads`
pub async fn create(
    State(app): State<Arc<App>>,
    Phone(device): Phone,
    Creation { hash, length }: Creation,
) -> Result<impl IntoResponse, ApiError> {
    app.throttle.file.pass(&device.id)?;
    let offset = blobs::begin(&app, &device, hash, length).await?;
    let place = format!("/sync/v1/uploads/{}", hex(&hash.0));
    Ok((StatusCode::CREATED, [(LOCATION, place)], [(tus::OFFSET, offset.to_string())]))
}

/// `HEAD /sync/v1/uploads/{hash}`
pub async fn look(
    State(app): State<Arc<App>>,
    Phone(device): Phone,
    Named(hash): Named,
) -> Result<impl IntoResponse, ApiError> {
    app.throttle.file.pass(&device.id)?;
    let (offset, length) = blobs::state(&app, &device, hash).await?;
    let headers = [(tus::OFFSET, offset.to_string()), (tus::LENGTH, length.to_string())];
    Ok((headers, [(CACHE_CONTROL, "no-store")]))
}

/// `PATCH /sync/v1/uploads/{hash}`
pub async fn append(
    State(app): State<Arc<App>>,
    Phone(device): Phone,
    Named(hash): Named,
    Continuation { offset, announced }: Continuation,
    body: Body,
) -> Result<impl IntoResponse, ApiError> {
    app.throttle.file.pass(&device.id)?;
    let offset = blobs::receive(app, device, hash, offset, announced, body).await?;
    Ok((StatusCode::NO_CONTENT, [(tus::OFFSET, offset.to_string())]))
}

/// `GET /sync/v1/blobs/{hash}`
pub async fn download(
    State(app): State<Arc<App>>,
    Phone(device): Phone,
    Named(hash): Named,
    Wanted(span): Wanted,
) -> Result<Response, ApiError> {
    app.throttle.file.pass(&device.id)?;
    let (size, first, end, body) = match blobs::read(&app, &device, hash, span).await? {
        Download::Bytes { size, first, end, body } => (size, first, end, body),
        Download::OutOfRange { size } => {
            let refused =
                ApiError::Refused { status: StatusCode::RANGE_NOT_SATISFIABLE, code: "range", field: "Range" };
            return Ok(([(CONTENT_RANGE, format!("bytes */{size}"))], refused).into_response());
        }
    };
    let fixed = [
        (CONTENT_TYPE, "application/octet-stream"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_DISPOSITION, "attachment"),
        (CACHE_CONTROL, "private, immutable"),
        (ACCEPT_RANGES, "bytes"),
    ];
    let headers = [(ETAG, format!("\"{}\"", hex(&hash.0))), (CONTENT_LENGTH, (end - first).to_string())];
    Ok(match span {
        blobs::Span::All => (headers, fixed, body).into_response(),
        _ => {
            let range = [(CONTENT_RANGE, format!("bytes {first}-{}/{size}", end.saturating_sub(1)))];
            (StatusCode::PARTIAL_CONTENT, headers, fixed, range, body).into_response()
        }
    })
}
