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

/// Every text of the catalog, with where it stands.
fn texts(catalog: &Catalog) -> Vec<(String, Text)> {
    let mut all: Vec<(String, Text)> = Vec::new();
    for table in catalog.tables.values() {
        all.push((table.id.clone(), table.label.clone()));
        all.extend(table.items.iter().map(|item| (format!("{}.{}", table.id, item.code), item.label.clone())));
    }
    for group in catalog.groups.values() {
        let texts = [&group.label, &group.purpose, &group.basis, &group.notice];
        all.extend(texts.map(|text| (group.id.clone(), text.clone())));
    }
    for collection in catalog.collections.values() {
        all.push((collection.id.clone(), collection.label.clone()));
        for field in &collection.fields {
            let texts = [Some(&field.label), field.help.as_ref()];
            let what = format!("{}.{}", collection.id, field.key);
            all.extend(texts.into_iter().flatten().map(|text| (what.clone(), text.clone())));
        }
        all.extend(collection.rules.iter().map(|rule| (rule.id.clone(), rule.text.clone())));
        all.extend(collection.duplicates.iter().map(|rule| (rule.id.clone(), rule.text.clone())));
    }
    all.extend(catalog.texts.iter().map(|(code, text)| (code.clone(), text.clone())));
    all
}

#[test]
fn every_text_is_there_in_both_languages() {
    let han = |text: &str| text.chars().any(|c| matches!(c, '\u{4e00}'..='\u{9fff}'));
    for (what, text) in texts(&Catalog::built_in()) {
        assert!(han(&text.zh) && !text.en.trim().is_empty(), "{what}: {text:?}");
        let hints = ["号楼", "号", "甲", "乙", "单元", "无"];
        let en = hints.iter().fold(text.en.clone(), |en, hint| en.replace(hint, ""));
        assert!(!han(&en), "{what}: {text:?}");
    }
}

#[test]
fn what_is_left_out_on_purpose_is_not_there() {
    let catalog = Catalog::built_in();
    let person = catalog.collection("person").unwrap();
    for key in
        ["ethnicity", "religion", "political_status", "education", "marital", "occupation", "photo", "former_name"]
    {
        assert_eq!(person.key(key), None, "{key}");
    }
    let opinion = catalog.collection("opinion").unwrap();
    let points_at_people = |field: &&Field| {
        matches!(field.field_type, FieldType::Ref { .. } | FieldType::Refs { .. }) && field.policy != Policy::Server
    };
    assert_eq!(opinion.fields.iter().find(points_at_people), None);
}

#[test]
fn policies_and_classes_are_as_published() {
    let catalog = Catalog::built_in();
    let form = |collection: &str, key: &str| {
        let form =
            catalog.collection(collection).unwrap().key(key).unwrap_or_else(|| panic!("{collection} has no {key}"));
        (form.policy.as_str(), form.sens.as_str())
    };
    for (collection, key, policy, sens) in [
        ("address", "parent_id", "decide", "S0"),
        ("address", "alias/1", "latest", "S0"),
        ("house", "owner_name", "decide", "S2"),
        ("house", "photo/1", "once", "S2"),
        ("person", "id_no", "decide", "S3"),
        ("person", "s/dup_of", "server", "S1"),
        ("person", "guardian_phone/1", "decide", "S3"),
        ("residence", "main", "decide", "S2"),
        ("residence", "from_unknown", "latest", "S2"),
        ("residence", "end/to_unknown", "latest", "S2"),
        ("organisation", "licence/1", "latest", "S1"),
        ("facility", "inspect_due", "latest", "S1"),
        ("facility", "use_reg_no", "decide", "S1"),
        ("visit", "check/0198a1b2c3d4e5f60718293a4b5c6d7e", "latest", "S2"),
        ("visit", "a/fire_exit", "latest", "S2"),
        ("visit", "point", "once", "S2"),
        ("task", "done/1", "once", "S2"),
        ("task", "s/state", "server", "S1"),
        ("opinion", "t/1", "once", "S1"),
    ] {
        assert_eq!(form(collection, key), (policy, sens), "{collection} {key}");
    }
    for (collection, key) in
        [("person", "dup_of"), ("house", "residents_count"), ("address", "full_text"), ("facility", "label_ok")]
    {
        assert_eq!(catalog.collection(collection).unwrap().key(key), None, "{collection} {key}");
    }
    let bucket = |id: &str| catalog.collection(id).unwrap().bucket;
    assert_eq!((bucket("address"), bucket("facility")), (BucketClass::Place, BucketClass::Place));
    assert_eq!(
        (bucket("person"), bucket("visit"), bucket("task")),
        (BucketClass::Base, BucketClass::Base, BucketClass::User)
    );
}
