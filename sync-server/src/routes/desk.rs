//! What the routes of desks have in common: who may, pages of what is somebody's to know, masked values.

use axum::http::StatusCode;
use gridpass_core::Value;
use gridpass_core::catalog::{Action, Sens};
use gridpass_core::id::{RecordId, TicketId};

use super::page::{self, Page};
use crate::app::App;
use crate::auth::Person;
use crate::auth::may::{Mandate, Wish};
use crate::db::{DbError, RecordFacts};
use crate::error::ApiError;
use crate::office::desk::{Desk, DeskError};

/// What somebody wants to do.
pub(super) fn wish(action: Action, on: &str, class: Sens) -> Wish<'_> {
    Wish { action, on, class }
}

/// A page of rows of which the caller may know: those in between are passed over.
pub(super) fn page_of<R, T>(
    asked: &page::Asked,
    list: &[&str],
    seek: impl Fn(Option<(i64, TicketId)>, usize) -> Result<Vec<R>, DbError>,
    may: impl Fn(&R) -> bool,
    place: impl Fn(&R) -> (i64, TicketId),
    view: impl FnMut(R) -> T,
) -> Result<Page<T>, ApiError> {
    let limit = asked.limit();
    let after: Option<(i64, String)> = asked.after(list)?;
    let mut after = match after {
        Some((opened, id)) => Some((opened, id.parse().map_err(|_| ApiError::bad("cursor", "after"))?)),
        None => None,
    };
    let mut found = Vec::new();
    while found.len() <= limit {
        let rows = seek(after, limit + 1)?;
        let whole = rows.len() > limit;
        after = rows.last().map(&place);
        found.extend(rows.into_iter().filter(&may));
        if !whole {
            break;
        }
    }
    found.truncate(limit + 1);
    let sought = |row: &R| {
        let (opened, id) = place(row);
        (opened, id.to_string())
    };
    Ok(Page::new(found, limit, list, sought, view))
}

/// A record with the right to do something to it: its facts, its collection and the desk.
pub(super) fn at_desk(
    app: &App,
    person: &Person,
    action: Action,
    record: RecordId,
) -> Result<(RecordFacts, String, Desk), ApiError> {
    let facts = app.db.standing(&person.principal(), app.now_ms(), &[record])?.remove(&record);
    let row = facts.as_ref().and_then(|facts| facts.row.as_ref()).ok_or(ApiError::NotFound)?;
    let (collection, home) = (row.collection.clone(), row.home);
    let mandate = Mandate::of(app, person.user)?;
    let grant = mandate.permit(app, wish(action, &collection, Sens::S0), home, record.as_bytes())?;
    let facts = facts.ok_or(ApiError::NotFound)?;
    Ok((facts, collection, Desk { user: person.user, grant }))
}

/// A value as JSON; null where it is masked.
pub(super) fn seen(value: &Value, masked: bool) -> serde_json::Value {
    match value {
        _ if masked => serde_json::Value::Null,
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::Str(text) => text.as_str().into(),
    }
}

impl From<DeskError> for ApiError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::NotFound => Self::NotFound,
            DeskError::Changed { .. } => Self::told(StatusCode::PRECONDITION_FAILED, "stale").at("If-Match").into(),
            DeskError::Decided { .. } => Self::told(StatusCode::CONFLICT, "decided").into(),
            DeskError::Bad { code: "still_open", .. } => Self::told(StatusCode::CONFLICT, "still_open").into(),
            DeskError::Bad { code, field } => Self::told(StatusCode::BAD_REQUEST, code).at(field).into(),
            DeskError::Busy => Self::Busy,
            DeskError::Database(error) => Self::Database(error),
            DeskError::Random(_) => Self::Internal("the operating system gives no randomness"),
        }
    }
}
