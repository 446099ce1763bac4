//! What travels keeps its bytes, its size and its temper towards strangers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use gridpass_core::id::*;
use gridpass_core::record::Change;
use gridpass_core::wire::dump::{BODIES, Holds, Show, Table, dump, dump_as};
use gridpass_core::wire::*;
use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder};
use proptest::prelude::*;

use crate::samples::{self, Sample};
use crate::world::{NOON_S, OWN, World, put};
use crate::{arbitrary, samples::cursor};

/// The sources of the wire types, to see that no type and no field is forgotten.
const SOURCES: [(&str, &str); 4] = [
    ("enrol", include_str!("../../src/wire/enrol.rs")),
    ("pull", include_str!("../../src/wire/pull.rs")),
    ("push", include_str!("../../src/wire/push.rs")),
    ("receipt", include_str!("../../src/wire/receipt.rs")),
];

fn snapshot_of(samples: &[Sample]) -> String {
    let mut text = String::new();
    for Sample { name, bytes, dumps, .. } in samples {
        text += &format!("## {name} ({} bytes)\n", bytes.len());
        for line in hex(bytes).as_bytes().chunks(112) {
            text += &format!("{}\n", str::from_utf8(line).unwrap());
        }
        if let Some([shape, _]) = dumps {
            text += shape;
        }
        text += "\n";
    }
    text
}

#[test]
fn every_message_of_enrolment_keeps_its_bytes() {
    insta::assert_snapshot!("enrol", snapshot_of(&samples::enrol()));
}

#[test]
fn every_message_of_a_pull_keeps_its_bytes() {
    insta::assert_snapshot!("pull", snapshot_of(&samples::pull()));
}

#[test]
fn every_message_of_a_push_keeps_its_bytes() {
    insta::assert_snapshot!("push", snapshot_of(&samples::push()));
}

#[test]
fn every_receipt_keeps_its_bytes() {
    insta::assert_snapshot!("receipt", snapshot_of(&samples::receipts()));
}

/// The fields of every type that is a map on the wire, as its source numbers them, and the names of all types.
fn types_in(source: &str) -> (BTreeMap<String, BTreeMap<u32, String>>, BTreeSet<String>) {
    let (mut maps, mut all) = (BTreeMap::<String, BTreeMap<u32, String>>::new(), BTreeSet::new());
    let (mut travels, mut current, mut key) = (false, String::new(), None);
    for line in source.lines().map(str::trim) {
        let words: Vec<_> = line.split([' ', '(', ';', '{']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [derive, ..] if derive.starts_with("#[derive") => travels = line.contains("Encode"),
            ["impl<C>", "Encode<C>", "for", name, ..] => drop(all.insert((*name).to_owned())),
            ["pub", "struct", name, ..] | ["struct", name, ..] if travels => {
                current = if *name == "VerdictFields" { "Verdict" } else { name }.to_owned();
                all.insert(current.clone());
            }
            _ => {}
        }
        if let Some(number) = line.strip_prefix("#[n(").and_then(|line| line.strip_suffix(")]")) {
            key = number.parse().ok();
        } else if let Some((name, _)) = line.trim_start_matches("pub ").split_once(": ")
            && !line.starts_with("//")
            && let Some(key) = key.take()
        {
            maps.entry(current.clone()).or_default().insert(key, name.to_owned());
        }
    }
    (maps, all)
}

/// Every table that is used, by name.
fn tables() -> BTreeMap<&'static str, &'static Table> {
    let mut found = BTreeMap::new();
    let mut waiting: Vec<&'static Table> = BODIES.to_vec();
    while let Some(table) = waiting.pop() {
        found.insert(table.name, table);
        waiting.extend(table.fields.iter().filter_map(|field| match field.holds {
            Holds::Message(table) => Some(table),
            _ => None,
        }));
    }
    found
}

