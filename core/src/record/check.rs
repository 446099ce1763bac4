//! What the server makes sure of before it believes a pushed change (`docs/sync.md`, "What the server checks").
//!
//! Pure: all that must be known of the record, the device and the catalog is handed in as [`Facts`]. The phone runs the
//! same checks over what it is about to push, so that a defect is found where it is made.

use std::collections::BTreeSet;

use super::change::{Built, Change};
use super::document::{Document, State};
use super::request::{REQUEST, SERVER};
use crate::catalog::well_formed;
use crate::id::{ActorId, ChangeHash, TicketId};
use crate::value::{MAX_INT, Value};
use crate::wire::{self, PushItem, Reason};

/// The most changes a change may be made on.
pub const MAX_DEPS: usize = 64;
/// The most changes side by side in a record. Half of [`MAX_DEPS`], so that whoever writes next can still name them
/// all, with the own pending ones; a change beyond is to be made again on top of those that stand.
pub const MAX_HEADS: usize = MAX_DEPS / 2;

/// The operation counters that Automerge can hold; it panics when it reads others.
const COUNTERS: std::ops::RangeInclusive<u64> = 1..=u32::MAX as u64;

/// What is known when an item is checked.
pub struct Facts<'a> {
    /// The accepted changes of the record's generation; empty for a new record.
    pub document: &'a Document,
    /// The generation that stands; none for a new record.
    pub generation: Option<u32>,
    /// All actors of the device that pushes.
    pub actors: &'a BTreeSet<ActorId>,
    /// The inbox item of a change of this record that is in quarantine.
    pub quarantined: &'a dyn Fn(&ChangeHash) -> Option<TicketId>,
    /// Whether the catalog knows the key and the value has its form; a reason if not.
    pub key_rule: &'a dyn Fn(&str, &Value) -> Result<KeyRule, Reason>,
}

/// What the catalog says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRule {
    /// Whether the key is written once.
    pub once: bool,
}

/// A change that may be accepted, as fields, as Automerge holds it, and with what the record then holds.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The fields.
    pub change: Change,
    /// The change as this side built it.
    pub built: Built,
    /// The record with the change.
    pub document: Document,
    /// All values that stand in it.
    pub state: State,
}

/// Why an item is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It can never be accepted: to quarantine with it.
    Rejected(Reason),
    /// It was made on a change that is in quarantine.
    BlockedBy(TicketId),
    /// It was made on changes that are not known; without any, it must be made again on what stands.
    Missing(Vec<ChangeHash>),
    /// The record has been rolled over.
    StaleGeneration(u32),
    /// Its place in the actor's count is taken by another change.
    ActorFork,
}

/// Refusals that may come before the hash was held against the fields: that the item has this hash is its sender's word.
pub const BEFORE_THE_HASH: [&str; 14] = [
    "collection",
    "fmt",
    "item_too_large",
    "puts",
    "actor_list",
    "time_range",
    "start_op",
    "key_form",
    "server_key",
    "key_twice",
    "int_range",
    "pred",
    "deps",
    "hash",
];

/// How many bytes the keys written by devices hold in a record.
pub fn device_bytes(state: &State) -> usize {
    state.iter().map(|(key, live)| bytes_at(key, live.iter().map(|live| &live.value))).sum()
}

/// The same, after a change has put these values over all that stand at their keys.
pub fn device_bytes_after(state: &State, puts: &[(String, Value)]) -> usize {
    let put = |key: &str| puts.iter().any(|(put, _)| put == key);
    let left = state.iter().filter(|(key, _)| !put(key));
    let left: usize = left.map(|(key, live)| bytes_at(key, live.iter().map(|live| &live.value))).sum();
    left + puts.iter().map(|(key, value)| bytes_at(key, [value])).sum::<usize>()
}

fn bytes_at<'a>(key: &str, values: impl IntoIterator<Item = &'a Value>) -> usize {
    if key.starts_with(SERVER) {
        return 0;
    }
    let bytes = |value: &Value| match value {
        Value::Str(text) => text.len(),
        Value::Int(_) => 8,
        Value::Bool(_) | Value::Null => 1,
    };
    key.len() + values.into_iter().map(bytes).sum::<usize>()
}

