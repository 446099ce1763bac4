//! The tree of a district as IT makes it, changes it and asks for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use gridpass_core::bucket::Bucket;
use gridpass_core::codes::Date;
use gridpass_core::id::GridId;
use gridpass_server::app::App;
use gridpass_server::clock::Clock;
use gridpass_server::db::Principal;
use gridpass_server::db::sqlite::FILE;
use gridpass_server::import::tree::{TreeError, TreeOptions, tree};
use gridpass_server::import::{Problem, Summary};
use gridpass_server::org::acts::{self, ActError};
use gridpass_server::org::count::count;
use gridpass_server::org::{Node, OrgError, begin_of};
use tempfile::TempDir;

use crate::contract::{Draft, intent, store};
use crate::hand::START_MS;

const HEADINGS: &str = "级别,编码,名称,上级编码,生效日期,失效日期,接替,类型\n";
const FRIDAY: &str = "2027-01-15";
const SUNDAY: &str = "2027-01-17";
const MONDAY: &str = "2027-01-18";

pub fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// Community 0 (370212001001) is split in two in February; 1 (370212002001) and 21 (370212002005) are merged.
const SPLIT: &str = "社区,370212001001,0社区,1街道/金岭管区,2027-01-18,2027-02-01,,\n\
    社区,370212001901,东社区,1街道/金岭管区,2027-02-01,,370212001001,\n\
    社区,370212001902,西社区,370212001,2027-02-01,,370212001001,\n\
    网格,370212001001001,第1网格,370212001901,2027-02-01,,,\n\
    网格,370212001001002,第2网格,370212001901,2027-02-01,,,\n\
    网格,370212001001003,第3网格,370212001902,2027-02-01,,,\n\
    网格,370212001001004,第4网格,370212001902,2027-02-01,,,\n\
    社区,370212002001,1社区,2街道/2-1管区,,2027-02-01,,\n\
    社区,370212002005,21社区,2街道/2-1管区,,2027-02-01,,\n\
    社区,370212002601,大社区,2街道/2-1管区,2027-02-01,,370212002001、370212002005,\n\
    网格,370212002001001,第1网格,370212002601,2027-02-01,,,\n\
    网格,370212002001002,第2网格,370212002601,2027-02-01,,,\n\
    网格,370212002001003,第3网格,370212002601,2027-02-01,,,\n\
    网格,370212002001004,第4网格,370212002601,2027-02-01,,,\n\
    网格,370212002005001,第1网格,370212002601,2027-02-01,,,\n\
    网格,370212002005002,第2网格,370212002601,2027-02-01,,,\n\
    网格,370212002005003,第3网格,370212002601,2027-02-01,,,\n\
    网格,370212002005004,第4网格,370212002601,2027-02-01,,,\n";

/// A server on Friday afternoon.
pub struct District {
    pub app: Arc<App>,
    pub clock: Arc<AtomicI64>,
    pub folder: TempDir,
}

impl District {
    pub fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(START_MS));
        let shared = clock.clone();
        let data = folder.path().join("data");
        let app = App::open(&data, |last| Clock::new(last, move || shared.load(Ordering::Relaxed))).unwrap();
        assert_eq!(Date::in_china(START_MS), day(FRIDAY));
        Self { app: Arc::new(app), clock, folder }
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Imports rows under the headings; what is told of them.
    pub fn import(&self, rows: &str, options: TreeOptions) -> (Summary, Vec<Problem>) {
        let mut told = Vec::new();
        let path = self.file("网格.csv", &format!("{HEADINGS}{rows}"));
        let summary = tree(&self.app, &path, options, &mut |problem| told.push(problem.clone())).unwrap();
        (summary, told)
    }

    /// Imports rows that are all good.
    pub fn good(&self, rows: &str, from: &str) -> Summary {
        let (summary, told) = self.import(rows, TreeOptions { from: Some(day(from)), dry_run: false });
        assert_eq!(told, []);
        summary
    }

    /// Grids and households by the units of a level, as of a day; elsewhere under `""`.
    fn counts(&self, as_of: &str, level: &str) -> BTreeMap<String, (u64, u64)> {
        let tree = self.app.tree().unwrap();
        let homes = self.app.db.home_counts(&Principal::SERVER, START_MS).unwrap();
        let sums = count(tree.at(begin_of(day(as_of))), level, &homes);
        let households = |sum: &gridpass_server::org::count::Sum| sum.records.get("household").copied().unwrap_or(0);
        let units = sums.units.iter().map(|(unit, sum)| (unit.name.clone(), (sum.grids, households(sum))));
        let mut found: BTreeMap<_, _> = units.collect();
        assert_eq!(found.len(), sums.units.len());
        found.insert(String::new(), (sums.elsewhere.grids, households(&sums.elsewhere)));
        let all = found.values().fold((0, 0), |all, sum| (all.0 + sum.0, all.1 + sum.1));
        assert_eq!(all, (sums.total.grids, households(&sums.total)), "nothing is counted twice or lost");
        found
    }

    fn audit(&self) -> BTreeMap<String, u64> {
        let file = rusqlite::Connection::open(self.folder.path().join("data").join(FILE)).unwrap();
        let mut rows = file.prepare("SELECT action, count(*) FROM audit GROUP BY action").unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Puts households into a grid, by numbers.
    fn households(&self, grid: &str, numbers: std::ops::Range<u32>) {
        let grid = self.app.db.grid_by_code(&Principal::SERVER, START_MS, grid).unwrap().unwrap();
        for n in numbers {
            store(self.app.db.as_ref(), Draft::new(n, Bucket::Base(grid)).put(1, intent(n), "户"));
        }
    }
}

