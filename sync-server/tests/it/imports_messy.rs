//! What offices really keep is taken in: what is good, what was put right, what is refused, and nothing twice.

use gridpass_core::Value;
use gridpass_server::import::spelling::record_id;
use gridpass_server::import::{Mapping, Problem, Summary};

use crate::hand::Server;
use crate::imports::{import, options, shown};
use crate::messy::{self, Office, id};

/// Rows, created, repaired, refused of a collection.
fn counts(summary: &Summary, collection: &str) -> (u64, u64, u64, u64) {
    let counts = summary.collections[collection];
    (counts.rows, counts.created, counts.repaired, counts.refused)
}

fn mapping(office: &Office) -> Mapping {
    toml::from_str(office.mapping).unwrap()
}

/// Imports an office's workbook, and again a day later: the second time nothing is written.
fn take(server: &Server, office: &Office) -> (Summary, Vec<Problem>) {
    let files = std::slice::from_ref(&office.path);
    let (summary, problems) = import(server, &mapping(office), &options(), files);
    server.clock.fetch_add(86_400_000, std::sync::atomic::Ordering::Relaxed);
    let (again, told) = import(server, &mapping(office), &options(), files);
    for (collection, counts) in &again.collections {
        let first = summary.collections[collection];
        assert_eq!((counts.created, counts.changed), (0, 0), "{collection}");
        assert_eq!((counts.unchanged, counts.refused), (first.created, first.refused), "{collection}");
        assert_eq!(counts.repaired, first.repaired, "{collection}");
    }
    let lasting = |problems: &[Problem]| -> Vec<Problem> {
        problems.iter().filter(|problem| problem.repaired() || problem.refused).cloned().collect()
    };
    assert_eq!(lasting(&told), lasting(&problems), "and the same is told of the rows");
    (summary, problems)
}

fn told(problems: &[Problem]) -> Vec<(u32, &str, &str)> {
    problems.iter().map(|p| (p.row, p.column.as_str(), p.code.as_str())).collect()
}

const REPAIRED: &str = "repaired_address";

#[test]
fn residents_under_two_rows_of_headings_with_merged_buildings() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let (summary, problems) = take(&server, &messy::residents(folder.path()));
    assert_eq!(counts(&summary, "address"), (13, 13, 4, 0), "an estate, two buildings, three units, seven rooms");
    assert_eq!(counts(&summary, "house"), (7, 7, 0, 0));
    assert_eq!(counts(&summary, "person"), (10, 6, 4, 4));
    assert_eq!(counts(&summary, "residence"), (9, 5, 0, 4), "one has no house");
    assert_eq!(
        told(&problems),
        [
            (8, "居住地址/楼栋", REPAIRED),
            (6, "居住地址/单元", REPAIRED),
            (8, "居住地址/单元", REPAIRED),
            (5, "居住地址/室", REPAIRED),
            (4, "身份证号", "repaired_spelling"),
            (4, "联系电话", "repaired_spelling"),
            (4, "出生年月", "repaired_month"),
            (5, "姓名", "repaired_spelling"),
            (5, "身份证号", "repaired_identity"),
            (6, "身份证号", "number_lost_digits"),
            (7, "出生年月", "repaired_month"),
            (10, "出生年月", "repaired_month"),
            (11, "身份证号", "key_twice"),
            (12, "出生年月", "birth_not_whole"),
            (13, "出生年月", "birth_not_whole"),
            (6, "身份证号", "number_lost_digits"),
            (9, "身份证号", "lacks_key"),
            (11, "身份证号", "key_twice"),
            (12, "身份证号", "no_such_record"),
            (13, "身份证号", "no_such_record"),
        ]
    );
    let zhang = record_id("", "person", &[id(1985, 3, 12, 1)]);
    assert_eq!(shown(&server, zhang, "birth"), "1985-03-12".into());
    let li = id(1962, 11, 5, 2);
    let person = record_id("", "person", std::slice::from_ref(&li));
    assert_eq!(shown(&server, person, "id_no"), li.clone().into(), "18 characters again");
    assert_eq!(shown(&server, person, "name"), "李某".into());
    // The merged building holds for the second room too.
    let room = ["山海小区", "3号楼", "1单元", "102"].map(str::to_owned);
    let lives = record_id("", "residence", &[&[li][..], &room].concat());
    assert_eq!(shown(&server, lives, "house_id"), record_id("", "house", &room).to_string().into());
    assert_eq!(shown(&server, record_id("", "address", &room), "floor"), 1.into());
}

#[test]
fn lets_of_another_street_in_an_old_csv_file_with_whole_addresses_in_a_cell() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let (summary, problems) = take(&server, &messy::lets(folder.path()));
    assert_eq!(counts(&summary, "address"), (13, 10, 0, 3));
    assert_eq!(counts(&summary, "house"), (6, 4, 0, 2));
    assert_eq!(counts(&summary, "person"), (8, 6, 0, 2));
    assert_eq!(counts(&summary, "residence"), (7, 2, 1, 5));
    assert_eq!(
        told(&problems),
        [
            (7, "楼", "not_split"),
            (7, "楼", "not_split"),
            (7, "楼", "not_split"),
            (7, "楼", "not_split"),
            (6, "房东手机", "required"),
            (4, "公民身份号码", "number_lost_digits"),
            (8, "公民身份号码", "key_twice"),
            (2, "起租日期", "repaired_serial"),
            (4, "公民身份号码", "number_lost_digits"),
            (5, "起租日期", "date_not_whole"),
            (7, "公民身份号码", "not_split"),
            (8, "公民身份号码", "key_twice"),
            (9, "公民身份号码", "lacks_key"),
            (6, "楼", "no_such_record"),
        ]
    );
}

