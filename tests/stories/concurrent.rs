//! Edits of three phones that do not know of each other, in every order of arrival, one with its clock a year ahead.

use std::sync::atomic::Ordering;

use gridpass_core::Value;
use gridpass_core::id::RecordId;
use gridpass_core::record::edit::Edit;
use gridpass_phone::{SaveInput, Saved};
use gridpass_tests::world::{Worker, World};

const YEAR_MS: i64 = 365 * 86_400_000;
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// A world with three phones that hold one organisation.
async fn three() -> (World, Vec<Worker>, RecordId) {
    let world = World::new().unwrap();
    let mut workers = Vec::new();
    for login in ["li", "wang", "zhao"] {
        workers.push(world.phone(login).await.unwrap());
    }
    let area = workers[0].phone.create(
        "address",
        vec![
            ("level".into(), "area".into()),
            ("estate".into(), "海尔山庄".into()),
            ("usage".into(), "commercial".into()),
        ],
    );
    let organisation = workers[0].phone.create(
        "organisation",
        vec![
            ("name".into(), "便民超市".into()),
            ("kind".into(), "self_employed".into()),
            ("address_id".into(), area.unwrap().record.to_string().into()),
            ("state".into(), "operating".into()),
            ("lead_name".into(), "某人".into()),
        ],
    );
    let organisation = organisation.unwrap().record;
    sync_all(&workers, [0, 1, 2]).await;
    workers[2].clock.fetch_add(YEAR_MS, Ordering::Relaxed);
    (world, workers, organisation)
}

fn set(worker: &Worker, record: RecordId, key: &str, value: impl Into<Value>) -> Saved {
    let edits = vec![Edit::over(key, worker.phone.values(record).unwrap().get(key), value)];
    worker.phone.save(SaveInput { record: Some(record), edits, ..SaveInput::default() }).unwrap()
}

fn shown(worker: &Worker, record: RecordId, key: &str) -> Vec<Value> {
    let values = worker.phone.values(record).unwrap();
    values.get(key).map(|shown| shown.all().into_iter().cloned().collect()).unwrap_or_default()
}

/// In the order, then once more so that everybody has what the others brought.
async fn sync_all(workers: &[Worker], order: [usize; 3]) {
    for _ in 0..2 {
        for n in order {
            workers[n].sync().await.unwrap();
        }
    }
}

fn assert_equal_everywhere(world: &World, workers: &[Worker], record: RecordId) {
    let states: Vec<_> = workers
        .iter()
        .map(|worker| {
            let sums = worker.phone.state().unwrap().buckets.into_iter();
            let mut sums: Vec<_> =
                sums.filter(|bucket| bucket.bucket.grid().is_some()).map(|b| (b.bucket, b.checksum)).collect();
            sums.sort();
            (worker.phone.values(record).unwrap(), sums)
        })
        .collect();
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:?}");
    assert_eq!(world.faults().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn different_fields_both_stand_a_decide_field_shows_all_and_latest_has_one_winner() {
    for order in ORDERS {
        let (world, workers, record) = three().await;
        for (n, worker) in workers.iter().enumerate() {
            worker.clock.fetch_add(1000 * i64::try_from(n).unwrap(), Ordering::Relaxed);
            set(worker, record, "name", format!("超市{n}"));
            set(worker, record, "state", ["stopped", "moved", "cancelled"][n]);
        }
        set(&workers[0], record, "staff_count", 7);
        set(&workers[1], record, "fire_lead", "某甲");
        sync_all(&workers, order).await;

        assert_equal_everywhere(&world, &workers, record);
        assert_eq!(shown(&workers[0], record, "staff_count"), [7.into()]);
        assert_eq!(shown(&workers[0], record, "fire_lead"), ["某甲".into()]);
        let mut names = shown(&workers[1], record, "name");
        names.sort();
        assert_eq!(names, ["超市0".into(), "超市1".into(), "超市2".into()], "{order:?}");
        assert_eq!(shown(&workers[2], record, "state").len(), 1, "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_an_unchanged_form_writes_nothing_and_erases_no_conflict() {
    let (world, workers, record) = three().await;
    set(&workers[0], record, "name", "甲超市");
    set(&workers[1], record, "name", "乙超市");
    sync_all(&workers, [0, 1, 2]).await;
    for worker in &workers {
        let form = worker.phone.form(record).unwrap();
        let same = |field: &gridpass_phone::FieldView| Edit::new(&field.key, field.value.clone(), field.value.clone());
        let edits = form.fields.iter().map(same).collect();
        let saved = worker.phone.save(SaveInput { record: Some(record), edits, ..SaveInput::default() }).unwrap();
        assert_eq!(saved.intent, None);
    }
    sync_all(&workers, [0, 1, 2]).await;
    assert_eq!(shown(&workers[2], record, "name").len(), 2);
    assert_equal_everywhere(&world, &workers, record);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_edit_of_a_conflict_asks_to_decide_and_loses_neither_value_before() {
    let (world, workers, record) = three().await;
    set(&workers[0], record, "name", "甲超市");
    set(&workers[1], record, "name", "乙超市");
    sync_all(&workers, [0, 1, 2]).await;
    workers[2].line.cut(true);
    set(&workers[2], record, "name", "丙超市");
    assert_eq!(shown(&workers[2], record, "name").len(), 2, "until the office has ruled both stand");
    workers[2].line.cut(false);
    sync_all(&workers, [2, 0, 1]).await;
    assert_eq!(shown(&workers[0], record, "name"), ["丙超市".into()]);
    assert_equal_everywhere(&world, &workers, record);
    let history = world.server().unwrap();
    let principal = gridpass_server::db::Principal::SERVER;
    let lines = history.db.trace(&principal, history.now_ms(), record).unwrap();
    assert_eq!(lines.iter().filter(|line| line["keys"].to_string().contains("\"name\"")).count(), 4, "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn setting_and_unsetting_an_element_and_ending_against_an_edit_lose_nothing() {
    for order in ORDERS {
        let (world, workers, record) = three().await;
        set(&workers[0], record, "hazard/gas", true);
        sync_all(&workers, [0, 1, 2]).await;
        set(&workers[0], record, "hazard/gas", false);
        set(&workers[1], record, "hazard/food", true);
        workers[2].phone.end(record, "2027-01-14", "error", vec![]).unwrap();
        set(&workers[1], record, "name", "新名");
        sync_all(&workers, order).await;
        assert_equal_everywhere(&world, &workers, record);
        assert_eq!(shown(&workers[2], record, "hazard/gas"), [false.into()]);
        assert_eq!(shown(&workers[2], record, "hazard/food"), [true.into()]);
        assert_eq!(shown(&workers[0], record, "end/date"), ["2027-01-14".into()]);
        assert_eq!(shown(&workers[0], record, "name"), ["新名".into()], "both stand until somebody decides");
    }
}
