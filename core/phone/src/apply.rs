//! Taking in what was pulled: one transaction per page with its cursor, no document loaded unless something is pending.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SendError, SyncSender};

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::Catalog;
use gridpass_core::id::{BlobHash, DeviceId, GridId, IntentId, RecordId};
use gridpass_core::record::edit::Edit;
use gridpass_core::record::request::Request;
use gridpass_core::record::{self, Built};
use gridpass_core::sync::Event;
use gridpass_core::wire::{
    self, BucketPage, ChangeRow, Cursor, Granted, PullAnswer, PullRequest, Role, RowKind, Touched, WireError,
};
use rusqlite::{Connection, Transaction};

use crate::edit::save_entry;
use crate::error::ApiError;
use crate::merge::load;
use crate::outbox::Entry;
use crate::phone::{CATALOG, Inner, Now};
use crate::project::{Here, index, leave_search_for_later, project, project_settled};
use crate::store::bucket::{BucketState, HeldBucket};
use crate::store::pending::{self, Pending, PendingState};
use crate::store::settled::{self, Settled};
use crate::store::{self, bucket, locked, meta, quarantine, view};
use crate::syncing::PULL_ANSWER;
use crate::verdicts::refresh;

/// How long own changes are kept at least after they settled, in milliseconds of the server's clock.
pub(crate) const KEEP_MS: i64 = 30 * 86_400_000;
/// How many records of a pack are unpacked ahead of those that are being stored.
const PART: usize = 50;
/// How many rows get their search text in one transaction.
const INDEXED_AT_ONCE: u32 = 1000;
/// How often a sync starts a bucket again because its checksum differs.
const MAX_RESTARTS: u32 = 2;

/// What one page or pack did, and what it looks out for.
#[derive(Default)]
struct Taken {
    /// Whether there is pending work at all.
    any_pending: bool,
    /// The intents that the server refused.
    refused: BTreeSet<IntentId>,
    /// Records whose pending work has to be merged anew.
    touched: BTreeSet<RecordId>,
    /// Whether the database turned out to be a copy.
    forked: bool,
    catalog: bool,
    /// The number of the last row that gets its search text at once.
    searchable_to: i64,
}

/// Some records of a pack, in its order.
struct Part {
    bucket: Bucket,
    records: Vec<Touched>,
    /// The pack's name, with its last records.
    ends: Option<BlobHash>,
}

impl Taken {
    fn look_out(tx: &Transaction<'_>) -> store::Result<Self> {
        let (any_pending, refused) = (pending::is_any(tx)?, quarantine::refused(tx)?);
        Ok(Self { any_pending, refused, searchable_to: i64::MAX, ..Self::default() })
    }

    /// Whether work is pending on the record.
    fn is_pending(&self, tx: &Connection, record: RecordId) -> store::Result<bool> {
        Ok(self.any_pending && pending::is_on(tx, record)?)
    }
}

impl Inner {
    /// Stores what was pulled and says how to go on.
    pub(crate) fn take_pull(&self, request: &PullRequest, answer: PullAnswer) -> store::Result<Event> {
        let now = self.answered(answer.server_ms)?;
        let catalog = self.catalog();
        let mut progress = self.take_scope(now, &catalog, &answer)?;
        let (mut more, mut new_catalog) = (false, false);
        for page in answer.pages {
            let (moves, is_more) = (page.to.is_some(), page.more);
            let taken = self.store.write(|tx| self.take_page(tx, now, &catalog, page))?;
            if let Some(taken) = taken {
                progress |= moves;
                more |= is_more;
                new_catalog |= taken.catalog;
            }
        }
        self.store.write(|tx| self.take_whole(tx, &catalog, request, answer.whole.unwrap_or_default()))?;
        let packs = self.store.read(bucket::is_pack_missing)?;
        if !more && !packs {
            let (restarted, swept) = self.store.write(|tx| self.compare(tx, now, &catalog))?;
            more |= restarted;
            progress |= restarted;
            new_catalog |= swept;
        }
        if new_catalog {
            self.renew_catalog()?;
        }
        let next_sync_after_ms = answer.next_sync_after_ms;
        Ok(Event::Pulled { progress, more, packs, next_sync_after_ms })
    }