#[test]
fn a_directory_with_titles_between_its_rows_and_words_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let (summary, problems) = take(&server, &messy::organisations(folder.path()));
    assert_eq!(counts(&summary, "address"), (1, 1, 0, 0));
    assert_eq!(counts(&summary, "organisation"), (5, 2, 1, 3));
    assert_eq!(
        told(&problems),
        [
            (2, "楼宇", "title_between"),
            (3, "统一社会信用代码", "repaired_spelling"),
            (3, "人数", "repaired_spelling"),
            (5, "楼宇", "title_between"),
            (7, "人数", "not_a_number"),
            (8, "人数", "not_a_number"),
            (3, "统一社会信用代码", "uscc_check_digit"),
            (6, "统一社会信用代码", "uscc_length"),
        ]
    );
    let restaurant = record_id("", "organisation", &["国信大厦".into(), "某某餐馆".into()]);
    assert_eq!(shown(&server, restaurant, "hazard/gas"), true.into());
    assert_eq!(shown(&server, restaurant, "uscc"), Value::Null, "a stroke is nothing");
}

#[test]
fn one_building_in_five_spellings_and_two_that_nobody_may_guess() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let (summary, problems) = take(&server, &messy::rooms(folder.path()));
    assert_eq!(counts(&summary, "address"), (19, 18, 4, 1), "estate, 5 buildings, 5 units, 7 of 8 rooms");
    assert_eq!(counts(&summary, "house"), (9, 6, 1, 3));
    assert_eq!(
        told(&problems),
        [
            (9, "楼号", REPAIRED),
            (7, "楼号", "building_form"),
            (8, "楼号", "building_form"),
            (9, "单元", REPAIRED),
            (4, "户室", REPAIRED),
            (9, "户室", REPAIRED),
            (10, "floor", "required"),
            (3, "面积（㎡）", "repaired_spelling"),
            (4, "使用性质", "not_in_table"),
            (6, "小区", "key_twice"),
            (10, "面积（㎡）", "bad_decimal"),
        ]
    );
    let building = |name: &str| record_id("", "address", &["山海小区".into(), name.into()]);
    assert_eq!(shown(&server, building("3号楼"), "building"), "3号楼".into());
    assert_eq!(shown(&server, building("3-2号楼"), "building"), "3-2".into(), "as it was written");
    assert_eq!(shown(&server, building("3/4号楼"), "building"), "3/4号楼".into(), "as it was written");
    let below = record_id("", "address", &["山海小区", "A座", "无", "-1层"].map(str::to_owned));
    assert_eq!(shown(&server, below, "floor"), (-1).into());
}

#[test]
fn a_ledger_of_lifts_with_days_as_numbers_and_months() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let (summary, problems) = take(&server, &messy::lifts(folder.path()));
    assert_eq!(counts(&summary, "facility"), (5, 2, 1, 3));
    assert_eq!(
        told(&problems),
        [
            (2, "层站", "repaired_spelling"),
            (2, "下次检验", "repaired_serial"),
            (4, "安装日期", "date_not_whole"),
            (5, "设备代码", "number_lost_digits"),
            (5, "下次检验", "repaired_serial"),
            (6, "层站", "not_a_number"),
        ]
    );
    let lift = record_id("", "facility", &["001".into()]);
    assert_eq!(shown(&server, lift, "inspect_due"), "2027-04-23".into());
}

#[test]
fn residents_of_another_street_in_its_own_order_with_numbers_kept_as_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let (summary, problems) = take(&server, &messy::other_residents(folder.path()));
    assert_eq!(counts(&summary, "person"), (7, 3, 2, 4));
    assert_eq!(
        told(&problems),
        [
            (2, "出生", "repaired_serial"),
            (2, "证件号", "repaired_identity"),
            (3, "居民姓名", "repaired_spelling"),
            (3, "性别", "repaired_by_number"),
            (3, "出生", "repaired_by_number"),
            (6, "人员编号", "key_twice"),
            (7, "性别", "not_in_table"),
            (8, "人员编号", "no_key"),
            (4, "证件号", "one_of"),
            (5, "出生", "id_birth_differs"),
            (5, "性别", "id_gender_differs"),
        ]
    );
    let cao = record_id("", "person", &["A1".into()]);
    assert_eq!(shown(&server, cao, "id_no"), id(1941, 4, 5, 21).into());
    assert_eq!(shown(&server, cao, "birth"), "1941-04-05".into());
    assert_eq!(shown(&server, record_id("", "person", &["A2".into()]), "gender"), "2".into());
}
