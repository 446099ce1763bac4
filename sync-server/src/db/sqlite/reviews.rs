//! The rows that wait for a supervisor.

use std::collections::BTreeSet;

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::Occasion;
use gridpass_core::id::{GridId, RecordId, TicketId};
use gridpass_core::record::mark::Decision;
use gridpass_core::wire;
use rusqlite::{Connection, Row, params};

use super::commit::execute;
use super::{DbError, Sqlite, backend, named, optional};
use crate::db::{Principal, ReviewRow, ReviewRows, ReviewState, TicketRow};
use crate::log::{RecordWrite, ReviewWrite, Said};

const STEP: &str = "keeping the queue";
const DAMAGED: DbError = DbError::Damaged { table: "review" };
const BAD_TICKET: DbError = DbError::Damaged { table: "ticket" };

impl ReviewState {
    fn number(self) -> i64 {
        Self::ALL.iter().find(|(_, state, _)| *state == self).map_or(0, |(number, ..)| *number)
    }

    fn of(number: i64) -> Result<Self, DbError> {
        Self::ALL.iter().find(|(known, ..)| *known == number).map(|(_, state, _)| *state).ok_or(DAMAGED)
    }
}

/// Notes what a write means for the queue.
pub(super) fn note(connection: &Connection, now_ms: i64, write: &RecordWrite) -> Result<(), DbError> {
    let ReviewWrite { occasions, answered, said } = &write.review;
    if occasions.is_empty() && !answered && said.is_none() {
        return Ok(());
    }
    let mut find = connection
        .prepare_cached("SELECT id, occasions, state FROM review WHERE record = ?1 AND closed IS NULL")
        .map_err(backend(STEP))?;
    let found = find.query_row([write.record.0], |row| {
        Ok((named::<TicketId>(row, "id")?, row.get::<_, String>("occasions")?, row.get::<_, i64>("state")?))
    });
    let open = optional(found, STEP)?;
    let (id, known, state) = match open {
        Some((id, known, state)) => (id, parse(&known)?, ReviewState::of(state)?),
        // What nobody was asked about and nobody says anything about is no item.
        None if occasions.is_empty() && said.is_none() => return Ok(()),
        None => {
            let first = write.heads.first().map(|hash| hash.0).unwrap_or_default();
            (TicketId::derived("review", &[write.record.as_bytes(), &first]), Vec::new(), ReviewState::Waits)
        }
    };
    let state = match said {
        Some(Said { decision: Decision::Approved, .. }) => ReviewState::Approved,
        Some(Said { decision: Decision::Returned, .. }) => ReviewState::Returned,
        None if *answered && state == ReviewState::Returned => ReviewState::Answered,
        None => state,
    };
    let all: BTreeSet<&Occasion> = known.iter().chain(occasions).collect();
    let all: Vec<_> =
        all.iter().map(|occasion| serde_json::json!({ "on": occasion.on, "keys": occasion.keys })).collect();
    let by = said.as_ref().and(write.changes.first()).and_then(|change| change.by.user);
    execute(
        connection,
        STEP,
        "INSERT INTO review (id, record, occasions, opened, moved, state, due, user, closed)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET occasions = excluded.occasions, moved = excluded.moved, state = excluded.state,
         due = coalesce(excluded.due, due), user = coalesce(excluded.user, user), closed = excluded.closed",
        params![
            id.0,
            write.record.0,
            serde_json::Value::Array(all).to_string(),
            now_ms,
            state.number(),
            said.as_ref().and_then(|said| said.due).map(|due| due.to_string()),
            by.map(|user| user.0),
            (state == ReviewState::Approved).then_some(now_ms),
        ],
    )
}

fn parse(occasions: &str) -> Result<Vec<Occasion>, DbError> {
    let parsed: serde_json::Value = serde_json::from_str(occasions).map_err(|_| DAMAGED)?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let one = |item: &serde_json::Value| {
        let keys = item.get("keys")?.as_array()?.iter().filter_map(text).collect();
        Some(Occasion { on: text(item.get("on")?)?, keys })
    };
    parsed.as_array().and_then(|items| items.iter().map(one).collect()).ok_or(DAMAGED)
}

const REVIEW: &str =
    "SELECT v.id, v.record, r.collection, b.name AS home, v.occasions, v.opened, v.moved, v.state, v.due
    FROM review v JOIN record r ON r.id = v.record JOIN bucket b ON b.number = r.home";
const TICKET: &str = "SELECT t.id, t.record, r.collection, b.name AS home, t.key, t.kind, t.detail, t.opened, t.closed,
    t.closed_by FROM ticket t JOIN record r ON r.id = t.record JOIN bucket b ON b.number = r.home";

fn home(row: &Row<'_>) -> Result<Bucket, DbError> {
    let name: Vec<u8> = row.get("home").map_err(backend(STEP))?;
    Bucket::try_from(name.as_slice()).map_err(|_| DbError::Damaged { table: "bucket" })
}

fn review(row: &Row<'_>) -> Result<ReviewRow, DbError> {
    let get = backend(STEP);
    let due: Option<String> = row.get("due").map_err(&get)?;
    Ok(ReviewRow {
        id: named(row, "id").map_err(&get)?,
        record: named(row, "record").map_err(&get)?,
        collection: row.get("collection").map_err(&get)?,
        home: home(row)?,
        occasions: parse(&row.get::<_, String>("occasions").map_err(&get)?)?,
        opened_ms: row.get("opened").map_err(&get)?,
        moved_ms: row.get("moved").map_err(&get)?,
        state: ReviewState::of(row.get("state").map_err(&get)?)?,
        due: due.map(|due| due.parse().map_err(|_| DAMAGED)).transpose()?,
    })
}

