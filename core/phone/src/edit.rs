//! The way of one edit: rules, change, outbox, one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::{Catalog, Collection, Finding, Level, RuleFacts};
use gridpass_core::id::{ActorId, GrantId, GridId, IntentId, RecordId};
use gridpass_core::projection::fact;
use gridpass_core::record::check::{self, Facts, KeyRule};
use gridpass_core::record::edit::{Edit, EditError, plan};
use gridpass_core::record::request::{REQUEST, Request};
use gridpass_core::record::{Built, Change, Document, digest, plain, same};
use gridpass_core::value::{Value, Values};
use gridpass_core::wire::{self, ChangeFields, Create, Intent, IntentKind, PushItem, Reason};
use rusqlite::Transaction;

use crate::error::{ApiError, Problem};
use crate::merge::{self, Loaded, load, new_record, policy};
use crate::outbox::{Entry, Save};
use crate::phone::{Inner, Now, Phone};
use crate::project::{self, Here, project_over};
use crate::rights::Rights;
use crate::secrets::Enrolment;
use crate::store::bucket::BucketState;
use crate::store::draft::{self, Draft};
use crate::store::pending::{self, Pending, PendingState};
use crate::store::{self, bucket};

/// A form to be saved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SaveInput {
    /// The record; none makes a new one.
    pub record: Option<RecordId>,
    /// The collection of a new record; ignored for one that is there.
    pub collection: String,
    /// Every field of the form: its key, the value it was shown with, the value it has now.
    pub edits: Vec<Edit>,
    /// What kind of act it is; none for the plain edit or creation.
    pub kind: Option<IntentKind>,
    /// The visit it is part of.
    pub visit: Option<RecordId>,
    /// The grid of a new record, when the user has several; none takes the parent's, else the first.
    pub grid: Option<GridId>,
    /// The draft that this saves, forgotten in the same transaction.
    pub draft: Option<IntentId>,
}

/// What came of a save.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The record.
    pub record: RecordId,
    /// The intent; none when nothing was different and nothing was written.
    pub intent: Option<IntentId>,
    /// What the rules have to say and what did not stop the save.
    pub warnings: Vec<Problem>,
}

/// What a user does with a record.
enum Act<'a> {
    /// Fills in a form.
    Form(&'a SaveInput),
    /// Asks the server, under a write-once key.
    Request(Request, IntentKind),
    /// Writes a value over all that stands at a `latest` key.
    Overwrite(String, Value),
}

impl Phone {
    /// Saves a form; when it returns, the save is durable. A form in which nothing is different writes nothing.
    pub fn save(&self, input: SaveInput) -> Result<Saved, ApiError> {
        self.inner.act(input.record, &Act::Form(&input))
    }

    /// Makes a record from keys and values; fields that are not named start with what the catalog says.
    pub fn create(&self, collection: &str, values: Vec<(String, Value)>) -> Result<Saved, ApiError> {
        let mut values: BTreeMap<_, _> = values.into_iter().collect();
        for field in self.new_form(collection)?.fields {
            if !field.value.is_null() {
                values.entry(field.key).or_insert(field.value);
            }
        }
        let edits = values.into_iter().map(|(key, new)| Edit::new(key, Value::Null, new)).collect();
        self.save(SaveInput { collection: collection.to_owned(), edits, ..SaveInput::default() })
    }

    /// Ends a record on a day (`YYYY-MM-DD`) for a reason (a code) with more keys of the end, such as a note.
    pub fn end(
        &self,
        record: RecordId,
        day: &str,
        reason: &str,
        more: Vec<(String, Value)>,
    ) -> Result<Saved, ApiError> {
        let mut values = vec![("end/date".to_owned(), day.into()), ("end/reason".to_owned(), reason.into())];
        values.extend(more);
        self.end_keys(record, values)
    }

    /// Takes an end back.
    pub fn undo_end(&self, record: RecordId) -> Result<Saved, ApiError> {
        let shown = self.inner.shown(record)?;
        let keys = shown.into_keys().filter(|key| key.starts_with("end/"));
        self.end_keys(record, keys.map(|key| (key, Value::Null)).collect())
    }