    /// Stores packs, each with its bucket, name and bytes, in one transaction; says whether others are missing. Without
    /// power the packs are missing again, so the disk is not waited for.
    pub(crate) fn take_packs(&self, packs: Vec<(Bucket, BlobHash, Vec<u8>)>) -> store::Result<bool> {
        let now = self.now()?;
        let catalog = self.catalog();
        let (new_catalog, more) = std::thread::scope(|scope| {
            // While records are stored, the next are unpacked, few at a time: a whole pack would take much memory.
            let (sender, unpacked) = std::sync::mpsc::sync_channel(1);
            scope.spawn(move || packs.into_iter().try_for_each(|pack| unpack(pack, &sender)));
            self.store.write_unhurried(|tx| {
                let searchable_to = leave_search_for_later(tx)?;
                let mut taken = Taken { searchable_to, ..Taken::look_out(tx)? };
                for part in unpacked {
                    let part = part.map_err(|_| ApiError::bug("a pack that cannot be read"))?;
                    self.take_part(tx, now, &catalog, part, &mut taken)?;
                }
                self.finish_taking(tx, &catalog, &mut taken)?;
                Ok((taken.catalog, bucket::is_pack_missing(tx)?))
            })
        })?;
        if new_catalog {
            self.renew_catalog()?;
        }
        Ok(more)
    }

    /// Makes the search text of some of the rows that packs brought, in one transaction; says whether others are left.
    pub(crate) fn index(&self) -> store::Result<bool> {
        if self.store.read(|db| meta::get::<i64>(db, meta::SEARCHABLE_TO))?.is_none() {
            return Ok(false);
        }
        let catalog = self.catalog();
        self.store.write_unhurried(|tx| index(tx, &catalog, INDEXED_AT_ONCE))
    }

    fn take_part(
        &self,
        tx: &Transaction<'_>,
        now: Now,
        catalog: &Catalog,
        part: Part,
        taken: &mut Taken,
    ) -> store::Result<()> {
        let bucket = &part.bucket;
        let held = bucket::get(tx, bucket)?;
        let here = Here::new(tx);
        for touched in part.records {
            if let Some(held) = &held {
                self.take_record(&here, catalog, Some(held), RowKind::PUT, touched, taken)?;
            }
        }
        let Some(hash) = part.ends else { return Ok(()) };
        bucket::pack_done(tx, bucket, &hash)?;
        let Some(mut held) = held else { return Ok(()) };
        if held.state == BucketState::Loading && bucket::missing_packs(tx, bucket)? == 0 {
            (held.state, held.unchecked) = (BucketState::Open, true);
            bucket::put(tx, &held)?;
            self.settle(tx, now, &held, taken)?;
        }
        Ok(())
    }

