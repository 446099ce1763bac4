//! Visits out of a sheet: moments as offices write them, what a visit went to, and what it found of whom.

use std::path::{Path, PathBuf};

use gridpass_core::Value;
use gridpass_core::catalog::Catalog;
use gridpass_core::id::RecordId;
use gridpass_server::import::spelling::record_id;
use gridpass_server::import::{Mapping, Problem, Summary};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

use crate::hand::Server;
use crate::imports::{import, options, shown};

const PLACES: &str = r#"
    [[table]]
    sheet = "地址"
    collection = "address"
    key = "编号"
    fixed = { usage = "residential" }
    column = [
        { from = "层级", to = "level" },
        { from = "上级", to = "parent_id" },
        { from = "小区", to = "estate" },
        { from = "楼栋", to = "building" },
        { from = ["=36.1", "=120.4"], to = "point", crs = "WGS84" },
    ]

    [[table]]
    sheet = "房屋"
    collection = "house"
    key = "编号"
    fixed = { nature = "owner_occupied" }
    column = [{ from = "地址", to = "address_id" }]

    [[table]]
    sheet = "人口"
    collection = "person"
    key = "编号"
    fixed = { nationality = "CHN", pop_class = "here", gender = "1", birth = "1980-01-01", id_missing = "not_shown" }
    column = [{ from = "姓名", to = "name" }]
"#;

const VISITS: &str = r#"
    [[table]]
    sheet = "走访"
    collection = "visit"
    key = "编号"
    fixed = { mode = "door" }
    column = [
        { from = "类型", to = "target_kind" },
        { from = "对象", to = "target_id", of = { by = "类型", kinds = { "房屋" = "house", "地点" = "address" } } },
        { from = "开始", to = "started_at" },
        { from = "结束", to = "ended_at" },
        { from = "结果", to = "outcome" },
        { from = "一致", to = "check", of = "person", value = "confirmed" },
        { from = "变化", to = "check", of = "person", value = "changed" },
        { from = "再访", to = "retry_at", optional = true },
    ]
"#;

const HEADINGS: &str = "编号,类型,对象,开始,结束,结果,一致,变化,再访\n";

/// A server with a house and so many people, named R1, R2 and so on.
fn server(folder: &Path, people: usize) -> Server {
    let server = Server::open(&folder.join("data"));
    let persons: String = (1..=people).map(|n| format!("R{n},王某\n")).collect();
    let files = [
        file(folder, "地址", "编号,层级,上级,小区,楼栋\nD0,area,,山海,\nD1,building,D0,,3号楼\n"),
        file(folder, "房屋", "编号,地址\nF1,D1\n"),
        file(folder, "人口", &format!("编号,姓名\n{persons}")),
    ];
    let (summary, problems) = import(&server, &toml::from_str(PLACES).unwrap(), &options(), &files);
    assert_eq!((summary.refused(), problems), (0, Vec::new()));
    server
}

fn file(folder: &Path, sheet: &str, text: &str) -> PathBuf {
    let path = folder.join(sheet).with_extension("csv");
    std::fs::write(&path, text).unwrap();
    path
}

fn visits(server: &Server, folder: &Path, mapping: &str, rows: &str) -> (Summary, Vec<Problem>) {
    let path = file(folder, "走访", &format!("{HEADINGS}{rows}"));
    import(server, &toml::from_str(mapping).unwrap(), &options(), &[path])
}

fn told(problems: &[Problem]) -> Vec<(u32, &str, &str, bool)> {
    problems.iter().map(|p| (p.row, p.column.as_str(), p.code.as_str(), p.refused)).collect()
}

fn id(collection: &str, key: &str) -> RecordId {
    record_id("", collection, &[key.to_owned()])
}

/// 2026-03-05 14:30 in China.
const HALF_PAST_TWO: i64 = 1_772_692_200_000;

