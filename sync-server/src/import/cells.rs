//! Cells, and the rows and headings they make.

use std::collections::BTreeMap;
use std::rc::Rc;

use calamine::DataRef;
use gridpass_core::codes::Date;
use gridpass_core::codes::text::compact;

/// A cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Cell {
    /// Nothing, or white space.
    #[default]
    Empty,
    /// A text without white space at its ends.
    Text(String),
    /// A number.
    Number(f64),
    /// Yes or no.
    Bool(bool),
    /// A day.
    Day(Date),
    /// A day and the seconds since its midnight, by the clock of wherever the sheet was filled in.
    Moment(Date, u32),
    /// An error of a formula.
    Error,
    /// A formula whose value the workbook does not hold.
    NoValue,
    /// Bytes that are no text in the encoding of the file.
    Garbled,
    /// A text that should hold building, unit and room and does not.
    Unsplit,
}

/// The headings of a sheet, in order. White space, width and the mark of a must (`*姓 名`) do not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headings {
    names: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Headings {
    /// Headings from the rows they stand in. One under another is `above/below`; one that comes again is `name(2)`.
    pub fn of(rows: &[Vec<Cell>]) -> Self {
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut headings = Self::default();
        for place in 0..width {
            let mut parts: Vec<String> = Vec::new();
            for row in rows {
                let said = row.get(place).map(super::convert::text).and_then(Result::ok).unwrap_or_default();
                let said = said.split_whitespace().collect::<String>();
                if !said.is_empty() && parts.last() != Some(&said) {
                    parts.push(said);
                }
            }
            headings.push(parts.join("/"));
        }
        headings
    }

    /// Adds a heading and returns its place.
    pub fn push(&mut self, name: String) -> usize {
        let place = self.names.len();
        let mut key = regular(&name);
        let mut name = name;
        if !key.is_empty() {
            if self.places.contains_key(&key) {
                let same = self.names.iter().filter(|known| regular(known).starts_with(&key)).count();
                name = format!("{name}({})", same + 1);
                key = regular(&name);
            }
            self.places.insert(key, place);
        }
        self.names.push(name);
        place
    }

    /// Where a heading stands.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(&regular(name)).copied()
    }

    /// How many columns there are up to the last that has a heading.
    pub fn width(&self) -> usize {
        self.names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1)
    }

    /// The headings as they are written, without white space; empty where a column has none.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

fn regular(heading: &str) -> String {
    compact(heading).trim_matches(['*', ':']).to_owned()
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Counted from 1 as the workbook shows it; of a CSV file the line of its start.
    pub number: u32,
    /// The headings of the sheet.
    pub headings: Rc<Headings>,
    /// Its cells.
    pub cells: Vec<Cell>,
    /// Whether one merged cell covers all of it: a title between the rows.
    pub banner: bool,
}

impl Row {
    /// The cell under a heading; none where the sheet has no such column.
    pub fn cell(&self, heading: &str) -> Option<&Cell> {
        self.headings.place(heading).map(|place| self.at(Some(place)))
    }

    /// The cell at a place.
    pub fn at(&self, place: Option<usize>) -> &Cell {
        place.and_then(|place| self.cells.get(place)).unwrap_or(&Cell::Empty)
    }
}

/// A cell of a workbook.
pub(super) fn cell(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::String(text) => typed(text),
        DataRef::SharedString(text) => typed(text),
        DataRef::Bool(flag) => Cell::Bool(*flag),
        DataRef::DateTime(moment) if !moment.is_duration() => moment_of(moment.as_f64(), moment.to_ymd_hms_milli()),
        DataRef::DateTime(moment) => Cell::Number(moment.as_f64()),
        DataRef::DateTimeIso(text) => match text.split_once('T') {
            Some((day, time)) if !time.starts_with("00:00:00") => typed(&format!("{day} {time}")),
            _ => typed(text.split('T').next().unwrap_or_default()),
        },
        DataRef::DurationIso(text) => typed(text),
        DataRef::Error(_) => Cell::Error,
        DataRef::Empty => Cell::Empty,
    }
}

/// A day or moment of a workbook by its number and its parts. A number below 1 is a time of no day; of a moment only whole
/// seconds are kept, because the rest is what the number could not hold.
fn moment_of(number: f64, (year, month, day, ..): (u16, u8, u8, u8, u8, u8, u16)) -> Cell {
    if (0.0..1.0).contains(&number) {
        return Cell::Number(number);
    }
    let seconds = (number.fract() * 86_400.0).round() as u32;
    match Date::new(year, month, day) {
        Ok(day) if seconds == 0 => Cell::Day(day),
        // The last half second of a day belongs to the next.
        Ok(day) if seconds >= 86_400 => day.plus_days(1).map_or(Cell::Error, Cell::Day),
        Ok(day) => Cell::Moment(day, seconds),
        Err(_) => Cell::Error,
    }
}

/// A cell of a CSV file.
pub(super) fn decoded(encoding: &'static encoding_rs::Encoding, bytes: &[u8]) -> Cell {
    match encoding.decode_with_bom_removal(bytes) {
        (_, true) => Cell::Garbled,
        (text, false) => typed(&text),
    }
}

fn typed(text: &str) -> Cell {
    match text.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}') {
        "" => Cell::Empty,
        text => Cell::Text(text.to_owned()),
    }
}