    /// Buckets that came, are about to go, and went.
    fn take_scope(&self, now: Now, catalog: &Catalog, answer: &PullAnswer) -> store::Result<bool> {
        let granted = answer.granted.as_deref().unwrap_or_default();
        let closing = answer.closing.as_deref().unwrap_or_default();
        let removed = answer.removed.as_deref().unwrap_or_default();
        // A bucket without a cursor is granted by every answer for as long as the phone may hold it.
        let held = self.store.read(bucket::all)?;
        let is_granted = |held: &HeldBucket| granted.iter().any(|granted| granted.bucket == held.bucket);
        let lost: Vec<_> = held.iter().filter(|held| held.state == BucketState::Loading && !is_granted(held)).collect();
        if granted.is_empty() && closing.is_empty() && removed.is_empty() && lost.is_empty() {
            return Ok(false);
        }
        let before = grids(&held);
        let epoch = granted.first().map(|granted| granted.as_of.epoch);
        let was_put_back = epoch.is_some_and(|epoch| held.iter().any(|held| held.cursor.epoch != epoch));
        self.store.write(|tx| {
            if was_put_back && pending::requeue_of_left(tx)? > 0 {
                self.write_again(tx)?;
            }
            for number in removed {
                if let Some(held) = bucket::by_number(tx, *number)? {
                    self.give_up(tx, catalog, &held, epoch)?;
                }
            }
            for held in &lost {
                self.give_up(tx, catalog, held, epoch)?;
            }
            for closing in closing {
                if let Some(mut held) = bucket::by_number(tx, closing.number)? {
                    (held.state, held.closing_until_ms) = (BucketState::Closing, Some(closing.until_ms));
                    bucket::put(tx, &held)?;
                }
            }
            for granted in granted {
                self.take_granted(tx, now, granted)?;
            }
            // A server that was put back gives numbers out again: whoever still has one of them is not known there.
            for held in bucket::all(tx)? {
                let is_of_another = |granted: &Granted| granted.number == held.number && granted.bucket != held.bucket;
                if Some(held.cursor.epoch) != epoch && granted.iter().any(is_of_another) {
                    self.give_up(tx, catalog, &held, epoch)?;
                }
            }
            let after = grids(&bucket::all(tx)?);
            if before != after {
                let mut enrolment = locked(&self.enrolment);
                enrolment.grants.retain(|grant| after.contains(&grant.grid) || !before.contains(&grant.grid));
                enrolment.store(&self.host)?;
                // The grants of a grid that is new come with the next token.
                let named = |grid: &GridId| enrolment.grants.iter().any(|grant| grant.grid == *grid);
                if !after.iter().all(named) {
                    self.stale_token.store(true, Ordering::Release);
                }
            }
            Ok(!granted.is_empty() || !removed.is_empty() || !lost.is_empty())
        })
    }

    /// A bucket to start; one that the phone holds already is started again, and every own change it keeps is sent again.
    fn take_granted(&self, tx: &Transaction<'_>, now: Now, granted: &Granted) -> store::Result<()> {
        let known = bucket::get(tx, &granted.bucket)?;
        let mut held = HeldBucket {
            bucket: granted.bucket,
            number: granted.number,
            state: BucketState::Loading,
            cursor: granted.as_of,
            durable_seq: 0,
            closing_until_ms: None,
            load: known.map_or(1, |known| known.load),
            unchecked: true,
        };
        let goes_on =
            known.is_some_and(|known| known.state == BucketState::Loading && known.cursor.epoch == granted.as_of.epoch);
        // Also one that was only being fetched may have been whole before, with own changes in it.
        let is_other = |known: HeldBucket| known.cursor.epoch != granted.as_of.epoch;
        if let Some(known) = known.filter(|known| known.state != BucketState::Loading || is_other(*known)) {
            held.load += 1;
            // What was told in another epoch is replaced as it is: to mark every record would write all of them twice.
            if known.cursor.epoch == granted.as_of.epoch {
                bucket::distrust(tx, &granted.bucket)?;
            }
            self.send_own_again(tx, &granted.bucket)?;
        }
        bucket::put_packs(tx, &granted.bucket, &granted.packs, !goes_on)?;
        if bucket::missing_packs(tx, &granted.bucket)? == 0 {
            held.state = BucketState::Open;
        }
        bucket::put(tx, &held)?;
        let mut taken = Taken::look_out(tx)?;
        self.settle(tx, now, &held, &mut taken)?;
        self.finish_taking(tx, &self.catalog(), &mut taken)
    }

    /// A bucket that this phone may not hold any more, or that a server which was put back has never had. What the phone
    /// keeps of its own is sent again to such a server.
    fn give_up(
        &self,
        tx: &Transaction<'_>,
        catalog: &Catalog,
        held: &HeldBucket,
        epoch: Option<u64>,
    ) -> store::Result<()> {
        if epoch.is_some_and(|epoch| epoch != held.cursor.epoch) {
            bucket::distrust(tx, &held.bucket)?;
            self.send_own_again(tx, &held.bucket)?;
        }
        bucket::delete(tx, &held.bucket)?;
        sweep_orphans(tx, catalog)
    }