#[test]
fn a_visit_knows_its_moments_its_place_and_what_it_found_of_whom() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), 3);
    let rows = "Z1,房屋,F1,2026-03-05 14:30,２０２６／３／５　１４：４５,见到,R1、R2,Ｒ３,\n\
                Z2,地点,D1,2026年3月5日 14时30分,46086.61458,无人,,,2026-03-08T19:00+08:00\n";
    for again in [false, true] {
        let (summary, problems) = visits(&server, folder.path(), VISITS, rows);
        let counts = summary.collections["visit"];
        assert_eq!((counts.created, counts.changed, counts.unchanged), if again { (0, 0, 2) } else { (2, 0, 0) });
        let repaired = [(2, "结束", "repaired_spelling", false), (3, "结束", "repaired_moment", false)];
        assert_eq!(told(&problems), repaired, "again: {again}");
    }
    let (met, absent) = (id("visit", "Z1"), id("visit", "Z2"));
    assert_eq!(shown(&server, met, "target_id"), id("house", "F1").to_string().into());
    assert_eq!(shown(&server, absent, "target_id"), id("address", "D1").to_string().into());
    for (person, found) in [("R1", "confirmed"), ("R2", "confirmed"), ("R3", "changed")] {
        assert_eq!(shown(&server, met, &format!("check/{}", id("person", person))), found.into());
    }
    let quarter = 15 * 60_000;
    for record in [met, absent] {
        assert_eq!(shown(&server, record, "started_at"), HALF_PAST_TWO.into());
        assert_eq!(shown(&server, record, "ended_at"), (HALF_PAST_TWO + quarter).into());
    }
    assert_eq!(shown(&server, absent, "retry_at"), (HALF_PAST_TWO + (3 * 24 + 4) * 3_600_000 + 2 * quarter).into());
}

#[test]
fn what_is_no_moment_names_nobody_or_says_two_things_is_refused_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), 2);
    let rows = "Z1,房屋,F1,昨天下午,2026-03-05 14:45,见到,R1,,\n\
                Z2,房屋,F1,2026-03-05,2026-03-05 14:45,见到,R1,,\n\
                Z3,车辆,F1,2026-03-05 14:30,2026-03-05 14:45,见到,R1,,\n\
                Z4,房屋,F1,2026-03-05 14:30,2026-03-05 14:45,见到,R1,R9,\n\
                Z5,房屋,F1,2026-03-05 14:30,2026-03-05 14:45,见到,R1、R2,R2,\n\
                Z6,房屋,F1,2026-03-05 14:30,2026-03-05 14:29,见到,R1,,\n\
                Z7,房屋,F1,2026-03-05 14:30,2026-03-05 14:45,见到,,,\n\
                Z8,房屋,,2026-03-05 14:30,2026-03-05 14:45,见到,R1,,\n\
                Z9,房屋,F1,2026-03-05 14:30,2026-03-05 14:45,见到,R1,,明天\n";
    let (summary, problems) = visits(&server, folder.path(), VISITS, rows);
    assert_eq!((summary.collections["visit"].created, summary.refused()), (0, 9));
    let mut found = told(&problems);
    found.sort_unstable();
    let expected = [
        (2, "开始", "not_a_moment", true),
        (3, "开始", "moment_not_whole", true),
        (4, "对象", "no_such_kind", true),
        (4, "类型", "not_in_table", true),
        (5, "变化", "no_such_record", true),
        (6, "变化", "said_twice", true),
        (7, "结束", "ended_before_start", true),
        (8, "一致", "required", true),
        (9, "grid", "no_grid", true),
        (10, "再访", "not_a_moment", true),
    ];
    // A row without its place has the grid of the command line, so its place is what is missing.
    let expected = expected.map(|told| if told.0 == 9 { (9, "对象", "required", true) } else { told });
    assert_eq!(found, expected);
    let whole = problems.iter().find(|problem| problem.code == "moment_not_whole").unwrap();
    assert!(whole.text.zh.contains("2026-03-05 14:30") && whole.text.en.contains("time = "), "{whole}");
}

