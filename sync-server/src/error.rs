//! What a caller is told when something does not work: a stable code, and nothing of what was in the request.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::Json;
use axum::http::header::{ETAG, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::blobs::StoreError;
use crate::db::DbError;
use crate::texts::{self, Language};

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
    /// The same with more to say.
    #[error("{0}")]
    Told(Box<Told>),
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

    /// A request that is refused; more can be said of it.
    pub fn told(status: StatusCode, code: &'static str) -> Told {
        Told { status, code, field: None, args: BTreeMap::new(), after_s: None, etag: None }
    }

    fn parts(&self) -> (StatusCode, &'static str, Option<Cow<'static, str>>) {
        match self {
            Self::Bad { code, field } => (StatusCode::BAD_REQUEST, code, Some((*field).into())),
            Self::Refused { status, code, field } => (*status, code, Some((*field).into())),
            Self::Told(told) => (told.status, told.code, told.field.clone()),
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

/// What is said of a request that is refused.
#[derive(Debug, Clone)]
pub struct Told {
    status: StatusCode,
    code: &'static str,
    field: Option<Cow<'static, str>>,
    args: BTreeMap<&'static str, u64>,
    after_s: Option<u64>,
    etag: Option<String>,
}

impl Told {
    /// Where it is wrong.
    pub fn at(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// A number that its text names.
    pub fn with(mut self, name: &'static str, value: u64) -> Self {
        self.args.insert(name, value);
        self
    }

    /// After how many seconds to come again.
    pub fn after(mut self, seconds: u64) -> Self {
        self.after_s = Some(seconds);
        self.with("retry_after", seconds)
    }

    /// As what the thing stands now.
    pub fn stands(mut self, etag: String) -> Self {
        self.etag = Some(etag);
        self
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code)?;
        self.field.as_ref().map_or(Ok(()), |field| write!(f, " at {field}"))
    }
}

impl From<Told> for ApiError {
    fn from(told: Told) -> Self {
        Self::Told(Box::new(told))
    }
}

/// The name of one request, by which a caller's error and the server's log find each other.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// An error on its way out; the router adds the request's name and the reader's language.
#[derive(Debug, Clone)]
pub struct ErrorBody {
    code: &'static str,
    field: Option<Cow<'static, str>>,
    args: BTreeMap<&'static str, u64>,
    after_s: Option<u64>,
    etag: Option<String>,
}

/// What every request is answered that is not done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "code": "too_long", "message": "内容太长，最多 64 个字：请缩短后重试", "field": "login", "args": { "max": 64 },
    "request_id": "5f0c1b2a3d4e5f60",
}))]
pub struct Refusal {
    /// What is wrong, a stable word.
    #[schema(max_length = 40, pattern = "^[a-z0-9_]+$")]
    code: &'static str,
    /// What is wrong and what to do, in the language asked for.
    #[schema(max_length = 400)]
    message: String,
    /// Where it is wrong: the path of a field of the body, or the name of a header, a parameter or `body`.
    #[schema(max_length = 100)]
    field: Option<Cow<'static, str>>,
    /// Numbers that the text names.
    args: BTreeMap<&'static str, u64>,
    /// The request's name in the server's log.
    #[schema(max_length = 16, pattern = "^[0-9a-f]{16}$")]
    request_id: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, field) = self.parts();
        if status.is_server_error() {
            // Database errors name tables and steps, never what a row holds.
            tracing::error!(error = %self, "a request failed");
        }
        let mut response = status.into_response();
        let mut body = ErrorBody { code, field, args: BTreeMap::new(), after_s: None, etag: None };
        match self {
            Self::TooMany { after_s } => body.after_s = Some(after_s),
            Self::Told(told) => (body.args, body.after_s, body.etag) = (told.args, told.after_s, told.etag),
            _ => {}
        }
        response.extensions_mut().insert(body);
        response
    }
}

impl ErrorBody {
    /// The body of an answer that a layer gave without one.
    pub fn of(status: StatusCode) -> Option<Self> {
        let code = match status {
            StatusCode::METHOD_NOT_ALLOWED => "method",
            StatusCode::SERVICE_UNAVAILABLE => "busy",
            _ => return None,
        };
        Some(Self { code, field: None, args: BTreeMap::new(), after_s: None, etag: None })
    }

    /// What was wrong.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The whole body with the status of the response it travelled in.
    pub fn finish(self, status: StatusCode, request: &RequestId, language: Language) -> Response {
        let after = self.after_s.map(|seconds| [(RETRY_AFTER, seconds.to_string())]);
        let etag = self.etag.and_then(|etag| HeaderValue::from_str(&etag).ok()).map(|etag| [(ETAG, etag)]);
        let message = texts::text(self.code, language, &self.args);
        let Self { code, field, args, .. } = self;
        let body = Refusal { code, message, field, args, request_id: request.0.clone() };
        (status, after, etag, Json(body)).into_response()
    }
}
