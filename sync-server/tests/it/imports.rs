//! Workbooks and CSV files become records, and what people wrote is kept.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use gridpass_core::Value;
use gridpass_core::catalog::Catalog;
use gridpass_core::id::RecordId;
use gridpass_server::import::spelling::record_id;
use gridpass_server::import::{Mapping, Options, Problem, Summary, run};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

use crate::hand::Server;

const GRID: &str = "370212001001001";

const ROOMS: &str = "社区,小区,楼栋,单元,楼层,室,纬度,经度,使用性质,产权人,出租人,出租人电话
中韩,山海,3栋,一单元,2,201,36.1,120.45,自住,王某,,
中韩,山海,3#,1单元,2,202,36.1,120.45,出租,王某,李某,13900000001
中韩,山海,4栋,1单元,2,201,36.1,120.46,空置,,,
";

fn rooms() -> Mapping {
    shipped("rooms.toml")
}

fn shipped(name: &str) -> Mapping {
    Mapping::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("import").join(name)).unwrap()
}

fn file(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

pub fn options() -> Options {
    Options { grid: Some(GRID.into()), ..Options::default() }
}

pub fn import(server: &Server, mapping: &Mapping, options: &Options, files: &[PathBuf]) -> (Summary, Vec<Problem>) {
    let mut problems = Vec::new();
    let summary = run(&server.app, mapping, options, files, &mut |problem| problems.push(problem.clone())).unwrap();
    assert_eq!(server.faults(), []);
    (summary, problems)
}

fn mapping(toml: &str) -> Mapping {
    toml::from_str(toml).unwrap()
}

fn people() -> Mapping {
    mapping(
        r#"
        [[table]]
        sheet = "人口"
        collection = "person"
        heading = 2
        key = "编号"
        fixed = { nationality = "CHN", pop_class = "here" }
        column = [
            { from = "姓名", to = "name" },
            { from = "证件类型", to = "id_type" },
            { from = "证件号码", to = "id_no" },
            { from = "性别", to = "gender" },
            { from = "出生日期", to = "birth" },
            { from = "电话", to = "phone", label = "本人", optional = true },
        ]
        "#,
    )
}

pub fn shown(server: &Server, record: RecordId, key: &str) -> Value {
    let mut found = Value::Null;
    for bucket in [server.base(), gridpass_core::bucket::Bucket::Place(server.grid)] {
        let principal = gridpass_server::db::Principal::SERVER;
        let whole = server.app.db.whole(&principal, 0, &[bucket], &[record]).unwrap();
        if let Some(value) = whole.first().and_then(|record| record.values.get(key)) {
            found = value.value().clone();
        }
    }
    found
}

fn counts(summary: &Summary, collection: &str) -> (u64, u64, u64, u64, u64) {
    let counts = summary.collections[collection];
    (counts.created, counts.changed, counts.unchanged, counts.refused, counts.kept)
}

#[test]
fn the_shipped_mappings_agree_with_the_catalog() {
    for name in ["street.toml", "rooms.toml"] {
        shipped(name).check(&Catalog::built_in()).unwrap();
    }
}

#[test]
fn a_sheet_of_rooms_makes_the_addresses_above_and_the_houses_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let (gbk, ..) = encoding_rs::GB18030.encode(ROOMS);
    let with_mark = [b"\xEF\xBB\xBF", ROOMS.as_bytes()].concat();
    let path = folder.path().join("户室.csv");
    for (n, bytes) in [gbk.as_ref(), ROOMS.as_bytes(), &with_mark].into_iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        server.clock.fetch_add(86_400_000, Ordering::Relaxed);
        let (summary, problems) = import(&server, &rooms(), &options(), std::slice::from_ref(&path));
        let told: Vec<_> = problems.iter().map(|p| (p.row, p.column.as_str(), p.code.as_str())).collect();
        let repaired = |row, column| (row, column, "repaired_address");
        assert_eq!(told, [repaired(2, "楼栋"), repaired(4, "楼栋"), repaired(2, "单元")], "once for each record");
        let (addresses, houses) = (counts(&summary, "address"), counts(&summary, "house"));
        if n == 0 {
            assert_eq!((addresses, houses), ((8, 0, 0, 0, 0), (3, 0, 0, 0, 0)), "area, 2 buildings, 2 units, 3 rooms");
        } else {
            assert_eq!((addresses, houses), ((0, 0, 8, 0, 0), (0, 0, 3, 0, 0)), "nothing new");
        }
    }
    let key = ["中韩", "山海", "3号楼", "1单元", "201"].map(str::to_owned);
    let room = record_id("", "address", &key);
    assert_eq!(shown(&server, record_id("", "house", &key), "address_id"), room.to_string().into());
    assert_eq!(shown(&server, room, "floor"), 2.into());
    assert_eq!(shown(&server, record_id("", "address", &key[..3]), "building"), "3号楼".into());
    assert_eq!(shown(&server, room, "source"), "import".into());
}

