//! Rows of workbooks (xlsx) and CSV files (UTF-8 with or without mark, GB 18030), one at a time.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use calamine::{DataRef, Reader, Xlsx, XlsxError};
use gridpass_core::codes::Date;

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
    /// An error of a formula.
    Error,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Counted from 1 as the workbook shows it; of a CSV file the line of its start.
    pub number: u32,
    /// The headings of the sheet.
    pub headings: std::rc::Rc<Vec<String>>,
    /// Its cells.
    pub cells: Vec<Cell>,
}

impl Row {
    /// The cell under a heading; none where the sheet has no such column.
    pub fn cell(&self, heading: &str) -> Option<&Cell> {
        let place = self.headings.iter().position(|known| known == heading)?;
        Some(self.cells.get(place).unwrap_or(&Cell::Empty))
    }
}

/// A file.
#[derive(Debug)]
pub struct Source {
    /// Its name without folders.
    pub name: String,
    /// The hash of its bytes.
    pub hash: [u8; 32],
    path: PathBuf,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Workbook { sheets: Vec<String> },
    Csv { sheet: String, encoding: &'static encoding_rs::Encoding },
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file.
    #[error("{file}: cannot be read: {cause}")]
    File {
        /// Its name.
        file: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The workbook.
    #[error("{file}: is no workbook that can be read ({cause}); open it and save it as .xlsx or .csv")]
    Workbook {
        /// Its name.
        file: String,
        /// Why.
        cause: &'static str,
    },
    /// The CSV file.
    #[error("{file}: the line after {line} is no line of a CSV file; save it again as CSV")]
    Csv {
        /// Its name.
        file: String,
        /// The last line that was read.
        line: u64,
    },
}

impl Source {
    /// Looks at a file: its hash, its sheets, its encoding. `.csv` is a CSV file, everything else a workbook.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let name = text(path.file_name());
        let failed = |cause| SourceError::File { file: name.clone(), cause };
        let (hash, utf8) = look(File::open(path).map_err(failed)?).map_err(failed)?;
        let form = if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            let encoding = if utf8 { encoding_rs::UTF_8 } else { encoding_rs::GB18030 };
            Form::Csv { sheet: text(path.file_stem()), encoding }
        } else {
            Form::Workbook { sheets: workbook(&name, path)?.sheet_names() }
        };
        Ok(Self { name, hash, path: path.to_owned(), form })
    }

    /// Whether the file has the sheet.
    pub fn has(&self, sheet: &str) -> bool {
        match &self.form {
            Form::Workbook { sheets } => sheets.iter().any(|name| name == sheet),
            Form::Csv { sheet: name, .. } => name == sheet,
        }
    }

    /// Hands on the rows below the headings that are not empty.
    pub fn rows<E: From<SourceError>>(
        &self,
        sheet: &str,
        heading: u32,
        take: &mut dyn FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut headings = std::rc::Rc::new(Vec::new());
        let mut hand_on = |number: u32, cells: Vec<Cell>| -> Result<(), E> {
            if number == heading {
                headings =
                    std::rc::Rc::new(cells.iter().map(super::convert::text).map(Result::unwrap_or_default).collect());
            } else if number > heading && cells.iter().any(|cell| *cell != Cell::Empty) {
                take(Row { number, headings: headings.clone(), cells })?;
            }
            Ok(())
        };
        match &self.form {
            Form::Workbook { .. } => self.workbook_rows(sheet, &mut hand_on),
            Form::Csv { encoding, .. } => self.csv_rows(encoding, &mut hand_on),
        }
    }

