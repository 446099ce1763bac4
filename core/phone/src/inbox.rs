//! What waits for its author: refused work, and work that would overwrite what was never seen.

use gridpass_core::catalog::{Catalog, Text};
use gridpass_core::id::{IntentId, RecordId};
use gridpass_core::record::Shown;
use gridpass_core::record::edit::Edit;
use gridpass_core::value::Value;
use gridpass_core::wire::{Intent, Reason};

use crate::edit::{author, empty, save_entry};
use crate::error::{ApiError, Problem};
use crate::merge::{self, load, new_record, policy};
use crate::outbox::Entry;
use crate::phone::Phone;
use crate::rights::Rights;
use crate::store::pending::{self, Pending, PendingState};
use crate::store::quarantine::{self, Why};
use crate::store::{draft, view};
use crate::verdicts::refresh;

/// Why work waits for its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxWhy {
    /// The server refused it; it keeps a copy that a supervisor may approve.
    Rejected,
    /// It needs a decision: it would overwrite what its author never saw, or it could not be sent.
    NeedsYou,
}

/// One piece of work that waits for its author.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxItem {
    /// Its name.
    pub id: IntentId,
    /// The record.
    pub record: RecordId,
    /// Its collection.
    pub collection: String,
    /// What the record is called, if it is on the phone.
    pub title: String,
    /// Why it waits.
    pub why: InboxWhy,
    /// The reason as a code, with the field it is about.
    pub reason: Reason,
    /// The reason in words, and what to do.
    pub text: Text,
    /// What was changed, over what was seen.
    pub edits: Vec<Edit>,
    /// What is shown now at the keys of the edits, in their order.
    pub now: Vec<Shown>,
    /// When it was made, by the phone's clock, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Phone {
    /// Everything that waits for its author, oldest first.
    pub fn inbox(&self) -> Result<Vec<InboxItem>, ApiError> {
        let catalog = self.catalog();
        Ok(self.inner.store.read(|db| {
            let mut items = Vec::new();
            for item in quarantine::all(db)? {
                let shown = merge::shown(db, item.record)?.unwrap_or_default();
                let now = |edit: &Edit| shown.get(&edit.key).cloned().unwrap_or(Shown::One(Value::Null));
                items.push(InboxItem {
                    id: item.id,
                    record: item.record,
                    title: view::get(db, item.record)?.map_or_else(String::new, |row| row.title),
                    why: if item.why == Why::Rejected { InboxWhy::Rejected } else { InboxWhy::NeedsYou },
                    text: in_words(&catalog, &item.collection, &item.reason),
                    reason: item.reason,
                    collection: item.collection,
                    now: item.edits.iter().map(now).collect(),
                    edits: item.edits,
                    at_ms: item.at_ms,
                });
            }
            Ok(items)
        })?)
    }

    /// Sends work again after its author looked at it: with a new intent and the present time, over what is shown now.
    /// `edits` says what shall be written (key, value seen now, new value); fields that are left out are given up.
    pub fn edit_and_resend(&self, id: IntentId, edits: Vec<Edit>) -> Result<RecordId, ApiError> {
        let inner = &self.inner;
        let now = inner.now()?;
        let catalog = inner.catalog();
        let item = inner.store.write(|tx| {
            let item = quarantine::get(tx, id)?.ok_or(ApiError::NotFound)?;
            let loaded = match load(tx, item.record)? {
                Some(loaded) => loaded,
                // The record was never made: it is made now.
                None if item.create_home.is_some() => new_record(item.record, &item.collection),
                None => return Err(ApiError::NotFound.into()),
            };
            let intent = inner.intent_id(now)?;
            let policy = |key: &str| policy(&catalog, &item.collection, key);
            let laid = gridpass_core::sync::reauthor(&loaded.screen, intent, &edits, policy, false);
            if !laid.needs_you.is_empty() {
                let problems = laid.needs_you.iter();
                let problems = problems.map(|(edit, error)| Problem::at(&edit.key, crate::edit::edit_code(error)));
                return Err(ApiError::Input { problems: problems.collect() }.into());
            }
            quarantine::remove(tx, id)?;
            if let Some(ticket) = &item.ticket {
                pending::release(tx, ticket)?;
            }
            if !laid.puts.is_empty() {
                let enrolment = inner.enrolment();
                let rights = Rights::new(&catalog, &enrolment.grants, enrolment.user);
                let home = loaded.home().or(item.create_home);
                let form = catalog.collection(&item.collection);
                let grant = form.zip(home).map(|(form, home)| rights.grant(form, home, &laid.puts)).transpose()?;
                let mut pending = Pending {
                    collection: item.collection.clone(),
                    create_home: loaded.create_home().or(item.create_home.filter(|_| loaded.settled.is_none())),
                    generation: loaded.generation(),
                    intent: Intent {
                        id: intent,
                        kind: item.kind,
                        at_ms: now.wall_ms,
                        monotonic_ms: now.monotonic_ms,
                        visit: item.visit,
                    },
                    edits: laid.sent,
                    grant: grant.unwrap_or_default(),
                    catalog_version: catalog.version,
                    ..empty(item.record)
                };
                if loaded.fallen.is_empty() {
                    author(&catalog, &loaded.document, inner.actor(tx)?, &laid.puts, &mut pending)?;
                } else {
                    pending.state = PendingState::Fallen;
                }
                inner.outbox_append(vec![Entry::Save(Box::new(save_entry(&pending)))])?;
                pending::add(tx, &pending)?;
            }
            refresh(tx, &catalog, item.record)?;
            Ok(item)
        })?;
        inner.give_up_files(&item)?;
        inner.outbox_trim()?;
        inner.committed();
        Ok(item.record)
    }

    /// Gives work up; the server keeps its copy of what it refused.
    pub fn discard(&self, id: IntentId) -> Result<(), ApiError> {
        let inner = &self.inner;
        let item = inner.store.write(|tx| {
            let item = quarantine::get(tx, id)?.ok_or(ApiError::NotFound)?;
            quarantine::remove(tx, id)?;
            if let Some(ticket) = &item.ticket {
                pending::release(tx, ticket)?;
            }
            Ok(item)
        })?;
        inner.give_up_files(&item)?;
        inner.outbox_trim()?;
        inner.committed();
        Ok(())
    }

    /// The draft with this name.
    pub fn draft(&self, id: IntentId) -> Result<draft::Draft, ApiError> {
        self.inner.store.read(|db| draft::get(db, id))?.ok_or(ApiError::NotFound)
    }
}

/// A reason in the words of the catalog; of those that only a defect or a forgery brings about, that it was refused.
fn in_words(catalog: &Catalog, collection: &str, reason: &Reason) -> Text {
    let text = catalog.text(&reason.code).or_else(|| catalog.text("refused")).cloned().unwrap_or_default();
    let form = catalog.collection(collection);
    let field = reason.field.as_deref().and_then(|key| form?.key(key)?.field);
    let args: Vec<_> = reason.args.iter().map(|(name, word)| (name.as_str(), Text::new(word, word))).collect();
    text.fill(args.iter().map(|(name, word)| (*name, word)).chain(field.map(|field| ("label", &field.label))))
}