    fn end_keys(&self, record: RecordId, values: Vec<(String, Value)>) -> Result<Saved, ApiError> {
        let shown = self.inner.shown(record)?;
        let edits = values.into_iter().map(|(key, new)| Edit::over(key.as_str(), shown.get(&key), new)).collect();
        let kind = Some(IntentKind::END);
        self.save(SaveInput { record: Some(record), edits, kind, ..SaveInput::default() })
    }

    /// Decides between the values that stand at a key; the value need not be one of them. On a key where two values are
    /// a conflict for people this asks the server, elsewhere it writes the value. `seen` are the values that were shown to
    /// whoever decides; where another stands meanwhile, nothing is decided.
    pub fn resolve(&self, record: RecordId, key: &str, value: Value, seen: Vec<Value>) -> Result<Saved, ApiError> {
        let shown = self.inner.shown(record)?;
        let Some(standing) = shown.get(key).filter(|shown| shown.is_conflict()) else {
            return Err(ApiError::input(Problem::at(key, "no_conflict")));
        };
        if standing.all().into_iter().any(|value| !seen.iter().any(|known| same(known, value))) {
            return Err(ApiError::input(Problem::at(key, "seen_changed")));
        }
        let collection = self.inner.collection_of(record)?;
        let act = match policy(&self.inner.catalog(), &collection, key) {
            Some(gridpass_core::catalog::Policy::Latest) => Act::Overwrite(key.to_owned(), value),
            _ => {
                let seen = standing.all().into_iter().map(digest).collect();
                Act::Request(Request::Resolve { key: key.to_owned(), value, seen }, IntentKind::RESOLVE)
            }
        };
        self.inner.act(Some(record), &act)
    }

    /// Confirms the value of a key without writing it again.
    pub fn still(&self, record: RecordId, key: &str) -> Result<Saved, ApiError> {
        self.inner.act(Some(record), &Act::Request(Request::Still { key: key.to_owned() }, IntentKind::STILL))
    }

    /// Stores a form that is being filled in, over what was stored under its name; durable when it returns. Without a
    /// name it gets one.
    pub fn put_draft(
        &self,
        id: Option<IntentId>,
        collection: &str,
        record: Option<RecordId>,
        edits: Vec<Edit>,
    ) -> Result<IntentId, ApiError> {
        let inner = &self.inner;
        let now = inner.now()?;
        let id = id.map_or_else(|| inner.intent_id(now), Ok)?;
        let draft = Draft {
            id,
            collection: collection.to_owned(),
            record,
            edits,
            catalog_version: inner.catalog().version,
            changed_ms: now.wall_ms,
        };
        inner.store.write(|tx| {
            inner.outbox_append(vec![Entry::Draft(Box::new(draft.clone()))])?;
            draft::put(tx, &draft)
        })?;
        inner.committed();
        Ok(id)
    }

    /// Every form that is being filled in, the one typed into last first. Drafts made from an older catalog are among
    /// them: keys are never used again for something else, so what was typed still fits.
    pub fn drafts(&self) -> Result<Vec<Draft>, ApiError> {
        Ok(self.inner.store.read(draft::all)?)
    }

    /// Forgets a draft.
    pub fn discard_draft(&self, id: IntentId) -> Result<(), ApiError> {
        let inner = &self.inner;
        inner.store.write(|tx| {
            inner.outbox_append(vec![Entry::DraftGone(id)])?;
            draft::remove(tx, id).map(|_| ())
        })?;
        inner.committed();
        Ok(())
    }
}

impl Inner {
    pub(crate) fn shown(&self, record: RecordId) -> Result<gridpass_core::record::ShownValues, ApiError> {
        self.store.read(|db| merge::shown(db, record))?.ok_or(ApiError::NotFound)
    }

    pub(crate) fn collection_of(&self, record: RecordId) -> Result<String, ApiError> {
        let row = self.store.read(|db| store::view::get(db, record))?;
        row.map(|row| row.collection).ok_or(ApiError::NotFound)
    }

    fn act(&self, record: Option<RecordId>, act: &Act<'_>) -> Result<Saved, ApiError> {
        let now = self.now()?;
        let catalog = self.catalog();
        let saved = self.store.write(|tx| {
            let loaded = match record {
                Some(record) => load(tx, record)?.ok_or(ApiError::NotFound)?,
                None => match act {
                    Act::Form(input) => new_record(RecordId::new(now.wall_ms, self.host.random()?), &input.collection),
                    _ => return Err(ApiError::NotFound.into()),
                },
            };
            self.act_on(tx, &catalog, now, loaded, act, Vec::new())
        })?;
        if saved.intent.is_some() {
            self.committed();
        }
        Ok(saved)
    }

