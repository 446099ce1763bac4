//! One push, item by item, in the order of the checks, and in slices, so that the writer is free for others in between.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::bucket::{Bucket, BucketClass};
use gridpass_core::catalog::{Action, Sens};
use gridpass_core::id::{ActorId, ChangeHash, RecordId, TicketId};
use gridpass_core::record::check::{self, Checked, Facts, Refusal};
use gridpass_core::record::request::{REQUEST, Request};
use gridpass_core::record::{Change, Document, ShownValues, plain, shown_values};
use gridpass_core::wire::{self, ItemVerdict, PushAnswer, PushItem, PushRequest, Reason, Receipt, Role, Verdict, Via};

use super::files::files;
use super::rights::{Rights, scope};
use super::time;
use crate::app::App;
use crate::catalogs::Catalogs;
use crate::db::{AssignmentRow, DeviceRow, ItemRef, Known, Principal, PushFacts, RecordFacts, StoredChange};
use crate::error::ApiError;
use crate::log::{Audit, Base, BatchProof, By, Commit, Files, NewChange, Outcome, Quarantined, RecordWrite, Write};
use crate::office::{Author, Office, Rules, follow, review_of};

/// How often in a row a push is prepared again because somebody else was faster.
const TRIES: usize = 8;
/// How much of a push is written at once ([`Commit::work`]); 500 edits of one field are less.
const SLICE_WORK: usize = 4_000;
/// How many bytes of changes are read for one slice, where its first record has not more.
const SLICE_BYTES: usize = 4 << 20;

/// Takes in a push of an authenticated phone.
pub fn push(app: &App, device: &DeviceRow, request: &PushRequest) -> Result<PushAnswer, ApiError> {
    let mut slices = Slices::new(app, device, request)?;
    while slices.step()? {}
    slices.answer()
}

/// A push that is taken in slice by slice: a heavy one lets those of other phones be written in between.
pub struct Slices<'a> {
    pusher: Pusher<'a>,
    answers: Vec<Option<Answer>>,
    tries: usize,
}

impl<'a> Slices<'a> {
    /// A push of an authenticated phone, of which nothing is taken in yet.
    pub fn new(app: &'a App, device: &'a DeviceRow, request: &'a PushRequest) -> Result<Self, ApiError> {
        let answers = request.items.iter().map(|_| None).collect();
        Ok(Self { pusher: Pusher::new(app, device, request)?, answers, tries: 0 })
    }

    /// Takes in the next slice, which is on disk then; whether there may be another.
    pub fn step(&mut self) -> Result<bool, ApiError> {
        let open: Vec<usize> = (0..self.answers.len()).filter(|n| matches!(self.answers.get(*n), Some(None))).collect();
        if open.is_empty() || self.tries == TRIES {
            return Ok(false);
        }
        self.pusher.attempt(&open, &mut self.answers)?;
        let left = self.answers.iter().filter(|answer| answer.is_none()).count();
        self.tries = if left < open.len() { 0 } else { self.tries + 1 };
        Ok(left > 0)
    }

    /// The verdicts and receipts, once all is taken in.
    pub fn answer(self) -> Result<PushAnswer, ApiError> {
        self.pusher.answer(self.answers)
    }
}

struct Pusher<'a> {
    app: &'a App,
    device: &'a DeviceRow,
    request: &'a PushRequest,
    now_ms: i64,
    principal: Principal,
    assignments: Vec<AssignmentRow>,
    scope: BTreeSet<Bucket>,
    actors: BTreeSet<ActorId>,
    catalogs: std::sync::Arc<Catalogs>,
    office: Office,
    /// Until it is stored, which it is with the first slice that writes something.
    proof: Option<BatchProof>,
}

impl<'a> Pusher<'a> {
    fn new(app: &'a App, device: &'a DeviceRow, request: &'a PushRequest) -> Result<Self, ApiError> {
        if request.items.len() > wire::MAX_PUSH_ITEMS {
            return Err(ApiError::bad("too_many_items", "items"));
        }
        let digest = PushRequest::message(device.id, request.batch, &request.items);
        gridpass_core::seal::verify(&device.public_key, &digest, &request.signature)
            .map_err(|_| ApiError::bad("signature", "signature"))?;
        let now_ms = app.now_ms();
        let principal = device.principal();
        let assignments = app.db.assignments(&principal, now_ms, device.user)?;
        let catalogs = app.catalogs();
        Ok(Self {
            app,
            device,
            request,
            now_ms,
            principal,
            scope: scope(device.user, &assignments, catalogs.roles(), now_ms).into_iter().collect(),
            assignments,
            actors: device.actors.iter().copied().collect(),
            office: app.office(now_ms, &catalogs),
            catalogs,
            proof: Some(BatchProof {
                device: device.id,
                batch: request.batch,
                key: request.key,
                digest,
                signature: request.signature.clone(),
            }),
        })
    }
}

