//! The travel form, and which version may follow which.

use super::ancient_tree::TREE;
use super::*;

fn first() -> CatalogSource {
    let files = [("shelf.toml", SHELF), ("ancient_tree.toml", TREE)];
    CatalogSource::new(1, files.map(|(name, text)| (name.to_owned(), text.to_owned())))
}

fn follows(file: &str, from: &str, to: &str) -> Result<(), Vec<SuccessionError>> {
    let text = if file == "shelf.toml" { SHELF } else { TREE };
    assert!(text.contains(from), "the test replaces nothing");
    let next = first().succeed([(file.to_owned(), text.replacen(from, to, 1))]);
    assert_eq!(next.version, 2);
    Catalog::check_succession(&first().parse().unwrap(), &next.parse().unwrap())
}

#[test]
fn a_catalog_travels_as_its_files() {
    let source = CatalogSource::built_in();
    let bytes = minicbor::to_vec(&source).unwrap();
    let arrived: CatalogSource = minicbor::decode(&bytes).unwrap();
    assert_eq!(arrived, source);
    assert_eq!(arrived.hash(), source.hash());
    assert_eq!(arrived.parse().unwrap(), *Catalog::built_in());
}

#[test]
fn the_bytes_that_travel_never_change() {
    let source = CatalogSource::new(3, [("a.toml".to_owned(), "x".to_owned())]);
    let bytes = minicbor::to_vec(&source).unwrap();
    assert_eq!(crate::id::hex(&bytes), "a2000301818266612e746f6d6c6178");
}

#[test]
fn the_hash_depends_on_version_names_and_texts() {
    let files = |a: &str, b: &str| CatalogSource::new(1, [(a.to_owned(), b.to_owned())]).hash();
    assert_eq!(files("a", "bc"), files("a", "bc"));
    assert_ne!(files("a", "bc"), files("ab", "c"));
    assert_ne!(CatalogSource { version: 2, ..first() }.hash(), first().hash());
}

#[test]
fn a_district_adds_a_collection_to_the_built_in_catalog() {
    let tree = TREE.replace("tree.base", "facility.base");
    let table = "[[table]]\nid = \"tree_health\"\nlabel = { zh = \"长势\", en = \"Health\" }\nitems = [{ code = \"dying\", zh = \"濒危\", en = \"Dying\" }]\n";
    let next = CatalogSource::built_in()
        .succeed([("ancient_tree.toml".to_owned(), tree), ("trees.toml".to_owned(), table.to_owned())]);
    let catalog = next.parse().unwrap();
    assert_eq!(catalog.version, 2);
    assert!(catalog.collection("ancient_tree").is_some() && catalog.collection("person").is_some());
    assert_eq!(Catalog::check_succession(&Catalog::built_in(), &catalog), Ok(()));
}

#[test]
fn what_a_key_meant_it_means_for_ever() {
    for (file, from, to, code) in [
        ("ancient_tree.toml", "bucket = \"place\"", "bucket = \"base\"", "bucket_changed"),
        ("ancient_tree.toml", "id = \"ancient_tree\"", "id = \"old_tree\"", "gone"),
        ("ancient_tree.toml", "key = \"age_years\"", "key = \"age_of_tree\"", "gone"),
        ("ancient_tree.toml", "type = \"int\"\nmin = 1\nmax = 5000", "type = \"dec\"", "type_changed"),
        ("ancient_tree.toml", "policy = \"decide\"", "policy = \"once\"", "policy_changed"),
        ("ancient_tree.toml", "policy = \"decide\"", "policy = \"decide\"\nretired = true", ""),
        ("ancient_tree.toml", "policy = \"decide\"", "policy = \"latest\"", ""),
        ("ancient_tree.toml", "max = 20", "max = 19", "narrower"),
        ("ancient_tree.toml", "max = 20", "max = 21", ""),
        ("ancient_tree.toml", "to = \"user\"", "to = \"ancient_tree\"", "narrower"),
        ("ancient_tree.toml", "to = \"user\"", "to = [\"user\", \"ancient_tree\"]", ""),
        ("shelf.toml", "{ code = \"good\", zh = \"良好\", en = \"Good\" },", "", "gone"),
        ("shelf.toml", "en = \"Good\" }", "en = \"Well\", retired = true }", ""),
        ("shelf.toml", "max = 20", "max = 10", "type_changed"),
        ("shelf.toml", "id = \"alias\"", "id = \"nickname\"", "gone"),
    ] {
        let codes = follows(file, from, to).err().unwrap_or_default();
        let expected: &[&str] = if code.is_empty() { &[] } else { &[code] };
        assert_eq!(codes.iter().map(|error| error.code).collect::<Vec<_>>(), expected, "{to}: {codes:?}");
    }
}

#[test]
fn a_version_comes_after_the_one_before_it() {
    let catalog = first().parse().unwrap();
    let errors = Catalog::check_succession(&catalog, &catalog).unwrap_err();
    assert_eq!(errors[0].to_string(), "version: version 1 does not come after 1; raise it [old_version]");
}