#[test]
fn every_type_has_a_sample() {
    let samples = samples::all();
    let sampled: BTreeSet<_> = samples.iter().filter_map(|sample| sample.name.split(' ').next()).collect();
    let mut types = 0;
    for (file, source) in SOURCES {
        for name in types_in(source).1 {
            assert!(sampled.contains(name.as_str()), "{name} of wire/{file}.rs has no sample in samples.rs");
            types += 1;
        }
    }
    assert_eq!(types, 40, "the types of wire/ were found in their sources");
}

#[test]
fn every_field_has_its_name() {
    let tables = tables();
    let mut types = 0;
    for (file, source) in SOURCES {
        for (name, fields) in types_in(source).0 {
            let table = tables.get(name.as_str()).unwrap_or_else(|| panic!("{name} of wire/{file}.rs has no named!"));
            let named: BTreeMap<_, _> = table.fields.iter().map(|field| (field.key, field.name.to_owned())).collect();
            assert_eq!(named, fields, "named! of {name} in wire/{file}.rs");
            types += 1;
        }
    }
    assert_eq!(types, tables.len());
}

#[test]
fn what_is_personal_is_printed_only_when_asked_and_secrets_never() {
    let personal = ["王网格", "13800000000", "13900000000", "甲", "-3", "8585"];
    let secret = ["K7Q2", "secret-token"];
    let (mut shapes, mut wholes) = (String::new(), String::new());
    for [shape, whole] in samples::all().into_iter().filter_map(|sample| sample.dumps) {
        shapes += &shape;
        wholes += &whole;
    }
    for text in personal {
        assert!(!shapes.contains(text), "{text} is personal");
        assert!(wholes.contains(text), "{text} was asked for");
    }
    for text in secret {
        assert!(!shapes.contains(text) && !wholes.contains(text), "{text} is secret");
    }
    assert!(shapes.contains("text of 3 characters"));
    assert!(shapes.contains("kind: 5 (visit)"));
    assert!(shapes.contains(&format!("home: {}", samples::base_bucket())));
}

#[test]
fn a_field_of_a_newer_version_is_printed_by_its_number_and_as_personal() {
    let mut bytes = Encoder::new(Vec::new());
    bytes.map(2).unwrap().u8(0).unwrap().encode(cursor().epoch).unwrap().u8(9).unwrap().str("李四").unwrap();
    let printed = dump::<Cursor>(bytes.writer(), Show::Shape).unwrap();
    assert_eq!(printed, format!("Cursor\n  epoch: {}\n  #9: text of 2 characters\n", cursor().epoch));
    assert!(dump::<Cursor>(&[0xa0, 0], Show::Shape).is_err(), "bytes left over");
    assert!(dump::<Cursor>(&[0x81; 100_000], Show::Shape).is_err(), "nested beyond all use");
}

/// Copies one value, adding a field that nobody knows to every map with integer keys.
fn with_unknown_fields(d: &mut Decoder<'_>, e: &mut Encoder<Vec<u8>>) -> usize {
    match d.datatype().unwrap() {
        Type::Array => {
            let length = d.array().unwrap().unwrap();
            e.array(length).unwrap();
            (0..length).map(|_| with_unknown_fields(d, e)).sum()
        }
        Type::Map => {
            let length = d.map().unwrap().unwrap();
            let message = length > 0 && d.datatype().unwrap() != Type::String;
            e.map(length + u64::from(message)).unwrap();
            let added: usize = (0..2 * length).map(|_| with_unknown_fields(d, e)).sum();
            if message {
                e.u32(77).unwrap().begin_array().unwrap().f64(1.5).unwrap().map(1).unwrap();
                e.str("x").unwrap().null().unwrap().begin_bytes().unwrap().bytes(b"y").unwrap().end().unwrap();
                e.undefined().unwrap().i64(-1).unwrap().end().unwrap();
            }
            added + usize::from(message)
        }
        _ => {
            let start = d.position();
            d.skip().unwrap();
            e.writer_mut().extend(&d.input()[start..d.position()]);
            0
        }
    }
}

