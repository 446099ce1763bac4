//! From cells to values, by the type of the field.

use gridpass_core::Value;
use gridpass_core::catalog::{ChildForm, CodeTable, Field, FieldType};
use gridpass_core::codes::coordinates::{Provider, to_e7};
use gridpass_core::codes::text::{compact, half_width};
use gridpass_core::codes::{Crs, Geo, Phone, Position, address};
use gridpass_core::id::RecordId;

use super::cells::Cell;
use super::mapping::Column;
use super::spelling::{Keys, Spelling};
use super::{day, moment};

/// The name of a day of which only the month or the year was said.
pub const NOT_WHOLE: &str = "date_not_whole";

/// Numbers with more digits are no longer exact in a workbook.
const EXACT: f64 = 1e15;

/// What stands between several entries of one cell.
pub(super) const BETWEEN: [char; 9] = ['、', ',', '\u{FF0C}', ';', '\u{FF1B}', '/', '\n', '|', ' '];

/// The text of a cell as the workbook shows it; a stable name of what is wrong otherwise.
pub fn text(cell: &Cell) -> Result<String, &'static str> {
    match cell {
        Cell::Empty => Ok(String::new()),
        Cell::Text(text) if lost_digits(text) => Err("number_lost_digits"),
        Cell::Text(text) => Ok(text.clone()),
        Cell::Number(number) if number.abs() >= EXACT => Err("number_lost_digits"),
        Cell::Number(number) => Ok(number.to_string()),
        Cell::Bool(flag) => Ok(if *flag { "是" } else { "否" }.to_owned()),
        Cell::Day(day) => Ok(day.to_string()),
        Cell::Moment(day, seconds) => {
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            Ok(format!("{day} {hours:02}:{minutes:02}:{seconds:02}"))
        }
        Cell::Error => Err("cell_error"),
        Cell::NoValue => Err("formula_without_value"),
        Cell::Unsplit => Err("not_split"),
        Cell::Garbled => Err("garbled"),
    }
}

/// Whether a text is a long number as a workbook shows and exports it: `1.10105E+17`.
fn lost_digits(text: &str) -> bool {
    let Some((digits, power)) = text.split_once("E+").or_else(|| text.split_once("e+")) else { return false };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    number(digits) && number(power)
}

/// What a column's cells say.
#[derive(Debug, Default)]
pub struct Said {
    /// Keys and values; none for an empty cell.
    pub entries: Vec<(String, Value)>,
    /// What was put right on the way, if it has to be told.
    pub repaired: Option<&'static str>,
}

/// Reads a column's cells as entries of a field.
pub fn entries(field: &Field, column: &Column, cells: &[&Cell], keys: &Keys<'_>) -> Result<Said, &'static str> {
    let key = field.key.as_str();
    let whole = |value: Value| Said { entries: vec![(key.to_owned(), value)], repaired: None };
    if field.field_type == FieldType::Geo {
        return match cells {
            [Cell::Empty, _] | [_, Cell::Empty] => Ok(Said::default()),
            [lat, lon] => Ok(whole(position(lat, lon, column)?.into())),
            _ => Err("not_a_position"),
        };
    }
    let Some(cell) = cells.first() else { return Ok(Said::default()) };
    let said = text(cell)?;
    if said.is_empty() {
        return Ok(Said::default());
    }
    let meant = |said: &str| column.values.get(said).cloned();
    if let Some(value) = meant(&said).filter(|_| field.field_type.is_scalar()) {
        return Ok(whole(value));
    }
    if field.may_be_unknown && ["不详", "未知", "unknown"].contains(&said.as_str()) {
        return Ok(Said { entries: vec![(format!("{key}_unknown"), true.into())], repaired: None });
    }
    let spelling = keys.spelled(column.from.first()).or_else(|| Spelling::of(field));
    if keys.is_nothing(&said) && field.field_type != FieldType::Bool {
        return Ok(match spelling {
            Some(spelling) if spelling.may_be_none() => Said {
                entries: vec![(key.to_owned(), address::NONE.into())],
                repaired: (said != address::NONE).then_some("repaired_address"),
            },
            _ if known(field, &said) => whole(said.into()),
            _ => Said::default(),
        });
    }
    let several = || said.split(BETWEEN).map(str::trim).filter(|part| !part.is_empty());
    let mut repaired = (half_width(&said) != said).then_some("repaired_spelling");
    let entries = match &field.field_type {
        FieldType::Text { .. } => {
            let written = spelling.map_or_else(|| said.clone(), |spelling| spelling.value(&said));
            repaired = spelling.and_then(|spelling| spelling.repair(&said, &written));
            whole(written.into()).entries
        }
        FieldType::Int { .. } => whole(half_width(&said).parse::<i64>().map_err(|_| "not_a_number")?.into()).entries,
        FieldType::Dec { .. } => whole(half_width(&said).into()).entries,
        FieldType::Bool => whole(yes_or_no(&said)?.into()).entries,
        FieldType::Date => match day::read(cell, &said).ok_or("not_a_date")? {
            day::Said::Day(day) => whole(day.to_string().into()).entries,
            day::Said::Serial(day) => {
                repaired = Some("repaired_serial");
                whole(day.to_string().into()).entries
            }
            day::Said::Month(..) | day::Said::Year(_) => return Err(NOT_WHOLE),
        },
        FieldType::Ts => {
            let said = match cells {
                [day, time] => moment::joined((day, &said), (time, &text(time)?), keys.zone),
                _ => moment::read(cell, &said, keys.zone),
            };
            let at = match (said.ok_or("not_a_moment")?, column.time) {
                (moment::Said::Moment(at), _) => at,
                (moment::Said::Serial(at), _) => {
                    repaired = Some("repaired_moment");
                    at
                }
                (moment::Said::Day(day), Some(time)) => {
                    repaired = Some("repaired_time");
                    keys.zone.at(day, time)
                }
                (moment::Said::Day(_), None) => return Err("moment_not_whole"),
            };
            whole(at.into()).entries
        }
        FieldType::Division { .. } => whole(compact(&said).into()).entries,
        FieldType::Code { table, .. } => whole(code_of(table, &said)?.into()).entries,
        FieldType::Codes { table } => several()
            .map(|part| {
                let code = meant(part).and_then(|value| value.as_str().map(str::to_owned));
                Ok((format!("{key}/{}", code.map_or_else(|| code_of(table, part), Ok)?), true.into()))
            })
            .collect::<Result<_, &'static str>>()?,
        FieldType::Phones => said
            .split(['、', ',', '\u{FF0C}', ';', '\u{FF1B}', '\n'])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .flat_map(|part| {
                // A stroke may stand between two numbers and inside one.
                let apart = || part.split('/').map(str::trim);
                let several = apart().all(|part| part.parse::<Phone>().is_ok());
                if several { apart().collect() } else { vec![part] }
            })
            .map(|part| {
                let number = part.parse::<Phone>().map_or_else(|_| part.to_owned(), |phone| phone.to_string());
                (format!("{key}/{}", element(&number)), format!("{number}|{}", column.label).into())
            })
            .collect(),
        FieldType::Children { kind } => match &kind.form {
            ChildForm::Text { .. } => several().map(|part| (format!("{key}/{}", element(part)), part.into())).collect(),
            _ => return Err("not_in_table"),
        },
        _ => return Err("not_in_table"),
    };
    Ok(Said { entries, repaired })
}

/// Whether a word that elsewhere says nothing is one of the field's choices.
fn known(field: &Field, said: &str) -> bool {
    matches!(&field.field_type, FieldType::Code { table, .. } if code_of(table, said).is_ok())
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
