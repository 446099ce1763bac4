//! What requests of the tus protocol 1.0.0 say in their headers (<https://tus.io/protocols/resumable-upload>).

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RANGE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gridpass_core::id::{BlobHash, unhex};

use crate::app::App;
use crate::blobs::Span;
use crate::error::ApiError;

/// The one version that is spoken.
pub const VERSION: &str = "1.0.0";
/// The version of a request and of every answer.
pub const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
/// All versions that are spoken.
pub const VERSIONS: HeaderName = HeaderName::from_static("tus-version");
/// The extensions that are spoken.
pub const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
/// How large a file may be.
pub const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
/// How many bytes are there, or where the body begins.
pub const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
/// How many bytes the file has.
pub const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");

/// Speaks with requests of the one version and names it in every answer.
pub async fn speak(request: Request, next: Next) -> Response {
    let asked = request.headers().get(RESUMABLE);
    // Who asks for the options does not know the versions yet.
    let mut response = if request.method() == Method::OPTIONS || asked.is_some_and(|asked| asked == VERSION) {
        next.run(request).await
    } else {
        let status = StatusCode::PRECONDITION_FAILED;
        let refused = ApiError::Refused { status, code: "tus_version", field: "Tus-Resumable" };
        ([(VERSIONS, VERSION)], refused).into_response()
    };
    response.headers_mut().insert(RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    text(headers, name).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?.parse().ok()
}

/// A new upload: which file, and how many bytes.
pub struct Creation {
    /// The file.
    pub hash: BlobHash,
    /// How many bytes it has.
    pub length: u64,
}

impl FromRequestParts<Arc<App>> for Creation {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        if !parts.headers.contains_key(LENGTH) {
            let status = StatusCode::LENGTH_REQUIRED;
            return Err(ApiError::Refused { status, code: "length", field: "Upload-Length" });
        }
        let length = number(&parts.headers, &LENGTH).ok_or(ApiError::bad("length", "Upload-Length"))?;
        let pairs = text(&parts.headers, &METADATA).unwrap_or_default().split(',');
        let hash = pairs.filter_map(|pair| pair.trim().split_once(' ')).find(|(key, _)| *key == "hash");
        let hash =
            hash.and_then(|(_, value)| unhex(&String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?).ok());
        let hash = hash.map(BlobHash).ok_or(ApiError::bad("hash", "Upload-Metadata"))?;
        Ok(Self { hash, length })
    }
}

/// Bytes that go on with an upload.
pub struct Continuation {
    /// Where they begin.
    pub offset: u64,
    /// How many the sender says there are.
    pub announced: Option<u64>,
}

impl FromRequestParts<Arc<App>> for Continuation {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        if text(&parts.headers, &CONTENT_TYPE) != Some("application/offset+octet-stream") {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(ApiError::Refused { status, code: "content_type", field: "Content-Type" });
        }
        let offset = number(&parts.headers, &OFFSET).ok_or(ApiError::bad("offset", "Upload-Offset"))?;
        Ok(Self { offset, announced: number(&parts.headers, &CONTENT_LENGTH) })
    }
}

/// Which bytes of a file are wanted. What is not one range of bytes is passed over, as RFC 9110 wants it.
pub struct Wanted(pub Span);

impl FromRequestParts<Arc<App>> for Wanted {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        Ok(Self(text(&parts.headers, &RANGE).and_then(span).unwrap_or(Span::All)))
    }
}

fn span(text: &str) -> Option<Span> {
    let number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?;
    match text.strip_prefix("bytes=")?.split_once('-')? {
        ("", last) => number(last).map(Span::Last),
        (first, "") => Some(Span::From(number(first)?, None)),
        (first, last) => {
            let (first, last): (u64, u64) = (number(first)?, number(last)?);
            (first <= last).then_some(Span::From(first, Some(last)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes_is_read_and_everything_else_passed_over() {
        assert_eq!(span("bytes=0-"), Some(Span::From(0, None)));
        assert_eq!(span("bytes=2-5"), Some(Span::From(2, Some(5))));
        assert_eq!(span("bytes=-7"), Some(Span::Last(7)));
        for odd in ["", "bytes=", "bytes=-", "bytes=5-2", "bytes=1-2,4-5", "bytes=+1-", "items=0-1", "bytes=a-"] {
            assert_eq!(span(odd), None, "{odd}");
        }
    }
}
