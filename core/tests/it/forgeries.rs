//! Every way a phone could lie about a change (`docs/sync.md`, "What the server checks"), and the answer to each.

use gridpass_core::Value;
use gridpass_core::id::{ActorId, ChangeHash, TicketId};
use gridpass_core::record::check::{MAX_DEPS, MAX_HEADS, Refusal};
use gridpass_core::record::{Built, Change, Document, OpId, Put};
use gridpass_core::wire::{MAX_ITEM_BYTES, MAX_PUTS, MAX_RECORD_BYTES, PushItem, Reason};

use crate::world::{NOON_S, OFFICE, OTHER, OWN, World, item, item_claiming, put};

const TICKET: TicketId = TicketId([0x77; 16]);
const QUARANTINED: ChangeHash = ChangeHash([0x66; 32]);
const UNKNOWN: ChangeHash = ChangeHash([0x55; 32]);

/// A forged item with the answer it must get.
struct Forgery {
    what: String,
    item: PushItem,
    actors: Vec<ActorId>,
    refusal: Refusal,
}

fn forgery(what: &str, (item, actors): (PushItem, Vec<ActorId>), refusal: Refusal) -> Forgery {
    Forgery { what: what.to_owned(), item, actors, refusal }
}

fn rejected(code: &str) -> Refusal {
    Refusal::Rejected(Reason::new(code))
}

fn rejected_at(code: &str, key: &str) -> Refusal {
    Refusal::Rejected(Reason::at(code, key))
}

/// What an honest phone would push next.
fn honest(world: &World) -> Change {
    world.document.change_putting(OWN, NOON_S, vec![put("phone", "4"), put("note", "新")])
}

/// The honest change, altered, under the hash of the altered fields: a liar computes it right.
fn altered(world: &World, alter: impl FnOnce(&mut Change)) -> (PushItem, Vec<ActorId>) {
    let mut change = honest(world);
    alter(&mut change);
    match change.build() {
        Ok(built) => item_claiming(built.hash, &change),
        Err(_) => item_claiming(ChangeHash([0; 32]), &change),
    }
}

/// The honest item, altered around the change.
fn altered_item(world: &World, alter: impl FnOnce(&mut PushItem)) -> (PushItem, Vec<ActorId>) {
    let (mut item, actors) = item(&honest(world));
    alter(&mut item);
    (item, actors)
}

fn world() -> World {
    let mut world = World::with_conflict();
    world.quarantine.insert(QUARANTINED, TICKET);
    world
}

