//! One row to one record: its id, its grid, its values, and what it refers to.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::Values;
use gridpass_core::catalog::{Catalog, Collection, Field, Finding, Shape, Text};
use gridpass_core::codes::Date;
use gridpass_core::codes::text::compact;
use gridpass_core::id::{GridId, RecordId};

use super::cells::{Cell, Row};
use super::convert::{NOT_WHOLE, entries, text};
use super::mapping::{Column, Of, Table, said};
use super::report::{self, Problem};
use super::source::Source;
use super::spelling::Keys;
use super::{ImportError, day, references, repair};
use crate::app::App;
use crate::db::Principal;
use crate::db::sqlite::Scratch;

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
    /// What refers to other records.
    pub refs: Vec<Reference>,
    /// Whether a cell was put right on the way.
    pub repaired: bool,
}

/// A reference to another record.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The key that holds it, or whose name it is.
    pub key: String,
    /// The place of its column in the table.
    pub column: usize,
    /// The record.
    pub to: RecordId,
}

/// Reads the rows of one sheet as records of one collection.
pub struct Reader<'a> {
    app: &'a App,
    collection: &'a Collection,
    table: &'a Table,
    keys: &'a Keys<'a>,
    teller: Teller<'a>,
    today: Date,
    grid: Option<GridId>,
    grids: BTreeMap<String, Option<GridId>>,
    columns: Option<Columns<'a>>,
}

/// Where the columns of a table stand in its sheet.
struct Columns<'a> {
    key: Vec<Place>,
    grid: Option<Place>,
    fields: Vec<Mapped<'a>>,
}

/// A column with its place in the table, its field, and where its cells and the one that says a kind are.
struct Mapped<'a> {
    place: usize,
    column: &'a Column,
    field: &'a Field,
    cells: Vec<Place>,
    kind: Option<Place>,
}

