//! Taking in the workbooks that offices keep: addresses, houses, people, organisations, lifts.
//!
//! A [`Mapping`] says which sheet is which collection and which column which field. A record's id is derived from the key
//! its row has in the sheet, so that the same file imported again changes nothing and a later file edits what the earlier
//! one made. What a phone or a desk has written is never overwritten: it is told and kept.
//!
//! | file | subject |
//! |---|---|
//! | [`mapping`] | the mapping file and whether the catalog agrees with it |
//! | [`source`] | rows of workbooks and CSV files, one at a time |
//! | [`convert`] | cells to values, by the type of the field |
//! | [`rows`] | one row to one record |
//! | [`mod@write`] | batches of records to commits |
//! | [`tree`] | the organisation tree and the grids |
//! | [`report`] | what is told about rows, and counts |

pub mod convert;
pub mod mapping;
pub mod report;
pub mod rows;
pub mod source;
pub mod tree;
pub mod write;

use std::collections::BTreeSet;
use std::path::PathBuf;

pub use mapping::{Mapping, MappingError};
pub use report::{Counts, Problem, Summary};
pub use source::{Source, SourceError};

use crate::app::App;
use crate::db::{DbError, Principal};
use convert::Keys;
use rows::{Reader, Teller};
use write::Writer;

/// How many records are written together.
pub const BATCH: usize = 500;

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
    /// A change that cannot be built.
    #[error("a stored record is damaged; run `gridpass-server verify`")]
    Damaged,
}

/// Imports the files table by table in the order of the mapping, so that what is referred to comes first. Memory holds one
/// batch of rows and the ids of the records seen.
pub fn run(
    app: &App,
    mapping: &Mapping,
    options: &Options,
    files: &[PathBuf],
    tell: &mut dyn FnMut(&Problem),
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
    let mut writer = Writer::new(app, catalog, options.dry_run);
    let keys = Keys::new(mapping, catalog, options.space.as_deref().unwrap_or(&mapping.space));
    let mut any = false;
    let wanted = |sheet: &str| options.sheet.as_deref().is_none_or(|only| only == sheet);
    for table in mapping.tables.iter().filter(|table| wanted(&table.sheet)) {
        let Some(collection) = catalog.collection(&table.collection) else { continue };
        let mut seen = BTreeSet::new();
        for source in sources.iter().filter(|source| source.has(&table.sheet)) {
            any = true;
            let mut reader = Reader::new(app, collection, Teller { catalog, table, source }, &keys, fixed_grid);
            let mut batch = Vec::new();
            source.rows(&table.sheet, table.heading, &mut |row| -> Result<(), ImportError> {
                let Some(read) = reader.read(&row, &mut seen, tell)? else { return Ok(()) };
                writer.summary.counts(&table.collection).rows += 1;
                match read {
                    Ok(ready) => batch.push(ready),
                    Err(()) => writer.summary.counts(&table.collection).refused += 1,
                }
                if batch.len() >= BATCH {
                    writer.write(source, table, collection, std::mem::take(&mut batch), tell)?;
                }
                Ok(())
            })?;
            writer.write(source, table, collection, batch, tell)?;
        }
    }
    if any { Ok(writer.summary) } else { Err(ImportError::NoSheet) }
}