fn items_beyond_the_limits(world: &World) -> Vec<Forgery> {
    let with_key = |key: &str| altered(world, |change| change.puts[0].key = key.to_owned());
    let null = |key: String| Put { key, value: Value::Null, pred: Vec::new() };
    let segments_of = |length: usize| ["f".repeat(40), "f".repeat(40), "f".repeat(length)].join("/");
    let mut forgeries = vec![
        forgery("the server's own format", altered_item(world, |item| item.fmt = 0), rejected("fmt")),
        forgery("a format of the future", altered_item(world, |item| item.fmt = 2), rejected("fmt")),
        forgery("no puts", altered(world, |change| change.puts.clear()), rejected("puts")),
        forgery(
            "one put too many",
            altered(world, |change| change.puts = (0..=MAX_PUTS).map(|n| null(format!("f{n}"))).collect()),
            rejected("puts"),
        ),
        forgery(
            "an item that is too large",
            altered(world, |change| change.puts[0].value = "x".repeat(MAX_ITEM_BYTES).into()),
            rejected("item_too_large"),
        ),
        forgery("a writer beyond the list", altered_item(world, |item| item.change.actor = 2), rejected("actor_list")),
        forgery(
            "a replaced writer beyond the list",
            altered_item(world, |item| item.change.puts[0].pred[0].1 = u32::MAX),
            rejected("actor_list"),
        ),
        forgery("an empty actor list", (item(&honest(world)).0, Vec::new()), rejected("actor_list")),
        forgery("a key of the server", with_key("s/state"), rejected_at("server_key", "s/state")),
        forgery("a ruling", with_key("s/v/a"), rejected_at("server_key", "s/v/a")),
        forgery("a key of 97 bytes", with_key(&segments_of(15)), rejected("key_form")),
        forgery("a segment of 41 bytes", with_key(&"f".repeat(41)), rejected("key_form")),
        forgery(
            "a key twice",
            altered(world, |change| change.puts.extend(change.puts.clone())),
            rejected_at("key_twice", "phone"),
        ),
        forgery("deps in another order", altered_item(world, |item| item.change.deps.reverse()), rejected("deps")),
        forgery(
            "a dep twice",
            altered_item(world, |item| item.change.deps = vec![item.change.deps[0]; 2]),
            rejected("deps"),
        ),
        forgery(
            "too many deps",
            altered(world, |change| change.deps = (0..=MAX_DEPS as u8).map(|n| ChangeHash([n; 32])).collect()),
            rejected("deps"),
        ),
    ];
    for key in ["", "/", "phone/", "/phone", "a//b", "a/b/c/d", "Phone", "电话", "pho ne", "phone\0", "f+"] {
        forgeries.push(forgery(&format!("the key {key:?}"), with_key(key), rejected("key_form")));
    }
    for number in [(1 << 53) + 1, -(1 << 53) - 1, i64::MAX, i64::MIN] {
        let forged = altered(world, |change| change.puts[0].value = Value::Int(number));
        forgeries.push(forgery(&format!("the number {number}"), forged, rejected_at("int_range", "phone")));
    }
    for counter in [0, 1 << 32, i64::MAX as u64 + 1, u64::MAX] {
        let forged = altered_item(world, |item| item.change.puts[0].pred[0].0 = counter);
        forgeries.push(forgery(&format!("the pred {counter}"), forged, rejected_at("pred", "phone")));
    }
    for time in [(1 << 53) + 1, -(1 << 53) - 1, i64::MAX, i64::MIN] {
        for forged in [
            altered(world, |change| change.time_s = time),
            altered_item(world, |item| item.intent.at_ms = time),
            altered_item(world, |item| item.intent.monotonic_ms = time),
        ] {
            forgeries.push(forgery(&format!("the time {time}"), forged, rejected("time_range")));
        }
    }
    forgeries
}

