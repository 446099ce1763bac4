//! `/api/v1/reviews`: what a supervisor is asked to look at, and what is said of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gridpass_core::Values;
use gridpass_core::catalog::{Action, Sens};
use gridpass_core::codes::Date;
use gridpass_core::id::{GridId, RecordId};
use gridpass_core::record::mark::{Decision, Mark, digest_of};
use gridpass_core::record::plain;
use gridpass_core::wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi as described;

use super::api::{Conditional, OfOne, Personal, WithBody};
use super::desk::{at_desk, page_of, seen, wish};
use super::etag::{ETag, IfMatch};
use super::json::{Id, Json, Query};
use super::packed::blocking;
use super::page::{self, Page};
use super::text;
use crate::app::App;
use crate::auth::Person;
use crate::auth::may::Mandate;
use crate::db::{ReviewRow, ReviewState};
use crate::error::ApiError;
use crate::office::Standing;
use crate::office::desk::{self, Word};

/// A record that a supervisor is asked to look at.
#[derive(Serialize, ToSchema)]
pub struct ReviewView {
    /// The record.
    #[schema(pattern = "^[0-9a-f]{32}$", max_length = 32)]
    record: String,
    /// Its collection.
    #[schema(max_length = 40)]
    collection: String,
    /// The grid it lies in.
    #[schema(pattern = "^[0-9a-f]{32}$", max_length = 32)]
    grid: Option<String>,
    /// Where it stands.
    #[schema(inline)]
    state: StateWord,
    /// Why it is to be looked at.
    occasions: Vec<OccasionView>,
    /// When it came into the queue.
    #[serde(serialize_with = "text::time")]
    #[schema(value_type = String, format = DateTime)]
    opened_at: i64,
    /// When somebody last did something that matters here.
    #[serde(serialize_with = "text::time")]
    #[schema(value_type = String, format = DateTime)]
    moved_at: i64,
    /// Until when its author is asked to look again.
    #[schema(format = Date)]
    due: Option<String>,
}

/// Where a record stands in the queue.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum StateWord {
    Waits,
    Returned,
    Answered,
}

/// Why a record is to be looked at.
#[derive(Serialize, ToSchema)]
pub struct OccasionView {
    /// The word of the catalog's policy, such as `new`, `field:name` or `sample:5`.
    #[schema(max_length = 100)]
    on: String,
    /// The keys it is about; none for the whole record.
    keys: Vec<String>,
}

/// A value of a record as the caller may see it.
#[derive(Serialize, ToSchema)]
pub struct ValueView {
    /// The key.
    #[schema(max_length = 200)]
    key: String,
    /// The value: a text, a whole number, true, false, or null; also null where it is masked.
    #[schema(value_type = serde_json::Value)]
    value: serde_json::Value,
    /// Whether it is more sensitive than what is shown without a reason.
    masked: bool,
    /// What a supervisor said of it.
    mark: Option<MarkView>,
}

/// What a supervisor said.
#[derive(Serialize, ToSchema)]
pub struct MarkView {
    /// `approved` or `returned`.
    #[schema(max_length = 20)]
    decision: &'static str,
    /// Why.
    #[schema(max_length = 500)]
    reason: String,
    /// Until when the author is asked to look again.
    #[schema(format = Date)]
    due: Option<String>,
    /// When it was said.
    #[serde(serialize_with = "text::time")]
    #[schema(value_type = String, format = DateTime)]
    at: i64,
    /// Whether it was edited since.
    changed_since: bool,
}

/// A record as it is looked at.
#[derive(Serialize, ToSchema)]
pub struct Looked {
    /// Its item in the queue; none where nobody is asked to look.
    item: Option<ReviewView>,
    /// Its collection.
    #[schema(max_length = 40)]
    collection: String,
    /// What is shown of it.
    fields: Vec<ValueView>,
    /// What was said of it as a whole.
    mark: Option<MarkView>,
}

