//! What is wrong with a catalog's files: where, what, and what to do about it.

use std::fmt;
use std::ops::Range;

/// One defect of a catalog file. The message ends with the remedy and is meant for whoever edits the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct CatalogError {
    /// The file's name as it was handed in.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// Where in the file's structure, for example `field[3].type`; empty for the file itself.
    pub path: String,
    /// A stable name of the defect, for example `unknown_type`.
    pub code: &'static str,
    /// What is wrong and how to put it right, in English.
    pub message: String,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} [{}]", self.message, self.code)
    }
}

/// A place in a file's text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub span: Range<usize>,
    pub path: String,
}

impl Place {
    /// Line and column of the place's beginning, both counted from 1.
    pub fn line_column(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count());
        (before.matches('\n').count() + 1, column + 1)
    }
}
