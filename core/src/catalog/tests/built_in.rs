//! The built-in catalog as a user meets it.

use super::*;

#[test]
fn it_parses_without_a_defect_and_is_version_1() {
    let catalog = CatalogSource::built_in().parse().unwrap_or_else(|errors| {
        panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    });
    assert_eq!(catalog.version, 1);
    assert_eq!(*Catalog::built_in(), catalog);
    let names: Vec<&str> = catalog.collections.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "address",
            "facility",
            "house",
            "household",
            "opinion",
            "organisation",
            "person",
            "residence",
            "task",
            "visit"
        ]
    );
}