/// A verdict, with the stored change that its receipt is for.
struct Answer {
    verdict: Verdict,
    stored: Option<StoredChange>,
}

impl Answer {
    fn without(verdict: Verdict) -> Self {
        Self { verdict, stored: None }
    }
}

/// A record while the items of one push are prepared: as stored, then with each prepared item.
struct Draft {
    facts: RecordFacts,
    document: Document,
    authors: BTreeMap<ChangeHash, Author>,
    base: Option<Base>,
    collection: Option<String>,
}

impl Draft {
    fn new(facts: RecordFacts) -> Result<Self, ApiError> {
        let bytes = facts.changes.iter().map(|change| change.row.bytes.as_slice());
        let document = Document::from_changes(bytes).map_err(|_| ApiError::Internal("a stored record is damaged"))?;
        let authors = facts.changes.iter().map(|meta| {
            let author = Author { actor: meta.actor, role: meta.row.author.role, time_ms: meta.row.time_ms };
            (meta.row.hash, author)
        });
        Ok(Self {
            authors: authors.collect(),
            document,
            base: facts.row.as_ref().map(|row| Base {
                generation: row.generation,
                heads: row.heads.clone(),
                home: row.home,
                also: row.also.clone(),
            }),
            collection: facts.row.as_ref().map(|row| row.collection.clone()),
            facts,
        })
    }
}

impl Draft {
    /// The office's actors in the record, of this epoch and earlier ones.
    fn offices(&self) -> BTreeSet<ActorId> {
        let offices = self.authors.values().filter(|author| author.role == Role::OFFICE);
        offices.map(|author| author.actor).collect()
    }
}

/// An item that passed every check, and where it goes.
struct Judged {
    checked: Checked,
    collection: String,
    home: Bucket,
    shown: ShownValues,
    notes: Vec<Reason>,
}

