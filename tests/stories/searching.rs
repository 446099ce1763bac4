//! What a worker types into the one search box, and what the phone finds.

use gridpass_core::Value;
use gridpass_core::codes::Date;
use gridpass_core::codes::identity::test_number;
use gridpass_core::id::RecordId;
use gridpass_phone::ListQuery;
use gridpass_tests::world::{Worker, World};

use crate::forms::{area, below, house, make, person, set};

/// What is found, the best first.
fn found(worker: &Worker, typed: &str) -> Vec<RecordId> {
    worker.phone.search(typed, None, 0).unwrap().into_iter().map(|row| row.record).collect()
}

/// Each text finds the record and nothing else.
fn finds_only(worker: &Worker, record: RecordId, typed: &[&str]) {
    for text in typed {
        assert_eq!(found(worker, text), [record], "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_found_by_characters_pinyin_and_initials() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let zhang = person(&li, "张三");
    person(&li, "李四海");
    finds_only(&li, zhang, &["张", "三", "张三", "张 三", "zs", "zhangs", "zhangsan", "ZhangSan", "san", "ＺＳ"]);
    for text in ["王", "三张", "lisan", "", " ", "·"] {
        assert_eq!(found(&li, text), [], "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surname_is_found_by_its_own_reading_and_by_its_others() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let (shan, zeng, qiu) = (person(&li, "单雄信"), person(&li, "曾国"), person(&li, "仇英"));
    finds_only(&li, shan, &["shan", "shanxiongxin", "sxx", "dan", "danxiong", "dxx", "chan"]);
    finds_only(&li, zeng, &["zeng", "zengguo", "zg", "ceng", "cengguo", "cg"]);
    finds_only(&li, qiu, &["qiu", "qiuying", "qy", "chou", "chouying", "cy"]);
    let people = ListQuery { collection: Some("person".into()), ..ListQuery::default() };
    let listed: Vec<RecordId> = li.phone.list(people).unwrap().rows.into_iter().map(|row| row.record).collect();
    assert_eq!(listed, [qiu, shan, zeng], "lists are in the order of the surnames' own readings");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_a_separator_is_found_with_any_separator_and_with_none() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    for (recorded, other) in [("玛丽·李", "王五"), ("阿依古丽・买买提", "赵六")] {
        let record = person(&li, recorded);
        person(&li, other);
        let parts: Vec<&str> = recorded.split(['·', '・']).collect();
        for separator in ["·", "•", "．", "‧", "・", "", " "] {
            finds_only(&li, record, &[&parts.join(separator)]);
        }
    }
    finds_only(&li, found(&li, "玛丽")[0], &["丽·李", "malili", "mll"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_character_beyond_the_basic_plane_is_found_alone_and_in_a_name() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let record = person(&li, "𠮷田𬎆");
    person(&li, "吉田");
    finds_only(&li, record, &["𠮷", "𠮷田", "田𬎆", "𬎆", "𠮷\u{e0100}田"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_found_by_their_tails_and_whole() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let birth = "1990-01-01".parse::<Date>().unwrap();
    let numbers = [test_number(birth, 1), test_number(birth, 2)];
    let people =
        [("张三", &numbers[0], "13800135678"), ("李四", &numbers[1], "13800139999")].map(|(name, no, phone)| {
            make(
                &li,
                "person",
                &[
                    ("name", name.into()),
                    ("id_type", "resident_id".into()),
                    ("id_no", no.as_str().into()),
                    ("gender", "1".into()),
                    ("birth", "1990-01-01".into()),
                    ("pop_class", "here".into()),
                    ("phone/1", format!("{phone}|本人").into()),
                ],
            )
        });
    for (number, record) in numbers.iter().zip(people) {
        assert!(number.starts_with("370299"));
        let tails = [4, 5, 6, 18].map(|length| number.split_at(number.len() - length).1);
        finds_only(&li, record, &tails);
        finds_only(&li, record, &[&tails[0].to_lowercase(), &format!("370299 {}", tails[0])]);
    }
    finds_only(&li, people[0], &["5678", "35678", "135678", "13800135678", "138-0013-5678", "张 5678"]);
    assert_eq!(found(&li, "1380013").len(), 2);
    assert_eq!(found(&li, "张 9999"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_is_found_by_its_label_and_by_what_people_call_the_estate() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let estate = area(&li, "山海湾花园");
    let building = below(&li, estate, "building", "3号楼");
    let unit = below(&li, building, "unit", "2单元");
    let (room, other) = (below(&li, unit, "room", "301"), below(&li, unit, "room", "302"));
    let home = house(&li, room);
    for worker in [&li, &wang] {
        worker.sync().await.unwrap();
        let mut doors = found(worker, "3-2-301");
        doors.sort();
        let mut expected = [room, home];
        expected.sort();
        assert_eq!(doors, expected, "the door and the house behind it");
        assert_eq!(found(worker, "3-1-301"), []);
        let rooms = worker.phone.search("山海湾 3-2-301", Some("address"), 0).unwrap();
        assert_eq!(rooms.iter().map(|row| row.record).collect::<Vec<_>>(), [room]);
    }

    // The alias comes when the rooms are long there; another goes.
    let called = |worker: &Worker, typed: &str| -> Vec<RecordId> {
        let rows = worker.phone.search(typed, Some("address"), 0).unwrap();
        rows.into_iter().map(|row| row.record).collect()
    };
    assert_eq!(called(&li, "老纺织"), []);
    set(&li, estate, "alias/1", "老纺织宿舍");
    for worker in [&li, &wang] {
        worker.sync().await.unwrap();
        assert_eq!(called(worker, "老纺织"), [estate, building, unit, room, other], "in the order of doors");
        assert_eq!(called(worker, "老纺织 3-2-301"), [room]);
        assert_eq!(called(worker, "lfz 302"), [other]);
    }
    set(&wang, estate, "alias/1", Value::Null);
    wang.sync().await.unwrap();
    li.sync().await.unwrap();
    assert_eq!((called(&li, "老纺织"), called(&wang, "老纺织 301")), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_marked_and_comes_last() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let (gone, here) = (person(&li, "张安"), person(&li, "张三"));
    assert_eq!(found(&li, "张"), [gone, here], "by the sound of the names");
    li.phone.end(gone, "2027-01-10", "deceased", vec![]).unwrap();
    let hits = li.phone.search("张", None, 0).unwrap();
    assert_eq!(hits.iter().map(|row| (row.record, row.ended)).collect::<Vec<_>>(), [(here, false), (gone, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_found_by_the_name_another_phone_gave_it_and_no_more_by_its_old_one() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let record = person(&li, "张三");
    li.sync().await.unwrap();
    wang.sync().await.unwrap();
    set(&wang, record, "name", "欧阳锋");
    finds_only(&li, record, &["张三", "zs"]);
    wang.sync().await.unwrap();
    li.sync().await.unwrap();
    for worker in [&li, &wang] {
        finds_only(worker, record, &["欧阳锋", "oyf", "ouyang"]);
        for old in ["张三", "张", "zs"] {
            assert_eq!(found(worker, old), [], "{old}");
        }
    }
    let restarted = li.restart().unwrap();
    finds_only(&restarted, record, &["欧阳"]);
}
