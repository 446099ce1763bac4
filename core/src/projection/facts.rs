//! Facts about other records that rules ask for, from the records that are at hand. What is not at hand is not known,
//! and a rule over it does not hold.

use super::Records;
use crate::catalog::ended;
use crate::{Value, Values};

/// Other records, and who names them.
pub trait Linked: Records {
    /// The records that name a record at a key, with what is shown of them. Identifiers are 32 hexadecimal digits.
    fn naming(&self, record: &str, key: &str) -> Vec<(String, Values)>;
}

/// A fact about a record by the name its collection declares. `own` is the record's identifier, none before it is saved.
pub fn fact(name: &str, own: Option<&str>, values: &Values, others: &dyn Linked) -> Value {
    let text = |key: &str| values.get(key).and_then(Value::as_str);
    let of = |reference: &str, key: &str| {
        let named = text(reference).and_then(|record| others.record(record));
        named.and_then(|named| named.1.get(key).cloned()).unwrap_or_default()
    };
    match name {
        "parent_level" => of("parent_id", "level"),
        "address_level" => of("address_id", "level"),
        "person_class" => of("person_id", "pop_class"),
        "head_lives_here" => match (own, text("head_id")) {
            (Some(own), Some(head)) => {
                let here = |residence: &Values| residence.get("household_id").and_then(Value::as_str) == Some(own);
                let lives = others.naming(head, "person_id").into_iter().any(|(_, home)| here(&home) && !ended(&home));
                lives.into()
            }
            _ => Value::Null,
        },
        "other_active_main" => match text("person_id") {
            Some(person) => {
                let main = |home: &Values| home.get("main") == Some(&Value::Bool(true)) && !ended(home);
                let others = others.naming(person, "person_id");
                let count = others.iter().filter(|(record, home)| Some(record.as_str()) != own && main(home)).count();
                i64::try_from(count).unwrap_or(i64::MAX).into()
            }
            None => Value::Null,
        },
        _ => Value::Null,
    }
}
