//! What is derived from records by the same code on both sides: titles, sort keys, search text, computed fields.
//!
//! Everything here is a pure function of values and of what a caller looks up, so a projection can always be made again.

mod computed;
mod facts;
mod fold;
mod pinyin;
mod search;
mod sort;
mod title;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use crate::Values;

pub use computed::{
    DueInputs, DueReason, Verification, Visit, VisitState, last_answer, next_due, no_user_unit, verification,
};
pub use facts::{Linked, fact};
pub use fold::{fold, same_name};
pub use search::{Term, fts5_query, is_found_by, query_terms, search_text, search_tokens};
pub use sort::{name_key, natural_key, place_key};
pub use title::{short_title, shown, title};

/// Other records, as far as they are here.
pub trait Records {
    /// The collection and the shown values of a record, by its 32 hexadecimal digits.
    fn record(&self, id: &str) -> Option<Rc<(String, Values)>>;
}

/// No other records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRecords;

impl Records for NoRecords {
    fn record(&self, _: &str) -> Option<Rc<(String, Values)>> {
        None
    }
}

/// A chain of references is followed at most this far: a loop must end.
const MAX_DEPTH: usize = 8;