fn ticket(row: &Row<'_>) -> Result<TicketRow, DbError> {
    let get = backend(STEP);
    let closed_by: Option<[u8; 16]> = row.get("closed_by").map_err(&get)?;
    Ok(TicketRow {
        id: named(row, "id").map_err(&get)?,
        record: named(row, "record").map_err(&get)?,
        collection: row.get("collection").map_err(&get)?,
        home: home(row)?,
        key: row.get("key").map_err(&get)?,
        kind: row.get("kind").map_err(&get)?,
        values: wire::decode(&row.get::<_, Vec<u8>>("detail").map_err(&get)?).map_err(|_| BAD_TICKET)?,
        opened_ms: row.get("opened").map_err(&get)?,
        closed_ms: row.get("closed").map_err(&get)?,
        closed_by: closed_by.map(gridpass_core::id::UserId),
    })
}

/// Rows in their order until there are enough whose home is in one of the grids. Few are open at a time.
fn some<T>(
    connection: &Connection,
    sql: &str,
    (after, limit): (Option<(i64, TicketId)>, usize),
    read: impl Fn(&Row<'_>) -> Result<T, DbError>,
    wanted: impl Fn(&T) -> bool,
) -> Result<Vec<T>, DbError> {
    let (opened, id) = after.map_or((i64::MIN, [0; 16]), |(opened, id)| (opened, id.0));
    let mut statement = connection.prepare_cached(sql).map_err(backend(STEP))?;
    let mut rows = statement.query(params![opened, id]).map_err(backend(STEP))?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next().map_err(backend(STEP))?
    {
        let item = read(row)?;
        if wanted(&item) {
            found.push(item);
        }
    }
    Ok(found)
}

fn within(grids: Option<&[GridId]>, home: Bucket) -> bool {
    grids.is_none_or(|grids| home.grid().is_some_and(|grid| grids.contains(&grid)))
}

impl ReviewRows for Sqlite {
    fn review_of(&self, _: &Principal, _: i64, record: RecordId) -> Result<Option<ReviewRow>, DbError> {
        self.read(STEP, |tx| {
            let sql = format!("{REVIEW} WHERE v.record = ?1 AND v.closed IS NULL");
            let mut statement = tx.prepare_cached(&sql).map_err(backend(STEP))?;
            let mut rows = statement.query([record.0]).map_err(backend(STEP))?;
            rows.next().map_err(backend(STEP))?.map(review).transpose()
        })
    }

    fn reviews(
        &self,
        _: &Principal,
        _: i64,
        grids: Option<&[GridId]>,
        states: &[ReviewState],
        after: Option<(i64, TicketId)>,
        limit: usize,
    ) -> Result<Vec<ReviewRow>, DbError> {
        let sql = format!("{REVIEW} WHERE v.closed IS NULL AND (v.opened, v.id) > (?1, ?2) ORDER BY v.opened, v.id");
        let wanted = |row: &ReviewRow| states.contains(&row.state) && within(grids, row.home);
        self.read(STEP, |tx| some(tx, &sql, (after, limit), review, wanted))
    }

    fn review_counts(&self, _: &Principal, _: i64) -> Result<Vec<(Bucket, ReviewState, u64)>, DbError> {
        self.read(STEP, |tx| {
            let sql = "SELECT b.name AS home, v.state, count(*) AS many FROM review v JOIN record r ON r.id = v.record
                       JOIN bucket b ON b.number = r.home WHERE v.closed IS NULL GROUP BY b.number, v.state";
            let mut statement = tx.prepare_cached(sql).map_err(backend(STEP))?;
            let mut rows = statement.query([]).map_err(backend(STEP))?;
            let mut counts = Vec::new();
            while let Some(row) = rows.next().map_err(backend(STEP))? {
                let many: i64 = row.get("many").map_err(backend(STEP))?;
                let state = ReviewState::of(row.get("state").map_err(backend(STEP))?)?;
                counts.push((home(row)?, state, many.cast_unsigned()));
            }
            Ok(counts)
        })
    }

    fn ticket(&self, _: &Principal, _: i64, id: TicketId) -> Result<Option<TicketRow>, DbError> {
        self.read(STEP, |tx| {
            let mut statement = tx.prepare_cached(&format!("{TICKET} WHERE t.id = ?1")).map_err(backend(STEP))?;
            let mut rows = statement.query([id.0]).map_err(backend(STEP))?;
            rows.next().map_err(backend(STEP))?.map(ticket).transpose()
        })
    }

    fn tickets(
        &self,
        _: &Principal,
        _: i64,
        grids: Option<&[GridId]>,
        after: Option<(i64, TicketId)>,
        limit: usize,
    ) -> Result<Vec<TicketRow>, DbError> {
        let sql = format!("{TICKET} WHERE t.closed IS NULL AND (t.opened, t.id) > (?1, ?2) ORDER BY t.opened, t.id");
        self.read(STEP, |tx| some(tx, &sql, (after, limit), ticket, |row| within(grids, row.home)))
    }
}
