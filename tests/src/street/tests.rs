//! The street is the same every time, made up throughout, and what the shipped mapping takes in whole.

use std::collections::BTreeSet;
use std::path::PathBuf;

use gridpass_core::codes::identity::{TEST_DIVISION, check};
use gridpass_core::codes::{Division, IdKind};
use gridpass_server::app::App;
use gridpass_server::clock::Clock;
use gridpass_server::db::Principal;
use gridpass_server::import::tree::{TreeOptions, tree};
use gridpass_server::import::{Mapping, Options, Summary, run};

use super::*;

/// The beginning of the hash of a scale's files, in the order of the mapping.
fn bytes(plan: Plan, form: Form) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut hasher = blake3::Hasher::new();
    for (collection, sheet, _) in write(plan, folder.path(), form, &mut |_| {}).unwrap() {
        let file = folder.path().join(sheet).with_extension(if form == Form::Csv { "csv" } else { "xlsx" });
        let bytes = std::fs::read(file).unwrap();
        if collection.is_some() {
            hasher.update(&bytes);
        }
    }
    hasher.finalize().to_hex().chars().take(16).collect()
}

/// A small street with a year of visits, few of them.
fn visited(seed: u64) -> Plan {
    Plan { visit_interval_days: 90, ..Plan::new(Scale::Small, seed) }
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    for form in [Form::Csv, Form::Workbook, Form::StreamedWorkbook] {
        let of = |seed| bytes(visited(seed), form);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }
    let street = || Street::new(Plan::new(Scale::Street, 7));
    assert_eq!(street(), street());
}

/// The bytes of one seed, so that a change of the generator or of a library is seen: measurements name a seed.
#[test]
fn the_first_seed_is_what_it_was() {
    const SMALL_PART: Scale = Scale::District { part: 100 };
    let found = [
        bytes(Plan::new(Scale::Small, 1), Form::Csv),
        bytes(Plan::new(Scale::Street, 1), Form::Csv),
        bytes(Plan { visit_interval_days: 0, ..Plan::new(SMALL_PART, 1) }, Form::Csv),
        bytes(Plan::new(SMALL_PART, 1), Form::Csv),
        bytes(Plan::new(SMALL_PART, 1), Form::StreamedWorkbook),
    ];
    assert_eq!(
        found,
        ["56d490cadf6bb9a7", "9bf45938f3bd2b44", "de4db399997f24dd", "7a8bc72dfcd87182", "faca15bbe1b09f6e"]
    );
}

/// How many rows of a street have one of the values under a heading.
fn count(street: &Street, collection: &str, heading: &str, values: &[&str]) -> u64 {
    let sheet = street.sheet(collection).unwrap();
    sheet.column(heading).filter(|found| values.contains(&found.as_str())).count() as u64
}

#[test]
fn a_part_of_the_district_has_that_part_of_every_figure() {
    let part = 4;
    let street = Street::new(Plan::new(Scale::District { part: 4 }, 1));
    let rows = |collection: &str| street.sheet(collection).unwrap().rows.len() as u64;
    let grids = street.tree.column("级别").filter(|level| level == "网格").count() as u64;
    assert_eq!((grids, rows("house"), rows("person")), (GRIDS / part, HOUSES / part, PEOPLE / part));
    assert_eq!((rows("facility"), rows("organisation")), (LIFTS / part, ORGANISATIONS / part));
    assert_eq!(rows("residence"), rows("person"), "everybody lives somewhere");
    // A door is a room, in a village the yard itself.
    let villages: BTreeSet<String> = street
        .sheet("address")
        .unwrap()
        .rows
        .iter()
        .filter(|row| row.get(2) == Some(&Cell::from("村")))
        .filter_map(|row| row.get(1).map(sheet::text))
        .collect();
    let addresses = street.sheet("address").unwrap();
    let yards = addresses.column("网格编码").zip(addresses.column("层级"));
    let yards = yards.filter(|(grid, level)| level == "楼栋" && villages.contains(grid)).count() as u64;
    let rooms = count(&street, "address", "层级", &["户室"]);
    assert_eq!(rooms + yards, ADDRESSES_WITH_A_DOOR / part);
}

#[test]
fn the_district_is_skewed_as_a_district_is() {
    let street = Street::new(Plan::new(Scale::District { part: 4 }, 1));
    let mut grids = std::collections::BTreeMap::<String, u64>::new();
    street.sheet("person").unwrap().column("网格编码").for_each(|grid| *grids.entry(grid).or_default() += 1);
    let (least, most) = (grids.values().min().unwrap(), grids.values().max().unwrap());
    assert!(most > &(least * 4), "grids of {least} to {most} people");
    let houses = street.sheet("house").unwrap().rows.len() as u64;
    assert!(count(&street, "house", "使用性质", &["空置"]) * 20 > houses, "vacant houses");
    assert!(count(&street, "house", "使用性质", &["出租"]) * 5 > houses, "let houses");
    assert!(count(&street, "residence", "居住事由", &["学习"]) > 100, "students");
    let mut households = std::collections::BTreeMap::<String, Vec<String>>::new();
    let residences = street.sheet("residence").unwrap();
    for (person, household) in residences.column("人员编号").zip(residences.column("户编号")) {
        households.entry(household).or_default().push(person);
    }
    assert!(households.values().filter(|people| people.len() > 5).count() > 100, "large households");
    let persons = street.sheet("person").unwrap();
    let old: BTreeSet<String> = persons
        .column("人员编号")
        .zip(persons.column("出生日期"))
        .filter(|(_, born)| born.as_str() < "1956")
        .map(|(n, _)| n)
        .collect();
    let alone = households.values().filter(|people| matches!(people.as_slice(), [one] if old.contains(one))).count();
    assert!(alone > 100, "{alone} elders who live alone");
}