/// Which part of the queue.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReviewsAsked {
    /// Where the items stand; without it those that wait for the caller: `waits` and `answered`.
    #[serde(default)]
    #[param(inline, nullable = false)]
    state: Option<StateWord>,
    /// How many items at most; without it 50.
    #[serde(default, deserialize_with = "text::number::<_, 1, 200>")]
    #[param(minimum = 1, maximum = 200, nullable = false, example = 50)]
    limit: Option<usize>,
    /// `next` of the page before; the first page without it.
    #[serde(default, deserialize_with = "text::line_if::<_, 1, 400>")]
    #[param(min_length = 1, max_length = 400, nullable = false)]
    after: Option<String>,
}

/// A word about a record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "decision": "return", "reasons": { "birth": "请核对出生日期" }, "due": "2027-02-01" }))]
pub struct WordRequest {
    // Described by its type: a text here would make it an object, too.
    #[schema(inline)]
    decision: WordSaid,
    /// With `return`: the keys with a reason each; an empty key is the whole record.
    #[serde(default)]
    #[schema(schema_with = reasons)]
    reasons: BTreeMap<String, String>,
    /// With `return`: until when its author is asked to look again, `YYYY-MM-DD`.
    #[serde(default, deserialize_with = "text::day_if")]
    #[schema(value_type = Option<String>, format = Date, max_length = 10)]
    due: Option<Date>,
}

/// A map of texts that ends: a record has no more keys, and a reason is short.
fn reasons() -> described::Schema {
    let reason = described::ObjectBuilder::new()
        .schema_type(described::Type::String)
        .min_length(Some(1))
        .max_length(Some(desk::MAX_REASON));
    described::ObjectBuilder::new()
        .description(Some("With `return`: the keys with a reason each; an empty key is the whole record."))
        .additional_properties(Some(reason))
        .max_properties(Some(wire::MAX_PUTS))
        .build()
        .into()
}

/// What may be said.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WordSaid {
    Approve,
    Return,
}

/// What waits for a supervisor, the oldest first.
#[utoipa::path(get, path = "/reviews", tag = "desk", params(ReviewsAsked),
    responses((status = 200, description = "A page of the queue of the caller's units", body = Page<ReviewView>), Personal))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(asked): Query<ReviewsAsked>,
) -> Result<Json<Page<ReviewView>>, ApiError> {
    blocking(move || {
        let ReviewsAsked { state, limit, after } = asked;
        let (states, word) = match state {
            None => (vec![ReviewState::Waits, ReviewState::Answered], "open"),
            Some(StateWord::Waits) => (vec![ReviewState::Waits], "waits"),
            Some(StateWord::Returned) => (vec![ReviewState::Returned], "returned"),
            Some(StateWord::Answered) => (vec![ReviewState::Answered], "answered"),
        };
        let asked = page::Asked::new(limit, after);
        let mandate = Mandate::of(&app, person.user)?;
        let list = ["reviews", word];
        let seek = |after, many| {
            let grids: Vec<GridId> = mandate.grids(Action::Review).into_iter().collect();
            app.db.reviews(&person.principal(), app.now_ms(), Some(&grids), &states, after, many)
        };
        let may = |row: &ReviewRow| mandate.may_in(wish(Action::Review, &row.collection, Sens::S0), row.home).is_some();
        let place = |row: &ReviewRow| (row.opened_ms, row.id);
        Ok(Json(page_of(&asked, &list, seek, may, place, review_view)?))
    })
    .await
}

fn review_view(row: ReviewRow) -> ReviewView {
    ReviewView {
        record: row.record.to_string(),
        collection: row.collection,
        grid: row.home.grid().map(|grid| grid.to_string()),
        state: match row.state {
            ReviewState::Returned => StateWord::Returned,
            ReviewState::Answered => StateWord::Answered,
            // What is approved has left the queue.
            ReviewState::Waits | ReviewState::Approved => StateWord::Waits,
        },
        occasions: row
            .occasions
            .into_iter()
            .map(|occasion| OccasionView { on: occasion.on, keys: occasion.keys })
            .collect(),
        opened_at: row.opened_ms,
        moved_at: row.moved_ms,
        due: row.due.map(|due| due.to_string()),
    }
}

