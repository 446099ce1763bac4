//! `/api/v1/tickets`: values that do not know of each other, and what is decided of them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gridpass_core::Value;
use gridpass_core::catalog::{Action, Sens};
use gridpass_core::id::{GridId, TicketId};
use gridpass_core::record::digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api::{Conditional, Conflicting, OfOne, Personal, WithBody};
use super::desk::{at_desk, page_of, seen, wish};
use super::etag::{ETag, IfMatch};
use super::json::{Id, Json, Query};
use super::packed::blocking;
use super::page::{self, Page};
use super::text;
use crate::app::App;
use crate::auth::Person;
use crate::auth::may::Mandate;
use crate::db::TicketRow;
use crate::error::ApiError;
use crate::office::Standing;
use crate::office::desk::{self, Desk};

/// What waits for a decision: values that do not know of each other, an end against an edit.
#[derive(Serialize, ToSchema)]
pub struct TicketView {
    /// Its name.
    #[schema(pattern = "^[0-9a-f]{32}$", max_length = 32)]
    id: String,
    /// The record.
    #[schema(pattern = "^[0-9a-f]{32}$", max_length = 32)]
    record: String,
    /// Its collection.
    #[schema(max_length = 40)]
    collection: String,
    /// The key; empty for the whole record.
    #[schema(max_length = 200)]
    key: String,
    /// `conflict`, `end_against_edit`, `confirmed_other_value` or `reopened`.
    #[schema(max_length = 40)]
    kind: String,
    /// When it was opened.
    #[serde(serialize_with = "text::time")]
    #[schema(value_type = String, format = DateTime)]
    opened_at: i64,
    /// When it was closed.
    #[serde(serialize_with = "text::time_if")]
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<i64>,
}

/// A ticket with the values that stand now, the shown one first.
#[derive(Serialize, ToSchema)]
pub struct OpenedTicket {
    /// The ticket.
    ticket: TicketView,
    /// The values.
    values: Vec<StandingValue>,
}

/// A value that stands, and who wrote it.
#[derive(Serialize, ToSchema)]
pub struct StandingValue {
    /// The value; null where it is masked.
    #[schema(value_type = serde_json::Value)]
    value: serde_json::Value,
    /// Whether it is more sensitive than what is shown without a reason.
    masked: bool,
    /// The user who wrote it; none for the server itself.
    #[schema(pattern = "^[0-9a-f]{32}$", max_length = 32)]
    user: Option<String>,
    /// When, by the server's clock as near as it can be told.
    #[serde(serialize_with = "text::time")]
    #[schema(value_type = String, format = DateTime)]
    at: i64,
}

/// What stands from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "value": "王芳" }))]
pub struct DecisionRequest {
    /// The value: a text, a whole number, true, false, or null. It need not be one of those that stand.
    #[schema(value_type = serde_json::Value)]
    value: serde_json::Value,
}

/// A ticket that is open again.
#[derive(Serialize, ToSchema)]
pub struct Reopened {
    /// The new ticket.
    #[schema(pattern = "^[0-9a-f]{32}$", max_length = 32)]
    ticket: String,
}

/// What waits for a decision, the oldest first.
#[utoipa::path(get, path = "/tickets", tag = "desk", params(page::Asked),
    responses((status = 200, description = "A page of the open tickets of the caller's units", body = Page<TicketView>),
        Personal))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(asked): Query<page::Asked>,
) -> Result<Json<Page<TicketView>>, ApiError> {
    blocking(move || {
        let mandate = Mandate::of(&app, person.user)?;
        let seek = |after, many| {
            let grids: Vec<GridId> = mandate.grids(Action::Decide).into_iter().collect();
            app.db.tickets(&person.principal(), app.now_ms(), Some(&grids), after, many)
        };
        let may = |row: &TicketRow| mandate.may_in(wish(Action::Decide, &row.collection, Sens::S0), row.home).is_some();
        let place = |row: &TicketRow| (row.opened_ms, row.id);
        Ok(Json(page_of(&asked, &["tickets"], seek, may, place, ticket_view)?))
    })
    .await
}

fn ticket_view(row: TicketRow) -> TicketView {
    TicketView {
        id: row.id.to_string(),
        record: row.record.to_string(),
        collection: row.collection,
        key: row.key,
        kind: row.kind,
        opened_at: row.opened_ms,
        closed_at: row.closed_ms,
    }
}

/// A ticket that the caller may decide, with the values that stand and the desk.
struct Case {
    ticket: TicketRow,
    values: Vec<StandingValue>,
    digests: Vec<String>,
    desk: Desk,
}