fn wrong_hashes(world: &World) -> Vec<Forgery> {
    let change = honest(world);
    let mut flipped = change.build().unwrap().hash;
    flipped.0[31] ^= 1;
    let mut forgeries = vec![
        forgery("the hash of nothing", item_claiming(ChangeHash([0; 32]), &change), rejected("hash")),
        forgery("a hash with one bit flipped", item_claiming(flipped, &change), rejected("hash")),
        forgery("the hash of an accepted change", item_claiming(change.deps[0], &change), rejected("hash")),
    ];
    // The claimed hash is the honest one; each field in turn says something else.
    type Alteration = (&'static str, fn(&mut PushItem));
    let alterations: [Alteration; 8] = [
        ("actor", |item| item.change.actor = 1),
        ("actor_seq", |item| item.change.actor_seq += 1),
        ("start_op", |item| item.change.start_op += 1),
        ("time", |item| item.change.time_s += 1),
        ("deps", |item| item.change.deps.truncate(1)),
        ("key", |item| item.change.puts[0].key = "rooms".into()),
        ("value", |item| item.change.puts[0].value = "5".into()),
        ("pred", |item| item.change.puts[0].pred.truncate(1)),
    ];
    for (field, alter) in alterations {
        forgeries.push(forgery(&format!("another {field}"), altered_item(world, alter), rejected("hash")));
    }
    forgeries
}

fn wrong_places(world: &World) -> Vec<Forgery> {
    let [first, second] = world.document.heads()[..] else { panic!("the fixture has two heads") };
    let own = world.document.last_of(OWN).unwrap().1;
    let other = if own == first { second } else { first };
    let next = honest(world).start_op;
    let sorted = |mut deps: Vec<ChangeHash>| {
        deps.sort();
        deps
    };
    let on = |deps: Vec<ChangeHash>| altered(world, |change| change.deps = sorted(deps));
    let seq = |seq: u64| altered(world, |change| change.actor_seq = seq);
    let start = |start: u64| altered(world, |change| change.start_op = start);
    let taken = item(&world.accepted[0].fields().unwrap());
    vec![
        forgery(
            "a generation of the future",
            altered_item(world, |item| item.generation = 1),
            Refusal::StaleGeneration(0),
        ),
        forgery("another device's actor", altered(world, |change| change.actor = OTHER), rejected("foreign_actor")),
        forgery("the office's actor", altered(world, |change| change.actor = OFFICE), rejected("foreign_actor")),
        forgery("an unknown dep", on(vec![first, second, UNKNOWN]), Refusal::Missing(vec![UNKNOWN])),
        forgery("only unknown deps", on(vec![UNKNOWN]), Refusal::Missing(vec![UNKNOWN])),
        forgery("a quarantined dep", on(vec![first, second, QUARANTINED]), Refusal::BlockedBy(TICKET)),
        forgery("a quarantined and an unknown dep", on(vec![UNKNOWN, QUARANTINED]), Refusal::BlockedBy(TICKET)),
        forgery("no count", seq(0), rejected("actor_seq")),
        forgery("a count that is taken", seq(1), Refusal::ActorFork),
        forgery("the last count again", seq(2), Refusal::ActorFork),
        forgery("the very change that is accepted", taken, Refusal::ActorFork),
        forgery("a count too high", seq(4), Refusal::Missing(Vec::new())),
        forgery("the highest count", seq(u64::MAX), Refusal::Missing(Vec::new())),
        forgery("not made on the own last change", on(vec![other]), rejected("not_after_own")),
        forgery("made on nothing", on(vec![]), rejected("not_after_own")),
        forgery("a counter one too high", start(next + 1), rejected("start_op")),
        forgery("a counter one too low", start(next - 1), rejected("start_op")),
        forgery("a counter of a million more", start(next + 1_000_000), rejected("start_op")),
        forgery("the highest counter that Automerge holds", start(u32::MAX.into()), rejected("start_op")),
        forgery("one beyond it", start(1 << 32), rejected("start_op")),
        forgery("the highest counter", start(u64::MAX), rejected("start_op")),
        forgery("no counter", start(0), rejected("start_op")),
    ]
}

fn wrong_preds(world: &World) -> Vec<Forgery> {
    let pred = |alter: &dyn Fn(&mut Vec<OpId>)| altered(world, |change| alter(&mut change.puts[0].pred));
    let at = |counter: u64, actor: ActorId| OpId { counter, actor };
    let own = world.document.last_of(OWN).unwrap().1;
    let mut forgeries = vec![
        forgery("a pred missing", pred(&|pred| pred.truncate(1)), rejected_at("pred", "phone")),
        forgery("the other pred missing", pred(&|pred| *pred = vec![pred[1]]), rejected_at("pred", "phone")),
        forgery("no pred where values stand", pred(&Vec::clear), rejected_at("pred", "phone")),
        forgery("a pred twice", pred(&|pred| pred.push(pred[0])), rejected_at("pred", "phone")),
        forgery("one pred twice in place of two", pred(&|pred| pred[1] = pred[0]), rejected_at("pred", "phone")),
        forgery(
            "an operation of another key as well",
            pred(&|pred| pred.push(at(1, OWN))),
            rejected_at("pred", "phone"),
        ),
        forgery(
            "a value that was replaced before",
            pred(&|pred| *pred = vec![at(2, OWN)]),
            rejected_at("pred", "phone"),
        ),
        forgery(
            "a pred where nothing stands",
            altered(world, |change| change.puts[1].pred = vec![at(1, OWN)]),
            rejected_at("pred", "note"),
        ),
        forgery(
            "values that the named deps had not seen",
            altered(world, |change| {
                change.deps = vec![own];
                change.start_op = world.document.max_op(&[own]).unwrap() + 1;
            }),
            rejected_at("pred", "phone"),
        ),
    ];
    for counter in [0, 999, i64::MAX as u64, u64::MAX, 1 << 32, (1 << 32) + 5] {
        for actor in [OWN, OTHER, OFFICE, ActorId([0xee; 16])] {
            let forged = pred(&|pred| pred[0] = at(counter, actor));
            forgeries.push(forgery(&format!("the pred {counter}@{actor}"), forged, rejected_at("pred", "phone")));
        }
    }
    forgeries
}

fn what_is_written_once_again(world: &World) -> Vec<Forgery> {
    let hidden = Document::from_changes([world.accepted[0].bytes()]).unwrap();
    // The device wrote the record without the other's later write-once value: its own deps show none there.
    let blind = |key: &str| {
        let mut change = hidden.change_putting(OWN, NOON_S, vec![put(key, "2")]);
        let own = world.document.last_of(OWN).unwrap();
        change.actor_seq = own.0 + 1;
        change.deps = vec![own.1];
        change.start_op = world.document.max_op(&[own.1]).unwrap() + 1;
        item(&change)
    };
    let seen = |key: &str| item(&world.document.change_putting(OWN, NOON_S, vec![put(key, "2")]));
    vec![
        forgery("a write-once field again", seen("found_at"), rejected_at("written_once", "found_at")),
        forgery("a request again", seen("t/a"), rejected_at("written_once", "t/a")),
        forgery("a request that the deps hide", blind("t/b"), rejected_at("written_once", "t/b")),
        forgery(
            "a cleared write-once field",
            item(&world.document.change_putting(OWN, NOON_S, vec![put("found_at", Value::Null)])),
            rejected_at("written_once", "found_at"),
        ),
        forgery("a field nobody knows", seen("unheard_of"), rejected_at("unknown_field", "unheard_of")),
    ]
}

fn records_grown_too_large(world: &World) -> Vec<Forgery> {
    let text = |length: usize| vec![put("note", "x".repeat(length))];
    let all = |length: usize| item(&world.document.change_putting(OWN, NOON_S, text(length)));
    vec![forgery("a text larger than a record", all(MAX_RECORD_BYTES), rejected("record_too_large"))]
}

fn all_forgeries(world: &World) -> Vec<Forgery> {
    let groups = [
        items_beyond_the_limits,
        wrong_hashes,
        wrong_places,
        wrong_preds,
        what_is_written_once_again,
        records_grown_too_large,
    ];
    groups.iter().flat_map(|group| group(world)).collect()
}

fn refuse(world: &World, forgeries: Vec<Forgery>) {
    assert!(!forgeries.is_empty());
    for Forgery { what, item, actors, refusal } in forgeries {
        let before = world.seen();
        let answer = world.check(&item, &actors).map(|checked| checked.change);
        assert_eq!(answer, Err(refusal), "{what}");
        assert_eq!(world.seen(), before, "{what} must not touch the record");
    }
}

#[test]
fn an_item_beyond_the_limits_is_refused_before_anything_is_built() {
    let world = world();
    refuse(&world, items_beyond_the_limits(&world));
}

#[test]
fn a_hash_that_the_fields_do_not_build_is_refused() {
    let world = world();
    refuse(&world, wrong_hashes(&world));
}

#[test]
fn a_change_that_is_not_the_devices_next_one_is_refused() {
    let world = world();
    refuse(&world, wrong_places(&world));
}

#[test]
fn a_change_must_replace_exactly_what_its_writer_saw() {
    let world = world();
    refuse(&world, wrong_preds(&world));
}

#[test]
fn what_is_written_once_is_written_once_even_when_the_deps_hide_it() {
    let world = world();
    refuse(&world, what_is_written_once_again(&world));
}

#[test]
fn a_record_holds_32_kib_and_not_one_byte_more() {
    let world = world();
    refuse(&world, records_grown_too_large(&world));
    let room = MAX_RECORD_BYTES - gridpass_core::record::check::device_bytes(&world.document.state()) - "note".len();
    let fill = |length: usize| item(&world.document.change_putting(OWN, NOON_S, vec![put("note", "x".repeat(length))]));
    let (full, actors) = fill(room);
    assert!(world.check(&full, &actors).is_ok());
    refuse(&world, vec![forgery("one byte more", fill(room + 1), rejected("record_too_large"))]);
}

#[test]
fn a_new_record_starts_at_generation_zero_with_the_first_counter() {
    let world = World::default();
    let change = world.document.change_putting(OWN, NOON_S, vec![put("name", "甲")]);
    let (mut later, actors) = item(&change);
    later.generation = 1;
    let counting = |start_op| item(&Change { start_op, ..change.clone() });
    refuse(
        &world,
        vec![
            forgery("a generation that nobody made", (later, actors), rejected("generation")),
            forgery("a counter that would win every conflict", counting(1_000_000), rejected("start_op")),
            forgery(
                "a second change without the first",
                item(&Change { actor_seq: 2, ..change.clone() }),
                Refusal::Missing(Vec::new()),
            ),
        ],
    );
    let (first, actors) = item(&change);
    assert!(world.check(&first, &actors).is_ok());
}

#[test]
fn a_clock_at_the_end_of_time_does_not_make_a_record_unreadable() {
    for time_s in [-(1 << 53), 1 << 53] {
        let mut world = World::default();
        let strange = world.document.change_putting(OWN, time_s, vec![put("name", "甲")]);
        let (pushed, actors) = item(&strange);
        world.accept(world.check(&pushed, &actors).unwrap().built);
        world.accept(world.document.change_putting(OTHER, -time_s, vec![put("name", "乙")]).build().unwrap());
        world.write(OTHER, vec![put("name", "丙")]);
        assert_eq!(world.reloaded().seen(), world.seen(), "a time of {time_s} s is only strange");
    }
}

#[test]
fn one_device_cannot_spread_a_record_so_wide_that_nobody_can_write_it_any_more() {
    let mut world = World::default();
    let wide = |n: u8| Document::new().change_putting(ActorId([0x80 + n; 16]), NOON_S, vec![put("name", i64::from(n))]);
    for n in 1..=MAX_HEADS as u8 {
        world.accept(wide(n).build().unwrap());
    }
    let one_more = Document::new().change_putting(OWN, NOON_S, vec![put("name", "甲")]);
    refuse(&world, vec![forgery("one head more", item(&one_more), Refusal::Missing(Vec::new()))]);
    let (gathered, actors) = item(&world.document.change_putting(OWN, NOON_S, vec![put("name", "甲")]));
    let checked = world.check(&gathered, &actors).expect("made again on all that stands, it is taken");
    assert_eq!(checked.document.heads().len(), 1);
}

#[test]
fn after_every_forgery_the_honest_changes_still_replay_into_the_same_record() {
    let mut world = world();
    let forgeries = all_forgeries(&world);
    assert!(forgeries.len() > 90, "only {} forgeries", forgeries.len());
    for Forgery { what, item, actors, .. } in forgeries {
        assert!(world.check(&item, &actors).is_err(), "{what}");
    }
    assert_eq!(world.reloaded().seen(), world.seen());
    for round in 0..3 {
        let change = honest(&world);
        let (pushed, actors) = item(&change);
        let checked = world.check(&pushed, &actors).unwrap_or_else(|refusal| panic!("round {round}: {refusal:?}"));
        assert_eq!(checked.change, change);
        assert_eq!(checked.built.bytes(), change.build().unwrap().bytes());
        world.accept(checked.built);
        assert_eq!(world.document.state(), checked.document.state());
        assert_eq!(world.document.heads(), checked.document.heads());
        let bytes: Vec<_> = world.accepted.iter().map(Built::bytes).collect();
        let rebuilt: Vec<_> = world.accepted.iter().map(|built| built.fields().unwrap().build().unwrap()).collect();
        assert!(bytes.iter().zip(&rebuilt).all(|(bytes, built)| *bytes == built.bytes()));
        assert_eq!(world.reloaded().seen(), world.seen());
    }
}
