//! Sheets in memory.

use gridpass_core::codes::Date;

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A day, in workbooks one of the workbook's own.
    Day(Date),
    /// A day and the minutes since its midnight, in workbooks one of the workbook's own moments.
    Moment(Date, u32),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number as f64)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Date> for Cell {
    fn from(day: Date) -> Self {
        Self::Day(day)
    }
}

/// A sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Its name, also that of its file.
    pub name: &'static str,
    /// The headings.
    pub headings: &'static [&'static str],
    /// The rows below them.
    pub rows: Vec<Vec<Cell>>,
    /// How many rows were taken out before those that are here.
    taken: usize,
}

impl Sheet {
    /// A sheet without rows.
    pub fn new(name: &'static str, headings: &'static [&'static str]) -> Self {
        Self { name, headings, rows: Vec::new(), taken: 0 }
    }

    /// How many rows there were so far, those that were taken out included: what the rows are numbered by.
    pub fn made(&self) -> usize {
        self.taken + self.rows.len()
    }

    /// The sheet with the rows that are here, which are taken out; numbers go on.
    pub fn take(&mut self) -> Self {
        let taken = self.taken;
        self.taken = self.made();
        Self { rows: std::mem::take(&mut self.rows), taken, ..*self }
    }

    /// The cells under a heading, as texts.
    pub fn column(&self, heading: &str) -> impl Iterator<Item = String> {
        let place = self.headings.iter().position(|known| *known == heading);
        self.rows.iter().map(move |row| place.and_then(|place| row.get(place)).map(text).unwrap_or_default())
    }
}

/// A cell as CSV files have it.
pub(super) fn text(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => number.to_string(),
        Cell::Day(day) => day.to_string(),
        Cell::Moment(day, minute) => format!("{day} {:02}:{:02}", minute / 60, minute % 60),
    }
}
