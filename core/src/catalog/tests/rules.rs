//! Validation on save, with the built-in catalog.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

struct Known(BTreeMap<String, Value>);

impl RuleFacts for Known {
    fn now_ms(&self) -> i64 {
        NOW.now_ms()
    }

    fn fact(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

type Entries = BTreeMap<String, toml::Value>;

/// One example of `rules.toml`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    fires: Entries,
    #[serde(default)]
    fires_facts: Entries,
    quiet: Entries,
    #[serde(default)]
    quiet_facts: Entries,
}

fn record(entries: &Entries) -> Values {
    let mut values = Values::new();
    for (key, value) in entries {
        let value = match value {
            toml::Value::String(text) => Value::from(text.as_str()),
            toml::Value::Integer(number) => Value::Int(*number),
            toml::Value::Boolean(flag) => Value::Bool(*flag),
            other => panic!("no record holds {other}"),
        };
        match key.split_once("/*") {
            Some((field, count)) => {
                let count: usize = count.parse().unwrap();
                values.extend((0..count).map(|n| (format!("{field}/{n:032x}"), value.clone())));
            }
            None => drop(values.insert(key.clone(), value)),
        }
    }
    values
}

fn found(collection: &str, values: &Values, facts: Values) -> Vec<(String, String, Level)> {
    let catalog = Catalog::built_in();
    let found = catalog.collection(collection).unwrap().check(values, &Known(facts));
    for finding in &found {
        let text = finding.text(&catalog);
        assert!(text.zh != finding.code && !text.zh.contains('{') && !text.en.contains('{'), "{text:?}");
    }
    found.into_iter().map(|finding| (finding.code, finding.at, finding.level)).collect()
}

#[test]
fn every_rule_fires_and_keeps_quiet() {
    let examples: BTreeMap<String, BTreeMap<String, Example>> = toml::from_str(include_str!("rules.toml")).unwrap();
    let catalog = Catalog::built_in();
    let named = |collection: &str, rules: &mut dyn Iterator<Item = String>| -> BTreeSet<String> {
        rules.map(|rule| format!("{collection}.{rule}")).collect()
    };
    let shown: BTreeSet<String> =
        examples.iter().flat_map(|(id, rules)| named(id, &mut rules.keys().cloned())).collect();
    let defined: BTreeSet<String> = catalog
        .collections
        .iter()
        .flat_map(|(id, collection)| named(id, &mut collection.rules.iter().map(|rule| rule.id.clone())))
        .collect();
    assert_eq!(shown, defined, "every rule has an example and every example a rule");
    for (id, rules) in &examples {
        for (rule, example) in rules {
            let says = |entries: &Entries, facts: &Entries| {
                found(id, &record(entries), record(facts)).iter().any(|(code, ..)| code == rule)
            };
            assert!(says(&example.fires, &example.fires_facts), "{id}.{rule} does not fire");
            assert!(!says(&example.quiet, &example.quiet_facts), "{id}.{rule} is not quiet");
        }
    }
}

fn error(code: &str, at: &str) -> (String, String, Level) {
    (code.to_owned(), at.to_owned(), Level::Error)
}

fn person() -> Values {
    values(&[
        ("source", "worker".into()),
        ("name", "阿依古丽·买买提".into()),
        ("id_missing", "not_shown".into()),
        ("gender", "2".into()),
        ("birth", "1990-05-20".into()),
        ("nationality", "CHN".into()),
        ("pop_class", "here".into()),
    ])
}

#[test]
fn a_good_person_has_nothing_to_say_and_an_empty_one_everything() {
    assert_eq!(found("person", &person(), Values::new()), []);
    let keys: Vec<String> = found("person", &Values::new(), Values::new()).into_iter().map(|(_, at, _)| at).collect();
    assert_eq!(keys, ["name", "gender", "birth", "nationality", "pop_class", "source", "id_no"]);
}

#[test]
fn what_is_required_follows_from_other_fields() {
    let mut migrant = person();
    migrant.insert("pop_class".to_owned(), "migrant".into());
    let expected = [error("required", "hukou_division"), error("required", "hukou_text")];
    assert_eq!(found("person", &migrant, Values::new()), expected);

    let mut child = person();
    child.insert("birth".to_owned(), "2011-06-02".into());
    assert_eq!(found("person", &child, Values::new()), [error("one_of", "guardian_id")]);
    child.insert("birth".to_owned(), "2011-06-01".into());
    assert_eq!(found("person", &child, Values::new()), [], "14 today");
}

#[test]
fn skip_logic_hides_a_field_and_what_it_asks_for() {
    let mut house = values(&[
        ("source", "worker".into()),
        ("address_id", "0198a1b2c3d4e5f60718293a4b5c6d7e".into()),
        ("nature", "rented".into()),
    ]);
    let asked = [error("required", "landlord_name"), error("required", "landlord_phone")];
    assert_eq!(found("house", &house, Values::new()), asked);
    house.insert("nature".to_owned(), "vacant".into());
    assert_eq!(found("house", &house, Values::new()), []);
    let catalog = Catalog::built_in();
    let collection = catalog.collection("house").unwrap();
    assert!(!collection.visible(collection.field("landlord_name").unwrap(), &house, &NOW));
}

#[test]
fn unknown_is_an_answer_where_the_field_allows_it() {
    let mut residence = values(&[
        ("source", "worker".into()),
        ("person_id", "0198a1b2c3d4e5f60718293a4b5c6d7e".into()),
        ("house_id", "0198a1b2c3d4e5f60718293a4b5c6d7f".into()),
        ("role", "tenant".into()),
        ("main", true.into()),
    ]);
    assert_eq!(found("residence", &residence, Values::new()), [error("required", "from")]);
    residence.insert("from_unknown".to_owned(), true.into());
    assert_eq!(found("residence", &residence, Values::new()), []);
    residence.insert("end/date".to_owned(), "2025-05-01".into());
    assert_eq!(found("residence", &residence, Values::new()), [error("required", "end/reason")]);
    residence.insert("end/reason".to_owned(), "moved_out".into());
    assert_eq!(found("residence", &residence, Values::new()), [error("required", "end/to")]);
    residence.insert("end/to_unknown".to_owned(), true.into());
    assert_eq!(found("residence", &residence, Values::new()), []);
}

#[test]
fn an_ended_record_is_told_what_is_missing_and_not_held_back() {
    let ended = values(&[("end/date", "2025-05-01".into()), ("end/reason", "error".into()), ("name", "张三".into())]);
    let found = found("person", &ended, Values::new());
    assert!(!found.is_empty() && found.iter().all(|(_, _, level)| *level == Level::Warn), "{found:?}");
}

#[test]
fn codes_come_from_their_table_and_follow_the_code_above() {
    let base = [
        ("source", "worker".into()),
        ("topic", "03".into()),
        ("text", "路灯晚上不亮".into()),
        ("heard_on", "2025-05-30".into()),
        ("channel", "visit".into()),
    ];
    let mut opinion = values(&base);
    opinion.insert("subtopic".to_owned(), "0303".into());
    assert_eq!(found("opinion", &opinion, Values::new()), []);
    opinion.insert("subtopic".to_owned(), "0401".into());
    assert_eq!(found("opinion", &opinion, Values::new()), [error("cascade", "subtopic")]);
    opinion.insert("subtopic".to_owned(), "9999".into());
    assert_eq!(found("opinion", &opinion, Values::new()), [error("not_in_table", "subtopic")]);
    let visit = values(&[("need/repair", true.into()), ("need/lottery", true.into()), ("need/fun", false.into())]);
    let found = found("visit", &visit, Values::new());
    assert!(found.contains(&error("not_in_table", "need/lottery")), "{found:?}");
    assert!(!found.iter().any(|(_, at, _)| at == "need/repair" || at == "need/fun"), "{found:?}");
}

#[test]
fn a_malformed_value_is_told_once() {
    let found = found("person", &values(&[("gender", "男".into()), ("phone/1", "13800138000".into())]), Values::new());
    let about =
        |at: &str| found.iter().filter(|(_, key, _)| key == at).map(|(code, ..)| code.as_str()).collect::<Vec<_>>();
    assert_eq!((about("gender"), about("phone/1")), (vec!["bad_code"], vec!["bad_phone"]));
}

#[test]
fn an_opinion_holds_no_number_of_a_person() {
    for text in ["张三电话 138-0013-8000", "身份证11010519491231002X", "１３８００１３８０００ 说太吵"]
    {
        let opinion = values(&[("text", text.into())]);
        assert!(found("opinion", &opinion, Values::new()).contains(&error("personal_data", "text")), "{text}");
    }
    for text in ["3号楼2单元301 漏水", "2025-05-30 12:30 起停水,12345 已受理", "案件 3702122025053000001 无关"]
    {
        let opinion = values(&[("text", text.into())]);
        assert!(!found("opinion", &opinion, Values::new()).contains(&error("personal_data", "text")), "{text}");
    }
}

#[test]
fn bounds_accuracy_and_children_are_looked_at() {
    let mut house = values(&[("floor_area", "0".into()), ("rooms", Value::Int(1_000))]);
    let all = found("house", &house, Values::new());
    assert!(all.contains(&error("too_small", "floor_area")) && all.contains(&error("too_large", "rooms")), "{all:?}");
    house.insert("floor_area".to_owned(), "89.5".into());
    assert!(!found("house", &house, Values::new()).contains(&error("too_small", "floor_area")));

    let point = |provider: &str, accuracy: i64| {
        let text = format!(
            r#"{{"acc_cm":{accuracy},"crs":"WGS84","lat_e7":361074130,"lon_e7":1204693100,"provider":"{provider}"}}"#
        );
        let found = found("address", &values(&[("point", text.into())]), Values::new());
        found.contains(&("imprecise_position".to_owned(), "point".to_owned(), Level::Warn))
    };
    assert!(point("gnss", 5_001) && !point("gnss", 5_000) && !point("map", 90_000));

    let licence = r#"{"kind":"lottery","no":"1"}"#;
    let found = found("organisation", &values(&[("licence/1", licence.into())]), Values::new());
    assert!(found.contains(&error("not_in_table", "licence/1")), "{found:?}");
}

#[test]
fn a_rule_names_the_field_it_speaks_at_and_reviews_hold_by_expression() {
    let catalog = Catalog::built_in();
    for collection in catalog.collections.values() {
        for rule in &collection.rules {
            assert!(collection.field(&rule.at).is_some(), "{}.{}", collection.id, rule.id);
        }
        for review in collection.review.iter().filter_map(|review| review.when.as_ref()) {
            assert!(!review.source().is_empty());
        }
    }
    let visit = catalog.collection("visit").unwrap();
    let sample = &visit.review[0];
    assert_eq!(sample.on, ReviewOn::Sample(5));
    let when = sample.when.as_ref().unwrap();
    assert!(visit.holds(when, &values(&[("outcome", "met".into())]), &NOW));
    assert!(!visit.holds(when, &values(&[("outcome", "refused".into())]), &NOW), "a refusal is never sampled");
}
