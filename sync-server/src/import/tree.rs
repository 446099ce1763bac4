//! The organisation tree and the grids from one sheet: 级别 (level), 编码 (code), 名称 (name), 上级编码 (code above).

use std::path::Path;

use gridpass_core::id::{GridId, UnitId};

use super::cells::{Cell, Row};
use super::convert::text;
use super::source::{Source, SourceError};
use crate::app::App;
use crate::db::{DbError, Principal, UnitRow};

/// The sheet of a workbook that holds the tree.
pub const SHEET: &str = "网格";

/// Why a tree is not taken in. What stands above the line named is.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The file has no such sheet.
    #[error("the workbook has no sheet 网格")]
    NoSheet,
    /// A row.
    #[error("row {row}: {what}")]
    Row {
        /// Its number.
        row: u32,
        /// What is wrong and what to do.
        what: &'static str,
    },
}

/// How many were made; those that were there already are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Made {
    /// Units.
    pub units: u64,
    /// Grids.
    pub grids: u64,
}

/// Makes the units and grids of a file that are not there yet. Ids follow from codes, so every server makes the same.
pub fn tree(app: &App, path: &Path) -> Result<Made, TreeError> {
    let source = Source::open(path)?;
    let sheet = match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("csv") => {
            path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
        }
        _ => SHEET.to_owned(),
    };
    if !source.has(&sheet) {
        return Err(TreeError::NoSheet);
    }
    let mut made = Made::default();
    source.rows(&sheet, 1, 1, &mut |row| take(app, &row, &mut made))?;
    Ok(made)
}

fn take(app: &App, row: &Row, made: &mut Made) -> Result<(), TreeError> {
    let refuse = |what| TreeError::Row { row: row.number, what };
    let cell = |heading| text(row.cell(heading).unwrap_or(&Cell::Empty)).map_err(|_| refuse("a cell is damaged"));
    let (level, code, name, above) = (cell("级别")?, cell("编码")?, cell("名称")?, cell("上级编码")?);
    if code.is_empty() || name.is_empty() {
        return Err(refuse("编码 and 名称 must be filled in"));
    }
    let now_ms = app.now_ms();
    let unit_of = |code: &str| app.db.unit_by_code(&Principal::SERVER, now_ms, code);
    let parent = if above.is_empty() { None } else { unit_of(&above)? };
    if parent.is_none() && !above.is_empty() {
        return Err(refuse("上级编码 names no unit; put it above"));
    }
    let kind = match level.as_str() {
        "区" | "district" => "district",
        "街道" | "street" => "street",
        "管区" | "area" => "area",
        "社区" | "community" => "community",
        "网格" | "grid" => {
            let Some(parent) = parent else { return Err(refuse("a grid needs 上级编码, its community")) };
            if app.db.grid_by_code(&Principal::SERVER, now_ms, &code)?.is_none() {
                let id = GridId::derived("grid", &[code.as_bytes()]);
                app.db.add_grid(now_ms, id, parent.as_bytes(), &code, &name)?;
                made.grids += 1;
            }
            return Ok(());
        }
        _ => return Err(refuse("级别 is one of 区, 街道, 管区, 社区, 网格")),
    };
    if unit_of(&code)?.is_none() {
        let id = UnitId::derived("unit", &[code.as_bytes()]);
        app.db.add_unit(now_ms, &UnitRow { id, kind: kind.into(), parent, code, name })?;
        made.units += 1;
    }
    Ok(())
}