impl Case {
    fn of(app: &App, person: &Person, id: TicketId) -> Result<Self, ApiError> {
        let ticket = app.db.ticket(&person.principal(), app.now_ms(), id)?.ok_or(ApiError::NotFound)?;
        let (facts, collection, _) = at_desk(app, person, Action::Decide, ticket.record)?;
        let key = desk::key_of(&ticket).to_owned();
        let class = app.catalogs().sens(&collection, &key);
        let mandate = Mandate::of(app, person.user)?;
        let grant = mandate.permit(app, wish(Action::Decide, &collection, class), ticket.home, id.as_bytes())?;
        let standing = Standing::of(facts)?;
        let mut live = standing.document.live(&key);
        let shown = standing.shown().get(&key).map(|shown| shown.value().clone());
        live.sort_by_key(|live| Some(&live.value) != shown.as_ref());
        let writer = |hash| standing.facts.changes.iter().find(|change| change.row.hash == hash);
        let masked = class >= Sens::S3;
        let values = live.iter().map(|live| {
            let change = writer(live.change).map(|change| &change.row);
            StandingValue {
                value: seen(&live.value, masked),
                masked,
                user: change.and_then(|row| row.author.user).map(|user| user.to_string()),
                at: change.map_or(0, |row| row.time_ms),
            }
        });
        let digests = match live.as_slice() {
            [] => vec![digest(&Value::Null)],
            live => live.iter().map(|live| digest(&live.value)).collect(),
        };
        Ok(Self { values: values.collect(), digests, ticket, desk: Desk { user: person.user, grant } })
    }

    fn etag(&self) -> ETag {
        let mut digests = self.digests.clone();
        digests.sort();
        let parts: Vec<&[u8]> = digests.iter().map(|digest| digest.as_bytes()).collect();
        ETag::of(&[&[b"ticket".as_slice(), self.ticket.id.as_bytes()], parts.as_slice()].concat())
    }
}

/// A ticket with every value that stands, who wrote it and when. `ETag` names what was looked at.
#[utoipa::path(get, path = "/tickets/{id}", tag = "desk",
    params(("id" = String, Path, description = "The ticket", min_length = 32, max_length = 32,
        pattern = "^[0-9a-f]{32}$", example = "0193f1b2c3d44e5f8a6b7c8d9e0f1a2b")),
    responses((status = 200, description = "The ticket", body = OpenedTicket), Personal, OfOne))]
pub async fn look(State(app): State<Arc<App>>, person: Person, Id(id): Id<TicketId>) -> Result<Response, ApiError> {
    blocking(move || {
        let case = Case::of(&app, &person, id)?;
        let etag = case.etag();
        let opened = OpenedTicket { ticket: ticket_view(case.ticket), values: case.values };
        Ok((etag, Json(opened)).into_response())
    })
    .await
}

/// Decide a ticket: this value stands, on all phones.
#[utoipa::path(post, path = "/tickets/{id}/decision", tag = "desk", request_body = DecisionRequest,
    params(("id" = String, Path, description = "The ticket", min_length = 32, max_length = 32,
        pattern = "^[0-9a-f]{32}$", example = "0193f1b2c3d44e5f8a6b7c8d9e0f1a2b"),
        ("If-Match" = String, Header, description = "The `ETag` of the ticket that was looked at", max_length = 400)),
    responses((status = 204, description = "It is decided"), Personal, WithBody, OfOne, Conflicting, Conditional))]
pub async fn decide(
    State(app): State<Arc<App>>,
    person: Person,
    Id(id): Id<TicketId>,
    over: IfMatch,
    Json(DecisionRequest { value }): Json<DecisionRequest>,
) -> Result<StatusCode, ApiError> {
    blocking(move || {
        let value = match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(flag) => Value::Bool(flag),
            serde_json::Value::String(text) => Value::Str(text),
            serde_json::Value::Number(number) => {
                number.as_i64().map(Value::Int).ok_or(ApiError::bad("wrong_type", "value"))?
            }
            _ => return Err(ApiError::bad("wrong_type", "value")),
        };
        let case = Case::of(&app, &person, id)?;
        if case.ticket.closed_ms.is_some() {
            return Err(ApiError::told(StatusCode::CONFLICT, "decided").into());
        }
        over.fits(&case.etag())?;
        desk::decide(&app, case.desk, id, &value, &case.digests)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Take a decision back: a new ticket is open with the values that it was made over.
#[utoipa::path(post, path = "/tickets/{id}/undo", tag = "desk",
    params(("id" = String, Path, description = "The ticket", min_length = 32, max_length = 32,
        pattern = "^[0-9a-f]{32}$", example = "0193f1b2c3d44e5f8a6b7c8d9e0f1a2b")),
    responses((status = 200, description = "It is open again", body = Reopened), Personal, OfOne, Conflicting))]
pub async fn undo(
    State(app): State<Arc<App>>,
    person: Person,
    Id(id): Id<TicketId>,
) -> Result<Json<Reopened>, ApiError> {
    blocking(move || {
        let case = Case::of(&app, &person, id)?;
        Ok(Json(Reopened { ticket: desk::undo(&app, case.desk, id)?.to_string() }))
    })
    .await
}
