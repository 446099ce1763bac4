//! The street is the same every time, made up throughout, and what the shipped mapping takes in whole.

use std::collections::BTreeSet;
use std::path::PathBuf;

use gridpass_core::codes::identity::{TEST_DIVISION, check};
use gridpass_core::codes::{Division, IdKind};
use gridpass_server::app::App;
use gridpass_server::clock::Clock;
use gridpass_server::db::Principal;
use gridpass_server::import::tree::tree;
use gridpass_server::import::{Mapping, Options, Summary, run};

use super::*;

/// The beginning of the hash of a scale's files, in the order of the mapping.
fn bytes(scale: Scale, seed: u64, form: Form) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut hasher = blake3::Hasher::new();
    for (collection, sheet, _) in write(scale, seed, folder.path(), form, &mut |_| {}).unwrap() {
        let file = folder.path().join(sheet).with_extension(if form == Form::Csv { "csv" } else { "xlsx" });
        let bytes = std::fs::read(file).unwrap();
        if collection.is_some() {
            hasher.update(&bytes);
        }
    }
    hasher.finalize().to_hex().chars().take(16).collect()
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    for form in [Form::Csv, Form::Workbook, Form::StreamedWorkbook] {
        let street = bytes(Scale::Small, 7, form);
        assert_eq!(street, bytes(Scale::Small, 7, form));
        assert_ne!(street, bytes(Scale::Small, 8, form));
    }
    assert_eq!(Street::new(Scale::Street, 7), Street::new(Scale::Street, 7));
}

/// The bytes of one seed, so that a change of the generator or of a library is seen: measurements name a seed.
#[test]
fn the_first_seed_is_what_it_was() {
    const SMALL_PART: Scale = Scale::District { part: 100 };
    let found = [
        bytes(Scale::Small, 1, Form::Csv),
        bytes(Scale::Street, 1, Form::Csv),
        bytes(SMALL_PART, 1, Form::Csv),
        bytes(SMALL_PART, 1, Form::StreamedWorkbook),
    ];
    assert_eq!(found, ["56d490cadf6bb9a7", "9bf45938f3bd2b44", "de4db399997f24dd", "270a63a161ef961e"]);
}

/// How many rows of a street have one of the values under a heading.
fn count(street: &Street, collection: &str, heading: &str, values: &[&str]) -> u64 {
    let sheet = street.sheet(collection).unwrap();
    sheet.column(heading).filter(|found| values.contains(&found.as_str())).count() as u64
}

#[test]
fn a_part_of_the_district_has_that_part_of_every_figure() {
    let part = 4;
    let street = Street::new(Scale::District { part: 4 }, 1);
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
    let street = Street::new(Scale::District { part: 4 }, 1);
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
fn a_street_has_its_size_and_its_skew() {
    let street = Street::new(Scale::Street, 1);
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
    let street = Street::new(Scale::Street, 1);
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
    write(Scale::Small, 1, folder.path(), form, &mut |_| {}).unwrap();
    let extension = if form == Form::Csv { "csv" } else { "xlsx" };
    let file = |name: &str| folder.path().join(name).with_extension(extension);
    let noon = Street::day().days() * 86_400_000 + 4 * 3_600_000;
    let app = App::open(&folder.path().join("data"), |last| Clock::new(last, move || noon)).unwrap();
    let made = tree(&app, &file(street.tree.name)).unwrap();
    let grids = street.tree.column("级别").filter(|level| level == "网格").count() as u64;
    assert_eq!((made.units, made.grids), (1 + 5 + 167, grids));
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
    let street = Street::new(Scale::Small, 1);
    assert!((250..350).contains(&street.records()), "{}", street.records());
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
