//! From cells to values, by the type of the field.

use std::collections::BTreeMap;

use gridpass_core::Value;
use gridpass_core::catalog::{Catalog, ChildForm, CodeTable, Collection, Field, FieldType};
use gridpass_core::codes::coordinates::{Provider, to_e7};
use gridpass_core::codes::text::{compact, half_width};
use gridpass_core::codes::{Crs, Date, Geo, Phone, Position, address, credit, name};
use gridpass_core::id::RecordId;

use super::mapping::{Column, Mapping};
use super::source::Cell;

/// Numbers with more digits are no longer exact in a workbook.
const EXACT: f64 = 1e15;

/// What stands between several entries of one cell.
const BETWEEN: [char; 9] = ['、', ',', '\u{FF0C}', ';', '\u{FF1B}', '/', '\n', '|', ' '];

/// The days a workbook counts from its own beginning: 1927 to 2099.
const SERIAL: std::ops::RangeInclusive<f64> = 10_000.0..=73_050.0;

/// The text of a cell as the workbook shows it; a stable name of what is wrong otherwise.
pub fn text(cell: &Cell) -> Result<String, &'static str> {
    match cell {
        Cell::Empty => Ok(String::new()),
        Cell::Text(text) => Ok(text.clone()),
        Cell::Number(number) if number.abs() >= EXACT => Err("number_lost_digits"),
        Cell::Number(number) => Ok(number.to_string()),
        Cell::Bool(flag) => Ok(if *flag { "是" } else { "否" }.to_owned()),
        Cell::Day(day) => Ok(day.to_string()),
        Cell::Error => Err("cell_error"),
    }
}

/// The id of the record that a sheet names by a key. `space` says whose keys they are.
pub fn record_id(space: &str, collection: &str, key: &[String]) -> RecordId {
    let space = (!space.is_empty()).then_some(space.as_bytes());
    let key = key.iter().map(String::as_bytes);
    let parts: Vec<&[u8]> = std::iter::once(collection.as_bytes()).chain(key).collect();
    match space {
        Some(space) => RecordId::derived("import of a space", &[&[space], parts.as_slice()].concat()),
        None => RecordId::derived("import", &parts),
    }
}

/// How the columns of a mapping are written where they name records: buildings and units in their regular form, so that
/// `3栋` and `3#` of two rows are one building.
pub struct Keys<'a> {
    space: &'a str,
    checks: BTreeMap<&'a str, &'a str>,
}

impl<'a> Keys<'a> {
    /// The headings of the mapping whose fields have a code check; `space` says whose keys they are.
    pub fn new(mapping: &'a Mapping, catalog: &'a Catalog, space: &'a str) -> Self {
        let columns = mapping.tables.iter().flat_map(|table| {
            let collection = catalog.collection(&table.collection);
            table.columns.iter().filter_map(move |column| Some((column, collection?.field(&column.to)?)))
        });
        let checked = columns.filter_map(|(column, field)| {
            let check = field.check.as_deref().filter(|check| ["building", "unit"].contains(check))?;
            Some((column.from.texts().first()?.as_str(), check))
        });
        Self { space, checks: checked.collect() }
    }

    /// The record of a key.
    pub fn record(&self, collection: &str, parts: &[String]) -> RecordId {
        record_id(self.space, collection, parts)
    }

    /// The parts of a key as they name a record: width and white space do not matter. None where one is empty.
    pub fn parts(&self, headings: &[String], cells: &[&Cell]) -> Result<Option<Vec<String>>, &'static str> {
        let part = |(heading, cell): (&String, &&Cell)| {
            text(cell).map(|text| compact(&regular(self.checks.get(heading.as_str()).copied(), &text)))
        };
        let parts: Vec<String> = headings.iter().zip(cells).map(part).collect::<Result<_, _>>()?;
        Ok((!parts.iter().any(String::is_empty)).then_some(parts))
    }
}