fn state_of(values: &Values) -> ETag {
    ETag::of(&[b"record", digest_of("", values).as_bytes()])
}

/// A record as a supervisor looks at it. What is sensitive is masked; `ETag` names what was looked at.
#[utoipa::path(get, path = "/reviews/{id}", tag = "desk",
    params(("id" = String, Path, description = "The record", min_length = 32, max_length = 32,
        pattern = "^[0-9a-f]{32}$", example = "0193f1b2c3d44e5f8a6b7c8d9e0f1a2b")),
    responses((status = 200, description = "The record", body = Looked), Personal, OfOne))]
pub async fn look(State(app): State<Arc<App>>, person: Person, Id(record): Id<RecordId>) -> Result<Response, ApiError> {
    blocking(move || {
        let (facts, collection, _) = at_desk(&app, &person, Action::Review, record)?;
        let item = app.db.review_of(&person.principal(), app.now_ms(), record)?;
        let values = plain(&Standing::of(facts)?.shown());
        let catalogs = app.catalogs();
        let shown = values.iter().filter(|(key, value)| !key.starts_with("s/") && !value.is_null());
        let fields = shown.map(|(key, value)| {
            let masked = catalogs.sens(&collection, key) >= Sens::S3;
            ValueView { key: key.clone(), value: seen(value, masked), masked, mark: mark(&values, key) }
        });
        let looked =
            Looked { fields: fields.collect(), mark: mark(&values, ""), item: item.map(review_view), collection };
        Ok((state_of(&values), Json(looked)).into_response())
    })
    .await
}

fn mark(values: &Values, key: &str) -> Option<MarkView> {
    let (_, mark) = Mark::all(values).find(|(of, _)| *of == key)?;
    Some(MarkView {
        decision: match mark.decision {
            Decision::Approved => "approved",
            Decision::Returned => "returned",
        },
        changed_since: mark.changed_since(key, values),
        reason: mark.reason,
        due: mark.due.map(|due| due.to_string()),
        at: mark.at_ms,
    })
}

/// Approve a record, or return it to its author with a reason for each field.
#[utoipa::path(post, path = "/reviews/{id}/decision", tag = "desk", request_body = WordRequest,
    params(("id" = String, Path, description = "The record", min_length = 32, max_length = 32,
        pattern = "^[0-9a-f]{32}$", example = "0193f1b2c3d44e5f8a6b7c8d9e0f1a2b"),
        ("If-Match" = String, Header, description = "The `ETag` of the record that was looked at", max_length = 400)),
    responses((status = 204, description = "It is said; the author's phone hears it with its next sync"),
        Personal, WithBody, OfOne, Conditional))]
pub async fn say(
    State(app): State<Arc<App>>,
    person: Person,
    Id(record): Id<RecordId>,
    over: IfMatch,
    Json(asked): Json<WordRequest>,
) -> Result<StatusCode, ApiError> {
    blocking(move || {
        let (facts, _, desk) = at_desk(&app, &person, Action::Review, record)?;
        let values = plain(&Standing::of(facts)?.shown());
        over.fits(&state_of(&values))?;
        let word = match asked {
            WordRequest { decision: WordSaid::Return, reasons, due } => Word::Return { reasons, due },
            WordRequest { decision: WordSaid::Approve, reasons, due } if reasons.is_empty() && due.is_none() => {
                Word::Approve
            }
            WordRequest { .. } => return Err(ApiError::bad("unknown_field", "reasons")),
        };
        desk::review(&app, desk, record, &digest_of("", &values), &word)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