    /// Queues every own change of the bucket that the phone keeps, with what each was made on.
    fn send_own_again(&self, tx: &Transaction<'_>, bucket: &Bucket) -> store::Result<()> {
        if pending::requeue(tx, bucket)? > 0 {
            self.write_again(tx)?;
        }
        Ok(())
    }

    /// Puts into the outbox what was queued again, and notes what each was made on.
    fn write_again(&self, tx: &Transaction<'_>) -> store::Result<()> {
        let again: Vec<_> = pending::to_send(tx, usize::MAX)?.into_iter().filter(|own| own.receipted).collect();
        self.outbox_append(again.iter().map(|own| Entry::Save(Box::new(save_entry(own)))).collect())?;
        let records: BTreeSet<_> = again.iter().map(|own| own.record).collect();
        for record in records {
            if let Some(settled) = settled::get(tx, record)? {
                settled::remember_deps(tx, &settled)?;
            }
        }
        Ok(())
    }

    /// Keeps an own change that is stored on the server; what its intent does not hold there goes to its author.
    pub(crate) fn put_away(&self, tx: &Transaction<'_>, now: Now, own: &Pending) -> store::Result<()> {
        let left = left_out(tx, own)?;
        if !left.is_empty() {
            self.to_author(tx, now, own, &left, "seen_changed")?;
            let edits = own.edits.iter().filter(|edit| !left.contains(edit)).cloned().collect();
            pending::add(tx, &Pending { edits, ..own.clone() })?;
        }
        pending::keep(tx, own, now.server_ms)
    }

    /// Own changes whose row the bucket's cursor has reached are settled; those of an epoch that is over are sent again.
    fn settle(&self, tx: &Transaction<'_>, now: Now, held: &HeldBucket, taken: &mut Taken) -> store::Result<()> {
        if held.state == BucketState::Loading {
            return Ok(());
        }
        for own in pending::reached(tx, &held.bucket, held.cursor.epoch, held.cursor.log_seq)? {
            taken.touched.insert(own.record);
            if own.via.is_some_and(|via| via.epoch == held.cursor.epoch) {
                self.put_away(tx, now, &own)?;
            } else {
                let again =
                    Pending { state: PendingState::Queued, via: None, stored_hash: None, receipted: true, ..own };
                pending::add(tx, &again)?;
            }
        }
        Ok(())
    }

    fn take_page(
        &self,
        tx: &Transaction<'_>,
        now: Now,
        catalog: &Catalog,
        page: BucketPage,
    ) -> store::Result<Option<Taken>> {
        let Some(mut held) = bucket::by_number(tx, page.number)? else { return Ok(None) };
        let mut taken = Taken::look_out(tx)?;
        let rows = page.rows.unwrap_or_default();
        if rows.iter().any(|row| !matches!(row.kind, RowKind::CHANGE | RowKind::PUT | RowKind::REMOVE)) {
            tracing::error!(bucket = %held.bucket, "a row of an unknown kind: the bucket stops until the app is updated");
            held.state = BucketState::Stopped;
            bucket::put(tx, &held)?;
            return Ok(None);
        }
        for row in rows {
            match (row.touched, row.kind) {
                (Some(touched), kind) if kind != RowKind::REMOVE => {
                    self.take_record(&Here::new(tx), catalog, Some(&held), kind, touched, &mut taken)?;
                }
                _ => {
                    bucket::remove_member(tx, &held.bucket, row.record)?;
                    let follows = match &row.moved_to {
                        Some(moved_to) => bucket::get(tx, moved_to)?.is_some(),
                        None => false,
                    };
                    if follows {
                        // It comes back in a bucket that is held; until then it stays.
                        meta::put(tx, meta::ORPHANS, &true)?;
                    } else {
                        taken.touched.insert(row.record);
                    }
                }
            }
        }
        if let Some(to) = page.to {
            let until = held.closing_until_ms;
            held.cursor = to;
            held.state = if until.is_some() { BucketState::Closing } else { BucketState::Open };
            held.unchecked = true;
        }
        held.durable_seq = held.durable_seq.max(page.durable_seq);
        bucket::put(tx, &held)?;
        self.settle(tx, now, &held, &mut taken)?;
        self.finish_taking(tx, catalog, &mut taken)?;
        Ok(Some(taken))
    }

