//! Sheets as workbooks and CSV files, the same bytes every time. Rows are handed on as they are made.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use gridpass_core::codes::Date;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, XlsxError};

use super::sheet::{Cell, Sheet, text};
use crate::world::Error;

/// How the files of a street are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// CSV files as workbooks save them: UTF-8 with its mark.
    Csv,
    /// Workbooks as office programs save them, which share texts between cells.
    Workbook,
    /// Workbooks whose rows go to the disk as they come, so that memory does not grow with them. Texts are not shared.
    StreamedWorkbook,
}

/// The file of a sheet that is being written.
pub struct SheetFile {
    path: PathBuf,
    rows: Rows,
}

enum Rows {
    Csv(Box<csv::Writer<BufWriter<File>>>),
    Workbook { book: Box<Workbook>, next: u32, days: Box<Format>, moments: Box<Format> },
}

impl SheetFile {
    /// Begins the file of a sheet in a folder, as `name.xlsx` or `name.csv`; workbooks say that they were made on `day`.
    pub fn new(folder: &Path, sheet: &Sheet, form: Form, day: Date) -> Result<Self, Error> {
        let path = folder.join(sheet.name).with_extension(if form == Form::Csv { "csv" } else { "xlsx" });
        let rows = if form == Form::Csv {
            let mut file = BufWriter::new(File::create(&path)?);
            file.write_all("\u{FEFF}".as_bytes())?;
            let mut writer = csv::Writer::from_writer(file);
            writer.write_record(sheet.headings)?;
            Rows::Csv(Box::new(writer))
        } else {
            let mut book = Workbook::new();
            book.set_properties(&DocProperties::new().set_creation_datetime(&date(day)?));
            let (bold, days) = (Format::new().set_bold(), Format::new().set_num_format("yyyy-mm-dd"));
            let moments = Format::new().set_num_format("yyyy-mm-dd hh:mm");
            let written = match form {
                Form::StreamedWorkbook => book.add_worksheet_with_constant_memory()?,
                _ => book.add_worksheet(),
            };
            written.set_name(sheet.name)?.set_freeze_panes(1, 0)?;
            for (column, heading) in (0..).zip(sheet.headings) {
                written.write_with_format(0, column, *heading, &bold)?;
            }
            Rows::Workbook { book: Box::new(book), next: 1, days: Box::new(days), moments: Box::new(moments) }
        };
        Ok(Self { path, rows })
    }

    /// Adds rows.
    pub fn add(&mut self, rows: &[Vec<Cell>]) -> Result<(), Error> {
        match &mut self.rows {
            Rows::Csv(writer) => {
                for row in rows {
                    writer.write_record(row.iter().map(text))?;
                }
            }
            Rows::Workbook { book, next, days, moments } => {
                let sheet = book.worksheet_from_index(0)?;
                for cells in rows {
                    for (column, cell) in (0..).zip(cells) {
                        match cell {
                            Cell::Empty => continue,
                            Cell::Text(text) => sheet.write_string(*next, column, text)?,
                            Cell::Number(number) => sheet.write_number(*next, column, *number)?,
                            Cell::Day(day) => sheet.write_with_format(*next, column, &date(*day)?, days)?,
                            Cell::Moment(day, minute) => {
                                let hour = u16::try_from(minute / 60).unwrap_or_default();
                                let moment = date(*day)?.and_hms(hour, (minute % 60) as u8, 0)?;
                                sheet.write_with_format(*next, column, &moment, moments)?
                            }
                        };
                    }
                    *next += 1;
                }
            }
        }
        Ok(())
    }

    /// Ends the file.
    pub fn end(self) -> Result<(), Error> {
        match self.rows {
            Rows::Csv(mut writer) => writer.flush()?,
            Rows::Workbook { mut book, .. } => book.save(self.path)?,
        }
        Ok(())
    }
}

fn date(day: Date) -> Result<ExcelDateTime, XlsxError> {
    ExcelDateTime::from_ymd(day.year(), day.month(), day.day())
}