#[test]
fn a_newer_sides_fields_are_passed_over_wherever_they_stand() {
    let mut added = 0;
    for Sample { name, bytes, again, print, .. } in samples::all() {
        let mut newer = Encoder::new(Vec::new());
        added += with_unknown_fields(&mut Decoder::new(&bytes), &mut newer);
        assert_eq!(again(newer.writer()), Ok(bytes), "{name}");
        if let Some(print) = print {
            let printed = print(newer.writer(), Show::Shape).unwrap();
            assert!(
                printed.contains("#77") && printed.contains("something"),
                "{name} prints what it does not know: {printed}"
            );
        }
    }
    assert!(added > 100, "{added} fields were added");
}

#[test]
fn a_verdict_of_a_newer_server_is_unknown_and_does_not_harm_the_others() {
    let known = encode(&samples::item_verdict());
    for kind in [0, 8, 99, 255] {
        let mut e = Encoder::new(Vec::new());
        e.map(3).unwrap().u8(0).unwrap().array(2).unwrap();
        e.map(3).unwrap().u8(0).unwrap().encode(RecordId([1; 16])).unwrap();
        e.u8(1).unwrap().encode(ChangeHash([2; 32])).unwrap();
        e.u8(2).unwrap().map(2).unwrap().u8(0).unwrap().u8(kind).unwrap().u8(12).unwrap().str("later").unwrap();
        let mut bytes = e.into_writer();
        bytes.extend(&known);
        bytes.extend([2, 0, 3, 0]);
        let answer: PushAnswer = decode(&bytes).unwrap();
        let verdicts: Vec<_> = answer.verdicts.into_iter().map(|item| item.verdict).collect();
        assert_eq!(verdicts, [Verdict::Unknown, samples::item_verdict().verdict], "kind {kind}");
    }
    for kind in [2, 3, 4, 6] {
        let bytes = [0xa1, 0, kind];
        assert_eq!(decode(&bytes), Ok(Verdict::Unknown), "a verdict {kind} without what it must name");
    }
}

fn round_trip<T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug>(message: &T) -> Result<(), TestCaseError> {
    let bytes = encode(message);
    let (plain, packed) = (decode::<T>(&bytes), unpack::<T>(&pack(message), bytes.len()));
    prop_assert_eq!(plain.as_ref(), Ok(message));
    prop_assert_eq!(packed.as_ref(), Ok(message));
    prop_assert!(unpack::<T>(&pack(message), bytes.len() - 1).is_err(), "one byte more than allowed");
    Ok(())
}

proptest! {
    #[test]
    fn enrolments_round_trip(
        messages in (arbitrary::enrol_request(), arbitrary::enrolled(), arbitrary::challenge(),
            arbitrary::challenge_answer(), arbitrary::token_request(), arbitrary::token()),
    ) {
        round_trip(&messages.0)?;
        round_trip(&messages.1)?;
        round_trip(&messages.2)?;
        round_trip(&messages.3)?;
        round_trip(&messages.4)?;
        round_trip(&messages.5)?;
    }

    #[test]
    fn pushes_round_trip(request in arbitrary::push_request(), answer in arbitrary::push_answer()) {
        round_trip(&request)?;
        round_trip(&answer)?;
        for item in &request.items {
            prop_assert_eq!(item.size(), encode(item).len());
        }
    }

    #[test]
    fn pulls_round_trip(request in arbitrary::pull_request(), answer in arbitrary::pull_answer()) {
        round_trip(&request)?;
        round_trip(&answer)?;
    }

    #[test]
    fn packs_and_receipts_round_trip(pack in arbitrary::pack_content(), sheet in arbitrary::receipt_sheet()) {
        round_trip(&pack)?;
        round_trip(&sheet)?;
    }

    #[test]
    fn a_pack_read_record_by_record_is_the_same_pack_and_cut_anywhere_it_is_none(
        content in arbitrary::pack_content(),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = encode(&content);
        let read = |bytes: &[u8]| {
            let mut records = Vec::new();
            let compressed = zstd::bulk::compress(bytes, 1).unwrap();
            each_of_pack(&compressed, bytes.len(), |bucket, record| {
                records.push((bucket, record));
                true
            })
            .map(|()| records)
        };
        let same: Vec<_> = content.records.iter().map(|record| (content.bucket, record.clone())).collect();
        prop_assert_eq!(read(&bytes), Ok(same));
        prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err());
        prop_assert!(read(&[bytes.as_slice(), &[0]].concat()).is_err(), "bytes left over");
        prop_assert!(each_of_pack(&pack(&content), bytes.len() - 1, |_, _| true).is_err(), "one byte more than allowed");
        let mut read = 0;
        each_of_pack(&pack(&content), bytes.len(), |_, _| { read += 1; false }).unwrap();
        prop_assert_eq!(read, content.records.len().min(1));
    }
}

