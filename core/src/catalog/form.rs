//! The hard form of values: type and size, the same on phone and server. What is merely implausible is not looked at.

use std::fmt;

use serde_json::Value as Json;

use super::collection::Collection;
use super::field::{Field, FieldType};
use super::key::{self, KeyPart};
use super::table::{ChildForm, ChildPart, PartForm};
use crate::Value;
use crate::codes::Date;
use crate::value::MAX_INT;

/// An answer or a fact is at most this many characters.
pub const MAX_ANSWER: u32 = 1_000;
/// See [`MAX_ANSWER`].
pub const MAX_FACT: u32 = 4_000;

/// The latest moment a field may hold: the end of the year 9999, milliseconds UTC.
const MAX_MOMENT: i64 = 253_402_300_799_999;

/// The parts of a position.
pub(super) const GEO_PARTS: [&str; 7] = ["lat_e7", "lon_e7", "acc_cm", "crs", "provider", "mock", "fixed_at"];

/// The `provider` of a position that was picked on the map.
pub(super) const PICKED_ON_MAP: &str = "map";

/// The coordinate systems a position may name.
pub(super) const COORDINATE_SYSTEMS: [&str; 4] = ["WGS84", "CGCS2000", "GCJ02", "BD09"];

/// A value that cannot be what its key holds. It tells the value's shape, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} at {field}: {shape}")]
pub struct FieldError {
    /// A stable name of the defect, also the key of its text.
    pub code: &'static str,
    /// The field's key; of an unknown key its first segment with digits hidden.
    pub field: String,
    /// The value's shape.
    pub shape: Shape,
}

/// How a value looks without telling it: kind, length and classes of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape(String);