    fn workbook_rows<E: From<SourceError>>(
        &self,
        sheet: &str,
        take: &mut dyn FnMut(u32, Vec<Cell>) -> Result<(), E>,
    ) -> Result<(), E> {
        let refuse = |error: XlsxError| SourceError::Workbook { file: self.name.clone(), cause: cause(&error) };
        let mut workbook = workbook(&self.name, &self.path)?;
        let mut reader = workbook.worksheet_cells_reader(sheet).map_err(refuse)?;
        let (mut number, mut cells) = (0, Vec::new());
        while let Some(found) = reader.next_cell().map_err(refuse)? {
            let (row, column) = found.get_position();
            if row + 1 != number {
                if number > 0 {
                    take(number, std::mem::take(&mut cells))?;
                }
                number = row + 1;
            }
            let column = usize::try_from(column).unwrap_or(usize::MAX).min(16_384);
            if cells.len() <= column {
                cells.resize(column + 1, Cell::Empty);
            }
            if let Some(place) = cells.get_mut(column) {
                *place = cell(found.get_value());
            }
        }
        if number > 0 { take(number, cells) } else { Ok(()) }
    }

    fn csv_rows<E: From<SourceError>>(
        &self,
        encoding: &'static encoding_rs::Encoding,
        take: &mut dyn FnMut(u32, Vec<Cell>) -> Result<(), E>,
    ) -> Result<(), E> {
        let file = File::open(&self.path).map_err(|cause| SourceError::File { file: self.name.clone(), cause })?;
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(BufReader::new(file));
        let mut record = csv::ByteRecord::new();
        let mut line = 0;
        while reader.read_byte_record(&mut record).map_err(|_| SourceError::Csv { file: self.name.clone(), line })? {
            line = record.position().map_or(line, csv::Position::line);
            let cells = record.iter().map(|bytes| typed(&encoding.decode_with_bom_removal(bytes).0)).collect();
            take(u32::try_from(line).unwrap_or(u32::MAX), cells)?;
        }
        Ok(())
    }
}

fn workbook(name: &str, path: &Path) -> Result<Xlsx<BufReader<File>>, SourceError> {
    calamine::open_workbook(path)
        .map_err(|error: XlsxError| SourceError::Workbook { file: name.to_owned(), cause: cause(&error) })
}

/// Why a workbook cannot be read, without what stands in it.
fn cause(error: &XlsxError) -> &'static str {
    match error {
        XlsxError::Io(_) => "the file cannot be read",
        XlsxError::Zip(_) => "it is not packed as workbooks are",
        XlsxError::Password => "it is protected by a password",
        XlsxError::WorksheetNotFound(_) => "the sheet is not there",
        _ => "a part of it is damaged",
    }
}

fn cell(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::String(text) => typed(text),
        DataRef::SharedString(text) => typed(text),
        DataRef::Bool(flag) => Cell::Bool(*flag),
        DataRef::DateTime(moment) if !moment.is_duration() => {
            let (year, month, day, ..) = moment.to_ymd_hms_milli();
            Date::new(year, month, day).map_or(Cell::Error, Cell::Day)
        }
        DataRef::DateTime(moment) => Cell::Number(moment.as_f64()),
        DataRef::DateTimeIso(text) => typed(text.split('T').next().unwrap_or_default()),
        DataRef::DurationIso(text) => typed(text),
        DataRef::Error(_) => Cell::Error,
        DataRef::Empty => Cell::Empty,
    }
}

fn typed(text: &str) -> Cell {
    match text.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}') {
        "" => Cell::Empty,
        text => Cell::Text(text.to_owned()),
    }
}

/// The hash of a file, and whether all of it is UTF-8.
fn look(mut file: File) -> std::io::Result<([u8; 32], bool)> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; 64 << 10];
    let (mut utf8, mut rest) = (true, Vec::new());
    loop {
        let length = file.read(&mut piece)?;
        let bytes = piece.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            return Ok((*hasher.finalize().as_bytes(), utf8 && rest.is_empty()));
        }
        hasher.update(bytes);
        if utf8 {
            rest.extend_from_slice(bytes);
            match std::str::from_utf8(&rest) {
                Ok(_) => rest.clear(),
                // A character that the piece cuts in two.
                Err(error) if error.error_len().is_none() => drop(rest.drain(..error.valid_up_to())),
                Err(_) => utf8 = false,
            }
        }
    }
}
