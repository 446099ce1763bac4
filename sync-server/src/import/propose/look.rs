//! Where the headings of a sheet are, and what its columns mean.

use std::collections::BTreeSet;

use gridpass_core::codes::identity::{self, IdKind};
use gridpass_core::codes::{Date, Phone, address, credit};

use super::words::{Meaning, Shape, Words};
use crate::import::cells::{Cell, Headings, Row};
use crate::import::convert::text;
use crate::import::source::{Source, SourceError};

/// How many rows are looked at.
const SAMPLE: usize = 200;
/// Headings stand in one of the first rows.
const TOP: usize = 10;

/// A sheet as far as it was understood.
pub(super) struct Sheet<'w> {
    pub heading: u32,
    pub heading_rows: u32,
    pub columns: Vec<Column<'w>>,
}

/// A column with a heading.
pub(super) struct Column<'w> {
    pub heading: String,
    pub meaning: Option<&'w Meaning>,
    /// Whether only the cells told the meaning.
    pub by_shape: bool,
    /// Of the cells that say something: how many, and how many different ones.
    pub filled: usize,
    pub different: usize,
    /// Whether each cell that says something is building, unit and room in one.
    pub whole: bool,
    /// Short words that the cells hold, a few.
    pub words: BTreeSet<String>,
}

pub(super) fn look<'w>(
    source: &Source,
    sheet: &str,
    words: &'w Words,
    today: Date,
) -> Result<Option<Sheet<'w>>, SourceError> {
    let rows = source.peek(sheet, SAMPLE)?;
    let said = |cell: &Cell| text(cell).unwrap_or_default();
    let score = |cells: &[Cell]| {
        let known: BTreeSet<&str> =
            cells.iter().filter_map(|cell| words.of(&said(cell))).map(|meaning| meaning.id.as_str()).collect();
        known.len()
    };
    let best = rows.iter().take(TOP).enumerate().rev().max_by_key(|(_, row)| score(&row.cells));
    let Some((place, Row { number, cells, .. })) = best.filter(|(_, row)| score(&row.cells) >= 2) else {
        return Ok(None);
    };
    // A heading that is merged over two rows says the same in both.
    let same = |one: &[Cell], other: &[Cell]| one.iter().zip(other).any(|(a, b)| a == b && *a != Cell::Empty);
    let above = place.checked_sub(1).and_then(|place| rows.get(place)).filter(|other| same(&other.cells, cells));
    let below = rows.get(place + 1).filter(|other| above.is_none() && same(cells, &other.cells));
    let (heading, first) = match (above, below) {
        (Some(above), _) => (above.number, place + 1),
        (None, Some(_)) => (*number, place + 2),
        (None, None) => (*number, place + 1),
    };
    let heading_rows = if above.is_some() || below.is_some() { 2 } else { 1 };
    let top = first - if heading_rows == 2 { 2 } else { 1 };
    let of: Vec<Vec<Cell>> = rows.iter().take(first).skip(top).map(|row| row.cells.clone()).collect();
    let headings = Headings::of(&of);
    let mut columns: Vec<Column<'w>> = Vec::new();
    for (place, heading) in headings.names().iter().enumerate().filter(|(_, heading)| !heading.is_empty()) {
        let cells = rows.iter().skip(first).filter(|row| !row.banner).filter_map(|row| row.cells.get(place));
        let cells: Vec<String> = cells.map(said).filter(|said| !said.is_empty()).collect();
        let named = words.of(heading).filter(|meaning| !taken(&columns, meaning));
        let shaped =
            || words.meanings.iter().find(|meaning| meaning.shape.is_some_and(|shape| fits(shape, &cells, today)));
        let meaning = named.or_else(|| shaped().filter(|meaning| !taken(&columns, meaning)));
        let short = |word: &&String| word.chars().count() <= 6 && !word.contains(|c: char| c.is_ascii_digit());
        columns.push(Column {
            heading: heading.clone(),
            meaning,
            by_shape: named.is_none() && meaning.is_some(),
            filled: cells.len(),
            different: cells.iter().collect::<BTreeSet<_>>().len(),
            whole: most(&cells, |cell| address::ShortForm::parse(cell).is_some_and(|found| found.room.is_some())),
            words: cells.iter().filter(short).take(40).cloned().collect(),
        });
    }
    Ok(Some(Sheet { heading, heading_rows, columns }))
}

fn taken(columns: &[Column<'_>], meaning: &Meaning) -> bool {
    columns.iter().any(|column| column.meaning.is_some_and(|known| known.id == meaning.id))
}

fn fits(shape: Shape, cells: &[String], today: Date) -> bool {
    most(cells, |cell| match shape {
        Shape::Identity => cell.chars().count() >= 15 && identity::check(IdKind::Resident, cell, today).is_ok(),
        Shape::Uscc => cell.chars().count() == 18 && credit::check(cell).is_ok(),
        Shape::Mobile => cell.parse::<Phone>().is_ok_and(|phone| phone.dial().len() == 11),
    })
}

/// Whether six of ten cells are so.
fn most(cells: &[String], is: impl Fn(&str) -> bool) -> bool {
    let count = cells.iter().filter(|cell| is(cell)).count();
    count > 0 && count * 10 >= cells.len() * 6
}
