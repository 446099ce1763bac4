//! The visits that are due, as the home screen lists them.

use gridpass_core::codes::date::Date;
use gridpass_core::id::RecordId;
use gridpass_core::parameter::Parameter;
use gridpass_core::projection::{DueInputs, Visit, VisitState, next_due};
use gridpass_core::record::plain;
use rusqlite::Connection;

use crate::error::ApiError;
use crate::merge;
use crate::phone::Phone;
use crate::store::view::{self, Select};
use crate::store::{self, settled};

/// A household with the day of its next visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueView {
    /// The household.
    pub record: RecordId,
    /// What it is called.
    pub title: String,
    /// The day, `YYYY-MM-DD`.
    pub day: String,
    /// Why: `routine`, `agreed`, `task` or `campaign`.
    pub reason: String,
    /// Whether the day has passed.
    pub overdue: bool,
    /// When somebody was last met, in milliseconds since 1970.
    pub last_met_ms: Option<i64>,
}

impl Phone {
    /// The households whose next visit is due by today, in the order of their addresses.
    pub fn due(&self) -> Result<Vec<DueView>, ApiError> {
        let today = Date::in_china(self.inner.now()?.wall_ms);
        Ok(self.inner.store.read(|db| {
            let households = Select {
                collection: Some("household".to_owned()),
                ended: Some(false),
                limit: u32::MAX,
                ..Select::default()
            };
            let district = merge::shown(db, Parameter::record())?;
            let interval_days = Parameter::VISIT_INTERVAL_DAYS.of(district.as_ref());
            let mut due = Vec::new();
            for row in view::select(db, &households)? {
                let visits = visits_of(db, row.record)?;
                let state = VisitState::of(&row.record.to_string(), &visits);
                let known_since = match state.last_met {
                    Some(met) => met,
                    None => first_change_ms(db, row.record)?,
                };
                let inputs = DueInputs {
                    last_met: state.last_met,
                    known_since,
                    interval_days,
                    agreed_at: state.retry_at,
                    ..DueInputs::default()
                };
                let (day, reason) = next_due(&inputs);
                if day <= today {
                    due.push(DueView {
                        record: row.record,
                        title: row.title,
                        day: day.to_string(),
                        reason: reason.as_str().to_owned(),
                        overdue: day < today,
                        last_met_ms: state.last_met,
                    });
                }
            }
            Ok(due)
        })?)
    }
}

fn visits_of(db: &Connection, record: RecordId) -> store::Result<Vec<Visit>> {
    let mut visits = Vec::new();
    for (_, source) in view::links_to(db, record)?.iter().filter(|(key, _)| key == "target_id") {
        let shown = merge::shown(db, *source)?;
        visits.extend(shown.and_then(|shown| Visit::read(&plain(&shown))));
    }
    Ok(visits)
}

/// When the record was made, as far as its history tells.
fn first_change_ms(db: &Connection, record: RecordId) -> store::Result<i64> {
    let settled = settled::get(db, record)?;
    let first = settled.and_then(|settled| settled.changes.iter().map(|row| row.time_ms).min());
    let pending = || store::pending::of_record(db, record);
    match first {
        Some(first) => Ok(first),
        None => Ok(pending()?.first().map_or(0, |pending| pending.intent.at_ms)),
    }
}
