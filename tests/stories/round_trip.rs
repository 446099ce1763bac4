//! Every field type of the catalog, from one phone over the server to another and back, with values nobody expects.
//!
//! The cases are the same on every run: the generator starts from a fixed seed.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::catalog::{MAX_ANSWER, MAX_FACT, TypeName};
use gridpass_core::codes::Date;
use gridpass_core::id::RecordId;
use gridpass_core::record::edit::Edit;
use gridpass_core::record::plain;
use gridpass_core::value::MAX_INT;
use gridpass_core::{Value, Values};
use gridpass_phone::SaveInput;
use gridpass_tests::world::{Worker, World};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value as Json, json};

const CASES: u32 = 24;
/// The longest text of one line and of several, in characters.
const SHORT: usize = 60;
const LONG: usize = 2000;
/// The latest moment: the end of the year 9999.
const MAX_MOMENT: i64 = 253_402_300_799_999;

/// A collection with a field of every type.
fn everything() -> String {
    let mut file = String::from(
        r#"
id = "everything"
label = { zh = "全部", en = "Everything" }
bucket = "place"
icon = "all"
order = 91
title = "{text_f}"
retain = "while_active + 24 months"
"#,
    );
    for (key, more) in [
        ("text", "type = \"text\"\nmax = 60"),
        ("note", "type = \"text\"\nmax = 2000\nmultiline = true"),
        ("int", "type = \"int\""),
        ("dec", "type = \"dec\""),
        ("bool", "type = \"bool\""),
        ("date", "type = \"date\""),
        ("ts", "type = \"ts\""),
        ("code", "type = \"code\"\ntable = \"mark\""),
        ("division", "type = \"division\""),
        ("ref", "type = \"ref\"\nto = \"person\""),
        ("geo", "type = \"geo\""),
        ("codes", "type = \"codes\"\ntable = \"mark\""),
        ("refs", "type = \"refs\"\nto = \"person\""),
        ("phones", "type = \"phones\""),
        ("media", "type = \"media\""),
        ("names", "type = \"children\"\nkind = \"alias\""),
        ("results", "type = \"children\"\nkind = \"check_result\""),
        ("licences", "type = \"children\"\nkind = \"licence\""),
        ("answers", "type = \"answers\""),
    ] {
        file += &format!(
            "[[field]]\nkey = \"{key}_f\"\nlabel = {{ zh = \"{key}\", en = \"{key}\" }}\n{more}\n\
             policy = \"latest\"\nsens = \"S1\"\ngroup = \"everything\"\n"
        );
    }
    file + r#"
[[field]]
key = "facts_f"
label = { zh = "facts", en = "facts" }
type = "facts"
policy = "once"
sens = "S1"
group = "everything"

[[group]]
id = "everything"
label = { zh = "全部", en = "Everything" }
purpose = { zh = "试验", en = "Test" }
basis = { zh = "试验", en = "Test" }
notice = { zh = "试验", en = "Test" }
retain = "while_active + 24 months"

[[table]]
id = "mark"
label = { zh = "记号", en = "Mark" }
items = [{ code = "a", zh = "甲", en = "A" }, { code = "b-2", zh = "乙", en = "B" }, { code = "c.3", zh = "丙", en = "C" }]
"#
}

/// Characters of every width and kind: beyond the BMP, combining, invisible, compatibility forms.
fn character() -> impl Strategy<Value = char> {
    let among = |from: char, to: char| proptest::char::range(from, to);
    prop_oneof![
        among(' ', '~'),
        among('一', '龥'),
        among('\u{20000}', '\u{2a6df}'),
        among('\u{300}', '\u{36f}'),
        among('\u{1f600}', '\u{1f64f}'),
        among('\u{e0100}', '\u{e01ef}'),
        select(vec!['·', '•', '．', '‧', '・', '\u{200d}', '\u{feff}', '\u{fa19}', '\u{e000}', '\u{10ffff}', 'Å', 'é']),
        any::<char>().prop_filter("written by a keyboard", |c| !c.is_control()),
    ]
}

fn text(most: usize) -> impl Strategy<Value = String> {
    let any_length = vec(character(), 1..=most.min(200));
    let few = vec(character(), 1..=4);
    prop_oneof![3 => few, 2 => any_length].prop_map(|characters| characters.into_iter().collect())
}

fn id() -> impl Strategy<Value = String> {
    any::<[u8; 16]>().prop_map(|bytes| RecordId(bytes).to_string())
}

/// The element of a key: the longest is 40 letters.
fn segment() -> impl Strategy<Value = String> {
    let letters: Vec<char> = ('a'..='z').chain('0'..='9').chain(['_', '.', '-']).collect();
    vec(select(letters), 1..=40).prop_map(|letters| letters.into_iter().collect())
}

fn digits(length: usize) -> impl Strategy<Value = String> {
    vec(proptest::char::range('0', '9'), length).prop_map(|digits| digits.into_iter().collect())
}

