//! From the values of a record to its rows for screens: title, order, links, search text.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use gridpass_core::catalog::{Catalog, Collection, Field, PickPart, Search, ended};
use gridpass_core::id::RecordId;
use gridpass_core::projection::{self, Linked, Records};
use gridpass_core::record::mark::{Decision, Mark};
use gridpass_core::record::{ShownValues, into_plain, plain};
use gridpass_core::{Value, Values};
use rusqlite::Connection;

use crate::merge::{self, Loaded};
use crate::store::settled::Settled;
use crate::store::view::{self, APPROVED, Projected, RETURNED, ViewRow};
use crate::store::{Result, bucket, meta};

/// How many records one after the other are named after each other at most.
const MAX_DEPTH: usize = 8;

/// Other records of this phone, for titles and search text. What it was asked for once it keeps: many records hang on
/// the same one.
pub(crate) struct Here<'a> {
    pub db: &'a Connection,
    known: RefCell<BTreeMap<RecordId, Rc<(String, Values)>>>,
}

impl<'a> Here<'a> {
    pub fn new(db: &'a Connection) -> Self {
        Self { db, known: RefCell::default() }
    }

    /// The record was written: what is known of it may be no more.
    pub fn forget(&self, record: RecordId) {
        self.known.borrow_mut().remove(&record);
    }
}

impl Records for Here<'_> {
    fn record(&self, id: &str) -> Option<Rc<(String, Values)>> {
        let record = id.parse().ok()?;
        if let Some(known) = self.known.borrow().get(&record) {
            return Some(known.clone());
        }
        // A title without its upper part is better than no title: what cannot be read is taken as not here.
        let row = view::get(self.db, record).ok()??;
        let shown = merge::shown(self.db, record).ok()??;
        let found = Rc::new((row.collection, plain(&shown)));
        self.known.borrow_mut().insert(record, found.clone());
        Some(found)
    }
}

impl Linked for Here<'_> {
    fn naming(&self, id: &str, key: &str) -> Vec<(String, Values)> {
        let Ok(record) = id.parse() else { return Vec::new() };
        // A warning that is not given is better than a save that fails.
        let links = view::links_to(self.db, record).unwrap_or_default();
        let sources = links.into_iter().filter(|(at, _)| at == key).map(|(_, source)| source);
        let shown = |source| merge::shown(self.db, source).ok().flatten();
        sources.filter_map(|source| Some((source.to_string(), plain(&shown(source)?)))).collect()
    }
}

/// Makes the rows of a record that has pending changes, or had some.
pub(crate) fn project(db: &Connection, catalog: &Catalog, loaded: &Loaded) -> Result<()> {
    project_with(db, catalog, loaded, None)
}

/// The same after a save, over the rows that were made of what was shown before it. Links and search text that are the
/// same stay as they are: to write them is much of a save.
pub(crate) fn project_over(db: &Connection, catalog: &Catalog, loaded: &Loaded, before: &ShownValues) -> Result<()> {
    project_with(db, catalog, loaded, Some(plain(before)))
}

fn project_with(db: &Connection, catalog: &Catalog, loaded: &Loaded, before: Option<Values>) -> Result<()> {
    let here = loaded.settled.is_none() || bucket::is_member(db, loaded.record)?;
    let shown = if loaded.pending.is_empty() { None } else { Some(&loaded.screen) };
    let record = Projection { before, ..Projection::of(loaded.record, &loaded.collection, &loaded.screen) };
    let way = Way { left: MAX_DEPTH, aliased: false, searchable_to: i64::MAX };
    record.write(&Here::new(db), catalog, shown, !here, way)
}

/// Makes the rows of a record as the server has it; rows with a number after `searchable_to` get their search text from
/// [`index`].
pub(crate) fn project_settled(here: &Here<'_>, catalog: &Catalog, settled: Settled, searchable_to: i64) -> Result<()> {
    let way = Way { left: MAX_DEPTH, aliased: false, searchable_to };
    let conflicts = conflicts(&settled.shown);
    let values = into_plain(settled.shown);
    Projection { record: settled.record, collection: &settled.collection, conflicts, values, before: None }
        .write(here, catalog, None, false, way)
}

