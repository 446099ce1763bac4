//! Rows of workbooks (xlsx) and CSV files (UTF-8 with or without mark, GB 18030), one at a time.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use calamine::{DataRef, Reader, Xlsx, XlsxError};

use super::cells::{Cell, Headings, Row, cell, decoded};
use super::inspect::{Kind, Unfit, inspect};
use super::merged::Merged;

/// As many columns as a workbook may have.
const MOST_COLUMNS: usize = 16_383;

/// A file.
#[derive(Debug)]
pub struct Source {
    /// Its name without folders.
    pub name: String,
    /// The hash of its bytes.
    pub hash: [u8; 32],
    /// Whether it holds macros. Nobody runs them.
    pub macros: bool,
    path: PathBuf,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Workbook { sheets: Vec<String> },
    Csv { sheet: String, encoding: &'static encoding_rs::Encoding, lines: u32 },
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
    /// The file is not what it should be.
    #[error("{file}: {what}; {remedy}")]
    Unfit {
        /// Its name.
        file: String,
        /// What it is.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
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
    /// Looks at a file: what it really is, within which bounds, its hash, its sheets, its encoding. `.csv` is a CSV file,
    /// everything else a workbook; a file that is not what its name says is refused.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let name = text(path.file_name());
        let failed = |cause| SourceError::File { file: name.clone(), cause };
        let kind = inspect(path).map_err(failed)?;
        let kind = kind.map_err(|Unfit { what, remedy }| SourceError::Unfit { file: name.clone(), what, remedy })?;
        let (hash, utf8, lines) = look(File::open(path).map_err(failed)?).map_err(failed)?;
        let form = match kind {
            Kind::Csv => {
                let encoding = if utf8 { encoding_rs::UTF_8 } else { encoding_rs::GB18030 };
                Form::Csv { sheet: text(path.file_stem()), encoding, lines }
            }
            Kind::Workbook { .. } => Form::Workbook { sheets: workbook(&name, path)?.sheet_names() },
        };
        let macros = kind == Kind::Workbook { macros: true };
        Ok(Self { name, hash, macros, path: path.to_owned(), form })
    }

    /// Whether the file has the sheet.
    pub fn has(&self, sheet: &str) -> bool {
        match &self.form {
            Form::Workbook { sheets } => sheets.iter().any(|name| name == sheet),
            Form::Csv { sheet: name, .. } => name == sheet,
        }
    }

    /// The names of its sheets.
    pub fn sheets(&self) -> Vec<&str> {
        match &self.form {
            Form::Workbook { sheets } => sheets.iter().map(String::as_str).collect(),
            Form::Csv { sheet, .. } => vec![sheet],
        }
    }

    /// The last row of a sheet, where the file says so.
    pub fn last_row(&self, sheet: &str) -> Option<u32> {
        match &self.form {
            Form::Csv { lines, .. } => Some(*lines),
            Form::Workbook { .. } => {
                let mut workbook = workbook(&self.name, &self.path).ok()?;
                let end = workbook.worksheet_cells_reader(sheet).ok()?.dimensions().end.0;
                (end > 0).then(|| end.saturating_add(1))
            }
        }
    }

    /// The first rows of a sheet that are not empty; a banner is one that begins with a cell over several columns.
    pub fn peek(&self, sheet: &str, most: usize) -> Result<Vec<Row>, SourceError> {
        /// The end of looking, or why it failed.
        enum End {
            Enough,
            Failed(SourceError),
        }
        impl From<SourceError> for End {
            fn from(error: SourceError) -> Self {
                Self::Failed(error)
            }
        }
        let mut rows = Vec::new();
        let looked = self.rows(sheet, 0, 0, &mut |row| {
            rows.push(row);
            if rows.len() >= most { Err(End::Enough) } else { Ok(()) }
        });
        match looked {
            Err(End::Failed(error)) => Err(error),
            Ok(()) | Err(End::Enough) => Ok(rows),
        }
    }

    /// Hands on the rows below the headings that are not empty.
    pub fn rows<E: From<SourceError>>(
        &self,
        sheet: &str,
        heading: u32,
        heading_rows: u32,
        take: &mut dyn FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let first = heading.saturating_add(heading_rows);
        let (mut above, mut headings) = (Vec::new(), None);
        let mut hand_on = |number: u32, cells: Vec<Cell>, covered: usize| -> Result<(), E> {
            if number < heading {
                return Ok(());
            }
            if number < first {
                above.push(cells);
                return Ok(());
            }
            let headings = headings.get_or_insert_with(|| Rc::new(Headings::of(&above))).clone();
            let banner = covered > 1 && covered >= headings.width();
            take(Row { number, headings, cells, banner })
        };
        match &self.form {
            Form::Workbook { .. } => self.workbook_rows(sheet, &mut hand_on),
            Form::Csv { encoding, .. } => self.csv_rows(encoding, &mut hand_on),
        }
    }

    fn workbook_rows<E: From<SourceError>>(
        &self,
        sheet: &str,
        take: &mut dyn FnMut(u32, Vec<Cell>, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let refuse = |error: XlsxError| SourceError::Workbook { file: self.name.clone(), cause: cause(&error) };
        let mut workbook = workbook(&self.name, &self.path)?;
        let mut merged = Merged::new(workbook.merge_cells_by_sheet_name(sheet).map_err(refuse)?);
        let mut reader = workbook.worksheet_cells_reader(sheet).map_err(refuse)?;
        let mut hand_on = |row: u32, mut cells: Vec<Cell>| -> Result<(), E> {
            let empty = cells.iter().all(|cell| *cell == Cell::Empty);
            let covered = merged.fill(row, &mut cells);
            if empty { Ok(()) } else { take(row.saturating_add(1), cells, covered) }
        };
        let (mut current, mut cells) = (None, Vec::new());
        while let Some(found) = reader.next_cell_with_formula_metadata().map_err(refuse)? {
            let (row, column) = found.pos;
            if current != Some(row) {
                if let Some(row) = current {
                    hand_on(row, std::mem::take(&mut cells))?;
                }
                current = Some(row);
            }
            let value = match (&found.value, &found.formula) {
                (DataRef::Empty, Some(_)) => Cell::NoValue,
                (value, _) => cell(value),
            };
            let column = usize::try_from(column).unwrap_or(usize::MAX).min(MOST_COLUMNS);
            if value != Cell::Empty {
                if cells.len() <= column {
                    cells.resize(column + 1, Cell::Empty);
                }
                if let Some(place) = cells.get_mut(column) {
                    *place = value;
                }
            }
        }
        if let Some(row) = current { hand_on(row, cells) } else { Ok(()) }
    }

    fn csv_rows<E: From<SourceError>>(
        &self,
        encoding: &'static encoding_rs::Encoding,
        take: &mut dyn FnMut(u32, Vec<Cell>, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let file = File::open(&self.path).map_err(|cause| SourceError::File { file: self.name.clone(), cause })?;
        // Lines end with a line feed: where the reader takes a return for the end, it counts the next line as the same. The
        // return then is white space behind the last cell.
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(BufReader::new(file));
        let mut record = csv::ByteRecord::new();
        let mut line = 0;
        while reader.read_byte_record(&mut record).map_err(|_| SourceError::Csv { file: self.name.clone(), line })? {
            line = record.position().map_or(line, csv::Position::line);
            let cells: Vec<Cell> = record.iter().map(|bytes| decoded(encoding, bytes)).collect();
            if cells.iter().any(|cell| *cell != Cell::Empty) {
                take(u32::try_from(line).unwrap_or(u32::MAX), cells, 0)?;
            }
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

/// The hash of a file, whether all of it is UTF-8, and how many lines it has.
fn look(mut file: File) -> std::io::Result<([u8; 32], bool, u32)> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; 64 << 10];
    let (mut utf8, mut rest, mut lines) = (true, Vec::new(), 0);
    loop {
        let length = file.read(&mut piece)?;
        let bytes = piece.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            return Ok((*hasher.finalize().as_bytes(), utf8 && rest.is_empty(), lines));
        }
        hasher.update(bytes);
        let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
        lines = u32::try_from(ends).map_or(u32::MAX, |ends| lines.saturating_add(ends));
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