#[test]
fn the_district_has_its_five_streets_and_their_communities() {
    let levels: Vec<usize> = divisions().map(|(code, _)| code.len()).collect();
    assert_eq!(levels.iter().filter(|length| **length == 9).count(), 5);
    assert_eq!(levels.iter().filter(|length| **length == 12).count(), 167);
    assert!(divisions().all(|(code, _)| code.starts_with("370212") && code.parse::<Division>().is_ok()));
}

#[test]
fn every_community_stands_under_an_area_of_its_street() {
    let areas = areas();
    assert_eq!(areas.iter().map(|(_, _, communities)| communities.len()).sum::<usize>(), 167);
    assert!(areas.iter().all(|(_, _, communities)| (5..=8).contains(&communities.len())), "{areas:?}");
    let names: BTreeSet<_> = areas.iter().map(|(street, name, _)| (street, name)).collect();
    assert_eq!(names.len(), areas.len(), "a name is one area's within its street");
    let tree = Street::new(Plan::new(Scale::District { part: 100 }, 1)).tree;
    let levels = |level: &str| tree.column("级别").filter(|found| found == level).count();
    assert_eq!((levels("街道"), levels("管区"), levels("社区")), (5, areas.len(), 167));
    let of_a_community = tree.column("级别").zip(tree.column("上级编码")).filter(|(level, _)| level == "社区");
    let paths: BTreeSet<String> = areas.iter().map(|(street, name, _)| format!("{street}/{name}")).collect();
    assert_eq!(of_a_community.map(|(_, above)| above).collect::<BTreeSet<_>>(), paths);
}

#[test]
fn a_street_has_its_size_and_its_skew() {
    let street = Street::new(Plan::new(Scale::Street, 1));
    assert!((29_500..30_500).contains(&street.records()), "{}", street.records());
    assert_eq!(street.tree.column("级别").filter(|level| level == "网格").count(), 30);
    let houses = street.sheet("house").unwrap().rows.len();
    assert!(count(&street, "house", "使用性质", &["空置"]) * 20 > houses as u64, "vacant houses");
    assert!(count(&street, "house", "使用性质", &["出租"]) * 8 > houses as u64, "let houses");
    assert!(count(&street, "address", "层级", &["村"]) > 3, "villages");
    assert!(count(&street, "address", "层级", &["小区"]) > 3, "estates");
    assert!(street.sheet("facility").unwrap().rows.len() > 20, "lifts");
    let people = street.sheet("person").unwrap().rows.len();
    assert!(people > houses && people < 4 * houses, "{people} people in {houses} houses");
}

#[test]
fn every_identity_number_is_valid_and_given_to_nobody() {
    let street = Street::new(Plan::new(Scale::Street, 1));
    let persons = street.sheet("person").unwrap();
    let numbers: Vec<String> = persons.column("证件号码").filter(|number| !number.is_empty()).collect();
    for number in &numbers {
        let found = check(IdKind::Resident, number, Street::day()).unwrap();
        assert_eq!((found.division.as_deref(), found.warnings.len()), (Some(TEST_DIVISION), 0));
    }
    assert!(numbers.len() * 10 > persons.rows.len() * 9);
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len(), "nobody has another's");
}

/// A server with the street's grids, and what an import of its files says.
fn imported(street: &Street, form: Form, times: usize) -> Vec<Summary> {
    let folder = tempfile::tempdir().unwrap();
    write(visited(1), folder.path(), form, &mut |_| {}).unwrap();
    let extension = if form == Form::Csv { "csv" } else { "xlsx" };
    let file = |name: &str| folder.path().join(name).with_extension(extension);
    let noon = Street::day().days() * 86_400_000 + 4 * 3_600_000;
    let app = App::open(&folder.path().join("data"), |last| Clock::new(last, move || noon)).unwrap();
    let refuse = &mut |problem: &gridpass_server::import::Problem| panic!("{problem}");
    let made = tree(&app, &file(street.tree.name), TreeOptions::default(), refuse).unwrap().collections;
    let grids = street.tree.column("级别").filter(|level| level == "网格").count() as u64;
    let units = (1 + 5 + areas().len() + 167) as u64;
    assert_eq!((made["unit"].created, made["grid"].created), (units, grids));
    let mapping = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sync-server/import/street.toml");
    let mapping = Mapping::read(&mapping).unwrap();
    let files: Vec<PathBuf> = street.sheets.iter().map(|(_, sheet)| file(sheet.name)).collect();
    let import = || {
        run(&app, &mapping, &Options::default(), &files, &mut |problem| assert!(!problem.refused, "{problem}")).unwrap()
    };
    let summaries = (0..times).map(|_| import()).collect();
    let mut faults = Vec::new();
    app.db.verify(&Principal::SERVER, noon, &mut |fault| faults.push(fault)).unwrap();
    assert_eq!(faults, []);
    summaries
}

