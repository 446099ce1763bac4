//! Bad lines and killed phones.

use gridpass_core::Value;
use gridpass_tests::world::{Worker, World};

fn area(worker: &Worker, name: &str) -> gridpass_core::id::RecordId {
    let values = [("level", "area"), ("estate", name), ("usage", "residential")];
    let values = values.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
    worker.phone.create("address", values).unwrap().record
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_and_a_killed_phone_leave_one_change_and_the_same_receipt() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let record = area(&li, "甲小区");
    li.line.lose_answers(1);
    assert!(li.sync().await.is_err(), "the server has stored it, the phone does not know");
    let li = li.restart().unwrap();
    assert_eq!(li.phone.state().unwrap().unsent, 1);
    li.sync().await.unwrap();
    assert_eq!(li.phone.state().unwrap().unsent, 0);
    let server = world.server().unwrap();
    let lines = server.db.trace(&gridpass_server::db::Principal::SERVER, server.now_ms(), record).unwrap();
    assert_eq!(lines.len(), 1, "one change row");
    assert_eq!(lines[0]["rows"].as_array().map(Vec::len), Some(1), "one log row in the one bucket");
    let receipts = li.phone.receipts(record).unwrap();
    assert_eq!(receipts.len(), 1);
    assert_eq!(Some(receipts[0].log_seq), lines[0]["log_seq"].as_u64());
    assert_eq!(li.phone.verify_receipts().unwrap().invalid, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_twice_and_at_the_same_time_doubles_nothing() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    li.line.twice(true);
    let records: Vec<_> = (0..20).map(|n| area(&li, &format!("小区{n}"))).collect();
    li.sync().await.unwrap();
    li.sync().await.unwrap();
    let server = world.server().unwrap();
    for record in records {
        let lines = server.db.trace(&gridpass_server::db::Principal::SERVER, server.now_ms(), record).unwrap();
        assert_eq!(lines.len(), 1);
    }
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_new_is_one_request() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    area(&li, "甲小区");
    li.sync().await.unwrap();
    li.line.requests();
    li.sync().await.unwrap();
    assert_eq!(li.line.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_folder_copied_back_an_hour_loses_nothing_silently() {
    let world = World::new().unwrap();
    let li = world.phone("li").await.unwrap();
    let first = area(&li, "甲小区");
    let hour_ago = li.folder.with_extension("hour");
    li.copy_to(&hour_ago).unwrap();
    li.sync().await.unwrap();
    let second = area(&li, "乙小区");
    li.sync().await.unwrap();
    let Worker { phone, folder, host, line, clock } = li;
    drop(phone);
    std::fs::remove_dir_all(&folder).unwrap();
    gridpass_tests::world::copy_folder(&hour_ago, &folder).unwrap();
    let phone = gridpass_phone::Phone::open(&folder, host.clone(), None).unwrap();
    let li = Worker { phone, folder, host, line, clock };
    let third = area(&li, "丙小区");
    li.sync().await.unwrap();
    li.sync().await.unwrap();
    for record in [first, second, third] {
        assert!(li.phone.show(record).is_ok());
    }
    let server = world.server().unwrap();
    for record in [first, second, third] {
        let lines = server.db.trace(&gridpass_server::db::Principal::SERVER, server.now_ms(), record).unwrap();
        assert_eq!(lines.len(), 1, "each intent once");
    }
    assert_eq!(world.faults().unwrap(), []);
}
