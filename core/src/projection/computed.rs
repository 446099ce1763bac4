//! Fields that are worked out, never written: when a household was met, when a record was verified, when a visit is due.

use std::collections::BTreeMap;

use crate::codes::Date;
use crate::{Value, Values};

/// What a visit says about others, read from its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The record visited, 32 hexadecimal digits.
    pub target: String,
    /// When it ended, milliseconds UTC.
    pub ended_at: i64,
    /// The outcome's code.
    pub outcome: String,
    /// When to try again, milliseconds UTC.
    pub retry_at: Option<i64>,
    /// What was found of each record: its identifier and the result's code.
    pub checks: BTreeMap<String, String>,
    /// The answers of the check list by question.
    pub answers: Values,
}

impl Visit {
    /// Reads a visit's record; nothing when it was entered by mistake or lacks target, end or outcome.
    pub fn read(values: &Values) -> Option<Self> {
        if values.get("end/reason").is_some_and(|reason| !reason.is_null()) {
            return None;
        }
        let text = |key: &str| values.get(key).and_then(Value::as_str).map(str::to_owned);
        let part = |key: &str, prefix: &str| key.strip_prefix(prefix).map(str::to_owned);
        Some(Self {
            target: text("target_id")?,
            ended_at: values.get("ended_at").and_then(Value::as_int)?,
            outcome: text("outcome")?,
            retry_at: values.get("retry_at").and_then(Value::as_int),
            checks: values
                .iter()
                .filter_map(|(key, value)| Some((part(key, "check/")?, value.as_str()?.to_owned())))
                .collect(),
            answers: values.iter().filter_map(|(key, value)| Some((part(key, "a/")?, value.clone()))).collect(),
        })
    }

    fn met(&self) -> bool {
        self.outcome == "met"
    }
}

/// What is known of one record's verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verification {
    /// When it was last seen to be right or put right, milliseconds UTC.
    pub verified_at: Option<i64>,
    /// When it was last looked for, with any result.
    pub checked_at: Option<i64>,
    /// Whether that last look did not find it.
    pub not_found: bool,
}

/// The verification of a record from the visits that name it, in any order. Of two results of one moment the one that
/// found it counts.
pub fn verification<'a>(record: &str, visits: impl IntoIterator<Item = &'a Visit>) -> Verification {
    let mut found = Verification::default();
    for visit in visits {
        let Some(result) = visit.checks.get(record) else { continue };
        let moment = Some(visit.ended_at);
        let right = matches!(result.as_str(), "confirmed" | "changed");
        if right {
            found.verified_at = found.verified_at.max(moment);
        }
        let missing = result == "not_found";
        if moment > found.checked_at {
            found.not_found = missing;
        } else if moment == found.checked_at {
            found.not_found &= missing;
        }
        found.checked_at = found.checked_at.max(moment);
    }
    found
}

/// What is known of the visits to one household, house, organisation or facility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VisitState {
    /// The last visit with any outcome, milliseconds UTC.
    pub last_visit: Option<i64>,
    /// The last visit at which somebody was met, or a vacant house seen to be so.
    pub last_met: Option<i64>,
    /// When it was agreed to try again, unless a later visit was made.
    pub retry_at: Option<i64>,
}

impl VisitState {
    /// The state of `target` from visits in any order.
    pub fn of<'a>(target: &str, visits: impl IntoIterator<Item = &'a Visit>) -> Self {
        let mut state = Self::default();
        for visit in visits.into_iter().filter(|visit| visit.target == target) {
            let moment = Some(visit.ended_at);
            if visit.met() || visit.outcome == "vacant" {
                state.last_met = state.last_met.max(moment);
            }
            if moment > state.last_visit {
                state.last_visit = moment;
                state.retry_at = visit.retry_at;
            } else if moment == state.last_visit {
                state.retry_at = state.retry_at.max(visit.retry_at);
            }
        }
        state
    }
}

/// Why a visit is due. It never tells a care group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DueReason {
    /// A task says so.
    Task,
    /// It was agreed.
    Agreed,
    /// A campaign asks for it.
    Campaign,
    /// The usual interval has passed.
    Routine,
}

impl DueReason {
    /// The code stored in projections.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Agreed => "agreed",
            Self::Campaign => "campaign",
            Self::Routine => "routine",
        }
    }
}

/// What decides when a visit is due. Moments are milliseconds UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DueInputs {
    /// When somebody was last met.
    pub last_met: Option<i64>,
    /// When the record was made: a household that was never met is due from then on.
    pub known_since: i64,
    /// Days between visits, the parameter `visit_interval_days`.
    pub interval_days: i64,
    /// The end of an open task about it.
    pub task_due: Option<i64>,
    /// The agreed time.
    pub agreed_at: Option<i64>,
    /// The last day of a campaign that asks for it and has not got it yet.
    pub campaign_due: Option<i64>,
}

/// The day the next visit is due and why: the earliest of all, on one day the more binding.
pub fn next_due(inputs: &DueInputs) -> (Date, DueReason) {
    let routine = match inputs.last_met {
        Some(met) => Date::in_china(met).days().saturating_add(inputs.interval_days),
        None => Date::in_china(inputs.known_since).days(),
    };
    let day = |moment: Option<i64>, reason| moment.map(|moment| (Date::in_china(moment).days(), reason));
    let others = [
        day(inputs.task_due, DueReason::Task),
        day(inputs.agreed_at, DueReason::Agreed),
        day(inputs.campaign_due, DueReason::Campaign),
    ];
    let (number, reason) = others.into_iter().flatten().fold((routine, DueReason::Routine), Ord::min);
    (Date::nearest(number), reason)
}

/// The last answer to a question about `target`, for example whether the labels of a lift are in place.
pub fn last_answer<'a>(target: &str, question: &str, visits: impl IntoIterator<Item = &'a Visit>) -> Option<&'a Value> {
    let answered =
        |visit: &&'a Visit| visit.target == target && visit.answers.get(question).is_some_and(|a| !a.is_null());
    visits.into_iter().filter(answered).max_by_key(|visit| visit.ended_at)?.answers.get(question)
}

/// Whether a facility has no user unit: neither an organisation nor a name.
pub fn no_user_unit(values: &Values) -> bool {
    ["user_org", "user_name"].iter().all(|key| values.get(*key).is_none_or(Value::is_null))
}
