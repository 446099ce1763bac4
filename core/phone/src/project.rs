//! From the values of a record to its rows for screens: title, order, links, search text.

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::{Catalog, Collection, PickPart, Piece, Template, ended};
use gridpass_core::id::RecordId;
use gridpass_core::record::{Shown, ShownValues, plain};
use gridpass_core::{Value, Values};
use rusqlite::Connection;

use crate::merge::Loaded;
use crate::store::view::{self, APPROVED, Projected, RETURNED, ViewRow};
use crate::store::{Result, bucket};

/// The key of a supervisor's word about the whole record.
const MARK: &str = "s/r/";

/// Makes the rows of a record that has pending changes, or had some.
pub(crate) fn project(db: &Connection, catalog: &Catalog, loaded: &Loaded) -> Result<()> {
    let here = loaded.settled.is_none() || bucket::is_member(db, loaded.record)?;
    let shown = if loaded.pending.is_empty() { None } else { Some(&loaded.screen) };
    write(db, catalog, loaded.record, &loaded.collection, &loaded.screen, shown, !here)
}

/// Makes the rows of a record as the server has it.
pub(crate) fn project_settled(
    db: &Connection,
    catalog: &Catalog,
    record: RecordId,
    collection: &str,
    shown: &ShownValues,
) -> Result<()> {
    write(db, catalog, record, collection, shown, None, false)
}

fn write(
    db: &Connection,
    catalog: &Catalog,
    record: RecordId,
    collection: &str,
    shown: &ShownValues,
    stored: Option<&ShownValues>,
    hidden: bool,
) -> Result<()> {
    let values = plain(shown);
    let form = catalog.collection(collection);
    let title = form.map_or_else(String::new, |form| title(form, &form.title, &values));
    let short = form.map_or_else(String::new, |form| self::title(form, &form.short, &values));
    let parent = form.and_then(|form| form.parent.as_ref()).and_then(|key| reference(values.get(key)?));
    let row = ViewRow {
        record,
        collection: collection.to_owned(),
        sort: sort_key(&title),
        short: if short.is_empty() { title.clone() } else { short },
        title,
        parent,
        ended: ended(&values),
        hidden,
        conflicts: u32::try_from(shown.values().filter(|shown| Shown::is_conflict(shown)).count()).unwrap_or(u32::MAX),
        review: review(&values),
    };
    let search = form.map_or_else(String::new, |form| search_text(form, &values, &row.title));
    view::put(db, &Projected { row: &row, shown: stored, links: &links(&values), search: &search })
}

/// The record a value names.
pub(crate) fn reference(value: &Value) -> Option<RecordId> {
    value.as_str()?.parse().ok()
}

/// Every record the values name: by a reference, or by an element of a set that is not taken out.
fn links(values: &Values) -> Vec<(String, RecordId)> {
    let mut links = Vec::new();
    for (key, value) in values.iter().filter(|(key, _)| !key.starts_with("s/") && !key.starts_with("t/")) {
        if let Some(target) = reference(value) {
            links.push((key.clone(), target));
        }
        let element = key.rsplit('/').next().filter(|element| *element != key).and_then(|element| element.parse().ok());
        if let Some(target) = element.filter(|_| !matches!(value, Value::Null | Value::Bool(false))) {
            links.push((key.split('/').next().unwrap_or_default().to_owned(), target));
        }
    }
    links
}

/// The supervisor's last word.
fn review(values: &Values) -> u8 {
    let mark = values.get(MARK).and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
    let decision = mark.as_ref().and_then(|mark: &serde_json::Value| mark.get("decision")?.as_str());
    match decision {
        Some("approved") => APPROVED,
        Some("returned") => RETURNED,
        _ => 0,
    }
}

fn title(form: &Collection, template: &Template, values: &Values) -> String {
    let pick = |pick: &gridpass_core::catalog::Pick| {
        let value = values.get(&pick.field)?;
        let text = match value {
            Value::Str(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            Value::Bool(_) | Value::Null => return None,
        };
        match pick.part {
            PickPart::Value => {
                let table = form.field(&pick.field).and_then(|field| field.field_type.table());
                Some(table.and_then(|table| table.item(&text)).map_or(text, |item| item.label.zh.clone()))
            }
            PickPart::Number => Some(text.chars().filter(char::is_ascii_digit).collect()),
            PickPart::Title | PickPart::Short => None,
        }
    };
    let mut title = String::new();
    for piece in &template.pieces {
        match piece {
            Piece::Literal(text) => title.push_str(text),
            Piece::Placeholder(picks) => title.push_str(&picks.iter().find_map(pick).unwrap_or_default()),
        }
    }
    title.trim().to_owned()
}

/// Text in which numbers are in order of their size: `3-2-10` comes after `3-2-9`.
fn sort_key(text: &str) -> String {
    let mut key = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            let significant = digits.trim_start_matches('0');
            key.push_str(&format!("{:02}{significant}", significant.len()));
            digits.clear();
        }
        if c != '\0' {
            key.push(c);
        }
    }
    key
}

fn search_text(form: &Collection, values: &Values, title: &str) -> String {
    let texts = form.fields.iter().filter(|field| field.search.is_some());
    let mut words: Vec<String> = cut(title);
    for field in texts {
        for (key, value) in values {
            if (key == &field.key || key.split('/').next() == Some(field.key.as_str()))
                && let Some(text) = value.as_str()
            {
                words.extend(cut(text));
            }
        }
    }
    words.sort_unstable();
    words.dedup();
    words.join(" ")
}

/// Single characters, neighbouring pairs, and runs of letters and digits with their tails.
fn cut(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut run = String::new();
    let mut before: Option<char> = None;
    for c in text.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() {
            run.extend(c.to_lowercase());
            before = None;
            continue;
        }
        if !run.is_empty() {
            if run.len() > 4 {
                words.extend(run.len().checked_sub(4).and_then(|at| run.get(at..)).map(str::to_owned));
            }
            words.push(std::mem::take(&mut run));
        }
        if c.is_alphanumeric() {
            words.push(c.to_string());
            words.extend(before.map(|before| [before, c].iter().collect()));
            before = Some(c);
        } else {
            before = None;
        }
    }
    words
}

/// The FTS5 expression for what was typed: every word must be found, the last one by its beginning.
pub(crate) fn search_expression(typed: &str) -> Option<String> {
    let mut words = Vec::new();
    for word in typed.split_whitespace() {
        let mut chars: Vec<String> = cut(word);
        if chars.len() > 1 {
            chars.retain(|word| word.chars().count() > 1 || word.is_ascii());
        }
        words.extend(chars);
    }
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{}\"*", word.replace('"', ""))).collect();
    if quoted.is_empty() { None } else { Some(quoted.join(" AND ")) }
}

/// Whether the collection's records lie in a bucket of this class, as a name of the bucket of a grid or a user.
pub(crate) fn home(
    form: &Collection,
    grid: Option<gridpass_core::id::GridId>,
    user: gridpass_core::id::UserId,
) -> Option<Bucket> {
    use gridpass_core::catalog::BucketClass;
    match form.bucket {
        BucketClass::Place => grid.map(Bucket::Place),
        BucketClass::Base => grid.map(Bucket::Base),
        BucketClass::Restricted => grid.map(Bucket::Restricted),
        BucketClass::User => Some(Bucket::User(user)),
        BucketClass::District => None,
    }
}