    fn take_whole(
        &self,
        tx: &Transaction<'_>,
        catalog: &Catalog,
        request: &PullRequest,
        whole: Vec<Touched>,
    ) -> store::Result<()> {
        if request.whole.is_empty() {
            return Ok(());
        }
        let mut taken = Taken::look_out(tx)?;
        for touched in whole {
            if bucket::is_member(tx, touched.record)? {
                self.take_record(&Here::new(tx), catalog, None, RowKind::PUT, touched, &mut taken)?;
            }
        }
        for record in &request.whole {
            settled::not_wanted(tx, *record)?;
        }
        self.finish_taking(tx, catalog, &mut taken)
    }

    /// Stores one record as it stands on the server.
    fn take_record(
        &self,
        here: &Here<'_>,
        catalog: &Catalog,
        held: Option<&HeldBucket>,
        kind: RowKind,
        touched: Touched,
        taken: &mut Taken,
    ) -> store::Result<()> {
        let (tx, record) = (here.db, touched.record);
        here.forget(record);
        let old = settled::get(tx, record)?;
        let is_pending = taken.is_pending(tx, record)?;
        let is_new = old.is_none() && !is_pending;
        for row in touched.changes.iter().filter(|row| taken.refused.contains(&row.intent)) {
            if is_not_of_another(row, self.enrolment().device) {
                quarantine::arrived(tx, row.intent)?;
                taken.touched.insert(record);
            }
        }
        if is_pending {
            taken.touched.insert(record);
            self.look_for_fork(tx, &pending::of_record(tx, record)?, &touched.changes, taken)?;
        }
        let epoch = match held {
            Some(held) => held.cursor.epoch,
            None => old.as_ref().map_or(0, |old| old.epoch),
        };
        let ours_is_newer = old.as_ref().is_some_and(|old| is_newer(old, &touched, epoch));
        let looks_the_same = |old: &Settled| old.collection == touched.collection && old.shown == touched.values;
        let is_on_screen = match old.as_ref().is_some_and(looks_the_same) && !is_pending {
            true => view::get(tx, record)?.is_some_and(|row| !row.hidden),
            false => false,
        };
        let settled = match old {
            Some(old) if ours_is_newer => old,
            old => {
                let settled = merged(old, kind, touched, epoch);
                settled::put(tx, &settled)?;
                if settled.is_document() && !settled.heads.iter().all(|head| settled.contains(head)) {
                    settled::want(tx, record)?;
                }
                settled
            }
        };
        let sum = record::checksum(record, settled.generation, &settled.heads);
        if !is_new {
            bucket::set_checksum(tx, record, sum)?;
        }
        if let Some(held) = held {
            bucket::add_member(tx, &held.bucket, record, sum, held.load)?;
        }
        taken.catalog |= settled.collection == CATALOG;
        match is_pending || is_on_screen {
            true => Ok(()),
            false => project_settled(here, catalog, settled, taken.searchable_to),
        }
    }

    /// An own place in the own count that another change took: the database was copied.
    fn look_for_fork(
        &self,
        tx: &Connection,
        pending: &[Pending],
        changes: &[ChangeRow],
        taken: &mut Taken,
    ) -> store::Result<()> {
        let positions: Vec<_> = changes
            .iter()
            .filter_map(|row| Built::from_trusted(&row.bytes).ok()?.position().ok().map(|at| (at.0, at.1, row.hash)))
            .collect();
        for own in pending {
            let place = (own.actor, own.actor_seq);
            let taken_by_other =
                positions.iter().any(|(actor, seq, hash)| (*actor, *seq) == place && *hash != own.hash);
            // An intent that was stored under another hash is told by its verdict.
            let same_intent = changes
                .iter()
                .any(|row| row.intent == own.intent.id && is_not_of_another(row, self.enrolment().device));
            if taken_by_other && !same_intent && own.stored_hash.is_none() && own.state != PendingState::Fallen {
                taken.forked |= own.actor == self.actor(tx)?;
                let fallen = Pending { state: PendingState::Fallen, attempts: own.attempts + 1, ..own.clone() };
                pending::add(tx, &fallen)?;
            }
        }
        Ok(())
    }

