//! A collection: one kind of record.

use std::collections::BTreeMap;

use super::field::{Field, words};
use super::rule::Expression;
use super::table::{FieldGroup, Retention};
use super::template::Template;
use super::text::Text;
use crate::bucket::BucketClass;

words! {
    /// How serious a finding is.
    Level {
        /// Stops saving on the phone; soft on the server.
        Error = "error",
        /// Shown, never in the way.
        Warn = "warn",
    }
}

words! {
    /// Where equal values are looked for.
    DuplicateScope {
        /// In the grid, on the phone too.
        Grid = "grid",
        /// In the whole district, by the server.
        District = "district",
    }
}

/// One kind of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Its name.
    pub id: String,
    /// What it is called.
    pub label: Text,
    /// Where its records are kept.
    pub bucket: BucketClass,
    /// The `ref` field that leads to the record this one hangs on.
    pub parent: Option<String>,
    /// The name of the picture shown for it.
    pub icon: String,
    /// Where it stands among the collections.
    pub order: u32,
    /// What a record is called.
    pub title: Template,
    /// The same, short.
    pub short: Template,
    /// Which accepted edits enter the supervisor's queue.
    pub review: Vec<Review>,
    /// How long a record is kept.
    pub retain: Retention,
    /// The collection's fields in the order of its form, then those of the envelope.
    pub fields: Vec<Field>,
    /// The field groups in the order of the form: its sections.
    pub groups: Vec<FieldGroup>,
    /// Rules over the whole record.
    pub rules: Vec<Rule>,
    /// Fields of which one must be filled.
    pub one_of: Vec<OneOf>,
    /// What the duplicate inbox looks for.
    pub duplicates: Vec<Duplicate>,
    /// Facts about other records its rules ask for, see [`super::RuleFacts`].
    pub facts: Vec<String>,
    pub(super) places: BTreeMap<String, usize>,
    pub(super) rule_names: BTreeMap<String, usize>,
}

/// A rule over one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, unique in the collection; also the code of its findings.
    pub id: String,
    /// When it has something to say.
    pub when: Expression,
    /// How serious that is.
    pub level: Level,
    /// The field it is said at.
    pub at: String,
    /// What is said.
    pub text: Text,
}

/// Fields of which at least one must be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOf {
    /// The fields.
    pub fields: Vec<String>,
    /// When; without it always.
    pub when: Option<Expression>,
}

/// Fields that together should be found once. Never a constraint: a hit goes to an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// Its name, unique in the collection.
    pub id: String,
    /// The fields, all filled.
    pub fields: Vec<String>,
    /// Where.
    pub scope: DuplicateScope,
    /// Which records count; without it all that have not ended.
    pub when: Option<Expression>,
    /// What is said.
    pub text: Text,
}

/// Which accepted edits enter the supervisor's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The occasion.
    pub on: ReviewOn,
    /// Only when this holds.
    pub when: Option<Expression>,
}

/// The occasion of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReviewOn {
    /// A new record.
    New,
    /// A record that ended.
    End,
    /// A record that was ended by somebody of another grid.
    EndElsewhere,
    /// A changed field.
    Field(String),
    /// A hit of a duplicate rule, by its name.
    Duplicate(String),
    /// A merge or its undoing.
    Merge,
    /// So many of a hundred, drawn by the server.
    Sample(u32),
}

impl Collection {
    /// A field by its own key.
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.places.get(key).and_then(|place| self.fields.get(*place))
    }

    /// A field by the name rules know it by.
    pub(super) fn field_of_rule_name(&self, name: &str) -> Option<&Field> {
        self.rule_names.get(name).and_then(|place| self.fields.get(*place))
    }

    /// The fields of one group in the order of the form.
    pub fn fields_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| field.group == group)
    }
}
