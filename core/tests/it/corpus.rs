//! Changes whose bytes must never change: what phones have sent and servers have stored must build again after every
//! upgrade of Automerge (`docs/sync.md`, "Record").
//!
//! `corpus.txt` holds one change per line: the record, the hash, the raw bytes and the fields as JSON; then one line per
//! record with its heads and the values that stand, the preferred first. `GRIDPASS_BLESS=1 cargo test -p gridpass-core
//! corpus` writes it anew, which is right only before the first release.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::LazyLock;

use gridpass_core::Value;
use gridpass_core::id::{ActorId, ChangeHash, hex, unhex};
use gridpass_core::record::{Built, Change, Document, OpId, Put};
use serde_json::{Value as Json, json};

use crate::world::{NOON_S, put};

const RECORDS: usize = 5;
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/corpus.txt");

fn op_to_json(op: &OpId) -> Json {
    json!([op.counter, op.actor])
}

fn to_json(change: &Change) -> Json {
    let puts: Vec<_> = change
        .puts
        .iter()
        .map(|put| json!({"key": put.key, "value": put.value, "pred": put.pred.iter().map(op_to_json).collect::<Vec<_>>()}))
        .collect();
    json!({
        "actor": change.actor,
        "actor_seq": change.actor_seq,
        "start_op": change.start_op,
        "time_s": change.time_s,
        "deps": change.deps,
        "puts": puts,
    })
}

fn parsed<T: FromStr<Err: std::fmt::Debug>>(json: &Json) -> T {
    json.as_str().unwrap().parse().unwrap()
}

fn op_from_json(json: &Json) -> OpId {
    OpId { counter: json[0].as_u64().unwrap(), actor: parsed(&json[1]) }
}

fn from_json(json: &Json) -> Change {
    let put = |json: &Json| Put {
        key: json["key"].as_str().unwrap().to_owned(),
        value: serde_json::from_value(json["value"].clone()).unwrap(),
        pred: json["pred"].as_array().unwrap().iter().map(op_from_json).collect(),
    };
    Change {
        actor: parsed(&json["actor"]),
        actor_seq: json["actor_seq"].as_u64().unwrap(),
        start_op: json["start_op"].as_u64().unwrap(),
        time_s: json["time_s"].as_i64().unwrap(),
        deps: json["deps"].as_array().unwrap().iter().map(parsed).collect(),
        puts: json["puts"].as_array().unwrap().iter().map(put).collect(),
    }
}

/// What a record has come to: its heads, and at each key every value that stands with its operation.
fn outcome(document: &Document) -> Json {
    let state: BTreeMap<_, _> = document
        .state()
        .into_iter()
        .map(|(key, live)| {
            let live: Vec<_> = live.iter().map(|live| json!([live.value, op_to_json(&live.op), live.change])).collect();
            (key, live)
        })
        .collect();
    json!({"heads": document.heads(), "state": state})
}

/// Numbers that are the same on every machine for ever.
struct Numbers(blake3::OutputReader);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        (u64::from_le_bytes(bytes) % end as u64) as usize
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// The values that have gone wrong in other programs: edges of the number range, long and composed and astral texts.
fn values() -> Vec<Value> {
    let mut values: Vec<Value> =
        [0, 1, -1, 63, 64, -64, -65, 8191, 8192, 1 << 31, -(1 << 31), 1 << 53, -(1 << 53)].map(Value::Int).into();
    values.extend(["", "0", "甲", "é", "e\u{301}", "𠮷", "👨‍👩‍👧", "a\0b", "行\n列\t\"\\"].map(Value::from));
    values.extend(["长".repeat(43), "x".repeat(127), "x".repeat(128), "x".repeat(300)].map(Value::from));
    values.extend([Value::Null, true.into(), false.into()]);
    values
}

fn generate() -> String {
    let mut numbers = Numbers(blake3::Hasher::new_derive_key("gridpass corpus v1").finalize_xof());
    let actors: Vec<_> = [0x00, 0x01, 0x7f, 0x80, 0xff].map(|byte| ActorId([byte; 16])).into();
    let keys = ["name", "phone", "rooms", "tag/a", "tag/b", "end/date", "a.b-c_9/x/y", "s/state"];
    let times = [0, 1, -1, NOON_S, NOON_S + 31_536_000, 1 << 53, -(1 << 53)];
    let all_values = values();
    let mut values = all_values.iter().cycle().cloned();
    let (mut changes, mut outcomes) = (String::new(), String::new());
    for record in 0..RECORDS {
        // Each actor has its own copy and now and then hears of another's, so that writers do not know of each other.
        let mut copies = vec![Document::new(); actors.len()];
        let mut all: Vec<Built> = Vec::new();
        for _ in 0..13 {
            let writer = numbers.below(actors.len());
            for heard in 0..actors.len() {
                if numbers.below(4) == 0 {
                    let known: Vec<_> =
                        all.iter().filter(|built| copies[heard].contains(&built.hash)).cloned().collect();
                    copies[writer].apply(known).unwrap();
                }
            }
            let mut puts = BTreeMap::new();
            for _ in 0..=numbers.below(4) {
                puts.insert(numbers.one_of(&keys).to_owned(), values.next().unwrap());
            }
            if all.is_empty() && record == 0 {
                puts.extend((0..150).map(|n| put(&format!("f{n}"), n)));
            }
            let change =
                copies[writer].change_putting(actors[writer], numbers.one_of(&times), puts.into_iter().collect());
            let built = change.build().unwrap();
            changes += &format!("{record} {} {} {}\n", built.hash, hex(built.bytes()), to_json(&change));
            copies[writer].apply([built.clone()]).unwrap();
            all.push(built);
        }
        let mut merged = Document::new();
        merged.apply(all).unwrap();
        outcomes += &format!("{record} {}\n", outcome(&merged));
    }
    format!("{changes}\n{outcomes}")
}

