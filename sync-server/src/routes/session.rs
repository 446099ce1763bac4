//! `/api/v1/session` and `/api/v1/sessions`: signing in and out, and where somebody is signed in.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::header::{SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api::{Conflicting, OfOne, Personal, WithBody};
use super::json::{Id, Json, Query};
use super::packed::blocking;
use super::page::{self, Page};
use super::text;
use crate::app::App;
use crate::auth::account::{self, SignIn};
use crate::auth::person::not_from_another;
use crate::auth::session::{agent, cookie};
use crate::auth::{Newcomer, Person};
use crate::db::{AccountRow, SessionId, SessionRow};
use crate::error::{ApiError, Refusal};
use crate::request_log::Asker;
use crate::throttle::Peer;

/// What somebody signs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "login": "zhang", "password": "correct horse battery" }))]
pub struct SignInRequest {
    /// The login.
    #[serde(deserialize_with = "text::line::<_, 1, 64>")]
    #[schema(min_length = 1, max_length = 64)]
    login: String,
    /// The password.
    #[serde(deserialize_with = "text::secret::<_, 1, 256>")]
    #[schema(min_length = 1, max_length = 256, format = Password)]
    password: String,
    /// The code that the authenticator app shows, or a recovery code; needed where a second factor is set up.
    #[serde(default, deserialize_with = "text::line_if::<_, 1, 32>")]
    #[schema(min_length = 1, max_length = 32)]
    totp: Option<String>,
    // Described by its type: a text here would make it an object, too.
    #[serde(default)]
    #[schema(inline)]
    carry: Carry,
}

/// How the session is carried: a browser takes the cookie, another system the token of the answer.
#[derive(Deserialize, ToSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Carry {
    #[default]
    Cookie,
    Bearer,
}

/// A second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "code": "123456" }))]
pub struct CodeRequest {
    /// The code that the authenticator app shows.
    #[serde(deserialize_with = "text::line::<_, 1, 32>")]
    #[schema(min_length = 1, max_length = 32)]
    pub(super) code: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub struct Who {
    /// The user.
    user: UserView,
    /// The session.
    session: SessionView,
    /// When the session ends at the latest.
    #[serde(serialize_with = "text::time")]
    #[schema(value_type = String, format = DateTime)]
    ends_at: i64,
    /// Whether the password has to be changed before anything else.
    password_change: bool,
    /// Whether a second factor is set up.
    totp: bool,
    /// How many recovery codes are left.
    recovery_codes: u32,
    /// The token, once, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 43, nullable = false)]
    token: Option<String>,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub struct UserView {
    /// The id.
    #[schema(pattern = "^[0-9a-f]{32}$", max_length = 32)]
    id: String,
    /// The login.
    #[schema(max_length = 64)]
    login: String,
    /// The name that is shown.
    #[schema(max_length = 200)]
    name: String,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    /// Its id, which is not its token.
    #[schema(pattern = "^[0-9a-f]{32}$", max_length = 32)]
    id: String,
    /// When it began.
    #[serde(serialize_with = "text::time")]
    #[schema(value_type = String, format = DateTime)]
    began_at: i64,
    /// When it was used last, to the minute.
    #[serde(serialize_with = "text::time")]
    #[schema(value_type = String, format = DateTime)]
    seen_at: i64,
    /// When it ends at the latest.
    #[serde(serialize_with = "text::time")]
    #[schema(value_type = String, format = DateTime)]
    ends_at: i64,
    /// When a second factor was shown in it last.
    #[serde(serialize_with = "text::time_if")]
    #[schema(value_type = Option<String>, format = DateTime)]
    factor_at: Option<i64>,
    /// From which address it began.
    #[schema(max_length = 45)]
    address: Option<String>,
    /// With which program on which system.
    #[schema(max_length = 40)]
    agent: String,
    /// Whether it is the caller's own.
    current: bool,
}

impl SessionView {
    fn new(row: SessionRow, current: SessionId) -> Self {
        Self {
            id: row.id.to_string(),
            began_at: row.began_ms,
            seen_at: row.seen_ms,
            ends_at: row.ends_ms,
            factor_at: row.factor_ms,
            address: row.address,
            agent: row.agent,
            current: row.id == current,
        }
    }
}

impl Who {
    fn new(account: AccountRow, row: SessionRow, token: Option<String>) -> Self {
        Self {
            user: UserView { id: account.user.to_string(), login: account.login, name: account.name },
            ends_at: row.ends_ms,
            password_change: row.password_change,
            totp: account.totp.is_some_and(|totp| totp.confirmed),
            recovery_codes: account.recovery_codes,
            session: SessionView::new(row.clone(), row.id),
            token,
        }
    }
}

/// Sign in.
#[utoipa::path(post, path = "/session", tag = "account", security(()), request_body = SignInRequest,
    responses(
        (status = 200, description = "Signed in; the cookie `__Host-gridpass` unless `carry` is `bearer`", body = Who),
        Personal, WithBody,
        (status = 401, description = "`sign_in`, `totp_needed`, `totp_wrong`", body = Refusal)))]
