//! The table of contents: every route of the server.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, head, patch, post};
use gridpass_core::id::hex;
use gridpass_core::wire;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::app::App;
use crate::error::{ApiError, ErrorBody, RequestId};
use crate::routes::{files, health, sync, tus};
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
        .layer(DefaultBodyLimit::max(wire::MAX_PUSH_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(60)))
        .merge(long)
        .fallback(|| async { ApiError::NotFound })
        .layer(CatchPanicLayer::custom(|_| ApiError::Internal("a request ended in a defect").into_response()))
        .layer(from_fn(name_request))
        .with_state(app)
}

/// Gives every request a name and every error its body.
async fn name_request(request: Request, next: Next) -> Response {
    let id = RequestId(crate::keys::random::<8>().map(|bytes| hex(&bytes)).unwrap_or_default());
    let response = next.run(request).await;
    let mut response = match response.extensions().get::<ErrorBody>() {
        Some(body) => {
            let mut finished = body.clone().finish(response.status(), &id);
            for (name, value) in response.headers().iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
                finished.headers_mut().insert(name.clone(), value.clone());
            }
            finished
        }
        None => response,
    };
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}
