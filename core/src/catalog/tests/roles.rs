//! What the built-in roles may do, and what is wrong with a permission file.

use super::*;
use Action::{Decide, Export, Feed, Open, Read, Review, Settle, Write};

fn may(role: &str, action: Action, on: &str, class: Sens) -> bool {
    Catalog::built_in().roles[role].may(action, on, class)
}

#[test]
fn a_worker_writes_what_a_grid_holds_and_nothing_of_the_office() {
    assert!(may("worker", Write, "person", Sens::S3));
    assert!(may("worker", Decide, "house", Sens::S2));
    assert!(!may("worker", Write, "person", Sens::S4), "a class above");
    for action in [Open, Review, Settle, Export, Feed] {
        assert!(!may("worker", action, "person", Sens::S0), "{action:?}");
    }
    for (thing, _) in Thing::WORDS {
        assert!(!may("worker", Read, thing, Sens::S0), "{thing}");
    }
}

#[test]
fn a_member_sees_no_resident() {
    let catalog = Catalog::built_in();
    let member = &catalog.roles["member"];
    assert_eq!(member.phone, [BucketClass::Place]);
    for collection in catalog.collections.values() {
        let sees = member.up_to(Read, &collection.id);
        let own = ["task", "opinion"].contains(&collection.id.as_str());
        assert_eq!(sees.is_some(), own || collection.bucket == BucketClass::Place, "{}", collection.id);
        assert_eq!(member.up_to(Write, &collection.id).is_some(), own, "{}", collection.id);
    }
}

#[test]
fn every_collection_is_no_thing() {
    assert!(may("supervisor", Write, "person", Sens::S3));
    assert!(may("supervisor", Write, "a_collection_of_tomorrow", Sens::S3));
    assert!(!may("supervisor", Write, "account", Sens::S0));
    assert!(!may("supervisor", Read, "audit", Sens::S0));
}

#[test]
fn three_administrators_share_no_power_and_see_no_record() {
    let catalog = Catalog::built_in();
    let administrators: Vec<&Role> = catalog.roles.values().filter(|role| role.exclusive.is_some()).collect();
    assert_eq!(administrators.len(), 3);
    for (thing, _) in Thing::WORDS {
        let writing = administrators.iter().filter(|role| role.may(Write, thing, Sens::S1)).count();
        assert_eq!(writing, usize::from(*thing != "audit"), "{thing} is written by one of them, the audit by nobody");
    }
    let sees = |role: &&Role| catalog.collections.keys().any(|id| role.up_to(Read, id).is_some());
    assert!(!administrators.iter().any(sees));
}

const ROLE: &str = r#"
[[role]]
id = "guard"
label = { zh = "巡查员", en = "Guard" }
post = ["grid"]
phone = ["place"]

[[role.may]]
do = ["read"]
on = ["facility"]
to = "S1"

[[role]]
id = "clerk"
label = { zh = "文员", en = "Clerk" }
post = ["community"]
"#;

const FACILITY: &str = r#"
id = "facility"
label = { zh = "设施", en = "Facility" }
bucket = "place"
icon = "facility"
title = "{name}"
retain = "24 months"
[[field]]
key = "name"
label = { zh = "名称", en = "Name" }
type = "text"
max = 20
policy = "latest"
sens = "S1"
group = "tree.base"
"#;

fn parse(roles: &str) -> Result<Catalog, Vec<CatalogError>> {
    Catalog::parse(&[("shelf.toml", SHELF), ("facility.toml", FACILITY), ("roles.toml", roles)])
}

#[test]
fn what_is_wrong_with_a_role_is_told_where_it_stands() {
    assert_eq!(parse(ROLE).unwrap().roles.len(), 2);
    for (from, to, code) in [
        ("\"guard\"", "\"Guard 1\"", "bad_name"),
        ("\"guard\"", "\"clerk\"", "duplicate_id"),
        ("post = [\"grid\"]", "", "missing"),
        ("post = [\"grid\"]", "post = [\"the grid\"]", "bad_name"),
        ("post = [\"grid\"]", "post = [\"community\"]", "contradiction"),
        ("[\"place\"]", "[\"attic\"]", "unknown_word"),
        ("[\"place\"]", "[\"restricted\"]", "unknown_word"),
        ("do = [\"read\"]", "do = [\"peek\"]", "unknown_word"),
        ("do = [\"read\"]", "", "missing"),
        ("[\"facility\"]", "[\"faculty\"]", "unknown_target"),
        ("on = [\"facility\"]", "", "missing"),
        ("to = \"S1\"", "to = \"S9\"", "unknown_word"),
        ("to = \"S1\"", "", "missing"),
        ("to = \"S1\"", "to = \"S1\"\nfrom = \"S0\"", "unknown_key"),
    ] {
        assert!(ROLE.contains(from));
        let errors = parse(&ROLE.replacen(from, to, 1)).unwrap_err();
        assert!(errors.iter().any(|error| error.code == code && error.file == "roles.toml"), "{to}: {errors:?}");
    }
}

#[test]
fn a_role_stays_because_assignments_name_it() {
    let old = Catalog { version: 1, ..parse(ROLE).unwrap() };
    let mut new = Catalog { version: 2, ..old.clone() };
    assert_eq!(Catalog::check_succession(&old, &new), Ok(()));
    new.roles.remove("clerk");
    let errors = Catalog::check_succession(&old, &new).unwrap_err();
    assert_eq!((errors[0].what.as_str(), errors[0].code), ("clerk", "gone"));
}