/// 5 streets, 20 areas, 167 communities, 654 grids; what stands below comes first.
fn laoshan() -> String {
    let (mut grids, mut communities, mut above) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..167 {
        let (street, area) = (n % 5 + 1, n / 5 % 4 + 1);
        let code = format!("37021200{street}{:03}", n / 5 + 1);
        communities.push(format!("社区,{code},{n}社区,37021200{street}/{street}-{area}管区,,,,\n"));
        let of_this = if n < 654 - 3 * 167 { 4 } else { 3 };
        grids.extend((1..=of_this).map(|grid| format!("网格,{code}{grid:03},第{grid}网格,{code},,,,\n")));
    }
    for street in 1..=5 {
        above.push(format!("街道,37021200{street},{street}街道,370212,,,,\n"));
        above.extend((1..=4).map(|area| format!("管区,,{street}-{area}管区,37021200{street},,,,\n")));
    }
    above.push("区,370212,崂山区,,,,,\n".into());
    [grids, communities, above].concat().concat()
}

fn made(summary: &Summary, collection: &str) -> (u64, u64, u64, u64) {
    let counts = summary.collections.get(collection).copied().unwrap_or_default();
    assert_eq!(counts.created + counts.changed + counts.unchanged + counts.refused, counts.rows, "{counts:?}");
    (counts.created, counts.changed, counts.unchanged, counts.refused)
}