/// Where a column's cells are.
enum Place {
    /// At a place of every row; nowhere if the sheet lacks the column.
    Column(Option<usize>),
    /// In the mapping, which says the same of every row.
    Said(Cell),
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
        let today = Date::in_china(app.now_ms());
        Self { app, collection, table: teller.table, keys, teller, today, grid, grids: BTreeMap::new(), columns: None }
    }

    /// The record of a row; an error if the row must be left out, nothing if it is none of its own.
    pub fn read(
        &mut self,
        row: &Row,
        seen: &mut Scratch,
        tell: &mut dyn FnMut(&Problem),
    ) -> Result<Option<Result<Ready, ()>>, ImportError> {
        let columns = match self.columns.take() {
            Some(columns) => columns,
            None => self.find_columns(row, tell),
        };
        let read = self.read_in(&columns, row, seen, tell);
        self.columns = Some(columns);
        read
    }

    fn read_in(
        &mut self,
        columns: &Columns<'a>,
        row: &Row,
        seen: &mut Scratch,
        tell: &mut dyn FnMut(&Problem),
    ) -> Result<Option<Result<Ready, ()>>, ImportError> {
        let key_columns = self.table.key.texts();
        let teller = self.teller;
        let first = self.table.key.first();
        if row.banner {
            if !self.table.repeats {
                tell(&teller.problem(row.number, first, None, "title_between", false));
            }
            return Ok(None);
        }
        let mut refuse = |column: &str, code: &str| {
            tell(&teller.problem(row.number, column, None, code, true));
            Ok(Some(Err(())))
        };
        let parts = match self.keys.parts(key_columns, &cells(row, &columns.key)) {
            Ok(Some(parts)) => parts,
            Ok(None) if self.table.may_lack => {
                if !self.table.repeats {
                    tell(&teller.problem(row.number, first, None, "lacks_key", false));
                }
                return Ok(None);
            }
            Ok(None) if self.table.repeats => return Ok(None),
            Ok(None) => return refuse(first, "no_key"),
            Err(code) => return refuse(first, code),
        };
        let record = self.keys.record(&self.collection.id, &parts);
        if !seen.insert(record)? {
            return if self.table.repeats { Ok(None) } else { refuse(first, "key_twice") };
        }
        let grid = match (&self.table.grid, &columns.grid) {
            (Some(column), Some(place)) => match text(place.cell(row)) {
                Ok(code) if self.keys.is_nothing(&code) => self.grid,
                Ok(code) => match self.grid_of(compact(&code))? {
                    Some(grid) => Some(grid),
                    None => return refuse(column, "unknown_grid"),
                },
                Err(code) => return refuse(column, code),
            },
            _ => self.grid,
        };
        let mut record_read = self.values(columns, row, tell);
        if let Some(ready) = &mut record_read {
            (ready.record, ready.grid) = (record, grid);
        }
        Ok(Some(record_read.ok_or(())))
    }

    /// The values of a row, put right where that is certain; none if one of them cannot be read.
    fn values(&self, columns: &Columns<'a>, row: &Row, tell: &mut dyn FnMut(&Problem)) -> Option<Ready> {
        let mut values = self.table.fixed.clone();
        if self.collection.field("source").is_some() {
            values.entry("source".into()).or_insert_with(|| "import".into());
        }
        let (mut refs, mut months) = (Vec::new(), Vec::new());
        let (mut good, mut repaired) = (true, false);
        for Mapped { place, column, field, cells: places, kind } in &columns.fields {
            let cells = cells(row, places);
            let heading = column.from.first();
            let mut note = |code: &str, refused| {
                let shape = cells.first().and_then(|cell| text(cell).ok()).map(|text| Shape::of(&text.into()));
                tell(&self.teller.problem(row.number, heading, shape, code, refused));
            };
            let kind = kind.as_ref().map_or(&Cell::Empty, |kind| kind.cell(row));
            if let Some(named) = references::read((self.collection, field), column, (&cells, kind), self.keys) {
                for (key, value, to) in named.unwrap_or_else(|code| {
                    note(code, true);
                    good = false;
                    Vec::new()
                }) {
                    let twice = refs.iter().any(|known: &Reference| known.key == key);
                    if twice && values.get(&key).is_some_and(|known| *known != value) {
                        note("said_twice", true);
                        good = false;
                    }
                    refs.push(Reference { key: key.clone(), column: *place, to });
                    values.insert(key, value);
                }
                continue;
            }
            let found = match entries(field, column, &cells, self.keys) {
                Ok(found) => found,
                Err(NOT_WHOLE) => {
                    let month = cells.first().and_then(|cell| day::read(cell, &text(cell).unwrap_or_default()));
                    months.extend(month.map(|month| (field.key.as_str(), heading, month)));
                    continue;
                }
                Err(code) => {
                    note(code, true);
                    good = false;
                    continue;
                }
            };
            if let Some(code) = found.repaired {
                note(code, false);
                repaired = true;
            }
            for (key, value) in found.entries {
                if let Err(error) = self.collection.check_op(&key, &value) {
                    tell(&self.teller.malformed(row.number, &key, error.code, error.shape, &field.label));
                    good = false;
                }
                values.insert(key, value);
            }
        }
        let mapped = |key: &str| columns.fields.iter().any(|mapped| mapped.column.to == key);
        if !good {
            return None;
        }
        let mut filled = repair::by_identity(self.collection, &mut values, &months, self.today);
        filled.extend(repair::by_room(self.collection, &mut values));
        for (key, code) in filled {
            // What the sheet has no column for follows from the number in every row: nobody needs to look.
            if mapped(key) {
                tell(&self.teller.problem(row.number, self.teller.heading(key), None, code, false));
                repaired = true;
            }
        }
        for (key, heading, _) in months.iter().filter(|(key, ..)| !values.contains_key(*key)) {
            let code = if self.collection.id == "person" && *key == "birth" { "birth_not_whole" } else { NOT_WHOLE };
            tell(&self.teller.problem(row.number, heading, None, code, true));
            good = false;
        }
        let ready = Ready { row: row.number, record: RecordId::default(), grid: None, values, refs, repaired };
        good.then_some(ready)
    }

    /// Finds the columns by the sheet's headings and tells which of them are not there.
    fn find_columns(&self, row: &Row, tell: &mut dyn FnMut(&Problem)) -> Columns<'a> {
        let place = |heading: &String| match said(heading) {
            Some(said) => Place::Said(Cell::Text(said.to_owned())),
            None => Place::Column(row.headings.place(heading)),
        };
        let must = self.table.columns.iter().filter(|column| !column.optional);
        let mapped = must.flat_map(|column| column.from.texts().iter().chain(by(column)));
        let wanted: BTreeSet<&String> = mapped.chain(self.table.key.texts()).chain(&self.table.grid).collect();
        for heading in wanted.into_iter().filter(|heading| matches!(place(heading), Place::Column(None))) {
            tell(&self.teller.problem(self.table.heading, heading, None, "no_column", false));
        }
        let field = |(at, column): (usize, &'a Column)| {
            let (cells, kind) = (column.from.texts().iter().map(place).collect(), by(column).map(place));
            Some(Mapped { place: at, column, field: self.collection.field(&column.to)?, cells, kind })
        };
        Columns {
            key: self.table.key.texts().iter().map(place).collect(),
            grid: self.table.grid.as_ref().map(place),
            fields: self.table.columns.iter().enumerate().filter_map(field).collect(),
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

/// The heading of the column that says what another refers to.
fn by(column: &Column) -> Option<&String> {
    match &column.of {
        Some(Of::By(by)) => Some(&by.by),
        _ => None,
    }
}

impl Place {
    fn cell<'r>(&'r self, row: &'r Row) -> &'r Cell {
        match self {
            Self::Column(place) => row.at(*place),
            Self::Said(cell) => cell,
        }
    }
}

fn cells<'r>(row: &'r Row, places: &'r [Place]) -> Vec<&'r Cell> {
    places.iter().map(|place| place.cell(row)).collect()
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
        of(key).or_else(|| of(field)).map_or(field, |column| column.from.first())
    }
}
