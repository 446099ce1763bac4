//! What was told about rows as a workbook, for the office that keeps the sheet: one row per problem, in the order of the
//! sheets, and a sentence that can be sent to whoever corrects it. No value of a cell is in it.

use std::fs::File;
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{Format, Workbook, XlsxError};

use super::report::Problem;

/// As many rows as a sheet may have, without the headings.
const MOST: u32 = 1_048_575;

const HEADINGS: [&str; 10] = [
    "文件 / File",
    "工作表 / Sheet",
    "行 / Row",
    "列 / Column",
    "内容样式 / Shape of the value",
    "结果 / Result",
    "问题和处理",
    "Problem and remedy",
    "修改通知(可复制)",
    "代码 / Code",
];

/// A workbook that problems are written to, one row after the other.
pub struct ErrorBook {
    book: Workbook,
    path: PathBuf,
    file: File,
    row: u32,
    failed: Option<XlsxError>,
}

/// Why the workbook of problems is not written.
#[derive(Debug, thiserror::Error)]
pub enum ErrorBookError {
    /// The file.
    #[error("{path}: cannot be written ({cause}); --errors names a file that is not there yet")]
    File {
        /// Its path.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The workbook.
    #[error("{path}: the workbook of problems cannot be written: {cause}")]
    Workbook {
        /// Its path.
        path: String,
        /// Why.
        cause: XlsxError,
    },
}

impl ErrorBook {
    /// A workbook at a path where nothing is yet, so that no sheet of an office is overwritten.
    pub fn create(path: &Path) -> Result<Self, ErrorBookError> {
        let shown = || path.display().to_string();
        let file = File::create_new(path).map_err(|cause| ErrorBookError::File { path: shown(), cause })?;
        Ok(Self { book: Workbook::new(), path: path.to_owned(), file, row: 0, failed: None })
    }

    /// Adds a problem. A failure is told at the end.
    pub fn add(&mut self, problem: &Problem) {
        if self.failed.is_none() {
            self.failed = self.write(problem).err();
        }
    }

    fn write(&mut self, problem: &Problem) -> Result<(), XlsxError> {
        let Problem { file, sheet, row, column, shape, code, text, .. } = problem;
        let result = match problem.repaired() {
            true => "已修正 / repaired",
            false if problem.refused => "未导入 / refused",
            false => "提示 / told",
        };
        let shape = shape.as_ref().map(ToString::to_string).unwrap_or_default();
        let order = format!("请处理“{file}”工作表“{sheet}”第 {row} 行“{column}”:{}", text.zh);
        let cells = [file, sheet, "", column, &shape, result, &text.zh, &text.en, &order, code].map(harmless);
        if self.row.is_multiple_of(MOST) {
            let sheet = self.book.add_worksheet_with_constant_memory()?;
            sheet.set_freeze_panes(1, 0)?;
            let bold = Format::new().set_bold();
            for (place, heading) in (0..).zip(HEADINGS) {
                sheet.set_column_width(place, if place > 5 { 48 } else { 18 })?;
                sheet.write_string_with_format(0, place, heading, &bold)?;
            }
        }
        let number = self.book.worksheets().len().saturating_sub(1);
        let sheet = self.book.worksheet_from_index(number)?;
        let at = self.row % MOST + 1;
        for (place, cell) in (0..).zip(&cells) {
            if place == 2 {
                sheet.write_number(at, place, *row)?;
            } else if !cell.is_empty() {
                sheet.write_string(at, place, cell)?;
            }
        }
        self.row += 1;
        Ok(())
    }

    /// Writes the file; returns how many problems it holds.
    pub fn finish(mut self) -> Result<u32, ErrorBookError> {
        let failed = |cause| ErrorBookError::Workbook { path: self.path.display().to_string(), cause };
        if let Some(cause) = self.failed.take() {
            return Err(failed(cause));
        }
        if self.row == 0 {
            let sheet = self.book.add_worksheet();
            sheet.write_string(0, 0, "没有问题 / nothing to tell").map_err(failed)?;
        }
        self.book.save_to_writer(&mut self.file).map_err(failed)?;
        Ok(self.row)
    }
}

/// A text that no spreadsheet program takes for a formula, also when it is saved as CSV and opened again.
/// Source: OWASP, "CSV Injection".
fn harmless(text: &str) -> String {
    let danger = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if danger { format!("'{text}") } else { text.to_owned() }
}
