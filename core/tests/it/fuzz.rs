//! Whatever comes in from outside may be anything. It is answered; it never ends the process, grows without bound or
//! gets past a check.
//!
//! Every target takes 2,000 inputs; `GRIDPASS_FUZZ_ITERATIONS=1000000 cargo test -p gridpass-core fuzz` takes more. An
//! input that fails is made smaller and kept in `proptest-regressions`, to be committed and tried first ever after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use gridpass_core::Value;
use gridpass_core::catalog::well_formed;
use gridpass_core::id::{ActorId, ChangeHash};
use gridpass_core::record::check::{KeyRule, Refusal, device_bytes};
use gridpass_core::record::request::{REQUEST, Request, Ruling};
use gridpass_core::record::{Change, OpId, Put};
use gridpass_core::seal::{OpeningKey, SealError, SecretKey, SigningKey, seal_to, verify};
use gridpass_core::value::MAX_INT;
use gridpass_core::wire::dump::{BODIES, Show, dump_as};
use gridpass_core::wire::{
    MAX_ITEM_BYTES, MAX_PUSH_BYTES, MAX_RECORD_BYTES, PullAnswer, PushItem, PushRequest, Reason, encode, unpack,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary;
use crate::samples::{self, Sample};
use crate::world::{NOON_S, OTHER, OWN, World, item, item_claiming, put};

fn config() -> ProptestConfig {
    #[expect(clippy::disallowed_methods, reason = "the person who runs a test may ask for more")]
    let cases = std::env::var("GRIDPASS_FUZZ_ITERATIONS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2000);
    ProptestConfig { cases, ..ProptestConfig::default() }
}

/// A change of some bytes; places are taken modulo the length.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Set(usize, u8),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize, usize),
    Announce(usize, u8, u64),
    Truncate(usize),
}

fn damage() -> BoxedStrategy<Vec<Damage>> {
    let place = || any::<usize>();
    let one = prop_oneof![
        (place(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (place(), 1..20usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (place(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (place(), 1..60usize, 1..50usize).prop_map(|(at, length, times)| Damage::Repeat(at, length, times)),
        (place(), 0..8u8, number()).prop_map(|(at, major, length)| Damage::Announce(at, major, length)),
        place().prop_map(Damage::Truncate),
    ];
    vec(one, 1..5).boxed()
}

/// Numbers near the edges of every width.
fn number() -> impl Strategy<Value = u64> {
    let edges = (0..64u32, -2..=2i64).prop_map(|(bits, off)| (1u64 << bits).wrapping_add_signed(off));
    prop_oneof![edges, any::<u64>(), 0..20u64, Just(u64::MAX), Just(MAX_INT as u64), Just(MAX_INT as u64 + 1)]
}

fn damaged(bytes: &[u8], damage: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damage {
        let length = bytes.len();
        let at = |place: &usize| place % length.max(1);
        match damage {
            _ if length == 0 => {}
            Damage::Flip(place, bit) => bytes[at(place)] ^= 1 << bit,
            Damage::Set(place, byte) => bytes[at(place)] = *byte,
            Damage::Remove(place, count) => drop(bytes.drain(at(place)..length.min(at(place) + count))),
            Damage::Insert(place, more) => drop(bytes.splice(at(place)..at(place), more.iter().copied())),
            Damage::Repeat(place, count, times) => {
                let part = bytes[at(place)..length.min(at(place) + count)].repeat(*times);
                bytes.splice(at(place)..at(place), part);
            }
            Damage::Announce(place, major, number) => {
                let header = [&[major << 5 | 27][..], &number.to_be_bytes()].concat();
                bytes.splice(at(place)..=at(place), header);
            }
            Damage::Truncate(place) => bytes.truncate(at(place)),
        }
    }
    bytes
}

static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(samples::all);
static WORLD: LazyLock<World> = LazyLock::new(World::with_conflict);

const KEYS: [&str; 13] =
    ["name", "phone", "rooms", "note", "end/date", "found_at", "t/a", "t/b", "t/c", "f1", "s/state", "", "a/b/c/d"];

/// What a phone may lie about in an item.
#[derive(Debug, Clone)]
enum Lie {
    Generation(u32),
    Format(u8),
    Actor(ActorId),
    Place(u32),
    Count(u64),
    Start(u64),
    Time(i64),
    IntentTime(i64),
    DropDep(usize),
    Dep(ChangeHash),
    KnownDep(usize),
    Key(usize, String),
    Set(usize, Value),
    Put(String, Value),
    Repeat(usize),
    DropPred(usize),
    RepeatPred(usize),
    Pred(usize, u64, ActorId),
    Hash(ChangeHash),
    /// The counter and the replaced operations follow from the deps, as far as they are known: a liar who thinks.
    Consistent,
}

fn lie() -> BoxedStrategy<Lie> {
    let index = || 0..4usize;
    let actor = || prop_oneof![Just(OWN), Just(OTHER), Just(ActorId([9; 16]))];
    let hash = || prop_oneof![any::<[u8; 32]>(), Just([0; 32])].prop_map(ChangeHash);
    let time = || number().prop_map(|number| number as i64);
    let key = || prop_oneof![4 => prop::sample::select(&KEYS[..]).prop_map(str::to_owned), 1 => "[a-z/.A-Z_]{0,50}"];
    let value = || prop_oneof![4 => arbitrary::value(), 1 => time().prop_map(Value::Int), 1 => "x{0,40000}".prop_map(Value::from)];
    prop_oneof![
        1 => number().prop_map(|number| Lie::Generation(number as u32)),
        1 => any::<u8>().prop_map(Lie::Format),
        1 => actor().prop_map(Lie::Actor),
        1 => any::<u32>().prop_map(Lie::Place),
        2 => (0..6u64).prop_map(Lie::Count),
        1 => number().prop_map(Lie::Start),
        1 => time().prop_map(Lie::Time),
        1 => time().prop_map(Lie::IntentTime),
        2 => index().prop_map(Lie::DropDep),
        1 => hash().prop_map(Lie::Dep),
        1 => index().prop_map(Lie::KnownDep),
        1 => (index(), key()).prop_map(|(at, key)| Lie::Key(at, key)),
        1 => (index(), value()).prop_map(|(at, value)| Lie::Set(at, value)),
        1 => (key(), value()).prop_map(|(key, value)| Lie::Put(key, value)),
        1 => index().prop_map(Lie::Repeat),
        1 => index().prop_map(Lie::DropPred),
        1 => index().prop_map(Lie::RepeatPred),
        1 => (index(), number(), actor()).prop_map(|(at, counter, actor)| Lie::Pred(at, counter, actor)),
        1 => hash().prop_map(Lie::Hash),
        4 => Just(Lie::Consistent),
    ]
    .boxed()
}

/// The item that tells these lies about an honest change, with the hash its fields build unless that is a lie too.
fn lying(honest: &Change, lies: &[Lie]) -> (PushItem, Vec<ActorId>) {
    let mut change = honest.clone();
    for lie in lies {
        let put = |at: &usize| at % honest.puts.len();
        match lie {
            Lie::Actor(actor) => change.actor = *actor,
            Lie::Count(count) => change.actor_seq = *count,
            Lie::Start(start) => change.start_op = *start,
            Lie::Time(time) => change.time_s = *time,
            Lie::DropDep(at) => drop(change.deps.splice(at.min(&change.deps.len()).., [])),
            Lie::Dep(hash) => change.deps.push(*hash),
            Lie::KnownDep(at) => change.deps.push(WORLD.accepted[at % WORLD.accepted.len()].hash),
            Lie::Put(key, value) => change.puts.push(Put { key: key.clone(), value: value.clone(), pred: Vec::new() }),
            Lie::Key(at, key) => change.puts[put(at)].key.clone_from(key),
            Lie::Set(at, value) => change.puts[put(at)].value = value.clone(),
            Lie::Repeat(at) => change.puts.push(change.puts[put(at)].clone()),
            Lie::DropPred(at) => change.puts[put(at)].pred.truncate(1),
            Lie::Pred(at, counter, actor) => {
                change.puts[put(at)].pred.push(OpId { counter: *counter, actor: *actor });
            }
            Lie::RepeatPred(at) => {
                let pred = &mut change.puts[put(at)].pred;
                pred.extend(pred.first().copied());
            }
            Lie::Generation(_)
            | Lie::Format(_)
            | Lie::Place(_)
            | Lie::IntentTime(_)
            | Lie::Hash(_)
            | Lie::Consistent => {}
        }
    }
    change.deps.sort();
    let consistent = lies.iter().any(|lie| matches!(lie, Lie::Consistent));
    if consistent && change.deps.iter().all(|dep| WORLD.document.contains(dep)) {
        change.start_op = WORLD.document.max_op(&change.deps).unwrap() + 1;
        for put in &mut change.puts {
            put.pred = WORLD.document.live_at(&put.key, &change.deps).iter().map(|live| live.op).collect();
        }
    }
    // A liar whose own program gives up on the fields claims any hash.
    let hash = std::panic::catch_unwind(|| change.build()).ok().and_then(Result::ok).map(|built| built.hash);
    let (mut item, actors) = item_claiming(hash.unwrap_or_default(), &change);
    for lie in lies {
        match lie {
            Lie::Generation(generation) => item.generation = *generation,
            Lie::Format(format) => item.fmt = *format,
            Lie::Place(place) => item.change.actor = *place,
            Lie::IntentTime(time) => item.intent.at_ms = *time,
            Lie::Hash(hash) => item.change.hash = *hash,
            _ => {}
        }
    }
    (item, actors)
}

/// Whether an honest phone could have made the change, by the plainest of rules and without Automerge.
fn is_honest(item: &PushItem, actors: &[ActorId]) -> bool {
    let Ok(change) = item.change.to_change(actors) else { return false };
    let accepted: BTreeMap<_, _> = WORLD.accepted.iter().map(|built| (built.hash, built.fields().unwrap())).collect();
    let (mut known, mut waiting) = (BTreeSet::new(), change.deps.clone());
    while let Some(hash) = waiting.pop() {
        let Some(ancestor) = accepted.get(&hash) else { return false };
        if known.insert(hash) {
            waiting.extend(&ancestor.deps);
        }
    }
    let before: Vec<_> = accepted.iter().filter(|(hash, _)| known.contains(hash)).map(|(_, change)| change).collect();
    let operations = before.iter().flat_map(|change| {
        let op = |counter| OpId { counter, actor: change.actor };
        (change.start_op..).map(op).zip(&change.puts).collect::<Vec<_>>()
    });
    let operations: BTreeMap<_, _> = operations.collect();
    let replaced: BTreeSet<_> = operations.values().flat_map(|put| put.pred.clone()).collect();
    let stood = |key: &str| -> BTreeSet<OpId> {
        let here = operations.iter().filter(|(op, put)| put.key == key && !replaced.contains(op));
        here.map(|(op, _)| *op).collect()
    };
    let mine: Vec<_> = accepted.iter().filter(|(_, change)| change.actor == OWN).collect();
    let keys: BTreeSet<_> = change.puts.iter().map(|put| &put.key).collect();
    let in_range = |time: i64| (-MAX_INT..=MAX_INT).contains(&time);
    item.fmt == 1
        && item.generation == 0
        && encode(item).len() <= MAX_ITEM_BYTES
        && change.actor == OWN
        && change.actor_seq == mine.len() as u64 + 1
        && mine.iter().all(|(hash, _)| known.contains(hash))
        && change.start_op == 1 + operations.keys().map(|op| op.counter).max().unwrap_or(0)
        && change.deps.is_sorted_by(|a, b| a < b)
        && in_range(change.time_s)
        && in_range(item.intent.at_ms)
        && keys.len() == change.puts.len()
        && change.puts.iter().all(|put| {
            well_formed(&put.key)
                && !put.key.starts_with("s/")
                && !matches!(put.value, Value::Int(number) if !in_range(number))
                && put.pred.len() == stood(&put.key).len()
                && put.pred.iter().copied().collect::<BTreeSet<_>>() == stood(&put.key)
                && (put.key != "found_at" && put.key != "t/a" && put.key != "t/b")
        })
        && change.build().is_ok_and(|built| built.hash == item.change.hash)
}

/// A catalog that knows every key, so that nothing hides behind it.
fn any_key(key: &str, _: &Value) -> Result<KeyRule, Reason> {
    Ok(KeyRule { once: key == "found_at" })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn damaged_messages_are_read_or_refused(sample in 0..SAMPLES.len(), damage in damage()) {
        let Sample { bytes, again, print, .. } = &SAMPLES[sample];
        let bytes = damaged(bytes, &damage);
        // `again` holds that what was read can be written and read again.
        let read = again(&bytes);
        if let Some(print) = print {
            let printed = print(&bytes, Show::Everything);
            prop_assert!(read.is_err() || printed.is_ok(), "what is read can be printed: {:?}", printed);
        }
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused_as_any_message(bytes in vec(any::<u8>(), 0..300)) {
        for Sample { again, .. } in &*SAMPLES {
            drop(again(&bytes));
        }
        for body in BODIES {
            drop(dump_as(body, &bytes, Show::Shape));
        }
        drop(unpack::<PushRequest>(&bytes, MAX_PUSH_BYTES));
    }

    #[test]
    fn damaged_bodies_unpack_within_the_limit_or_not_at_all(damage in damage()) {
        let packed = |name: &str| {
            let sample = SAMPLES.iter().find(|sample| sample.name == name).unwrap();
            damaged(&zstd::bulk::compress(&sample.bytes, 3).unwrap(), &damage)
        };
        drop(unpack::<PushRequest>(&packed("PushRequest"), MAX_PUSH_BYTES));
        drop(unpack::<PullAnswer>(&packed("PullAnswer"), 1000));
    }

    #[test]
    fn an_item_is_taken_exactly_when_an_honest_phone_could_have_made_it(lies in vec(lie(), 0..5)) {
        let world = &*WORLD;
        let honest = world.document.change_putting(OWN, NOON_S, vec![put("phone", "4"), put("note", "新")]);
        let (pushed, actors) = lying(&honest, &lies);
        let before = world.seen();
        let answer = world.check_by(&any_key, &pushed, &actors);
        prop_assert_eq!(world.seen(), before);
        let too_large = Err(Refusal::Rejected(Reason::new("record_too_large")));
        let checked = match answer {
            Ok(checked) => checked,
            refused => {
                let refused = refused.map(|checked| checked.change);
                prop_assert!(!is_honest(&pushed, &actors) || refused == too_large, "honest, but {:?}", refused);
                return Ok(());
            }
        };
        prop_assert!(is_honest(&pushed, &actors), "no honest phone made {:?}", checked.change);
        prop_assert!(device_bytes(&checked.document.state()) <= MAX_RECORD_BYTES);
        for put in &checked.change.puts {
            let live = checked.document.live(&put.key);
            let unseen = world.document.live(&put.key).into_iter().filter(|live| !put.pred.contains(&live.op)).count();
            prop_assert_eq!(live.len(), 1 + unseen, "only what the writer saw is replaced");
            prop_assert!(live.iter().any(|live| live.value == put.value && live.change == checked.built.hash));
        }
        // And the record goes on: it loads again, and the next honest change is taken.
        let mut world = world.clone();
        world.accept(checked.built);
        prop_assert_eq!(world.document.state(), checked.document.state());
        prop_assert_eq!(world.reloaded().seen(), world.seen());
        world.write(OTHER, vec![put("rooms", 9)]);
        let next = world.document.change_putting(OWN, NOON_S, vec![put("phone", "5")]);
        let (pushed, actors) = item(&next);
        prop_assert!(world.check(&pushed, &actors).is_ok());
    }

    #[test]
    fn what_is_no_request_is_no_request(text in any::<String>(), damage in damage(), key in "[a-z/]{1,9}", value in arbitrary::value()) {
        drop(Request::read(&Value::Str(text.clone())));
        drop(Ruling::read(&Value::Str(text)));
        for request in [Request::Resolve { key: key.clone(), value, seen: vec!["00".into()] }, Request::Still { key }] {
            let honest = request.entry(Default::default());
            prop_assert_eq!(Request::read(&honest.1).is_ok(), well_formed(request.key()) && !request.key().starts_with("s/"));
            let damaged = damaged(honest.1.as_str().unwrap().as_bytes(), &damage);
            let Ok(read) = Request::read(&Value::Str(String::from_utf8_lossy(&damaged).into_owned())) else { continue };
            let (entry, text) = read.entry(Default::default());
            prop_assert!(entry.starts_with(REQUEST));
            prop_assert_eq!(Request::read(&text), Ok(read.clone()), "it reads back");
            if let Request::Resolve { value: Value::Int(number), .. } = read {
                prop_assert!(number.abs() <= MAX_INT, "{} is more than a record may hold", number);
            }
        }
    }

    #[test]
    fn sealed_bytes_that_were_damaged_never_open(damage in damage(), noise in vec(any::<u8>(), 0..120)) {
        let secret = SecretKey::new([3; 32]);
        let opening = OpeningKey::from_secret(&[5; 32]);
        let signing = SigningKey::from_secret(&[7; 32]);
        let symmetric = secret.seal([4; 24], b"blob", b"a plain text");
        let asymmetric = seal_to(opening.public(), [6; 32], b"outbox", b"a plain text").unwrap();
        let signature = signing.sign(b"a message");
        for bytes in [damaged(&symmetric, &damage), noise.clone()] {
            prop_assert!(bytes == symmetric || secret.open(b"blob", &bytes) == Err(SealError::DoesNotOpen));
        }
        for bytes in [damaged(&asymmetric, &damage), noise.clone()] {
            prop_assert!(bytes == asymmetric || opening.open(b"outbox", &bytes) == Err(SealError::DoesNotOpen));
        }
        for bytes in [damaged(&signature, &damage), noise.clone()] {
            prop_assert!(bytes == signature || verify(&signing.public(), b"a message", &bytes).is_err());
        }
        prop_assert!(verify(&noise, b"a message", &signature).is_err());
        prop_assert!(seal_to(&noise, [6; 32], b"outbox", b"").is_err() || noise.len() == 32);
    }
}