/// Checks one item. `actors` is the push's list. The order of the checks is part of the protocol.
pub fn check(item: &PushItem, actors: &[ActorId], facts: &Facts<'_>) -> Result<Checked, Refusal> {
    let (change, built) = build(item, actors)?;
    match facts.generation {
        Some(generation) if generation != item.generation => return Err(Refusal::StaleGeneration(generation)),
        None if item.generation != 0 => return Err(rejected("generation")),
        _ => {}
    }
    position(&change, facts)?;
    for put in &change.puts {
        let at = |code| Refusal::Rejected(Reason::at(code, &put.key));
        let rule = (facts.key_rule)(&put.key, &put.value).map_err(Refusal::Rejected)?;
        let standing: BTreeSet<_> = facts.document.live_at(&put.key, &change.deps).iter().map(|live| live.op).collect();
        let named: BTreeSet<_> = put.pred.iter().copied().collect();
        if named != standing || named.len() != put.pred.len() {
            return Err(at("pred"));
        }
        if (rule.once || put.key.starts_with(REQUEST)) && !facts.document.live(&put.key).is_empty() {
            return Err(at("written_once"));
        }
    }
    let mut document = facts.document.clone();
    contained(|| document.apply([built.clone()])).and_then(Result::ok).ok_or_else(|| rejected("does_not_apply"))?;
    let state = document.state();
    if device_bytes(&state) > wire::MAX_RECORD_BYTES {
        return Err(rejected("record_too_large"));
    }
    if document.heads().len() > MAX_HEADS {
        return Err(Refusal::Missing(Vec::new()));
    }
    Ok(Checked { change, built, document, state })
}

/// The change of an item, within the limits and with the hash that is claimed.
pub fn build(item: &PushItem, actors: &[ActorId]) -> Result<(Change, Built), Refusal> {
    let change = limits(item, actors)?;
    let built = contained(|| change.build()).and_then(Result::ok).filter(|built| built.hash == item.change.hash);
    Ok((change, built.ok_or_else(|| rejected("hash"))?))
}

fn rejected(code: &str) -> Refusal {
    Refusal::Rejected(Reason::new(code))
}

fn limits(item: &PushItem, actors: &[ActorId]) -> Result<Change, Refusal> {
    if item.fmt != wire::FMT_AUTOMERGE {
        return Err(rejected("fmt"));
    }
    if item.size() > wire::MAX_ITEM_BYTES {
        return Err(rejected("item_too_large"));
    }
    if !(1..=wire::MAX_PUTS).contains(&item.change.puts.len()) {
        return Err(rejected("puts"));
    }
    let change = item.change.to_change(actors).map_err(|_| rejected("actor_list"))?;
    // Automerge keeps the distances between times: two that are too far apart would make the record unreadable.
    let far = |time: i64| time.unsigned_abs() > MAX_INT.unsigned_abs();
    if [change.time_s, item.intent.at_ms, item.intent.monotonic_ms].into_iter().any(far) {
        return Err(rejected("time_range"));
    }
    if !COUNTERS.contains(&change.start_op) {
        return Err(rejected("start_op"));
    }
    let mut keys = BTreeSet::new();
    for put in &change.puts {
        let at = |code| Refusal::Rejected(Reason::at(code, &put.key));
        if !well_formed(&put.key) {
            return Err(rejected("key_form"));
        }
        if put.key.starts_with(SERVER) {
            return Err(at("server_key"));
        }
        if !keys.insert(put.key.as_str()) {
            return Err(at("key_twice"));
        }
        if matches!(put.value, Value::Int(number) if number.unsigned_abs() > MAX_INT.unsigned_abs()) {
            return Err(at("int_range"));
        }
        if !put.pred.iter().all(|op| COUNTERS.contains(&op.counter)) {
            return Err(at("pred"));
        }
    }
    let sorted = change.deps.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
    if change.deps.len() > MAX_DEPS || !sorted {
        return Err(rejected("deps"));
    }
    Ok(change)
}

fn position(change: &Change, facts: &Facts<'_>) -> Result<(), Refusal> {
    if !facts.actors.contains(&change.actor) {
        return Err(rejected("foreign_actor"));
    }
    let unknown: Vec<_> = change.deps.iter().filter(|hash| !facts.document.contains(hash)).copied().collect();
    if let Some(ticket) = unknown.iter().find_map(facts.quarantined) {
        return Err(Refusal::BlockedBy(ticket));
    }
    if !unknown.is_empty() {
        return Err(Refusal::Missing(unknown));
    }
    let last = facts.document.last_of(change.actor);
    let next = last.map_or(1, |(seq, _)| seq.saturating_add(1));
    if change.actor_seq < next {
        return Err(if change.actor_seq == 0 { rejected("actor_seq") } else { Refusal::ActorFork });
    }
    if change.actor_seq > next {
        return Err(Refusal::Missing(Vec::new()));
    }
    if last.is_some_and(|(_, hash)| !facts.document.covers(&change.deps, &hash)) {
        return Err(rejected("not_after_own"));
    }
    match facts.document.max_op(&change.deps).and_then(|max| max.checked_add(1)) {
        Some(start) if start == change.start_op => Ok(()),
        _ => Err(rejected("start_op")),
    }
}

/// Runs what calls into Automerge so that a panic there refuses one item instead of ending the process.
fn contained<T>(run: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).ok()
}