impl Shape {
    /// The shape of a value.
    pub fn of(value: &Value) -> Self {
        Self(match value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(_) => "yes or no".to_owned(),
            Value::Int(number) => format!("number of {} digits", number.unsigned_abs().to_string().len()),
            Value::Str(text) => {
                let digits = text.chars().filter(char::is_ascii_digit).count();
                let letters = text.chars().filter(char::is_ascii_alphabetic).count();
                let length = text.chars().count();
                let others = length - digits - letters;
                format!("text of {length}: {digits} digits, {letters} letters, {others} others")
            }
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Collection {
    /// Checks that `key` is known and `value` has its form: type, length, structure. Rights, write-once and
    /// plausibility are looked at elsewhere. Keys under `s/` that are no field take any value.
    pub fn check_op(&self, key: &str, value: &Value) -> Result<(), FieldError> {
        let Some(form) = self.key(key) else {
            return Err(FieldError { code: "unknown_key", field: hidden(key), shape: Shape::of(value) });
        };
        let field = form.field;
        let checked = match (form.part, field) {
            (KeyPart::Whole, Some(field)) => whole(field, value, form.write_once()),
            (KeyPart::Element, Some(field)) => element(field, value),
            (KeyPart::Unknown, _) => match value {
                Value::Bool(_) => Ok(()),
                _ => Err("wrong_type"),
            },
            (KeyPart::Off, _) => match value {
                Value::Bool(true) => Ok(()),
                _ => Err("wrong_type"),
            },
            _ => within(value),
        };
        checked.map_err(|code| {
            let field = field.map_or_else(|| hidden(key), |field| field.key.clone());
            FieldError { code, field, shape: Shape::of(value) }
        })
    }
}

/// The first segment of an unknown key, so that a message names something, without what may be a number of a person.
fn hidden(key: &str) -> String {
    let head = key.split('/').next().unwrap_or_default();
    if key::is_segment(head) { head.replace(|c: char| c.is_ascii_digit(), "#") } else { "?".to_owned() }
}

type Checked = Result<(), &'static str>;

fn ensure(holds: bool, code: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(code) }
}

fn within(value: &Value) -> Checked {
    match value {
        Value::Int(number) => ensure(number.unsigned_abs() <= MAX_INT.unsigned_abs(), "number_too_large"),
        _ => Ok(()),
    }
}

pub(super) fn whole(field: &Field, value: &Value, write_once: bool) -> Checked {
    within(value)?;
    match (&field.field_type, value) {
        (_, Value::Null) => ensure(!write_once, "cannot_clear"),
        (FieldType::Text { max, multiline }, Value::Str(text)) => written(text, *max, *multiline),
        (FieldType::Int { .. }, Value::Int(_)) | (FieldType::Bool, Value::Bool(_)) => Ok(()),
        (FieldType::Dec { .. }, Value::Str(text)) => ensure(is_decimal(text), "bad_decimal"),
        (FieldType::Date, Value::Str(text)) => ensure(text.parse::<Date>().is_ok(), "bad_date"),
        (FieldType::Ts, Value::Int(moment)) => ensure((0..=MAX_MOMENT).contains(moment), "bad_time"),
        (FieldType::Code { .. }, Value::Str(text)) => ensure(is_code(text), "bad_code"),
        (FieldType::Division { digits }, Value::Str(text)) => ensure(is_division(text, *digits), "bad_division"),
        (FieldType::Ref { .. }, Value::Str(text)) => ensure(key::is_id(text), "bad_reference"),
        (FieldType::Geo, Value::Str(text)) => position(text),
        _ => Err("wrong_type"),
    }
}

fn element(field: &Field, value: &Value) -> Checked {
    within(value)?;
    match (&field.field_type, value) {
        (FieldType::Codes { .. } | FieldType::Refs { .. }, Value::Bool(_)) => Ok(()),
        (FieldType::Phones | FieldType::Children { .. } | FieldType::Answers, Value::Null) => Ok(()),
        (FieldType::Phones, Value::Str(text)) => phone(text),
        (FieldType::Media { .. }, Value::Str(text)) => file(text).map(|_| ()),
        (FieldType::Children { kind }, Value::Str(text)) => match &kind.form {
            ChildForm::Text { max } => written(text, *max, false),
            ChildForm::Code(_) => ensure(is_code(text), "bad_code"),
            ChildForm::Parts(parts) => child(text, parts),
        },
        (FieldType::Answers | FieldType::Facts, Value::Bool(_) | Value::Int(_)) => Ok(()),
        (FieldType::Answers, Value::Str(text)) => written(text, MAX_ANSWER, true),
        (FieldType::Facts, Value::Str(text)) => written(text, MAX_FACT, true),
        (FieldType::Media { .. } | FieldType::Facts, Value::Null) => Err("cannot_clear"),
        _ => Err("wrong_type"),
    }
}

/// A text that is there, not too long, and without characters no keyboard writes.
fn written(text: &str, max: u32, multiline: bool) -> Checked {
    ensure(!text.is_empty(), "empty")?;
    // Every character takes at most four bytes, so a huge text is refused before it is counted.
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    ensure(text.len() <= max.saturating_mul(4) && text.chars().count() <= max, "too_long")?;
    let control = |c: char| c.is_control() && !(multiline && matches!(c, '\n' | '\t'));
    ensure(!text.chars().any(control), "control_character")
}

pub(super) fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let all_digits = |part: &str, most| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    all_digits(whole, 15)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(|part| all_digits(part, 6))
}

pub(super) fn is_code(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn is_division(text: &str, digits: Option<u32>) -> bool {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let expected = digits.map_or(matches!(length, 6 | 9 | 12), |digits| digits == length);
    expected && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn phone(text: &str) -> Checked {
    let Some((number, label)) = text.split_once('|') else { return Err("bad_phone") };
    ensure(!label.contains('|') && label.chars().count() <= 20, "bad_phone")?;
    ensure(!text.chars().any(char::is_control), "control_character")?;
    ensure((1..=32).contains(&number.chars().count()), "bad_phone")
}

/// A flat JSON object in its one canonical form (RFC 8785), without fractions.
fn object(text: &str) -> Option<serde_json::Map<String, Json>> {
    let json: Json = serde_json::from_str(text).ok()?;
    if serde_json_canonicalizer::to_string(&json).ok()? != text {
        return None;
    }
    let Json::Object(parts) = json else { return None };
    let flat = parts.values().all(|part| match part {
        Json::Bool(_) | Json::String(_) => true,
        Json::Number(number) => number.as_i64().is_some_and(|number| number.unsigned_abs() <= MAX_INT.unsigned_abs()),
        _ => false,
    });
    flat.then_some(parts)
}

fn text_part(parts: &serde_json::Map<String, Json>, key: &str, fits: impl Fn(&str) -> bool) -> Option<bool> {
    parts.get(key).map(|part| part.as_str().is_some_and(fits))
}

fn number_part(parts: &serde_json::Map<String, Json>, key: &str, min: i64, max: i64) -> Option<bool> {
    parts.get(key).map(|part| part.as_i64().is_some_and(|number| (min..=max).contains(&number)))
}

fn only(parts: &serde_json::Map<String, Json>, known: &[&str]) -> bool {
    parts.keys().all(|key| known.contains(&key.as_str()))
}

fn position(text: &str) -> Checked {
    let parts = object(text).ok_or("bad_json")?;
    let good = only(&parts, &GEO_PARTS)
        && number_part(&parts, "lat_e7", -900_000_000, 900_000_000) == Some(true)
        && number_part(&parts, "lon_e7", -1_800_000_000, 1_800_000_000) == Some(true)
        && text_part(&parts, "crs", |crs| COORDINATE_SYSTEMS.contains(&crs)) == Some(true)
        && (parts.get("acc_cm").is_some_and(Json::is_null) // the radius is not known
            || number_part(&parts, "acc_cm", 0, 1_000_000_000) != Some(false))
        && number_part(&parts, "fixed_at", 0, MAX_MOMENT) != Some(false)
        && text_part(&parts, "provider", is_code) != Some(false)
        && parts.get("mock").is_none_or(Json::is_boolean);
    ensure(good, "bad_position")
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'a'..=b'f' | b'0'..=b'9'))
}

/// The parts of the value that names a file.
pub(super) fn file(text: &str) -> Result<serde_json::Map<String, Json>, &'static str> {
    let parts = object(text).ok_or("bad_json")?;
    let media_type = |text: &str| (3..=100).contains(&text.len()) && text.is_ascii() && text.contains('/');
    let good = only(&parts, &["hash", "size", "type", "taken_at", "purpose", "thumb"])
        && text_part(&parts, "hash", is_hash) == Some(true)
        && number_part(&parts, "size", 0, MAX_INT) == Some(true)
        && text_part(&parts, "type", media_type) == Some(true)
        && number_part(&parts, "taken_at", 0, MAX_MOMENT) != Some(false)
        && text_part(&parts, "purpose", is_code) != Some(false)
        && text_part(&parts, "thumb", is_hash) != Some(false);
    ensure(good, "bad_file").map(|()| parts)
}

fn child(text: &str, known: &[ChildPart]) -> Checked {
    let parts = object(text).ok_or("bad_json")?;
    ensure(parts.keys().all(|key| known.iter().any(|part| part.key == *key)), "bad_child")?;
    for part in known {
        let Some(value) = parts.get(&part.key) else {
            ensure(!part.required, "bad_child")?;
            continue;
        };
        let good = match (&part.form, value) {
            (PartForm::Text { max }, Json::String(text)) => written(text, *max, false).is_ok(),
            (PartForm::Code(_), Json::String(text)) => is_code(text),
            (PartForm::Date, Json::String(text)) => text.parse::<Date>().is_ok(),
            (PartForm::Int, Json::Number(_)) | (PartForm::Bool, Json::Bool(_)) => true,
            _ => false,
        };
        ensure(good, "bad_child")?;
    }
    Ok(())
}
