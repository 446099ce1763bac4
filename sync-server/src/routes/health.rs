//! Whether the server lives and whether it can work.

use std::sync::Arc;

use axum::extract::State;

use crate::app::App;
use crate::db::Principal;
use crate::error::ApiError;

/// The process answers.
pub async fn live() -> &'static str {
    "ok"
}

/// The database answers.
pub async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    super::packed::blocking(move || {
        app.db.user_by_login(&Principal::SERVER, app.now_ms(), "")?;
        Ok("ok")
    })
    .await
}
