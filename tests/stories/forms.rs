//! How stories fill in forms.

use gridpass_core::Value;
use gridpass_core::id::RecordId;
use gridpass_core::record::edit::Edit;
use gridpass_phone::SaveInput;
use gridpass_tests::world::Worker;

/// A new record of the collection.
pub fn make(worker: &Worker, collection: &str, values: &[(&str, Value)]) -> RecordId {
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    worker.phone.create(collection, values).unwrap().record
}

/// The key gets a new value over the one that is shown.
pub fn set(worker: &Worker, record: RecordId, key: &str, value: impl Into<Value>) {
    let edits = vec![Edit::over(key, worker.phone.values(record).unwrap().get(key), value)];
    worker.phone.save(SaveInput { record: Some(record), edits, ..SaveInput::default() }).unwrap();
}

/// A position picked on the map, as a building needs one.
const POINT: &str = r#"{"crs":"CGCS2000","lat_e7":360671000,"lon_e7":1203826000,"provider":"map"}"#;

/// An area with this estate.
pub fn area(worker: &Worker, estate: &str) -> RecordId {
    make(worker, "address", &[("level", "area".into()), ("estate", estate.into()), ("usage", "residential".into())])
}

/// A building, a unit or a room: `part` is what is written on it.
pub fn below(worker: &Worker, parent: RecordId, level: &str, part: &str) -> RecordId {
    let mut values: Vec<(&str, Value)> = vec![
        ("level", level.into()),
        ("parent_id", parent.to_string().into()),
        (level, part.into()),
        ("usage", "residential".into()),
    ];
    if level == "building" {
        values.push(("point", POINT.into()));
    }
    if level == "room" {
        let number: i64 = part.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
        let floor = if part.starts_with('B') { -(number / 100) } else { number / 100 };
        values.push(("floor", floor.into()));
    }
    make(worker, "address", &values)
}

/// A house at the address that its owner lives in.
pub fn house(worker: &Worker, address: RecordId) -> RecordId {
    make(worker, "house", &[("address_id", address.to_string().into()), ("nature", "owner_occupied".into())])
}

/// A person who did not show a document.
pub fn person(worker: &Worker, name: &str) -> RecordId {
    make(
        worker,
        "person",
        &[
            ("name", name.into()),
            ("id_missing", "not_shown".into()),
            ("gender", "1".into()),
            ("birth", "1990-01-01".into()),
            ("pop_class", "here".into()),
        ],
    )
}

/// The person lives in the house, in a household if one is given, with a relation if one is given.
pub fn resides(worker: &Worker, person: RecordId, home: (RecordId, Option<RecordId>), relation: &str) -> RecordId {
    let mut values: Vec<(&str, Value)> = vec![
        ("person_id", person.to_string().into()),
        ("house_id", home.0.to_string().into()),
        ("role", if relation.is_empty() { "tenant" } else { "family" }.into()),
        ("from", "2020-05-01".into()),
    ];
    if let Some(household) = home.1 {
        values.push(("household_id", household.to_string().into()));
    }
    if !relation.is_empty() {
        values.push(("relation", relation.into()));
    }
    make(worker, "residence", &values)
}