#[test]
fn a_body_that_unpacks_to_more_than_allowed_is_refused_before_it_is_unpacked() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    assert!(bomb.len() < 10_000, "64 MiB in {} bytes", bomb.len());
    let too_large = WireError::TooLarge { limit: MAX_PUSH_BYTES };
    assert_eq!(unpack::<PushRequest>(&bomb, MAX_PUSH_BYTES), Err(too_large.clone()));
    let two = [zstd::bulk::compress(&[0xa0; 600_000], 3).unwrap(), zstd::bulk::compress(&[0; 600_000], 3).unwrap()];
    assert_eq!(unpack::<PushRequest>(&two.concat(), MAX_PUSH_BYTES), Err(too_large), "in two frames");
    let none = unpack::<PushRequest>(b"no zstd at all", MAX_PUSH_BYTES);
    assert!(matches!(none, Err(WireError::Malformed(_))), "{none:?}");
    assert_eq!(unpack::<PushRequest>(&[], MAX_PUSH_BYTES).map_err(|_| ()), Err(()));
}

#[test]
fn an_announced_length_is_never_believed() {
    // Each major type that has a length, announcing 2^64 - 1 and 2^32, in every place of every message.
    for Sample { name, bytes, again, print, .. } in samples::all() {
        for place in 0..bytes.len() {
            for major in [0x5b, 0x7b, 0x9b, 0xbb] {
                for length in [u64::MAX, 1 << 32] {
                    let lie = [&bytes[..place], &[major], &length.to_be_bytes(), &bytes[place + 1..]].concat();
                    if let Ok(read) = again(&lie) {
                        assert!(read.len() <= bytes.len() + 9, "{name} grew");
                    }
                    if let Some(print) = print {
                        drop(print(&lie, Show::Everything));
                    }
                }
            }
        }
    }
}

#[test]
fn half_a_message_is_no_message() {
    for Sample { name, bytes, again, .. } in samples::all() {
        for end in 0..bytes.len() {
            assert!(again(&bytes[..end]).is_err(), "{name} cut at {end}");
        }
        assert!(again(&[&bytes[..], &[0]].concat()).is_err(), "{name} with a byte left over");
    }
}

#[test]
fn an_unknown_field_nested_a_million_deep_is_passed_over_or_refused() {
    for nest in [[0x81, 0x81], [0x9f, 0x9f], [0x82, 0x9f], [0xa1, 0xbf], [0xbf, 0x9f], [0xc0, 0xc0], [0x5f, 0x5f]] {
        let bytes = [&[0xa1, 0x18, 77][..], &nest.repeat(500_000)].concat();
        assert!(decode::<PullRequest>(&bytes).is_err(), "{nest:x?}");
        assert!(dump_as(BODIES[0], &bytes, Show::Everything).is_err(), "{nest:x?}");
    }
}

/// A cursor as large as one gets.
fn far(n: u32) -> Cursor {
    let random = |kind: &str| {
        let [low, .., high] = *RecordId::derived(kind, &[&n.to_be_bytes()]).as_bytes().as_chunks::<8>().0 else {
            panic!()
        };
        u64::from_be_bytes(low) ^ u64::from_be_bytes(high) | 1 << 63
    };
    Cursor { epoch: random("epoch"), log_seq: u64::MAX - random("log_seq") / 2, checksum: random("checksum") }
}

