//! A mapping is proposed for each of the messy workbooks, and takes it in after the edits that its comments ask for.

use std::path::Path;

use gridpass_core::catalog::Catalog;
use gridpass_core::codes::Date;
use gridpass_server::import::propose::propose;
use gridpass_server::import::{Mapping, Summary};

use crate::commands::{gridpass, told};
use crate::hand::Server;
use crate::imports::{import, options};
use crate::messy::{self, Office};

fn proposed(office: &Office) -> String {
    propose(&Catalog::built_in(), std::slice::from_ref(&office.path), Date::new(2027, 1, 15).unwrap()).unwrap()
}

fn asks(proposal: &str) -> Vec<&str> {
    proposal.lines().filter(|line| line.starts_with("# 必改")).collect()
}

/// Takes an office's workbook in by a mapping, on a server of its own.
fn take(make: fn(&Path) -> Office, mapping: impl Fn(&Office) -> String) -> Summary {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let office = make(folder.path());
    let mapping: Mapping = toml::from_str(&mapping(&office)).unwrap();
    import(&server, &mapping, &options(), &[office.path]).0
}

/// The proposal with the edits takes in the same rows as the mapping that a person wrote.
fn as_good(make: fn(&Path) -> Office, edits: &[(&str, &str)]) {
    let edited = |office: &Office| {
        let mut text = proposed(office);
        for (from, to) in edits {
            assert!(text.contains(from), "{from} is not in the proposal:\n{text}");
            text = text.replace(from, to);
        }
        text
    };
    assert_eq!(take(make, edited).collections, take(make, |office| office.mapping.to_owned()).collections);
}

#[test]
fn sheets_that_say_everything_need_no_edit() {
    let folder = tempfile::tempdir().unwrap();
    for make in [messy::organisations, messy::rooms] {
        assert_eq!(asks(&proposed(&make(folder.path()))), [""; 0]);
    }
    as_good(messy::organisations, &[]);
    // The directory's words are known to the proposal: one more row than the mapping that a person wrote.
    let summary = take(messy::rooms, proposed);
    let houses = summary.collections["house"];
    assert_eq!((houses.created, houses.refused), (6, 3), "a let without its landlord is refused by the catalog");
}

#[test]
fn a_sheet_without_estate_and_position_asks_for_both() {
    let folder = tempfile::tempdir().unwrap();
    let text = proposed(&messy::residents(folder.path()));
    let asked = asks(&text);
    assert_eq!(asked.len(), 2, "{text}");
    assert!(asked[0].contains("=小区名称") && asked[1].contains("=0"), "{text}");
    assert!(text.contains("# 未使用的列 / not mapped: 序号"), "{text}");
    as_good(messy::residents, &[("=小区名称", "=山海小区"), ("\"=0\", \"=0\"", "\"=36.1\", \"=120.45\"")]);
    let edits = [
        ("=小区名称", "=海风花园"),
        ("\"=0\", \"=0\"", "\"=36.2\", \"=120.4\""),
        ("nature = \"other\"", "nature = \"rented\""),
    ];
    as_good(messy::lets, &edits);
}

#[test]
fn what_the_catalog_requires_and_words_it_does_not_know_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let text = proposed(&messy::lifts(folder.path()));
    let asked = asks(&text);
    assert!(asked.len() == 1 && asked[0].contains("user_org user_name"), "{text}");
    as_good(messy::lifts, &[("kind = \"elevator\",", "kind = \"elevator\", user_name = \"山海物业\",")]);
    let text = proposed(&messy::other_residents(folder.path()));
    assert!(asks(&text)[0].contains("“性别”") && asks(&text)[0].ends_with("不男不女"), "{text}");
    as_good(messy::other_residents, &[]);
}

#[test]
fn a_proposal_is_written_to_a_new_file_by_command() {
    let folder = tempfile::tempdir().unwrap();
    let (data, office) = (folder.path().join("data"), messy::rooms(folder.path()));
    let server = Server::open(&data);
    let mapping = folder.path().join("mapping.toml");
    let arguments = ["import", "propose", office.path.to_str().unwrap(), "--out", mapping.to_str().unwrap()];
    let made = gridpass(&data, &arguments);
    assert!(made.status.success(), "{}", told(&made));
    assert!(!gridpass(&data, &arguments).status.success(), "a mapping somebody has edited is not overwritten");
    let errors = folder.path().join("errors.xlsx");
    let grid = ["--grid", "370212001001001", "--errors", errors.to_str().unwrap()];
    let run =
        [&["import", "--mapping", mapping.to_str().unwrap()][..], &grid, &[office.path.to_str().unwrap()]].concat();
    let taken = gridpass(&data, &run);
    assert_eq!(taken.status.code(), Some(1), "rows were refused: {}", told(&taken));
    assert!(told(&taken).contains("house: 9 rows, 6 created"), "{}", told(&taken));
    assert!(errors.is_file());
    assert_eq!(server.faults(), []);
}