    /// Merges anew what is pending on touched records; what no longer stands is authored again later.
    fn finish_taking(&self, tx: &Transaction<'_>, catalog: &Catalog, taken: &mut Taken) -> store::Result<()> {
        if std::mem::take(&mut taken.forked) {
            self.new_actor(tx)?;
        }
        for record in std::mem::take(&mut taken.touched) {
            let loaded = if pending::is_on(tx, record)? { load(tx, record)? } else { None };
            let Some(loaded) = loaded else {
                refresh(tx, catalog, record)?;
                continue;
            };
            for pending in &loaded.pending {
                let waits = !matches!(pending.state, PendingState::Accepted | PendingState::Fallen);
                if waits && loaded.fallen.contains(&pending.place) {
                    pending::add(tx, &Pending { state: PendingState::Fallen, ..pending.clone() })?;
                }
            }
            // What does not stand is laid over what does, whatever its state says: there is nothing to load again.
            project(tx, catalog, &loaded)?;
        }
        Ok(())
    }

    /// After an answer without more: members of an earlier start leave, checksums are compared, old work is let go.
    /// Says whether a bucket has to be started again, and whether a catalog may have left.
    fn compare(&self, tx: &Transaction<'_>, now: Now, catalog: &Catalog) -> store::Result<(bool, bool)> {
        let (mut restarted, mut swept) = (false, false);
        for mut held in bucket::all(tx)? {
            let comparable = matches!(held.state, BucketState::Open | BucketState::Closing);
            if !comparable || !held.unchecked {
                continue;
            }
            if bucket::sweep(tx, &held)? > 0 {
                swept = true;
                meta::put(tx, meta::ORPHANS, &true)?;
            }
            held.unchecked = false;
            let (sum, records) = bucket::sum(tx, &held.bucket)?;
            if sum != held.cursor.checksum {
                tracing::error!(bucket = %held.bucket, records, "the checksum differs from the server's");
                held.unchecked = true;
                if self.restarts.fetch_add(1, Ordering::AcqRel) < MAX_RESTARTS {
                    restarted = true;
                    bucket::distrust(tx, &held.bucket)?;
                    held.load += 1;
                    (held.state, held.cursor) = (BucketState::Loading, Cursor::default());
                }
            }
            bucket::put(tx, &held)?;
            let before_ms = now.server_ms.saturating_sub(KEEP_MS);
            pending::forget_kept(tx, &held.bucket, held.cursor.epoch, held.durable_seq, before_ms)?;
        }
        if meta::get::<bool>(tx, meta::ORPHANS)? == Some(true) {
            sweep_orphans(tx, catalog)?;
            meta::put(tx, meta::ORPHANS, &false)?;
        }
        settled::forget_deps(tx)?;
        pending::forget_closed(tx, now.server_ms.saturating_sub(KEEP_MS))?;
        Ok((restarted, swept))
    }