pub async fn sign_in(
    State(app): State<Arc<App>>,
    peer: Peer,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
    Json(asked): Json<SignInRequest>,
) -> Result<impl IntoResponse, ApiError> {
    not_from_another(&headers, &app.config.url)?;
    peer.pass(&app.throttle.password)?;
    let program = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let sign_in = SignIn {
        login: asked.login,
        password: asked.password,
        totp: asked.totp,
        address: peer.0.map(|address| address.to_string()),
        agent: agent(program),
    };
    let (token, row) = account::sign_in(&app, sign_in).await?;
    asker.is_person(row.user);
    let person = Person { user: row.user, session: row.id, factor_ms: row.factor_ms, row: row.clone() };
    let account = account::of(&app, &person).await?;
    Ok(match asked.carry {
        Carry::Bearer => Json(Who::new(account, row, Some(token))).into_response(),
        Carry::Cookie => {
            let set = cookie(&token, app.limits.session_ms / 1000).map(|cookie| [(SET_COOKIE, cookie)]);
            (set, Json(Who::new(account, row, None))).into_response()
        }
    })
}

/// Who is signed in.
#[utoipa::path(get, path = "/session", tag = "account",
    responses((status = 200, description = "The caller", body = Who), Personal))]
pub async fn who(State(app): State<Arc<App>>, Newcomer(person): Newcomer) -> Result<Json<Who>, ApiError> {
    let account = account::of(&app, &person).await?;
    Ok(Json(Who::new(account, person.row, None)))
}

/// Sign out.
#[utoipa::path(delete, path = "/session", tag = "account",
    responses((status = 204, description = "The session has ended"), Personal))]
pub async fn sign_out(State(app): State<Arc<App>>, Newcomer(person): Newcomer) -> Result<impl IntoResponse, ApiError> {
    blocking(move || {
        app.db.end_session(app.now_ms(), Some(person.user), person.user, person.session, "signed_out")?;
        Ok(())
    })
    .await?;
    Ok((cookie("", 0).map(|cookie| [(SET_COOKIE, cookie)]), StatusCode::NO_CONTENT))
}

/// Show the second factor again, for acts that need it shown in the last ten minutes.
#[utoipa::path(post, path = "/session/factor", tag = "account", request_body = CodeRequest,
    responses((status = 204, description = "It counts as shown now"), Personal, WithBody, Conflicting))]
pub async fn show_factor(
    State(app): State<Arc<App>>,
    peer: Peer,
    person: Person,
    Json(asked): Json<CodeRequest>,
) -> Result<StatusCode, ApiError> {
    peer.pass(&app.throttle.password)?;
    account::show_factor(&app, &person, asked.code).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where the caller is signed in, the newest session first.
#[utoipa::path(get, path = "/sessions", tag = "account", params(page::Asked),
    responses((status = 200, description = "A page of the caller's sessions", body = Page<SessionView>), Personal))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(asked): Query<page::Asked>,
) -> Result<Json<Page<SessionView>>, ApiError> {
    blocking(move || {
        let user = person.user.to_string();
        let list = ["sessions", &user];
        let below: Option<(i64, String)> = asked.after(&list)?;
        let below = match below {
            Some((began, id)) => Some((began, id.parse().map_err(|_| ApiError::bad("cursor", "after"))?)),
            None => None,
        };
        let (limit, idle_ms) = (asked.limit(), app.limits.session_idle_ms);
        let rows = app.db.sessions(&person.principal(), app.now_ms(), person.user, idle_ms, below, limit + 1)?;
        let place = |row: &SessionRow| (row.began_ms, row.id.to_string());
        Ok(Json(Page::new(rows, limit, &list, place, |row| SessionView::new(row, person.session))))
    })
    .await
}

/// End all sessions of the caller but this one.
#[utoipa::path(delete, path = "/sessions", tag = "account",
    responses((status = 204, description = "They have ended"), Personal))]
pub async fn end_others(State(app): State<Arc<App>>, person: Person) -> Result<StatusCode, ApiError> {
    blocking(move || {
        app.db.end_sessions(app.now_ms(), Some(person.user), person.user, Some(person.session))?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// End one session of the caller.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "account",
    params(("id" = String, Path, description = "The session", min_length = 32, max_length = 32,
        pattern = "^[0-9a-f]{32}$", example = "0193f1b2c3d44e5f8a6b7c8d9e0f1a2b")),
    responses((status = 204, description = "It has ended"), Personal, OfOne))]
pub async fn end(State(app): State<Arc<App>>, person: Person, Id(id): Id<SessionId>) -> Result<StatusCode, ApiError> {
    blocking(move || match app.db.end_session(app.now_ms(), Some(person.user), person.user, id, "session_ended")? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::NotFound),
    })
    .await
}
