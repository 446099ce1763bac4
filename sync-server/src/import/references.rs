//! Cells that name records: one, one of a kind that another column says, or a list whose records become the keys of a
//! field.

use gridpass_core::Value;
use gridpass_core::catalog::{Collection, Field, FieldType};
use gridpass_core::id::RecordId;

use super::cells::Cell;
use super::convert::{BETWEEN, text};
use super::mapping::{Column, Of};
use super::spelling::Keys;

/// What names records in a field, with the records: a reference, or the elements of a field that is a list of records or
/// holds a value for each.
pub type Named = Vec<(String, Value, RecordId)>;

/// Reads a column that names records; none if its field holds none. `kind` is the cell that says of which collection.
pub fn read(
    (collection, field): (&Collection, &Field),
    column: &Column,
    (cells, kind): (&[&Cell], &Cell),
    keys: &Keys<'_>,
) -> Option<Result<Named, &'static str>> {
    let own = match &field.field_type {
        FieldType::Ref { to } => to.first(),
        FieldType::Refs { to } => to.first(),
        FieldType::Children { .. } if column.of.is_some() => None,
        _ => return None,
    };
    Some(named((collection, field), column, (cells, kind), keys, own.map(String::as_str)))
}

fn named(
    (collection, field): (&Collection, &Field),
    column: &Column,
    (cells, kind): (&[&Cell], &Cell),
    keys: &Keys<'_>,
    own: Option<&str>,
) -> Result<Named, &'static str> {
    let one = matches!(field.field_type, FieldType::Ref { .. });
    let headings = column.from.texts();
    let of_one = |cells: &[&Cell]| keys.parts(headings, cells);
    let lists: Vec<Vec<String>> = match cells {
        [cell] if !one => {
            let said = text(cell)?;
            let parts = said.split(BETWEEN).map(str::trim).filter(|part| !part.is_empty());
            let parts = parts.map(|part| of_one(&[&Cell::Text(part.to_owned())]));
            parts.filter_map(Result::transpose).collect::<Result<_, _>>()?
        }
        cells => of_one(cells)?.into_iter().collect(),
    };
    if lists.is_empty() {
        return Ok(Named::new());
    }
    let to = match &column.of {
        Some(Of::One(to)) => to.as_str(),
        Some(Of::By(by)) => {
            let said = text(kind)?;
            by.kinds.get(&said).map(String::as_str).ok_or("no_such_kind")?
        }
        None => own.unwrap_or("self"),
    };
    let to = if to == "self" { collection.id.as_str() } else { to };
    let key = field.key.as_str();
    let of = |parts: Vec<String>| {
        let record = keys.record(to, &parts);
        match one {
            true => (key.to_owned(), record.to_string().into(), record),
            false => (format!("{key}/{record}"), column.value.clone().unwrap_or(Value::Bool(true)), record),
        }
    };
    Ok(lists.into_iter().map(of).collect())
}