#[test]
fn the_shipped_mapping_takes_in_every_row_once() {
    let records = Street::new(Plan::new(Scale::Small, 1)).records();
    assert!((250..350).contains(&records), "{records}");
    let street = Street::new(visited(1));
    for form in [Form::Csv, Form::Workbook, Form::StreamedWorkbook] {
        let [first, again] = imported(&street, form, 2).try_into().unwrap();
        for (collection, sheet) in &street.sheets {
            let rows = sheet.rows.len() as u64;
            assert_ne!(rows, 0, "{collection}");
            let counts = first.collections.get(*collection).copied().unwrap_or_default();
            assert_eq!((counts.created, counts.refused, counts.kept), (rows, 0, 0), "{collection}");
            let counts = again.collections.get(*collection).copied().unwrap_or_default();
            assert_eq!((counts.created, counts.changed, counts.unchanged), (0, 0, rows), "{collection} again");
        }
    }
}

/// The rows of a sheet by their headings.
fn cells(sheet: &Sheet) -> impl Iterator<Item = std::collections::BTreeMap<&'static str, String>> {
    sheet.rows.iter().map(|row| sheet.headings.iter().copied().zip(row.iter().map(sheet::text)).collect())
}

#[test]
fn a_year_of_visits_goes_to_every_door_in_working_hours() {
    let street = Street::new(Plan::new(Scale::District { part: 16 }, 1));
    let visits = street.sheet("visit").unwrap();
    let households: BTreeSet<String> = street.sheet("household").unwrap().column("户编号").collect();
    let share =
        |heading: &str, value: &str| count(&street, "visit", heading, &[value]) * 100 / visits.rows.len() as u64;
    let of_a_household = visits.rows.len() * 10 / households.len();
    assert!((38..=48).contains(&of_a_household), "{of_a_household} visits of ten households");
    let visited: BTreeSet<String> = visits.column("对象编号").filter(|number| number.starts_with("HU")).collect();
    assert!(visited.len() * 100 > households.len() * 98 && visited.is_subset(&households));
    let shares = ["见到", "无人", "空置", "拒访"].map(|outcome| share("结果", outcome));
    assert!((68..85).contains(&shares[0]) && (8..20).contains(&shares[1]), "{shares:?}");
    assert!((1..12).contains(&shares[2]) && (1..5).contains(&shares[3]), "{shares:?}");
    assert!((85..98).contains(&share("方式", "入户")), "{}", share("方式", "入户"));

    let (mut last, mut weekend, mut busy) = (0, 0, std::collections::BTreeMap::new());
    let begin = Street::day().plus_days(-365).unwrap().to_string();
    for visit in cells(visits) {
        let (started, ended) = (visit["开始时间"].clone(), visit["结束时间"].clone());
        assert!(started > begin && ended < Street::day().to_string() && started < ended, "{visit:?}");
        let (day, time) = started.split_once(' ').unwrap();
        assert!(("08:30".."22:30").contains(&time), "{started}");
        weekend += u64::from(matches!((day.parse::<Date>().unwrap().days() + 3) % 7, 5 | 6));
        assert_eq!(visit["再访时间"].is_empty(), visit["结果"] != "无人", "{visit:?}");
        let checked = ["一致人员", "有变化人员", "查无人员", "无法核实人员", "一致单位", "有变化房屋"];
        assert!(visit["结果"] != "见到" || checked.iter().any(|heading| !visit[heading].is_empty()), "{visit:?}");
        // Nobody is at two doors at once.
        let before = busy.insert(visit["走访人"].clone(), ended);
        assert!(before.is_none_or(|before| before < started), "{visit:?}");
        let number: usize = visit["走访编号"].trim_start_matches("ZF").parse().unwrap();
        assert_eq!(number, last + 1);
        last = number;
    }
    assert!(weekend * 100 < 15 * visits.rows.len() as u64 && weekend > 0, "{weekend} at weekends");
}

#[test]
fn who_was_not_there_is_tried_again_within_days() {
    let street = Street::new(Plan::new(Scale::District { part: 50 }, 1));
    let mut waiting = std::collections::BTreeMap::<String, i64>::new();
    let (mut again, mut absent) = (0, 0);
    for visit in cells(street.sheet("visit").unwrap()) {
        let day = visit["开始时间"].split(' ').next().unwrap().parse::<Date>().unwrap().days();
        if let Some(before) = waiting.remove(&visit["对象编号"]) {
            again += u64::from(day - before <= 14);
        }
        if visit["结果"] == "无人" && visit["再访时间"] != "不详" {
            absent += 1;
            waiting.insert(visit["对象编号"].clone(), day);
        }
    }
    assert!(absent > 100 && again * 100 > absent * 93, "{again} of {absent}");
}
