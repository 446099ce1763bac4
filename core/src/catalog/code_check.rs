//! Where fields meet the code rules: identity numbers, credit codes, phones, names.

use super::collection::Level;
use crate::codes::{Date, Division, IdKind, Phone, address, credit, identity, lift, name};
use crate::{Value, Values};

/// The checks a field may name with `check = "…"`.
pub const CHECKS: [&str; 9] =
    ["identity", "uscc", "phone", "division", "lift_code", "door_no", "building", "unit", "person_name"];

/// What a code check has to say about one value. It never holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeFinding {
    /// Whether the value must not be saved so.
    pub level: Level,
    /// The field it is said at when that is another one, for example the birth date a number contradicts.
    pub at: Option<&'static str>,
    /// A stable name, also the key of its text.
    pub code: &'static str,
}

/// Checks `value` by the named check. `values` is the whole record: an identity number is judged by its `id_type` and
/// compared with `birth` and `gender`. `today` is the day the record is judged on.
///
/// What the code's own standard makes impossible is an error; what is merely doubtful, and a name or an address part that
/// is written in an unusual way, is a warning: the door plate and the document are right, not the form.
pub fn code_check(name: &str, value: &str, values: &Values, today: Date) -> Vec<CodeFinding> {
    match name {
        "identity" => identity_number(value, values, today),
        "uscc" => credit_code(value),
        "phone" => refused(value.parse::<Phone>(), "phone_form"),
        "division" => refused(value.parse::<Division>(), "division_form"),
        "lift_code" => lift_code(value, values, today),
        "door_no" => doubted(address::door_number(value).is_err(), "door_no_form"),
        "building" => doubted(irregular(address::building(value), value), "building_form"),
        "unit" => doubted(irregular(address::unit(value), value), "unit_form"),
        "person_name" => doubted(name::check(value).is_err(), "person_name_form"),
        _ => Vec::new(),
    }
}

/// The kind of a document by which its number is checked; none where the kind is missing or follows no rule. A household
/// register carries the number that its holder's card will have.
fn id_kind(values: &Values) -> Option<IdKind> {
    match values.get("id_type").and_then(Value::as_str)? {
        "household_register" => Some(IdKind::Resident),
        code => IdKind::from_code(code),
    }
}

fn identity_number(value: &str, values: &Values, today: Date) -> Vec<CodeFinding> {
    use identity::{IdentityError as Fault, IdentityWarning as Doubt};
    let Some(kind) = id_kind(values) else { return Vec::new() };
    let found = match identity::check(kind, value, today) {
        Err(Fault::Length(_)) => return vec![error("id_length")],
        Err(Fault::Shape(_)) => return vec![error("id_shape")],
        Err(Fault::BirthDate(_)) => return vec![error("id_birth_date")],
        Err(Fault::CheckDigit(_)) => return vec![error("id_check_digit")],
        Err(Fault::OtherKind(_)) => return vec![CodeFinding { at: Some("id_type"), ..error("id_other_kind") }],
        Ok(found) => found,
    };
    let doubts = found.warnings.iter().filter_map(|doubt| match doubt {
        Doubt::BirthDate => Some(warn("id_birth_doubtful")),
        Doubt::FirstGeneration => Some(warn("id_first_generation")),
        Doubt::Division => None,
    });
    let typed = |key: &str| values.get(key).and_then(Value::as_str);
    let birth: Option<Date> = typed("birth").and_then(|text| text.parse().ok());
    let born_elsewhen = found.birth.zip(birth).is_some_and(|(number, typed)| number != typed);
    // `0` and `9` say that the gender is not known or not stated: no contradiction.
    let gender = typed("gender").filter(|code| ["1", "2"].contains(code));
    let other_gender = found.gender.zip(gender).is_some_and(|(number, typed)| number.code() != typed);
    doubts
        .chain(born_elsewhen.then_some(CodeFinding { at: Some("birth"), ..warn("id_birth_differs") }))
        .chain(other_gender.then_some(CodeFinding { at: Some("gender"), ..warn("id_gender_differs") }))
        .collect()
}

fn credit_code(value: &str) -> Vec<CodeFinding> {
    match credit::check(value) {
        Err(credit::CreditError::Length) => vec![error("uscc_length")],
        Err(credit::CreditError::Shape) => vec![error("uscc_shape")],
        Ok(found) => found
            .warnings
            .iter()
            .map(|doubt| match doubt {
                credit::CreditWarning::CheckDigit => warn("uscc_check_digit"),
                credit::CreditWarning::Prefix => warn("uscc_prefix"),
            })
            .collect(),
    }
}

fn lift_code(value: &str, values: &Values, today: Date) -> Vec<CodeFinding> {
    let found = match lift::check_equipment(value, today) {
        Err(lift::LiftError::Length) => return vec![error("lift_length")],
        Err(lift::LiftError::Month) => return vec![error("lift_month")],
        Err(_) => return vec![error("lift_shape")],
        Ok(found) => found,
    };
    let scheme = values.get("equip_scheme").and_then(Value::as_str);
    let other = scheme.is_some_and(|scheme| scheme != found.scheme.code());
    let doubts = found.warnings.iter().map(|doubt| match doubt {
        lift::EquipWarning::Class => warn("lift_class"),
        lift::EquipWarning::Year => warn("lift_year"),
    });
    doubts.chain(other.then_some(CodeFinding { at: Some("equip_scheme"), ..warn("lift_scheme") })).collect()
}

fn error(code: &'static str) -> CodeFinding {
    CodeFinding { level: Level::Error, at: None, code }
}

fn warn(code: &'static str) -> CodeFinding {
    CodeFinding { level: Level::Warn, ..error(code) }
}

fn refused<T, E>(checked: Result<T, E>, code: &'static str) -> Vec<CodeFinding> {
    if checked.is_err() { vec![error(code)] } else { Vec::new() }
}

fn doubted(doubtful: bool, code: &'static str) -> Vec<CodeFinding> {
    if doubtful { vec![warn(code)] } else { Vec::new() }
}

/// Whether a part of an address is refused or would be written in another way.
fn irregular(regular: Result<String, address::AddressError>, typed: &str) -> bool {
    regular.map_or(true, |regular| regular != typed)
}