/// Number, name, identity number, gender, birth, phone.
type Person<'a> = (&'a str, &'a str, &'a str, &'a str, (u16, u8, u8), &'a str);

/// A workbook of people: a title row, headings, then the people.
fn workbook(path: &Path, rows: &[Person<'_>]) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("人口").unwrap();
    sheet.write(0, 0, "实有人口登记表").unwrap();
    for (column, heading) in (0..).zip(["编号", "姓名", "证件类型", "证件号码", "性别", "出生日期", "电话"])
    {
        sheet.write(1, column, heading).unwrap();
    }
    for (row, (number, name, id, gender, (year, month, day), phone)) in (2..).zip(rows) {
        let born = ExcelDateTime::from_ymd(*year, *month, *day).unwrap();
        let texts = [*number, *name, "居民身份证", *id, *gender];
        for (column, text) in (0..).zip(texts) {
            sheet.write(row, column, text).unwrap();
        }
        sheet.write_with_format(row, 5, &born, &Format::new().set_num_format("yyyy-mm-dd")).unwrap();
        sheet.write(row, 6, *phone).unwrap();
    }
    book.save(path).unwrap();
}

const ZHANG: &str = "11010519491231002X";

#[test]
fn a_workbook_is_read_with_its_days_and_faults_are_told_by_shape_only() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let path = folder.path().join("登记.xlsx");
    let (born, other) = ((1949, 12, 31), (1950, 1, 1));
    workbook(
        &path,
        &[
            ("1", "张三", ZHANG, "女", born, "139 1234 5678、0532-88881234"),
            ("2", "李四", "110105194912310021", "女", born, ""),
            ("3", "王五", ZHANG, "男", other, ""),
            ("1", "赵六", ZHANG, "女", born, ""),
            ("", "孙七", ZHANG, "女", born, ""),
            ("6", "周八", ZHANG, "雌", born, "12"),
        ],
    );
    let dry = Options { dry_run: true, ..options() };
    let (planned, _) = import(&server, &people(), &dry, std::slice::from_ref(&path));
    assert_eq!(shown(&server, record_id("", "person", &["1".into()]), "name"), Value::Null, "nothing is written");
    let (summary, problems) = import(&server, &people(), &options(), std::slice::from_ref(&path));
    assert_eq!(planned.collections, summary.collections);
    assert_eq!(planned.batch, None);
    assert_eq!(counts(&summary, "person"), (2, 0, 0, 4, 0));
    let told: Vec<_> = problems.iter().map(|p| (p.row, p.column.as_str(), p.code.as_str(), p.refused)).collect();
    assert_eq!(
        told,
        [
            (6, "编号", "key_twice", true),
            (7, "编号", "no_key", true),
            (8, "性别", "not_in_table", true),
            (4, "证件号码", "id_check_digit", true),
            (5, "出生日期", "id_birth_differs", false),
            (5, "性别", "id_gender_differs", false),
        ]
    );
    for problem in &problems {
        let said = problem.to_string();
        assert!(["张三", "李四", "1101", "雌"].iter().all(|value| !said.contains(value)), "{said}");
        assert_ne!(problem.text.zh, "请核对", "{}: a text of its own", problem.code);
    }
    let first = record_id("", "person", &["1".into()]);
    assert_eq!(shown(&server, first, "birth"), "1949-12-31".into());
    assert_eq!(shown(&server, first, "gender"), "2".into());
}

#[test]
fn numbers_that_a_workbook_has_cut_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let path = folder.path().join("登记.xlsx");
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("人口").unwrap();
    for (column, heading) in (0..).zip(["编号", "姓名", "证件类型", "证件号码", "性别", "出生日期"]) {
        sheet.write(1, column, heading).unwrap();
    }
    for (column, text) in (0..).zip(["1", "张三", "居民身份证", "", "女", "1949年12月31日"]) {
        sheet.write(2, column, text).unwrap();
    }
    sheet.write(2, 3, 110_105_194_912_310_020_f64).unwrap();
    book.save(&path).unwrap();
    let (summary, problems) = import(&server, &people(), &options(), &[path]);
    assert_eq!(counts(&summary, "person"), (0, 0, 0, 1, 0));
    assert_eq!((problems.len(), problems[0].code.as_str()), (1, "number_lost_digits"));
}

