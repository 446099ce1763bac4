//! Titles, order and search over records of the built-in catalog.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::Value;
use crate::catalog::{Catalog, Search};

#[derive(Default)]
struct Store(BTreeMap<String, (String, Values)>);

impl Records for Store {
    fn record(&self, id: &str) -> Option<Rc<(String, Values)>> {
        self.0.get(id).cloned().map(Rc::new)
    }
}

impl Linked for Store {
    fn naming(&self, record: &str, key: &str) -> Vec<(String, Values)> {
        let names = |values: &Values| values.get(key).and_then(Value::as_str) == Some(record);
        let found = self.0.iter().filter(|(_, (_, values))| names(values));
        found.map(|(id, (_, values))| (id.clone(), values.clone())).collect()
    }
}

fn id(number: u32) -> String {
    format!("{number:032x}")
}

fn values(entries: &[(&str, Value)]) -> Values {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// An estate with building 3, unit 2, rooms 301 and 1001, a household and a person.
fn estate() -> Store {
    let mut store = Store::default();
    let mut put = |number, collection: &str, entries: &[(&str, Value)]| {
        store.0.insert(id(number), (collection.to_owned(), values(entries)));
    };
    put(
        1,
        "address",
        &[
            ("level", "area".into()),
            ("road", "香港东路".into()),
            ("door_no", "195号".into()),
            ("estate", "山海湾花园".into()),
            ("alias/1", "老纺织宿舍".into()),
        ],
    );
    put(2, "address", &[("level", "building".into()), ("parent_id", id(1).into()), ("building", "3号楼".into())]);
    put(3, "address", &[("level", "unit".into()), ("parent_id", id(2).into()), ("unit", "2单元".into())]);
    put(
        4,
        "address",
        &[("level", "room".into()), ("parent_id", id(3).into()), ("room", "301".into()), ("floor", Value::Int(3))],
    );
    put(5, "house", &[("address_id", id(4).into()), ("nature", "rented".into()), ("landlord_name", "单雄信".into())]);
    put(
        6,
        "person",
        &[("name", "张三".into()), ("id_no", "370212199001010024".into()), ("phone/1", "138-0013-5678|本人".into())],
    );
    put(7, "household", &[("house_id", id(5).into()), ("head_id", id(6).into()), ("kind", "family".into())]);
    put(
        8,
        "address",
        &[("level", "room".into()), ("parent_id", id(3).into()), ("room", "1001".into()), ("floor", Value::Int(10))],
    );
    put(
        9,
        "address",
        &[("level", "room".into()), ("parent_id", id(3).into()), ("room", "B101".into()), ("floor", Value::Int(-1))],
    );
    put(10, "address", &[("level", "building".into()), ("parent_id", id(1).into()), ("building", "10号楼".into())]);
    put(11, "address", &[("level", "unit".into()), ("parent_id", id(10).into()), ("unit", "无".into())]);
    put(12, "address", &[("level", "room".into()), ("parent_id", id(11).into()), ("room", "101".into())]);
    store
}

fn called(store: &Store, number: u32) -> (String, String) {
    let catalog = Catalog::built_in();
    let (collection, values) = Rc::unwrap_or_clone(store.record(&id(number)).unwrap());
    let collection = catalog.collection(&collection).unwrap();
    (title(&catalog, collection, &values, store).zh, short_title(&catalog, collection, &values, store).zh)
}

fn index(store: &Store, number: u32) -> String {
    let catalog = Catalog::built_in();
    let (collection, values) = Rc::unwrap_or_clone(store.record(&id(number)).unwrap());
    search_text(&catalog, catalog.collection(&collection).unwrap(), &values, store)
}

fn finds(index: &str, query: &str) -> bool {
    let terms = query_terms(query);
    !terms.is_empty() && terms.iter().all(|term| term.matches(index))
}

#[test]
fn records_are_called_by_what_they_hang_on() {
    let store = estate();
    assert_eq!(called(&store, 4), ("香港东路195号山海湾花园3号楼2单元301".into(), "3-2-301".into()));
    assert_eq!(called(&store, 1), ("香港东路195号山海湾花园".into(), "香港东路195号山海湾花园".into()));
    assert_eq!(called(&store, 5), ("3-2-301 出租".into(), "3-2-301".into()));
    assert_eq!(called(&store, 7), ("3-2-301 张三".into(), "3-2-301".into()));
    assert_eq!(called(&store, 12), ("香港东路195号山海湾花园10号楼101".into(), "10-101".into()), "无 is not shown");
    let catalog = Catalog::built_in();
    let residence = catalog.collection("residence").unwrap();
    let main = residence.field("main").unwrap();
    assert_eq!(shown(&catalog, main, &values(&[("main", true.into())])).zh, "是");
    let hazard = catalog.collection("house").unwrap().field("hazard").unwrap();
    let set = values(&[("hazard/bottled_gas", true.into()), ("hazard/blocked_exit", true.into())]);
    assert_eq!(shown(&catalog, hazard, &set).zh, "通道堵塞、液化气");
    let household = catalog.collection("household").unwrap();
    let alone = values(&[("house_id", id(5).into()), ("kind", "single".into())]);
    assert_eq!(title(&catalog, household, &alone, &NoRecords).en, "Single", "what is not here is left out");
}

#[test]
fn a_loop_of_references_ends() {
    let mut store = Store::default();
    let own = values(&[("level", "building".into()), ("parent_id", id(1).into()), ("building", "1号楼".into())]);
    store.0.insert(id(1), ("address".to_owned(), own));
    assert!(called(&store, 1).0.ends_with("1号楼"));
    assert!(finds(&index(&store, 1), "1号楼"));
}

#[test]
fn a_person_is_found_however_people_ask() {
    let person = index(&estate(), 6);
    for query in [
        "张",
        "三",
        "张三",
        "zs",
        "z",
        "s",
        "zhang",
        "zhangs",
        "zhangsan",
        "san",
        "0024",
        "10024",
        "010024",
        "370212",
        "5678",
        "35678",
        "138",
        "13800135678",
        "138-0013",
        "张 5678",
        "ZhangSan",
        "ＺＳ",
        "张s",
    ] {
        assert!(finds(&person, query), "{query}: {person}");
    }
    for query in ["李", "三张", "lisi", "sz", "hangsan", "0025", "9001", "", " ", "-", "张 9999"] {
        assert!(!finds(&person, query), "{query}: {person}");
    }
}

#[test]
fn an_address_is_found_by_door_estate_and_alias() {
    let store = estate();
    let room = index(&store, 4);
    for query in [
        "3-2-301",
        "3-2",
        "2-301",
        "301",
        "3号楼2单元301",
        "山海湾",
        "山海湾 3-2-301",
        "老纺织",
        "老纺织 301",
        "shanhaiwan",
        "shw",
        "lfz",
        "香港东路",
        "３－２－３０１",
    ] {
        assert!(finds(&room, query), "{query}: {room}");
    }
    for query in ["3-1-301", "4-2-301", "山海关", "302"] {
        assert!(!finds(&room, query), "{query}: {room}");
    }
    assert!(
        finds(&index(&store, 1), "sfz") || finds(&index(&store, 1), "fangzhi"),
        "an alias is found from its middle"
    );
    assert!(finds(&index(&store, 5), "3-2-301") && finds(&index(&store, 7), "3-2-301"), "and so is who lives there");
    assert!(finds(&index(&store, 7), "zhangs"), "a household is found by its head");
    assert!(finds(&index(&store, 5), "shanxiongxin") && finds(&index(&store, 5), "sxx"), "the landlord by surname");
}

#[test]
fn every_reading_finds_and_separators_do_not_matter() {
    let name = |text: &str| search_tokens(Search::Name, text).into_iter().collect::<Vec<_>>().join(" ");
    for query in ["zengchong", "zengzhong", "zc", "zz", "cengchong"] {
        assert!(finds(&name("曾重"), query), "{query}");
    }
    assert!(finds(&name("尉迟恭"), "yuchigong") && finds(&name("万俟卨"), "moqi") && finds(&name("吕布"), "lvbu"));
    for separator in ['·', '•', '．', '‧', '・'] {
        assert!(finds(&name(&format!("阿依古丽{separator}买买提")), "古丽买买"), "{separator}");
        assert!(finds(&name("阿依古丽·买买提"), &format!("古丽{separator}买买")), "{separator}");
    }
    assert!(finds(&name("张 三"), "张三") && finds(&name("𠮷田𬭶"), "𬭶") && finds(&name("𠮷田𬭶"), "𠮷田"));
    assert!(finds(&name("José Müller"), "jose") && finds(&name("José Müller"), "müll"));
    assert!(
        finds(&name("青岛海尔物业服务有限公司"), "qingdaohaierwuyefuwuyouxian"),
        "a long query is cut as the index is"
    );
}

#[test]
fn numbers_are_found_whole_by_piece_and_by_tail() {
    let number = |text: &str| search_tokens(Search::Number, text).into_iter().collect::<Vec<_>>().join(" ");
    assert!(finds(&number("0532-88886666"), "88886666") && finds(&number("0532-88886666"), "053288"));
    assert!(finds(&number("11010519491231002X"), "002x") && finds(&number("11010519491231002Ｘ"), "002X"));
    assert!(finds(&number("91350211M0000XUF46"), "91350211M0") && finds(&number("12"), "12"));
    assert!(search_tokens(Search::Number, "—").is_empty());
}

#[test]
fn doors_sort_as_one_walks_and_names_as_one_reads() {
    let store = estate();
    let catalog = Catalog::built_in();
    let address = catalog.collection("address").unwrap();
    let mut rooms = [12, 8, 4, 9, 10, 3];
    rooms.sort_by_key(|number| place_key(address, &store.record(&id(*number)).unwrap().1, &store));
    assert_eq!(rooms, [3, 9, 4, 8, 10, 12], "unit, basement, third, tenth floor, then building 10");

    let mut names = ["张三", "单雄信", "李四", "曾国藩", "Anna", "阿宝", "张三丰"];
    names.sort_by_key(|name| name_key(name));
    assert_eq!(names, ["阿宝", "Anna", "李四", "单雄信", "曾国藩", "张三", "张三丰"]);
    let mut doors = ["10号", "9号", "9号甲", "0100号"];
    doors.sort_by_key(|door| natural_key(door));
    assert_eq!(doors, ["9号", "9号甲", "10号", "0100号"]);
}

#[test]
fn a_query_is_safe_to_hand_to_the_database() {
    let query = fts5_query(&query_terms("张三\" OR 1; 3-2-301")).unwrap();
    assert_eq!(query, "(\"h0isg0fex\"*) AND (\"lor\"*) AND (\"n1\"* OR \"a1\"*) AND (\"a3x2x301\"* OR \"n32301\"*)");
    assert_eq!(fts5_query(&query_terms("?!")), None);
}

fn whole(token: &str) -> bool {
    token.len() >= 2
        && token.starts_with(['h', 'l', 'n', 'a'])
        && token.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

const KINDS: [Search; 4] = [Search::Name, Search::Number, Search::Text, Search::Address];

proptest! {
    #[test]
    fn no_tokenizer_tears_a_token(text in any::<String>()) {
        for kind in KINDS {
            for token in search_tokens(kind, &text) {
                prop_assert!(whole(&token), "{}", token);
            }
        }
        for term in query_terms(&text) {
            prop_assert!(!term.0.is_empty() && term.0.iter().all(|token| whole(token)), "{:?}", term);
        }
        let _ = (name_key(&text), natural_key(&text));
    }

    #[test]
    fn every_part_of_a_name_finds_it(name in "[\u{4e00}-\u{9fa5}\u{20000}-\u{2a6d6}]{1,6}", from in 0..6_usize, length in 1..6_usize) {
        let part: String = name.chars().skip(from).take(length).collect();
        let tokens: BTreeSet<String> = search_tokens(Search::Name, &name);
        let index = tokens.into_iter().collect::<Vec<_>>().join(" ");
        prop_assert!(part.is_empty() || finds(&index, &part), "{} in {}", part, name);
    }

    #[test]
    fn natural_order_is_the_order_of_numbers(left in 0..1_000_000_u64, right in 0..1_000_000_u64) {
        let key = |number: u64| natural_key(&format!("{number}号楼"));
        prop_assert_eq!(key(left).cmp(&key(right)), left.cmp(&right));
    }
}

const DAY: i64 = 86_400_000;

fn visit(target: u32, day: i64, outcome: &str, checks: &[(u32, &str)]) -> Visit {
    let mut record = values(&[
        ("target_id", id(target).into()),
        ("ended_at", Value::Int(day * DAY)),
        ("outcome", outcome.into()),
        ("a/label_ok", Value::Bool(day % 2 == 0)),
    ]);
    record.extend(checks.iter().map(|(number, result)| (format!("check/{}", id(*number)), Value::from(*result))));
    Visit::read(&record).unwrap()
}

#[test]
fn a_record_is_verified_by_the_visits_that_saw_it() {
    let visits = [
        visit(7, 30, "met", &[(6, "unable"), (4, "not_found")]),
        visit(7, 10, "met", &[(6, "confirmed"), (4, "changed")]),
        visit(7, 20, "met", &[(4, "confirmed")]),
    ];
    let person = verification(&id(6), &visits);
    assert_eq!((person.verified_at, person.checked_at, person.not_found), (Some(10 * DAY), Some(30 * DAY), false));
    let room = verification(&id(4), &visits);
    assert_eq!((room.verified_at, room.checked_at, room.not_found), (Some(20 * DAY), Some(30 * DAY), true));
    assert_eq!(verification(&id(99), &visits), Verification::default());
    let mistake = values(&[
        ("target_id", "x".into()),
        ("ended_at", Value::Int(1)),
        ("outcome", "met".into()),
        ("end/reason", "error".into()),
    ]);
    assert_eq!(Visit::read(&mistake), None, "a visit entered by mistake says nothing");
}

#[test]
fn what_was_agreed_holds_until_the_next_visit() {
    let mut absent = visit(7, 20, "absent", &[]);
    absent.retry_at = Some(22 * DAY);
    let visits = [visit(7, 10, "met", &[]), absent, visit(8, 40, "met", &[])];
    let state = VisitState::of(&id(7), &visits);
    assert_eq!(state, VisitState { last_visit: Some(20 * DAY), last_met: Some(10 * DAY), retry_at: Some(22 * DAY) });
    let later = VisitState::of(&id(7), visits.iter().chain([&visit(7, 23, "refused", &[])]));
    assert_eq!((later.last_met, later.retry_at), (Some(10 * DAY), None));
    assert_eq!(last_answer(&id(7), "label_ok", &visits), Some(&Value::Bool(true)));
}

#[test]
fn the_earliest_reason_decides_when_a_visit_is_due() {
    let due = |inputs: DueInputs| {
        let (day, reason) = next_due(&DueInputs { interval_days: 90, ..inputs });
        (day.days(), reason.as_str())
    };
    let met = DueInputs { last_met: Some(10 * DAY), ..DueInputs::default() };
    assert_eq!(due(met), (100, "routine"));
    assert_eq!(
        due(DueInputs { known_since: 3 * DAY, ..DueInputs::default() }),
        (3, "routine"),
        "never met: due at once"
    );
    assert_eq!(due(DueInputs { campaign_due: Some(50 * DAY), ..met }), (50, "campaign"));
    assert_eq!(due(DueInputs { campaign_due: Some(150 * DAY), ..met }), (100, "routine"));
    let all = DueInputs { campaign_due: Some(50 * DAY), agreed_at: Some(50 * DAY), task_due: Some(50 * DAY), ..met };
    assert_eq!(due(all), (50, "task"));
    assert!(no_user_unit(&Values::new()) && !no_user_unit(&values(&[("user_name", "海尔物业".into())])));
}

#[test]
fn facts_are_read_from_the_records_at_hand_and_are_nothing_without_them() {
    let mut store = estate();
    let home = |person: u32, household: u32, main: bool| {
        let entries = [
            ("person_id", id(person).into()),
            ("household_id", id(household).into()),
            ("house_id", id(5).into()),
            ("main", main.into()),
        ];
        ("residence".to_owned(), values(&entries))
    };
    store.0.insert(id(20), home(6, 7, true));
    store.0.insert(id(21), home(6, 9, true));
    store.0.insert(id(22), home(6, 9, false));
    let mut ended = home(6, 9, true);
    ended.1.insert("end/date".into(), "2026-01-01".into());
    store.0.insert(id(23), ended);
    let of = |number: u32, name: &str| {
        let (_, values) = Rc::unwrap_or_clone(store.record(&id(number)).unwrap());
        fact(name, Some(&id(number)), &values, &store)
    };
    assert_eq!(of(2, "parent_level"), "area".into());
    assert_eq!(of(5, "address_level"), "room".into());
    assert_eq!(of(7, "head_lives_here"), true.into());
    assert_eq!(of(20, "other_active_main"), Value::Int(1), "neither itself, nor a second home, nor one that ended");
    assert_eq!(of(22, "other_active_main"), Value::Int(2));
    assert_eq!(of(1, "parent_level"), Value::Null, "nothing is named");
    assert_eq!(of(7, "a_fact_of_a_newer_catalog"), Value::Null);

    let (_, household) = Rc::unwrap_or_clone(store.record(&id(7)).unwrap());
    assert_eq!(fact("head_lives_here", None, &household, &store), Value::Null, "before it is saved nobody lives there");
    let empty = Store::default();
    assert_eq!(fact("head_lives_here", Some(&id(7)), &household, &empty), false.into());
    assert_eq!(fact("address_level", Some(&id(5)), &values(&[("address_id", id(4).into())]), &empty), Value::Null);
}

#[test]
fn what_a_record_is_found_by_changes_only_with_its_titles_and_the_keys_told() {
    let (catalog, store) = (Catalog::built_in(), estate());
    let mut changed = 0;
    for (collection, before) in store.0.values() {
        let form = catalog.collection(collection).unwrap();
        let made =
            |values: &Values| (title(&catalog, form, values, &store), short_title(&catalog, form, values, &store));
        let keys = form.fields.iter().flat_map(|field| [field.key.clone(), format!("{}/{}", field.key, id(99))]);
        for key in keys {
            let mut after = before.clone();
            after.insert(key.clone(), "红石崖13900000001".into());
            let text = |values| search_text(&catalog, form, values, &store);
            if text(before) != text(&after) {
                changed += 1;
                assert!(is_found_by(form, &key) || made(before) != made(&after), "{collection} {key}");
            }
        }
    }
    assert!(changed > 5, "{changed}");
    // Another estate may have the same name and other aliases.
    assert!(is_found_by(catalog.collection("address").unwrap(), "parent_id"));
}