fn decimal() -> impl Strategy<Value = String> {
    let whole = 0..=999_999_999_999_999_u64;
    let fraction = proptest::option::of((1..=6_usize).prop_flat_map(digits));
    (any::<bool>(), whole, fraction).prop_map(|(minus, whole, fraction)| {
        let fraction = fraction.map_or_else(String::new, |digits| format!(".{digits}"));
        format!("{}{whole}{fraction}", if minus { "-" } else { "" })
    })
}

fn date() -> impl Strategy<Value = String> {
    (-25_567..50_000_i64).prop_map(|days| Date::nearest(days).to_string())
}

fn code() -> impl Strategy<Value = String> {
    select(vec!["a", "b-2", "c.3"]).prop_map(str::to_owned)
}

/// JSON in its one canonical form: a flat object of ASCII keys in order.
fn object(parts: &[(&str, Json)]) -> String {
    let parts: BTreeMap<_, _> = parts.iter().cloned().collect();
    serde_json::to_string(&parts).unwrap()
}

fn position() -> impl Strategy<Value = String> {
    let place = (-900_000_000..=900_000_000_i64, -1_800_000_000..=1_800_000_000_i64, 0..=1_000_000_000_i64);
    let systems = select(vec!["WGS84", "CGCS2000", "GCJ02", "BD09"]);
    (place, systems, any::<bool>(), 0..=MAX_MOMENT).prop_map(|((lat, lon, accuracy), crs, mock, fixed_at)| {
        object(&[
            ("lat_e7", json!(lat)),
            ("lon_e7", json!(lon)),
            ("acc_cm", json!(accuracy)),
            ("crs", json!(crs)),
            ("provider", json!("gps")),
            ("mock", json!(mock)),
            ("fixed_at", json!(fixed_at)),
        ])
    })
}

fn file() -> impl Strategy<Value = String> {
    (any::<[u8; 32]>(), 0..=MAX_INT, 0..=MAX_MOMENT).prop_map(|(hash, size, taken_at)| {
        let hash = gridpass_core::id::hex(&hash);
        object(&[
            ("hash", json!(hash)),
            ("size", json!(size)),
            ("type", json!("image/webp")),
            ("taken_at", json!(taken_at)),
            ("thumb", json!(hash)),
        ])
    })
}

fn phone() -> impl Strategy<Value = String> {
    let part = |least, most| {
        let characters = vec(character().prop_filter("no bar", |c| *c != '|'), least..=most);
        characters.prop_map(|characters| characters.into_iter().collect::<String>())
    };
    (part(1, 32), part(0, 20)).prop_map(|(number, label)| format!("{number}|{label}"))
}

fn licence() -> impl Strategy<Value = String> {
    (text(SHORT), date()).prop_map(|(number, until)| {
        let number: String = number.chars().take(SHORT).collect();
        object(&[("kind", json!("food")), ("no", json!(number)), ("until", json!(until))])
    })
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-MAX_INT..=MAX_INT).prop_map(Value::Int),
        text(200).prop_map(Value::Str),
    ]
}

