//! Taking in the server's verdicts: one transaction per answer.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use gridpass_core::id::{ChangeHash, IntentId, RecordId};
use gridpass_core::sync::{Fate, fate};
use gridpass_core::wire::{Nonce, PushAnswer, Reason, Verdict, Via};
use rusqlite::Transaction;

use crate::edit::save_entry;
use crate::merge::load;
use crate::outbox::Entry;
use crate::phone::{Inner, Now};
use crate::project::{Here, project, project_settled};
use crate::store::pending::{self, Batch, Pending, PendingState};
use crate::store::quarantine::{self, Quarantined, Why};
use crate::store::{self, bucket, meta, receipt, settled, view};

impl Inner {
    /// Stores what became of a batch; says whether any item left the queue.
    pub(crate) fn take_verdicts(&self, batch: &Batch, answer: &PushAnswer) -> store::Result<bool> {
        let now = self.answered(answer.server_ms)?;
        let catalog = self.catalog();
        self.store.write(|tx| {
            let mut progress = false;
            let mut touched: Vec<RecordId> = Vec::new();
            let mut intents: BTreeMap<(RecordId, ChangeHash), IntentId> = BTreeMap::new();
            for ((place, sent), item) in batch.items.iter().zip(&answer.verdicts) {
                // Authored again or discarded since it was sent, or an answer out of order: its own verdict comes later.
                let Some(pending) = pending::at(tx, *place)?.filter(|_| item.hash == *sent) else { continue };
                if pending.record != item.record {
                    continue;
                }
                if let Verdict::Duplicate { stored, .. } = &item.verdict {
                    intents.insert((pending.record, *stored), pending.intent.id);
                }
                intents.insert((pending.record, *sent), pending.intent.id);
                let (record, was_queued) = (pending.record, pending.state == PendingState::Queued);
                let fate = match fate(sent, &item.verdict, pending.attempts) {
                    Fate::Settles(via) if pending.hash != *sent => Fate::StoredOtherwise(Some(via)),
                    Fate::Closed if pending.hash != *sent => Fate::StoredOtherwise(None),
                    _ if pending.hash != *sent && !is_stored(&item.verdict) => continue,
                    fate => fate,
                };
                let is_as_shown = was_queued && matches!(fate, Fate::Settles(_) | Fate::Closed);
                progress |= self.meet(tx, now, pending, fate, &item.verdict)?;
                // Screens show the same until what is stored comes back.
                if !is_as_shown || !pending::is_at(tx, *place)? {
                    touched.push(record);
                }
            }
            if let Some(sheet) = &answer.sheet {
                receipt::add(tx, sheet, |record, hash| intents.get(&(*record, *hash)).copied())?;
            }
            pending::close_batches(tx)?;
            touched.sort_unstable();
            touched.dedup();
            for record in touched {
                refresh(tx, &catalog, record)?;
            }
            Ok(progress)
        })
    }

    /// Does what a fate asks for; says whether the item left the queue.
    fn meet(
        &self,
        tx: &Transaction<'_>,
        now: Now,
        mut pending: Pending,
        fate: Fate,
        verdict: &Verdict,
    ) -> store::Result<bool> {
        match fate {
            Fate::Settles(via) => self.accept(tx, now, pending, Some(via)),
            Fate::Closed => self.accept(tx, now, pending, None),
            Fate::StoredOtherwise(via) => {
                if let Verdict::Duplicate { stored, .. } = verdict {
                    pending.stored_hash = Some(*stored);
                } else {
                    pending.stored_hash = Some(ChangeHash::default());
                }
                fall_after(tx, &pending)?;
                self.accept(tx, now, pending, via)
            }
            Fate::AuthorAgain { as_new_actor } => {
                // The first item of the old actor makes a new one for all.
                if as_new_actor && pending.actor == self.actor(tx)? {
                    self.new_actor(tx)?;
                }
                pending.attempts += 1;
                pending.state = PendingState::Fallen;
                fall_after(tx, &pending)?;
                pending::add(tx, &pending)?;
                Ok(false)
            }
            Fate::Quarantine { ticket, reason } => {
                self.quarantine(tx, now, &pending, Why::Rejected, Some(ticket), reason)?;
                Ok(true)
            }
            Fate::NeedsYou(code) => {
                self.quarantine(tx, now, &pending, Why::NeedsYou, None, Reason::new(code))?;
                Ok(true)
            }
            Fate::Waits(ticket) => {
                (pending.state, pending.ticket) = (PendingState::Waits, Some(ticket));
                pending::add(tx, &pending)?;
                Ok(true)
            }
            Fate::UpdateApp => {
                pending.state = PendingState::Unknown;
                pending::add(tx, &pending)?;
                Ok(true)
            }
        }
    }

