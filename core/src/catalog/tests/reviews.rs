//! What the built-in catalog asks a supervisor to look at.

use super::*;

fn occasions(collection: &str, before: Option<&[(&str, Value)]>, after: &[(&str, Value)], drawn: u32) -> Vec<String> {
    let catalog = Catalog::built_in();
    let (before, after) = (before.map(values), values(after));
    let keys: Vec<&str> = after
        .keys()
        .map(String::as_str)
        .filter(|key| before.as_ref().is_none_or(|before| before.get(*key) != after.get(*key)))
        .collect();
    let edited =
        Edited { before: before.as_ref(), after: &after, keys: &keys, elsewhere: false, duplicates: &[], drawn };
    catalog.collections[collection].occasions(&edited, &NOW).into_iter().map(|occasion| occasion.on).collect()
}

#[test]
fn a_persons_changed_name_is_looked_at_and_a_first_number_is_not() {
    let known: &[(&str, Value)] = &[("name", "王芳".into()), ("birth", "1985-03-01".into())];
    assert!(occasions("person", None, known, 0).is_empty(), "a new person who repeats nobody");
    let mut first = known.to_vec();
    first.push(("id_no", "370299198503010022".into()));
    assert!(occasions("person", Some(known), &first, 0).is_empty(), "filled in for the first time");
    let other = [("name", "王方".into()), ("birth", "1985-03-01".into()), ("id_no", "370299198503010022".into())];
    assert_eq!(occasions("person", Some(&first), &other, 0), ["field:name"]);
    let mut ended = first.clone();
    ended.push(("end/date", "2025-06-01".into()));
    assert_eq!(occasions("person", Some(&first), &ended, 0), ["end"]);
    assert!(occasions("person", Some(&ended), &ended, 0).is_empty());
}

#[test]
fn what_is_asked_for_only_when_something_holds_is_judged_by_what_stands_now() {
    let address = |level: &str| [("level", Value::from(level))];
    assert_eq!(occasions("address", None, &address("area"), 0), ["new"]);
    assert!(occasions("address", None, &address("room"), 0).is_empty());
    let visit = |outcome: &str| [("outcome", Value::from(outcome))];
    assert_eq!(occasions("visit", None, &visit("met"), 4), ["sample:5"]);
    assert!(occasions("visit", None, &visit("met"), 5).is_empty());
    assert!(occasions("visit", None, &visit("refused"), 0).is_empty(), "a refusal is no failure of the worker");
    assert!(occasions("visit", Some(&visit("absent")), &visit("met"), 0).is_empty(), "a visit is drawn once");
}

#[test]
fn a_duplicate_is_about_the_fields_that_are_equal() {
    let catalog = Catalog::built_in();
    let after = values(&[("name", "王芳".into())]);
    let edited =
        Edited { before: None, after: &after, keys: &["name"], elsewhere: false, duplicates: &["same_id"], drawn: 99 };
    let [occasion] = &catalog.collections["person"].occasions(&edited, &NOW)[..] else { panic!() };
    assert_eq!(occasion.on, "duplicate:same_id");
    assert!(occasion.keys.contains(&"id_no".to_owned()), "{:?}", occasion.keys);
}
