//! What follows from the number of a document or a room and need not be typed again.

use gridpass_core::catalog::Collection;
use gridpass_core::codes::identity::{self, IdKind, IdentityWarning};
use gridpass_core::codes::{Date, address};
use gridpass_core::{Value, Values};

use super::day::Said;

/// Fills what a valid number tells and the row does not: the kind of document, gender, and the birth date where nothing or
/// only its month was said; 15 digits of the first generation become 18 characters. Gives each key with what was done.
/// `months` are the days of which only a part was said, with their headings.
///
/// Nothing that was said whole is changed: where it differs from the number, the catalog tells.
pub fn by_identity(
    collection: &Collection,
    values: &mut Values,
    months: &[(&str, &str, Said)],
    today: Date,
) -> Vec<(&'static str, &'static str)> {
    let mut done = Vec::new();
    if !["id_type", "id_no", "gender", "birth"].iter().all(|key| collection.field(key).is_some()) {
        return done;
    }
    let Some(number) = values.get("id_no").and_then(Value::as_str).map(str::to_owned) else { return done };
    let kind = match values.get("id_type").and_then(Value::as_str) {
        Some("household_register") => Some(IdKind::Resident),
        Some(code) => IdKind::from_code(code),
        None => IdKind::guess(&number, today),
    };
    let Some(Ok(found)) = kind.map(|kind| identity::check(kind, &number, today)) else { return done };
    let said = |values: &Values, key: &str| values.get(key).is_some_and(|value| !value.is_null());
    if !said(values, "id_type") {
        values.insert("id_type".into(), found.kind.code().into());
        done.push(("id_type", "repaired_by_number"));
    }
    if found.warnings.contains(&IdentityWarning::FirstGeneration) {
        values.insert("id_no".into(), found.number.clone().into());
        done.push(("id_no", "repaired_identity"));
    }
    if let Some(gender) = found.gender.filter(|_| !said(values, "gender")) {
        values.insert("gender".into(), gender.code().into());
        done.push(("gender", "repaired_by_number"));
    }
    let month = months.iter().find(|(key, ..)| *key == "birth").map(|(.., said)| said);
    let fits = |birth: &Date| month.is_none_or(|said| said.fits(*birth));
    if let Some(birth) = found.birth.filter(|birth| !said(values, "birth") && fits(birth)) {
        values.insert("birth".into(), birth.to_string().into());
        done.push(("birth", if month.is_some() { "repaired_month" } else { "repaired_by_number" }));
    }
    done
}

/// Fills the floor that the number of a room tells. Gives the key with what was done.
pub fn by_room(collection: &Collection, values: &mut Values) -> Option<(&'static str, &'static str)> {
    collection.field("floor")?;
    let floor = address::floor(values.get("room")?.as_str()?).filter(|_| values.get("floor").is_none())?;
    values.insert("floor".into(), i64::from(floor).into());
    Some(("floor", "repaired_by_number"))
}
