//! Building, unit and room out of one column.

use std::rc::Rc;

use gridpass_core::codes::address::{NONE, ShortForm};

use super::cells::{Cell, Headings, Row};
use super::convert::text;
use super::mapping::Split;

/// Adds the columns of a sheet's splits to its rows.
pub struct Splitter<'a> {
    splits: Vec<&'a Split>,
    headings: Option<Rc<Headings>>,
}

impl<'a> Splitter<'a> {
    /// The splits of one sheet.
    pub fn new(splits: &'a [Split], sheet: &str) -> Self {
        Self { splits: splits.iter().filter(|split| split.sheet == sheet).collect(), headings: None }
    }

    /// The row with the columns behind its own. A cell that is empty gives empty ones; one that cannot be read as parts of
    /// an address is told where a part is asked for. Where building and room are given and no unit, there is none.
    pub fn split(&mut self, mut row: Row) -> Row {
        if self.splits.is_empty() {
            return row;
        }
        let own = row.headings.names().len();
        let headings = self.headings.get_or_insert_with(|| {
            let mut headings = (*row.headings).clone();
            for name in self.splits.iter().flat_map(|split| [&split.building, &split.unit, &split.room]) {
                headings.push(name.clone());
            }
            Rc::new(headings)
        });
        row.cells.resize(own, Cell::Empty);
        for split in &self.splits {
            let cell = row.cell(&split.from).cloned().unwrap_or_default();
            let whole = |part: Option<String>| part.map_or(Cell::Empty, Cell::Text);
            let parts = match (text(&cell).map(|said| ShortForm::parse(&said)), cell) {
                (_, Cell::Empty) => [Cell::Empty, Cell::Empty, Cell::Empty],
                (Ok(Some(ShortForm { building, unit, room })), _) => {
                    let unit = unit.or_else(|| (building.is_some() && room.is_some()).then(|| NONE.to_owned()));
                    [whole(building), whole(unit), whole(room)]
                }
                (Ok(None), _) => [Cell::Unsplit, Cell::Unsplit, Cell::Unsplit],
                (Err(_), cell) => [cell.clone(), cell.clone(), cell],
            };
            row.cells.extend(parts);
        }
        row.headings = headings.clone();
        row
    }
}
