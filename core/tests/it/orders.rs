//! Phones that write without knowing of each other, and changes that arrive in any order.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::Value;
use gridpass_core::catalog::Policy;
use gridpass_core::id::{ActorId, ChangeHash, IntentId};
use gridpass_core::record::edit::{Edit, EditError, plan};
use gridpass_core::record::request::Request;
use gridpass_core::record::{
    Built, Change, Document, Live, OpId, Shown, ShownValues, State, digest, same, shown_values,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{NOON_S, OFFICE, put};

const PHONES: usize = 3;
const CONSOLE: usize = 3;
const DESK: usize = 4;
const WRITERS: usize = 5;
const YEAR_S: i64 = 31_536_000;

const KEYS: [&str; 5] = ["name", "phone", "rooms", "tag/a", "found_at"];

fn policy(key: &str) -> Option<Policy> {
    match key {
        "name" => Some(Policy::Decide),
        "phone" | "rooms" | "tag/a" | "tag/b" => Some(Policy::Latest),
        "found_at" => Some(Policy::Once),
        _ => None,
    }
}

fn value() -> impl Strategy<Value = Value> {
    let texts = ["甲", "乙", "é", "e\u{301}", ""].map(Value::from);
    prop::sample::select([&texts[..], &[Value::Null, true.into(), false.into(), 7.into(), (-1).into()]].concat())
}

#[derive(Debug, Clone)]
enum Step {
    /// A phone opens its form: what it shows now is what will have been seen.
    Open { by: usize },
    /// A phone saves its form with these fields changed.
    Save { by: usize, fields: Vec<(usize, Value)> },
    /// The server writes over all that it knows.
    Decide { by: usize, fields: Vec<(usize, Value)> },
    /// A writer hears all that another knows.
    Hear { by: usize, from: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let fields = || vec((0..KEYS.len(), value()), 1..4);
    prop_oneof![
        2 => (0..PHONES).prop_map(|by| Step::Open { by }),
        6 => (0..PHONES, fields()).prop_map(|(by, fields)| Step::Save { by, fields }),
        1 => (CONSOLE..WRITERS, fields()).prop_map(|(by, fields)| Step::Decide { by, fields }),
        3 => (0..WRITERS, 0..WRITERS).prop_map(|(by, from)| Step::Hear { by, from }),
    ]
}

fn actor(writer: usize) -> ActorId {
    if writer == DESK { OFFICE } else { ActorId([0x10 + writer as u8; 16]) }
}

fn is_office(actor: &ActorId) -> bool {
    *actor == OFFICE
}

fn shown(document: &Document) -> ShownValues {
    shown_values(&document.state(), is_office)
}

/// One writer with its own copy of the record.
#[derive(Debug, Clone)]
struct Writer {
    actor: ActorId,
    time_s: i64,
    document: Document,
    form: ShownValues,
    requests: u8,
}

impl Writer {
    fn new(writer: usize) -> Self {
        let (document, form) = Default::default();
        Self { actor: actor(writer), time_s: NOON_S, document, form, requests: 0 }
    }

    fn on(&self, document: &Document) -> Self {
        Self { document: document.clone(), form: shown(document), ..self.clone() }
    }

    /// Saves a form that was opened earlier; nothing where nothing was changed.
    fn save(&mut self, fields: &[(&str, Value)]) -> Result<Option<Built>, Vec<EditError>> {
        let over = |(key, new): &(&str, Value)| Edit::over(*key, self.form.get(*key), new.clone());
        let edits: Vec<_> = fields.iter().map(over).collect();
        let request = || {
            self.requests += 1;
            IntentId([self.requests; 16])
        };
        let puts = plan(&shown(&self.document), &edits, policy, request)?;
        Ok((!puts.is_empty()).then(|| self.write(puts)))
    }

    fn write(&mut self, puts: Vec<(String, Value)>) -> Built {
        let built = self.document.change_putting(self.actor, self.time_s, puts).build().unwrap();
        self.document.apply([built.clone()]).unwrap();
        built
    }
}

/// Runs the steps and gives every change in the order it was made.
fn run(steps: &[Step], clocks_s: [i64; WRITERS]) -> Vec<Built> {
    let mut writers: Vec<_> = (0..WRITERS).map(|n| Writer { time_s: clocks_s[n], ..Writer::new(n) }).collect();
    let mut made: Vec<Built> = Vec::new();
    let once_each = |fields: &[(usize, Value)]| -> BTreeMap<&str, Value> {
        fields.iter().map(|(key, value)| (KEYS[*key], value.clone())).collect()
    };
    for step in steps {
        match step {
            Step::Open { by } => writers[*by].form = shown(&writers[*by].document),
            Step::Save { by, fields } => {
                let fields: Vec<_> = once_each(fields).into_iter().collect();
                made.extend(writers[*by].save(&fields).ok().flatten());
            }
            Step::Decide { by, fields } => {
                let puts = once_each(fields).into_iter().map(|(key, value)| put(key, value)).collect();
                made.push(writers[*by].write(puts));
            }
            Step::Hear { by, from } => {
                let known = writers[*from].document.clone();
                let heard: Vec<_> = made.iter().filter(|built| known.contains(&built.hash)).cloned().collect();
                writers[*by].document.apply(heard).unwrap();
            }
        }
    }
    made
}

fn merged(changes: &[Built]) -> Document {
    let mut document = Document::new();
    document.apply(changes.to_vec()).unwrap();
    document
}

/// An order in which every change comes after those it was made on, chosen by random numbers.
fn in_causal_order(changes: &[Built], numbers: &[usize]) -> Vec<Built> {
    let mut waiting = changes.to_vec();
    let mut arrived = BTreeSet::new();
    let mut ordered = Vec::new();
    for number in numbers.iter().cycle().take(changes.len()) {
        let ready: Vec<_> = (0..waiting.len())
            .filter(|at| waiting[*at].fields().unwrap().deps.iter().all(|dep| arrived.contains(dep)))
            .collect();
        let next = waiting.remove(ready[number % ready.len()]);
        arrived.insert(next.hash);
        ordered.push(next);
    }
    ordered
}

/// What stands by the plainest of rules: every operation that no other one names as replaced.
fn model(changes: &[Built]) -> State {
    let changes: Vec<(ChangeHash, Change)> =
        changes.iter().map(|built| (built.hash, built.fields().unwrap())).collect();
    let replaced: BTreeSet<OpId> =
        changes.iter().flat_map(|(_, change)| &change.puts).flat_map(|put| put.pred.iter().copied()).collect();
    let mut state = State::new();
    for (hash, change) in &changes {
        for (counter, put) in (change.start_op..).zip(&change.puts) {
            let op = OpId { counter, actor: change.actor };
            if !replaced.contains(&op) {
                let live = Live { value: put.value.clone(), op, change: *hash };
                state.entry(put.key.clone()).or_default().push(live);
            }
        }
    }
    state.values_mut().for_each(|live| live.sort_by_key(|live| std::cmp::Reverse(live.op)));
    state
}

/// The values that stand and their operations, without the hashes that a clock changes.
fn without_hashes(document: &Document) -> BTreeMap<String, Vec<(Value, OpId)>> {
    let values = |live: Vec<Live>| live.into_iter().map(|live| (live.value, live.op)).collect();
    document.state().into_iter().map(|(key, live)| (key, values(live))).collect()
}

proptest! {
    #[test]
    fn every_order_of_arrival_gives_the_same_record(
        steps in vec(step(), 1..40),
        shuffle in vec(any::<u64>(), 40),
        numbers in vec(0..40usize, 40),
    ) {
        let made = run(&steps, [NOON_S; WRITERS]);
        let expected = merged(&made);
        prop_assert_eq!(&expected.state(), &model(&made));

        let mut order: Vec<_> = made.iter().cloned().zip(&shuffle).collect();
        order.sort_by_key(|(_, key)| **key);
        let shuffled: Vec<_> = order.into_iter().map(|(built, _)| built).collect();
        let at_once = merged(&shuffled);
        let mut one_by_one = Document::new();
        for built in in_causal_order(&made, &numbers) {
            one_by_one.apply([built.clone(), built]).unwrap();
        }
        for document in [at_once, one_by_one] {
            prop_assert_eq!(document.state(), expected.state());
            prop_assert_eq!(shown(&document), shown(&expected));
            prop_assert_eq!(document.heads(), expected.heads());
            prop_assert_eq!(document.len(), made.len());
        }
    }

    #[test]
    fn a_clock_a_year_ahead_changes_no_value_and_no_order(steps in vec(step(), 1..40), ahead in 0..WRITERS) {
        let right = merged(&run(&steps, [NOON_S; WRITERS]));
        let mut clocks_s = [NOON_S; WRITERS];
        clocks_s[ahead] += YEAR_S;
        let wrong = merged(&run(&steps, clocks_s));
        prop_assert_eq!(without_hashes(&wrong), without_hashes(&right));
        let all = |document: &Document| -> Vec<Vec<Value>> {
            shown(document).values().map(|shown| shown.all().into_iter().cloned().collect()).collect()
        };
        prop_assert_eq!(all(&wrong), all(&right));
    }

    #[test]
    fn saving_an_unchanged_form_puts_nothing_and_erases_no_conflict(steps in vec(step(), 1..40)) {
        let record = merged(&run(&steps, [NOON_S; WRITERS]));
        let mut writer = Writer::new(0).on(&record);
        let fields: Vec<_> = shown(&record).into_iter().filter(|(key, _)| policy(key).is_some()).collect();
        let unchanged: Vec<_> = fields.iter().map(|(key, shown)| (key.as_str(), shown.value().clone())).collect();
        prop_assert!(matches!(writer.save(&unchanged), Ok(None)));
        prop_assert_eq!(writer.document.state(), record.state());
    }

    #[test]
    fn a_save_replaces_only_what_its_form_showed(steps in vec(step(), 1..40), new in value(), key in 0..KEYS.len()) {
        let record = merged(&run(&steps, [NOON_S; WRITERS]));
        let key = KEYS[key];
        let before = shown(&record).get(key).cloned().unwrap_or(Shown::One(Value::Null));
        // The form was opened before anything was written: whatever stands now was never seen.
        let mut blind = Writer { form: ShownValues::new(), ..Writer::new(0).on(&record) };
        let saved = blind.save(&[(key, new)]);
        if !before.value().is_null() {
            prop_assert!(!matches!(saved, Ok(Some(_))), "{:?} was overwritten unseen", before);
            prop_assert_eq!(blind.document.state(), record.state());
        }
    }

    #[test]
    fn different_fields_of_one_record_both_stand(
        steps in vec(step(), 0..20),
        values in (value(), value()).prop_filter("two that say something", |(a, b)| !a.is_null() && !b.is_null()),
    ) {
        let base = merged(&run(&steps, [NOON_S; WRITERS]));
        let (mut one, mut other) = (Writer::new(0).on(&base), Writer::new(1).on(&base));
        let mut changes: Vec<_> = one.save(&[("phone", values.0.clone())]).unwrap().into_iter().collect();
        changes.extend(other.save(&[("rooms", values.1.clone())]).unwrap());
        let mut both = base;
        both.apply(changes).unwrap();
        let shown = shown(&both);
        prop_assert!(same(shown["phone"].value(), &values.0));
        prop_assert!(same(shown["rooms"].value(), &values.1));
    }

    #[test]
    fn every_concurrent_value_of_a_decide_field_stays_visible(
        names in vec(value(), 2..=PHONES),
        edits_before in vec(0..6usize, PHONES),
        order in any::<bool>(),
    ) {
        let mut base = Document::new();
        base.apply([Writer::new(0).write(vec![put("name", "base")])]).unwrap();
        let mut changes = Vec::new();
        for (n, name) in names.iter().enumerate() {
            let mut writer = Writer::new(n).on(&base);
            // A writer that typed much elsewhere counts further; it must not win more than the first place.
            changes.extend((0..edits_before[n]).map(|typed| writer.write(vec![put("phone", typed as i64)])));
            changes.extend(writer.save(&[("name", name.clone())]).unwrap());
        }
        if order {
            changes.reverse();
        }
        let mut record = base;
        record.apply(changes).unwrap();
        let visible = all_of(&record, "name");
        for name in &names {
            prop_assert!(visible.iter().any(|seen| same(seen, name)), "{:?} is not among {:?}", name, visible);
        }

        // A fourth person saves another name over what is shown: a request, and still every value stands.
        let mut fourth = Writer::new(CONSOLE).on(&record);
        let conflict = shown(&record)["name"].is_conflict();
        let saved = fourth.save(&[("name", "decided".into())]).unwrap().unwrap();
        let puts = saved.fields().unwrap().puts;
        if conflict {
            let request = Request::read(&puts[0].value).unwrap();
            let seen = visible.iter().map(digest).collect();
            prop_assert_eq!(request, Request::Resolve { key: "name".into(), value: "decided".into(), seen });
            prop_assert_eq!(fourth.document.live("name"), record.live("name"));
        } else {
            prop_assert_eq!(&puts[0].key, "name");
        }
    }

    #[test]
    fn the_office_is_shown_first_whatever_the_counters(phone_edits in 0..30usize, office_edits in 0..3usize, late in any::<bool>()) {
        let mut base = Document::new();
        base.apply([Writer::new(0).write(vec![put("phone", "base")])]).unwrap();
        let (mut phone, mut office) = (Writer::new(1).on(&base), Writer::new(DESK).on(&base));
        let mut changes: Vec<_> = (0..phone_edits).map(|n| phone.write(vec![put("rooms", n as i64)])).collect();
        changes.push(phone.write(vec![put("phone", "phone")]));
        changes.extend((0..office_edits).map(|n| office.write(vec![put("s/state", n as i64)])));
        changes.push(office.write(vec![put("phone", "office")]));
        if late {
            changes.rotate_right(1 + office_edits);
        }
        let mut record = base;
        record.apply(changes).unwrap();
        prop_assert_eq!(all_of(&record, "phone"), ["office", "phone"].map(Value::from));
    }

    #[test]
    fn elements_of_a_set_come_and_go_one_by_one(first in any::<[bool; 2]>(), then in any::<[bool; 2]>()) {
        let mut base = Document::new();
        let elements = vec![put("tag/a", first[0]), put("tag/b", first[1])];
        base.apply([Writer::new(0).write(elements)]).unwrap();
        let mut record = base.clone();
        for (n, key) in ["tag/a", "tag/b"].into_iter().enumerate() {
            // Two writers say the same of one element; neither hears of the other, nor of the other element.
            for writer in [2 * n, 2 * n + 1] {
                record.apply(Writer::new(writer).on(&base).save(&[(key, then[n].into())]).unwrap()).unwrap();
            }
        }
        let now: Vec<_> = shown(&record).into_values().collect();
        prop_assert_eq!(now, then.map(|on| Shown::One(on.into())));
    }
}

fn base(puts: Vec<(String, Value)>) -> Document {
    let mut document = Document::new();
    document.apply([Writer::new(0).write(puts)]).unwrap();
    document
}

fn all_of(document: &Document, key: &str) -> Vec<Value> {
    shown(document)[key].all().into_iter().cloned().collect()
}

#[test]
fn setting_and_unsetting_an_element_both_stay_visible_until_a_third_save() {
    let base = base(vec![put("tag/a", Value::Null)]);
    let set = Writer::new(1).on(&base).save(&[("tag/a", true.into())]).unwrap().unwrap();
    let unset = Writer::new(2).on(&base).save(&[("tag/a", false.into())]).unwrap().unwrap();
    let mut record = base;
    record.apply([set, unset]).unwrap();
    assert_eq!(all_of(&record, "tag/a"), [Value::Bool(false), Value::Bool(true)]);
    let settled = Writer::new(0).on(&record).save(&[("tag/a", true.into())]).unwrap().unwrap();
    record.apply([settled]).unwrap();
    assert_eq!(all_of(&record, "tag/a"), [Value::Bool(true)]);
}

#[test]
fn a_third_edit_of_a_conflicted_field_loses_neither_value() {
    let base = base(vec![put("name", "甲")]);
    let first = Writer::new(1).on(&base).save(&[("name", "乙".into())]).unwrap().unwrap();
    let second = Writer::new(2).on(&base).save(&[("name", "丙".into())]).unwrap().unwrap();
    let mut half = base.clone();
    half.apply([first.clone()]).unwrap();
    let mut both = half.clone();
    both.apply([second]).unwrap();
    assert_eq!(all_of(&both, "name"), ["丙", "乙"].map(Value::from));

    // A third phone knew only of one side and goes on from there: the side it did not know stays.
    let third = Writer::new(0).on(&half).save(&[("name", "丁".into())]).unwrap().unwrap();
    let mut all = both.clone();
    all.apply([third]).unwrap();
    assert_eq!(all_of(&all, "name"), ["丁", "丙"].map(Value::from));

    // One that sees both asks the server, whatever it types, and changes nothing by itself.
    for typed in ["乙", "戊"] {
        let mut seeing = Writer::new(0).on(&both);
        seeing.save(&[("name", typed.into())]).unwrap();
        assert_eq!(all_of(&seeing.document, "name"), ["丙", "乙"].map(Value::from));
    }
}