/// The number after which rows may be written without their search text from now on, until [`index`] has made it.
pub(crate) fn leave_search_for_later(db: &Connection) -> Result<i64> {
    if let Some(number) = meta::get(db, meta::SEARCHABLE_TO)? {
        return Ok(number);
    }
    let number = view::last(db)?;
    meta::put(db, meta::SEARCHABLE_TO, &number)?;
    Ok(number)
}

/// Makes the search text of the next rows that were left without, at most so many; says whether others are left.
pub(crate) fn index(db: &Connection, catalog: &Catalog, limit: u32) -> Result<bool> {
    let Some(number) = meta::get(db, meta::SEARCHABLE_TO)? else { return Ok(false) };
    let rows = view::after(db, number, limit)?;
    let here = Here::new(db);
    for (number, row) in &rows {
        let form = catalog.collection(&row.collection).filter(|_| !row.hidden);
        // One that was edited since has its text already.
        view::remove_search(db, *number)?;
        if let (Some(form), Some(screen)) = (form, merge::shown(db, row.record)?) {
            view::put_search(db, *number, &projection::search_text(catalog, form, &plain(&screen), &here))?;
        }
    }
    match rows.last().filter(|_| rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX)) {
        Some((number, _)) => meta::put(db, meta::SEARCHABLE_TO, number).map(|()| true),
        None => meta::remove(db, meta::SEARCHABLE_TO).map(|()| false),
    }
}

/// How a change goes down to the records that hang on a record.
#[derive(Clone, Copy)]
struct Way {
    /// How far it may still go.
    left: usize,
    /// Whether a place above has other names, by which the places that are part of it are found too.
    aliased: bool,
    /// The number of the last row that gets its search text now.
    searchable_to: i64,
}

struct Projection<'a> {
    record: RecordId,
    collection: &'a str,
    conflicts: usize,
    values: Values,
    /// What the rows that are there were made of, where that is known.
    before: Option<Values>,
}

impl<'a> Projection<'a> {
    fn of(record: RecordId, collection: &'a str, screen: &ShownValues) -> Self {
        Self { record, collection, conflicts: conflicts(screen), values: plain(screen), before: None }
    }

    fn write(
        &self,
        here: &Here<'_>,
        catalog: &Catalog,
        stored: Option<&ShownValues>,
        hidden: bool,
        way: Way,
    ) -> Result<()> {
        let (db, values) = (here.db, &self.values);
        let form = catalog.collection(self.collection);
        let title = form.map_or_else(String::new, |form| projection::title(catalog, form, values, here).zh);
        let short = form.map_or_else(String::new, |form| projection::short_title(catalog, form, values, here).zh);
        let row = ViewRow {
            record: self.record,
            collection: self.collection.to_owned(),
            sort: form.map_or_else(String::new, |form| sort_key(form, values, &title, here)),
            short,
            title,
            parent: form.and_then(|form| form.parent.as_ref()).and_then(|key| reference(values.get(key)?)),
            ended: ended(values),
            hidden,
            conflicts: u32::try_from(self.conflicts).unwrap_or(u32::MAX),
            review: review(values),
        };
        let old = view::get_numbered(db, self.record)?;
        let known = old.as_ref().map(|(number, _)| *number);
        let aliased = way.aliased
            || form.is_some_and(|form| has_aliases(form, values))
            || old.is_some() && self.had_aliases(db, form)?;
        let number = view::put(db, &Projected { row: &row, known, shown: stored })?;
        let visible = !hidden && old.as_ref().is_some_and(|(_, old)| !old.hidden);
        let before = self.before.as_ref().filter(|_| visible);
        let named = links(values);
        if before.is_none_or(|before| links(before) != named) {
            view::put_links(db, self.record, known.is_some(), &named)?;
        }
        let renamed = old.as_ref().is_none_or(|(_, old)| (&old.title, &old.short) != (&row.title, &row.short));
        let stays = |before: &Values, form| {
            !renamed && !differing(before, values).any(|key| projection::is_found_by(form, key))
        };
        if before.zip(form).is_none_or(|(before, form)| !stays(before, form)) {
            if known.is_some() {
                view::remove_search(db, number)?;
            }
            if let Some(form) = form.filter(|_| !hidden && number <= way.searchable_to) {
                view::put_search(db, number, &projection::search_text(catalog, form, values, here))?;
            }
        }
        match way.left.checked_sub(1) {
            Some(left) if renamed || aliased => {
                self.write_dependents(here, catalog, renamed, Way { left, aliased, ..way })
            }
            _ => Ok(()),
        }
    }

