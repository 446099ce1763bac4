//! An import is taken back: what stood before stands again, and what was edited since stays.

use std::path::PathBuf;

use gridpass_core::Value;
use gridpass_core::id::{BatchId, RecordId};
use gridpass_server::db::Principal;
use gridpass_server::import::spelling::record_id;
use gridpass_server::import::undo::{Undone, undo};
use gridpass_server::import::{Mapping, Options, Summary, run};

use crate::commands::{gridpass, told};
use crate::hand::Server;
use crate::imports::{import, shown};

const HOUSEHOLDS: &str = r#"
[[table]]
sheet = "户"
collection = "household"
key = "编号"
grid = "网格编码"
fixed = { house_id = "0198a1b2c3d4e5f60718293a4b5c6d7e" }
column = [{ from = "户类型", to = "kind" }, { from = "方便时间", to = "best_time" }]
"#;

fn sheet(folder: &std::path::Path, rows: &[(&str, &str, &str)]) -> PathBuf {
    let path = folder.join("户.csv");
    let line = |(key, kind, time): &(&str, &str, &str)| format!("{key},370212001001001,{kind},{time}\n");
    let rows: String = rows.iter().map(line).collect();
    std::fs::write(&path, format!("编号,网格编码,户类型,方便时间\n{rows}")).unwrap();
    path
}

fn household(key: &str) -> RecordId {
    record_id("", "household", &[key.into()])
}

fn take(server: &Server, path: PathBuf) -> Summary {
    let mapping: Mapping = toml::from_str(HOUSEHOLDS).unwrap();
    server.clock.fetch_add(86_400_000, std::sync::atomic::Ordering::Relaxed);
    import(server, &mapping, &Options::default(), &[path]).0
}

fn take_back(server: &Server, batch: Option<BatchId>) -> (Undone, Vec<(RecordId, String)>) {
    let mut kept = Vec::new();
    let undone = undo(&server.app, batch.unwrap(), &mut |found| kept.push((found.record, found.key.clone()))).unwrap();
    assert_eq!(server.faults(), []);
    (undone, kept)
}

fn undone(ended: u64, restored: u64, unchanged: u64, kept: u64) -> Undone {
    Undone { ended, restored, unchanged, kept }
}

#[test]
fn what_an_import_made_ends_and_what_it_changed_stands_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    take(&server, sheet(folder.path(), &[("一", "家庭户", "随时"), ("二", "家庭户", "")]));
    let second = take(
        &server,
        sheet(folder.path(), &[("一", "合租户", "周末"), ("二", "家庭户", "周末"), ("三", "单人户", "")]),
    );
    let counts = second.collections["household"];
    assert_eq!((counts.created, counts.changed), (1, 2));

    assert_eq!(take_back(&server, second.batch), (undone(1, 2, 0, 0), vec![]));
    assert_eq!(shown(&server, household("一"), "kind"), "family".into());
    assert_eq!(shown(&server, household("一"), "best_time"), "any".into());
    assert_eq!(shown(&server, household("二"), "best_time"), Value::Null, "it was empty");
    assert_eq!(shown(&server, household("三"), "end/reason"), "error".into());
    assert_eq!(take_back(&server, second.batch), (undone(0, 0, 3, 0), vec![]), "a second time nothing is left to do");

    // The rows come again: what had ended lives again, and nothing is made twice.
    let third = take(
        &server,
        sheet(folder.path(), &[("一", "合租户", "周末"), ("二", "家庭户", "周末"), ("三", "单人户", "")]),
    );
    let counts = third.collections["household"];
    assert_eq!((counts.created, counts.changed, counts.kept), (0, 3, 0));
    assert_eq!(shown(&server, household("三"), "end/date"), Value::Null);
    assert_ne!(third.batch, second.batch);
    let (done, kept) = take_back(&server, second.batch);
    assert_eq!(done, undone(0, 0, 0, 4), "a later import has written all of it since");
    let fields = [("三", ""), ("二", "best_time"), ("一", "best_time"), ("一", "kind")];
    assert_eq!(kept, fields.map(|(key, field)| (household(key), field.to_owned())));
    assert_eq!(take_back(&server, third.batch).0, undone(0, 3, 0, 0), "that one can be taken back");
    assert_eq!(shown(&server, household("三"), "end/reason"), "error".into());
}

#[test]
fn what_a_phone_edited_since_stays_and_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let phone = &mut server.enrol(1);
    take(&server, sheet(folder.path(), &[("一", "家庭户", "随时"), ("二", "家庭户", "随时")]));
    let rows = [("一", "合租户", "周末"), ("二", "合租户", "随时"), ("三", "单人户", ""), ("四", "单人户", "")];
    let second = take(&server, sheet(folder.path(), &rows));
    for (key, field, value) in [("一", "kind", "collective"), ("三", "best_time", "weekend")] {
        let mut document = server.document(phone, household(key));
        phone.save(&server, household(key), &mut document, &[(field, value.into())]);
    }
    let (done, kept) = take_back(&server, second.batch);
    assert_eq!(done, undone(1, 2, 0, 2));
    assert_eq!(kept, [(household("三"), String::new()), (household("一"), "kind".into())]);
    assert_eq!(shown(&server, household("一"), "kind"), "collective".into(), "the phone's value");
    assert_eq!(shown(&server, household("一"), "best_time"), "any".into(), "the other field is taken back");
    assert_eq!(shown(&server, household("二"), "kind"), "family".into());
    assert_eq!(shown(&server, household("三"), "end/date"), Value::Null, "somebody works with it");
    assert_ne!(shown(&server, household("四"), "end/date"), Value::Null);
}

#[test]
fn imports_are_listed_and_taken_back_by_command() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::open(&data);
    let summary = take(&server, sheet(folder.path(), &[("一", "家庭户", "随时")]));
    let batch = summary.batch.unwrap().to_string();
    let list = || told(&gridpass(&data, &["import", "list"]));
    assert!(list().starts_with(&batch) && list().ends_with("1 changes, ended: 户.csv\n"), "{}", list());
    let undone = gridpass(&data, &["import", "undo", &batch]);
    assert!(told(&undone).contains("1 records ended, 0 restored"), "{}", told(&undone));
    assert!(list().ends_with("1 changes, undone: 户.csv\n"), "{}", list());
    let unknown = gridpass(&data, &["import", "undo", &"0".repeat(32)]);
    assert!(told(&unknown).contains("`import list` names them"), "{}", told(&unknown));
    assert_eq!(server.faults(), []);
}

#[test]
fn a_dry_run_is_no_batch() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let mapping: Mapping = toml::from_str(HOUSEHOLDS).unwrap();
    let options = Options { dry_run: true, ..Options::default() };
    let files = [sheet(folder.path(), &[("一", "家庭户", "随时")])];
    assert_eq!(run(&server.app, &mapping, &options, &files, &mut |_| ()).unwrap().batch, None);
    assert_eq!(server.app.db.import_batches(&Principal::SERVER, 0).unwrap(), []);
}