    /// The server has stored it: it settles when its row comes back, or is done now.
    fn accept(&self, tx: &Transaction<'_>, now: Now, mut pending: Pending, via: Option<Via>) -> store::Result<bool> {
        (pending.state, pending.via, pending.ticket) = (PendingState::Accepted, via, None);
        pending.attempts = 0;
        pending::add(tx, &pending)?;
        let reached = match via {
            None => true,
            Some(via) => bucket::get(tx, &via.bucket)?.is_some_and(|held| {
                held.state != bucket::BucketState::Loading
                    && held.cursor.epoch == via.epoch
                    && held.cursor.log_seq >= via.log_seq
            }),
        };
        if reached {
            self.put_away(tx, now, &pending)?;
        }
        Ok(true)
    }

    /// Sets a pending item aside and rebuilds what was made on it: later edits of other fields go on under their
    /// intents, the rest waits for its author.
    fn quarantine(
        &self,
        tx: &Transaction<'_>,
        now: Now,
        pending: &Pending,
        why: Why,
        ticket: Option<gridpass_core::id::TicketId>,
        reason: Reason,
    ) -> store::Result<()> {
        let id = self.intent_id(now)?;
        let item = Quarantined { id, why, ticket, reason, ..set_aside(pending, now) };
        if why == Why::NeedsYou {
            self.outbox_append(vec![needs_you_entry(pending, &item)])?;
        }
        quarantine::add(tx, &item)?;
        pending::remove(tx, pending.place)?;
        let unmade = pending.create_home.is_some()
            && settled::get(tx, pending.record)?.is_none()
            && pending::of_record(tx, pending.record)?.iter().all(|other| other.place > pending.place);
        if unmade {
            // The record itself was refused: what was written into it waits with it.
            for later in pending::of_record(tx, pending.record)? {
                let id = self.intent_id(now)?;
                let reason = Reason::new("record_refused");
                let item = Quarantined { id, why: Why::NeedsYou, reason, ..set_aside(&later, now) };
                self.outbox_append(vec![needs_you_entry(&later, &item)])?;
                quarantine::add(tx, &item)?;
                pending::remove(tx, later.place)?;
            }
            return Ok(());
        }
        fall_after(tx, pending)?;
        self.rebuild(tx, now, pending.record)
    }

    /// Goes on writing as a new actor, because the old one's count is used elsewhere. The server is told with the next
    /// token.
    pub(crate) fn new_actor(&self, tx: &Transaction<'_>) -> store::Result<()> {
        let nonce = Nonce(self.host.random()?);
        let mut enrolment = store::locked(&self.enrolment);
        enrolment.nonces.push(nonce);
        enrolment.store(&self.host)?;
        meta::put(tx, meta::NONCE, &nonce)?;
        self.stale_token.store(true, Ordering::Release);
        tracing::warn!("this database was copied; the phone goes on as a new actor");
        Ok(())
    }
}

fn is_stored(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accepted { .. } | Verdict::Duplicate { .. })
}

/// What was made on a change that fell has fallen too, unless the server has it.
fn fall_after(tx: &Transaction<'_>, fallen: &Pending) -> store::Result<()> {
    for mut later in pending::of_record(tx, fallen.record)? {
        if later.place > fallen.place && later.state != PendingState::Accepted {
            later.state = PendingState::Fallen;
            pending::add(tx, &later)?;
        }
    }
    Ok(())
}

/// A pending item as quarantined work, without what makes it so.
pub(crate) fn set_aside(pending: &Pending, now: Now) -> Quarantined {
    Quarantined {
        id: pending.intent.id,
        record: pending.record,
        collection: pending.collection.clone(),
        create_home: pending.create_home,
        intent: pending.intent.id,
        kind: pending.intent.kind,
        at_ms: pending.intent.at_ms,
        visit: pending.intent.visit,
        edits: pending.edits.clone(),
        why: Why::NeedsYou,
        ticket: None,
        reason: Reason::new(""),
        since_ms: now.wall_ms,
    }
}

/// The outbox entry of work that needs its author: the same under its new intent.
pub(crate) fn needs_you_entry(pending: &Pending, item: &Quarantined) -> Entry {
    let mut save = save_entry(pending);
    save.intent.id = item.id;
    save.edits.clone_from(&item.edits);
    Entry::Save(Box::new(save))
}

/// Makes the rows of a record anew after what is pending on it changed; a record nothing is left of goes.
pub(crate) fn refresh(
    tx: &Transaction<'_>,
    catalog: &gridpass_core::catalog::Catalog,
    record: RecordId,
) -> store::Result<()> {
    if pending::is_on(tx, record)?
        && let Some(loaded) = load(tx, record)?
    {
        return project(tx, catalog, &loaded);
    }
    let settled = if bucket::is_member(tx, record)? { settled::get(tx, record)? } else { None };
    match settled {
        Some(settled) => project_settled(&Here::new(tx), catalog, settled, i64::MAX),
        None => {
            settled::delete(tx, record)?;
            view::delete(tx, record)
        }
    }
}
