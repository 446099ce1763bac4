//! The table of contents: every route of the server.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, head, patch, post};
use gridpass_core::wire;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::app::App;
use crate::error::ApiError;
use crate::request_log;
use crate::routes::{api, files, health, sync, tus};
use axum::response::IntoResponse;

/// All routes over a server.
pub fn router(app: Arc<App>) -> Router {
    // Bodies of files are as long as files and take as long as a bad line needs: `blobs` has limits of its own for them.
    let long = Router::new()
        .route("/sync/v1/uploads/{hash}", patch(files::append))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(tus::speak));
    let uploads = Router::new()
        .route("/sync/v1/uploads", post(files::create).options(files::options))
        .route("/sync/v1/uploads/{hash}", head(files::look))
        .layer(from_fn(tus::speak));
    Router::new()
        .merge(uploads)
        .route("/sync/v1/blobs/{hash}", get(files::download))
        .route("/sync/v1/enroll", post(sync::enroll))
        .route("/sync/v1/challenge", post(sync::challenge))
        .route("/sync/v1/token", post(sync::token))
        .route("/sync/v1/push", post(sync::push))
        .route("/sync/v1/pull", post(sync::pull_rows))
        .route("/sync/v1/packs/{hash}", get(sync::pack))
        .route("/sync/v1/events", get(sync::events))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .merge(api::router())
        .layer(DefaultBodyLimit::max(wire::MAX_PUSH_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(60)))
        .merge(long)
        .fallback(|| async { ApiError::NotFound })
        .layer(CatchPanicLayer::custom(|_| ApiError::Internal("a request ended in a defect").into_response()))
        .layer(from_fn_with_state(app.clone(), request_log::follow))
        .with_state(app)
}
