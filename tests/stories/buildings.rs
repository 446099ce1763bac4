//! A building as a worker walks it, on the phone that recorded it and on a colleague's.

use gridpass_core::id::RecordId;
use gridpass_phone::{ApiError, BuildingView, ResidentView};
use gridpass_tests::world::{Worker, World};

use crate::forms::{area, below, house, make, person, resides};

/// What the story asks about later.
struct Records {
    estate: RecordId,
    building: RecordId,
    unit: RecordId,
    house: RecordId,
}

/// Three units, rooms in odd order, a shared house, a tenant who has left, a lift and a shop.
fn record(li: &Worker) -> Records {
    let estate = area(li, "海尔山庄");
    let building = below(li, estate, "building", "3号楼");
    let units = ["10单元", "2单元", "1单元"].map(|unit| below(li, building, "unit", unit));
    let rooms = ["1001", "B101", "201", "102", "101"].map(|room| below(li, units[1], "room", room));
    below(li, units[0], "room", "301");
    let empty = below(li, units[2], "room", "501");
    li.phone.end(empty, "2027-01-10", "error", vec![]).unwrap();

    let shared = house(li, rooms[3]);
    let family = make(li, "household", &[("house_id", shared.to_string().into()), ("kind", "family".into())]);
    let (head, son, wife) = (person(li, "单雄信"), person(li, "单小"), person(li, "白氏"));
    resides(li, son, (shared, Some(family)), "2");
    resides(li, wife, (shared, Some(family)), "1");
    resides(li, head, (shared, Some(family)), "0");
    let head_of = [("house_id", shared.to_string().into()), ("kind", "shared".into())];
    let friends = make(li, "household", &head_of);
    resides(li, person(li, "赵一"), (shared, Some(friends)), "");
    let left = resides(li, person(li, "钱二"), (shared, Some(friends)), "");
    li.phone.end(left, "2027-01-12", "moved_out", vec![("end/to".into(), "370202".into())]).unwrap();
    resides(li, person(li, "孙三"), (shared, None), "");

    make(
        li,
        "facility",
        &[
            ("kind", "elevator".into()),
            ("name", "2单元客梯".into()),
            ("address_id", units[1].to_string().into()),
            ("user_name", "海尔物业".into()),
            ("use_reg_no", "梯11鲁B00001(27)".into()),
            ("inspect_due", "2027-06-01".into()),
        ],
    );
    make(
        li,
        "organisation",
        &[
            ("name", "便民超市".into()),
            ("kind", "self_employed".into()),
            ("address_id", rooms[4].to_string().into()),
            ("lead_name", "某人".into()),
        ],
    );
    Records { estate, building, unit: units[1], house: shared }
}

fn labels(view: &BuildingView) -> Vec<&str> {
    view.places.iter().map(|place| place.label.as_str()).collect()
}

fn named(people: &[ResidentView]) -> Vec<(&str, bool, &str, &str)> {
    let named = |one: &ResidentView| one.name.clone().unwrap_or_default();
    assert!(people.iter().all(|one| !named(one).is_empty()));
    people
        .iter()
        .map(|one| (one.name.as_deref().unwrap(), one.head, one.relation_text.zh.as_str(), one.role.en.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_building_is_walked_in_the_order_of_its_doors_on_both_phones() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let records = record(&li);
    let offline = li.phone.building(records.building).unwrap();
    li.sync().await.unwrap();
    assert_eq!((li.phone.state().unwrap().unsent, li.phone.state().unwrap().inbox), (0, 0));
    wang.sync().await.unwrap();

    let view = wang.phone.building(records.building).unwrap();
    assert_eq!(view, li.phone.building(records.building).unwrap());
    assert_eq!(labels(&view), labels(&offline), "nothing waits for the server");
    assert_eq!(
        labels(&view),
        ["3号楼", "1单元", "2单元", "B101", "101", "102", "201", "1001", "10单元", "301"],
        "units and rooms by number, the basement first, the ended room not at all"
    );
    let depths: Vec<u32> = view.places.iter().map(|place| place.depth).collect();
    assert_eq!(depths, [0, 1, 1, 2, 2, 2, 2, 2, 1, 2]);

    let lift = &view.places[2].facilities[0];
    assert_eq!((lift.row.title.as_str(), lift.kind.zh.as_str()), ("3-2 电梯 2单元客梯", "电梯"));
    assert_eq!(view.places[4].organisations[0].title, "便民超市");
    let shared = &view.places[5].houses[0];
    assert_eq!((shared.row.record, shared.nature.en.as_str()), (records.house, "Lived in by the owner"));
    let kinds: Vec<&str> = shared.households.iter().map(|household| household.kind.zh.as_str()).collect();
    assert_eq!(kinds.len(), 2);
    let family = shared.households.iter().find(|household| household.kind.zh == "家庭户").unwrap();
    assert_eq!(
        named(&family.people),
        [("单雄信", true, "本人或户主", "Family"), ("白氏", false, "配偶", "Family"), ("单小", false, "子", "Family")]
    );
    let friends = shared.households.iter().find(|household| household.kind.zh == "合租户").unwrap();
    assert_eq!(named(&friends.people), [("赵一", false, "", "Tenant")], "the tenant who left is left out");
    assert_eq!(named(&shared.people), [("孙三", false, "", "Tenant")], "in no household");

    let counts = view.counts;
    assert_eq!((counts.buildings, counts.units, counts.rooms), (1, 3, 6));
    assert_eq!((counts.houses, counts.households, counts.people), (1, 2, 5));
    assert_eq!((counts.facilities, counts.organisations), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_area_and_a_unit_have_what_lies_under_them_and_a_person_has_nothing() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let records = record(&li);
    let estate = li.phone.building(records.estate).unwrap();
    let building = li.phone.building(records.building).unwrap();
    assert_eq!(estate.counts, building.counts);
    assert_eq!(labels(&estate)[0], "海尔山庄");
    assert_eq!(labels(&estate)[1..], labels(&building));
    let unit = li.phone.building(records.unit).unwrap();
    assert_eq!(labels(&unit), ["2单元", "B101", "101", "102", "201", "1001"]);

    let refused = li.phone.building(records.house).unwrap_err();
    let ApiError::Input { problems } = refused else { panic!("{refused:?}") };
    assert_eq!(problems[0].code, "not_a_place");
    assert_eq!(li.phone.building(RecordId::default()).unwrap_err(), ApiError::NotFound);
}
