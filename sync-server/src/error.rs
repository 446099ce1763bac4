//! What a caller is told when something does not work: a stable code, and nothing of what was in the request.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};

use crate::blobs::StoreError;
use crate::db::DbError;

/// An answer that is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request is not what it should be; `field` says where.
    #[error("{code} at {field}")]
    Bad {
        /// What is wrong.
        code: &'static str,
        /// Where.
        field: &'static str,
    },
    /// The request cannot be done as things stand.
    #[error("{code} at {field}")]
    Refused {
        /// With which status.
        status: StatusCode,
        /// What is wrong.
        code: &'static str,
        /// Where.
        field: &'static str,
    },
    /// No token, or one that no longer counts: ask for a new one and send the same again.
    #[error("a token is needed")]
    Unauthorized,
    /// The caller may not.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such thing, or the caller may not know of it.
    #[error("not found")]
    NotFound,
    /// It was there and is not any more: take the new list.
    #[error("gone")]
    Gone,
    /// Too much at once; try again.
    #[error("busy")]
    Busy,
    /// Too often; try again after so many seconds.
    #[error("too often")]
    TooMany {
        /// After how many seconds.
        after_s: u64,
    },
    /// The store of files failed.
    #[error(transparent)]
    Files(StoreError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A defect.
    #[error("{0}")]
    Internal(&'static str),
}

impl ApiError {
    /// A request that is not what it should be.
    pub fn bad(code: &'static str, field: &'static str) -> Self {
        Self::Bad { code, field }
    }

    fn parts(&self) -> (StatusCode, &'static str, Option<&'static str>) {
        match self {
            Self::Bad { code, field } => (StatusCode::BAD_REQUEST, code, Some(field)),
            Self::Refused { status, code, field } => (*status, code, Some(field)),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "token", None),
            Self::Forbidden(code) => (StatusCode::FORBIDDEN, code, None),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", None),
            Self::Gone => (StatusCode::GONE, "gone", None),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", None),
            Self::Files(_) | Self::Database(DbError::Storage { .. }) => {
                (StatusCode::SERVICE_UNAVAILABLE, "storage", None)
            }
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", None),
            Self::Database(_) | Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", None),
        }
    }
}

/// The name of one request, by which a caller's error and the server's log find each other.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// An error on its way out; the router adds the request's name.
#[derive(Debug, Clone)]
pub struct ErrorBody {
    code: &'static str,
    field: Option<&'static str>,
    after_s: Option<u64>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, field) = self.parts();
        if status.is_server_error() {
            // Database errors name tables and steps, never what a row holds.
            tracing::error!(error = %self, "a request failed");
        }
        let mut response = status.into_response();
        let after_s = if let Self::TooMany { after_s } = self { Some(after_s) } else { None };
        response.extensions_mut().insert(ErrorBody { code, field, after_s });
        response
    }
}

impl ErrorBody {
    /// What was wrong.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The body `{code, field, args, request_id}` with the status of the response it travelled in.
    pub fn finish(self, status: StatusCode, request: &RequestId) -> Response {
        let body = serde_json::json!({
            "code": self.code,
            "field": self.field,
            "args": {},
            "request_id": request.0,
        });
        let after = self.after_s.map(|seconds| [(RETRY_AFTER, seconds.to_string())]);
        (status, after, Json(body)).into_response()
    }
}
