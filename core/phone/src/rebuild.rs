//! Authoring again what fell: from its edits, on what stands now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use gridpass_core::catalog::Catalog;
use gridpass_core::id::{ActorId, ChangeHash, RecordId};
use gridpass_core::record::{Built, Document, shown_values};
use gridpass_core::sync::{Event, reauthor};
use gridpass_core::wire::{Reason, Via};
use rusqlite::Transaction;

use crate::edit::{author, edit_code};
use crate::error::ApiError;
use crate::merge::{Loaded, load, policy, standing};
use crate::outbox::Entry;
use crate::phone::{Inner, Now};
use crate::store::bucket::BucketState;
use crate::store::pending::{self, Pending, PendingState};
use crate::store::quarantine::{self, Quarantined, Why};
use crate::store::{self, StoreError, bucket, settled};
use crate::verdicts::{needs_you_entry, refresh, set_aside};

impl Inner {
    /// Authors again what fell, record by record, each in its own transaction.
    pub(crate) fn reauthor(&self) -> store::Result<Event> {
        let now = self.now()?;
        let catalog = self.catalog();
        for record in self.store.read(pending::fallen_records)? {
            let rebuilt = self.store.write(|tx| {
                self.rebuild(tx, now, record)?;
                refresh(tx, &catalog, record)
            });
            match rebuilt {
                // One record that cannot be written on stops no other.
                Err(StoreError::Refused(error)) => {
                    tracing::error!(%error, "work that cannot be authored again goes to its author");
                    self.store.write(|tx| {
                        self.fallen_to_author(tx, now, pending::of_record(tx, record)?, "not_authored")?;
                        refresh(tx, &catalog, record)
                    })?;
                }
                other => other?,
            }
        }
        self.outbox_trim().map_err(StoreError::from)?;
        self.committed();
        let to_push = self.store.read(|db| pending::count(db, PendingState::Queued))? > 0;
        Ok(Event::Reauthored { to_push, new_actor: self.stale_token.load(Ordering::Acquire) })
    }

    /// Lays the record's pending work over what is settled, in the order it was made.
    pub(crate) fn rebuild(&self, tx: &Transaction<'_>, now: Now, record: RecordId) -> store::Result<()> {
        let Some(loaded) = load(tx, record)? else { return Ok(()) };
        let waits_for_own = loaded.pending.iter().any(|pending| pending.stored_hash.is_some());
        if waits_for_own || !self.can_author(tx, now, &loaded)? {
            return Ok(());
        }
        let is_current = match &loaded.settled {
            Some(settled) => bucket::get(tx, &settled.home)?.is_some_and(|held| held.cursor.epoch == settled.epoch),
            None => false,
        };
        let catalog = self.catalog();
        let actor = self.actor(tx)?;
        let mut document = settled_document(&loaded);
        let mut renamed: BTreeMap<ChangeHash, Built> = BTreeMap::new();
        for pending in &loaded.pending {
            if document.contains(&pending.hash) {
                if is_current && pending.state == PendingState::Fallen {
                    // A copy of this phone has sent it: the server says so when it is asked.
                    pending::add(tx, &Pending { state: PendingState::Queued, ..pending.clone() })?;
                }
                continue;
            }
            if pending.state != PendingState::Fallen
                && let Some(built) = standing(&document, pending)
            {
                document.apply([built]).map_err(|_| ApiError::bug("a pending change does not apply"))?;
                continue;
            }
            if pending.state == PendingState::Accepted {
                continue; // the server has it; it comes back
            }
            let old = pending.hash;
            if let Some(built) = self.lay(tx, &catalog, now, actor, &loaded, &document, &renamed, pending)? {
                renamed.insert(old, built.clone());
                document.apply([built]).map_err(|_| ApiError::bug("an authored change does not apply"))?;
            }
        }
        Ok(())
    }

    /// Whether there is something to write on. Work on a record that is not here although everything is goes to its
    /// author.
    fn can_author(&self, tx: &Transaction<'_>, now: Now, loaded: &Loaded) -> store::Result<bool> {
        if loaded.settled.is_some() || loaded.home().is_some() {
            return Ok(loaded.is_writable());
        }
        let held = bucket::all(tx)?;
        if held.is_empty() || held.iter().any(|held| held.state == BucketState::Loading) {
            return Ok(false);
        }
        self.fallen_to_author(tx, now, loaded.pending.clone(), "record_gone")?;
        Ok(false)
    }

    /// Puts what fell before its author.
    fn fallen_to_author(&self, tx: &Transaction<'_>, now: Now, of: Vec<Pending>, code: &str) -> store::Result<()> {
        for pending in of.iter().filter(|pending| pending.state == PendingState::Fallen) {
            self.to_author(tx, now, pending, &pending.edits, code)?;
            pending::remove(tx, pending.place)?;
        }
        Ok(())
    }