#[test]
fn a_community_that_moves_on_monday_counts_elsewhere_from_monday_on() {
    let district = District::open();
    let summary = district.good(&laoshan(), "2027-01-01");
    assert_eq!((made(&summary, "unit"), made(&summary, "grid")), ((1 + 5 + 20 + 167, 0, 0, 0), (654, 0, 0, 0)));
    let number = district.app.tree().unwrap().number();
    assert_eq!(made(&district.good(&laoshan(), "2027-01-01"), "unit"), (0, 0, 193, 0), "a second import");
    assert_eq!(district.app.tree().unwrap().number(), number, "writes nothing");
    assert_eq!(district.counts(SUNDAY, "street").values().map(|(grids, _)| grids).sum::<u64>(), 654);

    // Community 0 has 4 grids, the first of which holds three households.
    district.households("370212001001001", 0..3);
    let before = district.counts(SUNDAY, "area");
    assert!(acts::move_to(&district.app, "370212001001", "1街道/1-2管区", day(MONDAY)).unwrap());
    assert!(!acts::move_to(&district.app, "370212001001", "1街道/1-2管区", day(MONDAY)).unwrap(), "once");
    assert_eq!(district.counts(SUNDAY, "area"), before, "until Monday nothing differs");
    let mut expected = before.clone();
    let grids = |of: &BTreeMap<String, (u64, u64)>, area: &str| of[area];
    expected.insert("1-1管区".into(), (grids(&before, "1-1管区").0 - 4, grids(&before, "1-1管区").1 - 3));
    expected.insert("1-2管区".into(), (grids(&before, "1-2管区").0 + 4, grids(&before, "1-2管区").1 + 3));
    assert_eq!(district.counts(MONDAY, "area"), expected);
    assert_eq!(district.counts(MONDAY, "street"), district.counts(SUNDAY, "street"));

    let tree = district.app.tree().unwrap();
    assert!(Arc::ptr_eq(&tree, &district.app.tree().unwrap()), "loaded once until somebody writes");
    let (sunday, monday) = (tree.at(begin_of(day(MONDAY)) - 1), tree.at(begin_of(day(MONDAY))));
    let grid =
        Node::Grid(district.app.db.grid_by_code(&Principal::SERVER, START_MS, "370212001001001").unwrap().unwrap());
    let area = |name: &str| sunday.find(name).unwrap().node.unit().unwrap();
    assert!(sunday.within(grid, area("1-1管区")) && !sunday.within(grid, area("1-2管区")));
    assert!(monday.within(grid, area("1-2管区")) && !monday.within(grid, area("1-1管区")));
    assert_eq!(monday.path_text(grid), "崂山区/1街道/1-2管区/0社区/第1网格");

    let refused = acts::move_to(&district.app, "370212001001", "1街道/1-3管区", day(SUNDAY)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the newest version of 370212001001 begins on 2027-01-18, after 2027-01-17; choose that day or a later one"
    );
    let again = district.good(&laoshan(), FRIDAY);
    assert_eq!(
        (made(&again, "unit"), made(&again, "grid")),
        ((0, 0, 193, 0), (0, 0, 654, 0)),
        "today it still stands so"
    );

    // Put right before Monday has come: the version that has not counted yet is corrected.
    assert!(acts::move_to(&district.app, "370212001001", "1-3管区", day(MONDAY)).unwrap());
    assert_eq!(district.app.tree().unwrap().versions(monday.find("370212001001").unwrap().node).len(), 2);
    assert_eq!(district.counts(MONDAY, "area")["1-2管区"], before["1-2管区"]);
    district.clock.fetch_add(4 * 86_400_000, Ordering::Relaxed);
    let past = acts::move_to(&district.app, "370212001001", "1-2管区", day(MONDAY)).unwrap_err();
    assert!(past.to_string().contains("has counted already"), "{past}");
    let audit = district.audit();
    assert_eq!((audit["unit_added"], audit["grid_added"]), (193, 654), "a row for each");
    assert_eq!((audit["unit_changed"], audit["unit_corrected"]), (1, 1));
}

#[test]
fn counts_follow_a_rename_a_split_and_a_merger() {
    let district = District::open();
    district.good(&laoshan(), "2027-01-01");
    district.households("370212001001001", 0..3);
    district.households("370212002001004", 10..12);
    assert!(acts::rename(&district.app, "1街道/1-1管区", "金岭管区", day(MONDAY)).unwrap());
    let (sunday, monday) = (district.counts(SUNDAY, "area"), district.counts(MONDAY, "area"));
    assert_eq!(sunday["1-1管区"], monday["金岭管区"]);
    assert!(!sunday.contains_key("金岭管区") && !monday.contains_key("1-1管区"));

    let summary = district.good(SPLIT, FRIDAY);
    assert_eq!((made(&summary, "unit"), made(&summary, "grid")), ((3, 3, 0, 0), (0, 12, 0, 0)));
    let number = district.app.tree().unwrap().number();
    district.clock.fetch_add(90 * 86_400_000, Ordering::Relaxed);
    let (again, told) = district.import(SPLIT, TreeOptions::default());
    assert_eq!(told, [], "months later too, when what ended is over");
    assert_eq!((made(&again, "unit"), made(&again, "grid")), ((0, 0, 6, 0), (0, 0, 12, 0)));
    assert_eq!(district.app.tree().unwrap().number(), number);
    let (before, after) = (district.counts("2027-01-31", "community"), district.counts("2027-02-01", "community"));
    assert_eq!([before["0社区"], after["东社区"], after["西社区"]], [(4, 3), (2, 3), (2, 0)]);
    assert_eq!([before["1社区"], before["21社区"], after["大社区"]], [(4, 2), (4, 0), (8, 2)]);
    assert!(["0社区", "1社区", "21社区"].iter().all(|name| !after.contains_key(*name)));
    assert_eq!((before.len(), after.len()), (167 + 1, 167 + 1));
    let (before, after) = (district.counts("2027-01-31", "area"), district.counts("2027-02-01", "area"));
    assert_eq!(after["金岭管区"], (before["金岭管区"].0 - 2, before["金岭管区"].1), "the west stands under its street");
    assert_eq!((after[""], after["2-1管区"]), ((2, 0), before["2-1管区"]));
    assert_eq!(district.counts("2027-01-31", "street"), district.counts("2027-02-01", "street"));

    let tree = district.app.tree().unwrap();
    let merged = tree.at(begin_of(day("2027-02-01"))).find("大社区").unwrap().clone();
    let names = merged.succeeds.iter().map(|node| tree.newest(*node).unwrap().name.as_str()).collect::<Vec<_>>();
    assert_eq!(names, ["1社区", "21社区"]);
    // Households of a grid that ends stay where they are and are not lost from the sum.
    assert!(acts::end(&district.app, "370212002001004", day("2027-03-01")).unwrap());
    assert_eq!(district.counts("2027-03-01", "street")[""], (0, 2));
    let grid = GridId::derived("grid", &[b"370212002001004"]);
    assert_eq!(district.app.db.grid_by_code(&Principal::SERVER, START_MS, "370212002001004").unwrap(), Some(grid));
}

