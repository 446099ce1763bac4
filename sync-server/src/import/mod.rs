//! Taking in the workbooks that offices keep: addresses, houses, people, organisations, lifts.
//!
//! A [`Mapping`] says which sheet is which collection and which column which field. A record's id is derived from the key
//! its row has in the sheet, so that the same file imported again changes nothing and a later file edits what the earlier
//! one made. What a phone or a desk has written is never overwritten: it is told and kept.
//!
//! | file | subject |
//! |---|---|
//! | [`mapping`] | the mapping file and whether the catalog agrees with it |
//! | `inspect` | what a file really is, within bounds, before anything unpacks it |
//! | [`source`] | rows of workbooks and CSV files, one at a time |
//! | [`cells`] | cells, headings, rows |
//! | `merged`, `split` | what merged cells cover; building, unit and room out of one column |
//! | [`convert`], [`day`], [`moment`] | cells to values, by the type of the field |
//! | [`references`] | cells that name other records, one or many |
//! | [`spelling`] | one way to write what names a record |
//! | [`repair`] | what follows from an identity number |
//! | [`rows`] | one row to one record |
//! | `compose` | one record to one commit |
//! | [`mod@write`] | batches of them, written while the next are prepared |
//! | [`propose`] | a mapping for workbooks nobody has mapped yet |
//! | [`tree`], [`shapes`] | the organisation tree and the grids; how grids lie on the ground |
//! | [`batch`], [`undo`] | imports as something to list and to take back |
//! | [`report`], [`errors`] | what is told about rows, and counts; the same as a workbook |

pub mod batch;
pub mod cells;
mod compose;
pub mod convert;
pub mod day;
pub mod errors;
mod inspect;
pub mod mapping;
mod merged;
pub mod moment;
pub mod propose;
pub mod references;
pub mod repair;
pub mod report;
pub mod rows;
pub mod shapes;
pub mod source;
pub mod spelling;
mod split;
pub mod tree;
pub mod undo;
pub mod write;

use std::path::PathBuf;

pub use mapping::{Mapping, MappingError};
pub use report::{Counts, Problem, Summary};
pub use source::{Source, SourceError};

use gridpass_core::id::GridId;

use crate::app::App;
use crate::db::sqlite::Scratch;
use crate::db::{DbError, Principal};
use crate::keys::KeyError;
use rows::{Reader, Teller};
use spelling::Keys;
use split::Splitter;
use write::{Part, Writer};

/// How many rows are read and then written together. Each touches pages of its own in most indexes: the more rows share a
/// commit, the fewer pages are written; but while it lasts, the pushes of phones wait.
pub const BATCH: usize = 2000;

/// How often a batch is prepared again because phones were faster.
const TRIES: usize = 8;

/// What a person asks for besides mapping and files.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only this sheet.
    pub sheet: Option<String>,
    /// Whose numbers the keys are, in place of the mapping's `space`: two offices that both count from 1 need two.
    pub space: Option<String>,
    /// The code of the grid of every row whose sheet names none.
    pub grid: Option<String>,
    /// Look at everything, write nothing.
    pub dry_run: bool,
}

impl Options {
    fn wants(&self, sheet: &str) -> bool {
        self.sheet.as_deref().is_none_or(|only| only == sheet)
    }
}

/// Who looks on while an import runs.
pub trait Watch {
    /// Something is to say about a row.
    fn tell(&mut self, problem: &Problem);

    /// Rows were dealt with. Whether to go on: an import that is stopped ends in order, and a later run goes on.
    fn go_on(&mut self, progress: &Progress<'_>) -> bool {
        let _ = progress;
        true
    }
}

