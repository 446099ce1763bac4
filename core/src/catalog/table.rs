//! Code tables, kinds of children and field groups: what fields refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::text::Text;

/// A table of codes: what is stored is the code, what is shown is the label.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodeTable {
    /// The table's name.
    pub id: String,
    /// What the table is about.
    pub label: Text,
    /// The standard and its year, for example `GB/T 2261.1-2003`; empty for an own table.
    pub standard: String,
    /// The codes in the order they are offered.
    pub items: Vec<CodeItem>,
    places: BTreeMap<String, usize>,
}

/// One code of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodeItem {
    /// What is stored.
    pub code: String,
    /// What is shown.
    pub label: Text,
    /// The code of the field this table cascades from under which this code is offered.
    pub parent: Option<String>,
    /// No longer offered. Codes never leave a table, because records keep them.
    pub retired: bool,
}

impl CodeTable {
    /// A table with its look-up. Of equal codes the first stands.
    pub(super) fn new(id: String, label: Text, standard: String, items: Vec<CodeItem>) -> Self {
        let mut places = BTreeMap::new();
        for (place, item) in items.iter().enumerate() {
            places.entry(item.code.clone()).or_insert(place);
        }
        Self { id, label, standard, items, places }
    }

    /// The item of a code.
    pub fn item(&self, code: &str) -> Option<&CodeItem> {
        self.places.get(code).and_then(|place| self.items.get(*place))
    }
}

/// What a child of a `children` field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildKind {
    /// The kind's name.
    pub id: String,
    /// What one child is called.
    pub label: Text,
    /// The form of one child.
    pub form: ChildForm,
}

/// The value of one child key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildForm {
    /// A text of at most so many characters.
    Text {
        /// Characters.
        max: u32,
    },
    /// A code of a table.
    Code(Arc<CodeTable>),
    /// RFC 8785 JSON with these parts, replaced whole.
    Parts(Vec<ChildPart>),
}

/// One part of a child that is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildPart {
    /// The part's JSON key.
    pub key: String,
    /// What is shown.
    pub label: Text,
    /// Whether a child without it is refused.
    pub required: bool,
    /// The part's form.
    pub form: PartForm,
}

/// The form of one part of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartForm {
    /// A text of at most so many characters.
    Text {
        /// Characters.
        max: u32,
    },
    /// A code of a table.
    Code(Arc<CodeTable>),
    /// `YYYY-MM-DD`.
    Date,
    /// A whole number.
    Int,
    /// Yes or no.
    Bool,
}

/// A group of fields with one purpose: also the sections of a form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldGroup {
    /// The group's name.
    pub id: String,
    /// The section's heading.
    pub label: Text,
    /// Why these data are kept.
    pub purpose: Text,
    /// The legal basis, to be confirmed by the district's legal office.
    pub basis: Text,
    /// The notice shown or read out at the door.
    pub notice: Text,
    /// How long these data are kept.
    pub retain: Retention,
}

/// How long data are kept: a time after the record ended, or after it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Kept as long as the record has not ended; the time below starts then.
    pub while_active: bool,
    /// Months of the calendar.
    pub months: u32,
    /// Days, in addition to the months.
    pub days: u32,
}

impl Retention {
    /// Reads `while_active + 24 months`, `while_active + 30 days`, `24 months`, `30 days`.
    pub fn parse(text: &str) -> Option<Self> {
        let (while_active, period) = match text.split_once('+') {
            Some((start, period)) if start.trim() == "while_active" => (true, period),
            Some(_) => return None,
            None => (false, text),
        };
        let mut words = period.split_whitespace();
        let number = words.next()?.parse().ok()?;
        let unit = words.next()?;
        if words.next().is_some() {
            return None;
        }
        match unit {
            "months" | "month" => Some(Self { while_active, months: number, days: 0 }),
            "days" | "day" => Some(Self { while_active, months: 0, days: number }),
            _ => None,
        }
    }
}

/// What a catalog's collections may point at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Shelf {
    pub tables: BTreeMap<String, Arc<CodeTable>>,
    pub kinds: BTreeMap<String, Arc<ChildKind>>,
    pub groups: BTreeMap<String, FieldGroup>,
    /// Names a `ref` may point at: collections and registers.
    pub targets: BTreeSet<String>,
}
