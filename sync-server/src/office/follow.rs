//! What follows from an accepted change: rulings on its requests, the later of two `latest` values, tickets.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::Value;
use gridpass_core::catalog::Policy;
use gridpass_core::id::{ActorId, ChangeHash, IntentId, RecordId, TicketId};
use gridpass_core::record::request::{REQUEST, Request, Ruling};
use gridpass_core::record::{Change, Document, Live, digest, same};
use gridpass_core::wire::{self, IntentKind, Role};

use crate::log::{By, NewChange, NewTicket};

/// The key whose value ends a record.
const END: &str = "end/date";

/// The server as a writer.
#[derive(Debug, Clone, Copy)]
pub struct Office {
    /// Decisions; shown before all others.
    pub office: ActorId,
    /// What merges like a phone's: edits at a desk, the later of two values, imports.
    pub console: ActorId,
    /// The server's clock, in milliseconds since 1970.
    pub now_ms: i64,
    /// The newest version of the catalog.
    pub catalog_version: u32,
}

/// Who wrote a change, and when by the server's clock.
#[derive(Debug, Clone, Copy)]
pub struct Author {
    /// The writer.
    pub actor: ActorId,
    /// On which side.
    pub role: Role,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
}

/// What follows from a change.
#[derive(Debug, Default)]
pub struct Followed {
    /// Changes of the server's actors, to be stored after it.
    pub changes: Vec<NewChange>,
    /// What waits for a person.
    pub tickets: Vec<NewTicket>,
    /// Keys that were decided.
    pub decided: Vec<String>,
}

/// What the catalog and the inbox say about the record's keys.
pub struct Rules<'a> {
    /// The policy of a key.
    pub policy: &'a dyn Fn(&str) -> Option<Policy>,
    /// Whether a value has the form of a key.
    pub form: &'a dyn Fn(&str, &Value) -> bool,
    /// Keys with an open ticket.
    pub open: &'a [String],
}

/// Looks at what an accepted change left in `document` and adds what follows from it to the document.
pub fn follow(
    office: &Office,
    record: RecordId,
    (change, hash): (&Change, ChangeHash),
    document: &mut Document,
    authors: &mut BTreeMap<ChangeHash, Author>,
    rules: &Rules<'_>,
) -> Followed {
    let mut work = Work { office, record, hash, document, authors, followed: Followed::default() };
    let mut later: BTreeMap<i64, Vec<(String, Value)>> = BTreeMap::new();
    let mut decisions: Vec<(String, Value)> = Vec::new();
    for put in &change.puts {
        if put.key.starts_with(REQUEST) {
            let (ruling, decided) = work.rule(&put.value, change, rules);
            decisions.push(ruling.entry(&put.key));
            decisions.extend(decided);
            continue;
        }
        let live = work.document.live(&put.key);
        if (rules.policy)(&put.key) == Some(Policy::Decide) {
            let before = work.document.live_at(&put.key, &change.deps);
            if differ(&before) {
                let copies = format!("s/c/{}", TicketId::derived("reopened", &[hash.as_bytes(), put.key.as_bytes()]));
                let values: Vec<&Value> = before.iter().map(|live| &live.value).collect();
                decisions
                    .push((copies, Value::Str(serde_json::json!({ "key": put.key, "values": values }).to_string())));
                work.ticket(&put.key, "reopened", &before);
            } else if differ(&live) && !rules.open.contains(&put.key) {
                work.ticket(&put.key, "conflict", &live);
            }
        } else if differ(&live) {
            match work.office_value(&live) {
                Some(value) => {
                    decisions.push((put.key.clone(), value));
                    work.ticket(&put.key, "conflict", &live);
                }
                None => {
                    let (time_ms, value) = work.observed_later(&live);
                    later.entry(time_ms).or_default().push((put.key.clone(), value));
                }
            }
        }
    }
    work.end_against_edit(change);
    for (time_ms, puts) in later {
        work.write(office.console, Role::CONSOLE, time_ms, puts);
    }
    if !decisions.is_empty() {
        work.write(office.office, Role::OFFICE, office.now_ms, decisions);
    }
    work.followed
}

struct Work<'a> {
    office: &'a Office,
    record: RecordId,
    hash: ChangeHash,
    document: &'a mut Document,
    authors: &'a mut BTreeMap<ChangeHash, Author>,
    followed: Followed,
}

