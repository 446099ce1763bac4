//! One row to one record: its id, its grid, its values, and what it refers to.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::Values;
use gridpass_core::catalog::{Catalog, Collection, FieldType, Finding, Shape, Text};
use gridpass_core::id::{GridId, RecordId};

use super::ImportError;
use super::convert::{Keys, entries, text};
use super::mapping::Table;
use super::report::{self, Problem};
use super::source::{Cell, Row, Source};
use crate::app::App;
use crate::db::Principal;

/// A row as a record, before anything is known of what is stored.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The row's number.
    pub row: u32,
    /// The record.
    pub record: RecordId,
    /// The grid that the row or the command line names.
    pub grid: Option<GridId>,
    /// What the row says.
    pub values: Values,
    /// The fields that refer to records, and to which.
    pub refs: Vec<(String, RecordId)>,
}

/// Reads the rows of one sheet as records of one collection.
pub struct Reader<'a> {
    app: &'a App,
    collection: &'a Collection,
    table: &'a Table,
    keys: &'a Keys<'a>,
    teller: Teller<'a>,
    grid: Option<GridId>,
    grids: BTreeMap<String, Option<GridId>>,
    missing_told: bool,
}

impl<'a> Reader<'a> {
    /// A reader; `grid` is the one of rows that name none.
    pub fn new(
        app: &'a App,
        collection: &'a Collection,
        teller: Teller<'a>,
        keys: &'a Keys<'a>,
        grid: Option<GridId>,
    ) -> Self {
        Self { app, collection, table: teller.table, keys, teller, grid, grids: BTreeMap::new(), missing_told: false }
    }

    /// The record of a row; an error if the row must be left out, nothing if it is none of its own.
    pub fn read(
        &mut self,
        row: &Row,
        seen: &mut BTreeSet<RecordId>,
        tell: &mut dyn FnMut(&Problem),
    ) -> Result<Option<Result<Ready, ()>>, ImportError> {
        if !self.missing_told {
            self.missing_told = true;
            self.tell_missing(row, tell);
        }
        let key_columns = self.table.key.texts();
        let teller = self.teller;
        let mut refuse = |column: &str, code: &str| {
            tell(&teller.problem(row.number, column, None, code, true));
            Ok(Some(Err(())))
        };
        let first = key_columns.first().map_or("", String::as_str);
        let parts = match self.keys.parts(key_columns, &cells(row, key_columns)) {
            Ok(Some(parts)) => parts,
            Ok(None) if self.table.repeats => return Ok(None),
            Ok(None) => return refuse(first, "no_key"),
            Err(code) => return refuse(first, code),
        };
        let record = self.keys.record(&self.collection.id, &parts);
        if !seen.insert(record) {
            return if self.table.repeats { Ok(None) } else { refuse(first, "key_twice") };
        }
        let grid = match &self.table.grid {
            Some(column) => match text(row.cell(column).unwrap_or(&Cell::Empty)) {
                Ok(code) if code.is_empty() => self.grid,
                Ok(code) => match self.grid_of(code)? {
                    Some(grid) => Some(grid),
                    None => return refuse(column, "unknown_grid"),
                },
                Err(code) => return refuse(column, code),
            },
            None => self.grid,
        };
        let mut values = self.table.fixed.clone();
        if self.collection.field("source").is_some() {
            values.entry("source".into()).or_insert_with(|| "import".into());
        }
        let mut refs = Vec::new();
        let mut good = true;
        for column in &self.table.columns {
            let Some(field) = self.collection.field(&column.to) else { continue };
            let cells = cells(row, column.from.texts());
            let found = match entries((self.collection, field), column, &cells, self.keys) {
                Ok(found) => found,
                Err(code) => {
                    let shape = cells.first().and_then(|cell| text(cell).ok()).map(|text| Shape::of(&text.into()));
                    let heading = column.from.texts().first().map_or("", String::as_str);
                    tell(&self.teller.problem(row.number, heading, shape, code, true));
                    good = false;
                    continue;
                }
            };
            for (key, value) in found {
                if let Err(error) = self.collection.check_op(&key, &value) {
                    tell(&self.teller.malformed(row.number, &key, error.code, error.shape, &field.label));
                    good = false;
                } else if let (FieldType::Ref { .. }, Some(Ok(to))) =
                    (&field.field_type, value.as_str().map(str::parse))
                {
                    refs.push((key.clone(), to));
                }
                values.insert(key, value);
            }
        }
        Ok(Some(if good { Ok(Ready { row: row.number, record, grid, values, refs }) } else { Err(()) }))
    }

    fn tell_missing(&self, row: &Row, tell: &mut dyn FnMut(&Problem)) {
        let mapped = self.table.columns.iter().filter(|column| !column.optional).flat_map(|column| column.from.texts());
        let wanted: BTreeSet<&String> = mapped.chain(self.table.key.texts()).chain(&self.table.grid).collect();
        for heading in wanted.into_iter().filter(|heading| row.cell(heading).is_none()) {
            tell(&self.teller.problem(self.table.heading, heading, None, "no_column", false));
        }
    }

    fn grid_of(&mut self, code: String) -> Result<Option<GridId>, ImportError> {
        if let Some(known) = self.grids.get(&code) {
            return Ok(*known);
        }
        let found = self.app.db.grid_by_code(&Principal::SERVER, self.app.now_ms(), &code)?;
        self.grids.insert(code, found);
        Ok(found)
    }
}

fn cells<'a>(row: &'a Row, headings: &[String]) -> Vec<&'a Cell> {
    headings.iter().map(|heading| row.cell(heading).unwrap_or(&Cell::Empty)).collect()
}

/// Says where in which file something is wrong.
#[derive(Clone, Copy)]
pub struct Teller<'a> {
    /// The catalog with its texts.
    pub catalog: &'a Catalog,
    /// The table.
    pub table: &'a Table,
    /// The file.
    pub source: &'a Source,
}

impl Teller<'_> {
    /// A problem of the import's own.
    pub fn problem(&self, row: u32, column: &str, shape: Option<Shape>, code: &str, refused: bool) -> Problem {
        Problem {
            file: self.source.name.clone(),
            sheet: self.table.sheet.clone(),
            row,
            column: column.to_owned(),
            shape,
            code: code.to_owned(),
            text: report::text(code),
            refused,
        }
    }

    /// A value that has not the form of its field.
    pub fn malformed(&self, row: u32, key: &str, code: &str, shape: Shape, label: &Text) -> Problem {
        let text = self.catalog.text(code).map_or_else(|| report::text(code), |text| text.fill([("label", label)]));
        Problem { text, ..self.problem(row, self.heading(key), Some(shape), code, true) }
    }

    /// What the catalog's rules say of a record.
    pub fn finding(&self, row: u32, finding: &Finding, values: &Values, refused: bool) -> Problem {
        let shape = values.get(&finding.at).map(Shape::of);
        let text = finding.text(self.catalog);
        Problem { text, ..self.problem(row, self.heading(&finding.at), shape, &finding.code, refused) }
    }

    /// The column a key comes from; the key's field where no column is mapped to it.
    pub fn heading<'k>(&'k self, key: &'k str) -> &'k str {
        let field = key.split('/').next().unwrap_or(key);
        let of = |name: &str| self.table.columns.iter().find(|column| column.to == name);
        of(key).or_else(|| of(field)).and_then(|column| column.from.texts().first()).map_or(field, String::as_str)
    }
}