    /// Authors one intent again; the change, if anything is left to put.
    #[expect(clippy::too_many_arguments, reason = "one step of a loop, split off to be read")]
    fn lay(
        &self,
        tx: &Transaction<'_>,
        catalog: &Catalog,
        now: Now,
        actor: ActorId,
        loaded: &Loaded,
        document: &Document,
        renamed: &BTreeMap<ChangeHash, Built>,
        pending: &Pending,
    ) -> store::Result<Option<Built>> {
        let base = match pending.receipted {
            true => {
                let told = settled::remembered_deps(tx, loaded.record)?;
                ancestors(loaded, &told, document, renamed, actor, pending)
            }
            false => document.clone(),
        };
        let shown = shown_values(&base.state(), |actor| loaded.office.contains(actor));
        let policy = |key: &str| policy(catalog, &loaded.collection, key);
        let laid = reauthor(&shown, pending.intent.id, &pending.edits, policy, pending.receipted);
        let mut codes: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (edit, error) in laid.needs_you {
            codes.entry(edit_code(&error)).or_default().push(edit);
        }
        for (code, edits) in codes {
            self.to_author(tx, now, pending, &edits, code)?;
        }
        if laid.puts.is_empty() {
            // What it said stands already, or waits for its author: nothing of it is left to send. What stands may have
            // come from this phone before it was put back, and a server that is put back loses it.
            match laid.sent.is_empty() {
                true => pending::remove(tx, pending.place)?,
                false => self.keep_standing(tx, now, loaded, Pending { edits: laid.sent, ..pending.clone() })?,
            }
            return Ok(None);
        }
        let mut again = Pending {
            generation: loaded.generation(),
            create_home: loaded.create_home().or(pending.create_home),
            edits: laid.sent,
            state: PendingState::Queued,
            ..pending.clone()
        };
        match author(catalog, &base, actor, &laid.puts, &mut again) {
            Ok(built) => {
                pending::add(tx, &again)?;
                Ok(Some(built))
            }
            Err(ApiError::Input { problems }) => {
                let code = problems.first().map_or("record_too_large", |problem| problem.code.as_str());
                self.to_author(tx, now, pending, &again.edits, code)?;
                pending::remove(tx, pending.place)?;
                Ok(None)
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Keeps work that stands on the server already, until a backup holds as much as the phone has pulled.
    fn keep_standing(&self, tx: &Transaction<'_>, now: Now, loaded: &Loaded, pending: Pending) -> store::Result<()> {
        let held = match &loaded.settled {
            Some(settled) => bucket::get(tx, &settled.home)?.filter(|held| held.cursor.epoch == settled.epoch),
            None => None,
        };
        // What the server had before it was put back says nothing about what stands there now: this much is still to be sent.
        let Some(held) = held else { return pending::add(tx, &pending).map(drop) };
        let via = Some(Via { bucket: held.bucket, epoch: held.cursor.epoch, log_seq: held.cursor.log_seq });
        let standing = Pending { via, stored_hash: None, ..pending };
        pending::add(tx, &standing)?;
        pending::keep(tx, &standing, now.server_ms)
    }

    /// Puts edits before their author, under a new intent.
    pub(crate) fn to_author(
        &self,
        tx: &Transaction<'_>,
        now: Now,
        pending: &Pending,
        edits: &[gridpass_core::record::edit::Edit],
        code: &str,
    ) -> store::Result<()> {
        let item = Quarantined {
            id: self.intent_id(now)?,
            why: Why::NeedsYou,
            edits: edits.to_vec(),
            reason: Reason::new(code),
            ..set_aside(pending, now)
        };
        let entry: Entry = needs_you_entry(pending, &item);
        self.outbox_append(vec![entry])?;
        quarantine::add(tx, &item)
    }
}

/// What is settled, as a document.
fn settled_document(loaded: &Loaded) -> Document {
    let changes = loaded.settled.iter().flat_map(|settled| &settled.changes).map(|row| row.bytes.as_slice());
    Document::from_changes(changes).unwrap_or_default()
}

/// The part of the document that the author of a lost change had seen and the server still has, with the author's own
/// last change: what is put on it becomes an ordinary conflict with everything else.
fn ancestors(
    loaded: &Loaded,
    told: &BTreeMap<ChangeHash, Vec<ChangeHash>>,
    document: &Document,
    renamed: &BTreeMap<ChangeHash, Built>,
    actor: ActorId,
    lost: &Pending,
) -> Document {
    let settled = loaded.settled.iter().flat_map(|settled| &settled.changes).map(|row| row.bytes.as_slice());
    let pending = loaded.pending.iter().map(|pending| pending.change.as_slice());
    let built: BTreeMap<ChangeHash, Built> = settled
        .chain(pending)
        .filter_map(|bytes| Built::from_trusted(bytes).ok())
        .chain(renamed.values().cloned())
        .map(|built| (built.hash, built))
        .collect();
    let fields = |built: &Built| built.fields().map(|fields| fields.deps).unwrap_or_default();
    let deps = |hash: &ChangeHash| built.get(hash).map(fields).or_else(|| told.get(hash).cloned()).unwrap_or_default();
    let mut stack: Vec<ChangeHash> = Built::from_trusted(&lost.change)
        .and_then(|built| built.fields())
        .map(|fields| fields.deps)
        .unwrap_or_default();
    stack.extend(document.last_of(actor).map(|(_, hash)| hash));
    let mut wanted: BTreeSet<ChangeHash> = BTreeSet::new();
    let mut visited: BTreeSet<ChangeHash> = BTreeSet::new();
    while let Some(hash) = stack.pop() {
        if !visited.insert(hash) {
            continue;
        }
        stack.extend(renamed.get(&hash).map(|built| built.hash));
        stack.extend(deps(&hash));
        if document.contains(&hash) {
            wanted.insert(hash);
        }
    }
    let mut part = Document::new();
    let chosen = built.into_values().filter(|built| wanted.contains(&built.hash));
    match part.apply(chosen) {
        Ok(()) if wanted.iter().all(|hash| part.contains(hash)) => part,
        _ => document.clone(),
    }
}