struct Line {
    record: usize,
    hash: ChangeHash,
    bytes: String,
    change: Change,
}

static TEXT: LazyLock<String> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "the person who runs a test may ask for more")]
    if std::env::var("GRIDPASS_BLESS").is_ok() {
        std::fs::write(FILE, generate()).unwrap();
    }
    std::fs::read_to_string(FILE).unwrap()
});

fn corpus() -> (Vec<Line>, Vec<Json>) {
    let (changes, outcomes) = TEXT.split_once("\n\n").unwrap();
    let changes = changes.lines().map(|line| {
        let [record, hash, bytes, fields] = line.splitn(4, ' ').collect::<Vec<_>>().try_into().unwrap();
        Line {
            record: record.parse().unwrap(),
            hash: hash.parse().unwrap(),
            bytes: bytes.to_owned(),
            change: from_json(&serde_json::from_str(fields).unwrap()),
        }
    });
    let outcomes = outcomes.lines().map(|line| serde_json::from_str(line.split_once(' ').unwrap().1).unwrap());
    (changes.collect(), outcomes.collect())
}

#[test]
fn every_change_builds_from_its_fields_to_the_same_hash_and_bytes() {
    for (place, line) in corpus().0.into_iter().enumerate() {
        let built = line.change.build().unwrap();
        assert_eq!(built.hash, line.hash, "the hash of line {}", place + 1);
        assert_eq!(hex(built.bytes()), line.bytes, "the bytes of line {}", place + 1);
    }
}

#[test]
fn every_change_reads_back_from_its_bytes_to_the_same_fields() {
    for (place, line) in corpus().0.into_iter().enumerate() {
        let digits = line.bytes.as_bytes().chunks(2);
        let bytes: Vec<_> = digits.flat_map(|pair| unhex::<1>(str::from_utf8(pair).unwrap()).unwrap()).collect();
        let built = Built::from_trusted(&bytes).unwrap();
        assert_eq!(built.hash, line.hash, "the hash of line {}", place + 1);
        assert_eq!(built.fields(), Ok(line.change), "the fields of line {}", place + 1);
    }
}

#[test]
fn the_changes_of_a_record_add_up_to_the_same_values() {
    let (lines, outcomes) = corpus();
    assert_eq!(outcomes.len(), RECORDS);
    for (record, stored) in outcomes.iter().enumerate() {
        let mut document = Document::new();
        let changes = lines.iter().filter(|line| line.record == record).map(|line| line.change.build().unwrap());
        document.apply(changes.collect::<Vec<_>>()).unwrap();
        assert_eq!(&outcome(&document), stored, "record {record}");
    }
}

#[test]
fn the_corpus_holds_what_could_change() {
    let (lines, outcomes) = corpus();
    let changes: Vec<_> = lines.iter().map(|line| &line.change).collect();
    let puts = || changes.iter().flat_map(|change| &change.puts);
    assert!(changes.len() >= 60);
    assert!(changes.iter().any(|change| change.deps.is_empty() && change.actor_seq == 1));
    assert!(changes.iter().any(|change| change.deps.len() >= 3), "a change on several heads");
    assert!(changes.iter().any(|change| change.puts.len() > 128), "a change with many puts");
    assert!(changes.iter().any(|change| change.time_s < 0));
    assert!(puts().any(|put| put.pred.len() >= 3), "a put over several values");
    assert!(puts().any(|put| !put.pred.is_empty() && put.value.is_null()), "a value cleared");
    let written: BTreeSet<_> = puts().map(|put| &put.value).collect();
    let missing: Vec<_> = values().into_iter().filter(|value| !written.contains(value)).collect();
    assert!(missing.is_empty(), "values that no change holds: {missing:?}");
    let conflicts =
        |outcome: &Json| outcome["state"].as_object().unwrap().values().any(|live| live.as_array().unwrap().len() > 1);
    assert!(outcomes.iter().any(conflicts), "a record in which several values stand");
}
