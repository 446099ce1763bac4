//! What happened to a record: who put what over what, in an order in which nothing comes before its cause.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Built, Change, ChangeError, OpId};
use crate::id::{ActorId, ChangeHash};
use crate::value::Value;

/// One value put at one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The change that put it; the change's row tells the user, the corrected time and the intent.
    pub change: ChangeHash,
    /// Who wrote the change.
    pub actor: ActorId,
    /// When, in seconds since 1970 by the writer's own clock.
    pub time_s: i64,
    /// The key.
    pub key: String,
    /// The values it replaced, the preferred one first: none where nothing was written, several where a conflict ends.
    ///
    /// A value that stands at the key and is not among them was not known to the writer, and goes on standing.
    pub old: Vec<Value>,
    /// The value.
    pub new: Value,
}

/// The changes in causal order: after all they were made on, and by hash where that leaves a choice.
///
/// An error if one was made on a change that is not among them.
pub fn causal_order<'a>(changes: impl IntoIterator<Item = &'a Built>) -> Result<Vec<&'a Built>, ChangeError> {
    let changes: BTreeMap<_, _> = changes.into_iter().map(|built| (built.hash, built)).collect();
    let mut waits_for = BTreeMap::new();
    let mut followers = BTreeMap::<_, Vec<_>>::new();
    for (hash, built) in &changes {
        let deps = built.deps();
        if !deps.iter().all(|dep| changes.contains_key(dep)) {
            return Err(ChangeError::MissingAncestor);
        }
        waits_for.insert(*hash, deps.len());
        deps.into_iter().for_each(|dep| followers.entry(dep).or_default().push(*hash));
    }
    let mut ready: BTreeSet<_> = waits_for.iter().filter(|(_, count)| **count == 0).map(|(hash, _)| *hash).collect();
    let mut ordered = Vec::new();
    while let Some(hash) = ready.pop_first() {
        ordered.extend(changes.get(&hash));
        for follower in followers.remove(&hash).unwrap_or_default() {
            if let Some(count) = waits_for.get_mut(&follower) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ready.insert(follower);
                }
            }
        }
    }
    Ok(ordered)
}

/// Everything that was put into a record, in causal order; within a change in the order it was put.
pub fn history<'a>(changes: impl IntoIterator<Item = &'a Built>) -> Result<Vec<Event>, ChangeError> {
    let mut values = BTreeMap::<OpId, Value>::new();
    let mut events = Vec::new();
    for built in causal_order(changes)? {
        let Change { actor, start_op, time_s, puts, .. } = built.fields()?;
        for (counter, put) in (start_op..).zip(puts) {
            let old = put.pred.iter().rev().map(|op| values.get(op).cloned()).collect::<Option<_>>();
            let old = old.ok_or(ChangeError::MissingAncestor)?;
            values.insert(OpId { counter, actor }, put.value.clone());
            events.push(Event { change: built.hash, actor, time_s, key: put.key, old, new: put.value });
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Document;

    const A: ActorId = ActorId([1; 16]);
    const B: ActorId = ActorId([2; 16]);

    fn written(document: &mut Document, actor: ActorId, time_s: i64, puts: &[(&str, Value)]) -> Built {
        let puts = puts.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let built = document.change_putting(actor, time_s, puts).build().unwrap();
        document.apply([built.clone()]).unwrap();
        built
    }

    /// Made; then two who did not know of each other; then one who saw both. The clocks are wrong on purpose.
    fn conflict() -> [Built; 4] {
        let mut document = Document::new();
        let made = written(&mut document, A, 400, &[("name", "甲".into()), ("rooms", 2.into())]);
        let mut other = document.clone();
        let one = written(&mut document, A, 300, &[("name", "乙".into())]);
        let two = written(&mut other, B, 200, &[("name", "丙".into()), ("rooms", 3.into())]);
        document.apply([two.clone()]).unwrap();
        let both = written(&mut document, A, 100, &[("name", Value::Null)]);
        [made, one, two, both]
    }

    fn told(events: &[Event]) -> Vec<(ActorId, i64, &str, Vec<Value>, Value)> {
        events
            .iter()
            .map(|event| (event.actor, event.time_s, event.key.as_str(), event.old.clone(), event.new.clone()))
            .collect()
    }

    #[test]
    fn every_put_names_what_it_replaced() {
        let [made, one, two, both] = conflict();
        let events = history([&both, &two, &one, &made]).unwrap();
        let first = (A, 300, "name", vec!["甲".into()], "乙".into());
        let second =
            [(B, 200, "name", vec!["甲".into()], "丙".into()), (B, 200, "rooms", vec![Value::Int(2)], Value::Int(3))];
        let middle = match one.hash < two.hash {
            true => [&[first][..], &second].concat(),
            false => [&second, &[first][..]].concat(),
        };
        let start = [(A, 400, "name", vec![], "甲".into()), (A, 400, "rooms", vec![], Value::Int(2))];
        let end = [(A, 100, "name", vec!["丙".into(), "乙".into()], Value::Null)];
        assert_eq!(told(&events), [&start[..], &middle, &end].concat());
        assert_eq!(events.last().map(|event| event.change), Some(both.hash));
    }

    #[test]
    fn the_order_is_causal_and_the_same_however_the_changes_come() {
        let [made, one, two, both] = conflict();
        let expected = history([&made, &one, &two, &both]).unwrap();
        for order in [[&both, &two, &one, &made], [&two, &both, &made, &one], [&one, &made, &both, &two]] {
            assert_eq!(history(order), Ok(expected.clone()));
        }
        let order: Vec<_> = causal_order([&both, &two, &one, &made]).unwrap().iter().map(|built| built.hash).collect();
        let middle = [one.hash.min(two.hash), one.hash.max(two.hash)];
        assert_eq!(order, [made.hash, middle[0], middle[1], both.hash]);
        assert_eq!(history([&made, &made]), history([&made]), "a change that comes twice happened once");
    }

    #[test]
    fn a_history_with_a_hole_is_an_error() {
        let [made, one, _, both] = conflict();
        assert_eq!(history([&made, &one, &both]), Err(ChangeError::MissingAncestor));
        assert_eq!(history([&one]), Err(ChangeError::MissingAncestor));
        assert_eq!(history([]), Ok(vec![]));
    }
}