#[test]
fn a_sync_that_brings_nothing_costs_60_bytes_and_40_per_bucket_each_way() {
    for buckets in [0, 1, 5, 20, 100] {
        let request = PullRequest {
            buckets: (0..buckets).map(|n| BucketCursor { bucket: 65_535 - n, cursor: far(n), pending: 20 }).collect(),
            whole: Vec::new(),
        };
        let answer = PullAnswer {
            pages: (0..buckets)
                .map(|n| BucketPage {
                    number: 65_535 - n,
                    to: None,
                    durable_seq: far(n).log_seq,
                    rows: None,
                    more: false,
                })
                .collect(),
            server_ms: i64::MAX,
            next_sync_after_ms: u32::MAX,
            ..PullAnswer::default()
        };
        let allowed = 60 + 40 * buckets as usize;
        let sizes = [pack(&request).len(), encode(&request).len(), pack(&answer).len(), encode(&answer).len()];
        println!("{buckets} buckets: request {} ({} unpacked), answer {} ({})", sizes[0], sizes[1], sizes[2], sizes[3]);
        assert!(sizes.iter().all(|size| *size <= allowed), "{buckets} buckets: {sizes:?} of {allowed}");
    }
}

/// A push of one-field edits of different records, as a phone sends it after a day without a network.
fn push_of(items: u8, create: bool) -> PushRequest {
    let random = |kind: &str, n: u8| *RecordId::derived(kind, &[&[n]]).as_bytes();
    let mut actors = Vec::new();
    let items = (0..items)
        .map(|n| {
            let mut world = World::default();
            world.write(ActorId(random("first", n % 3)), vec![put("phone", "13900000000"), put("name", i64::from(n))]);
            let phone = format!("138{:08}", u32::from(n) * 1_234_567);
            let change: Change =
                world.document.change_putting(OWN, NOON_S + 97 * i64::from(n), vec![put("phone", phone)]);
            PushItem {
                record: RecordId(random("record", n)),
                generation: 0,
                fmt: FMT_AUTOMERGE,
                create: create.then(samples::create),
                change: ChangeFields::new(change.build().unwrap().hash, &change, &mut actors),
                intent: Intent {
                    id: IntentId(random("intent", n)),
                    kind: IntentKind::EDIT,
                    at_ms: (NOON_S + 97 * i64::from(n)) * 1000 + 137,
                    monotonic_ms: 86_000_000 + 97_003 * i64::from(n),
                    visit: Some(RecordId(random("visit", n / 4))),
                },
                grant: GrantId(random("grant", 0)),
                catalog_version: 300,
            }
        })
        .collect();
    PushRequest {
        batch: BatchId(random("batch", 0)),
        key: KeyId([0x5a; 8]),
        actors,
        items,
        signature: [random("signature", 0), random("signature", 1), random("signature", 2), random("signature", 3)]
            .concat(),
        sent_ms: NOON_S * 1000 + 9_999,
        sent_monotonic_ms: 99_000_123,
    }
}

#[test]
fn a_one_field_edit_in_a_push_of_twenty_costs_250_bytes() {
    for create in [false, true] {
        let push = push_of(20, create);
        let (packed, plain) = (pack(&push).len(), encode(&push).len());
        println!("create {create}: {} bytes per edit, {} unpacked", packed.div_ceil(20), plain.div_ceil(20));
        assert!(packed.div_ceil(20) <= 250, "{packed} bytes for 20 edits");
    }
}

#[test]
fn a_full_push_of_one_field_edits_is_within_the_limit() {
    let size = encode(&push_of(250, true)).len() * MAX_PUSH_ITEMS / 250;
    assert!(size <= MAX_PUSH_BYTES, "{MAX_PUSH_ITEMS} edits take {size} bytes");
}
