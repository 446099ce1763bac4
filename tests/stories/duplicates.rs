//! What a worker is told while a form is being typed: this may be there already.

use gridpass_core::Value;
use gridpass_core::codes::Date;
use gridpass_core::codes::identity::test_number;
use gridpass_core::id::RecordId;
use gridpass_core::record::edit::Edit;
use gridpass_phone::ApiError;
use gridpass_tests::world::{Worker, World};

use crate::forms::{area, below, house, make, person, resides};

fn told(worker: &Worker, collection: &str, values: &[(&str, Value)]) -> Vec<RecordId> {
    let put = |(key, new): &(&str, Value)| Edit::new(*key, Value::Null, new.clone());
    let rows = worker.phone.duplicates(collection, values.iter().map(put).collect()).unwrap();
    rows.into_iter().map(|row| row.record).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_known_by_the_number_and_by_name_and_birth() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let number = (1..100).map(|n| test_number("1990-01-01".parse::<Date>().unwrap(), n)).find(|no| no.ends_with('X'));
    let number = number.unwrap();
    let known = make(
        &li,
        "person",
        &[
            ("name", "玛丽·李".into()),
            ("id_no", number.as_str().into()),
            ("gender", "1".into()),
            ("birth", "1990-01-01".into()),
            ("pop_class", "here".into()),
        ],
    );
    person(&li, "张三");
    li.sync().await.unwrap();
    wang.sync().await.unwrap();

    let (division, rest) = number.split_at(6);
    let spaced = format!("{division} {}", rest.to_lowercase());
    assert_eq!(told(&wang, "person", &[("id_no", number.as_str().into())]), [known], "the kind is proposed");
    assert_eq!(told(&wang, "person", &[("id_no", spaced.into())]), [known], "as people type it");
    assert_eq!(told(&wang, "person", &[("id_no", number.trim_end_matches('X').into())]), [], "not yet whole");
    assert_eq!(told(&wang, "person", &[("id_type", "passport".into()), ("id_no", number.as_str().into())]), []);

    let name = |name: &str, birth: &str| [("name", Value::from(name)), ("birth", birth.into())];
    assert_eq!(told(&wang, "person", &name("玛丽•李", "1990-01-01")), [known], "another separator");
    assert_eq!(told(&wang, "person", &name("玛丽", "1990-01-01")), [], "a part of the name is another name");
    assert_eq!(told(&wang, "person", &name("玛丽·李", "1990-01-02")), []);
    assert_eq!(told(&wang, "person", &[("name", "玛丽·李".into())]), [], "both fields count");

    wang.phone.end(known, "2027-01-10", "error", vec![]).unwrap();
    assert_eq!(told(&wang, "person", &[("id_no", number.as_str().into())]), [], "ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_a_house_and_a_residence_are_known_by_their_place() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let estate = area(&li, "海尔山庄");
    let building = below(&li, estate, "building", "3号楼");
    let room = below(&li, below(&li, building, "unit", "2单元"), "room", "301");
    let again = [("level", Value::from("building")), ("parent_id", estate.to_string().into())];
    let again = |part: &str| [again.to_vec(), vec![("building", part.into())]].concat();
    assert_eq!(told(&li, "address", &again("3号楼")), [building], "the whole address is the same");
    assert_eq!(told(&li, "address", &again("4号楼")), []);

    let at = |address: RecordId| [("address_id", Value::from(address.to_string()))];
    assert_eq!(told(&li, "house", &at(room)), []);
    let home = house(&li, room);
    assert_eq!(told(&li, "house", &at(room)), [home]);
    house(&li, building);
    assert_eq!(told(&li, "house", &at(building)), [], "a building may hold several houses");

    let zhang = person(&li, "张三");
    let lives = resides(&li, zhang, (home, None), "");
    let typed = [("person_id", Value::from(zhang.to_string())), ("house_id", home.to_string().into())];
    assert_eq!(told(&li, "residence", &typed), [lives], "found by both definitions, told once");
    li.phone.end(lives, "2027-01-10", "error", vec![]).unwrap();
    assert_eq!(told(&li, "residence", &typed), []);

    let unknown = li.phone.duplicates("ship", Vec::new()).unwrap_err();
    assert!(matches!(unknown, ApiError::Input { .. }), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_main_residence_is_told_on_save_from_what_the_phone_holds() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let (here, there) = (house(&li, area(&li, "海尔山庄")), house(&li, area(&li, "别的小区")));
    let tenant = person(&li, "住户甲");
    let lives = |at: RecordId| {
        let values = [
            ("person_id", tenant.to_string()),
            ("house_id", at.to_string()),
            ("role", "owner".into()),
            ("from", "2026-01-01".into()),
        ];
        let mut values: Vec<(String, Value)> =
            values.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        values.push(("main".into(), true.into()));
        let warnings = li.phone.create("residence", values).unwrap().warnings;
        warnings.into_iter().map(|warning| (warning.key.unwrap(), warning.code)).collect::<Vec<_>>()
    };
    let second = ("main".to_owned(), "second_main".to_owned());
    assert!(!lives(here).contains(&second));
    assert!(lives(there).contains(&second), "saved, and told");
}