#[test]
fn a_later_file_edits_what_an_import_wrote_and_keeps_what_a_phone_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let phone = &mut server.enrol(1);
    let households = mapping(
        r#"
        [[table]]
        sheet = "户"
        collection = "household"
        key = "编号"
        grid = "网格编码"
        fixed = { house_id = "0198a1b2c3d4e5f60718293a4b5c6d7e" }
        column = [{ from = "户类型", to = "kind" }, { from = "方便时间", to = "best_time" }, { from = "入户提示", to = "access" }]
        "#,
    );
    let sheet = |kind: &str, time: &str| {
        format!("编号,网格编码,户类型,方便时间,入户提示\n一,{GRID},{kind},{time},有犬、夜班\n")
    };
    let take = |text: String| {
        let path = file(folder.path(), "户.csv", text);
        import(&server, &households, &Options::default(), &[path])
    };
    let (summary, _) = take(sheet("家庭户", "随时"));
    assert_eq!(counts(&summary, "household"), (1, 0, 0, 0, 0));
    let (summary, _) = take(sheet("家庭户", "周末"));
    assert_eq!(counts(&summary, "household"), (0, 1, 0, 0, 0), "the import's own value is edited");

    let record = record_id("", "household", &["一".into()]);
    let mut document = server.document(phone, record);
    phone.save(&server, record, &mut document, &[("kind", "single".into())]);
    let (summary, problems) = take(sheet("集体户", "随时"));
    assert_eq!(counts(&summary, "household"), (0, 1, 0, 0, 1), "the other field is edited");
    assert_eq!((problems[0].code.as_str(), problems[0].column.as_str()), ("differs_kept", "户类型"));
    assert_eq!(server.shown(phone, record, "kind"), ["single".into()]);
    assert_eq!(server.shown(phone, record, "best_time"), ["any".into()]);
    assert_eq!(server.shown(phone, record, "access/dog"), [true.into()]);
    let (summary, _) = take(sheet("", ""));
    assert_eq!(counts(&summary, "household"), (0, 0, 1, 0, 0), "an empty cell says nothing");
}

#[test]
fn the_numbers_of_two_offices_are_two_records() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let path = file(folder.path(), "户室.csv", ROOMS);
    for space in ["甲", "乙"] {
        let options = Options { space: Some(space.into()), ..options() };
        let (summary, _) = import(&server, &rooms(), &options, std::slice::from_ref(&path));
        assert_eq!((counts(&summary, "house").0, counts(&summary, "address").0), (3, 8));
    }
}

#[test]
fn rows_without_a_grid_or_a_parent_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let houses = "房屋编号,地址编号,使用性质\n一,甲,自住\n";
    let path = file(folder.path(), "房屋.csv", houses);
    let (summary, problems) =
        import(&server, &shipped("street.toml"), &Options::default(), std::slice::from_ref(&path));
    assert_eq!(counts(&summary, "house"), (0, 0, 0, 1, 0));
    assert_eq!(problems.last().unwrap().code, "no_such_record");
    let missing: Vec<_> = problems.iter().filter(|problem| problem.code == "no_column").collect();
    assert_eq!(missing.len(), 9, "columns of the mapping that the sheet lacks are told once");

    let people = "编号,网格编码,姓名\n一,370299001001001,张三\n";
    let path = file(folder.path(), "人口.csv", people);
    let mapping = mapping(
        "[[table]]\nsheet = \"人口\"\ncollection = \"person\"\nkey = \"编号\"\ngrid = \"网格编码\"\n\
         column = [{ from = \"姓名\", to = \"name\" }]",
    );
    let (_, problems) = import(&server, &mapping, &Options::default(), &[path]);
    assert_eq!(problems[0].code, "unknown_grid");
    let nowhere = Options { grid: Some("1".into()), ..Options::default() };
    assert!(run(&server.app, &mapping, &nowhere, &[], &mut |_| ()).is_err());
    assert!(run(&server.app, &mapping, &Options::default(), &[], &mut |_| ()).is_err(), "no sheet at all");
}
