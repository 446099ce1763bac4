//! What the API takes from a request: bodies, query strings and ids, each refused with the path of what is wrong.
//!
//! A request type says `deny_unknown_fields` and how long its texts may be (`text`); what does not fit is told apart here by
//! what the reader said of it.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::app::App;
use crate::error::{ApiError, Told};

/// How large a body may be, in bytes; routes that take more say so.
pub const MAX_BODY: usize = 64 * 1024;
/// How much of a path is told.
const MAX_PATH: usize = 100;

/// A body as JSON.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(&request) {
            return Err(ApiError::told(StatusCode::UNSUPPORTED_MEDIA_TYPE, "json_type").at("Content-Type").into());
        }
        let bytes =
            Bytes::from_request(request, state).await.map_err(|error| match error.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    ApiError::told(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large").at("body")
                }
                _ => told("cut"),
            })?;
        if !bytes.trim_ascii_start().starts_with(b"{") {
            // A type with named fields would be read from a list too, by their order.
            let read = serde_json::from_slice::<IgnoredAny>(&bytes);
            return Err(told(if read.is_ok() { "wrong_type" } else { "not_json" }).into());
        }
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let (path, inner) = (error.path().to_string(), error.inner());
            if inner.is_data() { what(&path, &inner.to_string(), "body") } else { told("not_json") }
        })?;
        reader.end().map_err(|_| told("not_json"))?;
        Ok(Self(read))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn told(code: &'static str) -> Told {
    ApiError::told(StatusCode::BAD_REQUEST, code).at("body")
}

fn is_json(request: &Request) -> bool {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
        && parts.all(|part| part.eq_ignore_ascii_case("charset=utf-8") || part.is_empty())
}

/// A query string.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let reader = serde_urlencoded::Deserializer::new(pairs);
        serde_path_to_error::deserialize(reader).map(Self).map_err(|error| {
            let path = error.path().to_string();
            let inner: &serde::de::value::Error = error.inner();
            what(&path, &inner.to_string(), "query").into()
        })
    }
}

/// The id that a path ends with.
pub struct Id<T>(pub T);

impl<T: FromStr> FromRequestParts<Arc<App>> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let wrong = || ApiError::bad("id", "id");
        let Path(text) = Path::<String>::from_request_parts(parts, app).await.map_err(|_| wrong())?;
        text.parse().map(Self).map_err(|_| wrong())
    }
}

/// What is wrong, by the words of serde: they are the same for all formats, and tests hold them.
fn what(path: &str, message: &str, whole: &'static str) -> Told {
    let at = place(path, message, whole);
    let code = match message {
        _ if message.starts_with("missing field") => "missing",
        _ if message.starts_with("unknown field") => "unknown_field",
        _ if message.starts_with("unknown variant") => "not_in_list",
        _ if message.starts_with("duplicate field") => "duplicate",
        _ => return own(message).unwrap_or_else(|| bad("wrong_type")).at(at),
    };
    bad(code).at(at)
}

fn bad(code: &'static str) -> Told {
    ApiError::told(StatusCode::BAD_REQUEST, code)
}

/// The path of what is wrong. Of a field that is not there or there twice serde names the object it should be in.
fn place(path: &str, message: &str, whole: &str) -> String {
    let inside = ["missing field `", "duplicate field `"].into_iter().find_map(|words| message.strip_prefix(words));
    let path = match (path, inside.and_then(|rest| rest.split('`').next())) {
        (".", None) => whole.to_owned(),
        (".", Some(field)) => field.to_owned(),
        (path, None) => path.to_owned(),
        (path, Some(field)) => format!("{path}.{field}"),
    };
    path.chars().filter(|char| char.is_ascii_alphanumeric() || "._-[]".contains(*char)).take(MAX_PATH).collect()
}

/// What a reader of this program said: `~code name=number …` (`text::fault`).
fn own(message: &str) -> Option<Told> {
    const CODES: [&str; 4] = ["too_long", "too_short", "control_character", "out_of_range"];
    let mut words = message.strip_prefix('~')?.split(' ');
    let code = words.next()?;
    let mut told = bad(CODES.into_iter().find(|known| *known == code)?);
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        let name = ["min", "max"].into_iter().find(|known| *known == name);
        if let (Some(name), Ok(value)) = (name, value.parse()) {
            told = told.with(name, value);
        }
    }
    Some(told)
}