impl Pusher<'_> {
    /// Prepares as many of the open items as make a slice, writes them together, and fills in the answers of those that
    /// were written.
    fn attempt(&mut self, open: &[usize], answers: &mut [Option<Answer>]) -> Result<(), ApiError> {
        let items: Vec<(usize, &PushItem)> =
            open.iter().filter_map(|n| Some((*n, self.request.items.get(*n)?))).collect();
        let refs: Vec<ItemRef> = items
            .iter()
            .map(|(_, item)| ItemRef {
                record: item.record,
                generation: item.generation,
                hash: item.change.hash,
                intent: item.intent.id,
            })
            .collect();
        let place = self.app.preparing.enter();
        let PushFacts { items: known, records } =
            self.app.db.push_facts(&self.principal, self.now_ms, &refs, SLICE_BYTES)?;
        let mut drafts: BTreeMap<RecordId, Draft> = BTreeMap::new();
        for (record, facts) in records {
            drafts.insert(record, Draft::new(facts)?);
        }
        let proof = self.proof.clone();
        let proof = proof.map(|proof| Commit { write: Write::Batch(proof), audit: self.audit("pushed", "{}".into()) });
        let mut commits: Vec<Commit> = proof.into_iter().collect();
        let ahead = commits.len();
        let mut work = 0;
        let mut waiting: Vec<(usize, Answer)> = Vec::new();
        for ((n, item), known) in items.into_iter().zip(known) {
            if work >= SLICE_WORK {
                break;
            }
            let Some(draft) = drafts.get_mut(&item.record) else { continue };
            let answer = match known {
                Known::New if draft.document.contains(&item.change.hash) => continue, // twice in this push: next round
                Known::New => {
                    let (answer, commit) = self.prepare(item, draft);
                    work += commit.work();
                    commits.push(commit);
                    waiting.push((n, answer));
                    continue;
                }
                Known::Stored(stored) => {
                    let newest = draft.facts.newest.iter().copied();
                    let via = self.via(newest.chain([(stored.home, stored.log_seq)]));
                    Answer { verdict: Verdict::Duplicate { via, stored: stored.hash }, stored: Some(stored) }
                }
                Known::Taken => {
                    let reason = Reason::new("intent_taken");
                    let ticket = self.ticket(item);
                    let commit = self.quarantine(item, draft, ticket, reason.clone(), None);
                    draft.facts.quarantined.insert(item.change.hash, ticket);
                    work += commit.work();
                    commits.push(commit);
                    waiting.push((n, Answer::without(Verdict::Rejected { ticket, reason })));
                    continue;
                }
                Known::Quarantined { blocked_by: Some(ticket), .. } => Answer::without(Verdict::BlockedBy { ticket }),
                Known::Quarantined { ticket, reason, .. } => Answer::without(Verdict::Rejected { ticket, reason }),
            };
            if let Some(place) = answers.get_mut(n) {
                *place = Some(answer);
            }
        }
        // Not held while the disk is waited for.
        drop((drafts, place));
        if waiting.is_empty() {
            return Ok(());
        }
        let outcomes = self.app.db.commit(self.now_ms, commits)?;
        self.proof = None;
        self.app.advanced(&outcomes);
        for ((n, mut answer), outcome) in waiting.into_iter().zip(outcomes.into_iter().skip(ahead)) {
            let Outcome::Stored(stored) = outcome else { continue };
            if let (Verdict::Accepted { via, .. }, Some(change)) = (&mut answer.verdict, &mut answer.stored) {
                *via = self.via(stored.last.into_iter());
                change.time_ms = stored.time_ms;
                if let Some((_, log_seq)) = stored.home.iter().find(|(hash, _)| *hash == change.hash) {
                    change.log_seq = *log_seq;
                }
            }
            if let Some(place) = answers.get_mut(n) {
                *place = Some(answer);
            }
        }
        Ok(())
    }

    fn prepare(&self, item: &PushItem, draft: &mut Draft) -> (Answer, Commit) {
        match self.judge(item, draft) {
            Ok(judged) => self.accept(item, draft, judged),
            Err(Refusal::Rejected(reason)) => {
                let ticket = self.ticket(item);
                draft.facts.quarantined.insert(item.change.hash, ticket);
                let commit = self.quarantine(item, draft, ticket, reason.clone(), None);
                (Answer::without(Verdict::Rejected { ticket, reason }), commit)
            }
            Err(Refusal::BlockedBy(ticket)) => {
                draft.facts.quarantined.insert(item.change.hash, ticket);
                let commit = self.quarantine(item, draft, self.ticket(item), Reason::new("blocked"), Some(ticket));
                (Answer::without(Verdict::BlockedBy { ticket }), commit)
            }
            Err(Refusal::Missing(deps)) => self.not_taken(item, "missing", Verdict::Missing { deps }),
            Err(Refusal::StaleGeneration(generation)) => {
                self.not_taken(item, "stale_generation", Verdict::StaleGeneration { generation })
            }
            Err(Refusal::ActorFork) => self.not_taken(item, "actor_fork", Verdict::ActorFork),
        }
    }

    /// The checks that need no more than the item and the record, then those of catalog and rights.
    fn judge(&self, item: &PushItem, draft: &Draft) -> Result<Judged, Refusal> {
        let rejected = |code: &str| Refusal::Rejected(Reason::new(code));
        let created = item.create.as_ref();
        let collection = match (&draft.collection, created) {
            (Some(collection), Some(create)) if create.collection != *collection => return Err(rejected("collection")),
            (Some(collection), _) => collection.clone(),
            (None, Some(create)) => create.collection.clone(),
            // A change of a record that is not there: it waits for the one that makes it.
            (None, None) => {
                let blocking = item.change.deps.iter().find_map(|hash| draft.facts.quarantined.get(hash));
                return Err(match blocking {
                    // What waits here answers for its hash, which has to be its own.
                    Some(ticket) => check::build(item, &self.request.actors)
                        .map_or_else(|refusal| refusal, |_| Refusal::BlockedBy(*ticket)),
                    None => Refusal::Missing(item.change.deps.clone()),
                });
            }
        };
        let key_rule = |key: &str, value: &_| self.catalogs.key_rule(&collection, key, value);
        let quarantined = |hash: &ChangeHash| draft.facts.quarantined.get(hash).copied();
        let checked = check::check(
            item,
            &self.request.actors,
            &Facts {
                document: &draft.document,
                generation: draft.base.as_ref().map(|base| base.generation),
                actors: &self.actors,
                quarantined: &quarantined,
                key_rule: &key_rule,
            },
        )?;
        let class = self.catalogs.class(&collection).ok_or_else(|| rejected("collection"))?;
        let own = Bucket::User(self.device.user);
        let home = match (&draft.base, created) {
            (Some(base), _) => base.home,
            // A report from outside the own grid goes to the user's own bucket; every other class has to agree.
            (None, Some(create)) if create.home.class() == class || create.home == own => create.home,
            (None, _) => return Err(rejected("home_class")),
        };
        if class == BucketClass::District {
            return Err(rejected("no_right"));
        }
        self.permit(item, &checked.change, (&collection, home))?;
        let offices = draft.offices();
        let shown = shown_values(&checked.state, |actor| offices.contains(actor));
        let mut notes = self.catalogs.findings(item.catalog_version, &collection, &plain(&shown), self.now_ms);
        if time::is_off(self.request, self.now_ms) {
            notes.push(Reason::new("clock_off"));
        }
        Ok(Judged { checked, collection, home, shown, notes })
    }

    /// Whether the user may write to the record, then whether each key.
    fn permit(&self, item: &PushItem, change: &Change, (collection, home): (&str, Bucket)) -> Result<(), Refusal> {
        let rights = self.rights();
        let may = |action, class| rights.may(item.grant, home, (action, collection, class));
        if !may(Action::Write, Sens::S0) {
            return Err(Refusal::Rejected(Reason::new("no_right")));
        }
        let class = |key: &str| self.catalogs.sens(collection, key);
        for put in &change.puts {
            let allowed = match put.key.starts_with(REQUEST).then(|| Request::read(&put.value)) {
                Some(Ok(Request::Resolve { key, .. })) => may(Action::Decide, class(&key)),
                _ => may(Action::Write, class(&put.key)),
            };
            if !allowed {
                return Err(Refusal::Rejected(Reason::at("no_right", &put.key)));
            }
        }
        Ok(())
    }

    fn accept(&self, item: &PushItem, draft: &mut Draft, judged: Judged) -> (Answer, Commit) {
        let Judged { checked: Checked { change, built, mut document, .. }, collection, home, shown, notes } = judged;
        let corrected_ms = time::corrected_ms(&item.intent, self.request, self.now_ms);
        let hash = built.hash;
        draft.authors.insert(hash, Author { actor: change.actor, role: Role::DEVICE, time_ms: corrected_ms });
        let rules = Rules {
            policy: &|key| self.catalogs.policy(&collection, key),
            form: &|key, value| self.catalogs.key_rule(&collection, key, value).is_ok(),
            open: &draft.facts.open,
        };
        let followed = follow(&self.office, item.record, (&change, hash), &mut document, &mut draft.authors, &rules);
        draft.facts.open.retain(|key| !followed.decided.contains(key));
        draft.facts.open.extend(followed.tickets.iter().map(|ticket| ticket.key.clone()));
        let action = if draft.base.is_some() { "changed" } else { "created" };
        let audit = Audit { object: Some(item.record.0.to_vec()), ..self.audit(action, "{}".into()) };
        let shown = if followed.changes.is_empty() {
            shown
        } else {
            let offices = draft.offices();
            shown_values(&document.state(), |actor| offices.contains(actor))
        };
        let puts = change.puts.iter().map(|put| (put.key.as_str(), &put.value));
        let standing = |key: &str| shown.get(key).map(|shown| shown.value().clone());
        let files = self.signed(files(&self.catalogs, &collection, puts, &standing));
        let review = self.catalogs.collection(&collection).map(|form| {
            let offices = draft.offices();
            let before = || shown_values(&draft.document.state(), |actor| offices.contains(actor));
            let of = (self.now_ms, &self.app.keys.sample_seed);
            review_of(form, (&change, hash), draft.base.is_none(), before, &shown, of)
        });
        let review = review.unwrap_or_default();
        let names =
            change.puts.iter().filter_map(|put| self.catalogs.names(&collection, &put.key, &put.value)).collect();
        let own = NewChange {
            change,
            built,
            by: By {
                role: Role::DEVICE,
                user: Some(self.device.user),
                device: Some(self.device.id),
                grant: Some(item.grant),
            },
            intent: item.intent.id,
            intent_kind: item.intent.kind,
            visit: item.intent.visit,
            catalog_version: item.catalog_version,
            device_ms: item.intent.at_ms,
            corrected_ms,
            batch: Some(self.request.batch),
        };
        let heads = document.heads();
        let also = draft.base.as_ref().map(|base| base.also.clone()).unwrap_or_default();
        let write = RecordWrite {
            record: item.record,
            collection: collection.clone(),
            generation: item.generation,
            fmt: item.fmt,
            base: draft.base.take(),
            changes: std::iter::once(own).chain(followed.changes).collect(),
            heads: heads.clone(),
            shown,
            home,
            also: also.clone(),
            names,
            tickets: followed.tickets,
            decided: followed.decided,
            review,
            files,
        };
        draft.base = Some(Base { generation: item.generation, heads, home, also });
        draft.collection = Some(collection);
        draft.document = document;
        let stored = StoredChange { hash, home, log_seq: 0, time_ms: self.now_ms };
        let answer = Answer { verdict: Verdict::Accepted { via: None, notes }, stored: Some(stored) };
        (answer, Commit { write: Write::Record(Box::new(write)), audit })
    }

    fn rights(&self) -> Rights<'_> {
        Rights {
            user: self.device.user,
            assignments: &self.assignments,
            roles: self.catalogs.roles(),
            now_ms: self.now_ms,
            grace_ms: self.app.limits.grace_ms,
        }
    }

    fn ticket(&self, item: &PushItem) -> TicketId {
        let generation = item.generation.to_be_bytes();
        TicketId::derived(
            "rejected item",
            &[item.record.as_bytes(), &generation, item.change.hash.as_bytes(), self.device.id.as_bytes()],
        )
    }

    fn quarantine(
        &self,
        item: &PushItem,
        draft: &Draft,
        ticket: TicketId,
        reason: Reason,
        blocked_by: Option<TicketId>,
    ) -> Commit {
        let detail = serde_json::json!({ "code": reason.code, "field": reason.field }).to_string();
        let actor = usize::try_from(item.change.actor).ok().and_then(|place| self.request.actors.get(place)).copied();
        // The push's head with this item alone: actors are places in its list.
        let kept = PushRequest {
            batch: self.request.batch,
            key: self.request.key,
            actors: self.request.actors.clone(),
            items: vec![item.clone()],
            signature: Vec::new(),
            sent_ms: self.request.sent_ms,
            sent_monotonic_ms: self.request.sent_monotonic_ms,
        };
        let collection = draft.collection.as_ref().or(item.create.as_ref().map(|create| &create.collection));
        let puts = || item.change.puts.iter().map(|put| (put.key.as_str(), &put.value));
        let standing = |key: &str| puts().find(|(put, _)| *put == key).map(|(_, value)| value.clone());
        let files = collection.map(|collection| files(&self.catalogs, collection, puts(), &standing));
        let write = Write::Quarantine(Box::new(Quarantined {
            ticket,
            record: item.record,
            generation: item.generation,
            hash: item.change.hash,
            intent: item.intent.id,
            actor,
            device: self.device.id,
            user: self.device.user,
            item: wire::encode(&kept),
            reason,
            blocked_by,
            files: self.signed(files.unwrap_or_default()),
        }));
        Commit { write, audit: Audit { object: Some(item.record.0.to_vec()), ..self.audit("quarantined", detail) } }
    }

    /// What an item says about files, with who says it and what they may read.
    fn signed(&self, files: Files) -> Files {
        let scope = if files.named.is_empty() { Vec::new() } else { self.scope.iter().copied().collect() };
        Files { by: Some((self.device.user, self.device.id)), scope, ..files }
    }

    /// A verdict that keeps nothing but its audit row.
    fn not_taken(&self, item: &PushItem, code: &'static str, verdict: Verdict) -> (Answer, Commit) {
        let detail = serde_json::json!({ "code": code }).to_string();
        let audit = Audit { object: Some(item.record.0.to_vec()), ..self.audit("not_taken", detail) };
        (Answer::without(verdict), Commit { write: Write::Nothing, audit })
    }

    fn audit(&self, action: &'static str, detail: String) -> Audit {
        Audit { detail, ..Audit::of(action).by(self.device.user).device(self.device.id) }
    }

    /// The first of the rows that lies in a bucket the phone pulls.
    fn via(&self, mut rows: impl Iterator<Item = (Bucket, u64)>) -> Option<Via> {
        let (bucket, log_seq) = rows.find(|(bucket, _)| self.scope.contains(bucket))?;
        Some(Via { bucket, epoch: self.app.db.epoch(), log_seq })
    }

    fn answer(&self, answers: Vec<Option<Answer>>) -> Result<PushAnswer, ApiError> {
        let mut verdicts = Vec::new();
        let mut receipts = Vec::new();
        for (item, answer) in self.request.items.iter().zip(answers) {
            let answer = answer.ok_or(ApiError::Busy)?;
            if let Some(stored) = answer.stored {
                receipts.push(Receipt {
                    record: item.record,
                    generation: item.generation,
                    hash: stored.hash,
                    home: stored.home,
                    log_seq: stored.log_seq,
                    epoch: self.app.db.epoch(),
                    time_ms: stored.time_ms,
                });
            }
            verdicts.push(ItemVerdict { record: item.record, hash: item.change.hash, verdict: answer.verdict });
        }
        Ok(PushAnswer {
            verdicts,
            sheet: (!receipts.is_empty()).then(|| self.app.keys.signing.sign_receipts(receipts)),
            server_ms: self.now_ms,
            next_sync_after_ms: self.app.limits.next_sync_after_ms.into(),
        })
    }
}