    /// Whether pending changes gave it other names: they may be gone now.
    fn had_aliases(&self, db: &Connection, form: Option<&Collection>) -> Result<bool> {
        let Some(form) = form.filter(|form| aliases(form).next().is_some()) else { return Ok(false) };
        Ok(view::shown(db, self.record)?.is_some_and(|shown| has_aliases(form, &plain(&shown))))
    }

    /// Makes again the rows of records that are named after this one, or are found by its other names.
    fn write_dependents(&self, here: &Here<'_>, catalog: &Catalog, renamed: bool, way: Way) -> Result<()> {
        let db = here.db;
        for (key, source) in view::links_to(db, self.record)? {
            let Some(row) = view::get(db, source)? else { continue };
            let Some(form) = catalog.collection(&row.collection) else { continue };
            let mut picks = form.title.picks().chain(form.short.picks());
            let named = picks.any(|pick| pick.field == key && matches!(pick.part, PickPart::Title | PickPart::Short));
            let hangs = form.parent.as_ref() == Some(&key);
            let part = hangs && way.aliased && row.collection == self.collection;
            if !(part || renamed && (named || hangs)) {
                continue;
            }
            let stored = view::shown(db, source)?;
            let Some(screen) = merge::shown(db, source)? else { continue };
            let dependent = Projection::of(source, &row.collection, &screen);
            let way = Way { aliased: part, ..way };
            dependent.write(here, catalog, stored.as_ref(), row.hidden, way)?;
        }
        Ok(())
    }
}

/// The keys at which something else stands.
fn differing<'a>(before: &'a Values, values: &'a Values) -> impl Iterator<Item = &'a String> {
    let written = values.iter().filter(|(key, value)| before.get(*key) != Some(*value)).map(|(key, _)| key);
    written.chain(before.keys().filter(|key| !values.contains_key(*key)))
}

/// At how many keys different values stand.
fn conflicts(screen: &ShownValues) -> usize {
    screen.values().filter(|shown| shown.is_conflict()).count()
}

/// The fields of a place that hold its other names.
fn aliases(form: &Collection) -> impl Iterator<Item = &Field> {
    form.fields.iter().filter(|field| field.search == Some(Search::Address) && !field.field_type.is_scalar())
}

/// Whether there are other names, or were: what is taken back leaves its key.
fn has_aliases(form: &Collection, values: &Values) -> bool {
    aliases(form).any(|field| {
        let prefix = format!("{}/", field.key);
        values.range(prefix.clone()..).next().is_some_and(|(key, _)| key.starts_with(&prefix))
    })
}

/// By what lists are ordered: addresses as one walks, people by the sound of their names, the rest by their titles.
fn sort_key(form: &Collection, values: &Values, title: &str, records: &dyn Records) -> String {
    let named = |form: &Collection| form.field("name").and_then(|field| field.search) == Some(Search::Name);
    match form.id.as_str() {
        "address" => projection::place_key(form, values, records),
        _ if named(form) => projection::name_key(title),
        _ => projection::natural_key(title),
    }
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

/// The supervisor's last word: returned while something that was returned stands as it was; approved whatever was edited
/// since; neither where what was returned was written again and nobody has looked.
fn review(values: &Values) -> u8 {
    let mut approved = false;
    let mut answered = false;
    for (key, mark) in Mark::all(values) {
        match mark.decision {
            Decision::Returned if !mark.changed_since(key, values) => return RETURNED,
            Decision::Returned => answered = true,
            Decision::Approved => approved |= key.is_empty(),
        }
    }
    if approved && !answered { APPROVED } else { 0 }
}

/// The FTS5 expression for what was typed; none when nothing in it can be looked for.
pub(crate) fn search_expression(typed: &str) -> Option<String> {
    projection::fts5_query(&projection::query_terms(typed))
}
