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

fn bytes(street: &Street) -> Vec<Vec<u8>> {
    let sheets = street.sheets.iter().map(|(_, sheet)| sheet).chain([&street.tree]);
    sheets.flat_map(|sheet| [sheet.csv().unwrap(), sheet.workbook(Street::day()).unwrap()]).collect()
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    let street = Street::new(Scale::Small, 7);
    assert_eq!(bytes(&street), bytes(&Street::new(Scale::Small, 7)));
    assert_ne!(bytes(&street), bytes(&Street::new(Scale::Small, 8)));
    assert_eq!(Street::new(Scale::Street, 7), Street::new(Scale::Street, 7));
}

/// The bytes of one seed, so that a change of the generator or of a library is seen: measurements name a seed.
#[test]
fn the_first_seed_is_what_it_was() {
    let mut hasher = blake3::Hasher::new();
    let street = Street::new(Scale::Small, 1);
    for (_, sheet) in &street.sheets {
        hasher.update(&sheet.csv().unwrap());
    }
    assert_eq!(hasher.finalize().to_hex().get(..16), Some("56d490cadf6bb9a7"));
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
    let count = |collection: &str, heading: &str, value: &str| {
        street.sheet(collection).unwrap().column(heading).filter(|found| found == value).count()
    };
    let houses = street.sheet("house").unwrap().rows.len();
    assert!(count("house", "使用性质", "空置") * 20 > houses, "vacant houses");
    assert!(count("house", "使用性质", "出租") * 8 > houses, "let houses");
    assert!(count("address", "层级", "村") > 3 && count("address", "层级", "小区") > 3, "villages and estates");
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
fn imported(street: &Street, csv: bool, times: usize) -> Vec<Summary> {
    let folder = tempfile::tempdir().unwrap();
    street.write(folder.path(), csv).unwrap();
    let extension = if csv { "csv" } else { "xlsx" };
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
    for csv in [false, true] {
        let [first, again] = imported(&street, csv, 2).try_into().unwrap();
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