impl Watch for &mut dyn FnMut(&Problem) {
    fn tell(&mut self, problem: &Problem) {
        self(problem);
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The sheet.
    pub sheet: &'a str,
    /// The collection.
    pub collection: &'a str,
    /// The row it has come to, as the sheet counts.
    pub row: u32,
    /// The sheet's last row, where the file says so.
    pub last: Option<u32>,
    /// How many rows of all sheets were dealt with.
    pub done: u64,
}

/// Why an import ends. Faults of rows do not end it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The mapping.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// A file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The grid.
    #[error("grid: no grid has this code; make it with `grid add` or `grid import`")]
    Grid,
    /// No file has a sheet that the mapping names.
    #[error("none of the files has a sheet of the mapping; a CSV file's sheet is its name without .csv")]
    NoSheet,
    /// No randomness.
    #[error(transparent)]
    Random(#[from] KeyError),
    /// No import has the name.
    #[error("batch: no import has this name; `import list` names them")]
    NoBatch,
    /// A change that cannot be built.
    #[error("a stored record is damaged; run `gridpass-server verify`")]
    Damaged,
}

/// Imports the files and tells what there is to say about rows.
pub fn run(
    app: &App,
    mapping: &Mapping,
    options: &Options,
    files: &[PathBuf],
    mut tell: &mut dyn FnMut(&Problem),
) -> Result<Summary, ImportError> {
    run_watched(app, mapping, options, files, &mut tell)
}

/// Imports the files table by table in the order of the mapping, so that what is referred to comes first. Memory holds
/// batches of rows; which records a sheet has named lies in a temporary file.
pub fn run_watched(
    app: &App,
    mapping: &Mapping,
    options: &Options,
    files: &[PathBuf],
    watch: &mut dyn Watch,
) -> Result<Summary, ImportError> {
    let catalogs = app.catalogs();
    let catalog = catalogs.newest_catalog().ok_or(MappingError::NoCatalog)?;
    mapping.check(catalog)?;
    let fixed_grid = match &options.grid {
        Some(code) => {
            let found = app.db.grid_by_code(&Principal::SERVER, app.now_ms(), code)?;
            Some(found.ok_or(ImportError::Grid)?)
        }
        None => None,
    };
    let sources: Vec<Source> = files.iter().map(|path| Source::open(path)).collect::<Result<_, _>>()?;
    let mut tables = mapping.tables.iter().filter(|table| options.wants(&table.sheet));
    if !tables.any(|table| sources.iter().any(|source| source.has(&table.sheet))) {
        return Err(ImportError::NoSheet);
    }
    for source in sources.iter().filter(|source| source.macros) {
        watch.tell(&Problem::of_file(source, "macros_ignored"));
    }
    let mut writer = Writer::new(app, catalog, options.dry_run);
    if options.dry_run {
        return tables_in_order(&mut writer, mapping, options, &sources, fixed_grid, watch).map(|()| writer.summary);
    }
    let id = batch::begin(app, mapping, options, &sources)?;
    writer.summary.batch = Some(id);
    app.db.bulk(true)?;
    let taken = tables_in_order(&mut writer, mapping, options, &sources, fixed_grid, watch);
    let ordinary = app.db.bulk(false);
    taken?;
    ordinary?;
    if !writer.summary.stopped {
        batch::end(app, id)?;
    }
    Ok(writer.summary)
}

/// Reads and writes table by table, in each file by file; ends early where it is stopped.
fn tables_in_order(
    writer: &mut Writer<'_>,
    mapping: &Mapping,
    options: &Options,
    sources: &[Source],
    fixed_grid: Option<GridId>,
    watch: &mut dyn Watch,
) -> Result<(), ImportError> {
    let (app, catalog) = (writer.app, writer.catalog);
    let keys = Keys::new(mapping, catalog, options.space.as_deref().unwrap_or(&mapping.space));
    let mut done = 0;
    for table in mapping.tables.iter().filter(|table| options.wants(&table.sheet)) {
        let Some(collection) = catalog.collection(&table.collection) else { continue };
        let mut seen = Scratch::default();
        for source in sources.iter().filter(|source| source.has(&table.sheet)) {
            let part = Part { source, table, collection };
            let last = source.last_row(&table.sheet);
            let progress = |row, done| Progress { sheet: &table.sheet, collection: &table.collection, row, last, done };
            let mut reader = Reader::new(app, collection, Teller { catalog, table, source }, &keys, fixed_grid);
            let mut splitter = Splitter::new(&mapping.splits, &table.sheet);
            let mut batch = Vec::new();
            let (mut read_to, mut handed_over) = (0, None);
            let read = source.rows(&table.sheet, table.heading, table.heading_rows, &mut |row| -> Result<(), Halt> {
                let row = splitter.split(row);
                (read_to, done) = (row.number, done + 1);
                if let Some(read) = reader.read(&row, &mut seen, &mut |problem| watch.tell(problem))? {
                    writer.summary.counts(&table.collection).rows += 1;
                    match read {
                        Ok(ready) => batch.push(ready),
                        Err(()) => writer.summary.counts(&table.collection).refused += 1,
                    }
                }
                if done % BATCH as u64 == 0 {
                    writer.write(&part, std::mem::take(&mut batch), &mut |problem| watch.tell(problem))?;
                    // The rows before these are on disk now, and are what is told.
                    let on_disk = handed_over.replace((row.number, done));
                    if on_disk.is_some_and(|(row, done)| !watch.go_on(&progress(row, done))) {
                        return Err(Halt::Stopped);
                    }
                }
                Ok(())
            });
            match read {
                Err(Halt::Failed(error)) => return Err(error),
                Err(Halt::Stopped) => writer.summary.stopped = true,
                Ok(()) => {}
            }
            // What was read is written, also where it was stopped: the counts are those of what was dealt with.
            writer.write(&part, batch, &mut |problem| watch.tell(problem))?;
            writer.settle(&part, &mut |problem| watch.tell(problem))?;
            if writer.summary.stopped || !watch.go_on(&progress(read_to, done)) {
                writer.summary.stopped = true;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Why the rows of a sheet are not read to their end.
enum Halt {
    /// Somebody said so.
    Stopped,
    /// Something failed.
    Failed(ImportError),
}

impl<E: Into<ImportError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
