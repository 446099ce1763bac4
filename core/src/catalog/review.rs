//! Which accepted edits a supervisor is asked to look at: what the collection's `review` says.

use super::collection::{Collection, Review, ReviewOn};
use super::rule::{Bindings, Expression, Judge, RuleFacts};
use crate::Values;
use crate::record::same;

/// The key whose value ends a record.
const END: &str = "end/date";

/// What an edit did to a record, as a policy of review asks about it.
pub struct Edited<'a> {
    /// What was shown before; none for a new record.
    pub before: Option<&'a Values>,
    /// What is shown now.
    pub after: &'a Values,
    /// The keys that were written.
    pub keys: &'a [&'a str],
    /// Whether somebody of another grid did it.
    pub elsewhere: bool,
    /// The duplicate rules that hit, by name.
    pub duplicates: &'a [&'a str],
    /// A number of 0 to 99 drawn for the edit: a sample of 5 takes those below 5.
    pub drawn: u32,
}

/// Why a supervisor is asked, and which keys it is about; none for the whole record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occasion {
    /// The word of the catalog, such as `new`, `field:name` or `sample:5`.
    pub on: String,
    /// The keys.
    pub keys: Vec<String>,
}

impl Edited<'_> {
    fn had(&self, key: &str) -> bool {
        self.before.is_some_and(|before| is_filled(before, key))
    }

    fn ended(&self) -> bool {
        self.keys.contains(&END) && is_filled(self.after, END) && !self.had(END)
    }

    /// The keys of a field that said something else before.
    fn changed(&self, field: &str) -> Vec<String> {
        let value = |values: &Values, key: &str| values.get(key).cloned().unwrap_or_default();
        let differs = |key: &str| self.before.is_some_and(|before| !same(&value(before, key), &value(self.after, key)));
        let keys = self.keys.iter().filter(|key| is_of_field(key, field) && self.had(key) && differs(key));
        keys.map(|key| (*key).to_owned()).collect()
    }

    /// The occasion, if it is one.
    fn occasion(&self, collection: &Collection, on: &ReviewOn) -> Option<Occasion> {
        let (happened, word, keys) = match on {
            ReviewOn::New => (self.before.is_none(), "new".to_owned(), Vec::new()),
            ReviewOn::End => (self.ended(), "end".to_owned(), vec![END.to_owned()]),
            ReviewOn::EndElsewhere => {
                (self.ended() && self.elsewhere, "end_elsewhere".to_owned(), vec![END.to_owned()])
            }
            ReviewOn::Field(field) => {
                let keys = self.changed(field);
                (!keys.is_empty(), format!("field:{field}"), keys)
            }
            ReviewOn::Duplicate(rule) => {
                let fields = collection.duplicates.iter().find(|known| known.id == *rule);
                let fields = fields.map(|rule| rule.fields.clone()).unwrap_or_default();
                (self.duplicates.contains(&rule.as_str()), format!("duplicate:{rule}"), fields)
            }
            // What is merged is decided at a desk.
            ReviewOn::Merge => return None,
            ReviewOn::Sample(of_hundred) => {
                (self.before.is_none() && self.drawn < *of_hundred, format!("sample:{of_hundred}"), Vec::new())
            }
        };
        happened.then_some(Occasion { on: word, keys })
    }
}

fn is_of_field(key: &str, field: &str) -> bool {
    key.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_filled(values: &Values, key: &str) -> bool {
    values.get(key).is_some_and(|value| !value.is_null())
}

impl Collection {
    /// Whether an edit may be an occasion at all, before anything is looked up: most are none.
    pub fn may_ask(&self, is_new: bool, keys: &[&str], duplicates: &[&str]) -> bool {
        self.review.iter().any(|Review { on, .. }| match on {
            ReviewOn::New | ReviewOn::Sample(_) => is_new,
            ReviewOn::End | ReviewOn::EndElsewhere => keys.contains(&END),
            ReviewOn::Field(field) => !is_new && keys.iter().any(|key| is_of_field(key, field)),
            ReviewOn::Duplicate(rule) => duplicates.contains(&rule.as_str()),
            ReviewOn::Merge => false,
        })
    }

    /// Why a supervisor is asked to look at an edit; empty for most.
    ///
    /// A changed field is one that said something else before: what is filled in for the first time is no change.
    pub fn occasions(&self, edited: &Edited<'_>, facts: &dyn RuleFacts) -> Vec<Occasion> {
        let bindings = Bindings { collection: self, values: edited.after, now_ms: facts.now_ms() };
        let holds = |when: &Expression| Judge::new(&bindings, facts).holds(when);
        let found = self
            .review
            .iter()
            .filter_map(|Review { on, when }| edited.occasion(self, on).filter(|_| when.as_ref().is_none_or(holds)));
        found.collect()
    }
}