    /// Takes up a catalog that arrived, or that a server which was put back has under the number of another: titles, order
    /// and search of every record are made anew by it.
    fn renew_catalog(&self) -> store::Result<()> {
        let before = self.catalog();
        self.load_catalog()?;
        let catalog = self.catalog();
        if catalog == before {
            return Ok(());
        }
        for records in self.store.read(view::records)?.chunks(1000) {
            self.store.write(|tx| {
                for record in records {
                    if let Some(loaded) = load(tx, *record)? {
                        project(tx, &catalog, &loaded)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Unpacks a pack and hands its records on in parts; records of another bucket than the pack was asked for are left out.
/// An error is that nobody takes more.
fn unpack(
    (bucket, hash, bytes): (Bucket, BlobHash, Vec<u8>),
    parts: &SyncSender<Result<Part, WireError>>,
) -> Result<(), SendError<Result<Part, WireError>>> {
    let mut records = Vec::with_capacity(PART);
    let mut sent = Ok(());
    let read = wire::each_of_pack(&bytes, PULL_ANSWER, |of, touched| {
        if of == bucket {
            records.push(touched);
        }
        if records.len() >= PART {
            let records = std::mem::replace(&mut records, Vec::with_capacity(PART));
            sent = parts.send(Ok(Part { bucket, records, ends: None }));
        }
        sent.is_ok()
    });
    sent?;
    parts.send(read.map(|()| Part { bucket, records, ends: Some(hash) }))
}

/// Whether the phone has the record as it stood later: a pack may be older than what another bucket brought.
fn is_newer(old: &Settled, touched: &Touched, epoch: u64) -> bool {
    let known =
        || old.is_document() && old.heads != touched.heads && touched.heads.iter().all(|head| old.contains(head));
    old.epoch == epoch && (old.generation > touched.generation || (old.generation == touched.generation && known()))
}

fn merged(old: Option<Settled>, kind: RowKind, touched: Touched, epoch: u64) -> Settled {
    let mut changes = touched.changes;
    let goes_on =
        |old: &Settled| old.generation == touched.generation && (old.epoch == epoch || kind == RowKind::CHANGE);
    if let Some(old) = old.filter(goes_on) {
        let told: BTreeSet<_> = changes.iter().map(|row| row.hash).collect();
        let mut all: Vec<_> = old.changes.into_iter().filter(|row| !told.contains(&row.hash)).collect();
        all.append(&mut changes);
        changes = all;
    }
    Settled {
        record: touched.record,
        collection: touched.collection,
        generation: touched.generation,
        fmt: touched.fmt,
        home: touched.home,
        epoch,
        heads: touched.heads,
        shown: touched.values,
        changes,
    }
}

/// Whether a change under an intent of this phone says that the intent has arrived: another phone may have used its name.
fn is_not_of_another(row: &ChangeRow, device: DeviceId) -> bool {
    row.author.role != Role::DEVICE || row.author.device.is_none_or(|other| other == device)
}

/// The edits of an own change that are not in what is stored for its intent: an earlier life of this phone had put them
/// before their author, and that was lost with its disk.
fn left_out(tx: &Transaction<'_>, own: &Pending) -> store::Result<Vec<Edit>> {
    let Some(stored) = own.stored_hash else { return Ok(Vec::new()) };
    let Some(settled) = settled::get(tx, own.record)? else { return Ok(Vec::new()) };
    let row = settled.changes.iter().find(|row| row.hash == stored);
    let change = row.and_then(|row| Built::from_trusted(&row.bytes).ok()).and_then(|built| built.fields().ok());
    let Some(change) = change else { return Ok(Vec::new()) };
    let is_put = |edit: &Edit| {
        let asks = |value| Request::read(value).is_ok_and(|request| request.key() == edit.key);
        change.puts.iter().any(|put| put.key == edit.key || asks(&put.value))
    };
    let stands = |edit: &Edit| settled.shown.get(&edit.key).is_some_and(|shown| shown.all().contains(&&edit.new));
    Ok(own.edits.iter().filter(|edit| !is_put(edit) && !stands(edit)).cloned().collect())
}

/// The grids that the phone works in.
fn grids(held: &[HeldBucket]) -> BTreeSet<GridId> {
    held.iter().filter(|held| held.state != BucketState::Closing).filter_map(|held| held.bucket.grid()).collect()
}

/// Records that are in no bucket leave, unless work is pending on them: then they are hidden.
fn sweep_orphans(tx: &Transaction<'_>, catalog: &Catalog) -> store::Result<()> {
    for record in settled::orphans(tx)? {
        refresh(tx, catalog, record)?;
    }
    Ok(())
}
