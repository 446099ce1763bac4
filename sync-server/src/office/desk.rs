//! What people decide at a desk: a word about a record, a value out of several, the undoing of a decision.
//!
//! Who asks has the right already. Every act names what it was made over; what has moved on since is told and nothing is
//! written, so of two who decide at once one is told what the other did.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::codes::Date;
use gridpass_core::id::{GrantId, IntentId, RecordId, TicketId, UserId};
use gridpass_core::record::mark::{Decision, Mark, digest_of};
use gridpass_core::record::{Shown, digest, plain};
use gridpass_core::wire::{self, IntentKind, Role};
use gridpass_core::{Value, Values};

use super::standing::{Act, Standing};
use crate::app::App;
use crate::db::{DbError, Principal, RecordRow, TicketRow};
use crate::keys::{KeyError, random};
use crate::log::{Audit, By, Commit, NewTicket, Outcome, RecordWrite, ReviewWrite, Said, Write};

/// How often in a row an act is prepared again because somebody else was faster.
const TRIES: usize = 8;
/// The longest reason in characters.
pub const MAX_REASON: usize = 500;
/// The key whose value ends a record.
const END: &str = "end/date";

/// Who decides, under which assignment.
#[derive(Debug, Clone, Copy)]
pub struct Desk {
    /// The person.
    pub user: UserId,
    /// The assignment that gives the right.
    pub grant: GrantId,
}

/// A word about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It is right.
    Approve,
    /// Its author looks again.
    Return {
        /// The keys with a reason each; an empty key is the whole record.
        reasons: BTreeMap<String, String>,
        /// Until when.
        due: Option<Date>,
    },
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// There is no such record or ticket.
    #[error("not found")]
    NotFound,
    /// Something else stands now than what was decided over; this is its digest.
    #[error("it has changed meanwhile")]
    Changed {
        /// The digest of what stands now: of the record, or of each value.
        now: Vec<String>,
    },
    /// Somebody has decided already.
    #[error("it is decided already")]
    Decided {
        /// Who.
        by: Option<UserId>,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// Something is not what it should be; names the field.
    #[error("{code} at {field}")]
    Bad {
        /// What is wrong, a stable code.
        code: &'static str,
        /// Where.
        field: String,
    },
    /// Others were faster, again and again.
    #[error("busy")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] KeyError),
}

/// Says something of a record that was shown with the digest `seen`.
pub fn review(app: &App, desk: Desk, record: RecordId, seen: &str, word: &Word) -> Result<(), DeskError> {
    let act = |_: &RecordRow, standing: &Standing| {
        let shown = plain(&standing.shown());
        let now = digest_of("", &shown);
        if now != seen {
            return Err(DeskError::Changed { now: vec![now] });
        }
        let marks = marks(app, desk, record, &shown, word)?;
        let (decision, due) = match word {
            Word::Approve => (Decision::Approved, None),
            Word::Return { due, .. } => (Decision::Returned, *due),
        };
        let review = ReviewWrite { said: Some(Said { decision, due }), ..ReviewWrite::default() };
        Ok(Prepared { puts: marks, review, ..Prepared::default() })
    };
    let action = match word {
        Word::Approve => "approved",
        Word::Return { .. } => "returned",
    };
    decide_on(app, desk, record, action, act)
}

/// The marks of a word. Approving also takes back what was returned before.
fn marks(
    app: &App,
    desk: Desk,
    record: RecordId,
    shown: &Values,
    word: &Word,
) -> Result<Vec<(String, Value)>, DeskError> {
    let at_ms = app.now_ms();
    let mark = |key: &str, decision, reason: &str, due| {
        let digest = digest_of(key, shown);
        Mark { decision, reason: reason.to_owned(), due, digest, user: desk.user, at_ms }.entry(key)
    };
    match word {
        Word::Approve => {
            let returned = Mark::all(shown).filter(|(_, mark)| mark.decision == Decision::Returned);
            let keys: BTreeSet<&str> = returned.map(|(key, _)| key).chain([""]).collect();
            Ok(keys.into_iter().map(|key| mark(key, Decision::Approved, "", None)).collect())
        }
        Word::Return { reasons, due } => {
            if reasons.is_empty() {
                return Err(DeskError::Bad { code: "missing", field: "reasons".into() });
            }
            let collection = app.db.standing(&Principal::SERVER, at_ms, &[record])?;
            let collection = collection.get(&record).and_then(|facts| facts.row.as_ref()).map(|row| &row.collection);
            let catalogs = app.catalogs();
            for (key, reason) in reasons {
                let field = || format!("reasons.{key}");
                let known = collection.is_some_and(|of| catalogs.policy(of, key).is_some()) && !key.starts_with("s/");
                if !key.is_empty() && !known {
                    return Err(DeskError::Bad { code: "unknown_key", field: field() });
                }
                if reason.trim().is_empty() {
                    return Err(DeskError::Bad { code: "missing", field: field() });
                }
                if reason.chars().count() > MAX_REASON {
                    return Err(DeskError::Bad { code: "too_long", field: field() });
                }
            }
            let due = *due;
            Ok(reasons.iter().map(|(key, reason)| mark(key, Decision::Returned, reason, due)).collect())
        }
    }
}