#[test]
fn a_mapping_may_say_the_time_of_days_without_one_and_another_zone() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), 1);
    let said = VISITS
        .replace(r#"to = "started_at""#, r#"to = "started_at", time = "14:30""#)
        .replace(r#"to = "ended_at""#, r#"to = "ended_at", time = "15:00""#);
    let rows = "Z1,房屋,F1,2026-03-05,2026年3月5日,见到,R1,,\n";
    let (_, problems) = visits(&server, folder.path(), &said, rows);
    assert_eq!(told(&problems), [(2, "开始", "repaired_time", false), (2, "结束", "repaired_time", false)]);
    assert_eq!(shown(&server, id("visit", "Z1"), "started_at"), HALF_PAST_TWO.into());
    let tokyo = format!("zone = \"+09:00\"\n{VISITS}");
    let rows = "Z2,房屋,F1,2026-03-05 15:30,2026-03-05T14:45:00+08:00,见到,R1,,\n";
    let (_, problems) = visits(&server, folder.path(), &tokyo, rows);
    assert_eq!(problems, []);
    assert_eq!(shown(&server, id("visit", "Z2"), "started_at"), HALF_PAST_TWO.into());
    assert_eq!(shown(&server, id("visit", "Z2"), "ended_at"), (HALF_PAST_TWO + 15 * 60_000).into());
}

#[test]
fn one_visit_checks_two_hundred_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), 201);
    let list = |count: usize| (1..=count).map(|n| format!("R{n}")).collect::<Vec<_>>().join("、");
    let row = |key: &str, count| format!("{key},房屋,F1,2026-03-05 14:30,2026-03-05 16:30,见到,{},,\n", list(count));
    let rows = [row("Z1", 200), row("Z2", 201)].concat();
    let (summary, problems) = visits(&server, folder.path(), VISITS, &rows);
    assert_eq!((summary.collections["visit"].created, summary.refused()), (1, 1));
    assert_eq!(told(&problems), [(3, "一致", "too_many_checked", true)]);
    let last = format!("check/{}", id("person", "R200"));
    assert_eq!(shown(&server, id("visit", "Z1"), &last), "confirmed".into());
}

#[test]
fn workbooks_keep_moments_with_their_time_in_one_cell_or_two() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), 1);
    let mapping = VISITS.replace(r#"from = "结束""#, r#"from = ["日期", "结束"]"#);
    let path = folder.path().join("走访.xlsx");
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("走访").unwrap();
    let headings = ["编号", "类型", "对象", "开始", "日期", "结束", "结果", "一致", "变化"];
    for (column, heading) in (0..).zip(headings) {
        sheet.write(0, column, heading).unwrap();
    }
    let format = |format: &str| Format::new().set_num_format(format);
    let day = || ExcelDateTime::from_ymd(2026, 3, 5).unwrap();
    for (column, text) in [(0, "Z1"), (1, "房屋"), (2, "F1"), (6, "见到"), (7, "R1")] {
        sheet.write(1, column, text).unwrap();
    }
    sheet.write_with_format(1, 3, day().and_hms(14, 30, 0).unwrap(), &format("yyyy/m/d h:mm")).unwrap();
    sheet.write_with_format(1, 4, day(), &format("yyyy/m/d")).unwrap();
    sheet.write_with_format(1, 5, ExcelDateTime::from_hms(14, 45, 5).unwrap(), &format("h:mm:ss")).unwrap();
    book.save(&path).unwrap();
    let (_, problems) = import(&server, &toml::from_str(&mapping).unwrap(), &options(), &[path]);
    assert_eq!(problems, []);
    let visit = id("visit", "Z1");
    assert_eq!(shown(&server, visit, "started_at"), HALF_PAST_TWO.into());
    assert_eq!(shown(&server, visit, "ended_at"), (HALF_PAST_TWO + 905_000).into());
    assert_eq!(shown(&server, visit, "retry_at"), Value::Null);
}

#[test]
fn a_mapping_that_cannot_list_or_refer_so_is_refused_with_what_to_do() {
    let check = |from: &str, to: &str| {
        let mapping: Mapping = toml::from_str(&VISITS.replace(from, to)).unwrap();
        mapping.check(&Catalog::built_in()).map_err(|error| error.to_string())
    };
    assert_eq!(check("", ""), Ok(()));
    let wrong = [
        (r#"of = "person", value = "confirmed""#, r#"of = "person""#, "value = \"…\""),
        (r#"value = "confirmed""#, r#"value = "seen""#, "a code of the field's table"),
        (r#"of = "person", value = "changed""#, r#"value = "changed""#, "give of"),
        (r#"of = "person", value = "changed""#, r#"of = "people", value = "changed""#, "no such collection"),
        (r#""地点" = "address""#, r#""地点" = "person""#, "refers to no such collection"),
        (r#"to = "outcome""#, r#"to = "outcome", time = "09:00""#, "only a moment"),
        (r#"from = "开始""#, r#"from = ["年", "月", "日"]"#, "one column"),
    ];
    for (from, to, what) in wrong {
        let error = check(from, to).unwrap_err();
        assert!(error.contains(what), "{to}: {error}");
    }
    assert!(toml::from_str::<Mapping>(&format!("zone = \"Mars\"\n{VISITS}")).is_err());
}
