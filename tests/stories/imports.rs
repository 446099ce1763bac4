//! A workbook is taken in and taken back while phones work with it.

use gridpass_core::Value;
use gridpass_core::record::edit::Edit;
use gridpass_phone::SaveInput;
use gridpass_server::import::spelling::record_id;
use gridpass_server::import::undo::undo;
use gridpass_server::import::{Mapping, Options, run};
use gridpass_tests::world::World;

const AREAS: &str = r#"
[[table]]
sheet = "小区"
collection = "address"
key = "编号"
fixed = { level = "area", usage = "residential" }
column = [{ from = "名称", to = "estate" }]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_sees_what_an_undone_import_left_and_keeps_what_it_edited_itself() {
    let world = World::new().unwrap();
    let (li, wang) = (world.phone("li").await.unwrap(), world.phone("wang").await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("小区.csv");
    let mapping: Mapping = toml::from_str(AREAS).unwrap();
    let options = Options { grid: Some("370212001001001".into()), ..Options::default() };
    let server = world.server().unwrap();
    let take = |sheet: &str| {
        std::fs::write(&path, sheet).unwrap();
        run(&server, &mapping, &options, std::slice::from_ref(&path), &mut |_| ()).unwrap().batch.unwrap()
    };
    let area = |key: &str| record_id("", "address", &[key.into()]);
    take("编号,名称\n1,山海小区\n");
    let wrong = take("编号,名称\n1,山海花园\n2,海风花园\n3,临海花园\n");
    li.sync().await.unwrap();
    assert_eq!(li.phone.show(area("1")).unwrap().row.title, "山海花园");

    // Li corrects one of the new estates; then the office takes its workbook back.
    let edit = Edit::new("estate", "海风花园", "海风花园二期");
    li.phone.save(SaveInput { record: Some(area("2")), edits: vec![edit], ..SaveInput::default() }).unwrap();
    li.sync().await.unwrap();
    let mut kept = Vec::new();
    let undone = undo(&server, wrong, &mut |found| kept.push(found.record)).unwrap();
    assert_eq!((undone.ended, undone.restored, kept), (1, 1, vec![area("2")]));

    for worker in [&li, &wang] {
        worker.sync().await.unwrap();
        assert_eq!(worker.phone.show(area("1")).unwrap().row.title, "山海小区");
        assert_eq!(worker.phone.show(area("2")).unwrap().row.title, "海风花园二期");
        let value = |key: &str, of: &str| {
            let values = worker.phone.values(area(of)).unwrap();
            values.get(key).map_or(Value::Null, |shown| shown.value().clone())
        };
        assert_eq!(value("end/reason", "3"), "error".into());
        assert_eq!(value("end/date", "2"), Value::Null);
        assert_eq!(value("estate", "3"), "临海花园".into(), "nothing leaves the history");
    }
    assert_eq!(undo(&server, wrong, &mut |_| ()).unwrap().ended, 0);
    let report = li.sync().await.unwrap();
    assert!(report.complete);
    assert_eq!(world.faults().unwrap(), []);
}