#[test]
fn every_bad_row_is_told_and_every_good_one_written() {
    let district = District::open();
    district.good(
        "区,370212,崂山区,,,,,\n街道,370212001,中韩街道,370212,,,,\n管区,,东管区,370212001,,,,\n管区,,西管区,370212001,,,,\n\
         社区,370212001001,一社区,370212001/东管区,,,,\n网格,370212001001001,一网格,370212001001,,,,\n\
         管区,,旧管区,370212001,,2027-02-01,,\n",
        "2027-01-01",
    );
    let rows = "社区,370212001002,二社区,370212001/东管区,,,,\n\
         社区,370212001003,三社区,370212009,,,,\n\
         村委,370212001004,四社区,370212001,,,,\n\
         社区,,五社区,370212001,,,,\n\
         社区,370212001006,,370212001,,,,\n\
         网格,370212001001002,二网格,370212001,,,,\n\
         网格,370212001001003,三网格,370212001001,2027-1,,,\n\
         网格,370212001001004,四网格,370212001001,明天,,,\n\
         网格,370212001001005,五网格,370212001001,2027-02-01,2027-01-20,,\n\
         社区,370212001007,七社区,旧管区,,,,\n\
         社区,370212001001,一社区,370212001/东管区,,2027-03-01,,\n\
         社区,370212001001,一村,370212001/东管区,2026-12-01,,,\n\
         街道,370212001001,一社区,370212,2027-02-02,,,\n\
         社区,370212001002,又一社区,370212001/西管区,,,,\n\
         社区,370212001008,八社区,370212001,,,370212001099,\n\
         其他,,综治中心,370212001,,,,指挥中心\n\
         街道,,办公室,370212001,,,,办公室\n\
         ,,办公室,370212001/综治中心,,,,办公室\n\
         社区,1.10105E+17,九社区,370212001,,,,\n\
         社区,370212001010,十/社区,370212001,,,,\n\
         社区,370212001011,十一社区,370212001,,2027-01-10,,\n\
         社区,370212001012,十二社区,370212001,2027-02-01,2027-02-01,,\n";
    let expected = [
        (3, "上级编码", "no_such_unit"),
        (4, "级别", "no_such_level"),
        (5, "编码", "unit_code"),
        (6, "名称", "no_name"),
        (7, "上级编码", "unit_under"),
        (8, "生效日期", "date_not_whole"),
        (9, "生效日期", "not_a_date"),
        (10, "失效日期", "ends_before"),
        (11, "上级编码", "parent_lacks"),
        (12, "失效日期", "unit_holds"),
        (13, "生效日期", "before_newest"),
        (14, "级别", "unit_kind"),
        (15, "编码", "key_twice"),
        (16, "接替", "unit_follows"),
        (18, "级别", "two_levels"),
        (20, "编码", "number_lost_digits"),
        (21, "名称", "unit_name"),
        (22, "生效日期", "unit_over"),
        (23, "失效日期", "ends_before"),
    ];
    let number = district.app.tree().unwrap().number();
    let dry = TreeOptions { from: None, dry_run: true };
    let (looked, told) = district.import(rows, dry);
    assert_eq!(district.app.tree().unwrap().number(), number, "a look writes nothing");
    let (summary, again) = district.import(rows, TreeOptions::default());
    assert_eq!((&looked, &told), (&summary, &again), "a look tells the same");
    let found: Vec<_> = told.iter().map(|told| (told.row, told.column.as_str(), told.code.as_str())).collect();
    assert_eq!(found, expected);
    assert!(told.iter().all(|told| told.refused && told.text.zh.len() > 9 && told.text.en.len() > 9));
    assert_eq!(
        told[8].text.en,
        "旧管区 does not exist on 2027-02-01, so 370212001007 cannot stand under it; choose another day, end it by then, \
         or name another unit above"
    );
    assert!(told[9].text.en.contains("370212001001001 is one"), "{}", told[9].text.en);
    let tree = district.app.tree().unwrap();
    let today = tree.at(START_MS);
    assert_eq!(today.path_text(today.find("综治中心/办公室").unwrap().node), "崂山区/中韩街道/综治中心/办公室");
    assert_eq!(today.find("370212001002").unwrap().name, "二社区", "the first row of two counts");
    assert_eq!(summary.collections["unit"].created, 3);
    let (_, told) = district.import("网格,1,一,370212001001,,,,\n", TreeOptions::default());
    assert_eq!(told, []);
    let path = district.file("b.csv", "编码,名称\n1,一\n2,二\n");
    let mut told = Vec::new();
    tree_of(&district, &path, &mut told).unwrap();
    assert_eq!(told, ["级别", "上级编码"], "missing columns are told once");
    let empty = district.file("c.csv", "级别,编码,名称,上级编码\n");
    assert!(matches!(tree_of(&district, &empty, &mut told), Err(TreeError::Empty)));
}

