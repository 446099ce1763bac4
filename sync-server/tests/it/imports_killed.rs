//! An import whose process is killed or stopped in its middle, and run again, is the same as one that ran through.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gridpass_core::Values;
use gridpass_core::id::RecordId;
use gridpass_core::record::plain;
use gridpass_server::db::Principal;

use crate::commands::{gridpass, told};
use crate::hand::Server;

const ROWS: usize = 20_000;

const MAPPING: &str = r#"
spelled = { "小区" = "place" }

[[table]]
sheet = "地址"
collection = "address"
key = "编号"
grid = "网格编码"
fixed = { level = "area", usage = "residential" }
column = [{ from = "小区", to = "estate" }]
"#;

/// There is something to tell of many rows from the middle on, more than a pipe takes: an import whose words nobody reads
/// stands still there.
fn files(folder: &Path) -> [PathBuf; 2] {
    let (mapping, sheet) = (folder.join("mapping.toml"), folder.join("地址.csv"));
    std::fs::write(&mapping, MAPPING).unwrap();
    let name =
        |n: usize| if n > ROWS / 2 && n.is_multiple_of(4) { format!("小 区{n}") } else { format!("小区{n}") };
    let rows: String = (0..ROWS).map(|n| format!("{n},370212001001001,{}\n", name(n))).collect();
    std::fs::write(&sheet, format!("编号,网格编码,小区\n{rows}")).unwrap();
    [mapping, sheet]
}

fn start(data: &Path, [mapping, sheet]: &[PathBuf; 2]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridpass-server"));
    command.arg("--data").arg(data).arg("import").arg("--mapping").arg(mapping).args(["--progress", "1"]).arg(sheet);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until a running import says that it has dealt with rows.
fn begun(child: &mut Child) {
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("rows/s")), "it said nothing");
}

fn records(data: &Path) -> BTreeMap<RecordId, Values> {
    let server = Server::open(data);
    assert_eq!(server.faults(), []);
    let mut found = BTreeMap::new();
    let bucket = gridpass_core::bucket::Bucket::Place(server.grid);
    let mut take = |records: Vec<gridpass_core::wire::Touched>| {
        found.extend(records.into_iter().map(|record| (record.record, plain(&record.values))));
        Ok(())
    };
    server.app.db.bucket_records(&Principal::SERVER, 0, bucket, 500, &mut take).unwrap();
    found
}

#[test]
fn killed_in_its_middle_and_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let (data, whole) = (folder.path().join("data"), folder.path().join("whole"));
    drop((Server::open(&data), Server::open(&whole)));
    let mut child = start(&data, &files);
    begun(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let some = records(&data).len();
    assert!(some > 0 && some < ROWS, "{some} of {ROWS}: it was killed in its middle");

    assert!(start(&data, &files).wait_with_output().unwrap().status.success());
    assert!(start(&whole, &files).wait_with_output().unwrap().status.success());
    let list = told(&gridpass(&data, &["import", "list"]));
    assert!(list.lines().count() == 1 && list.ends_with(&format!("{ROWS} changes, ended: 地址.csv\n")), "one: {list}");
    assert_eq!(records(&data), records(&whole));
}

#[test]
fn stopped_by_ctrl_c_it_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let data = folder.path().join("data");
    drop(Server::open(&data));
    let mut child = start(&data, &files);
    begun(&mut child);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let stopped = child.wait_with_output().unwrap();
    assert!(told(&stopped).contains("the same command goes on"), "{}", told(&stopped));
    let counted = format!("address: {0} rows, {0} created", records(&data).len());
    assert!(told(&stopped).contains(&counted), "{}", told(&stopped));
    let again = start(&data, &files).wait_with_output().unwrap();
    assert!(again.status.success(), "{}", told(&again));
    assert_eq!(records(&data).len(), ROWS);
}