impl Work<'_> {
    /// The ruling on a request, and what the office puts if it is carried out.
    fn rule(&mut self, request: &Value, change: &Change, rules: &Rules<'_>) -> (Ruling, Option<(String, Value)>) {
        let Ok(request) = Request::read(request) else { return (Ruling::void("unknown_request"), None) };
        let now = self.document.live(request.key());
        match request {
            Request::Resolve { key, value, seen } => {
                if !matches!((rules.policy)(&key), Some(Policy::Decide | Policy::Latest)) {
                    return (Ruling::void("not_decidable"), None);
                }
                if !(rules.form)(&key, &value) {
                    return (Ruling::void("form"), None);
                }
                if digests(&now) != seen.into_iter().collect() {
                    return (Ruling::void("values_changed"), None);
                }
                self.followed.decided.push(key.clone());
                (Ruling::Accepted, Some((key, value)))
            }
            Request::Still { key } => {
                let then = self.document.live_at(&key, &change.deps);
                if digests(&then) != digests(&now) {
                    self.ticket(&key, "confirmed_other_value", &now);
                }
                (Ruling::Accepted, None)
            }
        }
    }

    /// An end and somebody else's edit that did not know of each other: a person has to look.
    fn end_against_edit(&mut self, change: &Change) {
        let ends = change.puts.iter().any(|put| put.key == END && !put.value.is_null());
        let live = self.document.live(END);
        let ended_unseen = live.iter().any(|live| {
            !live.value.is_null()
                && live.op.actor != change.actor
                && live.change != self.hash
                && !self.document.covers(&change.deps, &live.change)
        });
        let edited_unseen = ends
            && self.authors.iter().any(|(hash, author)| {
                author.actor != change.actor
                    && author.role == Role::DEVICE
                    && *hash != self.hash
                    && !self.document.covers(&change.deps, hash)
            });
        if ended_unseen || edited_unseen {
            self.ticket("", "end_against_edit", &live);
        }
    }

    fn office_value(&self, live: &[Live]) -> Option<Value> {
        let by_office = |live: &&Live| self.authors.get(&live.change).is_some_and(|author| author.role == Role::OFFICE);
        live.iter().find(by_office).map(|live| live.value.clone())
    }

    /// The value that was observed last, by the server's clock; of equal times the one Automerge prefers.
    fn observed_later(&self, live: &[Live]) -> (i64, Value) {
        let time = |live: &Live| self.authors.get(&live.change).map_or(0, |author| author.time_ms);
        let mut latest: (i64, Value) = (i64::MIN, Value::Null);
        for live in live {
            if time(live) > latest.0 {
                latest = (time(live), live.value.clone());
            }
        }
        latest
    }

    fn ticket(&mut self, key: &str, kind: &'static str, live: &[Live]) {
        let id = TicketId::derived(kind, &[self.record.as_bytes(), key.as_bytes(), self.hash.as_bytes()]);
        let values: Vec<(Value, ChangeHash)> = live.iter().map(|live| (live.value.clone(), live.change)).collect();
        self.followed.tickets.push(NewTicket { id, key: key.to_owned(), kind, detail: wire::encode(&values) });
    }

    fn write(&mut self, actor: ActorId, role: Role, time_ms: i64, puts: Vec<(String, Value)>) {
        let change = self.document.change_putting(actor, time_ms.div_euclid(1000), puts);
        let Ok(built) = change.build() else { return };
        if self.document.apply([built.clone()]).is_err() {
            return;
        }
        self.authors.insert(built.hash, Author { actor, role, time_ms });
        self.followed.changes.push(NewChange {
            intent: IntentId::derived("follows", &[self.hash.as_bytes(), built.hash.as_bytes()]),
            change,
            built,
            by: By { role, user: None, device: None, grant: None },
            intent_kind: IntentKind::OFFICE,
            visit: None,
            catalog_version: self.office.catalog_version,
            device_ms: time_ms,
            corrected_ms: time_ms,
            batch: None,
        });
    }
}

fn differ(live: &[Live]) -> bool {
    live.split_first().is_some_and(|(first, rest)| rest.iter().any(|other| !same(&first.value, &other.value)))
}

fn digests(live: &[Live]) -> BTreeSet<String> {
    match live {
        [] => BTreeSet::from([digest(&Value::Null)]),
        live => live.iter().map(|live| digest(&live.value)).collect(),
    }
}