/// Decides a ticket: this value stands. `seen` are the digests of all values it was decided over; a third value is fine.
pub fn decide(app: &App, desk: Desk, ticket: TicketId, value: &Value, seen: &[String]) -> Result<(), DeskError> {
    let row = open(app, ticket)?;
    let key = key_of(&row);
    let act = |record: &RecordRow, standing: &Standing| {
        // Asked again with every try: whoever was faster has closed it.
        open(app, ticket)?;
        if let Err(reason) = app.catalogs().key_rule(&record.collection, key, value) {
            tracing::debug!(code = reason.code, "a decision with a value that is none");
            return Err(DeskError::Bad { code: "form", field: "value".into() });
        }
        let live = standing.document.live(key);
        let now: BTreeSet<String> = match live.as_slice() {
            [] => BTreeSet::from([digest(&Value::Null)]),
            live => live.iter().map(|live| digest(&live.value)).collect(),
        };
        if now != seen.iter().cloned().collect() {
            return Err(DeskError::Changed { now: now.into_iter().collect() });
        }
        Ok(Prepared {
            puts: vec![(key.to_owned(), value.clone())],
            decided: vec![row.key.clone()],
            ..Prepared::default()
        })
    };
    decide_on(app, desk, row.record, "decided", act)
}

/// Takes a decision back: the ticket's values are shown again, the first of them stands, and a new ticket is open.
pub fn undo(app: &App, desk: Desk, ticket: TicketId) -> Result<TicketId, DeskError> {
    let row = app.db.ticket(&Principal::SERVER, app.now_ms(), ticket)?.ok_or(DeskError::NotFound)?;
    if row.closed_ms.is_none() {
        return Err(DeskError::Bad { code: "still_open", field: "ticket".into() });
    }
    let key = key_of(&row);
    let again = TicketId::derived("reopened", &[ticket.as_bytes(), &random::<16>()?]);
    let act = |_: &RecordRow, _: &Standing| {
        let first = row.values.first().map(|(value, _)| value.clone()).unwrap_or_default();
        let values: Vec<&Value> = row.values.iter().map(|(value, _)| value).collect();
        let copies = serde_json::json!({ "key": key, "values": values }).to_string();
        let detail = wire::encode(&row.values);
        let reopened = NewTicket { id: again, key: row.key.clone(), kind: "reopened", detail };
        let puts = vec![(key.to_owned(), first), (format!("s/c/{again}"), copies.into())];
        Ok(Prepared { puts, tickets: vec![reopened], ..Prepared::default() })
    };
    decide_on(app, desk, row.record, "decision_undone", act)?;
    Ok(again)
}

/// The key that a ticket's decision puts: that of the end where it is about the whole record.
pub fn key_of(ticket: &TicketRow) -> &str {
    if ticket.key.is_empty() { END } else { &ticket.key }
}

fn open(app: &App, ticket: TicketId) -> Result<TicketRow, DeskError> {
    let row = app.db.ticket(&Principal::SERVER, app.now_ms(), ticket)?.ok_or(DeskError::NotFound)?;
    match row.closed_ms {
        Some(at_ms) => Err(DeskError::Decided { by: row.closed_by, at_ms }),
        None => Ok(row),
    }
}

/// What an act writes.
#[derive(Default)]
struct Prepared {
    puts: Vec<(String, Value)>,
    decided: Vec<String>,
    tickets: Vec<NewTicket>,
    review: ReviewWrite,
}

/// Prepares an act over what stands and writes it with the office's actor, as often as others are faster.
fn decide_on(
    app: &App,
    desk: Desk,
    record: RecordId,
    action: &'static str,
    act: impl Fn(&RecordRow, &Standing) -> Result<Prepared, DeskError>,
) -> Result<(), DeskError> {
    for _ in 0..TRIES {
        let now_ms = app.now_ms();
        let facts = app.db.standing(&Principal::SERVER, now_ms, &[record])?.remove(&record);
        let facts = facts.ok_or(DeskError::NotFound)?;
        let row = facts.row.clone().ok_or(DeskError::NotFound)?;
        let standing = Standing::of(facts)?;
        let Prepared { puts, decided, tickets, review } = act(&row, &standing)?;
        let catalogs = app.catalogs();
        let catalog = catalogs.newest_catalog().and_then(|catalog| catalog.collection(&row.collection));
        let collection = catalog.ok_or(DeskError::NotFound)?;
        let office = app.office(now_ms, &catalogs);
        let keys: Vec<&str> = puts.iter().map(|(key, _)| key.as_str()).collect();
        let detail = serde_json::json!({ "keys": keys });
        let by = By { role: Role::OFFICE, user: Some(desk.user), device: None, grant: Some(desk.grant) };
        let act = Act {
            actor: office.office,
            by,
            puts,
            intent: IntentId::derived(action, &[record.as_bytes(), &random::<16>()?]),
            kind: IntentKind::OFFICE,
            batch: None,
        };
        let write = standing.write(&office, collection, record, row.home, act)?;
        let write = write.ok_or(DeskError::Bad { code: "record_too_large", field: "record".into() })?;
        let write = RecordWrite { decided, tickets, review, ..write };
        let audit = Audit::of(action).by(desk.user).grant(desk.grant).on(record.as_bytes()).detail(&detail);
        let outcomes = app.db.commit(now_ms, vec![Commit { write: Write::Record(Box::new(write)), audit }])?;
        if outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(_))) {
            app.advanced(&outcomes);
            return Ok(());
        }
    }
    Err(DeskError::Busy)
}

/// What a person is told of a record's values, so that a decision can name them: the digest of each.
pub fn digests(shown: &Shown) -> Vec<String> {
    shown.all().into_iter().map(digest).collect()
}
