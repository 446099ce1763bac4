//! Every request gets a name, a body for its error, one line in the log, and is counted.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use gridpass_core::id::{DeviceId, UserId, hex};

use crate::app::App;
use crate::error::{ErrorBody, RequestId};
use crate::metrics::{route_label, status_label};
use crate::texts::Language;

/// Which phone or person a request came from, once that is known.
#[derive(Clone, Default)]
pub struct Asker(Arc<OnceLock<Known>>);

enum Known {
    Phone(DeviceId),
    Person(UserId),
}

impl Asker {
    /// Notes the phone.
    pub fn is(&self, device: DeviceId) {
        let _ = self.0.set(Known::Phone(device)); // a request has one token, so a second one is the same
    }

    /// Notes the person.
    pub fn is_person(&self, user: UserId) {
        let _ = self.0.set(Known::Person(user));
    }

    /// The end of the phone's id, or of the user's: enough to find the lines, and good for nothing else.
    fn short(&self) -> (Option<String>, Option<String>) {
        let end = |id: String| Some(id.chars().skip(24).collect());
        match self.0.get() {
            Some(Known::Phone(device)) => (end(device.to_string()), None),
            Some(Known::Person(user)) => (None, end(user.to_string())),
            None => (None, None),
        }
    }
}

/// Follows a request from its arrival to its answer.
pub async fn follow(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = RequestId(crate::keys::random::<8>().map(|bytes| hex(&bytes)).unwrap_or_default());
    let route = route_label(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    let language = Language::of(request.headers());
    let bytes_in = length(request.headers()).or(request.body().size_hint().exact()).unwrap_or(0);

    let response = next.run(request).await;
    let bodiless = response.body().size_hint().exact() == Some(0);
    let error = response.extensions().get::<ErrorBody>().cloned();
    let error = error.or_else(|| ErrorBody::of(response.status()).filter(|_| bodiless));
    let code = error.as_ref().map(ErrorBody::code);
    let mut response = match error {
        Some(body) => {
            let mut finished = body.finish(response.status(), &id, language);
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

    let (status, took) = (status_label(response.status()), began.elapsed());
    let bytes_out = length(response.headers()).or(response.body().size_hint().exact()).unwrap_or(0);
    app.metrics.answered(route, status, took, (bytes_in, bytes_out));
    let (request, ms) = (id.0, u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let (phone, person) = asker.short();
    match response.status() {
        // A balancer asks every few seconds.
        good if good.is_success() && route.starts_with("/health/") => {
            tracing::debug!(request, route, status, ms, "answered");
        }
        good if good.is_success() => {
            tracing::info!(request, route, status, ms, bytes_in, bytes_out, phone, person, "answered");
        }
        _ => tracing::warn!(request, route, status, code, ms, bytes_in, bytes_out, phone, person, "refused"),
    }
    response
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