    /// Saves a form inside a transaction, with more entries for the outbox: what must be there when the save is.
    pub(crate) fn save_with(
        &self,
        tx: &Transaction<'_>,
        catalog: &Arc<Catalog>,
        now: Now,
        input: &SaveInput,
        more: Vec<Entry>,
    ) -> store::Result<Saved> {
        let record = input.record.ok_or(ApiError::NotFound)?;
        let loaded = load(tx, record)?.ok_or(ApiError::NotFound)?;
        self.act_on(tx, catalog, now, loaded, &Act::Form(input), more)
    }

    fn act_on(
        &self,
        tx: &Transaction<'_>,
        catalog: &Arc<Catalog>,
        now: Now,
        loaded: Loaded,
        act: &Act<'_>,
        more: Vec<Entry>,
    ) -> store::Result<Saved> {
        let record = loaded.record;
        let form = catalog
            .collection(&loaded.collection)
            .ok_or_else(|| ApiError::input(Problem::of_form("unknown_collection")))?;
        if !loaded.is_writable() {
            return Err(ApiError::input(Problem::of_form("read_only")).into());
        }
        let intent = self.intent_id(now)?;
        let is_new = loaded.home().is_none();
        let (puts, edits, kind, visit) = match act {
            Act::Form(input) => {
                let mut edits = input.edits.clone();
                if is_new {
                    // A new form shows what the catalog proposes; nothing of it is written yet.
                    edits.iter_mut().for_each(|edit| edit.seen = Value::Null);
                }
                let puts = self.planned(catalog, &loaded, &edits, intent)?;
                let kind = input.kind.unwrap_or(if is_new { IntentKind::CREATE } else { IntentKind::EDIT });
                (puts, edits_of(&edits), kind, input.visit)
            }
            Act::Request(request, kind) => {
                let (key, value) = request.entry(intent);
                let edit = Edit::new(key.as_str(), Value::Null, value.clone());
                (vec![(key, value)], vec![edit], *kind, None)
            }
            Act::Overwrite(key, value) => {
                let edit = Edit::over(key.as_str(), loaded.screen.get(key), value.clone());
                (vec![(key.clone(), value.clone())], vec![edit], IntentKind::RESOLVE, None)
            }
        };
        let draft = match act {
            Act::Form(input) => input.draft,
            _ => None,
        };
        if puts.is_empty() {
            if let Some(draft) = draft {
                self.outbox_append(vec![Entry::DraftGone(draft)])?;
                draft::remove(tx, draft)?;
            }
            return Ok(Saved { record, intent: None, warnings: Vec::new() });
        }
        let Enrolment { grants, user, .. } = self.enrolment();
        let rights = Rights::new(catalog, &grants, user);
        let home = match loaded.home() {
            Some(home) => home,
            None => new_home(tx, form, act, &rights)?,
        };
        match bucket::get(tx, &home)? {
            Some(held) if held.state == BucketState::Closing => {
                return Err(ApiError::input(Problem::of_form("bucket_closing")).into());
            }
            // It lies here because something here names it.
            None if loaded.settled.is_some() => return Err(ApiError::input(Problem::of_form("read_only")).into()),
            _ => {}
        }
        let grant = rights.grant(form, home, &puts)?;
        let warnings = judged(tx, catalog, form, &loaded, &puts, kind, now)?;
        let mut pending = Pending {
            place: 0,
            record,
            collection: loaded.collection.clone(),
            generation: loaded.generation(),
            create_home: if loaded.settled.is_some() { None } else { Some(home) },
            intent: Intent { id: intent, kind, at_ms: now.wall_ms, monotonic_ms: now.monotonic_ms, visit },
            edits,
            grant,
            catalog_version: catalog.version,
            ..empty(record)
        };
        if loaded.fallen.is_empty() {
            author(catalog, &loaded.document, self.actor(tx)?, &puts, &mut pending)?;
        } else {
            // What this one is made on is authored again first, and this one after it.
            pending.state = PendingState::Fallen;
        }
        let mut entries = vec![Entry::Save(Box::new(save_entry(&pending)))];
        entries.extend(draft.map(Entry::DraftGone));
        entries.extend(more);
        self.outbox_append(entries)?;
        pending.place = pending::add(tx, &pending)?;
        if let Some(draft) = draft {
            draft::remove(tx, draft)?;
        }
        let before = loaded.screen.clone();
        let loaded = loaded.with(pending, puts);
        debug_assert_eq!(
            load(tx, record)?.map(|again| again.screen).as_ref(),
            Some(&loaded.screen),
            "what a save shows"
        );
        project_over(tx, catalog, &loaded, &before)?;
        Ok(Saved { record, intent: Some(intent), warnings })
    }

