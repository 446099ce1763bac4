//! What is wrong with a file is told with file, line, column and remedy.

use proptest::prelude::*;

use super::ancient_tree::TREE;
use super::*;

/// The errors of the tree catalog after `from` was replaced by `to`.
fn errors(from: &str, to: &str) -> Vec<CatalogError> {
    assert!(TREE.contains(from), "the test replaces nothing");
    let broken = TREE.replacen(from, to, 1);
    Catalog::parse(&[("shelf.toml", SHELF), ("tree.toml", broken.as_str())]).unwrap_err()
}

fn line_of(needle: &str) -> usize {
    TREE.lines().position(|line| line.contains(needle)).unwrap() + 1
}

#[test]
fn an_unknown_type_is_refused_where_it_stands() {
    let errors = errors("type = \"geo\"", "type = \"point\"");
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert_eq!((error.file.as_str(), error.line, error.column), ("tree.toml", line_of("type = \"geo\""), 8));
    assert_eq!((error.path.as_str(), error.code), ("field[5].type", "unknown_type"));
    assert!(error.message.contains("use one of text, int"), "{}", error.message);
}

#[test]
fn every_defect_has_its_code_and_a_remedy() {
    for (from, to, code) in [
        ("id = \"ancient_tree\"", "id = \"Ancient\"", "bad_name"),
        ("bucket = \"place\"", "bucket = \"cloud\"", "unknown_word"),
        ("bucket = \"place\"", "", "missing"),
        ("icon = \"tree\"", "icon = 3", "wrong_kind"),
        ("icon = \"tree\"", "icon = \"tree\"\nicno = 1", "unknown_key"),
        ("icon = \"tree\"", "icon = \"tree", "syntax"),
        ("title = \"{species} {number}\"", "title = \"{specis}\"", "unknown_field"),
        ("title = \"{species} {number}\"", "title = \"{species\"", "bad_template"),
        ("title = \"{species} {number}\"", "title = \"{species.title}\"", "bad_template"),
        ("field:health", "field:helth", "unknown_review"),
        ("while_active + 24 months", "for ever", "bad_retention"),
        ("key = \"number\"", "key = \"in\"", "bad_key"),
        ("key = \"number\"", "key = \"today\"", "bad_key"),
        ("key = \"number\"", "key = \"t\"", "bad_key"),
        ("key = \"number\"", "key = \"number_off\"", "bad_key"),
        ("key = \"number\"", "key = \"no/number\"", "bad_key"),
        ("key = \"age_years\"", "key = \"health\"", "duplicate_key"),
        ("max = 20", "", "missing"),
        ("max = 20", "max = 0", "out_of_range"),
        ("min = 1\nmax = 5000", "min = 5\nmax = 1", "out_of_range"),
        ("table = \"tree_health\"", "table = \"tree_helth\"", "unknown_table"),
        ("table = \"tree_health\"", "table = \"tree_health\"\ncascade = \"no\"", "unknown_field"),
        ("table = \"tree_health\"", "table = \"tree_health\"\ndefault = \"bad\"", "bad_default"),
        ("to = \"user\"", "to = \"usr\"", "unknown_target"),
        ("to = \"user\"", "", "missing"),
        ("type = \"geo\"", "type = \"children\"\nkind = \"nick\"", "unknown_kind"),
        ("type = \"geo\"", "type = \"geo\"\ncheck = \"zodiac\"", "unknown_check"),
        ("type = \"geo\"", "type = \"geo\"\nrequired = true", "contradiction"),
        ("group = \"tree.base\"", "group = \"tree.top\"", "unknown_group"),
        ("zh = \"编号\", ", "", "missing"),
        ("zh = \"编号\"", "zh = \" \"", "empty_text"),
        ("guardian == null\"", "guardian == nil\"", "expression_name"),
        ("guardian == null\"", "guardian ==\"", "expression_syntax"),
        ("health == 'dying' &&", "health == 'dyin' &&", "expression_code"),
        ("guardian == null\"", "has(point.lat_e7)\"", "expression_refused"),
        ("guardian == null\"", "[1, 2].exists(x, x > 1)\"", "expression_refused"),
        ("guardian == null\"", "[1].all(x, [1].all(y, [1].all(z, z > 0)))\"", "expression_refused"),
        ("guardian == null\"", "species.matches('a+')\"", "expression_function"),
        ("guardian == null\"", "timestamp('2020-01-01T00:00:00Z') == null\"", "expression_function"),
        ("guardian == null\"", "now.getFullYear() == 2020\"", "expression_function"),
        ("guardian == null\"", "point.height > 1\"", "expression_name"),
        ("at = \"guardian\"", "at = \"gardian\"", "unknown_field"),
        ("level = \"warn\"", "level = \"hint\"", "unknown_word"),
    ] {
        let errors = errors(from, to);
        assert!(errors.iter().any(|error| error.code == code), "{to}: {errors:#?}");
        for error in &errors {
            assert!(error.line > 0 && error.column > 0 && error.file == "tree.toml", "{error}");
            assert!(error.message.contains(';') || error.message.contains(':'), "no remedy: {error}");
        }
    }
}

