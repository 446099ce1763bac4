//! A record in memory: all its changes, merged.

use std::collections::BTreeMap;

use automerge::{Automerge, ObjId, ROOT, ReadDoc, ScalarValueRef, ValueRef};

use super::change::{self, Built, Change, ChangeError, OpId, Put};
use crate::id::{ActorId, ChangeHash};
use crate::value::Value;

/// A value that stands at a key, and where it comes from. Several stand when writers did not know of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The value.
    pub value: Value,
    /// The operation that put it.
    pub op: OpId,
    /// The change that holds the operation.
    pub change: ChangeHash,
}

/// All values that stand, by key; at each key the one Automerge prefers comes first (the highest counter, then actor).
pub type State = BTreeMap<String, Vec<Live>>;

/// A record in memory.
#[derive(Debug, Clone, Default)]
pub struct Document {
    automerge: Automerge,
    changes: BTreeMap<ChangeHash, Position>,
    last: BTreeMap<ActorId, (u64, ChangeHash)>,
}

#[derive(Debug, Clone)]
struct Position {
    max_op: u64,
    deps: Vec<ChangeHash>,
}

impl Document {
    /// A record nobody has written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The record that the changes add up to. They may come in any order; one whose ancestors are missing is an error.
    pub fn from_changes<'a>(changes: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, ChangeError> {
        let built = changes.into_iter().map(Built::from_trusted).collect::<Result<Vec<_>, _>>()?;
        let mut document = Self::new();
        document.apply(built)?;
        Ok(document)
    }

    /// Adds changes that were checked or come from the server; those it has already are passed over.
    ///
    /// They may come in any order. When the ancestors of one are missing, none is added.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Built>) -> Result<(), ChangeError> {
        let mut fresh = Vec::new();
        let mut positions = BTreeMap::new();
        for built in changes {
            if self.changes.contains_key(&built.hash) {
                continue;
            }
            let (actor, seq, max_op) = built.position()?;
            positions.insert(built.hash, (actor, seq, Position { max_op, deps: built.deps() }));
            fresh.push(built.change);
        }
        let known = |hash: &ChangeHash| self.changes.contains_key(hash) || positions.contains_key(hash);
        if !positions.values().flat_map(|(_, _, position)| &position.deps).all(known) {
            return Err(ChangeError::MissingAncestor);
        }
        // A change that was altered at rest can make Automerge panic; the document is then of no use, the process is.
        let applied = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.automerge.apply_changes(fresh)));
        applied.ok().and_then(Result::ok).ok_or(ChangeError::Unreadable)?;
        for (hash, (actor, seq, position)) in positions {
            self.changes.insert(hash, position);
            let last = self.last.entry(actor).or_insert((seq, hash));
            if last.0 < seq {
                *last = (seq, hash);
            }
        }
        Ok(())
    }

    /// Whether the change is in the record.
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.changes.contains_key(hash)
    }

    /// How many changes the record has.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nobody has written the record.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes no other change was made on, in order of their hashes.
    pub fn heads(&self) -> Vec<ChangeHash> {
        let mut heads: Vec<_> = self.automerge.get_heads().iter().map(|hash| ChangeHash(hash.0)).collect();
        heads.sort_unstable();
        heads
    }

    /// The actor's last change of the record and its count.
    pub fn last_of(&self, actor: ActorId) -> Option<(u64, ChangeHash)> {
        self.last.get(&actor).copied()
    }

    /// The largest operation counter among the changes and their ancestors; `None` when one is unknown.
    ///
    /// A change's own largest counter is above all of its ancestors', because every accepted change starts one higher.
    pub fn max_op(&self, changes: &[ChangeHash]) -> Option<u64> {
        changes
            .iter()
            .map(|hash| self.changes.get(hash).map(|position| position.max_op))
            .try_fold(0, |max, op| Some(max.max(op?)))
    }

    /// Whether `ancestor` is one of the changes or lies before one of them.
    pub fn covers(&self, changes: &[ChangeHash], ancestor: &ChangeHash) -> bool {
        let mut stack: Vec<_> = changes.to_vec();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(hash) = stack.pop() {
            if hash == *ancestor {
                return true;
            }
            if let Some(position) = self.changes.get(&hash)
                && seen.insert(hash)
            {
                stack.extend(&position.deps);
            }
        }
        false
    }

    /// All values that stand now.
    pub fn state(&self) -> State {
        let items = self.automerge.map_range(ROOT, ..);
        items
            .map(|item| {
                // Where one value stands the iterator has all of it; several have to be looked up.
                let one = if item.conflict { None } else { self.one(&item.value, &item.id()) };
                let live = one.map_or_else(|| self.at_key(&item.key, None), |one| vec![one]);
                (item.key.into_owned(), live)
            })
            .collect()
    }

    fn one(&self, found: &ValueRef<'_>, id: &ObjId) -> Option<Live> {
        let ValueRef::Scalar(scalar) = found else { return None };
        let value = match scalar {
            ScalarValueRef::Null => Value::Null,
            ScalarValueRef::Boolean(flag) => Value::Bool(*flag),
            ScalarValueRef::Int(number) => Value::Int(*number),
            ScalarValueRef::Str(text) => Value::Str(text.clone().into_owned()),
            _ => return None,
        };
        let change = ChangeHash(self.automerge.hash_for_opid(id)?.0);
        let ObjId::Id(counter, actor, _) = id else { return None };
        Some(Live { value, op: OpId { counter: *counter, actor: change::actor(actor).ok()? }, change })
    }

    /// The values that stand at one key now.
    pub fn live(&self, key: &str) -> Vec<Live> {
        self.at_key(key, None)
    }

    /// The values that stood at one key for a writer who knew the given changes.
    pub fn live_at(&self, key: &str, changes: &[ChangeHash]) -> Vec<Live> {
        let heads: Vec<_> = changes.iter().map(|hash| automerge::ChangeHash(hash.0)).collect();
        self.at_key(key, Some(&heads))
    }

    fn at_key(&self, key: &str, heads: Option<&[automerge::ChangeHash]>) -> Vec<Live> {
        let found = match heads {
            Some(heads) => self.automerge.get_all_at(ROOT, key, heads),
            None => self.automerge.get_all(ROOT, key),
        };
        let mut live: Vec<_> = found
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(value, id)| {
                let change = ChangeHash(self.automerge.hash_for_opid(&id)?.0);
                let ObjId::Id(counter, actor, _) = &id else { return None };
                let op = OpId { counter: *counter, actor: change::actor(actor).ok()? };
                Some(Live { value: change::value(value.as_scalar()?).ok()?, op, change })
            })
            .collect();
        live.sort_by_key(|live| std::cmp::Reverse(live.op));
        live
    }

    /// The change that puts the values over all that stands now. It is not applied.
    pub fn change_putting(&self, actor: ActorId, time_s: i64, puts: Vec<(String, Value)>) -> Change {
        let heads = self.heads();
        // In Automerge's order, so that the fields read back from the bytes are these.
        let pred = |key: &str| self.live(key).iter().rev().map(|live| live.op).collect();
        Change {
            actor,
            actor_seq: self.last_of(actor).map_or(1, |(seq, _)| seq.saturating_add(1)),
            start_op: self.max_op(&heads).unwrap_or(0).saturating_add(1),
            time_s,
            puts: puts.into_iter().map(|(key, value)| Put { pred: pred(&key), key, value }).collect(),
            deps: heads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(n: u8) -> ActorId {
        ActorId([n; 16])
    }

    fn put(document: &mut Document, by: u8, key: &str, value: &str) -> ChangeHash {
        let change = document.change_putting(actor(by), 1_700_000_000, vec![(key.into(), value.into())]);
        let built = change.build().unwrap();
        let hash = built.hash;
        document.apply([built]).unwrap();
        hash
    }

    #[test]
    fn fields_bytes_and_hash_tell_the_same_change() {
        let mut document = Document::new();
        put(&mut document, 1, "name", "甲");
        let change = document.change_putting(
            actor(2),
            1_700_000_001,
            vec![("name".into(), Value::Null), ("rooms".into(), Value::Int(-3)), ("ok".into(), true.into())],
        );
        let built = change.build().unwrap();
        let read = Built::from_trusted(built.bytes()).unwrap();
        assert_eq!(read.fields().unwrap(), change);
        assert_eq!(read.hash, built.hash);
        assert_eq!(read.fields().unwrap().build().unwrap().bytes(), built.bytes());
    }

    #[test]
    fn concurrent_values_all_stand_and_every_order_of_arrival_gives_the_same() {
        let mut base = Document::new();
        put(&mut base, 1, "name", "甲");
        let mut changes = Vec::new();
        for by in 2..5 {
            let change = base.change_putting(actor(by), 0, vec![("name".into(), format!("{by}").into())]);
            changes.push(change.build().unwrap());
        }
        let orders = [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]];
        let states: Vec<_> = orders
            .iter()
            .map(|order| {
                let mut document = base.clone();
                order.iter().for_each(|n| document.apply([changes[*n].clone()]).unwrap());
                (document.state(), document.heads())
            })
            .collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(states[0].0["name"].len(), 3);
        let mut document = base.clone();
        document.apply(changes).unwrap();
        put(&mut document, 7, "rooms", "3");
        document.state().iter().for_each(|(key, live)| assert_eq!(*live, document.live(key), "{key}"));
        assert_eq!(states[0].0["name"][0].value, "4".into(), "the highest actor wins at equal counters");
    }

    #[test]
    fn a_change_without_its_ancestor_is_refused() {
        let mut document = Document::new();
        put(&mut document, 1, "name", "甲");
        let orphan = document.change_putting(actor(1), 0, vec![("name".into(), "乙".into())]).build().unwrap();
        assert_eq!(Document::new().apply([orphan]), Err(ChangeError::MissingAncestor));
    }

    #[test]
    fn what_stood_for_a_writer_can_be_asked_later() {
        let mut document = Document::new();
        let first = put(&mut document, 1, "name", "甲");
        let second = put(&mut document, 2, "name", "乙");
        assert_eq!(document.live_at("name", &[first])[0].value, "甲".into());
        assert_eq!(document.live("name")[0].value, "乙".into());
        assert!(document.covers(&[second], &first));
        assert!(!document.covers(&[first], &second));
    }
}