    fn planned(
        &self,
        catalog: &Catalog,
        loaded: &Loaded,
        edits: &[Edit],
        intent: IntentId,
    ) -> Result<Vec<(String, Value)>, ApiError> {
        let policy = |key: &str| policy(catalog, &loaded.collection, key);
        let mut count = 0_u8;
        let request = || {
            count = count.wrapping_add(1);
            IntentId::derived("request", &[intent.as_bytes(), &[count]])
        };
        plan(&loaded.screen, edits, policy, request).map_err(|errors| ApiError::Input {
            problems: errors.iter().map(|error| Problem::at(error.key(), edit_code(error))).collect(),
        })
    }
}

/// The home of a new record: in the grid asked for, the parent's, or the user's first that takes it.
fn new_home(tx: &Transaction<'_>, form: &Collection, act: &Act<'_>, rights: &Rights<'_>) -> store::Result<Bucket> {
    let Act::Form(input) = act else { return Err(ApiError::NotFound.into()) };
    let parent = form.parent.as_ref().and_then(|key| input.edits.iter().find(|edit| edit.key == *key));
    let parent = match parent.and_then(|edit| project::reference(&edit.new)) {
        Some(parent) => load(tx, parent)?.and_then(|parent| parent.home()).and_then(|home| home.grid()),
        None => None,
    };
    Ok(rights.home(form, input.grid, parent)?)
}

/// The code of what is wrong with an edit.
pub(crate) fn edit_code(error: &EditError) -> &'static str {
    match error {
        EditError::SeenChanged { .. } => "seen_changed",
        EditError::WrittenOnce { .. } => "written_once",
        EditError::NotWritable { .. } => "not_writable",
    }
}

/// The edits that changed something.
fn edits_of(edits: &[Edit]) -> Vec<Edit> {
    edits.iter().filter(|edit| !same(&edit.seen, &edit.new)).cloned().collect()
}

/// What goes into the outbox for a pending change.
pub(crate) fn save_entry(pending: &Pending) -> Save {
    Save {
        record: pending.record,
        collection: pending.collection.clone(),
        create_home: pending.create_home,
        intent: pending.intent.clone(),
        edits: pending.edits.clone(),
        grant: pending.grant,
        catalog_version: pending.catalog_version,
    }
}

/// A pending change that says nothing yet.
pub(crate) fn empty(record: RecordId) -> Pending {
    Pending {
        place: 0,
        record,
        collection: String::new(),
        create_home: None,
        generation: 0,
        hash: gridpass_core::id::ChangeHash::default(),
        actor: ActorId::default(),
        actor_seq: 0,
        change: Vec::new(),
        intent: Intent { id: IntentId::default(), kind: IntentKind::EDIT, at_ms: 0, monotonic_ms: 0, visit: None },
        edits: Vec::new(),
        grant: GrantId::default(),
        catalog_version: 0,
        state: PendingState::Queued,
        attempts: 0,
        receipted: false,
        stored_hash: None,
        via: None,
        ticket: None,
    }
}

/// Builds the change that puts the values on the document and writes it into the pending item.
pub(crate) fn author(
    catalog: &Catalog,
    document: &Document,
    actor: ActorId,
    puts: &[(String, Value)],
    pending: &mut Pending,
) -> Result<Built, ApiError> {
    let change = document.change_putting(actor, pending.intent.at_ms.div_euclid(1000), puts.to_vec());
    let built = change.build().map_err(|_| ApiError::bug("a change that cannot be built"))?;
    if check::device_bytes_after(&document.state(), puts) > wire::MAX_RECORD_BYTES {
        return Err(ApiError::input(Problem::of_form("record_too_large")));
    }
    (pending.hash, pending.actor, pending.actor_seq) = (built.hash, actor, change.actor_seq);
    pending.change = built.bytes().to_vec();
    if cfg!(debug_assertions) {
        self_check(catalog, document, pending, &change)?;
    }
    Ok(built)
}