/// The entries of a column's cells; none for an empty cell.
pub fn entries(
    (collection, field): (&Collection, &Field),
    column: &Column,
    cells: &[&Cell],
    keys: &Keys<'_>,
) -> Result<Vec<(String, Value)>, &'static str> {
    let key = field.key.as_str();
    let whole = |value: Value| Ok(vec![(key.to_owned(), value)]);
    if let FieldType::Ref { to } = &field.field_type {
        let Some(parts) = keys.parts(column.from.texts(), cells)? else { return Ok(Vec::new()) };
        let to = column.of.as_deref().or(to.first().map(String::as_str)).unwrap_or("self");
        let to = if to == "self" { collection.id.as_str() } else { to };
        return whole(keys.record(to, &parts).to_string().into());
    }
    if field.field_type == FieldType::Geo {
        return match cells {
            [Cell::Empty, _] | [_, Cell::Empty] => Ok(Vec::new()),
            [lat, lon] => whole(position(lat, lon, column)?.into()),
            _ => Err("not_a_position"),
        };
    }
    let Some(cell) = cells.first() else { return Ok(Vec::new()) };
    let said = text(cell)?;
    if said.is_empty() {
        return Ok(Vec::new());
    }
    if field.may_be_unknown && ["不详", "未知", "unknown"].contains(&said.as_str()) {
        return Ok(vec![(format!("{key}_unknown"), true.into())]);
    }
    let meant = |said: &str| column.values.get(said).cloned();
    if let Some(value) = meant(&said).filter(|_| field.field_type.is_scalar()) {
        return whole(value);
    }
    let several = || said.split(BETWEEN).map(str::trim).filter(|part| !part.is_empty());
    match &field.field_type {
        FieldType::Text { .. } => whole(regular(field.check.as_deref(), &said).into()),
        FieldType::Int { .. } => whole(half_width(&said).parse::<i64>().map_err(|_| "not_a_number")?.into()),
        FieldType::Dec { .. } => whole(half_width(&said).into()),
        FieldType::Bool => whole(yes_or_no(&said)?.into()),
        FieldType::Date => whole(day(cell, &said)?.to_string().into()),
        FieldType::Division { .. } => whole(compact(&said).into()),
        FieldType::Code { table, .. } => whole(code_of(table, &said)?.into()),
        FieldType::Codes { table } => several()
            .map(|part| {
                let code = meant(part).and_then(|value| value.as_str().map(str::to_owned));
                Ok((format!("{key}/{}", code.map_or_else(|| code_of(table, part), Ok)?), true.into()))
            })
            .collect(),
        FieldType::Phones => Ok(said
            .split(['、', ',', '\u{FF0C}', ';', '\u{FF1B}', '\n'])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| {
                let number = part.parse::<Phone>().map_or_else(|_| part.to_owned(), |phone| phone.to_string());
                (format!("{key}/{}", element(&number)), format!("{number}|{}", column.label).into())
            })
            .collect()),
        FieldType::Children { kind } => match &kind.form {
            ChildForm::Text { .. } => {
                Ok(several().map(|part| (format!("{key}/{}", element(part)), part.into())).collect())
            }
            _ => Err("not_in_table"),
        },
        _ => Err("not_in_table"),
    }
}

/// The name of an element that follows from its content, so that it is the same at the next import.
fn element(content: &str) -> String {
    RecordId::derived("import element", &[content.as_bytes()]).to_string()
}

/// A table's code by itself or by its label in either language.
fn code_of(table: &CodeTable, said: &str) -> Result<String, &'static str> {
    let said = half_width(said);
    let item = table
        .items
        .iter()
        .find(|item| item.code == said || half_width(&item.label.zh) == said || item.label.en == said);
    item.map(|item| item.code.clone()).ok_or("not_in_table")
}

fn yes_or_no(said: &str) -> Result<bool, &'static str> {
    match said.to_lowercase().as_str() {
        "是" | "有" | "yes" | "y" | "true" | "1" | "√" => Ok(true),
        "否" | "无" | "no" | "n" | "false" | "0" | "×" => Ok(false),
        _ => Err("not_yes_or_no"),
    }
}

/// A day: a workbook's own, its serial number, or written with the year first, as `2024-5-1`, `2024/05/01`, `2024.5.1`,
/// `20240501` or `2024年5月1日`.
fn day(cell: &Cell, said: &str) -> Result<Date, &'static str> {
    const WRONG: &str = "not_a_date";
    match cell {
        Cell::Day(day) => return Ok(*day),
        // Day 25,569 of a workbook is 1970-01-01.
        Cell::Number(number) if SERIAL.contains(number) => {
            return Date::from_days(*number as i64 - 25_569).ok_or(WRONG);
        }
        _ => {}
    }
    let said = half_width(said);
    if let Ok(day) = Date::from_digits(&said) {
        return Ok(day);
    }
    let mut numbers = said.split(['-', '/', '.', '年', '月', '日']).map(str::trim).filter(|part| !part.is_empty());
    let mut number = || numbers.next().and_then(|part| part.parse::<u16>().ok()).ok_or(WRONG);
    let (year, month, day) = (number()?, number()?, number()?);
    let short = |number: u16| u8::try_from(number).map_err(|_| WRONG);
    if numbers.next().is_some() || year < 1000 {
        return Err(WRONG);
    }
    Date::new(year, short(month)?, short(day)?).map_err(|_| WRONG)
}

/// The position in the system of satellites, whatever system the sheet is in.
fn position(lat: &Cell, lon: &Cell, column: &Column) -> Result<String, &'static str> {
    const WRONG: &str = "not_a_position";
    let degrees = |cell: &Cell| half_width(&text(cell)?).parse::<f64>().map_err(|_| WRONG);
    let crs = column.crs.as_deref().and_then(Crs::from_code).ok_or(WRONG)?;
    let position = Position { lat: degrees(lat)?, lon: degrees(lon)? }.convert(crs, Crs::Wgs84);
    let (lat_e7, lon_e7) = to_e7(position).ok_or(WRONG)?;
    let geo = Geo {
        lat_e7,
        lon_e7,
        acc_cm: Some(column.accuracy_m.saturating_mul(100)),
        crs: Crs::Wgs84,
        provider: Provider::Import,
        mock: false,
        // The same at every import, so that the same file changes nothing.
        fixed_at: column.as_of.map_or(0, |day| day.days() * 86_400_000),
    };
    Ok(geo.to_string())
}

/// The one way to write what a check knows; what it refuses stays as it is and is told by the check.
fn regular(check: Option<&str>, said: &str) -> String {
    let written = match check {
        Some("building") => address::building(said).ok(),
        Some("unit") => address::unit(said).ok(),
        Some("door_no") => address::door_number(said).ok(),
        Some("person_name") => Some(name::normalise(said)),
        Some("uscc") => Some(credit::normalise(said)),
        Some("identity" | "lift_code") => Some(compact(said)),
        _ => None,
    };
    written.unwrap_or_else(|| said.to_owned())
}
