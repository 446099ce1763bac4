//! `/api/v1/password` and `/api/v1/totp`: what the caller signs in with.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api::{Conflicting, Personal, WithBody};
use super::json::Json;
use super::session::CodeRequest;
use super::text;
use crate::app::App;
use crate::auth::{Newcomer, Person, account};
use crate::error::ApiError;
use crate::throttle::Peer;

/// A change of the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "old": "correct horse battery", "new": "another horse battery" }))]
pub struct PasswordRequest {
    /// The password that holds.
    #[serde(deserialize_with = "text::secret::<_, 1, 256>")]
    #[schema(min_length = 1, max_length = 256, format = Password)]
    old: String,
    /// The password that is to hold: ten characters or more, any.
    #[serde(deserialize_with = "text::secret::<_, 1, 256>")]
    #[schema(min_length = 1, max_length = 256, format = Password)]
    new: String,
}

/// The beginning of a second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "password": "correct horse battery" }))]
pub struct TotpRequest {
    /// The password.
    #[serde(deserialize_with = "text::secret::<_, 1, 256>")]
    #[schema(min_length = 1, max_length = 256, format = Password)]
    password: String,
}

/// A secret that waits for its first code. It is shown this once.
#[derive(Serialize, ToSchema)]
pub struct TotpSecret {
    /// To be typed into an authenticator app.
    #[schema(max_length = 32, pattern = "^[A-Z2-7]{32}$")]
    secret: String,
    /// The same as a URI, to be shown as a QR code.
    #[schema(max_length = 1000)]
    uri: String,
}

/// Codes for who has lost the authenticator app, each good once. They are shown this once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// The codes.
    #[schema(max_items = 10)]
    recovery_codes: Vec<String>,
}

/// Change the password. All other sessions end.
#[utoipa::path(put, path = "/password", tag = "account", request_body = PasswordRequest,
    responses((status = 204, description = "The new password holds"), Personal, WithBody))]
pub async fn change_password(
    State(app): State<Arc<App>>,
    peer: Peer,
    Newcomer(person): Newcomer,
    Json(asked): Json<PasswordRequest>,
) -> Result<StatusCode, ApiError> {
    peer.pass(&app.throttle.password)?;
    account::change_password(&app, &person, asked.old, asked.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begin a second factor, in the place of one that was begun and not confirmed.
#[utoipa::path(post, path = "/totp", tag = "account", request_body = TotpRequest,
    responses((status = 200, description = "The secret", body = TotpSecret), Personal, WithBody, Conflicting))]
pub async fn begin_totp(
    State(app): State<Arc<App>>,
    peer: Peer,
    person: Person,
    Json(asked): Json<TotpRequest>,
) -> Result<Json<TotpSecret>, ApiError> {
    peer.pass(&app.throttle.password)?;
    let (secret, uri) = account::begin_totp(&app, &person, asked.password).await?;
    Ok(Json(TotpSecret { secret, uri }))
}

/// Confirm the second factor that was begun, with one of its codes. From now on signing in needs one.
#[utoipa::path(put, path = "/totp", tag = "account", request_body = CodeRequest,
    responses((status = 200, description = "It is set up", body = RecoveryCodes), Personal, WithBody, Conflicting))]
pub async fn confirm_totp(
    State(app): State<Arc<App>>,
    person: Person,
    Json(asked): Json<CodeRequest>,
) -> Result<Json<RecoveryCodes>, ApiError> {
    let recovery_codes = account::confirm_totp(&app, &person, &asked.code).await?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Remove the second factor, which must have been shown in the last ten minutes.
#[utoipa::path(delete, path = "/totp", tag = "account",
    responses((status = 204, description = "Signing in needs no code any more"), Personal))]
pub async fn remove_totp(State(app): State<Arc<App>>, person: Person) -> Result<StatusCode, ApiError> {
    account::remove_totp(&app, &person).await?;
    Ok(StatusCode::NO_CONTENT)
}