/// The item as it is pushed; actors that are not in the list yet are added to it.
pub(crate) fn push_item(pending: &Pending, actors: &mut Vec<ActorId>) -> Result<PushItem, ApiError> {
    let fields = Built::from_trusted(&pending.change).and_then(|built| built.fields());
    let fields = fields.map_err(|_| ApiError::bug("a pending change that cannot be read"))?;
    let create = pending.create_home.map(|home| Create { collection: pending.collection.clone(), home });
    Ok(PushItem {
        record: pending.record,
        generation: pending.generation,
        fmt: wire::FMT_AUTOMERGE,
        create,
        change: ChangeFields::new(pending.hash, &fields, actors),
        intent: pending.intent.clone(),
        grant: pending.grant,
        catalog_version: pending.catalog_version,
    })
}

/// The server's own checks, run where a defect would be made.
fn self_check(catalog: &Catalog, document: &Document, pending: &Pending, change: &Change) -> Result<(), ApiError> {
    let mut actors = Vec::new();
    let item = push_item(pending, &mut actors)?;
    let form = catalog.collection(&pending.collection);
    let key_rule = |key: &str, value: &Value| match form.and_then(|form| form.key(key)) {
        _ if key.starts_with(REQUEST) => Ok(KeyRule { once: true }),
        None => Err(Reason::at("unknown_key", key)),
        Some(rule) => match form.map(|form| form.check_op(key, value)) {
            Some(Err(error)) => Err(Reason::at(error.code, key)),
            _ => Ok(KeyRule { once: rule.write_once() }),
        },
    };
    let facts = Facts {
        document,
        generation: (!document.is_empty()).then_some(pending.generation),
        actors: &[change.actor].into(),
        quarantined: &|_| None,
        key_rule: &key_rule,
    };
    match check::check(&item, &actors, &facts) {
        Ok(_) => Ok(()),
        Err(refusal) => {
            tracing::error!(?refusal, collection = pending.collection, "a change that the server would refuse");
            Err(ApiError::bug("a change that the server would refuse"))
        }
    }
}

/// What rules are told of the other records of this phone.
struct FactsHere<'a> {
    tx: &'a Transaction<'a>,
    own: Option<String>,
    values: &'a Values,
    now_ms: i64,
}

impl RuleFacts for FactsHere<'_> {
    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn fact(&self, name: &str) -> Value {
        fact(name, self.own.as_deref(), self.values, &Here::new(self.tx))
    }
}

/// What the catalog says of the record after the save: errors stop a form, warnings go with it.
fn judged(
    tx: &Transaction<'_>,
    catalog: &Catalog,
    form: &Collection,
    loaded: &Loaded,
    puts: &[(String, Value)],
    kind: IntentKind,
    now: Now,
) -> Result<Vec<Problem>, ApiError> {
    let written = puts.iter().filter(|(key, _)| !key.starts_with(REQUEST));
    let problem = |finding: &Finding| Problem::found(finding, catalog);
    let malformed = written.filter_map(|(key, value)| form.check_put(key, value));
    let problems: Vec<Problem> = malformed.map(|finding| problem(&finding)).collect();
    if !problems.is_empty() {
        return Err(ApiError::Input { problems });
    }
    if !matches!(kind, IntentKind::EDIT | IntentKind::CREATE | IntentKind::VISIT | IntentKind::END) {
        return Ok(Vec::new());
    }
    let mut values = plain(&loaded.screen);
    values.extend(puts.iter().cloned());
    let own = loaded.settled.as_ref().map(|_| loaded.record.to_string());
    let findings = form.check(&values, &FactsHere { tx, own, values: &values, now_ms: now.wall_ms });
    let (errors, warnings): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.level == Level::Error);
    if errors.is_empty() {
        Ok(warnings.into_iter().map(problem).collect())
    } else {
        Err(ApiError::Input { problems: errors.into_iter().map(problem).collect() })
    }
}