fn tree_of(district: &District, path: &Path, told: &mut Vec<String>) -> Result<Summary, TreeError> {
    tree(&district.app, path, TreeOptions::default(), &mut |problem| told.push(problem.column.clone()))
}

#[test]
fn units_end_from_below_come_back_and_an_end_may_be_moved() {
    let district = District::open();
    let rows = "区,370212,崂山区,,,,,\n街道,370212001,中韩街道,370212,,,,\n管区,,东管区,370212001,,,,\n\
                社区,370212001001,一社区,东管区,,,,\n网格,370212001001001,一网格,370212001001,,,,\n";
    district.good(rows, "2027-01-01");
    let (app, february) = (&district.app, day("2027-02-01"));
    let refused = acts::end(app, "370212001001", february).unwrap_err();
    assert!(matches!(refused, ActError::Org(OrgError::Holds { count: 1, .. })), "{refused}");
    for unit in ["370212001001001", "370212001001", "370212001/东管区"] {
        assert!(acts::end(app, unit, february).unwrap(), "{unit}");
        assert!(!acts::end(app, unit, february).unwrap(), "{unit} again");
    }
    // Its unit above ends in February, so this one cannot last until March.
    let refused = acts::end(app, "370212001001001", day("2027-03-01")).unwrap_err();
    assert!(matches!(refused, ActError::Org(OrgError::ParentLacks { .. })), "{refused}");
    assert!(acts::end(app, "370212001001001", day("2027-01-20")).unwrap());
    assert_eq!(district.app.tree().unwrap().at(begin_of(day("2027-01-20"))).grids().count(), 0);

    district.clock.fetch_add(60 * 86_400_000, Ordering::Relaxed);
    let (_, told) = district.import(rows, TreeOptions::default());
    let ended: Vec<_> = told.iter().map(|told| (told.row, told.code.as_str())).collect();
    assert_eq!(ended[0], (4, "unit_ended"), "an old sheet does not bring back what has ended: {ended:?}");
    assert_eq!(ended.len(), 3);
    let summary = district.good(rows, "2027-03-16");
    assert_eq!((made(&summary, "unit"), made(&summary, "grid")), ((2, 0, 2, 0), (1, 0, 0, 0)), "a day does");
    let tree = district.app.tree().unwrap();
    let node = |said: &str| tree.at(app.now_ms()).find(said).unwrap().node;
    assert_eq!([tree.versions(node("东管区")).len(), tree.versions(node("370212001001")).len()], [2, 2]);
}

#[test]
fn ids_follow_from_codes_and_paths_so_that_every_server_makes_the_same() {
    let trees: Vec<_> = (0..2)
        .map(|n| {
            let district = District::open();
            district.clock.fetch_add(n * 1000, Ordering::Relaxed);
            district.good(&laoshan(), "2027-01-01");
            let tree = district.app.tree().unwrap();
            tree.all().map(<[_]>::to_vec).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(trees[0], trees[1]);
}