/// Up to three elements of a field.
fn elements(
    field: &'static str,
    element: impl Strategy<Value = String> + 'static,
    value: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<Values> {
    let values = btree_map(element, value, 0..=3);
    values
        .prop_map(move |values| values.into_iter().map(|(id, value)| (format!("{field}/{id}"), value)).collect())
        .boxed()
}

/// A field of one key, that may not be there.
fn one(field: &'static str, value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Values> {
    let maybe = proptest::option::weighted(0.9, value);
    maybe.prop_map(move |value| value.into_iter().map(|value| (field.to_owned(), value)).collect()).boxed()
}

/// Values for a record of [`everything`].
fn record() -> impl Strategy<Value = Values> {
    let str = Value::Str;
    let int = || prop_oneof![-MAX_INT..=MAX_INT, Just(MAX_INT), Just(-MAX_INT), Just(0)].prop_map(Value::Int);
    let lines = text(LONG).prop_map(|text| Value::Str(format!("{text}\n\t{text}")));
    let divisions = prop_oneof![digits(6), digits(9), digits(12)];
    let fields: Vec<BoxedStrategy<Values>> = vec![
        one("text_f", text(SHORT).prop_map(|text| Value::Str(text.chars().take(SHORT).collect()))),
        one("note_f", lines),
        one("int_f", int()),
        one("dec_f", decimal().prop_map(str)),
        one("bool_f", any::<bool>().prop_map(Value::Bool)),
        one("date_f", date().prop_map(str)),
        one("ts_f", (0..=MAX_MOMENT).prop_map(Value::Int)),
        one("code_f", code().prop_map(str)),
        one("division_f", divisions.prop_map(str)),
        one("ref_f", id().prop_map(str)),
        one("geo_f", position().prop_map(str)),
        elements("codes_f", code(), any::<bool>().prop_map(Value::Bool)),
        elements("refs_f", id(), any::<bool>().prop_map(Value::Bool)),
        elements("phones_f", segment(), phone().prop_map(str)),
        elements("media_f", segment(), file().prop_map(str)),
        elements("names_f", segment(), text(4).prop_map(|text| Value::Str(text.chars().take(SHORT).collect()))),
        elements("results_f", segment(), select(vec!["confirmed", "unable"]).prop_map(Value::from)),
        elements("licences_f", segment(), licence().prop_map(str)),
        elements("answers_f", segment(), scalar()),
        elements("facts_f", segment(), scalar()),
    ];
    fields.prop_map(|parts| parts.into_iter().flatten().collect())
}

/// How a value is taken back: elements of sets are un-set, files marked, facts stand, everything else is cleared.
fn taken_back(key: &str, value: &Value) -> Option<(String, Value)> {
    let (field, element) = key.split_once('/').unwrap_or((key, ""));
    match field {
        "facts_f" => None,
        "media_f" => Some((format!("media_f_off/{element}"), true.into())),
        "codes_f" | "refs_f" => (*value == Value::Bool(true)).then(|| (key.to_owned(), false.into())),
        _ => Some((key.to_owned(), Value::Null)),
    }
}

/// What devices wrote, as the phone shows it.
fn shown(worker: &Worker, record: RecordId) -> Values {
    let mut values = plain(&worker.phone.values(record).unwrap());
    values.retain(|key, _| !key.starts_with("s/"));
    values
}

async fn two() -> (World, Worker, Worker) {
    let world = World::new().unwrap();
    let server = world.server().unwrap();
    let next = server.next_catalog(vec![("everything.toml".into(), everything())]).unwrap();
    server.publish(&next).unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    (world, li, wang)
}

/// Written by Li, read by Wang, taken back by Wang, read by Li.
async fn there_and_back(li: &Worker, wang: &Worker, values: &Values) -> Result<(), TestCaseError> {
    let saved = li.phone.create("everything", values.clone().into_iter().collect());
    let record = saved.map_err(|error| TestCaseError::fail(format!("{error:?}")))?.record;
    li.sync().await.unwrap();
    let state = li.phone.state().unwrap();
    prop_assert_eq!((state.unsent, state.inbox), (0, 0), "the server takes it");
    wang.sync().await.unwrap();
    let mut expected = values.clone();
    expected.insert("source".into(), "worker".into());
    prop_assert_eq!(&shown(li, record), &expected);
    prop_assert_eq!(&shown(wang, record), &expected);

    let back: Values = values.iter().filter_map(|(key, value)| taken_back(key, value)).collect();
    let seen = |key: &str| values.get(key).cloned().unwrap_or_default();
    let edits = back.iter().map(|(key, new)| Edit::new(key, seen(key), new.clone())).collect();
    let saved = wang.phone.save(SaveInput { record: Some(record), edits, ..SaveInput::default() });
    saved.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    wang.sync().await.unwrap();
    let state = wang.phone.state().unwrap();
    prop_assert_eq!((state.unsent, state.inbox), (0, 0), "the server takes it back");
    li.sync().await.unwrap();
    expected.extend(back);
    prop_assert_eq!(&shown(wang, record), &expected);
    prop_assert_eq!(&shown(li, record), &expected);
    Ok(())
}

#[test]
fn every_field_type_is_read_as_it_was_written_and_taken_back() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, li, wang) = runtime.block_on(two());
    let catalog = li.phone.catalog();
    let fields = &catalog.collection("everything").unwrap().fields;
    let types: BTreeSet<TypeName> = fields.iter().map(|field| field.field_type.name()).collect();
    assert_eq!(
        types,
        TypeName::WORDS.iter().map(|(_, name)| *name).collect(),
        "a new field type belongs into this story"
    );

    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&record(), |values| runtime.block_on(there_and_back(&li, &wang, &values)));
    if let Err(failure) = result {
        panic!("{failure}");
    }
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_values_of_four_bytes_a_character_pass_and_one_more_does_not() {
    let (world, li, wang) = two().await;
    let longest = |length: usize| Value::Str("𠮷".repeat(length));
    let (answer, fact) = (usize::try_from(MAX_ANSWER).unwrap(), usize::try_from(MAX_FACT).unwrap());
    let lengths = [
        ("text_f", SHORT),
        ("note_f", LONG),
        ("names_f/1", 60),
        (concat!("answers_f/", "a234567890b234567890c234567890d234567890"), answer),
        ("facts_f/1", fact),
    ];
    let values: Values = lengths.iter().map(|(key, length)| ((*key).to_owned(), longest(*length))).collect();
    there_and_back(&li, &wang, &values).await.unwrap();
    for (key, length) in lengths {
        let refused = li.phone.create("everything", vec![(key.to_owned(), longest(length + 1))]).unwrap_err();
        assert!(format!("{refused:?}").contains("too_long"), "{key}: {refused:?}");
    }
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composed_and_a_decomposed_text_are_each_kept_raw() {
    let (_world, li, wang) = two().await;
    for raw in ["José", "Jose\u{301}", "\u{fa19}", "神", "𠮷\u{e0100}", "玛丽・李"] {
        let values = Values::from([("text_f".to_owned(), raw.into())]);
        there_and_back(&li, &wang, &values).await.unwrap();
    }
}
