//! Decisions over what somebody has seen: `If-Match` names the state that was looked at.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::response::{IntoResponseParts, ResponseParts};
use gridpass_core::id::hex;

use crate::error::ApiError;

/// The state of a thing, as a header of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// Of all that a decision depends on.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("gridpass etag v1");
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let mut short = [0; 16];
        hasher.finalize_xof().fill(&mut short);
        Self(format!("\"{}\"", hex(&short)))
    }
}

impl IntoResponseParts for ETag {
    type Error = ApiError;

    fn into_response_parts(self, mut response: ResponseParts) -> Result<ResponseParts, ApiError> {
        let value = self.0.parse().map_err(|_| ApiError::Internal("an ETag is no header"))?;
        response.headers_mut().insert(ETAG, value);
        Ok(response)
    }
}

/// The state that a request was made over.
#[derive(Debug, Clone)]
pub struct IfMatch(String);

impl IfMatch {
    /// Passes if the thing stands as it was seen. `*` and weak tags name no state.
    pub fn fits(&self, now: &ETag) -> Result<(), ApiError> {
        if self.0.split(',').any(|tag| tag.trim() == now.0) {
            return Ok(());
        }
        let told = ApiError::told(StatusCode::PRECONDITION_FAILED, "stale").at("If-Match");
        Err(told.stands(now.0.clone()).into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let header = parts.headers.get(IF_MATCH).and_then(|value| value.to_str().ok());
        let missing = || ApiError::told(StatusCode::PRECONDITION_REQUIRED, "if_match").at("If-Match").into();
        header.map(|value| Self(value.to_owned())).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::{Request, Response};
    use axum::middleware::map_response;
    use axum::routing::{get, put};
    use tower::ServiceExt;

    use super::*;
    use crate::error::{ErrorBody, RequestId};
    use crate::texts::Language;

    fn now() -> ETag {
        ETag::of(&[b"a house", b"2"])
    }

    /// Asks a thing that stands as `now` says: status, ETag and code.
    async fn asked(method: &str, if_match: Option<&str>) -> (u16, String, String) {
        let decide = async |seen: IfMatch| seen.fits(&now()).map(|()| StatusCode::NO_CONTENT);
        let finish = async |answer: Response<Body>| match answer.extensions().get::<ErrorBody>().cloned() {
            Some(body) => body.finish(answer.status(), &RequestId(String::new()), Language::En),
            None => answer,
        };
        let routes: Router = Router::new()
            .route("/", get(async || (now(), "a house")))
            .route("/decision", put(decide))
            .layer(map_response(finish));
        let path = if method == "GET" { "/" } else { "/decision" };
        let mut request = Request::builder().method(method).uri(path);
        if let Some(tag) = if_match {
            request = request.header(IF_MATCH, tag);
        }
        let answer = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let tag = answer.headers().get(ETAG).map(|tag| tag.to_str().unwrap().to_owned()).unwrap_or_default();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, tag, body["code"].as_str().unwrap_or_default().to_owned())
    }

    #[tokio::test]
    async fn a_decision_names_the_state_it_was_made_over() {
        let (status, tag, _) = asked("GET", None).await;
        assert_eq!((status, tag.len()), (200, 34));
        assert_eq!(asked("PUT", Some(&tag)).await.0, 204);
        assert_eq!(asked("PUT", Some(&format!("\"other\", {tag}"))).await.0, 204);
        assert_eq!(asked("PUT", None).await, (428, String::new(), "if_match".into()));
        for stale in ["\"other\"", "*", &format!("W/{tag}"), ""] {
            assert_eq!(asked("PUT", Some(stale)).await, (412, tag.clone(), "stale".into()), "{stale}");
        }
        assert_ne!(ETag::of(&[b"a", b"bc"]), ETag::of(&[b"ab", b"c"]));
    }
}
