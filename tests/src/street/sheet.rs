//! Sheets in memory, and workbooks and CSV files of them, the same bytes every time.

use std::path::Path;

use gridpass_core::codes::Date;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, XlsxError};

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
}

impl Sheet {
    /// A sheet without rows.
    pub fn new(name: &'static str, headings: &'static [&'static str]) -> Self {
        Self { name, headings, rows: Vec::new() }
    }

    /// The cells under a heading, as texts.
    pub fn column(&self, heading: &str) -> impl Iterator<Item = String> {
        let place = self.headings.iter().position(|known| *known == heading);
        self.rows.iter().map(move |row| place.and_then(|place| row.get(place)).map(text).unwrap_or_default())
    }

    /// The sheet as a CSV file as workbooks save it: UTF-8 with its mark.
    pub fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer("\u{FEFF}".as_bytes().to_vec());
        writer.write_record(self.headings)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(text))?;
        }
        writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
    }

    /// The sheet as a workbook. `day` stands in it as the day it was made.
    pub fn workbook(&self, day: Date) -> Result<Vec<u8>, XlsxError> {
        let date = |day: Date| ExcelDateTime::from_ymd(day.year(), day.month(), day.day());
        let mut book = Workbook::new();
        book.set_properties(&DocProperties::new().set_creation_datetime(&date(day)?));
        let (bold, days) = (Format::new().set_bold(), Format::new().set_num_format("yyyy-mm-dd"));
        let sheet = book.add_worksheet().set_name(self.name)?;
        for (column, heading) in (0..).zip(self.headings) {
            sheet.write_with_format(0, column, *heading, &bold)?;
        }
        for (row, cells) in (1..).zip(&self.rows) {
            for (column, cell) in (0..).zip(cells) {
                match cell {
                    Cell::Empty => continue,
                    Cell::Text(text) => sheet.write_string(row, column, text)?,
                    Cell::Number(number) => sheet.write_number(row, column, *number)?,
                    Cell::Day(day) => sheet.write_with_format(row, column, &date(*day)?, &days)?,
                };
            }
        }
        sheet.set_freeze_panes(1, 0)?;
        book.save_to_buffer()
    }

    /// Writes the sheet into a folder, as `name.xlsx` or `name.csv`.
    pub fn write(&self, folder: &Path, csv: bool, day: Date) -> Result<(), crate::world::Error> {
        let (bytes, extension) = if csv { (self.csv()?, "csv") } else { (self.workbook(day)?, "xlsx") };
        Ok(std::fs::write(folder.join(self.name).with_extension(extension), bytes)?)
    }
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => number.to_string(),
        Cell::Day(day) => day.to_string(),
    }
}