#[test]
fn an_expression_is_short_and_an_error_rule_looks_at_its_own_record() {
    let long = format!("guardian == null && species != '{}'\"", "a".repeat(500));
    assert!(errors("guardian == null\"", &long).iter().any(|error| error.code == "expression_too_long"));
    let deep = format!("age_years > {}1\"", "1+".repeat(60));
    assert!(errors("guardian == null\"", &deep).iter().any(|error| error.code == "expression_too_deep"));
    let nested = format!("{}guardian{} == null\"", "[".repeat(120), "]".repeat(120));
    let refused = errors("guardian == null\"", &nested);
    assert!(
        refused.iter().any(|error| matches!(error.code, "expression_too_deep" | "expression_syntax")),
        "{refused:?}"
    );
    let facts = TREE.replace("icon = \"tree\"", "icon = \"tree\"\nfacts = [\"neighbours\"]");
    let reading = facts.replace("guardian == null\"", "neighbours > 3\"");
    assert!(Catalog::parse(&[("shelf.toml", SHELF), ("tree.toml", reading.as_str())]).is_ok());
    let error = reading.replace("level = \"warn\"", "level = \"error\"");
    let errors = Catalog::parse(&[("shelf.toml", SHELF), ("tree.toml", error.as_str())]).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), ["reads_others"]);
}

#[test]
fn all_defects_of_all_files_are_told_at_once() {
    let broken = TREE.replace("bucket = \"place\"", "bucket = \"cloud\"").replace("type = \"geo\"", "type = \"point\"");
    let shelf = SHELF.replace("code = \"good\"", "code = \"g o o d\"");
    let errors = Catalog::parse(&[("shelf.toml", shelf.as_str()), ("tree.toml", broken.as_str())]).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), ["bad_code", "unknown_word", "unknown_type"]);
}

proptest! {
    #[test]
    fn random_text_never_panics(text in any::<String>()) {
        let _ = Catalog::parse(&[("shelf.toml", SHELF), ("random.toml", text.as_str())]);
    }

    #[test]
    fn a_torn_file_never_panics(from in 0..TREE.len(), length in 0..200_usize, insert in "[\\[\\]{}='\"a-z0-9 .\n]{0,8}") {
        let mut bytes = TREE.as_bytes().to_vec();
        let to = (from + length).min(bytes.len());
        bytes.splice(from..to, insert.bytes());
        let text = String::from_utf8_lossy(&bytes);
        let _ = Catalog::parse(&[("shelf.toml", SHELF), ("tree.toml", &*text)]);
    }

    #[test]
    fn random_expressions_never_panic(text in "[a-z_ ()'0-9<>=!&|?:+*/%.,\\[\\]{}-]{0,80}") {
        let tree = TREE.replace("health == 'dying' && guardian == null", &text);
        if let Ok(catalog) = Catalog::parse(&[("shelf.toml", SHELF), ("tree.toml", tree.as_str())]) {
            let record = values(&[("health", "dying".into()), ("age_years", Value::Int(3))]);
            let _ = catalog.collection("ancient_tree").unwrap().check(&record, &NOW);
        }
    }
}
