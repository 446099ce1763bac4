//! Keys and values: what a device may write.

use proptest::prelude::*;

use super::*;
use crate::id::BlobHash;

/// One field of every type.
const EVERY: &str = r#"
id = "every"
label = { zh = "全部类型", en = "Every type" }
bucket = "base"
icon = "all"
title = "{text}"
retain = "30 days"
field = [
    { key = "text", type = "text", max = 5, policy = "latest", may_be_unknown = true, label = { zh = "文", en = "Text" }, sens = "S3", group = "tree.base" },
    { key = "lines", type = "text", max = 5, multiline = true, policy = "latest", label = { zh = "文", en = "Text" }, sens = "S1", group = "tree.base" },
    { key = "int", type = "int", policy = "once", label = { zh = "数", en = "Int" }, sens = "S1", group = "tree.base" },
    { key = "dec", type = "dec", policy = "latest", label = { zh = "数", en = "Dec" }, sens = "S1", group = "tree.base" },
    { key = "bool", type = "bool", policy = "latest", label = { zh = "是", en = "Bool" }, sens = "S1", group = "tree.base" },
    { key = "date", type = "date", policy = "latest", label = { zh = "日", en = "Date" }, sens = "S1", group = "tree.base" },
    { key = "ts", type = "ts", policy = "latest", label = { zh = "时", en = "Ts" }, sens = "S1", group = "tree.base" },
    { key = "code", type = "code", table = "tree_health", policy = "latest", label = { zh = "码", en = "Code" }, sens = "S1", group = "tree.base" },
    { key = "division", type = "division", policy = "latest", label = { zh = "区", en = "Division" }, sens = "S1", group = "tree.base" },
    { key = "ref", type = "ref", to = "every", policy = "latest", label = { zh = "引", en = "Ref" }, sens = "S1", group = "tree.base" },
    { key = "geo", type = "geo", policy = "latest", label = { zh = "点", en = "Geo" }, sens = "S1", group = "tree.base" },
    { key = "codes", type = "codes", table = "tree_health", policy = "latest", label = { zh = "码", en = "Codes" }, sens = "S1", group = "tree.base" },
    { key = "refs", type = "refs", to = "every", policy = "latest", label = { zh = "引", en = "Refs" }, sens = "S1", group = "tree.base" },
    { key = "phones", type = "phones", policy = "latest", label = { zh = "话", en = "Phones" }, sens = "S1", group = "tree.base" },
    { key = "media", type = "media", policy = "latest", label = { zh = "图", en = "Media" }, sens = "S1", group = "tree.base" },
    { key = "m", type = "media", by_purpose = true, policy = "latest", label = { zh = "料", en = "Material" }, sens = "S1", group = "tree.base" },
    { key = "children", type = "children", kind = "alias", policy = "decide", label = { zh = "子", en = "Children" }, sens = "S1", group = "tree.base" },
    { key = "a", type = "answers", policy = "latest", label = { zh = "答", en = "Answers" }, sens = "S1", group = "tree.base" },
    { key = "facts", type = "facts", policy = "latest", label = { zh = "实", en = "Facts" }, sens = "S1", group = "tree.base" },
    { key = "counted", type = "int", policy = "computed", label = { zh = "算", en = "Computed" }, sens = "S1", group = "tree.base" },
    { key = "dup_of", type = "ref", to = "every", policy = "server", label = { zh = "并", en = "Duplicate of" }, sens = "S2", group = "tree.base" },
]
"#;

const ID: &str = "0198a1b2c3d4e5f60718293a4b5c6d7e";
const HASH: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

fn every() -> Catalog {
    Catalog::parse(&[("shelf.toml", SHELF), ("every.toml", EVERY)]).unwrap()
}

