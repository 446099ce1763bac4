//! merge(settled, pending): what screens see and what the next change is made on.

use std::collections::BTreeSet;

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::{Catalog, Policy};
use gridpass_core::id::{ActorId, RecordId};
use gridpass_core::record::request::REQUEST;
use gridpass_core::record::{Built, Document, Shown, ShownValues, shown_values};
use gridpass_core::value::Value;
use rusqlite::Connection;

use crate::store::pending::{self, Pending, PendingState};
use crate::store::settled::{self, Settled};
use crate::store::{Result, view};

/// A record with what is settled, what is pending, and both merged.
pub(crate) struct Loaded {
    pub record: RecordId,
    pub collection: String,
    pub settled: Option<Settled>,
    pub pending: Vec<Pending>,
    /// Settled and those pending changes that stand on it.
    pub document: Document,
    /// What is shown of `document`.
    pub shown: ShownValues,
    /// What screens show: `shown` with the edits of the changes that do not stand laid over it.
    pub screen: ShownValues,
    /// The places of the pending changes that do not stand on what is settled.
    pub fallen: Vec<i64>,
    pub office: BTreeSet<ActorId>,
}

impl Loaded {
    /// The home the record has or shall get.
    pub fn home(&self) -> Option<Bucket> {
        let pending = || self.pending.iter().find_map(|pending| pending.create_home);
        self.settled.as_ref().map(|settled| settled.home).or_else(pending)
    }

    /// The home that travels with what is pushed: only while the record is not settled.
    pub fn create_home(&self) -> Option<Bucket> {
        if self.settled.is_some() { None } else { self.home() }
    }

    /// The generation that changes are made on.
    pub fn generation(&self) -> u32 {
        self.settled.as_ref().map_or(0, |settled| settled.generation)
    }

    /// What screens show once one more change was made on it, which put these values over all that stand at their keys.
    /// Its document stays without the change.
    pub fn with(mut self, pending: Pending, puts: Vec<(String, Value)>) -> Self {
        if pending.state == PendingState::Fallen {
            self.fallen.push(pending.place);
            self.screen.extend(laid_over(&pending));
        } else {
            self.screen.extend(puts.into_iter().map(|(key, value)| (key, Shown::One(value))));
        }
        self.pending.push(pending);
        self
    }

    /// Whether the phone can write on it.
    pub fn is_writable(&self) -> bool {
        self.settled.as_ref().is_none_or(Settled::is_document)
    }
}

/// The record, if anything of it is on the phone.
pub(crate) fn load(db: &Connection, record: RecordId) -> Result<Option<Loaded>> {
    let settled = settled::get(db, record)?;
    let pending = pending::of_record(db, record)?;
    Ok(merge(record, settled, pending))
}

/// A record nobody has written yet.
pub(crate) fn new_record(record: RecordId, collection: &str) -> Loaded {
    Loaded {
        record,
        collection: collection.to_owned(),
        settled: None,
        pending: Vec::new(),
        document: Document::new(),
        shown: ShownValues::new(),
        screen: ShownValues::new(),
        fallen: Vec::new(),
        office: BTreeSet::new(),
    }
}

fn merge(record: RecordId, settled: Option<Settled>, pending: Vec<Pending>) -> Option<Loaded> {
    let from_pending = || pending.first().map(|first| first.collection.clone());
    let collection = settled.as_ref().map(|settled| settled.collection.clone()).or_else(from_pending)?;
    let mut loaded = Loaded { settled, ..new_record(record, &collection) };
    if let Some(settled) = &loaded.settled {
        loaded.shown.clone_from(&settled.shown);
        if settled.is_document() {
            // A record whose changes cannot be read shows its values and is asked for again when it is written on.
            let changes = settled.changes.iter().map(|row| row.bytes.as_slice());
            loaded.document = Document::from_changes(changes).unwrap_or_default();
            loaded.office = settled.office().into_iter().collect();
        }
    }
    let mut applied = false;
    for pending in &pending {
        if loaded.document.contains(&pending.hash) {
            continue;
        }
        match (pending.state, standing(&loaded.document, pending)) {
            (PendingState::Fallen, _) | (_, None) => loaded.fallen.push(pending.place),
            (_, Some(built)) => applied |= loaded.document.apply([built]).is_ok(),
        }
    }
    if applied {
        loaded.shown = shown_values(&loaded.document.state(), |actor| loaded.office.contains(actor));
    }
    loaded.screen = loaded.shown.clone();
    for fallen in pending.iter().filter(|pending| loaded.fallen.contains(&pending.place)) {
        loaded.screen.extend(laid_over(fallen));
    }
    loaded.pending = pending;
    Some(loaded)
}

/// What screens show of a change that does not stand: what was typed.
fn laid_over(fallen: &Pending) -> impl Iterator<Item = (String, Shown)> {
    let fields = fallen.edits.iter().filter(|edit| !edit.key.starts_with(REQUEST));
    fields.map(|edit| (edit.key.clone(), Shown::One(edit.new.clone())))
}

/// The pending change as Automerge holds it, if it stands on the document: its ancestors are there and its place in its
/// writer's count is the next.
pub(crate) fn standing(document: &Document, pending: &Pending) -> Option<Built> {
    let built = Built::from_trusted(&pending.change).ok()?;
    let fields = built.fields().ok()?;
    let next = document.last_of(fields.actor).map_or(1, |(seq, _)| seq.saturating_add(1));
    let stands = fields.actor_seq == next && fields.deps.iter().all(|hash| document.contains(hash));
    stands.then_some(built)
}

/// What is shown of a record, without loading its document.
pub(crate) fn shown(db: &Connection, record: RecordId) -> Result<Option<ShownValues>> {
    match view::shown(db, record)? {
        Some(shown) => Ok(Some(shown)),
        None => settled::shown(db, record),
    }
}

/// How concurrent values of a key are settled; requests are written once in every collection.
pub(crate) fn policy(catalog: &Catalog, collection: &str, key: &str) -> Option<Policy> {
    if key.starts_with(REQUEST) {
        return Some(Policy::Once);
    }
    catalog.collection(collection)?.key(key).map(|form| form.policy)
}
