//! The person a request comes from, and whether it comes from a page of this server.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use gridpass_core::id::UserId;
use gridpass_core::wire::Role;

use super::session::{self, SEEN_EVERY_MS};
use crate::app::App;
use crate::db::{Principal, SessionId, SessionRow};
use crate::error::ApiError;
use crate::request_log::Asker;
use crate::routes::packed::blocking;

/// For so long after a second factor was shown, acts that need a fresh one are done.
const RECENT_MS: i64 = 10 * 60_000;

/// The person who holds the request's session.
#[derive(Debug, Clone)]
pub struct Person {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// When a second factor was shown last in it, in milliseconds since 1970.
    pub factor_ms: Option<i64>,
    /// The session as it is stored.
    pub row: SessionRow,
}

impl Person {
    /// For whom something is read or done.
    pub fn principal(&self) -> Principal {
        Principal { user: Some(self.user), device: None, grant: None, role: Role::CONSOLE }
    }
}

/// The same for routes that are open to somebody who has to change the password first.
#[derive(Debug, Clone)]
pub struct Newcomer(pub Person);

/// Refuses an act that needs a second factor shown in the last ten minutes.
pub fn recent(person: &Person, now_ms: i64) -> Result<(), ApiError> {
    match person.factor_ms {
        Some(shown) if now_ms - shown < RECENT_MS => Ok(()),
        _ => Err(ApiError::Forbidden("second_factor")),
    }
}

impl FromRequestParts<Arc<App>> for Person {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        match Newcomer::from_request_parts(parts, app).await?.0 {
            person if person.row.password_change => Err(ApiError::Forbidden("password_change")),
            person => Ok(person),
        }
    }
}

impl FromRequestParts<Arc<App>> for Newcomer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let nobody = || ApiError::from(ApiError::told(StatusCode::UNAUTHORIZED, "session"));
        let token = match parts.headers.get(AUTHORIZATION) {
            // A page of another site cannot set this header, so nothing else is asked for.
            Some(value) => value.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(nobody)?,
            None => {
                let token = session::from_cookies(&parts.headers).ok_or_else(nobody)?;
                if !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
                    from_our_page(&parts.headers, &app.config.url)?;
                }
                token
            }
        };
        let (app, token) = (app.clone(), session::token_hash(token));
        let row = blocking({
            let app = app.clone();
            move || {
                let now_ms = app.now_ms();
                let found = app.db.session(now_ms, token, app.limits.session_idle_ms)?;
                if let Some(row) = found.as_ref().filter(|row| now_ms - row.seen_ms >= SEEN_EVERY_MS) {
                    // What was asked for can be answered on a full disk too.
                    let _ = app.db.touch_session(now_ms, row.id);
                }
                Ok(found)
            }
        })
        .await?
        .ok_or_else(nobody)?;
        if let Some(asker) = parts.extensions.get::<Asker>() {
            asker.is_person(row.user);
        }
        app.throttle.person.pass(&row.user)?;
        Ok(Self(Person { user: row.user, session: row.id, factor_ms: row.factor_ms, row }))
    }
}

/// A browser sends the cookie with whatever any page makes it send: what writes must come from a page of this server,
/// which alone can set a header of its own, and say so.
fn from_our_page(headers: &HeaderMap, url: &str) -> Result<(), ApiError> {
    let told = headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site");
    let marked = headers.get("x-gridpass").is_some_and(|value| value == "1");
    if told && marked { not_from_another(headers, url) } else { Err(CSRF) }
}

/// Refuses what says that a page of another site sent it.
pub fn not_from_another(headers: &HeaderMap, url: &str) -> Result<(), ApiError> {
    let site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let ours = |origin: &str| {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        origin == url.trim_end_matches('/') || origin.strip_prefix("https://").is_some_and(|name| Some(name) == host)
    };
    let origin = headers.get(ORIGIN).is_none_or(|origin| origin.to_str().is_ok_and(ours));
    if site && origin { Ok(()) } else { Err(CSRF) }
}

const CSRF: ApiError = ApiError::Forbidden("csrf");

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::HeaderName;

    use super::*;

    #[test]
    fn a_request_that_writes_comes_from_our_page_or_is_refused() {
        let asked = |headers: &[(&'static str, &'static str)]| {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            from_our_page(&headers, "https://grid.example:8443").is_ok()
        };
        let (ours, host) = (("origin", "https://10.0.0.5:8443"), ("host", "10.0.0.5:8443"));
        let (named, same) = (("origin", "https://grid.example:8443"), ("sec-fetch-site", "same-origin"));
        let mark = ("x-gridpass", "1");
        for good in [vec![mark, ours, host], vec![mark, named, host], vec![mark, same], vec![mark, same, ours, host]] {
            assert!(asked(&good), "{good:?}");
        }
        for bad in [
            vec![ours, host, same],
            vec![mark],
            vec![("x-gridpass", "2"), same],
            vec![mark, ("sec-fetch-site", "same-site")],
            vec![mark, ("sec-fetch-site", "cross-site"), ours, host],
            vec![mark, ("origin", "https://evil.example"), host, same],
            vec![mark, ("origin", "http://10.0.0.5:8443"), host],
            vec![mark, ("origin", "null"), host],
        ] {
            assert!(!asked(&bad), "{bad:?}");
        }
    }
}
