//! What waits for a supervisor: records to look at, and tickets.

use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::Occasion;
use gridpass_core::codes::Date;
use gridpass_core::id::{ChangeHash, GridId, RecordId, TicketId, UserId};

use super::{DbError, Principal};

/// Where a record stands in the supervisor's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReviewState {
    /// Nobody has looked yet.
    Waits,
    /// Its author is asked to look again.
    Returned,
    /// What was returned was written again.
    Answered,
    /// It is right; no longer in the queue.
    Approved,
}

impl ReviewState {
    /// Every state with its stored number and its word.
    pub const ALL: [(i64, Self, &'static str); 4] = [
        (1, Self::Waits, "waits"),
        (2, Self::Returned, "returned"),
        (3, Self::Answered, "answered"),
        (4, Self::Approved, "approved"),
    ];
}

/// A record that a supervisor is asked to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRow {
    /// Its name.
    pub id: TicketId,
    /// The record.
    pub record: RecordId,
    /// Its collection.
    pub collection: String,
    /// Its home.
    pub home: Bucket,
    /// Why.
    pub occasions: Vec<Occasion>,
    /// When it came into the queue.
    pub opened_ms: i64,
    /// When somebody last did something that matters here.
    pub moved_ms: i64,
    /// Where it stands.
    pub state: ReviewState,
    /// Until when its author is asked to look again.
    pub due: Option<Date>,
}

/// A ticket: what waits for a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct TicketRow {
    /// Its name.
    pub id: TicketId,
    /// The record.
    pub record: RecordId,
    /// Its collection.
    pub collection: String,
    /// Its home.
    pub home: Bucket,
    /// The key; empty for the whole record.
    pub key: String,
    /// What kind.
    pub kind: String,
    /// The values that stood when it was opened, with their changes.
    pub values: Vec<(Value, ChangeHash)>,
    /// When it was opened.
    pub opened_ms: i64,
    /// When it was closed.
    pub closed_ms: Option<i64>,
    /// Who closed it.
    pub closed_by: Option<UserId>,
}

/// The rows that wait for a supervisor. `grids` are those the principal may see; none = the whole district.
pub trait ReviewRows {
    /// The open item of a record.
    fn review_of(&self, principal: &Principal, now_ms: i64, record: RecordId) -> Result<Option<ReviewRow>, DbError>;

    /// Open items of some states, the oldest first, after one (when it was opened, its name).
    fn reviews(
        &self,
        principal: &Principal,
        now_ms: i64,
        grids: Option<&[GridId]>,
        states: &[ReviewState],
        after: Option<(i64, TicketId)>,
        limit: usize,
    ) -> Result<Vec<ReviewRow>, DbError>;

    /// How many open items there are, by home and state.
    fn review_counts(&self, principal: &Principal, now_ms: i64) -> Result<Vec<(Bucket, ReviewState, u64)>, DbError>;

    /// A ticket, open or closed.
    fn ticket(&self, principal: &Principal, now_ms: i64, id: TicketId) -> Result<Option<TicketRow>, DbError>;

    /// Open tickets, the oldest first, after one.
    fn tickets(
        &self,
        principal: &Principal,
        now_ms: i64,
        grids: Option<&[GridId]>,
        after: Option<(i64, TicketId)>,
        limit: usize,
    ) -> Result<Vec<TicketRow>, DbError>;
}
