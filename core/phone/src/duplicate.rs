//! Records that a new one would repeat, shown while it is typed. A hit is a hint and stops nothing: the catalog says
//! which fields together should be found once, and the server looks through the whole district later.

use std::collections::BTreeMap;

use gridpass_core::catalog::{Catalog, Collection, Duplicate, Field, FieldType, Policy, RuleFacts, Search};
use gridpass_core::id::RecordId;
use gridpass_core::projection::{self, fold, same_name};
use gridpass_core::record::edit::Edit;
use gridpass_core::record::{plain, same};
use gridpass_core::{Value, Values};
use rusqlite::Connection;

use crate::error::{ApiError, Problem};
use crate::phone::Phone;
use crate::project::{Here, reference, search_expression};
use crate::read::{RowView, row_view};
use crate::store::view::{self, Select, ViewRow};
use crate::store::{self, under};

/// The most hits of one search that are looked at.
const MOST: u32 = 1000;

impl Phone {
    /// The records of this phone that a new record with these values would repeat, by the catalog's `duplicates`, in
    /// order. Fields that are not named stand as the catalog proposes them; what has ended is no duplicate.
    pub fn duplicates(&self, collection: &str, edits: Vec<Edit>) -> Result<Vec<RowView>, ApiError> {
        let catalog = self.inner.catalog();
        let form =
            catalog.collection(collection).ok_or_else(|| ApiError::input(Problem::of_form("unknown_collection")))?;
        let proposed = form.fields.iter().filter_map(|field| Some((field.record_key()?, field.default.clone()?)));
        let mut values: Values = proposed.collect();
        values.extend(edits.into_iter().map(|edit| (edit.key, edit.new)));
        let now_ms = self.inner.now()?.wall_ms;
        Ok(self.inner.store.read(|db| {
            let mut found = BTreeMap::new();
            let typed = Typed { db, catalog: &catalog, form, values: &values, now_ms };
            for duplicate in &form.duplicates {
                for row in typed.hits(duplicate)? {
                    found.insert((row.sort.clone(), row.record), row);
                }
            }
            found.into_values().map(|row| row_view(db, row)).collect()
        })?)
    }
}

/// A record that is being typed.
struct Typed<'a> {
    db: &'a Connection,
    catalog: &'a Catalog,
    form: &'a Collection,
    values: &'a Values,
    now_ms: i64,
}

impl Typed<'_> {
    fn hits(&self, duplicate: &Duplicate) -> store::Result<Vec<ViewRow>> {
        let title = projection::title(self.catalog, self.form, self.values, &Here::new(self.db)).zh;
        let wanted: Vec<(&Field, Value)> = duplicate
            .fields
            .iter()
            .filter_map(|key| self.form.field(key))
            .filter_map(|field| Some((field, value(field, self.values, &title)?)))
            .collect();
        if wanted.is_empty() || wanted.len() < duplicate.fields.len() || !self.counts(duplicate, self.values) {
            return Ok(Vec::new());
        }
        let mut hits = Vec::new();
        for row in self.candidates(&wanted)? {
            let Some(full) = under::get(self.db, row.record)? else { continue };
            let values = plain(&full.shown);
            let equal = |(field, wanted): &(&Field, Value)| {
                value(field, &values, &row.title).is_some_and(|value| equal(field, &value, wanted))
            };
            if wanted.iter().all(equal) && self.counts(duplicate, &values) {
                hits.push(row);
            }
        }
        Ok(hits)
    }

    /// Records that may be hits, by the field that the phone finds fastest.
    fn candidates(&self, wanted: &[(&Field, Value)]) -> store::Result<Vec<ViewRow>> {
        let is_reference = |field: &Field| matches!(field.field_type, FieldType::Ref { .. });
        let mut rows = if let Some((field, target)) = wanted.iter().find(|(field, _)| is_reference(field)) {
            self.naming(&field.key, reference(target))?
        } else if let Some(expression) = wanted.iter().find_map(|(field, value)| expression(field, value)) {
            view::search(self.db, &expression, Some(&self.form.id), MOST)?
        } else {
            let all = Select { collection: Some(self.form.id.clone()), limit: u32::MAX, ..Select::default() };
            view::select(self.db, &all)?
        };
        rows.retain(|row| row.collection == self.form.id && !row.ended && !row.hidden);
        Ok(rows)
    }

    fn naming(&self, key: &str, target: Option<RecordId>) -> store::Result<Vec<ViewRow>> {
        let Some(target) = target else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        for (_, source) in view::links_to(self.db, target)?.into_iter().filter(|(found, _)| found == key) {
            rows.extend(view::get(self.db, source)?);
        }
        Ok(rows)
    }

    /// Whether a record with these values counts for the definition.
    fn counts(&self, duplicate: &Duplicate, values: &Values) -> bool {
        let facts = Known { db: self.db, values, now_ms: self.now_ms };
        duplicate.when.as_ref().is_none_or(|when| self.form.holds(when, values, &facts))
    }
}

/// What this phone knows of other records.
struct Known<'a> {
    db: &'a Connection,
    values: &'a Values,
    now_ms: i64,
}

impl RuleFacts for Known<'_> {
    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn fact(&self, name: &str) -> Value {
        let upper = match name {
            "address_level" => "address_id",
            "parent_level" => "parent_id",
            _ => return Value::Null,
        };
        let address = self.values.get(upper).and_then(reference);
        // What cannot be read is taken as not here.
        let address = address.and_then(|address| under::get(self.db, address).ok().flatten());
        address.and_then(|address| Some(address.shown.get("level")?.value().clone())).unwrap_or_default()
    }
}

/// What stands in a field; of the one computed field that is compared, the full address, the title.
fn value(field: &Field, values: &Values, title: &str) -> Option<Value> {
    let value = match field.policy {
        Policy::Computed if field.key == "full_text" => Value::from(title),
        _ => values.get(&field.record_key()?)?.clone(),
    };
    Some(value).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

fn equal(field: &Field, left: &Value, right: &Value) -> bool {
    match (field.search, left, right) {
        (Some(Search::Name), Value::Str(left), Value::Str(right)) => same_name(left, right),
        (Some(Search::Number), Value::Str(left), Value::Str(right)) => number(left) == number(right),
        _ => same(left, right),
    }
}

/// How the field's value is searched; none for a field that is in no search text.
fn expression(field: &Field, value: &Value) -> Option<String> {
    let text = value.as_str()?;
    match field.search? {
        Search::Number => search_expression(&number(text)),
        _ => search_expression(text),
    }
}

/// A number without the spaces and dashes people put into it.
fn number(text: &str) -> String {
    fold(text).chars().filter(|c| c.is_alphanumeric()).collect()
}