fn good() -> Vec<(String, Value)> {
    let geo = r#"{"acc_cm":800,"crs":"WGS84","fixed_at":1748750400000,"lat_e7":361074130,"lon_e7":1204693100,"mock":false,"provider":"gnss"}"#;
    let file = format!(r#"{{"hash":"{HASH}","size":120034,"taken_at":1748750400000,"type":"image/jpeg"}}"#);
    [
        ("text".to_owned(), Value::from("𠮷田·甲乙")),
        ("text".to_owned(), Value::Null),
        ("text_unknown".to_owned(), Value::Bool(true)),
        ("lines".to_owned(), Value::from("一\n二")),
        ("int".to_owned(), Value::Int(-5)),
        ("dec".to_owned(), Value::from("-12.50")),
        ("bool".to_owned(), Value::Bool(false)),
        ("date".to_owned(), Value::from("2024-02-29")),
        ("ts".to_owned(), Value::Int(1_748_750_400_000)),
        ("code".to_owned(), Value::from("good")),
        ("division".to_owned(), Value::from("370212001002")),
        ("ref".to_owned(), Value::from(ID)),
        ("geo".to_owned(), Value::from(geo)),
        ("codes/good".to_owned(), Value::Bool(true)),
        (format!("refs/{ID}"), Value::Bool(false)),
        (format!("phones/{ID}"), Value::from("13800138000|本人")),
        (format!("phones/{ID}"), Value::Null),
        (format!("media/{ID}"), Value::from(file.as_str())),
        (format!("media_off/{ID}"), Value::Bool(true)),
        (format!("m/id_card/{ID}"), Value::from(file.as_str())),
        (format!("children/{ID}"), Value::from("老槐树")),
        ("a/fire_exit".to_owned(), Value::Bool(true)),
        ("a/note".to_owned(), Value::from("楼道\n通畅")),
        (format!("facts/{ID}"), Value::Int(1)),
        (format!("t/{ID}"), Value::from(r#"{"kind":"still"}"#)),
        ("end/date".to_owned(), Value::from("2025-01-01")),
        ("s/dup_of".to_owned(), Value::from(ID)),
        (format!("s/v/{ID}"), Value::from("accepted")),
    ]
    .into()
}

#[test]
fn every_type_takes_its_own_form() {
    let catalog = every();
    let every = catalog.collection("every").unwrap();
    for (key, value) in good() {
        assert_eq!(every.check_op(&key, &value), Ok(()), "{key}");
    }
    let named: std::collections::BTreeSet<_> =
        good().iter().filter_map(|(key, _)| Some(every.key(key)?.field?.field_type.name().as_str())).collect();
    assert_eq!(named.len(), TypeName::WORDS.len(), "a type is not tried: {named:?}");
}

#[test]
fn a_value_of_another_form_is_refused_with_its_code() {
    let catalog = every();
    let every = catalog.collection("every").unwrap();
    let text = |text: &str| Value::from(text);
    for (key, value, code) in [
        ("text".to_owned(), text(""), "empty"),
        ("text".to_owned(), text("一二三四五六"), "too_long"),
        ("text".to_owned(), text("一\n二"), "control_character"),
        ("lines".to_owned(), text("\u{0}"), "control_character"),
        ("text".to_owned(), Value::Int(1), "wrong_type"),
        ("text_unknown".to_owned(), Value::Null, "wrong_type"),
        ("int".to_owned(), Value::Null, "cannot_clear"),
        ("int".to_owned(), Value::Int((1 << 53) + 1), "number_too_large"),
        ("dec".to_owned(), text("1,5"), "bad_decimal"),
        ("dec".to_owned(), text("01"), "bad_decimal"),
        ("dec".to_owned(), text("1."), "bad_decimal"),
        ("dec".to_owned(), text("1e5"), "bad_decimal"),
        ("date".to_owned(), text("2023-02-29"), "bad_date"),
        ("ts".to_owned(), Value::Int(-1), "bad_time"),
        ("code".to_owned(), text("好"), "bad_code"),
        ("division".to_owned(), text("3702"), "bad_division"),
        ("ref".to_owned(), text("0198A1B2C3D4E5F60718293A4B5C6D7E"), "bad_reference"),
        ("geo".to_owned(), text(r#"{"lat_e7":361074130,"lon_e7":1204693100}"#), "bad_position"),
        ("geo".to_owned(), text(r#"{"crs":"WGS84","lat_e7":3610741300,"lon_e7":1204693100}"#), "bad_position"),
        ("geo".to_owned(), text(r#"{"crs":"WGS84","lat_e7":1.5,"lon_e7":1204693100}"#), "bad_json"),
        ("geo".to_owned(), text(r#"{ "crs":"WGS84","lat_e7":1,"lon_e7":1}"#), "bad_json"),
        ("codes/good".to_owned(), Value::Null, "wrong_type"),
        ("phones/1".to_owned(), text("13800138000"), "bad_phone"),
        ("phones/1".to_owned(), text("|家"), "bad_phone"),
        ("phones/1".to_owned(), text("1|2|3"), "bad_phone"),
        ("media/1".to_owned(), text(r#"{"hash":"12","size":1,"type":"image/jpeg"}"#), "bad_file"),
        ("media/1".to_owned(), Value::Null, "cannot_clear"),
        ("media_off/1".to_owned(), Value::Bool(false), "wrong_type"),
        ("children/1".to_owned(), text(&"长".repeat(21)), "too_long"),
        ("a/note".to_owned(), text(&"长".repeat(1_001)), "too_long"),
        ("facts/1".to_owned(), Value::Null, "cannot_clear"),
        ("nobody".to_owned(), Value::Null, "unknown_key"),
    ] {
        let error = every.check_op(&key, &value).unwrap_err();
        assert_eq!(error.code, code, "{key}");
        assert!(!error.to_string().contains("13800138000"), "{error}");
        assert!(Catalog::built_in().text(error.code).is_some(), "no text for {code}");
    }
}

#[test]
fn keys_mean_what_the_field_says() {
    let catalog = every();
    let every = catalog.collection("every").unwrap();
    let policy = |key: &str| every.key(key).map(|form| form.policy);
    assert_eq!(policy("text"), Some(Policy::Latest));
    assert_eq!(policy("int"), Some(Policy::Once));
    assert_eq!(policy("children/1"), Some(Policy::Decide));
    assert_eq!(policy("media/1"), Some(Policy::Once), "a file is written once whatever the field says");
    assert_eq!(policy("media_off/1"), Some(Policy::Latest));
    assert_eq!(policy("facts/1"), Some(Policy::Once));
    assert_eq!(policy("s/dup_of"), Some(Policy::Server));
    assert_eq!(policy("s/v/1"), Some(Policy::Server));
    assert_eq!(every.key("s/c/text").unwrap().sens, Sens::S3, "a copy is as sensitive as what it copies");
    for key in [
        "counted",
        "dup_of",
        "text/1",
        "codes",
        "refs/nobody",
        "media",
        "m/1",
        "text_off/1",
        "int_unknown",
        "t",
        "s/",
        "S/x",
        "Text",
        "a/b/c/d",
        "codes/",
        "",
        "codes/GOOD",
        "end/reason",
    ] {
        assert_eq!(every.key(key), None, "{key}");
    }
    let long = format!("codes/{}", "a".repeat(41));
    assert_eq!(every.key(&long), None);
}

#[test]
fn an_error_tells_the_shape_and_never_the_value() {
    let catalog = every();
    let every = catalog.collection("every").unwrap();
    let error = every.check_op("text", &Value::from("11010519491231002X张三")).unwrap_err();
    assert_eq!(error.to_string(), "too_long at text: text of 20: 17 digits, 1 letters, 2 others");
    let error = every.check_op("id11010519491231002x/1", &Value::Int(11_010_519)).unwrap_err();
    assert_eq!(error.to_string(), "unknown_key at id#################x: number of 8 digits");
    let error = every.check_op("张三", &Value::Null).unwrap_err();
    assert_eq!(error.to_string(), "unknown_key at ?: nothing");
}

proptest! {
    #[test]
    fn random_keys_and_values_never_panic(key in any::<String>(), known in 0..28_usize, text in any::<String>(), number in any::<i64>()) {
        let catalog = every();
        let every = catalog.collection("every").unwrap();
        let (good_key, _) = good().swap_remove(known);
        for key in [key.as_str(), good_key.as_str(), &format!("s/{key}")] {
            let _ = every.key(key);
            for value in [Value::from(text.as_str()), Value::Int(number), Value::Null] {
                let _ = every.check_op(key, &value);
                let _ = every.check(&values(&[(key, value)]), &NOW);
            }
        }
    }

    #[test]
    fn what_a_key_holds_survives_its_form(moment in 0..253_402_300_799_999_i64, number in -(1_i64 << 53)..(1 << 53), cents in 0..1_000_000_i64) {
        let catalog = every();
        let every = catalog.collection("every").unwrap();
        prop_assert_eq!(every.check_op("ts", &Value::Int(moment)), Ok(()));
        prop_assert_eq!(every.check_op("int", &Value::Int(number)), Ok(()));
        prop_assert_eq!(every.check_op("date", &Value::from(crate::codes::Date::in_china(moment).to_string())), Ok(()));
        prop_assert_eq!(every.check_op("dec", &Value::from(format!("{}.{:02}", cents / 100, cents % 100))), Ok(()));
    }
}

#[test]
fn a_file_is_named_by_its_hash_and_its_value_is_read_back_as_written() {
    let catalog = every();
    let collection = catalog.collection("every").unwrap();
    let (hash, thumb) = (BlobHash([7; 32]), Some(BlobHash([8; 32])));
    let bare =
        FileRef { hash, size: 120_034, media_type: "image/jpeg".into(), taken_at_ms: None, purpose: None, thumb: None };
    let full = FileRef { taken_at_ms: Some(1_748_750_400_000), purpose: Some("before".into()), thumb, ..bare.clone() };
    for file in [bare, full] {
        let key = format!("media/{ID}");
        assert_eq!(collection.check_op(&key, &file.to_value()), Ok(()));
        assert_eq!(FileRef::parse(&file.to_value()), Some(file.clone()));
        assert_eq!(collection.file_use(&key, &file.to_value()), Some(FileUse::Named(file.clone())));
        assert_eq!(collection.file_use("text", &file.to_value()), None, "a text is no file");
    }
    let off = |key: &str| collection.file_use(key, &Value::Bool(true));
    assert_eq!(off(&format!("media_off/{ID}")), Some(FileUse::TakenBack(format!("media/{ID}"))));
    assert_eq!(off(&format!("m_off/id_card/{ID}")), Some(FileUse::TakenBack(format!("m/id_card/{ID}"))));
    assert_eq!(FileRef::parse(&Value::from("{}")), None);
}
